//! The operations of UpdateConfig, on a document in memory. What they may touch and how the result is written to disk is
//! decided elsewhere.
//!
//! The transcripts `config/update-*` describe them; where those are silent, an edit that could not be read back as it was
//! asked for is refused.

use std::fmt;

use super::ini::scan::{trim, trim_start};
use super::ini::{Category, Document, Header, MAX_LINE, Origin, Place, Selector, Variable};

/// One operation, as the headers of one number give it; what is missing is empty. Values may be secrets: `Debug` leaves
/// them out.
#[derive(Clone, Default)]
pub struct Operation {
    /// `Action-NNNNNN`: NewCat, RenameCat, DelCat, EmptyCat, Update, Delete, Append or Insert, in any case.
    pub action: Vec<u8>,
    /// `Cat-NNNNNN`.
    pub category: Vec<u8>,
    /// `Var-NNNNNN`.
    pub variable: Vec<u8>,
    /// `Value-NNNNNN`.
    pub value: Vec<u8>,
    /// `Match-NNNNNN`: the old value, or for NewCat the category to stand before.
    pub matching: Vec<u8>,
    /// `Line-NNNNNN`: which variable of the category, counted from 0.
    pub line: Vec<u8>,
    /// `Options-NNNNNN`: `allowdups`, `template`, `inherit="a,b"`, `catfilter="..."`, `ignoreerror`, parted by commas.
    pub options: Vec<u8>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_struct("Operation")
            .field("action", &text(&self.action))
            .field("category", &text(&self.category))
            .field("variable", &text(&self.variable))
            .finish_non_exhaustive()
    }
}

/// Why an operation cannot be done, in AMI's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The category's name is missing.
    NoCategory,
    /// Something else that the operation needs is missing, or cannot be written to a file.
    Problem,
    /// No category of that name, or none that the filter picks.
    UnknownCategory,
    /// There is no such variable, value or line.
    NotDone,
    /// The category is there already, or the one to stand before is not.
    NotCreated,
    /// What to inherit from is not there or no template.
    UnknownTemplate,
    /// There is no such operation.
    UnknownAction,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EditError::NoCategory => "Category not specified",
            EditError::Problem => "Problem with category, value, or line (if required)",
            EditError::UnknownCategory => "Given category does not exist",
            EditError::NotDone => "Update did not complete successfully",
            EditError::NotCreated => "Create category did not complete successfully",
            EditError::UnknownTemplate => "Template category not found",
            EditError::UnknownAction => "Unknown action command",
        })
    }
}

/// The operations of a message, whose headers `get` looks up: from `Action-000000` on, up to the first number that is
/// missing. (config/update-numbering.)
pub fn operations<'m>(get: impl Fn(&str) -> Option<&'m [u8]>) -> Vec<Operation> {
    let numbered = |number: usize| {
        let header = |name: &str| get(&format!("{name}-{number:06}")).unwrap_or_default().to_vec();
        let operation = Operation {
            action: header("Action"),
            category: header("Cat"),
            variable: header("Var"),
            value: header("Value"),
            matching: header("Match"),
            line: header("Line"),
            options: header("Options"),
        };
        (!operation.action.is_empty()).then_some(operation)
    };
    (0..MAX_OPERATIONS).map_while(numbered).collect()
}

/// Does one operation after another.
///
/// # Errors
/// The first that cannot be done; the document is then of no more use.
pub fn apply(document: &mut Document, operations: &[Operation]) -> Result<(), EditError> {
    operations.iter().try_for_each(|operation| document.apply(operation))
}

impl Document {
    fn apply(&mut self, operation: &Operation) -> Result<(), EditError> {
        if operation.category.is_empty() {
            return Err(EditError::NoCategory);
        }
        let options = Options::parse(&operation.options);
        match &operation.action.to_ascii_lowercase()[..] {
            b"newcat" => self.new_category(operation, &options),
            b"renamecat" => self.rename_category(operation, &options),
            b"delcat" => self.delete_category(operation, &options),
            b"emptycat" => self.empty_category(operation, &options),
            b"update" => self.update(operation, &options),
            b"delete" => self.delete(operation, &options),
            b"append" => self.append(operation, &options),
            b"insert" => self.insert(operation, &options),
            _ => Err(EditError::UnknownAction),
        }
    }

    fn new_category(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        let named = |name: &[u8]| self.categories.iter().position(|c| c.name.eq_ignore_ascii_case(name));
        if !options.allow_duplicates && named(&operation.category).is_some() {
            return if options.ignore_error { Ok(()) } else { Err(EditError::NotCreated) };
        }
        let at = match &operation.matching[..] {
            b"" => self.categories.len(),
            before => named(before).ok_or(EditError::NotCreated)?,
        };
        if !is_category_name(&operation.category) {
            return Err(EditError::NotCreated);
        }
        let mut header = Header::default();
        let mut variables = Vec::new();
        for name in &options.inherit {
            let base = self.categories.iter().find(|c| c.template && c.name.eq_ignore_ascii_case(name));
            let base = base.ok_or(EditError::UnknownTemplate)?;
            header.bases.push(base.id);
            variables.extend(base.inherited());
        }
        let (id, name) = (self.new_id(), operation.category.clone());
        let category = Category { id, name, template: options.template, headers: vec![header], variables };
        self.categories.insert(at, category);
        Ok(())
    }

    fn rename_category(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        let name = &operation.value;
        if name.is_empty() || !is_category_name(name) {
            return Err(EditError::Problem);
        }
        let chosen = self.chosen(operation, options)?;
        for index in chosen {
            let id = self.categories[index].id;
            // In an heir's header the name stands in a list, where it must not be taken for something else.
            let inherited = self.categories.iter().any(|c| c.headers.iter().any(|h| h.bases.contains(&id)));
            if inherited && !is_option_name(name) {
                return Err(EditError::Problem);
            }
            self.categories[index].name.clone_from(name);
        }
        Ok(())
    }

    fn delete_category(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        let chosen = match self.chosen(operation, options) {
            Err(_) if options.ignore_error => return Ok(()),
            chosen => chosen?,
        };
        for index in chosen.into_iter().rev() {
            self.categories.remove(index);
        }
        Ok(())
    }

    fn empty_category(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        for index in self.chosen(operation, options)? {
            self.categories[index].variables.clear();
        }
        Ok(())
    }

    /// Changes the first variable of that name, or of that name and value. (config/update-update-match.)
    fn update(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        let (arrow, value) = operation.new_value()?;
        let mut done = false;
        for index in self.chosen(operation, options)? {
            let variables = &mut self.categories[index].variables;
            if let Some(variable) = variables.iter_mut().find(|variable| operation.means(variable)) {
                variable.name.clone_from(&operation.variable);
                variable.value = value.to_vec();
                variable.arrow |= arrow;
                variable.origin = match variable.origin {
                    Origin::File | Origin::Changed => Origin::Changed,
                    Origin::Inherited | Origin::Overridden => Origin::Overridden,
                    Origin::Added => Origin::Added,
                };
                done = true;
            }
        }
        if done { Ok(()) } else { Err(EditError::NotDone) }
    }

    /// Removes the variable that stands on that line, or every one of that name, or of that name and value. A line decides
    /// alone. (config/update-delete-line-decides.)
    fn delete(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        if operation.variable.is_empty() && operation.line.is_empty() {
            return Err(EditError::Problem);
        }
        let mut done = options.ignore_error;
        for index in self.chosen(operation, options)? {
            let variables = &mut self.categories[index].variables;
            let before = variables.len();
            if operation.line.is_empty() {
                variables.retain(|variable| !operation.means(variable));
            } else if let Some(at) = operation.line_number().filter(|at| *at < before) {
                variables.remove(at);
            }
            done |= variables.len() < before;
        }
        if done { Ok(()) } else { Err(EditError::NotDone) }
    }

    /// Adds a variable at the category's end; it is written to the main file. `Match: object` asks for an arrow.
    /// (config/update-includes-new-category, config/update-append-object.)
    fn append(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        let (arrow, value) = operation.new_value()?;
        let arrow = arrow || operation.matching.eq_ignore_ascii_case(b"object");
        for index in self.chosen(operation, options)? {
            let added = operation.added(arrow, value, 0);
            self.categories[index].variables.push(added);
        }
        Ok(())
    }

    /// Adds a variable before the one that stands on that line, in the same file; past the last one, at the end. A `>` before
    /// the value makes no arrow. (config/update-insert-arrow.)
    fn insert(&mut self, operation: &Operation, options: &Options) -> Result<(), EditError> {
        let (_, value) = operation.new_value()?;
        if operation.line.is_empty() {
            return Err(EditError::Problem);
        }
        let mut done = false;
        for index in self.chosen(operation, options)? {
            let category = &mut self.categories[index];
            let Some(at) = operation.line_number() else { continue };
            let at = at.min(category.variables.len());
            let own = |v: &&Variable| matches!(v.origin, Origin::File | Origin::Changed | Origin::Added);
            let next = category.variables[at..].iter().find(own);
            let neighbour = next.or_else(|| category.variables[..at].iter().rfind(own));
            let home = category.headers.first().map_or(0, |header| header.place.file);
            let file = neighbour.map_or(home, |neighbour| neighbour.place.file);
            category.variables.insert(at, operation.added(false, value, file));
            done = true;
        }
        if done { Ok(()) } else { Err(EditError::NotDone) }
    }

    /// The places of the categories that an operation is about. (config/update-catfilter-every-twin.)
    fn chosen(&self, operation: &Operation, options: &Options) -> Result<Vec<usize>, EditError> {
        let is = |c: &Category| c.name.eq_ignore_ascii_case(&operation.category) && options.filter.picks(c);
        let all = self.categories.iter().enumerate();
        let chosen: Vec<usize> = all.filter(|(_, category)| is(category)).map(|(index, _)| index).collect();
        if chosen.is_empty() { Err(EditError::UnknownCategory) } else { Ok(chosen) }
    }
}

impl Operation {
    /// Whether the operation is about that variable.
    fn means(&self, variable: &Variable) -> bool {
        let value = self.matching.is_empty() || variable.value.eq_ignore_ascii_case(&self.matching);
        variable.is(&self.variable) && value
    }

    /// What to set, and whether to write it with `=>`, which a `>` before it asks for. Blanks behind it stay.
    /// (config/update-update-values, config/update-value-blanks.)
    fn new_value(&self) -> Result<(bool, &[u8]), EditError> {
        let (name, value) = (&self.variable[..], trim_start(&self.value));
        let value = value.strip_prefix(b">").map_or((false, value), |value| (true, value));
        let length = |text: &[u8]| text.len() + text.iter().filter(|&&b| b == b';').count();
        let fits = length(name) + length(value.1) + SIGNS <= MAX_LINE;
        if is_variable_name(name) && is_line(value.1) && fits { Ok(value) } else { Err(EditError::Problem) }
    }

    fn added(&self, arrow: bool, value: &[u8], file: usize) -> Variable {
        Variable {
            name: self.variable.clone(),
            value: value.to_vec(),
            arrow,
            origin: Origin::Added,
            place: Place { file, ..Place::default() },
            ..Variable::default()
        }
    }

    fn line_number(&self) -> Option<usize> {
        let digits = self.line.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(&self.line).ok().filter(|_| digits)?.parse().ok()
    }
}

/// What `Options-NNNNNN` says; words that are not known mean nothing.
#[derive(Debug, Default)]
struct Options {
    allow_duplicates: bool,
    template: bool,
    ignore_error: bool,
    inherit: Vec<Vec<u8>>,
    filter: Selector,
}

impl Options {
    fn parse(text: &[u8]) -> Options {
        let mut options = Options::default();
        for option in unquoted_split(text) {
            let option = trim(&option);
            let equal = option.iter().position(|&b| b == b'=').unwrap_or(option.len());
            let value = option.get(equal + 1..).unwrap_or_default();
            match &option[..equal].to_ascii_lowercase()[..] {
                b"allowdups" => options.allow_duplicates = true,
                b"template" => options.template = true,
                b"ignoreerror" => options.ignore_error = true,
                b"inherit" => {
                    let names = value.split(|&b| b == b',').map(|name| trim(name).to_vec());
                    options.inherit = names.filter(|name| !name.is_empty()).collect();
                }
                b"catfilter" => options.filter = Selector::parse(value),
                _ => {}
            }
        }
        options
    }
}

/// Parts at the commas that stand outside quotes of either kind, and takes the quotes off.
fn unquoted_split(text: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut open = None;
    for &byte in text {
        match byte {
            b'"' | b'\'' if open.is_none() => open = Some(byte),
            _ if open == Some(byte) => open = None,
            b',' if open.is_none() => parts.push(Vec::new()),
            _ => parts.last_mut().expect("there is one from the start").push(byte),
        }
    }
    parts
}

/// Whether a text stays on its line.
fn is_line(text: &[u8]) -> bool {
    !text.iter().any(|b| matches!(b, b'\n' | b'\r' | 0))
}

fn is_variable_name(name: &[u8]) -> bool {
    !name.is_empty() && is_line(name) && trim(name) == name && !name[1..].contains(&b'=')
}

fn is_category_name(name: &[u8]) -> bool {
    is_line(name) && !name.contains(&b']') && name.len() < MAX_LINE / 4
}

/// Whether a category's name can stand in an heir's header.
fn is_option_name(name: &[u8]) -> bool {
    !name.is_empty()
        && trim(name) == name
        && !name.iter().any(|b| b",()".contains(b))
        && !b"+!".contains(&name[0])
}

/// What a rewritten line may hold beside the name and the value: `\`, and the sign with its blanks.
const SIGNS: usize = 5;
/// Numbers have six digits. (config/update-numbering.)
const MAX_OPERATIONS: usize = 1_000_000;

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
