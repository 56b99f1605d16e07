//! The dialplan's functions that need no channel: a row each. Those of channels, queues and the like are rows elsewhere.
//!
//! What would run a program, read a file or fetch an address is not among them: there is no way out of here.

mod dates;
pub(crate) mod encoding;
mod lists;
mod logic;
mod numbers;
mod strings;

pub(crate) use dates::strftime;

use super::substitute::{Fault, Scope};

/// A function: the one source for finding it and for the reference page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function<R, W> {
    /// Its name; case counts.
    pub(crate) name: &'static str,
    /// Its arguments, as the reference page shows them.
    pub(crate) arguments: &'static str,
    /// What it does, in one line.
    pub(crate) synopsis: &'static str,
    /// What reading it does, if it can be read.
    pub(crate) read: Option<R>,
    /// What setting it does, if it can be set.
    pub(crate) write: Option<W>,
    /// What of it is closed to clients unless asterisk.conf says `live_dangerously`.
    pub(crate) guard: Guard,
}

/// What of a function only the dialplan itself may use. (db/from-function.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing.
    Open,
    /// Reading and setting it.
    Closed,
}

/// How a function that needs no channel is read.
pub(crate) type Read = fn(&mut dyn Scope, &[u8]) -> Result<Vec<u8>, Fault>;
/// How a function that needs no channel is set: its arguments, and the value.
pub(crate) type Write = fn(&mut dyn Scope, &[u8], &[u8]) -> Result<(), Fault>;
/// A function that needs no channel.
pub(crate) type Plain = Function<Read, Write>;

impl<R: Copy, W: Copy> Function<R, W> {
    /// One that can be read.
    pub(crate) const fn new(
        name: &'static str,
        arguments: &'static str,
        synopsis: &'static str,
        read: R,
    ) -> Function<R, W> {
        Function { name, arguments, synopsis, read: Some(read), write: None, guard: Guard::Open }
    }

    /// One that can be set, and not read.
    pub(crate) const fn write_only(
        name: &'static str,
        arguments: &'static str,
        synopsis: &'static str,
        write: W,
    ) -> Function<R, W> {
        Function { name, arguments, synopsis, read: None, write: Some(write), guard: Guard::Open }
    }

    /// Which can be set too.
    pub(crate) const fn writes(mut self, write: W) -> Function<R, W> {
        self.write = Some(write);
        self
    }

    /// Which clients may neither read nor set.
    pub(crate) const fn closed(mut self) -> Function<R, W> {
        self.guard = Guard::Closed;
        self
    }

    /// What reads it, for one who is trusted or not.
    pub(crate) fn reader(&self, trusted: bool) -> Result<R, Fault> {
        self.permit(trusted)?;
        self.read.ok_or(Fault::WriteOnly)
    }

    /// What sets it, for one who is trusted or not.
    pub(crate) fn writer(&self, trusted: bool) -> Result<W, Fault> {
        self.permit(trusted)?;
        self.write.ok_or(Fault::ReadOnly)
    }

    fn permit(&self, trusted: bool) -> Result<(), Fault> {
        match self.guard {
            Guard::Closed if !trusted => Err(Fault::Forbidden),
            _ => Ok(()),
        }
    }
}

/// The row of exactly that name.
pub(crate) fn find<'t, R, W>(rows: &'t [Function<R, W>], name: &[u8]) -> Option<&'t Function<R, W>> {
    rows.iter().find(|row| row.name.as_bytes() == name)
}

/// Reads a function that needs no channel.
///
/// # Errors
/// [`Fault::Unknown`], where there is none of that name, or what the function says.
pub(crate) fn read(scope: &mut dyn Scope, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    // None of them is guarded.
    let row = rows().find(|row| row.name.as_bytes() == name).ok_or(Fault::Unknown)?;
    row.reader(true)?(scope, arguments)
}

/// Sets a function that needs no channel.
///
/// # Errors
/// [`Fault::Unknown`], where there is none of that name, or what the function says.
pub(crate) fn write(scope: &mut dyn Scope, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let row = rows().find(|row| row.name.as_bytes() == name).ok_or(Fault::Unknown)?;
    row.writer(true)?(scope, arguments, value)
}

/// Every function that needs no channel.
pub(crate) fn rows() -> impl Iterator<Item = &'static Plain> {
    TABLES.iter().copied().flatten()
}

const TABLES: &[&[Plain]] = &[
    strings::FUNCTIONS,
    logic::FUNCTIONS,
    lists::FUNCTIONS,
    numbers::FUNCTIONS,
    encoding::FUNCTIONS,
    dates::FUNCTIONS,
];

#[cfg(test)]
mod tests {
    use super::super::testing::Table;
    use super::super::{assign, look_up};
    use super::*;

    #[test]
    fn every_row_has_its_own_name_and_words() {
        let names: Vec<_> = rows().map(|row| row.name).collect();
        for row in rows() {
            assert_eq!(names.iter().filter(|name| **name == row.name).count(), 1, "{}", row.name);
            assert!(!row.synopsis.is_empty() && row.synopsis.ends_with('.'), "{}", row.name);
            assert!(row.read.is_some() || row.write.is_some(), "{}", row.name);
            assert_eq!(row.guard, Guard::Open, "{}", row.name);
        }
    }

    #[test]
    fn nothing_leads_outside() {
        let mut table = Table::new(&[]);
        for name in ["SHELL", "FILE", "CURL", "SYSTEM", "STAT", "NOSUCH", "len", ""] {
            assert_eq!(read(&mut table, name.as_bytes(), b"x"), Err(Fault::Unknown), "{name}");
            assert_eq!(write(&mut table, name.as_bytes(), b"x", b"y"), Err(Fault::Unknown), "{name}");
        }
        assert_eq!(write(&mut table, b"LEN", b"x", b"y"), Err(Fault::ReadOnly));
        assert_eq!(read(&mut table, b"PUSH", b"x"), Err(Fault::WriteOnly));
    }

    #[test]
    fn no_argument_makes_them_panic() {
        let odd: &[&[u8]] = &[
            b"",
            b",",
            b",,",
            b",,,",
            b"\\",
            b"\"",
            b"?",
            b":",
            b"?:",
            b"-",
            b"a,b,c,d,e",
            b"%",
            b"1,0",
            b"\xff,\xff",
        ];
        for row in rows() {
            for arguments in odd {
                let name = [row.name.as_bytes(), b"(", arguments, b")"].concat();
                let value = look_up(&name, &mut Table::new(&[("a", "x"), ("", "y")]));
                assert!(value.len() < 100_000, "{}: {} bytes", name.escape_ascii(), value.len());
                let _ = assign(&name, arguments, &mut Table::new(&[("a", "x")]));
            }
        }
    }

    /// Checks what functions are when they are read, one after the other in the same scope.
    pub(super) fn check(variables: &[(&str, &str)], cases: &[(&str, &str)]) {
        let mut table = Table::new(variables);
        for (function, expect) in cases {
            let value = look_up(function.as_bytes(), &mut table);
            assert_eq!(String::from_utf8_lossy(&value), *expect, "{function}");
        }
    }
}
