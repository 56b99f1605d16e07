//! What the config folder says of calls: cdr.conf, cel.conf, features.conf, queues.conf and the like, and of other files the
//! lines that concern calls.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::Complaint;
use crate::config::Voicemail;
use crate::config::complaint::{did_you_mean, quote};
use crate::config::ini::{Document, Source};
use crate::config::reading;
use crate::config::{Config, TestMode};

use super::agents;
use super::apps;
use super::cdr::CdrConfig;
use super::cel::CelConfig;
use super::conference::ConferenceConfig;
use super::device::Devices;
use super::dialplan::{Dialplan, Priority};
use super::features::FeaturesConfig;
use super::parking::ParkingConfig;
use super::queue::QueuesConfig;

/// Everything that the engine is told once.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The version of Asterisk that is spoken.
    pub(crate) version: String,
    pub(crate) system_name: Vec<u8>,
    pub(crate) live_dangerously: bool,
    /// `channelvars` of manager.conf.
    pub(crate) channelvars: Vec<Vec<u8>>,
    pub(crate) features: FeaturesConfig,
    pub(crate) cdr: CdrConfig,
    /// None: no CEL events.
    pub(crate) cel: Option<CelConfig>,
    pub(crate) parking: Option<ParkingConfig>,
    pub(crate) queues: Option<QueuesConfig>,
    pub(crate) agents: Option<Vec<agents::Agent>>,
    pub(crate) conferences: Option<ConferenceConfig>,
    pub(crate) devices: Devices,
    pub(crate) voicemail: Voicemail,
    /// How long a sound takes, in microseconds.
    pub(crate) sound_time: u64,
    /// `maxcalls` of asterisk.conf: with so many calls there are no others.
    pub(crate) max_calls: Option<u32>,
    /// `maxload` of asterisk.conf: above that load average there are no other calls either.
    pub(crate) max_load: Option<f64>,
    /// How many channels there may be at once.
    pub(crate) max_channels: usize,
    pub(crate) test: TestMode,
}

impl Default for Settings {
    /// Every part is there, and nothing in it.
    fn default() -> Settings {
        Settings {
            version: "22.10.1".to_owned(),
            system_name: Vec::new(),
            live_dangerously: false,
            channelvars: Vec::new(),
            features: FeaturesConfig::default(),
            cdr: CdrConfig::default(),
            cel: None,
            parking: Some(ParkingConfig::default()),
            queues: Some(QueuesConfig::default()),
            agents: Some(Vec::new()),
            conferences: Some(ConferenceConfig::default()),
            devices: Devices::default(),
            voicemail: Voicemail::default(),
            sound_time: 1_000_000,
            max_calls: None,
            max_load: None,
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
        max_load: config.asterisk.maxload,
        voicemail: config.voicemail.clone(),
        test: config.amibox.test,
        ..Settings::default()
    };
    let mut read = |name: &str| open(source, name, complaints);
    let (features, cdr, cdr_manager) = (read("features.conf"), read("cdr.conf"), read("cdr_manager.conf"));
    let (cel, parking, staff) = (read("cel.conf"), read("res_parking.conf"), read("agents.conf"));
    let conferences = read("confbridge.conf");
    settings.features =
        features.map(|document| FeaturesConfig::read(&document, complaints)).unwrap_or_default();
    settings.cdr = CdrConfig::read(cdr.as_ref(), cdr_manager.as_ref(), complaints);
    settings.cel = cel.and_then(|document| CelConfig::read(&document, complaints));
    settings.parking = parking.map(|document| ParkingConfig::read(&document, complaints));
    settings.queues = load_queues(source, complaints);
    settings.agents = staff.map(|document| agents::read(&document, complaints));
    settings.conferences = conferences.map(|document| ConferenceConfig::read(&document, complaints));
    let devices = open(source, "devices.conf", complaints);
    settings.devices = devices.map(|document| Devices::read(&document, complaints)).unwrap_or_default();
    settings.sound_time = settings.devices.sound_time.unwrap_or(settings.sound_time);
    (settings, load_dialplan(source, complaints))
}

/// Reads queues.conf and queuerules.conf; `None` where there are no queues.
pub(crate) fn load_queues(source: &dyn Source, complaints: &mut Vec<Complaint>) -> Option<QueuesConfig> {
    let document = open(source, "queues.conf", complaints)?;
    let rules = open(source, "queuerules.conf", complaints);
    Some(QueuesConfig::read(&document, rules.as_ref(), complaints))
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

/// A file of the config folder, if it is there and can be used.
fn open(source: &dyn Source, name: &str, complaints: &mut Vec<Complaint>) -> Option<Document> {
    reading::optional(source, name, complaints)
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

    /// What is said of a file, each line behind the file's name.
    fn check(name: &str, text: &str, expect: &[&str]) {
        let manager = ("manager.conf", &b"[general]\n"[..]);
        let files = Memory::new(&[manager, (name, text.as_bytes())]);
        let config = crate::config::read(Path::new("/etc/x"), &files).config.expect("it is sound");
        let (_, complaints) = super::super::prepare(&config, &files);
        let prefix = format!("/etc/x/{name}:");
        let found: Vec<_> = complaints.iter().map(|found| found.to_string().replace(&prefix, "")).collect();
        assert_eq!(found, expect, "{name}: {text}");
    }

    #[test]
    fn wrong_values_and_unknown_keys_are_reported() {
        check(
            "features.conf",
            "[general]\natxfernoanswertimeout = soon\natxferabrot = *1\n[featuremap]\nblindxfer = #x\natxfer = *2\n[featurmap]\n",
            &[
                "2: warning: atxfernoanswertimeout = \"soon\": not a number of seconds (0 to 100000000); using 15",
                "3: warning: unknown setting \"atxferabrot\", ignored; did you mean \"atxferabort\"?",
                "5: warning: blindxfer = \"#x\": not at most 10 of 0-9, *, # and A-D; using \"#\"",
                "7: warning: unknown section [featurmap], ignored; did you mean [featuremap]?",
            ],
        );
        check(
            "features.conf",
            "[applicationmap]\nx => *9,self,NoOp\n[group]\nx => *8\n",
            &[" warning: not used by amibox: [applicationmap]"],
        );
        check(
            "cdr.conf",
            "[general]\nenable = perhaps\nunanswerd = yes\nbatch = no\nsize = 1\n[csv]\nusegmtime = yes\n",
            &[
                " warning: not used by amibox: [csv], batch, size",
                "2: warning: enable = \"perhaps\": not yes or no; using yes",
                "3: warning: unknown setting \"unanswerd\", ignored; did you mean \"unanswered\"?",
            ],
        );
        check(
            "cdr_manager.conf",
            "[general]\nenable = yes\n[mapping]\na => b\n",
            &[
                "2: warning: unknown setting \"enable\", ignored; did you mean \"enabled\"?",
                "3: warning: unknown section [mapping], ignored; did you mean [mappings]?",
            ],
        );
        check(
            "cel.conf",
            "[general]\nenable = yes\nevents = CHAN_STRAT,HANGUP\n[manager]\nenabled = 7x\n",
            &[
                "3: warning: events: unknown event \"CHAN_STRAT\", ignored; did you mean \"CHAN_START\"?",
                "5: warning: enabled = \"7x\": not yes or no; using no",
            ],
        );
        check(
            "res_parking.conf",
            "[general]\n[default]\nparkext = 700\nparkpos = 701\nparkingtime = -5\nfindslot = last\ncomebackcontxt = x\n",
            &[
                " warning: not used by amibox: parkext",
                "4: warning: parkpos = \"701\": not FIRST-LAST, such as 701-750; using 701-750",
                "5: warning: parkingtime = \"-5\": not a number (0 to 100000000); using 45",
                "6: warning: findslot = \"last\": not one of first, next; using first",
                "7: warning: unknown setting \"comebackcontxt\", ignored; did you mean \"comebackcontext\"?",
            ],
        );
        check(
            "agents.conf",
            "[general]\n[100]\nfullnam = A\nackcall = no\n",
            &[
                " warning: not used by amibox: ackcall",
                "3: warning: unknown setting \"fullnam\", ignored; did you mean \"fullname\"?",
            ],
        );
        check(
            "confbridge.conf",
            "[general]\n[u]\ntype = user\nadmin = sure\nquiet = yes\nstartmute = yes\n[b]\ntype = bridge\n\
             max_members = x\nsound_join = y\n[m]\ntype = menu\n1 = x\n[o]\n",
            &[
                " warning: not used by amibox: quiet, sound_*, type = menu",
                "4: warning: admin = \"sure\": not yes or no; using no",
                "6: warning: unknown setting \"startmute\", ignored; did you mean \"startmuted\"?",
                "9: warning: max_members = \"x\": not a number (0 to 4294967295); using 0",
                "14: warning: [o]: no type = user, bridge or menu; the section is ignored",
            ],
        );
        check(
            "queues.conf",
            "[general]\npersistentmembers = x\n[q]\nstrategy = ringal\ntimeout = +5\njoinempty = paused,ringin\n\
             autopause = al\nmember => ,1\nmember => A/b,x,,,maybe\nmusicclass = m\nqueue-youarenext = y\nwheight = 1\n",
            &[
                " warning: not used by amibox: musicclass, queue-*",
                "2: warning: persistentmembers = \"x\": not yes or no; using no",
                "4: warning: strategy = \"ringal\": not one of ringall, leastrecent, fewestcalls, random, rrmemory, rrordered, \
                 linear, wrandom; using ringall; did you mean \"ringall\"?",
                "5: warning: timeout = \"+5\": not a number (0 to 100000000); using 15",
                "6: warning: joinempty: \"ringin\" means nothing here, ignored; did you mean \"ringing\"?",
                "7: warning: autopause = \"al\": not yes, no or all; using no",
                "8: warning: member: no interface such as PJSIP/alice, ignored",
                "9: warning: member \"A/b\": the penalty is not a number, ignored",
                "9: warning: member \"A/b\": the ringinuse is not yes or no, ignored",
                "12: warning: unknown setting \"wheight\", ignored; did you mean \"weight\"?",
            ],
        );
        check(
            "extensions.conf",
            "[general]\nuserscontext = x\nautofallthrough = 2\n",
            &[
                " warning: not used by amibox: userscontext",
                "3: warning: autofallthrough = \"2\": not yes or no; using yes",
            ],
        );
    }
}
