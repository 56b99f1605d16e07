//! Functions of lists: values with a separator between them.

use super::super::arguments::{cut, split};
use super::super::substitute::{Fault, Scope, assign, look_up, whole_number};
use super::Plain;
use super::numbers::float;
use super::strings::character;

pub(super) const FUNCTIONS: &[Plain] = &[
    Plain::new("CUT", "(VARIABLE,SEPARATOR,FIELDS)", "Some fields of a value, such as 1-2&4-.", cut_fields),
    Plain::new("FIELDQTY", "(VARIABLE,SEPARATOR)", "How many fields a value has.", |scope, arguments| {
        let list = List::read(scope, arguments, b'-');
        // Without a separator the value is one field. (dialplan/fieldqty-fieldnum-forms.)
        let is_parted = cut(arguments, b',').1.is_some_and(|separator| !separator.is_empty());
        let count = if is_parted { list.fields().count() } else { usize::from(!list.value.is_empty()) };
        Ok(count.to_string().into())
    }),
    Plain::new(
        "FIELDNUM",
        "(VARIABLE,SEPARATOR,FIELD)",
        "Which field of a value a text is, from 1; 0 if it is none.",
        |scope, arguments| {
            let list = List::read(scope, arguments, b'-');
            if split(arguments, 3).len() < 3 {
                return Err(Fault::Arguments);
            }
            let is = |field: &[u8]| field.eq_ignore_ascii_case(list.rest);
            Ok(list.fields().position(is).map_or(0, |at| at + 1).to_string().into())
        },
    ),
    Plain::new(
        "LISTFILTER",
        "(VARIABLE,SEPARATOR,FIELD)",
        "A value without the fields that are a text.",
        |scope, arguments| {
            let list = List::read(scope, arguments, b',');
            Ok(list.joined(list.fields().filter(|field| *field != list.rest)))
        },
    ),
    Plain::new(
        "UNIQUE",
        "(VARIABLE[,SEPARATOR])",
        "A value with each of its fields once.",
        |scope, arguments| {
            let list = List::read(scope, arguments, b',');
            let mut seen = std::collections::HashSet::new();
            Ok(list.joined(list.fields().filter(|field| seen.insert(*field))))
        },
    ),
    Plain::new(
        "POP",
        "(VARIABLE[,SEPARATOR])",
        "Takes the last field off a variable, and is it.",
        |scope, arguments| {
            take(scope, arguments, |value, separator| match value.iter().rposition(|b| *b == separator) {
                Some(at) => (&value[..at], &value[at + 1..]),
                None => (b"", value),
            })
        },
    ),
    Plain::new(
        "SHIFT",
        "(VARIABLE[,SEPARATOR])",
        "Takes the first field off a variable, and is it.",
        |scope, arguments| {
            take(scope, arguments, |value, separator| match value.iter().position(|b| *b == separator) {
                Some(at) => (&value[at + 1..], &value[..at]),
                None => (b"", value),
            })
        },
    ),
    Plain::write_only(
        "PUSH",
        "(VARIABLE[,SEPARATOR])",
        "Adds fields at the end of a variable.",
        |scope, arguments, new| {
            add(scope, arguments, |old, separator| [old, &[separator], new].concat(), new)
        },
    ),
    Plain::write_only(
        "UNSHIFT",
        "(VARIABLE[,SEPARATOR])",
        "Adds fields at the beginning of a variable.",
        |scope, arguments, new| {
            add(scope, arguments, |old, separator| [new, &[separator], old].concat(), new)
        },
    ),
    Plain::new("SORT", "(KEY:NUMBER,...)", "Keys in the order of their numbers.", sort),
    Plain::write_only(
        "ARRAY",
        "(VARIABLE,...)",
        "Sets several variables, each to a value of a list.",
        |scope, names, values| {
            let (names, values) = (split(names, usize::MAX), split(values, names.len() + 1));
            for (at, name) in names.iter().enumerate() {
                let value = values.get(at).map_or(&b""[..], |value| value);
                assign(name.trim_ascii(), value, scope)?;
            }
            Ok(())
        },
    ),
    Plain::new("HASH", "(NAME,KEY)", "A value that was kept under a name and a key.", |scope, arguments| {
        let name = hash_variable(arguments)?;
        Ok(scope.variable(&name).map(Into::into).unwrap_or_default())
    })
    .writes(|scope, arguments, value| {
        let name = hash_variable(arguments)?;
        scope.set_variable(&name, value)
    }),
];

/// A variable's value, what parts it, and the argument behind both.
struct List<'a> {
    value: Vec<u8>,
    separator: u8,
    rest: &'a [u8],
}

impl<'a> List<'a> {
    fn read(scope: &mut dyn Scope, arguments: &'a [u8], default: u8) -> List<'a> {
        let (name, rest) = cut(arguments, b',');
        let (separator, rest) = separator(rest.unwrap_or_default(), default);
        List { value: look_up(name.trim_ascii(), scope), separator, rest }
    }

    /// An empty value has none.
    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let most = if self.value.is_empty() { 0 } else { usize::MAX };
        self.value.split(|byte| *byte == self.separator).take(most)
    }

    fn joined<'f>(&self, fields: impl Iterator<Item = &'f [u8]>) -> Vec<u8> {
        fields.collect::<Vec<_>>().join(&self.separator)
    }
}

/// The separator that arguments begin with, which may be a comma itself, and what follows it.
fn separator(text: &[u8], default: u8) -> (u8, &[u8]) {
    let text = match text {
        // In quotes, as commas need it.
        [b'"', separator, b'"', tail @ ..] => return (*separator, tail.strip_prefix(b",").unwrap_or(tail)),
        text => text,
    };
    match character(text) {
        Some((b',', tail)) if text.starts_with(b",") && !tail.starts_with(b",") => (default, tail),
        Some((separator, tail)) => {
            let at = tail.iter().position(|&b| b == b',').map_or(tail.len(), |at| at + 1);
            (separator, &tail[at..])
        }
        None => (default, b""),
    }
}

/// Fields come in their order, each once. (calls/getvar-functions-without-channel, dialplan/cut-ranges.)
fn cut_fields(scope: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let list = List::read(scope, arguments, b'-');
    let fields: Vec<&[u8]> = list.fields().collect();
    let mut chosen = Vec::new();
    let mut next = 1;
    for range in list.rest.split(|&b| b == b'&').map(<[u8]>::trim_ascii) {
        if matches!(range, b"" | b"-") {
            continue;
        }
        let (from, to) = match range.iter().position(|&b| b == b'-') {
            Some(dash) => (&range[..dash], &range[dash + 1..]),
            None => (range, range),
        };
        let bound = |text: &[u8], default: usize| match text {
            b"" => default,
            text => whole_number(text).clamp(0, fields.len() as i64 + 1) as usize,
        };
        let (from, to) = (bound(from, 1).max(next), bound(to, fields.len()).min(fields.len()));
        if from <= to {
            chosen.extend_from_slice(&fields[from - 1..to]);
            next = to + 1;
        }
    }
    Ok(list.joined(chosen.into_iter()))
}

/// Splits a variable's value into what stays and what is taken.
fn take(
    scope: &mut dyn Scope,
    arguments: &[u8],
    part: impl Fn(&[u8], u8) -> (&[u8], &[u8]),
) -> Result<Vec<u8>, Fault> {
    let (name, _) = cut(arguments, b',');
    let list = List::read(scope, arguments, b',');
    if list.value.is_empty() {
        return Ok(Vec::new());
    }
    let (left, taken) = part(&list.value, list.separator);
    assign(name.trim_ascii(), left, scope)?;
    Ok(taken.to_vec())
}

fn add(
    scope: &mut dyn Scope,
    arguments: &[u8],
    join: impl Fn(&[u8], u8) -> Vec<u8>,
    new: &[u8],
) -> Result<(), Fault> {
    let (name, _) = cut(arguments, b',');
    let list = List::read(scope, arguments, b',');
    let value = if list.value.is_empty() { new.to_vec() } else { join(&list.value, list.separator) };
    if value.len() > super::super::substitute::MAX_TEXT {
        return Err(Fault::Full);
    }
    assign(name.trim_ascii(), &value, scope)
}

fn sort(_: &mut dyn Scope, list: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut keys = Vec::new();
    for pair in list.split(|&b| b == b',') {
        // (dialplan/sort-odd-parts.)
        let Some(colon) = pair.iter().position(|&b| b == b':') else { continue };
        keys.push((float(&pair[colon + 1..]).unwrap_or(0.0), &pair[..colon]));
    }
    keys.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    Ok(keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>().join(&b','))
}

/// The variable that keeps what HASH keeps under a name and a key.
fn hash_variable(arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (name, Some(key)) = cut(arguments, b',') else { return Err(Fault::Arguments) };
    Ok([b"~HASH~", name, b"~", key, b"~"].concat())
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Table;
    use super::super::super::{assign, look_up};
    use super::super::tests::check;
    use super::*;

    #[test]
    fn fields() {
        check(
            &[("V", "a-b-c-d"), ("C", "x,y,x"), ("L", "one\ntwo"), ("E", "")],
            &[
                ("CUT(V,-,1)", "a"),
                ("CUT(V,-,2-3)", "b-c"),
                ("CUT(V,-,3-)", "c-d"),
                ("CUT(V,-,-2)", "a-b"),
                ("CUT(V,-,1&3-4)", "a-c-d"),
                ("CUT(V,-,4&1)", "d"),
                ("CUT(V,-,2&2-3)", "b-c"),
                ("CUT(V,-,-)", ""),
                ("CUT(V,-,9)", ""),
                ("CUT(V,,2)", "b"),
                ("CUT(C,\",\",2)", "y"),
                ("CUT(C,\\,,2)", "y"),
                ("CUT(L,\\n,2)", "two"),
                ("CUT(x,-,1)", ""),
                ("CUT(V,x,1)", "a-b-c-d"),
                ("FIELDQTY(V,-)", "4"),
                ("FIELDQTY(C,\\,)", "3"),
                ("FIELDQTY(C,\",\")", "3"),
                ("FIELDQTY(E,-)", "0"),
                ("FIELDQTY(V)", "1"),
                ("FIELDNUM(V,-,C)", "3"),
                ("FIELDNUM(V,-)", ""),
                ("FIELDNUM(V,-,c)", "3"),
                ("FIELDNUM(V,-,x)", "0"),
                ("LISTFILTER(C,\\,,x)", "y"),
                ("LISTFILTER(V,-,b)", "a-c-d"),
                ("UNIQUE(C)", "x,y"),
                ("SORT(a:3,b:1.5,c:2)", "b,c,a"),
                ("SORT(a)", ""),
                ("SORT(x,b:2,a:1)", "a,b"),
            ],
        );
    }

    #[test]
    fn stacks() {
        let mut table = Table::new(&[]);
        for (function, value) in
            [("PUSH(S)", "a"), ("PUSH(S)", "b,c"), ("UNSHIFT(S)", "z"), ("PUSH(T,-)", "x")]
        {
            assign(function.as_bytes(), value.as_bytes(), &mut table).unwrap();
        }
        let mut check = |name: &str, expect: &str| {
            assert_eq!(String::from_utf8_lossy(&look_up(name.as_bytes(), &mut table)), expect, "{name}");
        };
        check("S", "z,a,b,c");
        check("POP(S)", "c");
        check("SHIFT(S)", "z");
        check("S", "a,b");
        check("POP(S)", "b");
        check("POP(S)", "a");
        check("POP(S)", "");
        check("T", "x");
    }

    #[test]
    fn several_variables() {
        let mut table = Table::new(&[]);
        assign(b"ARRAY(A,B,C)", b"1,\"2,3\"", &mut table).unwrap();
        assign(b"HASH(h,k)", b"v", &mut table).unwrap();
        let mut check = |name: &str, expect: &str| {
            assert_eq!(String::from_utf8_lossy(&look_up(name.as_bytes(), &mut table)), expect, "{name}");
        };
        check("A", "1");
        check("B", "2,3");
        check("C", "");
        check("HASH(h,k)", "v");
        check("HASH(h,x)", "");
        check("HASH(h)", "");
    }

    #[test]
    fn what_multiplies_has_an_end() {
        let many = vec!["x"; 4000].join("-");
        let function = format!("CUT(V,-,{})", vec!["1-"; 1000].join("&"));
        let mut table = Table::new(&[("V", &many)]);
        assert_eq!(look_up(function.as_bytes(), &mut table), many.as_bytes());
        assign(b"V", &[b'x'; 8190], &mut table).unwrap();
        assert_eq!(assign(b"PUSH(V)", b"yyy", &mut table), Err(Fault::Full));
    }
}
