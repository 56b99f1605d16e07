//! Picking among categories by what they hold, as `Filter` of GetConfig, `catfilter` of UpdateConfig and the filter of
//! an addition do.

use regex::bytes::Regex;

use super::scan::trim;
use super::{Category, Variable};
use crate::ami::posix;

/// Picks categories that hold, for each `name=expression` given, a variable of that name whose value matches the POSIX
/// extended expression. Templates are passed over unless `TEMPLATES=include` (them too) or `TEMPLATES=restrict` (them
/// only) says otherwise. A malformed selector picks nothing; an empty name asks for nothing.
/// (config/getconfig-filter, config/getconfig-filter-with-category.)
#[derive(Clone, Debug, Default)]
pub struct Selector {
    tests: Vec<(Vec<u8>, Regex)>,
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
        for part in text.split(|&b| b == separator) {
            let Some(equal) = part.iter().position(|&b| b == b'=') else {
                selector.malformed = true;
                continue;
            };
            let (name, value) = (trim(&part[..equal]), trim(&part[equal + 1..]));
            match (name, value) {
                (b"TEMPLATES", b"include") => selector.templates = Templates::Include,
                (b"TEMPLATES", b"restrict") => selector.templates = Templates::Restrict,
                (b"", _) => {}
                _ => match posix::compile(value) {
                    Ok(expression) => selector.tests.push((name.to_vec(), expression)),
                    Err(_) => selector.malformed = true,
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
        let holds = |(name, expression): &(Vec<u8>, Regex)| {
            let fits = |v: &Variable| v.is(name) && expression.is_match(&v.value);
            category.variables.iter().any(fits)
        };
        kind && !self.malformed && self.tests.iter().all(holds)
    }
}
