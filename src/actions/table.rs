//! The table of actions: one row each, from which the gate, ListCommands and the console all read.

use crate::ami::{Classes, Reply};
use crate::session::Login;
use crate::switch::ActionSpec;

use super::{
    Call, absent, bridges, config_files, console, login, mailbox, modules, session, sessions, system,
};

/// Every action there is, in the order of their names.
pub(super) struct Table(Vec<Row>);

/// An action.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) spec: ActionSpec,
    /// Whether it may be run before login.
    pub(super) before_login: bool,
    /// Whether a switch that has an action of that name runs it instead.
    yields: bool,
    /// Whether ListCommands tells of it.
    pub(super) listed: bool,
    pub(super) run: Run,
}

/// Who runs an action.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// The server itself.
    Own(fn(&Call<'_>, &mut Reply<'_>)),
    /// The switch.
    Switch,
}

impl Table {
    /// The server's own actions, and those of the switch: where both have one, the server's unless it yields.
    pub(super) fn new(switch: &[ActionSpec]) -> Table {
        let mut rows: Vec<Row> = FAMILIES.iter().flat_map(|family| family.iter().cloned()).collect();
        for spec in switch {
            let row = Row {
                spec: spec.clone(),
                run: Run::Switch,
                before_login: false,
                yields: false,
                listed: true,
            };
            match rows.iter_mut().find(|own| own.spec.name.eq_ignore_ascii_case(&spec.name)) {
                Some(own) if own.yields => *own = row,
                Some(_) => {}
                None => rows.push(row),
            }
        }
        rows.sort_by_key(|row| row.spec.name.to_ascii_lowercase());
        Table(rows)
    }

    /// The action of that name, in any case.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Row> {
        let lower = |bytes: &[u8]| -> [u8; MAX_NAME] {
            let mut key = [0; MAX_NAME];
            for (at, byte) in key.iter_mut().zip(bytes) {
                *at = byte.to_ascii_lowercase();
            }
            key
        };
        let key = lower(name);
        let at = self.0.binary_search_by(|row| lower(row.spec.name.as_bytes()).cmp(&key)).ok()?;
        self.0[at].spec.name.as_bytes().eq_ignore_ascii_case(name).then_some(&self.0[at])
    }

    /// All of them.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.iter()
    }
}

impl Row {
    /// An action of the server itself.
    pub(super) const fn own(spec: ActionSpec, run: fn(&Call<'_>, &mut Reply<'_>)) -> Row {
        Row { spec, run: Run::Own(run), before_login: false, yields: false, listed: true }
    }

    /// Permits it before login.
    pub(super) const fn before_login(mut self) -> Row {
        self.before_login = true;
        self
    }

    /// Lets a switch answer instead, if it has an action of that name: the servers behind a gateway know better.
    pub(super) const fn yields(mut self) -> Row {
        self.yields = true;
        self
    }

    /// Keeps it out of ListCommands, whose answer clients compare with Asterisk's: for actions of our own.
    pub(super) const fn unlisted(mut self) -> Row {
        self.listed = false;
        self
    }

    /// Whether someone may run it, once the login is seen to: any one of its classes will do.
    pub(super) fn is_permitted(&self, login: Option<&Login>) -> bool {
        let write = login.map_or(Classes::NONE, |login| login.write);
        self.spec.classes.is_empty() || self.spec.classes.intersects(write)
    }
}

/// The server's own actions, family by family.
const FAMILIES: &[&[Row]] = &[
    absent::ACTIONS,
    bridges::ACTIONS,
    config_files::ACTIONS,
    console::ACTIONS,
    login::ACTIONS,
    mailbox::ACTIONS,
    modules::ACTIONS,
    session::ACTIONS,
    sessions::ACTIONS,
    system::ACTIONS,
];

/// Longer than any action's name: what the search looks at of a name before it compares the whole.
const MAX_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name_in_any_case() {
        let table = Table::new(&[ActionSpec::new("AGI", Classes::AGI, "x", &[], "x")]);
        for row in table.rows() {
            for name in
                [row.spec.name.to_string(), row.spec.name.to_uppercase(), row.spec.name.to_lowercase()]
            {
                assert_eq!(table.find(name.as_bytes()).map(|found| &found.spec.name), Some(&row.spec.name));
            }
            assert!(row.spec.name.len() < MAX_NAME);
            assert!(!row.spec.synopsis.is_empty() && !row.spec.description.is_empty(), "{}", row.spec.name);
        }
        let yielding = ActionSpec::new("mailboxcount", Classes::NONE, "Theirs.", &[], "Theirs.");
        let table =
            Table::new(&[yielding, ActionSpec::new("PING", Classes::NONE, "Theirs.", &[], "Theirs.")]);
        assert!(matches!(table.find(b"MailboxCount").map(|row| row.run), Some(Run::Switch)));
        assert!(matches!(table.find(b"Ping").map(|row| row.run), Some(Run::Own(_))));
        for name in ["", "Pin", "PingX", "Ping ", "Ping\0"] {
            assert!(table.find(name.as_bytes()).is_none(), "{name:?}");
        }
    }
}
