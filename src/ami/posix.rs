//! POSIX extended regular expressions, as AMI's filters and the dialplan's operators have them: translated for an engine
//! whose time is linear in the text.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// The pattern is no regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Compiles a POSIX extended expression. The engine's time is linear in the text, whatever the pattern; what the pattern
/// may cost in memory is bounded by [`MAX_PROGRAM`].
pub(crate) fn compile(pattern: &[u8]) -> Result<Regex, Malformed> {
    build_translated(&translate(pattern, Groups::Plain)?, MAX_PROGRAM, MAX_PROGRAM)
}

/// Whether a group remembers what it matched: that costs time and memory.
#[derive(Clone, Copy)]
enum Groups {
    Plain,
    Kept,
}

/// The sizes that programs of clients are tried with, in bytes: the engine does not say how large a program is, only whether it is
/// larger than a limit.
pub(crate) const CLIENT_SIZES: [usize; 3] =
    [MAX_CLIENT_PROGRAM / 32, MAX_CLIENT_PROGRAM / 8, MAX_CLIENT_PROGRAM];

/// Compiles an expression, with what its groups match or without, if its program has no more than `size` bytes: how long a match
/// takes grows with that times the text.
pub(crate) fn compile_sized(pattern: &[u8], groups: bool, size: usize) -> Result<Regex, Malformed> {
    build_translated(
        &translate(pattern, if groups { Groups::Kept } else { Groups::Plain })?,
        size,
        MAX_PROGRAM,
    )
}

/// A pattern compiled for somebody whose work is counted: how long a match takes grows with `size` times the text.
pub(crate) struct Program {
    pub(crate) regex: Regex,
    /// The most memory that the compiled pattern takes, in bytes.
    pub(crate) size: usize,
}

/// Compiles an expression for an event filter, of which a session may have many for as long as it lives: the engine's cache
/// for it has four times the memory of the program.
pub(crate) fn compile_for_filter(pattern: &[u8]) -> Result<Program, Malformed> {
    let text = translate(pattern, Groups::Plain)?;
    let sizes = [MAX_FILTER_PROGRAM / 16, MAX_FILTER_PROGRAM / 4, MAX_FILTER_PROGRAM];
    let fits =
        |size: usize| build_translated(&text, size, 4 * size).ok().map(|regex| Program { regex, size });
    sizes.into_iter().find_map(fits).ok_or(Malformed)
}

fn build_translated(text: &str, size: usize, cache: usize) -> Result<Regex, Malformed> {
    RegexBuilder::new(text)
        .dot_matches_new_line(true)
        .unicode(false)
        .size_limit(size)
        .nest_limit(MAX_NESTING)
        .dfa_size_limit(cache)
        .build()
        .map_err(|_| Malformed)
}

/// A POSIX extended expression in the engine's own syntax. They differ in brackets, where POSIX knows no escape, and in
/// what a backslash means: before a letter POSIX takes the letter, the engine a class.
fn translate(pattern: &[u8], kind: Groups) -> Result<String, Malformed> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    // Where the last atom begins in `out`, where the open groups do, and whether the atom has been repeated already.
    let (mut atom, mut groups, mut repeated) = (0, Vec::new(), false);
    let mut wraps = 0;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if matches!(byte, b'*' | b'+' | b'?' | b'{') {
            // POSIX repeats what is repeated; the engine would take the second sign for "as few as can be".
            if std::mem::replace(&mut repeated, true) {
                wraps += 1;
                if wraps > MAX_WRAPS {
                    return Err(Malformed);
                }
                out.insert_str(atom, "(?:");
                out.push(')');
            }
            out.push(byte.into());
            if byte == b'{' {
                let end = tail.iter().position(|&b| b == b'}').ok_or(Malformed)?;
                out.push_str(std::str::from_utf8(&tail[..=end]).map_err(|_| Malformed)?);
                rest = &tail[end + 1..];
            }
            continue;
        }
        repeated = false;
        if byte == b')' {
            atom = groups.pop().ok_or(Malformed)?;
            out.push(')');
            continue;
        }
        atom = out.len();
        match byte {
            b'[' => rest = bracket(tail, &mut out)?,
            b'(' => {
                groups.push(atom);
                out.push_str(match kind {
                    Groups::Plain => "(?:",
                    Groups::Kept => "(",
                });
            }
            b'|' | b'^' | b'$' | b'.' => out.push(byte.into()),
            b'\\' => {
                let (&escaped, tail) = tail.split_first().ok_or(Malformed)?;
                rest = tail;
                match escaped {
                    b'w' | b'W' | b's' | b'S' | b'b' | b'B' => out.extend(['\\', escaped.into()]),
                    b'<' => out.push_str("\\b{start}"),
                    b'>' => out.push_str("\\b{end}"),
                    b'1'..=b'9' => return Err(Malformed),
                    _ => literal(escaped, &mut out),
                }
            }
            _ => literal(byte, &mut out),
        }
    }
    Ok(out)
}

/// A bracket expression: everything in it stands for itself but `^` first, ranges and the `[:class:]` names.
fn bracket<'p>(pattern: &'p [u8], out: &mut String) -> Result<&'p [u8], Malformed> {
    out.push('[');
    let mut rest = pattern;
    if let Some(tail) = rest.strip_prefix(b"^") {
        out.push('^');
        rest = tail;
    }
    let mut first = true;
    loop {
        let (&byte, tail) = rest.split_first().ok_or(Malformed)?;
        match byte {
            b']' if !first => {
                out.push(']');
                return Ok(tail);
            }
            b'[' if tail.first().is_some_and(|b| matches!(b, b':' | b'.' | b'=')) => {
                let close = [tail[0], b']'];
                let end = tail[1..].windows(2).position(|pair| pair == close).ok_or(Malformed)?;
                let name = &tail[1..1 + end];
                match (tail[0], name) {
                    (b':', name) if name.iter().all(u8::is_ascii_lowercase) => {
                        out.push_str(&format!("[:{}:]", String::from_utf8_lossy(name)));
                    }
                    (_, [single]) => literal(*single, out),
                    _ => return Err(Malformed),
                }
                rest = &tail[1 + end + 2..];
                first = false;
                continue;
            }
            // A range, unless it stands at an edge, where it is the character.
            b'-' if !first && !tail.starts_with(b"]") => out.push('-'),
            _ => literal(byte, out),
        }
        first = false;
        rest = tail;
    }
}

/// A byte that stands for itself.
fn literal(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || byte == b' ' {
        out.push(byte.into());
    } else {
        let _ = fmt::Write::write_fmt(out, format_args!("\\x{byte:02x}"));
    }
}

/// The most memory a compiled pattern, and the engine's cache for it, may take each: a line of 1,024 bytes stays far below
/// it unless it counts in the thousands.
const MAX_PROGRAM: usize = 256 * 1024;

/// The most memory a pattern of a client's may take once compiled, where it is matched while others wait: by `=~` and REGEX() in
/// the switch. A larger one is refused as malformed. Such a program has some hundred states; patterns
/// that people write have a few dozen.
pub(crate) const MAX_CLIENT_PROGRAM: usize = 16 * 1024;

/// How deep groups and repetitions may nest, each of the two a level: compiling takes stack for each, and a connection has little.
/// A deeper pattern is refused as malformed.
const MAX_NESTING: u32 = 40;

/// The same for an event filter, which is matched where others do not wait, and within a budget: any line of 1,024 bytes that
/// counts nothing fits, such as a list of sixty channels.
pub(crate) const MAX_FILTER_PROGRAM: usize = 64 * 1024;

/// How often a pattern may repeat what is repeated already, as `a**` does: each time the text so far is moved.
const MAX_WRAPS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_kept_where_they_are_asked_for() {
        let check = |pattern: &str, text: &str, expect: Option<&str>| {
            let regex = compile_sized(pattern.as_bytes(), true, MAX_CLIENT_PROGRAM).unwrap();
            let group = regex.captures(text.as_bytes()).and_then(|found| found.get(1));
            assert_eq!(group.map(|group| group.as_bytes()), expect.map(str::as_bytes), "{pattern} in {text}");
        };
        check("(T[^ ]+)", "One Thousand Five", Some("Thousand"));
        check("^(...)", "8015551212", Some("801"));
        check("(x+)+?y", "xxy", Some("xx"));
        check("(a)|b", "b", None);
        check("T[^ ]+", "One Thousand Five", None);
        assert_eq!(compile(b"(a)").unwrap().captures_len(), 1);
        assert!(compile_sized(b"a)", true, MAX_CLIENT_PROGRAM).is_err());
    }

    #[test]
    fn programs_of_clients_are_small() {
        let fits = |pattern: &str, size| compile_sized(pattern.as_bytes(), true, size).is_ok();
        let size = |pattern: &str| CLIENT_SIZES.into_iter().find(|size| fits(pattern, *size));
        for pattern in
            ["(T[^ ]+)", "^[0-9]{3}-[[:digit:]]+$", "(PJSIP|SIP)/[^-]+-[0-9a-f]{8}", "^Event: (User|Dial)"]
        {
            assert!(size(pattern).unwrap() <= MAX_CLIENT_PROGRAM / 8, "{pattern}");
        }
        assert_eq!(size("(z+a)"), Some(MAX_CLIENT_PROGRAM / 32));
        assert_eq!(size("[a-m].{100}[x-z]"), Some(MAX_CLIENT_PROGRAM));
        for pattern in ["[a-m].{3000}[x-z]", "((a{1,100}){1,100}){1,100}"] {
            assert_eq!(size(pattern), None, "{pattern}");
        }
        assert_eq!(size(&format!("a{}", "*".repeat(8000))), None);
    }
}
