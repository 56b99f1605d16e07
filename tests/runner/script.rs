//! A transcript as a list of steps. The format is told in `tests/transcripts/README.md`.

use std::fmt;

/// What the lines of a transcript do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `@word …`: an order to the player.
    Order,
    /// `a> text`: the client sends a line.
    Send,
    /// `a>| text`: the client sends bytes.
    SendRaw,
    /// `a< text`: the server sends a line.
    Expect,
    /// `a<| text`: the server sends bytes.
    ExpectRaw,
    /// `a? text`: not recorded yet.
    Unrecorded,
}

/// One line that does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its line in the file, from 1.
    pub(crate) line: usize,
    /// What it does.
    pub(crate) kind: Kind,
    /// The connection; empty for an order.
    pub(crate) conn: String,
    /// The rest of the line, or the order without its `@`.
    pub(crate) text: String,
}

impl Step {
    /// Whether the server speaks here.
    pub(crate) fn is_servers(&self) -> bool {
        matches!(self.kind, Kind::Expect | Kind::ExpectRaw)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.kind {
            Kind::Order => return write!(f, "@{}", self.text),
            Kind::Send => ">",
            Kind::SendRaw => ">|",
            Kind::Expect => "<",
            Kind::ExpectRaw => "<|",
            Kind::Unrecorded => "?",
        };
        write!(f, "{}{mark} {}", self.conn, self.text)
    }
}

/// Reads a transcript; the error tells the line.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let step = if let Some(order) = line.strip_prefix('@') {
            let text = order.trim().to_owned();
            Step { line: number, kind: Kind::Order, conn: String::new(), text }
        } else {
            parse_line(number, line)
                .ok_or_else(|| format!("line {number}: not a transcript line: {line:?}"))?
        };
        steps.push(step);
    }
    Ok(steps)
}

/// The config folder that a transcript names.
pub(crate) fn config(steps: &[Step]) -> Option<&str> {
    let orders = steps.iter().filter(|step| step.kind == Kind::Order);
    orders.filter_map(|step| step.text.strip_prefix("config ")).map(str::trim).next()
}

fn parse_line(number: usize, line: &str) -> Option<Step> {
    let end = line.find(|c: char| !c.is_alphanumeric() && c != '_').filter(|&end| end > 0)?;
    let (conn, rest) = line.split_at(end);
    let marks = [
        (">|", Kind::SendRaw),
        ("<|", Kind::ExpectRaw),
        (">", Kind::Send),
        ("<", Kind::Expect),
        ("?", Kind::Unrecorded),
    ];
    let (kind, rest) = marks.iter().find_map(|(mark, kind)| Some((*kind, rest.strip_prefix(mark)?)))?;
    let text = if rest.is_empty() { "" } else { rest.strip_prefix(' ')? };
    Some(Step { line: number, kind, conn: conn.to_owned(), text: text.to_owned() })
}

/// The bytes that an escaped text stands for: `\r \n \t \0 \xHH \\` and their like; any other character stands
/// for the byte of that number.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(u8::try_from(u32::from(c)).map_err(|_| format!("{c:?} is no byte"))?);
            continue;
        }
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('\\') => out.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?);
            }
            Some(digit @ '0'..='7') => {
                let mut value = digit.to_digit(8).expect("matched above");
                for _ in 0..2 {
                    let Some(more) = chars.peek().and_then(|c| c.to_digit(8)) else { break };
                    value = value * 8 + more;
                    chars.next();
                }
                out.push(u8::try_from(value).map_err(|_| format!("\\{value:o} is no byte"))?);
            }
            other => return Err(format!("an escape that is not known: \\{}", other.unwrap_or(' '))),
        }
    }
    Ok(out)
}

/// The text that stands for those bytes, in the one form that transcripts use.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            32..127 => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// Proves this file; the harness is our own, so the tests are called by it.
pub(crate) fn self_test() {
    let parsed =
        parse("# comment\n@config hello \n\na< Response: {any}\na>\nb>| x\\r\\n\n").expect("well formed");
    let shown: Vec<_> = parsed.iter().map(|s| format!("{}:{s}", s.line)).collect();
    assert_eq!(shown, ["2:@config hello", "4:a< Response: {any}", "5:a> ", "6:b>| x\\r\\n"]);
    assert_eq!(config(&parsed), Some("hello"));
    assert!(parse("a:x").is_err() && parse("a>x").is_err() && parse("> x").is_err());
    for (text, bytes) in
        [("a\\r\\n", &b"a\r\n"[..]), ("\\0\\x00\\012\\t\\\\", b"\0\0\n\t\\"), ("\\xff\u{e9}", b"\xff\xe9")]
    {
        assert_eq!(unescape(text).as_deref(), Ok(bytes), "{text}");
    }
    assert!(unescape("\\q").is_err() && unescape("\u{20ac}").is_err() && unescape("\\xg0").is_err());
    assert_eq!(escape(b"a\xff\r\n\\\x00"), "a\\xff\\r\\n\\\\\\x00");
}
