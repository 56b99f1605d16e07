//! The command line: one table drives the parsing and the help.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Serve, or with `check` only read the configuration and report what is wrong with it.
    Serve { config_dir: PathBuf, state_dir: Option<PathBuf>, check: bool },
    /// Read a secret and print its digest.
    Passwd,
    /// Write AstDB's entries to standard output as text, or read them from standard input.
    Db { export: bool, state_dir: PathBuf },
    /// Print the reference page.
    Actions,
    /// Print a help text.
    Help(Topic),
    /// Print the version.
    Version,
}

/// What a help text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The program as a whole.
    Amibox,
    /// `amibox passwd`.
    Passwd,
    /// `amibox db`.
    Db,
}

/// A command line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misuse(String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nTry 'amibox --help'.", self.0)
    }
}

/// An option: its names, what it takes, what it does, and which commands have it.
struct Flag {
    name: &'static str,
    short: Option<&'static str>,
    takes: Option<&'static str>,
    text: &'static str,
    topics: &'static [Topic],
}

const FLAGS: &[Flag] = &[
    Flag {
        name: "--config-dir",
        short: None,
        takes: Some("DIR"),
        text: "folder of manager.conf, http.conf and the others (default: /etc/asterisk)",
        topics: &[Topic::Amibox],
    },
    Flag {
        name: "--state-dir",
        short: None,
        takes: Some("DIR|none"),
        text: "folder for persistent data (AstDB); none keeps it in memory (default: /var/lib/amibox)",
        topics: &[Topic::Amibox, Topic::Db],
    },
    Flag {
        name: "--check",
        short: None,
        takes: None,
        text: "read the configuration, report everything that is wrong with it; exit status 0: it can be \
               served, 2: it cannot",
        topics: &[Topic::Amibox],
    },
    Flag {
        name: "--actions",
        short: None,
        takes: None,
        text: "print a reference of every action and console command, in Markdown",
        topics: &[Topic::Amibox],
    },
    Flag {
        name: "--version",
        short: Some("-V"),
        takes: None,
        text: "print the version",
        topics: &[Topic::Amibox],
    },
    Flag { name: "--help", short: Some("-h"), takes: None, text: "print this help", topics: &ALL_TOPICS },
];

const ALL_TOPICS: [Topic; 3] = [Topic::Amibox, Topic::Passwd, Topic::Db];

/// Reads the arguments behind the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Misuse> {
    let mut config_dir = PathBuf::from("/etc/asterisk");
    let mut state_dir = Some(PathBuf::from("/var/lib/amibox"));
    let mut check = false;
    let mut export = None;
    let mut arguments = arguments.into_iter().peekable();
    let topic = match arguments.peek().and_then(|argument| argument.to_str()) {
        Some("passwd") => Topic::Passwd,
        Some("db") => Topic::Db,
        _ => Topic::Amibox,
    };
    let command = topic.command();
    if topic != Topic::Amibox {
        arguments.next();
    }
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("export") if topic == Topic::Db && export.is_none() => {
                export = Some(true);
                continue;
            }
            Some("import") if topic == Topic::Db && export.is_none() => {
                export = Some(false);
                continue;
            }
            _ => {}
        }
        let (name, attached) = split(&argument);
        let is = |flag: &&Flag| name == flag.name || flag.short.is_some_and(|short| name == short);
        let Some(flag) = FLAGS.iter().find(is).filter(|flag| flag.topics.contains(&topic)) else {
            // A secret may have been typed where none belongs: it is not printed.
            let shown = if topic == Topic::Passwd { "argument".into() } else { name.to_string_lossy() };
            let what = if shown.starts_with('-') { "unknown option" } else { "unexpected" };
            return Err(Misuse(format!("{command}: {what} '{shown}'")));
        };
        let value = match (flag.takes, attached) {
            (None, None) => OsString::new(),
            (None, Some(_)) => return Err(Misuse(format!("{command}: {} takes no value", flag.name))),
            (Some(_), Some(value)) => value,
            (Some(what), None) => arguments
                .next()
                .ok_or_else(|| Misuse(format!("{command}: {} needs a value: {what}", flag.name)))?,
        };
        match flag.name {
            "--config-dir" => config_dir = value.into(),
            "--state-dir" => state_dir = (value != "none").then(|| value.into()),
            "--check" => check = true,
            "--actions" => return Ok(Command::Actions),
            "--version" => return Ok(Command::Version),
            _ => return Ok(Command::Help(topic)),
        }
    }
    match (topic, export, state_dir) {
        (Topic::Passwd, ..) => Ok(Command::Passwd),
        (Topic::Db, None, _) => Err(Misuse(format!("{command}: one of export, import expected"))),
        (Topic::Db, Some(_), None) => {
            Err(Misuse(format!("{command}: a folder expected: without one there is no database")))
        }
        (Topic::Db, Some(export), Some(state_dir)) => Ok(Command::Db { export, state_dir }),
        (Topic::Amibox, _, state_dir) => Ok(Command::Serve { config_dir, state_dir, check }),
    }
}

/// `--name=value` in two; the value's bytes need not be text.
fn split(argument: &OsString) -> (OsString, Option<OsString>) {
    let bytes = argument.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) if bytes.starts_with(b"--") => {
            (OsString::from_vec(bytes[..at].to_vec()), Some(OsString::from_vec(bytes[at + 1..].to_vec())))
        }
        _ => (argument.clone(), None),
    }
}

impl Topic {
    fn command(self) -> &'static str {
        match self {
            Topic::Amibox => "amibox",
            Topic::Passwd => "amibox passwd",
            Topic::Db => "amibox db",
        }
    }
}

/// A help text.
pub(crate) fn help(topic: Topic) -> String {
    let (head, foot) = match topic {
        Topic::Amibox => (HELP, FOOT),
        Topic::Passwd => (PASSWD_HELP, ""),
        Topic::Db => (DB_HELP, ""),
    };
    let mut help = format!("{head}\noptions:\n");
    for flag in FLAGS.iter().filter(|flag| flag.topics.contains(&topic)) {
        let short = flag.short.map(|short| format!("{short}, ")).unwrap_or_default();
        let takes = flag.takes.map(|takes| format!(" {takes}")).unwrap_or_default();
        let usage = format!("{short}{}{takes}", flag.name);
        help.push_str(&format!("  {usage:<24} {}\n", flag.text));
    }
    help.push_str(foot);
    help
}

const HELP: &str = "\
amibox: an Asterisk Manager Interface server that stands alone

usage: amibox [options]                     serve
       amibox passwd                        make the digest of a secret for manager.conf
       amibox db export|import [options]    AstDB as text

'amibox passwd --help' and 'amibox db --help' say more.
";

const FOOT: &str = "
It stays in the foreground and logs to standard error. RUST_LOG sets how much: error, warn, info
(default), debug or trace. SIGHUP reads the configuration again; SIGTERM and SIGINT shut it down.
Exit status: 0 after a shutdown, 2 if the configuration cannot be used, 70 after a fault of its own, 1 for
everything else, such as an address that another program uses.
";

const PASSWD_HELP: &str = "\
usage: amibox passwd

Reads a secret, from the terminal without showing it or from standard input, and prints a line for
manager.conf that holds only its salted digest. Logins by MD5 challenge and HTTP digests need the secret
itself and do not work for such a user.
";

const DB_HELP: &str = "\
usage: amibox db export [--state-dir DIR] > FILE
       amibox db import [--state-dir DIR] < FILE

export writes AstDB to standard output, one line '/family/key: value' for each entry. It never makes a
database.
import reads such lines, or the output of Asterisk's 'database show', from standard input. All of them
are checked first, then set together; other entries stay as they are.
Both need the folder for themselves: stop the server first.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_a_command() {
        let check = |line: &str, expect: Result<Command, &str>| {
            let parsed = parse(line.split_whitespace().map(OsString::from));
            assert_eq!(parsed.map_err(|misuse| misuse.0), expect.map_err(str::to_owned), "{line}");
        };
        let serve = |config: &str, state: Option<&str>, check| {
            Ok(Command::Serve { config_dir: config.into(), state_dir: state.map(PathBuf::from), check })
        };
        check("", serve("/etc/asterisk", Some("/var/lib/amibox"), false));
        check("--config-dir conf --state-dir none --check", serve("conf", None, true));
        check("--config-dir=a=b --state-dir=s", serve("a=b", Some("s"), false));
        check("--check --version", Ok(Command::Version));
        check("--actions", Ok(Command::Actions));
        check("-V", Ok(Command::Version));
        check("--help", Ok(Command::Help(Topic::Amibox)));
        check("-h", Ok(Command::Help(Topic::Amibox)));
        check("passwd -h", Ok(Command::Help(Topic::Passwd)));
        check("passwd --help", Ok(Command::Help(Topic::Passwd)));
        check("db --help", Ok(Command::Help(Topic::Db)));
        check("db export --help", Ok(Command::Help(Topic::Db)));
        check("passwd", Ok(Command::Passwd));
        let db = |export| Ok(Command::Db { export, state_dir: "s".into() });
        check("db export --state-dir s", db(true));
        check("db import --state-dir=s", db(false));
        check("db --state-dir=s import", db(false));
        check("db", Err("amibox db: one of export, import expected"));
        check("db export import", Err("amibox db: unexpected 'import'"));
        check("db export --check", Err("amibox db: unknown option '--check'"));
        check(
            "db export --state-dir none",
            Err("amibox db: a folder expected: without one there is no database"),
        );
        check("passwd swordfish", Err("amibox passwd: unexpected 'argument'"));
        check("passwd --swordfish", Err("amibox passwd: unexpected 'argument'"));
        check("--config-dir", Err("amibox: --config-dir needs a value: DIR"));
        check("--check=yes", Err("amibox: --check takes no value"));
        check("-x", Err("amibox: unknown option '-x'"));
        check("serve", Err("amibox: unexpected 'serve'"));
    }
}
