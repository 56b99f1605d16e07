//! Functions of numbers.

use super::super::arguments::{cut, get, split};
use super::super::substitute::{Fault, Scope, assign, look_up, whole_number};
use super::Plain;
use crate::switch::embedded::numbers::signed;

pub(super) const FUNCTIONS: &[Plain] = &[
    Plain::new(
        "MATH",
        "(EXPRESSION[,int|float|hex|char])",
        "The result of one operation on two numbers.",
        math,
    ),
    Plain::new("INC", "(VARIABLE)", "Adds one to a variable, and is the sum.", |scope, name| {
        step(scope, name, 1)
    }),
    Plain::new("DEC", "(VARIABLE)", "Takes one from a variable, and is what is left.", |scope, name| {
        step(scope, name, -1)
    }),
    Plain::new("RAND", "([LEAST[,MOST]])", "A random whole number, both ends included.", random),
    Plain::new("MIN", "(NUMBER,NUMBER)", "The lesser of two numbers.", |_, list| extreme(list, f64::min)),
    Plain::new("MAX", "(NUMBER,NUMBER)", "The greater of two numbers.", |_, list| extreme(list, f64::max)),
    Plain::new("ABS", "(NUMBER)", "A number without its sign.", |_, text| {
        Ok(shown(float(text).ok_or(Fault::Arguments)?.abs()))
    }),
];

/// The number that a text begins with, as C's `strtod` reads it: a sign, hexadecimal digits, an exponent.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii_start();
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let negative = text.first() == Some(&b'-');
    let digits =
        |from: usize| text.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    if let [b'0', b'x' | b'X', hex @ ..] = &text[sign..] {
        let hex = hex.iter().map_while(|&byte| char::from(byte).to_digit(16));
        let (count, number) =
            hex.fold((0, 0.0), |(count, number), digit| (count + 1, number * 16.0 + f64::from(digit)));
        return (count > 0 && number.is_finite()).then_some(if negative { -number } else { number });
    }
    let whole = digits(sign);
    let mut end = sign + whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        end += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    std::str::from_utf8(&text[..end]).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A whole number as one, any other with six decimals. (dialplan/abs-forms, dialplan/max-min-forms.)
fn shown(number: f64) -> Vec<u8> {
    let decimals = if number.fract() == 0.0 { 0 } else { 6 };
    format!("{number:.decimals$}").into_bytes()
}

/// A second number that is none does not count. (dialplan/max-min-forms.)
fn extreme(list: &[u8], choose: fn(f64, f64) -> f64) -> Result<Vec<u8>, Fault> {
    let numbers = split(list, 2);
    let first = float(get(&numbers, 0)).ok_or(Fault::Arguments)?;
    Ok(shown(float(get(&numbers, 1)).map_or(first, |second| choose(first, second))))
}

fn step(scope: &mut dyn Scope, name: &[u8], by: i64) -> Result<Vec<u8>, Fault> {
    let name = name.trim_ascii();
    let value = look_up(name, scope);
    let number = signed(&value);
    let sum = number.and_then(|number| number.checked_add(by)).ok_or(Fault::Value)?.to_string().into_bytes();
    assign(name, &sum, scope)?;
    Ok(sum)
}

fn random(scope: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let arguments = split(arguments, 2);
    let bound = |at, default| match get(&arguments, at).trim_ascii() {
        b"" => default,
        text => whole_number(text),
    };
    let (least, most) = (bound(0, 0), bound(1, i64::from(i32::MAX)));
    let span = i128::from(least.max(most)) - i128::from(least.min(most)) + 1;
    let number = i128::from(least.min(most)) + i128::from(scope.random()) % span;
    Ok(number.to_string().into_bytes())
}

/// What MATH can do with two numbers.
#[derive(Clone, Copy)]
enum Operation {
    Real(fn(f64, f64) -> f64),
    Whole(fn(i64, i64) -> i64),
    Compare(fn(&f64, &f64) -> bool),
    Divide,
    Modulo,
}

/// Every operation as it is written, those that begin like another first.
const OPERATIONS: &[(&[u8], Operation)] = &[
    (b"<<", Operation::Whole(|a, b| a.wrapping_shl(b as u32))),
    (b">>", Operation::Whole(|a, b| a.wrapping_shr(b as u32))),
    (b">=", Operation::Compare(f64::ge)),
    (b"<=", Operation::Compare(f64::le)),
    (b"==", Operation::Compare(f64::eq)),
    (b"AND", Operation::Whole(|a, b| a & b)),
    (b"XOR", Operation::Whole(|a, b| a ^ b)),
    (b"OR", Operation::Whole(|a, b| a | b)),
    (b">", Operation::Compare(f64::gt)),
    (b"<", Operation::Compare(f64::lt)),
    (b"+", Operation::Real(|a, b| a + b)),
    (b"-", Operation::Real(|a, b| a - b)),
    (b"*", Operation::Real(|a, b| a * b)),
    (b"/", Operation::Divide),
    (b"%", Operation::Modulo),
    (b"^", Operation::Real(f64::powf)),
];

/// Only the first operator counts, and each side up to where its number ends. (core/getvar-functions-logic, dialplan/math-forms.)
fn math(_: &mut dyn Scope, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (expression, kind) = cut(arguments, b',');
    let expression = expression.trim_ascii();
    let sign = usize::from(matches!(expression.first(), Some(b'-' | b'+')));
    let operator = |at: usize| OPERATIONS.iter().find(|(sign, _)| expression[at..].starts_with(sign));
    let (end, (sign, operation)) = (sign..expression.len())
        .find_map(|at| operator(at).map(|operation| (at, operation)))
        .ok_or(Fault::Arguments)?;
    let rest = &expression[end..];
    let left = float(&expression[..end]).ok_or(Fault::Arguments)?;
    let right = float(&rest[sign.len()..]).ok_or(Fault::Arguments)?;
    let result = match operation {
        Operation::Compare(is) => {
            return Ok(if is(&left, &right) { b"TRUE".to_vec() } else { b"FALSE".to_vec() });
        }
        Operation::Divide if right == 0.0 => 0.0,
        Operation::Divide => left / right,
        // A remainder is that of whole numbers.
        Operation::Modulo => (left as i64).checked_rem(right as i64).unwrap_or(0) as f64,
        Operation::Real(compute) => compute(left, right),
        Operation::Whole(compute) => compute(left as i64, right as i64) as f64,
    };
    Ok(match kind.unwrap_or_default().trim_ascii() {
        b"" | b"float" | b"f" => format!("{result:.6}").into_bytes(),
        b"int" | b"i" => (result as i64).to_string().into_bytes(),
        b"hex" | b"h" => format!("{:x}", result as i64 as i32).into_bytes(),
        b"char" | b"c" => vec![result as u8],
        _ => return Err(Fault::Arguments),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::look_up;
    use super::super::super::testing::Table;
    use super::super::tests::check;

    #[test]
    fn operations() {
        check(
            &[],
            &[
                ("MATH(1+2)", "3.000000"),
                ("MATH(7/2)", "3.500000"),
                ("MATH(7/2,int)", "3"),
                ("MATH(2^3,int)", "8"),
                ("MATH( 8 * -2 ,i)", "-16"),
                ("MATH(-8-2,int)", "-10"),
                ("MATH(123%16,int)", "11"),
                ("MATH(255*1,hex)", "ff"),
                ("MATH(60+5,c)", "A"),
                ("MATH(1<<4,int)", "16"),
                ("MATH(6AND3,int)", "2"),
                ("MATH(6 XOR 3,int)", "5"),
                ("MATH(6 OR 3,int)", "7"),
                ("MATH(3>=3)", "TRUE"),
                ("MATH(3<2.5)", "FALSE"),
                ("MATH(1==1)", "TRUE"),
                ("MATH(1/0)", "0.000000"),
                ("MATH(1%0)", "0.000000"),
                ("MATH(7.5%2)", "1.000000"),
                ("MATH(1+2+3)", "3.000000"),
                ("MATH(1e3+1)", "1001.000000"),
                ("MATH(1-2,h)", "ffffffff"),
                ("MATH(1)", ""),
                ("MATH(a+1)", ""),
                ("MATH(1+1,what)", ""),
                ("MIN(3,1,2)", "1"),
                ("MAX(3,1,2.5)", "3"),
                ("MAX(1,2,3)", "2"),
                ("MAX(1.5,1)", "1.500000"),
                ("MAX(0x10,5)", "16"),
                ("MIN(1,)", "1"),
                ("MIN(,1)", ""),
                ("ABS(-4)", "4"),
                ("ABS(-2.5)", "2.500000"),
                ("ABS(5abc)", "5"),
                ("ABS(1e)", "1"),
                ("ABS(.)", ""),
                ("ABS(-.5)", "0.500000"),
                ("ABS(x)", ""),
            ],
        );
    }

    #[test]
    fn counting() {
        check(
            &[("SIZE", "10"), ("TEXT", "x"), ("LAST", "9223372036854775807")],
            &[
                ("INC(SIZE)", "11"),
                ("SIZE", "11"),
                ("DEC(SIZE)", "10"),
                ("INC(TEXT)", ""),
                ("INC(NOTHING)", ""),
                ("INC(LAST)", ""),
                ("TEXT", "x"),
            ],
        );
    }

    #[test]
    fn random_numbers_keep_within_their_bounds() {
        let mut table = Table::new(&[]);
        for _ in 0..1000 {
            let value = look_up(b"RAND(-2,2)", &mut table);
            assert!(matches!(&value[..], b"-2" | b"-1" | b"0" | b"1" | b"2"), "{}", value.escape_ascii());
        }
        assert_eq!(look_up(b"RAND(7,7)", &mut table), b"7");
        assert!(look_up(b"RAND()", &mut table).len() <= 10);
    }
}
