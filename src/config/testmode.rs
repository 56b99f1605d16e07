//! The section `[test]` of amibox.conf: the switch as a stand-in for a real one in other people's tests.
//!
//! It lets whoever may use class test move time, tell any event and throw every call away, so it is there only while nobody but
//! this machine can reach the server.

use super::complaint::{Complaint, quote};
use super::http::Http;
use super::ini::Document;
use super::listen::is_loopback;
use super::manager::Manager;
use super::settings::Settings;

/// What `[test]` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestMode {
    /// `enabled`: whether there are the actions TestAdvance, TestEvent and TestReset. Default: no.
    pub enabled: bool,
    /// `clock` and `epoch`: by which clock calls go. Default: the world's.
    pub clock: Clock,
}

/// By which clock calls go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The world's.
    #[default]
    Real,
    /// One that stands still until TestAdvance moves it.
    Virtual {
        /// `epoch`: where it begins, Unix time in microseconds; in the file in seconds. Default: 1700000000, so that tests may
        /// compare every byte. `epoch = now` is the time of the start, and `None` here.
        epoch: Option<u64>,
    },
}

impl TestMode {
    /// Nothing of it counts where it is not enabled. `http` and `manager` are who listens where.
    pub(super) fn read(
        document: &Document,
        manager: &Manager,
        http: &Http,
        complaints: &mut Vec<Complaint>,
    ) -> TestMode {
        let mut mode = TestMode::default();
        let mut settings = Settings::of(document, SECTION, complaints);
        settings.truth("enabled", &mut mode.enabled);
        let mut epoch = Some(EPOCH * 1_000_000);
        if let Some(line) = settings.last("epoch") {
            match line.value() {
                value if value.eq_ignore_ascii_case(b"now") => epoch = None,
                _ => {
                    let mut seconds = EPOCH;
                    settings.number("epoch", 0..=LAST_EPOCH, &mut seconds);
                    epoch = Some(seconds * 1_000_000);
                }
            }
        }
        if let Some(line) = settings.last("clock") {
            match line.value().to_ascii_lowercase().as_slice() {
                b"real" => {}
                b"virtual" => mode.clock = Clock::Virtual { epoch },
                _ => {
                    settings.error(line, format!("clock = {}: real or virtual expected", quote(line.value())))
                }
            }
        }
        if let Some(line) = settings.last("enabled").filter(|_| mode.enabled) {
            for (file, key, host) in listeners(manager, http).filter(|(.., host)| !is_loopback(host)) {
                let text = format!(
                    "enabled = yes: tests are for this machine alone, and {file} listens at {host} ({key}); 127.0.0.1 expected"
                );
                settings.error(line, text);
            }
        }
        settings.finish();
        if mode.enabled { mode } else { TestMode::default() }
    }
}

/// The hosts that are listened at, with the file and the key that say so.
fn listeners<'c>(
    manager: &'c Manager,
    http: &'c Http,
) -> impl Iterator<Item = (&'static str, &'static str, &'c str)> {
    let all = [
        (manager.enabled, "manager.conf", "bindaddr", &manager.bindaddr),
        (manager.enabled && manager.tls.enabled, "manager.conf", "tlsbindaddr", &manager.tls.bindaddr),
        (http.enabled, "http.conf", "bindaddr", &http.bindaddr),
        (http.tls.enabled, "http.conf", "tlsbindaddr", &http.tls.bindaddr),
    ];
    all.into_iter().filter(|(on, ..)| *on).map(|(_, file, key, host)| (file, key, host.as_str()))
}

const SECTION: &[u8] = b"test";

/// Where a virtual clock begins: 14 November 2023, 22:13:20 UTC. A time in the past that is easily told from the real one.
const EPOCH: u64 = 1_700_000_000;

/// The last second of the year 9999: dates have four digits.
const LAST_EPOCH: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::ini::memory::Memory;

    /// The mode, or the first complaint, with the file that it is about.
    fn read(manager: &str, http: &str, test: &str) -> Result<TestMode, String> {
        let manager = format!("[general]\n{manager}\n");
        let http = format!("[general]\n{http}\n");
        let amibox = format!("[general]\n{test}\n");
        let files = [("manager.conf", manager), ("http.conf", http), ("amibox.conf", amibox)];
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let loaded = crate::config::read(Path::new("/etc/x"), &Memory::new(&files));
        match loaded.complaints.first() {
            None => Ok(loaded.config.expect("there is no complaint").amibox.test),
            Some(complaint) => Err(complaint.to_string()),
        }
    }

    #[test]
    fn what_the_section_says() {
        let check = |test: &str, expect: TestMode| assert_eq!(read("", "", test), Ok(expect), "{test}");
        let with = |clock| TestMode { enabled: true, clock };
        let started = |epoch| with(Clock::Virtual { epoch });
        check("", TestMode::default());
        check("[test]", TestMode::default());
        check("[test]\nclock = virtual", TestMode::default());
        check("[test]\nenabled = yes", with(Clock::Real));
        check("[Test]\nenabled = yes\nclock = Virtual", started(Some(1_700_000_000_000_000)));
        check("[test]\nenabled = yes\nclock = virtual\nepoch = 5", started(Some(5_000_000)));
        check("[test]\nenabled = yes\nclock = virtual\nepoch = now", started(None));
    }

    #[test]
    fn it_is_for_this_machine_alone() {
        let check = |manager: &str, http: &str, expect: &str| {
            let test = "[test]\nenabled = yes";
            match read(manager, http, test) {
                Ok(mode) => assert_eq!((mode.enabled, ""), (true, expect)),
                Err(complaint) => {
                    assert!(!expect.is_empty() && complaint.contains(expect), "{complaint}");
                    assert!(complaint.contains("amibox.conf:3:"), "{complaint}");
                }
            }
        };
        let here = "enabled = yes\nbindaddr = 127.0.0.1";
        check("", "", "");
        check(here, here, "");
        check("enabled = yes\nbindaddr = ::1", "enabled = yes\nbindaddr = localhost", "");
        check("enabled = yes", here, "manager.conf listens at 0.0.0.0 (bindaddr)");
        check("enabled = yes\nbindaddr = pbx.example", "", "pbx.example");
        check(here, "enabled = yes\nbindaddr = 192.0.2.1", "http.conf listens at 192.0.2.1 (bindaddr)");
        let tls = format!("{here}\ntlsenable = yes\ntlsbindaddr = 0.0.0.0:5039");
        check(&tls, "", "manager.conf listens at 0.0.0.0 (tlsbindaddr)");
        check(here, &tls.replace("5039", "8089"), "http.conf listens at 0.0.0.0 (tlsbindaddr)");
    }
}
