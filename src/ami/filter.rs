//! Event filters: what `eventfilter` lines and the Filter action say, held against an event.

use std::fmt;

use regex::bytes::Regex;

use super::Event;
use super::posix::{self, Malformed};

/// The filters of a session. Without a bound of the administrator's they are one list, his and the client's own.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// What an event must pass as well, whatever the client adds: `eventfilterlocked`.
    bound: Option<List>,
    list: List,
}

/// An event passes a list if one of the including filters fits, where there are any, and none of the excluding ones does.
/// (events/eventfilter-both.)
#[derive(Clone, Debug, Default)]
struct List {
    include: Vec<Filter>,
    exclude: Vec<Filter>,
}

impl Filters {
    /// Those of the administrator; what the client adds can only narrow them.
    pub fn bounded_by(filters: impl IntoIterator<Item = Filter>) -> Filters {
        let bound: Filters = filters.into_iter().collect();
        Filters { bound: (!bound.is_empty()).then_some(bound.list), list: List::default() }
    }

    /// Adds one.
    pub fn add(&mut self, filter: Filter) {
        let List { include, exclude } = &mut self.list;
        if filter.exclude { exclude.push(filter) } else { include.push(filter) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory the programs of those in the client's list take, in bytes.
    pub fn program_bytes(&self) -> usize {
        self.list.all().map(Filter::program_bytes).sum()
    }

    /// Whether any of them looks at more of an event than its name: what that costs, who wrote the filter and who made the
    /// event decide.
    pub fn is_dear(&self) -> bool {
        self.all().any(|filter| filter.header.is_some() || !matches!(filter.method, Method::None))
    }

    /// Whether a session with these filters gets the event.
    pub fn pass(&self, event: &Event) -> bool {
        self.pass_while(event, |_| true) == Some(true)
    }

    /// The same, but `go_on` is asked before each filter, with how many bytes it is about to look at; `None` once it
    /// says no.
    pub fn pass_while(&self, event: &Event, mut go_on: impl FnMut(usize) -> bool) -> Option<bool> {
        for list in self.bound.iter().chain([&self.list]) {
            if !list.pass_while(event, &mut go_on)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn all(&self) -> impl Iterator<Item = &Filter> {
        let lists = self.bound.iter().chain([&self.list]);
        lists.flat_map(List::all)
    }
}

impl List {
    fn all(&self) -> impl Iterator<Item = &Filter> {
        self.include.iter().chain(&self.exclude)
    }

    fn pass_while(&self, event: &Event, go_on: &mut impl FnMut(usize) -> bool) -> Option<bool> {
        let mut any = |filters: &[Filter]| {
            for filter in filters {
                if !go_on(event.text().len()) {
                    return None;
                }
                if filter.fits(event) {
                    return Some(true);
                }
            }
            Some(false)
        };
        Some((self.include.is_empty() || any(&self.include)?) && !any(&self.exclude)?)
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
    /// With the most memory that its program takes, in bytes.
    Regex(Regex, usize),
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
        Ok(Filter { exclude, name: None, header: None, method: regex(pattern)? })
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
            b"regex" => regex(pattern)?,
            _ => return Err(FilterError::Format),
        };
        Ok(Filter { exclude, name, header, method })
    }

    /// How much memory its program takes, in bytes.
    pub fn program_bytes(&self) -> usize {
        if let Method::Regex(_, size) = self.method { size } else { 0 }
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
            Method::Regex(regex, _) => regex.is_match(text),
        }
    }
}

fn regex(pattern: &[u8]) -> Result<Method, Malformed> {
    posix::compile_for_filter(pattern).map(|program| Method::Regex(program.regex, program.size))
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
    fn long_lists_are_accepted_and_programs_are_counted() {
        let channels: Vec<_> = (0..60).map(|n| format!("PJSIP/{}", 1000 + n * 7)).collect();
        let check = |pattern: &str, expect: Option<usize>| {
            let filter = Filter::legacy(pattern.as_bytes()).ok();
            assert_eq!(filter.map(|filter| filter.program_bytes()), expect, "{pattern}");
        };
        check("Channel: Local/", Some(4 * 1024));
        check(&format!("Channel: ({})", channels.join("|")), Some(64 * 1024));
        check(&"x".repeat(1000), Some(64 * 1024));
        check(".{3000}", None);
        let filter = |pattern: &str| Filter::legacy(pattern.as_bytes()).unwrap();
        let mut filters = Filters::bounded_by([filter("a"), filter("!b")]);
        assert_eq!((filters.len(), filters.program_bytes()), (2, 0));
        filters.add(filter("c"));
        assert_eq!((filters.len(), filters.program_bytes()), (3, 4 * 1024));
    }

    #[test]
    fn a_bound_can_only_be_narrowed() {
        let filter = |pattern: &str| Filter::legacy(pattern.as_bytes()).unwrap();
        let check = |own: &[&str], free: bool, bounded: bool| {
            let (mut list, mut bound) = (Filters::default(), Filters::bounded_by([filter("Size: 1")]));
            list.add(filter("Size: 1"));
            own.iter().for_each(|own| list.add(filter(own)));
            own.iter().for_each(|own| bound.add(filter(own)));
            let other = Event::new("UserEvent", Classes::USER).with("Size", 99).finish();
            assert_eq!((list.pass(&other), bound.pass(&other)), (free, bounded), "{own:?}");
            assert!(bound.is_dear() && !Filters::default().is_dear());
        };
        check(&[], false, false);
        check(&["."], true, false);
        check(&["Size: 99"], true, false);
        let mut bound = Filters::bounded_by([filter("Size: 1")]);
        assert!(bound.pass(&paint()));
        bound.add(filter("!Paint"));
        assert!(!bound.pass(&paint()));
        let mut asked = 0;
        let stops = |_| {
            asked += 1;
            false
        };
        assert_eq!((bound.pass_while(&paint(), stops), asked), (None, 1));
        let names = Filter::advanced(b"name(UserEvent)", b"").unwrap();
        assert!(!Filters::from_iter([names]).is_dear());
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
