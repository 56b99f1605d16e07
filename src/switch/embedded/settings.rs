//! What the config folder says of calls: cdr.conf, cel.conf, features.conf, queues.conf and the like, and of other files the
//! lines that concern calls.

use std::collections::BTreeSet;
use std::path::Path;

use crate::ami::class::truth;
use crate::config::Complaint;
use crate::config::Voicemail;
use crate::config::complaint::{did_you_mean, quote};
use crate::config::ini::{self, Category, Document, Source};
use crate::config::{Config, TestMode};

use super::agents;
use super::apps::{self, seconds};
use super::cdr;
use super::cel::Cel;
use super::conference;
use super::device::Devices;
use super::dialplan::{Dialplan, Priority};
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
    pub(crate) devices: Devices,
    pub(crate) voicemail: Voicemail,
    /// How long a sound takes, in microseconds.
    pub(crate) sound_time: u64,
    /// `maxcalls` of asterisk.conf: with so many calls there are no others.
    pub(crate) max_calls: Option<u32>,
    /// How many channels there may be at once.
    pub(crate) max_channels: usize,
    pub(crate) test: TestMode,
}

/// What features.conf says: the digits that callers dial in a bridge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features {
    pub(crate) atxfer: Vec<u8>,
    pub(crate) blindxfer: Vec<u8>,
    pub(crate) disconnect: Vec<u8>,
    /// Empty: none.
    pub(crate) parkcall: Vec<u8>,
    pub(crate) atxfer_abort: Vec<u8>,
    /// How long whom an attended transfer calls may ring, in microseconds.
    pub(crate) atxfer_no_answer: u64,
}

impl Default for Settings {
    /// Every part is there, and nothing in it.
    fn default() -> Settings {
        Settings {
            version: "22.10.1".to_owned(),
            system_name: Vec::new(),
            live_dangerously: false,
            channelvars: Vec::new(),
            features: Features {
                disconnect: b"*0".to_vec(),
                blindxfer: b"#".to_vec(),
                atxfer_abort: b"*1".to_vec(),
                atxfer_no_answer: 15_000_000,
                ..Features::default()
            },
            cdr: cdr::Settings::default(),
            cel: None,
            parking: Some(parking::Settings::default()),
            queues: Some(queue::Settings::default()),
            agents: Some(Vec::new()),
            conferences: Some(conference::Settings::default()),
            devices: Devices::default(),
            voicemail: Voicemail::default(),
            sound_time: 1_000_000,
            max_calls: None,
            max_channels: MAX_CHANNELS,
            test: TestMode::default(),
        }
    }
}

/// Reads what calls need from the config folder: the settings, and the dialplan.
pub(crate) fn load(
    source: &dyn Source,
    config: &Config,
    complaints: &mut Vec<Complaint>,
) -> (Settings, Dialplan) {
    let mut settings = Settings {
        version: config.amibox.astversion.clone(),
        system_name: config.asterisk.systemname.clone().unwrap_or_default(),
        live_dangerously: config.asterisk.live_dangerously,
        channelvars: config.manager.channelvars.clone(),
        max_calls: config.asterisk.maxcalls,
        voicemail: config.voicemail.clone(),
        test: config.amibox.test,
        ..Settings::default()
    };
    if let Some(features) = open(source, "features.conf", complaints) {
        let map = section(&features, b"featuremap");
        let general = section(&features, b"general");
        let own = &mut settings.features;
        let read = |category: Option<&Category>, name: &str, into: &mut Vec<u8>| {
            if let Some(value) = category.and_then(|category| category.get(name)) {
                *into = value.to_vec();
            }
        };
        read(map, "atxfer", &mut own.atxfer);
        read(map, "blindxfer", &mut own.blindxfer);
        read(map, "disconnect", &mut own.disconnect);
        read(map, "parkcall", &mut own.parkcall);
        read(general, "atxferabort", &mut own.atxfer_abort);
        if let Some(time) = general.and_then(|general| general.get("atxfernoanswertimeout")).and_then(seconds)
        {
            own.atxfer_no_answer = time;
        }
    }
    let cdr_on = open(source, "cdr.conf", complaints).map(|document| {
        let general = section(&document, b"general");
        settings.cdr.unanswered = flag(general, "unanswered", false);
        flag(general, "enable", true)
    });
    settings.cdr.enabled = cdr_on.unwrap_or(true);
    if let Some(document) = open(source, "cdr_manager.conf", complaints) {
        settings.cdr.events = settings.cdr.enabled && flag(section(&document, b"general"), "enabled", false);
        if let Some(mappings) = section(&document, b"mappings") {
            settings.cdr.mappings = mappings
                .variables()
                .iter()
                .map(|line| (line.name().to_vec(), line.value().to_vec()))
                .collect();
        }
    }
    if let Some(document) = open(source, "cel.conf", complaints) {
        let general = section(&document, b"general");
        let told = flag(general, "enable", false) && flag(section(&document, b"manager"), "enabled", false);
        settings.cel = told.then(|| Cel {
            events: general.and_then(|general| general.get("events")).map(list).unwrap_or_default(),
            apps: general.and_then(|general| general.get("apps")).map(list).unwrap_or_default(),
            dateformat: general.and_then(|general| general.get("dateformat")).map(<[u8]>::to_vec),
        });
    }
    settings.parking =
        open(source, "res_parking.conf", complaints).map(|document| parking::Settings::read(&document));
    settings.queues = load_queues(source, complaints);
    settings.agents = open(source, "agents.conf", complaints).map(|document| agents::read(&document));
    settings.conferences =
        open(source, "confbridge.conf", complaints).map(|document| conference::Settings::read(&document));
    let devices = open(source, "devices.conf", complaints);
    settings.devices = devices.map(|document| Devices::read(&document, complaints)).unwrap_or_default();
    settings.sound_time = settings.devices.sound_time.unwrap_or(settings.sound_time);
    (settings, load_dialplan(source, complaints))
}

/// Reads queues.conf and queuerules.conf; `None` where there are no queues.
pub(crate) fn load_queues(source: &dyn Source, complaints: &mut Vec<Complaint>) -> Option<queue::Settings> {
    let document = open(source, "queues.conf", complaints)?;
    let rules = open(source, "queuerules.conf", complaints);
    Some(queue::Settings::read(&document, rules.as_ref(), complaints))
}

/// Reads extensions.conf.
pub(crate) fn load_dialplan(source: &dyn Source, complaints: &mut Vec<Complaint>) -> Dialplan {
    let document = open(source, "extensions.conf", complaints);
    let dialplan = document.map(|document| Dialplan::load(&document, complaints)).unwrap_or_default();
    complain_of_applications(&dialplan, source.root(), complaints);
    dialplan
}

/// Says which applications of a dialplan are not there: each once, where it is wanted first. A call ends at such a step.
fn complain_of_applications(dialplan: &Dialplan, folder: &Path, complaints: &mut Vec<Complaint>) {
    let mut told: BTreeSet<Vec<u8>> = BTreeSet::new();
    let lines = dialplan.contexts().flat_map(|context| context.extensions()).flat_map(|exten| &exten.lines);
    let steps = lines.filter(|line| matches!(line.priority, Priority::Step(_)));
    for (line, place) in steps.filter_map(|line| Some((line, line.place.as_ref()?))) {
        // What a variable names is not known before a call comes.
        if line.app.contains(&b'$')
            || apps::find(&line.app).is_some()
            || !told.insert(line.app.to_ascii_lowercase())
        {
            continue;
        }
        let meant = did_you_mean(&line.app, apps::all().map(|app| app.name));
        let text = format!("there is no application {}: a call ends here{meant}", quote(&line.app));
        complaints.push(Complaint::warning(&folder.join(&*place.file), place.line, text));
    }
}

/// A file of the config folder, if it is there and can be read.
fn open(source: &dyn Source, name: &str, complaints: &mut Vec<Complaint>) -> Option<Document> {
    match ini::parse(source, Path::new(name)) {
        Ok(parsed) => {
            complaints.extend(parsed.complaints);
            (!parsed.invalid).then_some(parsed.document)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let path = source.root().join(name);
            complaints.push(Complaint::error(&path, 0, format!("cannot be read: {error}")));
            None
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
    category.get(name).and_then(super::numbers::whole).unwrap_or(default)
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

/// How many channels there may be at once: a dialplan that calls itself is to take some 100 MB, and not all there is. Further calls
/// fail with the cause congestion.
const MAX_CHANNELS: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ini::memory::Memory;

    #[test]
    fn applications_that_are_not_there_are_told_once() {
        let text = "[a]\nexten => 1,1,Answer\nexten => 1,n,System(x)\nexten => 1,n,system(y)\nexten => 2,1,Plaback(a)\n\
                    exten => 3,1,${X}(a)\nexten => 4,hint,Custom:a\n";
        let mut complaints = Vec::new();
        load_dialplan(&Memory::new(&[("extensions.conf", text.as_bytes())]), &mut complaints);
        let told: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        let expect = [
            "/etc/x/extensions.conf:3: warning: there is no application \"System\": a call ends here",
            "/etc/x/extensions.conf:5: warning: there is no application \"Plaback\": a call ends here; did you mean \
             \"Playback\"?",
        ];
        assert_eq!(told, expect);
    }
}
