//! `amibox passwd`: reads a secret and prints the line for manager.conf that holds its digest.

use std::io::{self, BufRead, Write};

use amibox::auth::passwd::{SALT_LENGTH, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Asks for the secret, without showing it on a terminal, and prints the line.
///
/// # Errors
/// Standard input cannot be read or has no secret, or standard output cannot be written.
pub(crate) fn run() -> io::Result<()> {
    let secret = read_secret()?;
    if secret.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an empty secret would let nobody in"));
    }
    let mut salt = vec![0; SALT_LENGTH];
    SystemRandom::new().fill(&mut salt).map_err(|_| io::Error::other("the system has no random numbers"))?;
    writeln!(io::stdout(), "secret = {}", digest(&secret, salt))
}

fn read_secret() -> io::Result<Vec<u8>> {
    let stdin = io::stdin();
    // Not a terminal: the secret comes from a file or another program, and there is nothing to hide.
    let terminal = tcgetattr(&stdin).ok();
    if let Some(modes) = &terminal {
        let mut quiet = modes.clone();
        quiet.local_modes -= LocalModes::ECHO;
        tcsetattr(&stdin, OptionalActions::Now, &quiet)?;
        eprint!("Secret: ");
    }
    let mut line = Vec::new();
    let read = stdin.lock().read_until(b'\n', &mut line);
    if let Some(modes) = &terminal {
        tcsetattr(&stdin, OptionalActions::Now, modes)?;
        eprintln!();
    }
    read?;
    while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        line.pop();
    }
    Ok(line)
}
