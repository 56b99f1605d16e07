//! What a user's actions may look like: `allowaction`, `allowfunctions` and `actionrate` in manager.conf, which Asterisk does not
//! have. The lines become rules here; whether a message keeps to them, `auth::policy` decides.

use std::fmt;
use std::num::NonZeroU32;

use super::complaint::{did_you_mean, quote};
use super::ini::Variable;
use super::settings::Settings;
use crate::ami::class::truth;

/// What a user may do beside what the classes say. The default forbids nothing.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `allowaction` lines, in their order. If there are any, nothing else passes.
    pub rules: Vec<Rule>,
    /// Whether function calls are refused where no rule spells them out: the opposite of `allowfunctions`. Default: no for who has
    /// no rule, yes for who has.
    pub refuses_functions: bool,
}

/// An `allowaction` line: `Name`, or `Name(Header:pattern, Header:)`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The line as it was written.
    pub text: Vec<u8>,
    /// The action's name; its case does not count.
    pub action: Vec<u8>,
    /// What it says of headers, whose case does not count. Those that it does not name are free.
    pub headers: Vec<(Vec<u8>, Wanted)>,
}

/// What a rule wants of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// That it is not there, or empty.
    Absent,
    /// That it is there, and fits wherever it is.
    Fits(Pattern),
}

/// A pattern for a whole value: `*` stands for any bytes, `?` for one, a backslash takes away what the next byte would mean. Case
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Byte(u8),
}

/// Why a line cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(String);

/// A line that cannot be read, and why not. Its user is not to be let in: nobody can say what the line would have forbidden.
pub(super) type Refused<'d> = (&'d Variable, Unreadable);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Policy {
    /// `allowaction` and `allowfunctions` lines.
    pub(super) fn read<'d>(settings: &mut Settings<'d, '_>) -> Result<Policy, Refused<'d>> {
        let mut policy = Policy::default();
        for line in settings.with_criteria("allowaction") {
            if !line.is(b"allowaction") {
                let text = "allowaction = Name(...) expected: the parentheses stand behind the equals sign";
                return Err((line, Unreadable(text.to_owned())));
            }
            let rule = Rule::parse(line.value())
                .map_err(|why| (line, Unreadable(format!("allowaction = {}: {why}", quote(line.value())))))?;
            for (name, _) in &rule.headers {
                if !HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
                    let hint = did_you_mean(name, HEADERS.iter().copied());
                    if !hint.is_empty() {
                        settings.warn(line, format!("allowaction: the header {}{hint}", quote(name)));
                    }
                }
            }
            policy.rules.push(rule);
        }
        policy.refuses_functions = !policy.rules.is_empty();
        if let Some(line) = settings.last("allowfunctions") {
            let allows = truth(line.value());
            if allows.is_none() {
                let value = quote(line.value());
                settings.warn(line, format!("allowfunctions = {value}: yes or no expected; no counts"));
            }
            policy.refuses_functions = allows != Some(true);
        }
        Ok(policy)
    }
}

/// `actionrate`: how many actions a second; none where there is no limit.
pub(super) fn rate<'d>(settings: &mut Settings<'d, '_>) -> Result<Option<NonZeroU32>, Refused<'d>> {
    let Some(line) = settings.last("actionrate") else { return Ok(None) };
    let number = std::str::from_utf8(line.value()).ok().and_then(|text| text.parse().ok());
    match number.filter(|rate| *rate <= MAX_RATE) {
        Some(rate) => Ok(NonZeroU32::new(rate)),
        None => {
            let value = quote(line.value());
            let text =
                format!("actionrate = {value}: a number of actions a second up to {MAX_RATE} expected");
            Err((line, Unreadable(text)))
        }
    }
}

impl Rule {
    fn parse(text: &[u8]) -> Result<Rule, String> {
        let open = text.iter().position(|&b| b == b'(');
        let action = text[..open.unwrap_or(text.len())].trim_ascii();
        if !is_name(action) {
            return Err("the name of an action expected".to_owned());
        }
        let mut rule = Rule { text: text.to_vec(), action: action.to_vec(), headers: Vec::new() };
        let Some(open) = open else { return Ok(rule) };
        for part in parts(&text[open + 1..])? {
            let colon = part.iter().position(|&b| b == b':');
            let Some(colon) = colon else {
                return Err(format!("{}: Header:pattern or Header: expected", quote(part.trim_ascii())));
            };
            let (name, pattern) = (part[..colon].trim_ascii(), part[colon + 1..].trim_ascii());
            if !is_name(name) {
                return Err(format!("{} is no header's name", quote(name)));
            }
            if rule.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(format!(
                    "{} stands there twice; another line can allow another value",
                    quote(name)
                ));
            }
            let wanted = match pattern {
                b"" => Wanted::Absent,
                pattern => Wanted::Fits(Pattern::parse(pattern)?),
            };
            rule.headers.push((name.to_vec(), wanted));
        }
        Ok(rule)
    }

    /// The pattern that it has for a header.
    pub fn pattern(&self, header: &[u8]) -> Option<&Pattern> {
        self.headers.iter().find_map(|(name, wanted)| match wanted {
            Wanted::Fits(pattern) if name.eq_ignore_ascii_case(header) => Some(pattern),
            _ => None,
        })
    }
}

/// What stands between the parentheses, of which the first is open, parted at the commas that stand in no further ones.
fn parts(text: &[u8]) -> Result<Vec<&[u8]>, String> {
    let (mut parts, mut start, mut depth, mut at) = (Vec::new(), 0, 0, 0);
    loop {
        match text.get(at) {
            None => return Err("the closing parenthesis is missing".to_owned()),
            Some(b'\\') => at += 1,
            Some(b'(') => depth += 1,
            Some(b')') if depth > 0 => depth -= 1,
            Some(b')') if at + 1 < text.len() => {
                return Err("something stands behind the closing parenthesis".to_owned());
            }
            Some(b')') => {
                parts.push(&text[start..at]);
                return Ok(parts);
            }
            Some(b',') if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            Some(_) => {}
        }
        at += 1;
    }
}

/// Letters, digits, dashes and underscores: all that names of actions and headers are made of.
fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl Pattern {
    fn parse(text: &[u8]) -> Result<Pattern, String> {
        let mut parts = Vec::new();
        let mut bytes = text.iter();
        while let Some(&byte) = bytes.next() {
            parts.push(match byte {
                b'*' => Part::Any,
                b'?' => Part::One,
                b'\\' => Part::Byte(*bytes.next().ok_or("nothing stands behind the last backslash")?),
                byte => Part::Byte(byte),
            });
        }
        Ok(Pattern(parts))
    }

    /// Whether the whole of a value fits. The work is bounded by the product of the lengths: only the last `*` is gone back to.
    pub fn fits(&self, value: &[u8]) -> bool {
        let (mut part, mut at) = (0, 0);
        let mut star = None;
        loop {
            let goes_on = match self.0.get(part) {
                None if at == value.len() => return true,
                None => false,
                Some(Part::Any) => {
                    star = Some((part + 1, at));
                    part += 1;
                    continue;
                }
                Some(Part::One) => at < value.len(),
                Some(Part::Byte(byte)) => value.get(at) == Some(byte),
            };
            match &mut star {
                _ if goes_on => {
                    part += 1;
                    at += 1;
                }
                Some((after, from)) if *from < value.len() => {
                    *from += 1;
                    (part, at) = (*after, *from);
                }
                _ => return false,
            }
        }
    }

    /// How often it has that byte as itself.
    pub fn count(&self, byte: u8) -> usize {
        self.0.iter().filter(|part| **part == Part::Byte(byte)).count()
    }
}

/// More a second is no limit.
const MAX_RATE: u32 = 100_000;

/// Headers that rules are likely to name, to guess at slips: one in the name of a header that must be absent would forbid nothing.
const HEADERS: &[&str] = &[
    "Account",
    "AppendToFile",
    "Application",
    "ApplicationData",
    "Async",
    "Bridge",
    "BridgeUniqueid",
    "CallerID",
    "Category",
    "Cause",
    "Channel",
    "Channel1",
    "Channel2",
    "ChannelId",
    "Codecs",
    "Command",
    "Conference",
    "Context",
    "Data",
    "Destination",
    "Device",
    "Digit",
    "DstFilename",
    "EarlyMedia",
    "Exten",
    "Extension",
    "ExtraChannel",
    "ExtraContext",
    "ExtraExten",
    "ExtraPriority",
    "Family",
    "File",
    "Filename",
    "From",
    "Interface",
    "Key",
    "Mailbox",
    "Member",
    "MemberName",
    "Message",
    "Module",
    "OtherChannelId",
    "Parkinglot",
    "Paused",
    "Penalty",
    "Peer",
    "PreDialGoSub",
    "Priority",
    "Queue",
    "Reason",
    "Server",
    "SrcFilename",
    "State",
    "StateInterface",
    "Timeout",
    "UserEvent",
    "Val",
    "Value",
    "Variable",
    "Variables",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule as it was understood: `action header=pattern header!`.
    fn shown(text: &str) -> Result<String, String> {
        let rule = Rule::parse(text.as_bytes())?;
        let headers = rule.headers.iter().map(|(name, wanted)| {
            let name = String::from_utf8_lossy(name);
            match wanted {
                Wanted::Absent => format!(" {name}!"),
                Wanted::Fits(pattern) => {
                    let part = |part: &Part| match part {
                        Part::Any => '\u{2026}',
                        Part::One => '\u{b7}',
                        Part::Byte(byte) => char::from(*byte),
                    };
                    format!(" {name}={}", pattern.0.iter().map(part).collect::<String>())
                }
            }
        });
        Ok(String::from_utf8_lossy(&rule.action).into_owned() + &headers.collect::<String>())
    }

    #[test]
    fn rules_are_read() {
        let check = |text: &str, expect: &str| assert_eq!(shown(text).as_deref(), Ok(expect), "{text}");
        check("QueueStatus", "QueueStatus");
        check(
            "Originate(Context:from-web, Channel:PJSIP/*, Application:)",
            "Originate Context=from-web Channel=PJSIP/\u{2026} Application!",
        );
        check("Originate ( Context : a b ,Data: )", "Originate Context=a b Data!");
        check("Getvar(Variable:CALLERID(*))", "Getvar Variable=CALLERID(\u{2026})");
        check(
            "Getvar(Variable:CUT(a,?,(1)), Channel:SIP/x:5)",
            "Getvar Variable=CUT(a,\u{b7},(1)) Channel=SIP/x:5",
        );
        check("A(B:\\*\\?\\(\\,\\\\\\))", "A B=*?(,\\)");
    }

    #[test]
    fn lines_that_cannot_be_read() {
        let check = |text: &str, expect: &str| assert_eq!(shown(text), Err(expect.to_owned()), "{text}");
        for text in ["", "*", "Queue*", "Originate Context:a", "(Context:a)", "A, B", "A)"] {
            check(text, "the name of an action expected");
        }
        for text in ["A(", "A(B:c", "A(B:(c)", "A(B:c\\)", "A(B:c\\"] {
            check(text, "the closing parenthesis is missing");
        }
        check("A(B:c) D", "something stands behind the closing parenthesis");
        check("A(B:c))", "something stands behind the closing parenthesis");
        check("A()", "\"\": Header:pattern or Header: expected");
        check("A(B:c,)", "\"\": Header:pattern or Header: expected");
        check("A(B:c, d)", "\"d\": Header:pattern or Header: expected");
        check("A(:c)", "\"\" is no header's name");
        check("A(B*:c)", "\"B*\" is no header's name");
        check("A(B:c, b:d)", "\"b\" stands there twice; another line can allow another value");
        // The blank that it protects is trimmed away: better refused than guessed at.
        check("A(B:c\\ )", "nothing stands behind the last backslash");
    }

    #[test]
    fn patterns_fit_whole_values() {
        let check = |pattern: &str, value: &str, expect: bool| {
            let pattern = Pattern::parse(pattern.as_bytes()).unwrap();
            assert_eq!(pattern.fits(value.as_bytes()), expect, "{pattern:?} {value:?}");
        };
        check("from-web", "from-web", true);
        check("from-web", "from-web ", false);
        check("from-web", "From-Web", false);
        check("from-web", "xfrom-web", false);
        check("from-web", "", false);
        check("PJSIP/*", "PJSIP/", true);
        check("PJSIP/*", "PJSIP/1&Local/2", true);
        check("PJSIP/*", "pjsip/1", false);
        check("PJSIP/*", "Local/PJSIP/1", false);
        check("PJSIP/1??", "PJSIP/100", true);
        check("PJSIP/1??", "PJSIP/1000", false);
        check("*", "", true);
        check("?*", "", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b*", "xxbxxaxx", false);
        check("*ab", "aaab", true);
        check("*ab", "aaabc", false);
        check("\\*", "*", true);
        check("\\*", "x", false);
        check("[a]", "a", false);
        check("***************a", &"a".repeat(5000), true);
        check("*a*a*a*a*a*a*a*b", &"a".repeat(5000), false);
    }
}
