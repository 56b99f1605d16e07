//! Picking among categories by what they hold, as `Filter` of GetConfig, `catfilter` of UpdateConfig and the filter of
//! an addition do.

use regex::bytes::Regex;

use super::scan::trim;
use super::{Category, Variable};
use crate::ami::posix;

/// Picks categories that hold, for each `name=value` given, a variable whose name matches the first and whose value matches
/// the second of these POSIX extended expressions. Both are case-sensitive, match anywhere, and match everything where they are
/// empty. Templates are passed over unless `TEMPLATES=include` (them too) or `TEMPLATES=restrict` (them only) says otherwise.
/// A malformed selector picks nothing. (config/getconfig-filter-name-regex, config/getconfig-filter-with-category.)
#[derive(Clone, Debug, Default)]
pub struct Selector {
    tests: Vec<(Regex, Regex)>,
    templates: Templates,
    malformed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Templates {
    #[default]
    Without,
    Include,
    Restrict,
}

impl Selector {
    /// Reads a list of criteria parted by commas; an empty one picks every category but the templates.
    pub fn parse(text: &[u8]) -> Selector {
        Selector::parted_by(b',', text)
    }

    pub(super) fn parted_by(separator: u8, text: &[u8]) -> Selector {
        let mut selector = Selector::default();
        if trim(text).is_empty() {
            return selector;
        }
        for part in quoted_split(separator, text) {
            let Some(equal) = part.iter().position(|&b| b == b'=') else {
                selector.malformed = true;
                continue;
            };
            let (name, value) = (trim(&part[..equal]), trim(&part[equal + 1..]));
            match (name, value) {
                (b"TEMPLATES", b"include") => selector.templates = Templates::Include,
                (b"TEMPLATES", b"restrict") => selector.templates = Templates::Restrict,
                _ => match (posix::compile(name), posix::compile(value)) {
                    (Ok(name), Ok(value)) => selector.tests.push((name, value)),
                    _ => selector.malformed = true,
                },
            }
        }
        selector
    }

    /// Whether it picks that category.
    pub fn picks(&self, category: &Category) -> bool {
        let kind = match self.templates {
            Templates::Without => !category.template,
            Templates::Include => true,
            Templates::Restrict => category.template,
        };
        let holds = |(name, value): &(Regex, Regex)| {
            let fits = |v: &Variable| name.is_match(&v.name) && value.is_match(&v.value);
            category.variables.iter().any(fits)
        };
        kind && !self.malformed && self.tests.iter().all(holds)
    }
}

/// Parts at the separators that stand outside single quotes, and takes the quotes off.
fn quoted_split(separator: u8, text: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut quoted = false;
    for &byte in text {
        match byte {
            b'\'' => quoted = !quoted,
            _ if byte == separator && !quoted => parts.push(Vec::new()),
            _ => parts.last_mut().expect("there is one from the start").push(byte),
        }
    }
    parts
}
