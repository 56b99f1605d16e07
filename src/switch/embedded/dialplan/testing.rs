//! What the tests of the dialplan share: a scope that is a table of variables, and dialplans from texts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use super::substitute::{Depth, Fault, Scope, Surroundings};
use super::{Dialplan, functions, globals};
use crate::config::Complaint;
use crate::config::ini::{self, memory::Memory};

/// A scope without a channel, on Monday, 23 November 2026, 04:18:02 UTC.
#[derive(Default)]
pub(crate) struct Table {
    variables: HashMap<Vec<u8>, Vec<u8>>,
    pub(crate) dialplan: Dialplan,
    random: u64,
    depth: Depth,
    /// What went wrong in texts that were substituted.
    pub(crate) complaints: Vec<String>,
}

impl Table {
    pub(crate) fn new(variables: &[(&str, &str)]) -> Table {
        let own = |text: &str| text.as_bytes().to_vec();
        Table {
            variables: variables.iter().map(|(name, value)| (own(name), own(value))).collect(),
            ..Table::default()
        }
    }
}

impl Scope for Table {
    fn complain(&mut self, what: std::fmt::Arguments<'_>) {
        self.complaints.push(what.to_string());
    }

    fn variable(&mut self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.variables.get(name).map(Into::into).or_else(|| self.dialplan.globals.get(name).map(Into::into))
    }

    fn set_variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.variables.insert(globals::bare_name(name).to_vec(), value.to_vec());
        Ok(())
    }

    fn set_global(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.dialplan.globals.set(name, value, None);
        Ok(())
    }

    fn function(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        functions::read(self, name, arguments)
    }

    fn set_function(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
        functions::write(self, name, arguments, value)
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { dialplan: &self.dialplan, now: 1_795_407_482_000_000, version: "22.10.1" }
    }

    fn random(&mut self) -> u64 {
        // Knuth's numbers for a generator of 64 bits.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 16
    }

    fn depth(&mut self) -> &mut Depth {
        &mut self.depth
    }
}

/// Reads a text as extensions.conf: the dialplan, and what is wrong with it.
pub(crate) fn load(text: &str) -> (Dialplan, Vec<Complaint>) {
    load_from(&Memory::new(&[("extensions.conf", text.as_bytes())]))
}

/// Reads extensions.conf of a folder.
pub(crate) fn load_from(folder: &Memory) -> (Dialplan, Vec<Complaint>) {
    let parsed = ini::parse(folder, Path::new("extensions.conf")).expect("the file is there");
    let mut complaints = parsed.complaints;
    (Dialplan::load(&parsed.document, &mut complaints), complaints)
}

/// Reads a text in which nothing is wrong.
pub(crate) fn dialplan(text: &str) -> Dialplan {
    let (dialplan, complaints) = load(text);
    assert_eq!(complaints, []);
    dialplan
}
