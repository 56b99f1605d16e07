//! Event filters: what `eventfilter` lines and the Filter action say, held against an event.

use std::fmt;

use regex::bytes::Regex;

use super::Event;
use super::posix::{self, Malformed};

/// The filters of a session: an event passes if one of the including ones fits, where there are any, and none of the
/// excluding ones does. (events/eventfilter-both.)
#[derive(Clone, Debug, Default)]
pub struct Filters {
    include: Vec<Filter>,
    exclude: Vec<Filter>,
}

impl Filters {
    /// Adds one.
    pub fn add(&mut self, filter: Filter) {
        if filter.exclude { self.exclude.push(filter) } else { self.include.push(filter) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.include.len() + self.exclude.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a session with these filters gets the event.
    pub fn pass(&self, event: &Event) -> bool {
        (self.include.is_empty() || self.include.iter().any(|filter| filter.fits(event)))
            && !self.exclude.iter().any(|filter| filter.fits(event))
    }
}

impl FromIterator<Filter> for Filters {
    fn from_iter<T: IntoIterator<Item = Filter>>(filters: T) -> Filters {
        let mut all = Filters::default();
        filters.into_iter().for_each(|filter| all.add(filter));
        all
    }
}

/// One filter.
#[derive(Clone, Debug)]
pub struct Filter {
    exclude: bool,
    /// The event's name, case included.
    name: Option<Vec<u8>>,
    /// The header whose value is looked at; the whole event where there is none.
    header: Option<Vec<u8>>,
    method: Method,
}

/// How the text is held against the pattern.
#[derive(Clone, Debug)]
enum Method {
    /// Being there is enough.
    None,
    Exact(Vec<u8>),
    StartsWith(Vec<u8>),
    EndsWith(Vec<u8>),
    Contains(Vec<u8>),
    Regex(Regex),
}

/// Why a filter cannot be: in AMI's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// The criteria or the pattern are not of the form that they should have.
    Format,
    /// The pattern is no regular expression.
    Compile,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FilterError::Format => "Filter was formatted incorrectly.  Check the syntax of the filter given.",
            FilterError::Compile => "Filter did not compile.  Check the syntax of the filter given.",
        })
    }
}

impl From<Malformed> for FilterError {
    fn from(_: Malformed) -> FilterError {
        FilterError::Compile
    }
}

impl Filter {
    /// A filter in the old form: a regular expression over the whole event, excluding where a `!` stands before it.
    pub fn legacy(pattern: &[u8]) -> Result<Filter, FilterError> {
        let (exclude, pattern) = bang(pattern);
        if pattern.is_empty() {
            return Err(FilterError::Format);
        }
        Ok(Filter { exclude, name: None, header: None, method: Method::Regex(posix::compile(pattern)?) })
    }

    /// A filter with criteria: `action(include|exclude)`, `name(EVENT)`, `header(HEADER)` and `method(METHOD)`, parted by
    /// commas in any order. Without a method there must be no pattern, and with one there must be.
    pub fn advanced(criteria: &[u8], pattern: &[u8]) -> Result<Filter, FilterError> {
        let (mut exclude, pattern) = bang(pattern);
        let (mut name, mut header, mut method) = (None, None, &b"none"[..]);
        for part in criteria.split(|&b| b == b',') {
            let open = part.iter().position(|&b| b == b'(').ok_or(FilterError::Format)?;
            let argument = part[open + 1..].strip_suffix(b")").ok_or(FilterError::Format)?;
            match (part[..open].trim_ascii(), argument) {
                (b"action", b"include") => {}
                (b"action", b"exclude") => exclude = true,
                (b"name", argument) if !argument.is_empty() => name = Some(argument.to_vec()),
                (b"header", argument) if !argument.is_empty() => {
                    header = Some(argument.strip_suffix(b":").unwrap_or(argument).to_vec());
                }
                (b"method", argument) => method = argument,
                _ => return Err(FilterError::Format),
            }
        }
        let own = || pattern.to_vec();
        let method = match method {
            b"none" if pattern.is_empty() && (name.is_some() || header.is_some()) => Method::None,
            b"none" => return Err(FilterError::Format),
            _ if pattern.is_empty() => return Err(FilterError::Format),
            b"exact" => Method::Exact(own()),
            b"starts_with" => Method::StartsWith(own()),
            b"ends_with" => Method::EndsWith(own()),
            b"contains" => Method::Contains(own()),
            b"regex" => Method::Regex(posix::compile(pattern)?),
            _ => return Err(FilterError::Format),
        };
        Ok(Filter { exclude, name, header, method })
    }

    fn fits(&self, event: &Event) -> bool {
        if self.name.as_ref().is_some_and(|name| event.name() != name) {
            return false;
        }
        let text = match &self.header {
            None => event.text(),
            Some(header) => match event.get(header) {
                None => return false,
                Some(value) => value,
            },
        };
        match &self.method {
            Method::None => true,
            Method::Exact(pattern) => text == pattern,
            Method::StartsWith(pattern) => text.starts_with(pattern),
            Method::EndsWith(pattern) => text.ends_with(pattern),
            Method::Contains(pattern) => text.windows(pattern.len()).any(|window| window == pattern),
            Method::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Takes off the `!` that makes a pattern an excluding one.
fn bang(pattern: &[u8]) -> (bool, &[u8]) {
    pattern.strip_prefix(b"!").map_or((false, pattern), |rest| (true, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ami::Classes;

    fn paint() -> Event {
        Event::new("UserEvent", Classes::USER)
            .with("UserEvent", "Paint")
            .with("Colour", "darkred")
            .with("Size", 12)
            .finish()
    }

    #[test]
    fn patterns_are_posix_extended_expressions() {
        let check = |pattern: &str, expect: bool| {
            let filter = Filter::legacy(pattern.as_bytes()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert_eq!(filter.fits(&paint()), expect, "{pattern}");
        };
        check("Colour: (dark|light)?red+.*Size: [1-3]", true);
        check("^Event: UserEvent", true);
        check("^Colour", false);
        check("colour: red", false);
        check("[[:digit:]]{2}", true);
        check("[^[:alnum:][:space:]:,]", false);
        check("Colo[u]r: [a-z]*red\r\n", true);
        check(r"Size\: 1\d", false);
        check(r"Size: [\d]", false);
        check(r"\<dark", true);
        check("d++a", true);
        check("Siz+?e", true);
        check("(Paint){1}?z?{2}", true);
        check("[]x]", false);
        check("x|Size", true);
    }

    #[test]
    fn a_pattern_that_cannot_be_is_refused() {
        let check = |pattern: &str, error: FilterError| {
            assert_eq!(Filter::legacy(pattern.as_bytes()).unwrap_err(), error, "{pattern}");
        };
        for pattern in ["[", "(", "*x", "a{2", "[a", r"(a)\1", "(?i)x", "a)", "\\", "(((a{99}){99}){99}){99}"]
        {
            check(pattern, FilterError::Compile);
        }
        check("", FilterError::Format);
        check("!", FilterError::Format);
    }

    #[test]
    fn criteria_have_their_own_grammar() {
        let check = |criteria: &str, pattern: &str, expect: Result<bool, FilterError>| {
            let fits = Filter::advanced(criteria.as_bytes(), pattern.as_bytes())
                .map(|filter| filter.fits(&paint()) != filter.exclude);
            assert_eq!(fits, expect, "{criteria} = {pattern}");
        };
        check("name(UserEvent)", "", Ok(true));
        check("name(userevent)", "", Ok(false));
        check("action(exclude),name(UserEvent)", "", Ok(false));
        check("header(Colour),method(exact)", "darkred", Ok(true));
        check("method(exact),header(Colour:),action(include)", "darkred", Ok(true));
        check("header(Colour),method(exact)", "!darkred", Ok(false));
        check("header(Colour),method(starts_with)", "dark", Ok(true));
        check("header(Colour),method(ends_with)", "red", Ok(true));
        check("header(Colour),method(contains)", "kr", Ok(true));
        check("header(Colour),method(regex)", "^d.*d$", Ok(true));
        check("header(Nothing)", "", Ok(false));
        check("method(contains)", "Size: 1", Ok(true));
        for (criteria, pattern) in [
            ("", "x"),
            ("action(include)", ""),
            ("action(maybe),name(X)", ""),
            ("action,name(X)", ""),
            ("colour(red)", "x"),
            ("header(Colour),method(near)", "red"),
            ("header(Colour),method(exact)", ""),
            ("header(Colour)", "red"),
            ("header(Colour),method(none)", "red"),
            ("method(none)", ""),
            ("name(X", ""),
            (",", "x"),
        ] {
            check(criteria, pattern, Err(FilterError::Format));
        }
        check("name(X),method(regex)", "[", Err(FilterError::Compile));
    }
}
