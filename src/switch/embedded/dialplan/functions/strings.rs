//! Functions of texts.

use super::super::arguments::{cut, get, split};
use super::super::expression::compile;
use super::super::number::general;
use super::super::substitute::{Fault, MAX_TEXT, Scope, look_up, whole_number};
use super::Plain;
use super::numbers::float;
use crate::ami::number::leading;

pub(super) const FUNCTIONS: &[Plain] = &[
    Plain::new("LEN", "(TEXT)", "How many bytes a text has.", |_, text| Ok(text.len().to_string().into())),
    Plain::new("TOUPPER", "(TEXT)", "The text in upper case.", |_, text| Ok(text.to_ascii_uppercase())),
    Plain::new("TOLOWER", "(TEXT)", "The text in lower case.", |_, text| Ok(text.to_ascii_lowercase())),
    Plain::new("PASSTHRU", "(TEXT)", "The text itself, where a variable's name is wanted.", |_, text| {
        Ok(text.to_vec())
    }),
    Plain::new("TRIM", "(TEXT)", "The text without the blanks round it.", |_, text| {
        Ok(text.trim_ascii().to_vec())
    }),
    Plain::new("LTRIM", "(TEXT)", "The text without the blanks before it.", |_, text| {
        Ok(text.trim_ascii_start().to_vec())
    }),
    Plain::new("RTRIM", "(TEXT)", "The text without the blanks behind it.", |_, text| {
        Ok(text.trim_ascii_end().to_vec())
    }),
    Plain::new("FILTER", "(ALLOWED,TEXT)", "The text without the characters that are not allowed.", filter),
    Plain::new(
        "REGEX",
        "(\"PATTERN\" TEXT)",
        "1 if a POSIX extended expression fits the text, else 0.",
        regex,
    ),
    Plain::new(
        "REPLACE",
        "(VARIABLE,CHARACTERS[,NEW])",
        "A value with some characters replaced or left out.",
        replace,
    ),
    Plain::new(
        "STRREPLACE",
        "(VARIABLE,OLD[,NEW[,MOST]])",
        "A value with one text replaced by another.",
        str_replace,
    ),
    Plain::new(
        "QUOTE",
        "(TEXT)",
        "The text in quotes, with backslashes before quotes and backslashes.",
        |_, text| Ok(quoted(text, b"\"\\", b'\\')),
    ),
    Plain::new("CSV_QUOTE", "(TEXT)", "The text in quotes, with the quotes in it doubled.", |_, text| {
        Ok(quoted(text, b"\"", b'"'))
    }),
    Plain::new(
        "KEYPADHASH",
        "(TEXT)",
        "The digits on a telephone's keys that carry the text's letters.",
        keypad,
    ),
    Plain::new("SPRINTF", "(FORMAT,VALUE...)", "Values in a format, as printf of C has them.", sprintf),
];

fn filter(_: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (allowed, Some(text)) = cut(arguments, b',') else { return Err(Fault::Arguments) };
    let mut set = [false; 256];
    let mut rest = allowed;
    while let Some((from, tail)) = character(rest) {
        // A dash at the end means nothing, and of a range that goes down only its end counts. (dialplan/filter-ranges.)
        let (from, to, tail) = match tail.strip_prefix(b"-").map(|tail| (tail, character(tail))) {
            Some((_, Some((to, tail)))) => (from.min(to), to, tail),
            Some((tail, None)) => (from, from, tail),
            None => (from, from, tail),
        };
        (from..=to).for_each(|byte| set[usize::from(byte)] = true);
        rest = tail;
    }
    Ok(text.iter().copied().filter(|byte| set[usize::from(*byte)]).collect())
}

/// The character that a text begins with, which may be written `\n`, `\xHH` or `\-`, and what follows it.
pub(super) fn character(text: &[u8]) -> Option<(u8, &[u8])> {
    let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    Some(match text {
        [] => return None,
        [b'\\', b'x' | b'X', a, b, tail @ ..] if hex(&[*a, *b]).is_some() => (hex(&[*a, *b])?, tail),
        [b'\\', escaped, tail @ ..] => {
            let byte = match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'0' => 0,
                other => *other,
            };
            (byte, tail)
        }
        [byte, tail @ ..] => (*byte, tail),
    })
}

fn regex(scope: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let rest = arguments.trim_ascii_start().strip_prefix(b"\"").ok_or(Fault::Arguments)?;
    let mut escaped = false;
    let closes = |byte: &u8| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    };
    let end = rest.iter().position(closes).ok_or(Fault::Arguments)?;
    let text = &rest[end + 1..];
    // One blank parts the two.
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let regex = compile(&rest[..end], false, text.len(), scope.depth())?;
    Ok(vec![if regex.is_match(text) { b'1' } else { b'0' }])
}

fn replace(scope: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (name, rest) = cut(arguments, b',');
    let (old, new) = cut(rest.ok_or(Fault::Arguments)?, b',');
    let mut characters = Vec::new();
    let mut rest = old;
    while let Some((byte, tail)) = character(rest) {
        characters.push(byte);
        rest = tail;
    }
    let new = new.and_then(character).map(|(byte, _)| byte);
    let value = look_up(name, scope);
    let swap = |byte| if characters.contains(&byte) { new } else { Some(byte) };
    Ok(value.into_iter().filter_map(swap).collect())
}

fn str_replace(scope: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let arguments = split(arguments, 4);
    let (old, new) = (get(&arguments, 1), get(&arguments, 2));
    if old.is_empty() {
        return Err(Fault::Arguments);
    }
    let most = match get(&arguments, 3) {
        b"" => i64::MAX,
        most => whole_number(most),
    };
    let value = look_up(get(&arguments, 0), scope);
    scope.depth().spend(value.len() as u64 * old.len() as u64)?;
    let (mut out, mut rest, mut count) = (Vec::new(), &value[..], 0);
    while count < most && out.len() < MAX_TEXT {
        let Some(at) = rest.windows(old.len()).position(|window| window == old) else { break };
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
        count += 1;
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn quoted(text: &[u8], special: &[u8], escape: u8) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text {
        if special.contains(byte) {
            out.push(escape);
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

fn keypad(_: &mut dyn Scope, text: &[u8]) -> Result<Vec<u8>, Fault> {
    let key = |byte: &u8| {
        Some(match byte.to_ascii_lowercase() {
            b'1' => b'1',
            b'2' | b'a'..=b'c' => b'2',
            b'3' | b'd'..=b'f' => b'3',
            b'4' | b'g'..=b'i' => b'4',
            b'5' | b'j'..=b'l' => b'5',
            b'6' | b'm'..=b'o' => b'6',
            b'7' | b'p'..=b's' => b'7',
            b'8' | b't'..=b'v' => b'8',
            b'9' | b'w'..=b'z' => b'9',
            b'0' => b'0',
            _ => return None,
        })
    };
    Ok(text.iter().filter_map(key).collect())
}

fn sprintf(_: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let arguments = split(arguments, usize::MAX);
    let mut values = arguments[1..].iter();
    let mut out = Vec::new();
    let mut rest = &arguments[0][..];
    while let Some(at) = rest.iter().position(|&b| b == b'%') {
        out.extend_from_slice(&rest[..at]);
        let (format, tail) = Format::parse(&rest[at + 1..]).ok_or(Fault::Arguments)?;
        rest = tail;
        match format.kind {
            b'%' => out.push(b'%'),
            _ => out.extend(format.write(values.next().ok_or(Fault::Arguments)?)?),
        }
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// What stands behind a `%`.
struct Format {
    left: bool,
    zeros: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    kind: u8,
}

impl Format {
    fn parse(text: &[u8]) -> Option<(Format, &[u8])> {
        let flags = text.iter().position(|byte| !b"-0+ #".contains(byte))?;
        let has = |flag| text[..flags].contains(&flag);
        let number = |text: &[u8]| {
            let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
            (whole_number(&text[..end]).min(MAX_WIDTH) as usize, end)
        };
        let (width, end) = number(&text[flags..]);
        let rest = &text[flags + end..];
        let (precision, rest) = match rest.strip_prefix(b".") {
            Some(rest) => {
                let (precision, end) = number(rest);
                (Some(precision), &rest[end..])
            }
            None => (None, rest),
        };
        // How long the number is said to be means nothing.
        let rest = &rest[rest.iter().position(|byte| !b"hlLqjzt".contains(byte))?..];
        let (&kind, rest) = rest.split_first()?;
        let (plus, blank, alternate) = (has(b'+'), has(b' '), has(b'#'));
        let (left, zeros) = (has(b'-'), has(b'0'));
        Some((Format { left, zeros, plus, blank, alternate, width, precision, kind }, rest))
    }

    fn write(&self, value: &[u8]) -> Result<Vec<u8>, Fault> {
        // Whole numbers have 32 bits. (dialplan/sprintf-conversions.)
        let whole = || leading(value).map(|number| number as i32).ok_or(Fault::Arguments);
        let precision = self.precision.unwrap_or(6);
        let real = || float(value).ok_or(Fault::Arguments);
        let signed = |text: String| match text.starts_with('-') {
            false if self.plus => format!("+{text}"),
            false if self.blank => format!(" {text}"),
            _ => text,
        };
        let marked = |mark: &str, text: String| match self.alternate && text != "0" {
            true => format!("{mark}{text}").into(),
            false => text.into(),
        };
        let text = match self.kind {
            b'd' | b'i' => signed(whole()?.to_string()).into(),
            b'u' => (whole()? as u32).to_string().into(),
            b'x' => marked("0x", format!("{:x}", whole()?)),
            b'X' => marked("0X", format!("{:X}", whole()?)),
            b'o' => marked("0", format!("{:o}", whole()?)),
            b'c' => vec![whole()? as u8],
            b's' => value[..self.precision.unwrap_or(value.len()).min(value.len())].to_vec(),
            b'f' | b'F' => signed(format!("{:.precision$}", real()?)).into(),
            b'e' => signed(scientific(real()?, precision)).into(),
            b'E' => signed(scientific(real()?, precision).to_uppercase()).into(),
            b'g' => signed(general(real()?, precision.max(1))).into(),
            b'G' => signed(general(real()?, precision.max(1)).to_uppercase()).into(),
            _ => return Err(Fault::Arguments),
        };
        Ok(self.padded(text))
    }

    fn padded(&self, text: Vec<u8>) -> Vec<u8> {
        let fill = self.width.saturating_sub(text.len());
        let is_number = !matches!(self.kind, b's' | b'c');
        match (self.left, self.zeros && is_number) {
            (true, _) => [text, vec![b' '; fill]].concat(),
            (false, false) => [vec![b' '; fill], text].concat(),
            (false, true) => {
                let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
                [&text[..sign], &vec![b'0'; fill], &text[sign..]].concat()
            }
        }
    }
}

/// A number as `%.Ne` of printf writes it.
fn scientific(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// The widest that a format may make a value.
const MAX_WIDTH: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn texts() {
        check(
            &[("V", "a.b-c.d"), ("S", "This is a test"), ("N", "(555) 123-4567")],
            &[
                ("LEN(abc)", "3"),
                ("LEN()", "0"),
                ("TOUPPER(aBc1)", "ABC1"),
                ("TOLOWER(aBc1)", "abc1"),
                ("PASSTHRU(a,b)", "a,b"),
                ("TRIM( a b )", "a b"),
                ("FILTER(0-9,a1b2)", "12"),
                ("FILTER(a-c\\-,a-b-z)", "a-b-"),
                ("FILTER(\\x41-\\x43,ABCD)", "ABC"),
                ("FILTER(0-,1-0)", "0"),
                ("FILTER(-0,1-0)", "-0"),
                ("FILTER(z-a,abc)", "a"),
                ("FILTER(0-9)", ""),
                ("REGEX(\"[abc][def]\" ad)", "1"),
                ("REGEX(\"^b\"ab)", "0"),
                ("REGEX(\"^ b\"  b)", "1"),
                ("REGEX(b ab)", ""),
                ("REGEX(\"[\" b)", ""),
                ("REPLACE(V,.-,_)", "a_b_c_d"),
                ("REPLACE(N,() -)", "5551234567"),
                ("STRREPLACE(S,is,at)", "That at a test"),
                ("STRREPLACE(S,is,at,1)", "That is a test"),
                ("STRREPLACE(S,is )", "Tha test"),
                ("STRREPLACE(S,)", ""),
                ("QUOTE(a\"b\\c)", "\"a\\\"b\\\\c\""),
                ("CSV_QUOTE(a\"b)", "\"a\"\"b\""),
                ("KEYPADHASH(Les-1)", "5371"),
            ],
        );
    }

    #[test]
    fn formats() {
        check(
            &[],
            &[
                ("SPRINTF(plain)", "plain"),
                ("SPRINTF(%s-%d%%,a,42)", "a-42%"),
                ("SPRINTF(%05d|%-4d|%4s,-42,7,ab)", "-0042|7   |  ab"),
                ("SPRINTF(%.2f,3.14159)", "3.14"),
                ("SPRINTF(%x %X %o,255,255,8)", "ff FF 10"),
                ("SPRINTF(%.3s,abcdef)", "abc"),
                ("SPRINTF(%g,0.5)", "0.5"),
                ("SPRINTF(%c%c,65,66)", "AB"),
                ("SPRINTF(%u,-1)", "4294967295"),
                ("SPRINTF(%e,12345)", "1.234500e+04"),
                ("SPRINTF(% d%+d,5,5)", " 5+5"),
                ("SPRINTF(%#x,255)", "0xff"),
                ("SPRINTF(%d,abc)", ""),
                ("SPRINTF(%d)", ""),
                ("SPRINTF(%,1)", ""),
                ("SPRINTF(%q,1)", ""),
                ("LEN(x)", "1"),
            ],
        );
    }
}
