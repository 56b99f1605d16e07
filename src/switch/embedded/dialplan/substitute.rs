//! Variables and expressions in a text: `${NAME}`, `${NAME:1:3}`, `${FUNCTION(arguments)}`, `$[ 1 + 2 ]`.
//!
//! What a name stands for, a [`Scope`] knows: a channel's, or that of a question that is asked without one. What is put in is
//! not looked at again.

use std::borrow::Cow;
use std::fmt;

use super::{Dialplan, expression};
use crate::ami::number::leading;

/// Where a text is substituted: whose variables count, and what its functions may touch.
pub(crate) trait Scope {
    /// The value of a variable of exactly that name: the channel's own, those that every channel has, then a global one.
    fn variable(&mut self, name: &[u8]) -> Option<Cow<'_, [u8]>>;

    /// Sets a variable; underscores before its name say that it is inherited.
    fn set_variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault>;

    /// Sets a global variable.
    fn set_global(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault>;

    /// Reads a function: the scope's own ones first, then [`functions::read`](super::functions::read).
    fn function(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault>;

    /// Writes a function: the scope's own ones first, then [`functions::write`](super::functions::write).
    fn set_function(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault>;

    /// What there is beside the variables.
    fn surroundings(&self) -> Surroundings<'_>;

    /// Random bits.
    fn random(&mut self) -> u64;

    /// How deep substitutions are nested at this moment: something to keep, the default at first.
    fn depth(&mut self) -> &mut Depth;

    /// Hears what went wrong in a text that is substituted all the same. Values are never in it, nor the arguments of a
    /// function, nor the text itself, which may be a client's: they may hold secrets.
    fn complain(&mut self, what: fmt::Arguments<'_>) {
        log::debug!("{what}");
    }
}

/// What a scope stands in.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The dialplan, and in it the global variables.
    pub(crate) dialplan: &'a Dialplan,
    /// Unix time in microseconds.
    pub(crate) now: u64,
    /// The version of Asterisk that is spoken.
    pub(crate) version: &'a str,
}

/// How deep a scope is in texts within texts, how many of them there have been since the outermost one began, and how much work
/// is left to all that is evaluated at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depth {
    level: u32,
    steps: u32,
    left: u64,
    refused: bool,
}

impl Default for Depth {
    fn default() -> Depth {
        Depth { level: 0, steps: 0, left: BUDGET, refused: false }
    }
}

impl Depth {
    /// Takes so much off what is left.
    ///
    /// # Errors
    /// There is not so much left; what asks for it is not done.
    pub(crate) fn spend(&mut self, cost: u64) -> Result<(), Fault> {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.refused = true;
                Err(Fault::TooMuch)
            }
        }
    }

    /// Takes what matching a text costs.
    ///
    /// # Errors
    /// As for [`Depth::spend`].
    pub(crate) fn spend_match(&mut self, program: usize, text: usize) -> Result<(), Fault> {
        self.spend((program as u64).saturating_mul(text as u64 + MATCH_BEGINS))
    }

    /// How much has been spent.
    pub(crate) fn spent(&self) -> u64 {
        BUDGET - self.left
    }

    /// Begins anew: how much has been spent, and whether something was refused.
    pub(crate) fn renew(&mut self) -> (u64, bool) {
        let spent = (self.spent(), self.refused);
        (self.left, self.refused) = (BUDGET, false);
        spent
    }
}

/// Why a function or a variable cannot be read or set. What is substituted is empty then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no such function.
    Unknown,
    /// It cannot be read.
    WriteOnly,
    /// It cannot be set.
    ReadOnly,
    /// Whoever asks may not.
    Forbidden,
    /// It is a channel's, and there is none.
    NoChannel,
    /// Its arguments make no sense.
    Arguments,
    /// Its value makes no sense.
    Value,
    /// There is too much already.
    Full,
    /// Texts nest deeper than [`MAX_DEPTH`], or there are more than [`MAX_STEPS`] in one.
    TooDeep,
    /// What is evaluated at a time costs more than [`BUDGET`].
    TooMuch,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Unknown => "there is no such function",
            Fault::WriteOnly => "it cannot be read",
            Fault::ReadOnly => "it cannot be set",
            Fault::Forbidden => "it is not permitted here",
            Fault::NoChannel => "there is no channel",
            Fault::Arguments => "its arguments make no sense",
            Fault::Value => "its value makes no sense",
            Fault::Full => "there is too much already",
            Fault::TooDeep => "it nests too deep, or goes on for too long",
            Fault::TooMuch => "it takes more work than others can wait for",
        })
    }
}

/// Puts values in the place of variables, functions and expressions. What comes out is cut at [`MAX_TEXT`].
pub(crate) fn substitute<'t>(text: &'t [u8], scope: &mut dyn Scope) -> Cow<'t, [u8]> {
    if !text.contains(&b'$') {
        return Cow::Borrowed(text);
    }
    let replaced = nested(scope, text.len(), |scope| replace(text, scope));
    match replaced.flatten() {
        Ok(value) => value,
        Err(fault) => {
            scope.complain(format_args!("a text of {} bytes is left empty: {fault}", text.len()));
            Cow::Borrowed(b"")
        }
    }
}

/// The value of what is named as between `${` and `}`: a variable or a function, and a part of it where one is asked for.
pub(crate) fn look_up(name: &[u8], scope: &mut dyn Scope) -> Vec<u8> {
    look_up_as(name, scope, name)
}

/// The same for a name that was substituted: as it was written, it has no values in it.
fn look_up_as(name: &[u8], scope: &mut dyn Scope, written: &[u8]) -> Vec<u8> {
    let (name, part) = split_part(name);
    let value = read(name, scope).unwrap_or_else(|fault| {
        match function_name(written) {
            Some(function) => scope.complain(format_args!("{function}(...) is empty: {fault}")),
            None => scope.complain(format_args!("a function is empty: {fault}")),
        }
        Vec::new()
    });
    match part {
        None => value,
        Some(part) => cut(&value, part).to_vec(),
    }
}

/// The value of a variable or of a function, which has parentheses; empty for a variable that is not there.
pub(crate) fn read(name: &[u8], scope: &mut dyn Scope) -> Result<Vec<u8>, Fault> {
    match as_function(name) {
        Some((function, arguments)) => call(function, arguments, scope),
        None => Ok(scope.variable(name).map(Cow::into_owned).unwrap_or_default()),
    }
}

/// Sets a variable or a function, which has parentheses.
pub(crate) fn assign(name: &[u8], value: &[u8], scope: &mut dyn Scope) -> Result<(), Fault> {
    match as_function(name) {
        Some((function, arguments)) => scope.set_function(function, arguments, value),
        None => scope.set_variable(name, value),
    }
}

/// Reads a function. Its arguments may name others, which may name others.
fn call(name: &[u8], arguments: &[u8], scope: &mut dyn Scope) -> Result<Vec<u8>, Fault> {
    let value = nested(scope, arguments.len(), |scope| scope.function(name, arguments))??;
    scope.depth().spend(value.len() as u64 * BYTE)?;
    Ok(value)
}

/// Does something one level deeper, if that is not too deep.
fn nested<T>(scope: &mut dyn Scope, bytes: usize, run: impl FnOnce(&mut dyn Scope) -> T) -> Result<T, Fault> {
    let depth = scope.depth();
    depth.spend(STEP + bytes as u64 * BYTE)?;
    if depth.level == 0 {
        depth.steps = 0;
    }
    if depth.level >= MAX_DEPTH || depth.steps >= MAX_STEPS {
        return Err(Fault::TooDeep);
    }
    depth.level += 1;
    depth.steps += 1;
    let value = run(scope);
    scope.depth().level -= 1;
    Ok(value)
}

fn replace<'t>(text: &'t [u8], scope: &mut dyn Scope) -> Result<Cow<'t, [u8]>, Fault> {
    let mut out: Option<Vec<u8>> = None;
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| matches!(pair, b"${" | b"$[")) {
        let out = out.get_or_insert_with(|| Vec::with_capacity(text.len() + 32));
        let (open, close) = if rest[at + 1] == b'{' { (b'{', b'}') } else { (b'[', b']') };
        out.extend_from_slice(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = closing(inside, open, close);
        if end == inside.len() {
            scope.complain(format_args!("\"${}\" is not closed", char::from(open)));
        }
        let inner = substitute(&inside[..end], scope);
        let value =
            if open == b'{' { look_up_as(&inner, scope, &inside[..end]) } else { compute(&inner, scope) };
        scope.depth().spend(VALUE + value.len() as u64 * BYTE)?;
        out.extend_from_slice(&value);
        out.truncate(MAX_TEXT);
        rest = inside.get(end + 1..).unwrap_or_default();
    }
    Ok(match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.extend_from_slice(rest);
            out.truncate(MAX_TEXT);
            Cow::Owned(out)
        }
    })
}

/// An expression's value; one that cannot be evaluated has none.
fn compute(text: &[u8], scope: &mut dyn Scope) -> Vec<u8> {
    let mut host = Host { scope, fault: None };
    let value = expression::evaluate(text, &mut host);
    let Host { scope, fault } = host;
    if let Ok((_, Some(error))) = &value {
        scope.complain(format_args!("$[...] of {} bytes is not a whole expression: {error}", text.len()));
    }
    value.map(|(value, _)| value).unwrap_or_else(|error| {
        match fault {
            Some(fault) => {
                scope.complain(format_args!("$[...] of {} bytes is empty: {fault}", text.len()));
            }
            None => scope.complain(format_args!("$[...] of {} bytes is empty: {error}", text.len())),
        }
        Vec::new()
    })
}

/// What an expression calls functions of, and takes its work from.
struct Host<'s> {
    scope: &'s mut dyn Scope,
    /// Why the last one that failed did.
    fault: Option<Fault>,
}

impl expression::Host for Host<'_> {
    fn call(&mut self, name: &[u8], arguments: &[u8], level: u32) -> Option<Vec<u8>> {
        // The levels of an expression take stack as those of a text do.
        self.scope.depth().level += level;
        let value = call(name, arguments, self.scope);
        self.scope.depth().level -= level;
        value.map_err(|why| self.fault = Some(why)).ok()
    }

    fn depth(&mut self) -> &mut Depth {
        self.scope.depth()
    }
}

/// Where the bracket closes that was open before this text; its end, where it does not.
fn closing(text: &[u8], open: u8, close: u8) -> usize {
    let mut depth = 0;
    let closes = |byte: &u8| {
        if *byte == open {
            depth += 1;
        } else if *byte == close {
            if depth == 0 {
                return true;
            }
            depth -= 1;
        }
        false
    };
    text.iter().position(closes).unwrap_or(text.len())
}

/// Takes a function's name and its arguments apart; `None` for what is a variable's name.
pub(crate) fn as_function(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let open = name.iter().position(|&b| b == b'(')?;
    let arguments = name[open + 1..].strip_suffix(b")")?;
    Some((&name[..open], arguments))
}

/// What a function that is written so is called, before its arguments; `None` where its name is not just written there.
fn function_name(written: &[u8]) -> Option<&str> {
    let (name, _) = as_function(split_part(written).0)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let plain = name.iter().all(is_plain) && name.len() <= MAX_SHOWN;
    std::str::from_utf8(name).ok().filter(|_| plain)
}

/// Takes the name and what follows its first bare colon apart.
fn split_part(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut depth = 0_u32;
    let bare_colon = |byte: &u8| {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *byte == b':' && depth == 0
    };
    match name.iter().position(bare_colon) {
        Some(at) => (&name[..at], Some(&name[at + 1..])),
        None => (name, None),
    }
}

/// The part of a value that `OFFSET` or `OFFSET:LENGTH` asks for. A negative offset counts from the end, and a negative length
/// leaves off so many at the end; one that is no number is as if it were not there. (dialplan/substring-forms.)
fn cut<'v>(value: &'v [u8], part: &[u8]) -> &'v [u8] {
    let (offset, length) = match part.iter().position(|&b| b == b':') {
        Some(at) => (&part[..at], Some(&part[at + 1..])),
        None => (part, None),
    };
    let size = value.len() as i64;
    let Some(offset) = leading(offset) else { return value };
    let from = if offset < 0 { (size + offset).max(0) } else { offset.min(size) };
    let to = match length.and_then(leading) {
        None => size,
        Some(length) if length < 0 => (size + length).max(from),
        Some(length) => from.saturating_add(length).min(size),
    };
    &value[from as usize..to as usize]
}

/// The number that a text begins with, 0 without one; as large as matters here at the most.
pub(super) fn whole_number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    let number = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_i64, |number, digit| (number * 10 + i64::from(digit - b'0')).min(MAX_NUMBER));
    if negative { -number } else { number }
}

/// The longest text that substitution makes, in bytes, twice what Asterisk keeps: what a client may double again and again has
/// an end.
pub(crate) const MAX_TEXT: usize = 8192;
/// How deep names, expressions and what EVAL evaluates may nest: each level takes stack of the thread that asks.
pub(crate) const MAX_DEPTH: u32 = 24;
/// How many texts within texts, and functions, one text may take: with EVAL a short one could go on for years.
const MAX_STEPS: u32 = 2000;
/// How much work all that is evaluated at a time may take: one action, or one step of a dialplan, which nobody else's action can
/// come between. A unit is a byte of a program met by a byte of text, some sixth of a nanosecond: all of it takes about three
/// milliseconds. When it is spent, what is evaluated is empty, and the log tells. It is enough for a thousand functions, or for
/// fifty regular expressions as people write them.
pub(crate) const BUDGET: u64 = 16 << 20;
/// What a text within a text or a function costs, and a value that is put in, beside their bytes.
const STEP: u64 = 4096;
const VALUE: u64 = 512;
/// What copying or looking at a byte costs.
pub(crate) const BYTE: u64 = 8;
/// What a match costs beside the bytes of the text, as so many of them.
const MATCH_BEGINS: u64 = 64;
/// How long a function's name may be for the log to show it: it is none of those that there are.
const MAX_SHOWN: usize = 40;
/// Larger numbers than this count as this one: sums of them do not overflow.
const MAX_NUMBER: i64 = i64::MAX / 100;

#[cfg(test)]
mod tests {
    use super::super::testing::Table;
    use super::*;

    fn table() -> Table {
        Table::new(&[
            ("NUMBER", "98765"),
            ("NAME", "NUMBER"),
            ("SENTENCE", "The quick brown fox"),
            ("ONE", "1"),
            ("EMPTY", ""),
            ("DOLLAR", "${NUMBER}"),
        ])
    }

    #[test]
    fn texts_are_substituted() {
        let check = |text: &str, expect: &str| {
            let value = substitute(text.as_bytes(), &mut table()).into_owned();
            assert_eq!(String::from_utf8_lossy(&value), expect, "{text}");
        };
        check("plain", "plain");
        check("", "");
        check("$5 and 5$", "$5 and 5$");
        check("${NUMBER}", "98765");
        check("<${NUMBER}>${ONE}", "<98765>1");
        check("${${NAME}}", "98765");
        check("${NUM${EMPTY}BER}", "98765");
        check("${NOTHING}", "");
        check("${number}", "");
        check("${DOLLAR}", "${NUMBER}");
        check("${NUMBER:2}", "765");
        check("${NUMBER:-2}", "65");
        check("${NUMBER:0:3}", "987");
        check("${NUMBER:1:3}", "876");
        check("${NUMBER:-4:2}", "87");
        check("${NUMBER:1:-1}", "876");
        check("${NUMBER:0:-9}", "");
        check("${NUMBER:9}", "");
        check("${NUMBER:-9}", "98765");
        check("${NUMBER:}", "98765");
        check("${NUMBER:1:0}", "");
        check("${NUMBER:99999999999999999999:1}", "");
        check("${NUMBER:${ONE}}", "8765");
        check("${SENTENCE:4:5}", "quick");
        check("$[1 + 2]", "3");
        check("$[${NUMBER} + 1]", "98766");
        check("$[$[1 + 2] * ${NUMBER:0:1}]", "27");
        check("x$[\"${SENTENCE}\" =~ \"(q[a-z]*)\"]y", "xquicky");
        check("$[1 +]", "0");
        check("${LEN(${SENTENCE})}", "19");
        check("${LEN(${SENTENCE}):1}", "9");
        check("${LEN(a:b)}", "3");
        check("$[LEN(${NUMBER}) + 1]", "6");
        check("${NOSUCH(x)}", "");
        check("${IF($[${ONE} = 1]?yes:no)}", "yes");
        // A backslash goes with the arguments that it stands in, and keeps nothing. (dialplan/substitution-backslash.)
        check(r"\${NUMBER} \$[1]", r"\98765 \1");
        check("${NUMBER::3}", "98765");
        check("${NUMBER:2:}", "765");
        check("${NUMBER:x}", "98765");
        check("${NUMBER", "98765");
        check("$[1+1", "2");
        check("${", "");
        check("$", "$");
        check("a,b\\,c", "a,b\\,c");
    }

    const NOSUCH: &str = "NOSUCH(...) is empty: there is no such function";
    const ANY: &str = "a function is empty: there is no such function";

    #[test]
    fn what_is_complained_of_shows_no_value() {
        let check = |text: &str, expect: &[&str]| {
            let variables = [("PIN", "s3cr3t"), ("FUNCTION", "s3cr3t(s3cr3t)"), ("OPEN", "${s3cr3t")];
            let mut table = Table::new(&variables);
            substitute(text.as_bytes(), &mut table);
            assert_eq!(table.complaints, expect, "{text}");
        };
        let not_whole =
            |bytes: usize, why: &str| format!("$[...] of {bytes} bytes is not a whole expression: {why}");
        check("${PIN} ${NOTHING} s3cr3t", &[]);
        check("${NOSUCH(${PIN},s3cr3t)}", &[NOSUCH]);
        check("${NOSUCH(s3cr3t):0:${PIN}}", &[NOSUCH]);
        check("${${FUNCTION}}", &[ANY]);
        check("${${PIN}(x)}", &[ANY]);
        check("${X${PIN}(x)}", &[ANY]);
        check("${s3cr3t of ${PIN}(x)}", &[ANY]);
        check("${PIN s3cr3t", &["\"${\" is not closed"]);
        check("$[1 + 1 s3cr3t", &["\"$[\" is not closed", &not_whole(12, "it is no expression")]);
        check("${EVAL(${OPEN})}", &["\"${\" is not closed"]);
        check("$[\"${PIN}]", &[&not_whole(7, "a quote or a parenthesis is not closed")]);
        check(
            "$[\"${PIN}\" =~ \"(s3cr3t\"]",
            &["$[...] of 21 bytes is empty: a regular expression expected"],
        );
        let mut table = Table::new(&[]);
        substitute("${s3cr3t".repeat(100).as_bytes(), &mut table);
        assert!(table.complaints.iter().any(|line| line.contains(" bytes is left empty: it nests too deep")));
        assert!(table.complaints.iter().all(|line| !line.contains("s3cr3t")));
    }

    #[test]
    fn what_needs_nothing_is_not_copied() {
        for text in ["plain", "5$"] {
            assert!(matches!(substitute(text.as_bytes(), &mut table()), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn nothing_grows_or_nests_without_an_end() {
        let mut table = Table::new(&[("A", "x")]);
        for _ in 0..64 {
            let value = substitute(b"${A}${A}", &mut table).into_owned();
            assign(b"A", &value, &mut table).unwrap();
        }
        assert_eq!(look_up(b"A", &mut table).len(), MAX_TEXT);
        for text in ["${", "$["] {
            assert_eq!(&*substitute(text.repeat(4000).as_bytes(), &mut table), b"");
        }
        let deep = format!("${{{}X{}}}", "CUT(".repeat(1000), ")".repeat(1000));
        assert_eq!(&*substitute(deep.as_bytes(), &mut table), b"");
        assign(b"LOOP", b"${EVAL(${LOOP})}", &mut table).unwrap();
        assert_eq!(&*substitute(b"${EVAL(${LOOP})}", &mut table), b"");
        assert_eq!(table.depth().level, 0);
    }

    #[test]
    fn work_that_multiplies_ends_and_fits_a_small_stack() {
        let work = || {
            let mut table = Table::new(&[]);
            assign(b"LOOP", "${EVAL(${LOOP})}".repeat(60).as_bytes(), &mut table).unwrap();
            assert_eq!(&*substitute(b"${EVAL(${LOOP})}", &mut table), b"");
            for depth in [0, 1, 3, 18] {
                let (open, close) = ("(".repeat(depth), ")".repeat(depth));
                let round = format!(r#"$[{open}EVAL("\${{EVAL(\${{ROUND}})}}"){close}]"#);
                assign(b"ROUND", round.as_bytes(), &mut table).unwrap();
                let value = substitute(b"${EVAL(${ROUND})}", &mut table).into_owned();
                // However deep it went, each level has left its quotes.
                assert!(value.is_empty() || value.starts_with(b"\"\""), "{}", value.escape_ascii());
            }
            substitute(format!("$[{}1]", "(".repeat(4000)).as_bytes(), &mut table);
            assert_eq!(table.depth().level, 0);
        };
        // Half of what a connection has, without optimisation.
        let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(work);
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn names_are_variables_or_functions() {
        let check = |name: &str, expect: Option<(&str, &str)>| {
            let expect = expect.map(|(name, arguments)| (name.as_bytes(), arguments.as_bytes()));
            assert_eq!(as_function(name.as_bytes()), expect, "{name}");
        };
        check("X", None);
        check("X(a", None);
        check("X(a)", Some(("X", "a")));
        check("X(a(b),c)", Some(("X", "a(b),c")));
        check("X()", Some(("X", "")));
        check("X(a)b", None);
    }
}
