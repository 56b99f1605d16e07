//! The table of actions: one row each, from which the gate, ListCommands and the console all read.

use crate::ami::{Classes, Reply};
use crate::session::Login;
use crate::switch::{ActionSpec, Switch};

use super::{
    Call, absent, bridges, config_files, console, login, mailbox, modules, session, sessions, system,
};

/// Every action there is, in the order of their names.
pub(super) struct Table {
    rows: Vec<Row>,
    /// Of which edition of the switch's actions it is.
    pub(super) edition: u64,
}

/// An action.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) spec: ActionSpec,
    /// Whether it may be run before login.
    pub(super) before_login: bool,
    /// Whether it concerns the session itself, whatever stands behind the interface.
    pub(super) local: bool,
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
    /// The server's own actions, and those of the switch: where both have one, the switch's unless it concerns the session. Before
    /// a switch that stands for whole servers those that concern the session are the only ones of the server's own.
    pub(super) fn new(switch: &dyn Switch) -> Table {
        let edition = switch.edition();
        let own = FAMILIES.iter().flat_map(|family| family.iter().cloned());
        let mut rows: Vec<Row> = own.filter(|row| row.local || !switch.is_remote()).collect();
        for spec in switch.actions() {
            let row = Row { spec, run: Run::Switch, before_login: false, local: false, listed: true };
            match rows.iter_mut().find(|own| own.spec.name.eq_ignore_ascii_case(&row.spec.name)) {
                Some(own) if own.local => {}
                Some(own) => *own = row,
                None => rows.push(row),
            }
        }
        rows.sort_by_key(|row| row.spec.name.to_ascii_lowercase());
        Table { rows, edition }
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
        let at = self.rows.binary_search_by(|row| lower(row.spec.name.as_bytes()).cmp(&key)).ok()?;
        self.rows[at].spec.name.as_bytes().eq_ignore_ascii_case(name).then_some(&self.rows[at])
    }

    /// All of them.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }
}

impl Row {
    /// An action of the server itself.
    pub(super) const fn own(spec: ActionSpec, run: fn(&Call<'_>, &mut Reply<'_>)) -> Row {
        Row { spec, run: Run::Own(run), before_login: false, local: false, listed: true }
    }

    /// Permits it before login.
    pub(super) const fn before_login(mut self) -> Row {
        self.before_login = true;
        self.local()
    }

    /// Says that it concerns the session itself: no switch can have it instead.
    pub(super) const fn local(mut self) -> Row {
        self.local = true;
        self
    }

    /// Keeps it out of ListCommands, whose answer clients compare with Asterisk's: for actions of our own.
    pub(super) const fn unlisted(mut self) -> Row {
        self.listed = false;
        self
    }

    /// Whether someone may run it, once the login is seen to.
    pub(super) fn is_permitted(&self, login: Option<&Login>) -> bool {
        self.spec.permits(login.map_or(Classes::NONE, |login| login.write))
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
    use crate::ami::Message;
    use crate::switch::Caller;

    /// A switch that lists these.
    struct Lists(Vec<ActionSpec>, bool);

    impl Switch for Lists {
        fn actions(&self) -> Vec<ActionSpec> {
            self.0.clone()
        }

        fn is_remote(&self) -> bool {
            self.1
        }

        fn perform(&self, _: &Caller<'_>, _: &Message, reply: &mut Reply<'_>) {
            reply.success("Theirs");
        }
    }

    fn table(names: &[&'static str], remote: bool) -> Table {
        let specs = names.iter().map(|name| ActionSpec::new(name, Classes::AGI, "Theirs.", &[], "Theirs."));
        Table::new(&Lists(specs.collect(), remote))
    }

    #[test]
    fn every_row_is_found_by_its_name_in_any_case() {
        let all = table(&["AGI"], false);
        for row in all.rows() {
            for name in
                [row.spec.name.to_string(), row.spec.name.to_uppercase(), row.spec.name.to_lowercase()]
            {
                assert_eq!(all.find(name.as_bytes()).map(|found| &found.spec.name), Some(&row.spec.name));
            }
            assert!(row.spec.name.len() < MAX_NAME);
            assert!(!row.spec.synopsis.is_empty() && !row.spec.description.is_empty(), "{}", row.spec.name);
        }
        for name in ["", "Pin", "PingX", "Ping ", "Ping\0"] {
            assert!(all.find(name.as_bytes()).is_none(), "{name:?}");
        }
    }

    #[test]
    fn whose_an_action_is() {
        let check = |name: &str, remote, theirs: Option<bool>| {
            let table = table(&["mailboxcount", "PING", "CoreStatus"], remote);
            let found = table.find(name.as_bytes()).map(|row| matches!(row.run, Run::Switch));
            assert_eq!(found, theirs, "{name}, remote: {remote}");
        };
        check("MailboxCount", false, Some(true));
        check("Ping", false, Some(false));
        check("CoreStatus", false, Some(true));
        check("CoreSettings", false, Some(false));
        check("Ping", true, Some(false));
        check("Logoff", true, Some(false));
        check("CoreStatus", true, Some(true));
        check("CoreSettings", true, None);
    }
}
