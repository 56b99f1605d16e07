//! Expressions: what stands between `$[` and `]`, once its variables are substituted.
//!
//! A value is a text; numbers are made of it where an operator wants them, and unmade behind it. Quotes stay part of a text
//! until two texts are joined or matched. An expression that cannot be read has a value all the same: what has been read so
//! far where that is whole, 0 where it is not, and nothing where its first word is wrong already. (dialplan/expression-*.)

use std::borrow::Cow;
use std::fmt;

use regex::bytes::Regex;

use super::number::{Number, mathematics};
use super::substitute::{BYTE, Depth, Fault};
use crate::ami::posix;

/// What stands round an expression.
pub(crate) trait Host {
    /// Reads a dialplan function: its name, its arguments, and how deep in the expression it stands.
    fn call(&mut self, name: &[u8], arguments: &[u8], level: u32) -> Option<Vec<u8>>;

    /// What the expression's work is taken from.
    fn depth(&mut self) -> &mut Depth;
}

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpressionError {
    /// Two values without an operator between them, an operator without a value, a stray sign.
    Syntax,
    /// A quote or a parenthesis is not closed.
    Open,
    /// Parentheses, signs or conditions nest deeper than [`MAX_DEPTH`].
    TooDeep,
    /// What stands on the right of `:` or `=~` is no regular expression.
    Regex,
    /// A function that is not there, or that wants other arguments.
    Function,
    /// It takes more work than is left.
    TooMuch,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExpressionError::Syntax => "it is no expression",
            ExpressionError::Open => "a quote or a parenthesis is not closed",
            ExpressionError::TooDeep => "it nests too deep",
            ExpressionError::Regex => "a regular expression expected",
            ExpressionError::Function => "a function is not there, or wants other arguments",
            ExpressionError::TooMuch => "it takes more work than others can wait for",
        })
    }
}

/// The value of an expression, and whether it could not be read to its end.
pub(crate) fn evaluate(
    text: &[u8],
    host: &mut dyn Host,
) -> Result<(Vec<u8>, Option<ExpressionError>), ExpressionError> {
    let mut parser = Parser { rest: text, depth: 0, host };
    match parser.peek() {
        Ok(Token::End) => return Ok((Vec::new(), None)),
        Ok(token) if token.may_begin() => {}
        Ok(_) => return Ok((Vec::new(), Some(ExpressionError::Syntax))),
        Err(error) => return Ok((Vec::new(), Some(error))),
    }
    let value = match parser.expression(0) {
        Ok(value) => value.into_text(),
        Err(error @ (ExpressionError::Syntax | ExpressionError::Open)) => {
            return Ok((b"0".to_vec(), Some(error)));
        }
        Err(error) => return Err(error),
    };
    let rest = match parser.peek() {
        Ok(Token::End) => None,
        Ok(_) => Some(ExpressionError::Syntax),
        Err(error) => Some(error),
    };
    Ok((value, rest))
}

/// Whether a text counts as true, as the conditions of GotoIf, ExecIf and IF do: a number other than 0, or any other text.
pub(crate) fn is_true(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = text[sign..].iter().take_while(|byte| byte.is_ascii_digit());
    match digits.clone().next() {
        Some(_) => digits.into_iter().any(|digit| *digit != b'0'),
        None => !text.is_empty(),
    }
}

struct Parser<'t, 'h> {
    rest: &'t [u8],
    depth: u32,
    host: &'h mut dyn Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    End,
    Open,
    Close,
    Comma,
    Operator(Operator),
    /// A text in quotes, which are part of it.
    Quoted(&'t [u8]),
    Word(&'t [u8]),
}

impl Token<'_> {
    /// Whether an expression may begin with it.
    fn may_begin(self) -> bool {
        match self {
            Token::Open | Token::Quoted(_) | Token::Word(_) => true,
            Token::Operator(operator) => matches!(operator, Operator::Minus | Operator::Not),
            Token::End | Token::Close | Token::Comma => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    If,
    Else,
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
    /// `:`, which matches at the beginning.
    Match,
    /// `=~`, which matches anywhere.
    Find,
    Not,
    /// `~~`
    Join,
}

impl Operator {
    /// How strongly it binds what stands beside it; none where nothing may stand before it. A sign belongs to what a match
    /// gives. (dialplan/expression-sign-and-match.)
    fn strength(self) -> Option<u8> {
        Some(match self {
            Operator::If => 1,
            Operator::Or => 2,
            Operator::And => 3,
            Operator::Equal
            | Operator::Unequal
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => 4,
            Operator::Plus | Operator::Minus => 5,
            Operator::Times | Operator::Over | Operator::Modulo => 6,
            Operator::Match | Operator::Find => SIGN + 1,
            Operator::Join => SIGN + 2,
            Operator::Not | Operator::Else => return None,
        })
    }
}

/// How strongly `-` and `!` before a value bind it.
const SIGN: u8 = 7;

/// Every operator as it is written, those that begin like another first.
const OPERATORS: &[(&[u8], Operator)] = &[
    (b"::", Operator::Else),
    (b"==", Operator::Equal),
    (b"=~", Operator::Find),
    (b"!=", Operator::Unequal),
    (b"<=", Operator::LessOrEqual),
    (b">=", Operator::GreaterOrEqual),
    (b"~~", Operator::Join),
    (b"&&", Operator::And),
    (b"||", Operator::Or),
    (b"?", Operator::If),
    (b"|", Operator::Or),
    (b"&", Operator::And),
    (b"=", Operator::Equal),
    (b"<", Operator::Less),
    (b">", Operator::Greater),
    (b"+", Operator::Plus),
    (b"-", Operator::Minus),
    (b"*", Operator::Times),
    (b"/", Operator::Over),
    (b"%", Operator::Modulo),
    (b":", Operator::Match),
    (b"!", Operator::Not),
];

impl<'t> Parser<'t, '_> {
    /// What binds at least that strongly.
    fn expression(&mut self, least: u8) -> Result<Value<'t>, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        let mut left = self.operand()?;
        // What cannot be read behind a whole value is for the one who has that value.
        while let Ok(Token::Operator(operator)) = self.peek() {
            let Some(strength) = operator.strength().filter(|strength| *strength >= least) else { break };
            self.next()?;
            left = if operator == Operator::If {
                let chosen = self.expression(strength)?;
                if self.next()? != Token::Operator(Operator::Else) {
                    return Err(ExpressionError::Syntax);
                }
                let other = self.expression(strength)?;
                if left.is_nothing() { other } else { chosen }
            } else {
                let right = self.expression(strength + 1)?;
                left.apply(operator, right, self.host.depth())?
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// A value, the signs before it, or a function's.
    fn operand(&mut self) -> Result<Value<'t>, ExpressionError> {
        match self.next()? {
            Token::Operator(Operator::Minus) => {
                let value = self.expression(SIGN)?;
                // (dialplan/expression-minus-zero.)
                Ok(Value::Number(value.number().map_or(Number::ZERO, |number| -number)))
            }
            // A text is 0 here, and of a number only its whole part counts. (dialplan/expression-not.)
            Token::Operator(Operator::Not) => {
                Ok(Value::truth(self.expression(SIGN)?.number().is_none_or(Number::is_below_one)))
            }
            Token::Open => {
                let value = self.expression(0)?;
                match self.next()? {
                    Token::Close => Ok(value),
                    Token::End => Err(ExpressionError::Open),
                    _ => Err(ExpressionError::Syntax),
                }
            }
            Token::Word(name) if self.rest.starts_with(b"(") => self.function(name),
            Token::Word(text) | Token::Quoted(text) => Ok(Value::Text(Cow::Borrowed(text))),
            _ => Err(ExpressionError::Syntax),
        }
    }

    /// A function's value; its arguments are expressions.
    fn function(&mut self, name: &[u8]) -> Result<Value<'t>, ExpressionError> {
        self.next()?;
        let mut arguments = Vec::new();
        if self.peek()? == Token::Close {
            self.next()?;
        } else {
            loop {
                arguments.push(self.expression(0)?);
                match self.next()? {
                    Token::Comma => {}
                    Token::Close => break,
                    Token::End => return Err(ExpressionError::Open),
                    _ => return Err(ExpressionError::Syntax),
                }
            }
        }
        let numbers: Option<Vec<Number>> = arguments.iter().map(Value::number).collect();
        match numbers {
            Some(numbers) => {
                if let Some(result) = mathematics(name, &numbers) {
                    return Ok(Value::Number(result));
                }
            }
            None if mathematics(name, &vec![Number::ONE; arguments.len()]).is_some() => {
                return Err(ExpressionError::Function);
            }
            None => {}
        }
        let arguments: Vec<Vec<u8>> = arguments.into_iter().map(Value::into_text).collect();
        // One that is not there is 0. (dialplan/expression-functions.)
        Ok(match self.host.call(name, &arguments.join(&b','), self.depth) {
            Some(text) => Value::Text(Cow::Owned(text)),
            None => Value::Number(Number::ZERO),
        })
    }

    fn peek(&mut self) -> Result<Token<'t>, ExpressionError> {
        let rest = self.rest;
        let token = self.next();
        self.rest = rest;
        token
    }

    fn next(&mut self) -> Result<Token<'t>, ExpressionError> {
        let text = self.rest.trim_ascii_start();
        let Some(&byte) = text.first() else {
            self.rest = text;
            return Ok(Token::End);
        };
        let (length, token) = match byte {
            b'(' => (1, Token::Open),
            b')' => (1, Token::Close),
            b',' => (1, Token::Comma),
            b'"' => {
                let length = quoted(text).ok_or(ExpressionError::Open)?;
                (length, Token::Quoted(&text[..length]))
            }
            _ => match OPERATORS.iter().find(|(sign, _)| text.starts_with(sign)) {
                Some((sign, operator)) => (sign.len(), Token::Operator(*operator)),
                None => {
                    let is_end = |byte: &u8| b" \t\r\n()|&=<>!+-*/%?:,\"".contains(byte);
                    let mut length = text.iter().position(is_end).unwrap_or(text.len());
                    if let Some(join) = text[..length].windows(2).position(|pair| pair == b"~~") {
                        length = join;
                    }
                    (length, Token::Word(&text[..length]))
                }
            },
        };
        self.rest = &text[length..];
        Ok(token)
    }
}

/// How long the quoted text is that stands first, with its quotes.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// What an operand is: as it was written, or computed.
#[derive(Clone, Debug)]
enum Value<'t> {
    Text(Cow<'t, [u8]>),
    Number(Number),
}

impl<'t> Value<'t> {
    fn truth(is: bool) -> Value<'t> {
        Value::Number(if is { Number::ONE } else { Number::ZERO })
    }

    fn into_text(self) -> Vec<u8> {
        match self {
            Value::Text(text) => text.into_owned(),
            Value::Number(number) => number.to_string().into_bytes(),
        }
    }

    /// Without the quotes round it.
    fn bare(self) -> Vec<u8> {
        let mut text = self.into_text();
        if let [b'"', .., b'"'] = text[..] {
            text.pop();
            text.remove(0);
        }
        text
    }

    /// Whether it counts as nothing: empty, or a zero without quotes. (dialplan/expression-quoted-nothing.)
    fn is_null(&self) -> bool {
        match self {
            Value::Text(text) if text.is_empty() => true,
            _ => self.number().is_some_and(|number| number.as_float() == 0.0),
        }
    }

    /// The same for a condition, for which empty quotes are nothing too.
    fn is_nothing(&self) -> bool {
        self.is_null() || matches!(self, Value::Text(text) if **text == *b"\"\"")
    }

    /// The number it is, if it is one; quotes make it none.
    fn number(&self) -> Option<Number> {
        match self {
            Value::Text(text) => Number::read(text),
            Value::Number(number) => Some(*number),
        }
    }

    /// How many bytes its text has.
    fn len(&self) -> usize {
        match self {
            Value::Text(text) => text.len(),
            Value::Number(_) => 0,
        }
    }

    fn apply(
        self,
        operator: Operator,
        right: Value<'t>,
        depth: &mut Depth,
    ) -> Result<Value<'t>, ExpressionError> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        depth
            .spend(OPERATION + (self.len() + right.len()) as u64 * BYTE)
            .map_err(|_| ExpressionError::TooMuch)?;
        let is = |orders: &[std::cmp::Ordering], left: Value<'t>, right: Value<'t>| {
            let order = match (left.number(), right.number()) {
                (Some(left), Some(right)) => left.compare(right),
                // Quotes are part of the texts. (cases/config/04.)
                _ => left.into_text().cmp(&right.into_text()),
            };
            Value::truth(orders.contains(&order))
        };
        Ok(match operator {
            Operator::Or => {
                if self.is_null() {
                    right
                } else {
                    self
                }
            }
            Operator::And => {
                if self.is_null() || right.is_null() {
                    Value::truth(false)
                } else {
                    self
                }
            }
            Operator::Equal => is(&[Equal], self, right),
            Operator::Unequal => is(&[Less, Greater], self, right),
            Operator::Less => is(&[Less], self, right),
            Operator::LessOrEqual => is(&[Less, Equal], self, right),
            Operator::Greater => is(&[Greater], self, right),
            Operator::GreaterOrEqual => is(&[Greater, Equal], self, right),
            Operator::Join => Value::Text(Cow::Owned([self.bare(), right.bare()].concat())),
            Operator::Match | Operator::Find => search(operator, &self.bare(), &right.bare(), depth)?,
            _ => Value::Number(compute(self.number(), operator, right.number())),
        })
    }
}

/// What `:` and `=~` say: what the first group matched, or without one how many characters were.
fn search(
    operator: Operator,
    text: &[u8],
    pattern: &[u8],
    depth: &mut Depth,
) -> Result<Value<'static>, ExpressionError> {
    let regex = compile(pattern, true, text.len(), depth).map_err(|fault| match fault {
        Fault::TooMuch => ExpressionError::TooMuch,
        _ => ExpressionError::Regex,
    })?;
    let found = regex.captures(text).filter(|found| {
        let whole = found.get(0).expect("the whole match is always there");
        operator == Operator::Find || whole.start() == 0
    });
    let has_group = regex.captures_len() > 1;
    Ok(match found {
        Some(found) if has_group => {
            Value::Text(Cow::Owned(found.get(1).map_or(Vec::new(), |group| group.as_bytes().to_vec())))
        }
        None if has_group => Value::Text(Cow::Borrowed(b"")),
        found => Value::Number(Number::from(found.map_or(0.0, |found| found[0].len() as f64))),
    })
}

/// Compiles a regular expression to look for it in texts of that many bytes together, once that is paid for.
///
/// # Errors
/// [`Fault::Arguments`], where it is none, or none that is small enough; [`Fault::TooMuch`].
pub(crate) fn compile(pattern: &[u8], groups: bool, text: usize, depth: &mut Depth) -> Result<Regex, Fault> {
    for size in posix::CLIENT_SIZES {
        depth.spend((COMPILATION + size as u64 + pattern.len() as u64) * COMPILED_BYTE)?;
        if let Ok(regex) = posix::compile_sized(pattern, groups, size) {
            depth.spend_match(size, text)?;
            return Ok(regex);
        }
    }
    Err(Fault::Arguments)
}

/// A sum, difference, product, quotient or remainder. A text counts as 0 in a sum or a difference, and makes the others 0.
/// (dialplan/expression-text-in-arithmetic, dialplan/expression-division-by-zero.)
fn compute(left: Option<Number>, operator: Operator, right: Option<Number>) -> Number {
    match (operator, left, right) {
        (Operator::Plus, ..) => left.unwrap_or(Number::ZERO) + right.unwrap_or(Number::ZERO),
        (Operator::Minus, ..) => left.unwrap_or(Number::ZERO) - right.unwrap_or(Number::ZERO),
        (Operator::Over, Some(_), Some(right)) if right.as_float() == 0.0 => Number::from(QUOTIENT_BY_ZERO),
        (Operator::Modulo, Some(_), Some(right)) if right.is_below_one() => Number::ZERO,
        (Operator::Times, Some(left), Some(right)) => left * right,
        (Operator::Over, Some(left), Some(right)) => left / right,
        (Operator::Modulo, Some(left), Some(right)) => left.remainder(right),
        _ => Number::ZERO,
    }
}

/// What a division by zero gives, as on Asterisk.
const QUOTIENT_BY_ZERO: f64 = i32::MAX as f64;
/// What an operator costs beside the bytes of its values.
const OPERATION: u64 = 256;
/// What a byte of a pattern or of its program costs when it is compiled, and what compiling costs beside them, in such bytes.
const COMPILED_BYTE: u64 = 128;
const COMPILATION: u64 = 1024;
/// How deep an expression may nest: each level takes a stack frame of the thread that evaluates it.
const MAX_DEPTH: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// Has one function, LEN.
    #[derive(Default)]
    struct Lengths(Depth);

    impl Host for Lengths {
        fn call(&mut self, name: &[u8], arguments: &[u8], _: u32) -> Option<Vec<u8>> {
            (name == b"LEN").then(|| arguments.len().to_string().into_bytes())
        }

        fn depth(&mut self) -> &mut Depth {
            &mut self.0
        }
    }

    fn value(text: &str) -> Result<String, ExpressionError> {
        let (value, error) = evaluate(text.as_bytes(), &mut Lengths::default())?;
        error.map_or_else(|| Ok(String::from_utf8(value).unwrap()), Err)
    }

    #[test]
    fn expressions_have_values() {
        let check = |text: &str, expect: &str| assert_eq!(value(text).as_deref(), Ok(expect), "{text}");
        check("", "");
        check("  ", "");
        check("007", "007");
        check("abc", "abc");
        check("\"a b\"", "\"a b\"");
        check("2 + 8 / 2", "6");
        check("2+8/2", "6");
        check("(2+8)/2", "5");
        check("(3+8)/2", "5.5");
        check("7 % 4", "3");
        check("7.5 % 2", "1.5");
        check("3+ -4", "-1");
        check("--4", "4");
        check("10 - 2 - 3", "5");
        check("0.1 + 0.2", "0.3");
        check("1 / 3", "0.333333333333333333");
        check("1795407482 * 1000", "1795407482000");
        check("9223372036854775807 + 1", "9.22337203685477581e+18");
        check("1 / 100000", "1e-05");
        check("abc + 1", "1");
        check("3 - \"x\"", "3");
        check("2 * x", "0");
        check("1 / 0", "2147483647");
        check("1 % 0", "0");
        check("0 * -1", "-0");
        check("--abc", "-0");
        check("1 = 1.0", "1");
        check("10 > 9", "1");
        check("\"10\" > \"9\"", "0");
        check("010 = 10", "1");
        check("\"010\" = \"10\"", "0");
        check("\"5\" = 5", "0");
        check("abc = \"abc\"", "0");
        check("\"q\" < 21", "1");
        check("abc == abd", "0");
        check("abc != abd", "1");
        check("abc < abd", "1");
        check("1 <= 1", "1");
        check("1 >= 2", "0");
        check("1 & 2", "1");
        check("1 & 0", "0");
        check("0 | abc", "abc");
        check("\"\" | \"b\"", "\"\"");
        check("\"0\" | 5", "\"0\"");
        check("1 || 0", "1");
        check("1 && 0", "0");
        check("1 | 0 & 0", "1");
        check("!0", "1");
        check("! abc", "1");
        check("!!abc", "0");
        check("!0.1", "1");
        check("!\"7\"", "1");
        check("!(1 = 2)", "1");
        check("1 ? yes :: no", "yes");
        check("0 ? yes :: no", "no");
        check("\"\" ? yes :: no", "no");
        check("\"0\" ? yes :: no", "yes");
        check("2 > 1 ? 1 + 1 :: 3", "2");
        check("0 ? a :: 0 ? b :: c", "c");
        check("\"ab\" ~~ cd ~~ 1", "abcd1");
        check("-1 = 0 - 1", "1");
    }

    #[test]
    fn texts_are_matched() {
        let check = |text: &str, expect: &str| assert_eq!(value(text).as_deref(), Ok(expect), "{text}");
        check(r#""One Thousand Five Hundred" =~ "(T[^ ]+)""#, "Thousand");
        check(r#""One Thousand Five Hundred" =~ "T[^ ]+""#, "8");
        check(r#""One Thousand Five Hundred" : "T[^ ]+""#, "0");
        check(r#""8015551212" : "(...)""#, "801");
        check(r#""3075551212":"...(...)""#, "555");
        check(r#"! "One Thousand Five Hundred" =~ "T[^ ]+""#, "0");
        check(r#"!( "One Thousand Five Hundred" : "T[^ ]+" )"#, "1");
        check(r#"abc : "x(.)""#, "");
        check(r#"-"12" : "12""#, "-2");
        check(r#"! "x" =~ "y""#, "1");
        check(r#"a1 =~ "[[:digit:]]""#, "1");
    }

    #[test]
    fn functions_are_called() {
        let check = |text: &str, expect: &str| assert_eq!(value(text).as_deref(), Ok(expect), "{text}");
        check("TRUNC((3+8)/2)", "5");
        check("FLOOR(-2.5)", "-3");
        check("CEIL(-2.5)", "-2");
        check("ROUND(-2.5)", "-3");
        check("RINT(2.5)", "2");
        check("RINT(-3.5)", "-4");
        check("POW(2,10) + 1", "1025");
        check("ROUND(3.5 * 2) = 7", "1");
        check("LEN(abcd) + 1", "5");
        check("LEN()", "0");
        check("LEN(a,b)", "3");
        check("NOSUCH(1)", "0");
        check("CEIL()", "0");
        check("CEIL(1, 0)", "0");
    }

    #[test]
    fn what_cannot_be_read_has_a_value() {
        let check = |text: &str, expect: &str| {
            let (value, error) = evaluate(text.as_bytes(), &mut Lengths::default()).unwrap();
            assert_eq!((value.as_slice(), error.is_some()), (expect.as_bytes(), true), "{text}");
        };
        check("1 2", "1");
        check("a b = a b", "a");
        check("1 :: 2", "1");
        check("2 ^ 3", "2");
        check("12 3 > 0", "12");
        check("1 \"x", "1");
        check("1 +", "0");
        check("(1", "0");
        check("()", "0");
        check("!", "0");
        check("1 + +3", "0");
        check("100% = 100%", "0");
        check("1 ? 2", "0");
        check("\"x\" = \"x", "0");
        check("+ 1", "");
        check("= 1", "");
        check("> 5", "");
        check("\"x", "");
    }

    #[test]
    fn what_is_no_expression() {
        let check = |text: &str, expect| assert_eq!(value(text), Err(expect), "{text}");
        check("1 +", ExpressionError::Syntax);
        check("= 1", ExpressionError::Syntax);
        check("1 2", ExpressionError::Syntax);
        check("\"a\"b", ExpressionError::Syntax);
        check("1)", ExpressionError::Syntax);
        check("1 ? 2", ExpressionError::Syntax);
        check("1 :: 2", ExpressionError::Syntax);
        check("1, 2", ExpressionError::Syntax);
        check("(1", ExpressionError::Open);
        check("\"a", ExpressionError::Open);
        check("\"a\\\"", ExpressionError::Open);
        check("LEN(1", ExpressionError::Open);
        check("abc : \"[\"", ExpressionError::Regex);
        check("SQRT(a)", ExpressionError::Function);
        for sign in ["(", "-", "!", "1?2::"] {
            check(&format!("{}1", sign.repeat(10_000)), ExpressionError::TooDeep);
        }
    }

    #[test]
    fn conditions() {
        let check = |text: &str, expect| assert_eq!(is_true(text.as_bytes()), expect, "{text}");
        check("", false);
        check("0", false);
        check(" 0", false);
        check("00", false);
        check("-0", false);
        check("1", true);
        check("0.5", false);
        check("-1", true);
        check("no", true);
        check("\"0\"", true);
    }
}
