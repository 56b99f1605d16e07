//! The command line: one table drives the parsing and the help.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Serve, or with `check` only read the configuration and say what is wrong with it.
    Serve { config_dir: PathBuf, state_dir: Option<PathBuf>, check: bool },
    /// Read a secret and print its digest.
    Passwd,
    /// Write AstDB's entries to standard output as text, or read them from standard input.
    Db { export: bool, state_dir: PathBuf },
    /// Print the reference page.
    Actions,
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// A command line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misuse(String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nTry 'amibox --help'.", self.0)
    }
}

/// An option: its name, what it takes, and what it does.
struct Flag {
    name: &'static str,
    takes: Option<&'static str>,
    text: &'static str,
}

const FLAGS: &[Flag] = &[
    Flag {
        name: "--config-dir",
        takes: Some("DIR"),
        text: "where manager.conf, http.conf and the others are (default: /etc/asterisk)",
    },
    Flag {
        name: "--state-dir",
        takes: Some("DIR|none"),
        text: "where what must survive a restart is kept, or none to keep it in memory (default: /var/lib/amibox)",
    },
    Flag {
        name: "--check",
        takes: None,
        text: "read the configuration, print every complaint, exit with 0 or 2",
    },
    Flag {
        name: "--actions",
        takes: None,
        text: "print a reference of every action and console command, in Markdown",
    },
    Flag { name: "--version", takes: None, text: "print the version" },
    Flag { name: "--help", takes: None, text: "print this" },
];

/// Reads the arguments behind the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Misuse> {
    let mut config_dir = PathBuf::from("/etc/asterisk");
    let mut state_dir = Some(PathBuf::from("/var/lib/amibox"));
    let mut check = false;
    let mut arguments = arguments.into_iter().peekable();
    if arguments.next_if(|argument| argument == "passwd").is_some() {
        return match arguments.next() {
            None => Ok(Command::Passwd),
            Some(more) => Err(Misuse(format!("amibox: passwd takes no '{}'", more.to_string_lossy()))),
        };
    }
    // `db export` or `db import`, with the options behind it.
    let mut export = None;
    if arguments.next_if(|argument| argument == "db").is_some() {
        export = match arguments.next() {
            Some(verb) if verb == "export" => Some(true),
            Some(verb) if verb == "import" => Some(false),
            _ => return Err(Misuse("amibox: db needs one of: export, import".to_owned())),
        };
    }
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (text.into_owned(), None),
        };
        let flag = FLAGS.iter().find(|flag| flag.name == name);
        let flag = flag.ok_or_else(|| Misuse(format!("amibox: there is no option '{name}'")))?;
        let value = match (flag.takes, attached) {
            (None, None) => OsString::new(),
            (None, Some(_)) => return Err(Misuse(format!("amibox: {name} takes no value"))),
            (Some(_), Some(value)) => value,
            (Some(what), None) => {
                arguments.next().ok_or_else(|| Misuse(format!("amibox: {name} needs a value: {what}")))?
            }
        };
        match flag.name {
            "--config-dir" => config_dir = value.into(),
            "--state-dir" => state_dir = (value != "none").then(|| value.into()),
            "--check" => check = true,
            "--actions" => return Ok(Command::Actions),
            "--version" => return Ok(Command::Version),
            _ => return Ok(Command::Help),
        }
    }
    if let Some(export) = export {
        let state_dir = state_dir.ok_or_else(|| Misuse("amibox: db needs a state folder".to_owned()))?;
        return Ok(Command::Db { export, state_dir });
    }
    Ok(Command::Serve { config_dir, state_dir, check })
}

/// The help text.
pub(crate) fn help() -> String {
    let mut help = String::from(
        "amibox: an Asterisk Manager Interface server that stands alone\n\nusage: amibox [options]\n       amibox passwd\n       amibox db export|import [--state-dir DIR]\n\n\
         passwd reads a secret and prints a line for manager.conf that holds only its digest.\n\
         db writes AstDB to standard output, or reads it from standard input, as lines /family/key: value.\n\noptions:\n",
    );
    for flag in FLAGS {
        let usage = format!("{} {}", flag.name, flag.takes.unwrap_or_default());
        help.push_str(&format!("  {usage:<24} {}\n", flag.text));
    }
    help.push_str(
        "\nIt stays in the foreground and logs to standard error; RUST_LOG chooses what (error, warn, info, debug, trace).\n\
         SIGHUP reads the configuration again, SIGTERM and SIGINT end it.\n",
    );
    help
}

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
        check("--help", Ok(Command::Help));
        check("passwd", Ok(Command::Passwd));
        let db = |export| Ok(Command::Db { export, state_dir: "s".into() });
        check("db export --state-dir s", db(true));
        check("db import --state-dir=s", db(false));
        check("db", Err("amibox: db needs one of: export, import"));
        check("db export --state-dir none", Err("amibox: db needs a state folder"));
        check("passwd x", Err("amibox: passwd takes no 'x'"));
        check("--config-dir", Err("amibox: --config-dir needs a value: DIR"));
        check("--check=yes", Err("amibox: --check takes no value"));
        check("serve", Err("amibox: there is no option 'serve'"));
    }
}
