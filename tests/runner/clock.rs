//! The time of a play: the world's, or a virtual clock that stands still until the player moves it.
//!
//! Recorded pauses are tenths of a second, and a busy machine takes longer than that for a login. Where all that takes time
//! is a call, the server runs in test mode on a virtual clock: a pause is then a TestAdvance, which is answered once all that
//! was due has happened and every listener has its events, however long that takes.

use std::path::Path;
use std::time::Duration;

use crate::support::{Conn, Door, RunningServer};

/// The areas whose plays are about calls.
const AREAS: &[&str] = &["calls", "queues", "states", "dialplan"];
/// The section of amibox.conf.
pub(crate) const VIRTUAL: &str = "[test]\nenabled = yes\nclock = virtual\nepoch = now\n";
/// How far the clock is moved when a line does not come by itself.
pub(crate) const STEP: Duration = Duration::from_millis(50);
/// How long a line may take to come by itself.
pub(crate) const SILENCE: Duration = Duration::from_millis(15);
/// How long the server may take to do what is due.
const LIMIT: Duration = Duration::from_secs(30);

/// By which clock a play goes.
pub(crate) enum Clock {
    /// The world's.
    Real,
    /// The server's own, which this connection moves.
    Virtual(Conn),
}

/// Whether the play of a transcript goes by a virtual clock.
pub(crate) fn is_virtual(file: &Path) -> bool {
    let area = file.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    area.is_some_and(|area| AREAS.contains(&area))
}

impl Clock {
    /// The virtual clock of a server, for a user of class `test`.
    pub(crate) fn of(server: &RunningServer, user: &str, secret: &str) -> Result<Self, String> {
        let mut conn = server.connect(Door::Ami);
        let login = format!("Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: off\r\n\r\n");
        conn.send(login.as_bytes()).map_err(|e| e.to_string())?;
        answer(&mut conn)?;
        Ok(Clock::Virtual(conn))
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) -> Result<(), String> {
        match self {
            Clock::Real => {
                std::thread::sleep(time);
                Ok(())
            }
            Clock::Virtual(conn) => {
                let action = format!("Action: TestAdvance\r\nSeconds: {}\r\n\r\n", time.as_secs_f64());
                conn.send(action.as_bytes()).map_err(|e| e.to_string())?;
                answer(conn)
            }
        }
    }
}

/// Reads an answer, which must be a success.
fn answer(conn: &mut Conn) -> Result<(), String> {
    let mut text = String::new();
    loop {
        let line = conn.line(LIMIT).ok_or_else(|| format!("the clock does not answer; had {text:?}"))?;
        if line == b"\r\n" {
            break;
        }
        text.push_str(&String::from_utf8_lossy(&line));
    }
    if text.contains("Response: Success\r\n") { Ok(()) } else { Err(format!("the clock answers {text:?}")) }
}
