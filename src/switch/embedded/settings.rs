//! What the configuration says of calls: of each file about them the part that is its own, and of others the lines that concern
//! calls.

use crate::ami::class::truth;
use crate::config::Config;
use crate::config::ini::{Category, Document};

use super::agents;
use super::cdr;
use super::cel::Cel;
use super::conference;
use super::device::Endpoint;
use super::parking;
use super::queue;

/// Everything that the engine is told once.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The version of Asterisk that is spoken.
    pub(crate) version: String,
    pub(crate) system_name: Vec<u8>,
    pub(crate) live_dangerously: bool,
    /// `channelvars` of manager.conf.
    pub(crate) channelvars: Vec<Vec<u8>>,
    pub(crate) features: Features,
    pub(crate) cdr: cdr::Settings,
    /// None: no CEL events.
    pub(crate) cel: Option<Cel>,
    pub(crate) parking: Option<parking::Settings>,
    pub(crate) queues: Option<queue::Settings>,
    pub(crate) agents: Option<Vec<agents::Agent>>,
    pub(crate) conferences: Option<conference::Settings>,
    pub(crate) endpoints: Vec<Endpoint>,
    /// How long a sound takes, in microseconds.
    pub(crate) sound_time: u64,
    /// How many channels there may be at once.
    pub(crate) max_channels: usize,
}

/// What features.conf says: the digits that callers dial in a bridge.
#[derive(Clone, Debug)]
pub(crate) struct Features {
    pub(crate) atxfer: Vec<u8>,
    pub(crate) blindxfer: Vec<u8>,
    pub(crate) disconnect: Vec<u8>,
    pub(crate) atxfer_abort: Vec<u8>,
}

impl Default for Features {
    fn default() -> Features {
        Features {
            atxfer: Vec::new(),
            blindxfer: b"#".to_vec(),
            disconnect: b"*0".to_vec(),
            atxfer_abort: b"*1".to_vec(),
        }
    }
}

impl Default for Settings {
    /// Every part is there, and nothing in it.
    fn default() -> Settings {
        Settings {
            version: "22.10.1".to_owned(),
            system_name: Vec::new(),
            live_dangerously: false,
            channelvars: Vec::new(),
            features: Features::default(),
            cdr: cdr::Settings::default(),
            cel: None,
            parking: Some(parking::Settings::default()),
            queues: Some(queue::Settings::default()),
            agents: Some(Vec::new()),
            conferences: Some(conference::Settings::default()),
            endpoints: Vec::new(),
            sound_time: 1_000_000,
            max_channels: 100_000,
        }
    }
}

impl Settings {
    /// What the configuration says of calls.
    pub(crate) fn new(config: &Config) -> Settings {
        let open = |name: &str| config.calls.get(name);
        let mut settings = Settings {
            version: config.amibox.astversion.clone(),
            system_name: config.asterisk.systemname.clone().unwrap_or_default(),
            live_dangerously: config.asterisk.live_dangerously,
            channelvars: config.manager.channelvars.clone(),
            features: Features::default(),
            cdr: cdr::Settings::read(open("cdr.conf"), open("cdr_manager.conf")),
            cel: open("cel.conf").and_then(Cel::read),
            parking: open("res_parking.conf").map(parking::Settings::read),
            queues: open("queues.conf")
                .map(|document| queue::Settings::read(document, open("queuerules.conf"))),
            agents: open("agents.conf").map(agents::read),
            conferences: open("confbridge.conf").map(conference::Settings::read),
            endpoints: open("devices.conf").map(super::device::read).unwrap_or_default(),
            ..Settings::default()
        };
        if let Some(document) = open("features.conf") {
            settings.features.read(document);
        }
        settings
    }
}

impl Features {
    fn read(&mut self, document: &Document) {
        let map = section(document, b"featuremap");
        let general = section(document, b"general");
        for (category, name, into) in [
            (map, "atxfer", &mut self.atxfer),
            (map, "blindxfer", &mut self.blindxfer),
            (map, "disconnect", &mut self.disconnect),
            (general, "atxferabort", &mut self.atxfer_abort),
        ] {
            if let Some(value) = category.and_then(|category| category.get(name)) {
                *into = value.to_vec();
            }
        }
    }
}

/// The first section of that name, in any case.
pub(crate) fn section<'d>(document: &'d Document, name: &[u8]) -> Option<&'d Category> {
    sections(document).find(|category| category.name().eq_ignore_ascii_case(name))
}

/// Every section but templates.
pub(crate) fn sections(document: &Document) -> impl Iterator<Item = &Category> {
    document.categories().iter().filter(|category| !category.is_template())
}

/// Yes or no.
pub(crate) fn flag(category: Option<&Category>, name: &str, default: bool) -> bool {
    category.and_then(|category| category.get(name)).and_then(truth).unwrap_or(default)
}

/// A whole number.
pub(crate) fn number(category: &Category, name: &str, default: u32) -> u32 {
    let text = category.get(name).and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(default)
}

/// Names parted by commas.
pub(crate) fn list(value: &[u8]) -> Vec<Vec<u8>> {
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}
