//! amibox.conf: what Asterisk has no setting for. It may be absent.

use super::complaint::{Complaint, quote};
use super::gateway::{self, Gateway};
use super::http::Http;
use super::ini::{Document, Source};
use super::manager::Manager;
use super::settings::{Settings, header, sections};
use super::testmode::TestMode;

/// What amibox.conf says.
#[derive(Clone, Debug)]
pub struct Amibox {
    /// `astversion`: the version of Asterisk that clients are told, by which they choose their dialect. Default: 22.10.1.
    pub astversion: String,
    /// `switch`: what stands behind the interface. Default: embedded.
    pub switch: Switch,
    /// `metrics`: whether the page /metrics tells the counters, to everybody who reaches the HTTP listener. Default: no.
    pub metrics: bool,
    /// The servers of a gateway; none where the switch is another.
    pub gateway: Gateway,
    /// `[test]`: whether tests may move time and tell events. Default: no.
    pub test: TestMode,
}

/// What stands behind the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// amibox's own.
    #[default]
    Embedded,
    /// One or many Asterisk servers.
    Gateway,
}

impl Default for Amibox {
    fn default() -> Amibox {
        Amibox {
            astversion: "22.10.1".to_owned(),
            switch: Switch::Embedded,
            metrics: false,
            gateway: Gateway::default(),
            test: TestMode::default(),
        }
    }
}

impl Amibox {
    /// Files that the sections name are read through `source`.
    pub(super) fn read(document: &Document, source: &dyn Source, complaints: &mut Vec<Complaint>) -> Amibox {
        let mut amibox = Amibox::default();
        let mut settings = Settings::of(document, b"general", complaints);
        if let Some(line) = settings.last("astversion") {
            match std::str::from_utf8(line.value()).ok().filter(|version| is_version(version)) {
                Some(version) => amibox.astversion = version.to_owned(),
                None => {
                    let (value, kept) = (quote(line.value()), &amibox.astversion);
                    settings.warn(
                        line,
                        format!("astversion = {value}: a version such as 20.9.3 expected; {kept} stays"),
                    );
                }
            }
        }
        if let Some(line) = settings.last("switch") {
            match line.value().to_ascii_lowercase().as_slice() {
                b"embedded" => {}
                b"gateway" => amibox.switch = Switch::Gateway,
                _ => settings
                    .error(line, format!("switch = {}: embedded or gateway expected", quote(line.value()))),
            }
        }
        settings.truth("metrics", &mut amibox.metrics);
        // Who tries both kinds of switch need not take these out.
        settings.ignored(gateway::SETTINGS);
        settings.finish();
        match amibox.switch {
            Switch::Gateway => amibox.gateway = Gateway::read(document, source, complaints),
            Switch::Embedded => unused_sections(document, source, complaints),
        }
        amibox
    }

    /// `[test]`, once it is known who listens where: `http` and `manager`.
    pub(super) fn read_test(
        &self,
        document: &Document,
        manager: &Manager,
        http: &Http,
        complaints: &mut Vec<Complaint>,
    ) -> TestMode {
        let mode = TestMode::read(document, manager, http, complaints);
        if mode.enabled && self.switch == Switch::Gateway {
            let (file, line) = header(document, b"test");
            let text = "[test]: the servers behind a gateway are real; switch = embedded expected";
            complaints.push(Complaint::error(file, line, text));
        }
        mode
    }
}

/// Sections that only a gateway has may stay where the switch is another; what is no section at all is a slip.
fn unused_sections(document: &Document, source: &dyn Source, complaints: &mut Vec<Complaint>) {
    for name in sections(document).into_iter().filter(|name| !gateway::is_reserved(name)) {
        let (file, line) = header(document, name);
        if Settings::of(document, name, &mut Vec::new()).last("type").is_some() {
            complaints.extend(gateway::review(document, name, source));
        } else {
            let hint = gateway::meant_section(name);
            let text = format!("unknown section [{}], ignored{hint}", name.escape_ascii());
            complaints.push(Complaint::warning(file, line, text));
        }
    }
}

/// Whether clients can make something of it: a number first, and nothing that ends a header or a word.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.len() <= MAX_VERSION
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+~/".contains(&b))
}

/// The longest version, in bytes.
const MAX_VERSION: usize = 64;
