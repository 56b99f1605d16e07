//! Why a server could not answer, in words for the client who asked.

use std::fmt;
use std::io;
use std::time::Duration;

/// What kept a server from answering an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no connection to it: why.
    Down(String),
    /// All its connections were taken for so long, or too many waited for one already.
    Busy,
    /// It did not answer in time.
    Late(Duration),
    /// The connection ended before the answer did. `untouched`: nothing of the answer had come.
    Broken {
        /// Whether nothing of the answer had come.
        untouched: bool,
        /// What the connection died of.
        why: String,
    },
    /// It sent what is no answer: an endless packet, or a list beyond every bound.
    Garbage(&'static str),
    /// The client who asked has gone.
    Gone,
    /// By that server's list the client's classes do not permit the action.
    Denied,
}

impl Fault {
    /// What a broken connection means for whoever waits for its answer.
    pub(crate) fn broken(error: &io::Error, untouched: bool) -> Fault {
        Fault::Broken { untouched, why: describe(error) }
    }

    /// The same as a sentence, with the server's name.
    pub(crate) fn told(&self, server: &[u8]) -> String {
        let server = server.escape_ascii();
        match self {
            Fault::Down(why) => format!("Server {server} cannot be reached: {why}"),
            Fault::Busy => format!("Server {server} is busy: no connection to it came free in time"),
            Fault::Late(limit) => {
                format!("Server {server} did not answer within {} seconds", Seconds(*limit))
            }
            Fault::Broken { why, .. } => format!(
                "The connection to server {server} broke before it had answered ({why}); the action may have been carried out"
            ),
            Fault::Garbage(what) => format!("Server {server} sent {what}"),
            Fault::Gone => format!("Server {server} was not waited for"),
            Fault::Denied => "Permission denied".to_owned(),
        }
    }
}

/// An error of a socket in few words, without the number of the system's.
pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        io::ErrorKind::TimedOut => "it did not answer in time".to_owned(),
        io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        io::ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
        _ => error.to_string(),
    }
}

/// Seconds, with a fraction only where there is one.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}
