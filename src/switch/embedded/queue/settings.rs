//! What queues.conf and queuerules.conf say.

use crate::ami::class::truth;
use crate::config::Complaint;
use crate::config::complaint::{did_you_mean, quote};
use crate::config::ini::{Category, Document, Variable};
use crate::config::settings::{Settings, Unused};

use super::super::numbers::whole;

/// Both files.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueuesConfig {
    pub(crate) queues: Vec<QueueConfig>,
    pub(crate) rules: Vec<Rule>,
    /// `persistentmembers`: dynamic members are kept in AstDB.
    pub(crate) persistent: bool,
}

/// A queue as the file describes it. Times are in seconds.
#[derive(Clone, Debug)]
pub(crate) struct QueueConfig {
    pub(crate) name: Vec<u8>,
    pub(crate) strategy: Strategy,
    /// How long a member is called.
    pub(crate) timeout: u64,
    /// How long to wait before members are called again.
    pub(crate) retry: u64,
    pub(crate) wrapup: u64,
    pub(crate) weight: u32,
    pub(crate) max_length: u32,
    pub(crate) service_level: u64,
    pub(crate) join_empty: Emptiness,
    pub(crate) leave_when_empty: Emptiness,
    pub(crate) ring_in_use: bool,
    pub(crate) autofill: bool,
    pub(crate) auto_pause: AutoPause,
    pub(crate) set_interface_var: bool,
    pub(crate) set_queue_var: bool,
    pub(crate) default_rule: Vec<u8>,
    /// `membergosub`: the subroutine that a member who has answered runs first.
    pub(crate) member_gosub: Vec<u8>,
    pub(crate) members: Vec<StaticMember>,
}

/// A line `member =>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StaticMember {
    pub(crate) interface: Vec<u8>,
    pub(crate) penalty: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) state_interface: Vec<u8>,
    pub(crate) ring_in_use: Option<bool>,
    pub(crate) wrapup: Option<u64>,
}

/// Whether a member that does not answer is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoPause {
    No,
    /// In the queue that called it.
    Here,
    /// In every queue.
    All,
}

/// Which member is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strategy {
    #[default]
    RingAll,
    LeastRecent,
    FewestCalls,
    Random,
    RrMemory,
    RrOrdered,
    Linear,
    WRandom,
}

/// Which members do not count when a queue is looked at for being empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Emptiness {
    /// Whether it is looked at all.
    pub(crate) counts: bool,
    pub(crate) paused: bool,
    pub(crate) in_use: bool,
    pub(crate) ringing: bool,
    pub(crate) unavailable: bool,
    pub(crate) invalid: bool,
    pub(crate) unknown: bool,
    pub(crate) wrapup: bool,
}

/// A section of queuerules.conf: how penalties change while a caller waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: Vec<u8>,
    pub(crate) changes: Vec<PenaltyChange>,
}

/// After so many seconds, what becomes of the highest and the lowest penalty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PenaltyChange {
    pub(crate) after: u64,
    pub(crate) highest: Shift,
    pub(crate) lowest: Shift,
}

/// A number that replaces another, or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    To(i64),
    By(i64),
}

impl Strategy {
    const NAMES: [(&'static str, Strategy); 8] = [
        ("ringall", Strategy::RingAll),
        ("leastrecent", Strategy::LeastRecent),
        ("fewestcalls", Strategy::FewestCalls),
        ("random", Strategy::Random),
        ("rrmemory", Strategy::RrMemory),
        ("rrordered", Strategy::RrOrdered),
        ("linear", Strategy::Linear),
        ("wrandom", Strategy::WRandom),
    ];

    pub(crate) fn name(self) -> &'static str {
        Strategy::NAMES.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }
}

impl Emptiness {
    /// Reads `yes`, `no`, `strict`, `loose` or a list of what does not count, in which other words mean nothing.
    fn read(settings: &mut Settings, key: &'static str, when: bool) -> Emptiness {
        let Some(line) = settings.last(key) else { return Emptiness::default() };
        let is_known =
            |word: &[u8]| EMPTINESS.iter().any(|own| word.trim_ascii().eq_ignore_ascii_case(own.as_bytes()));
        if truth(line.value()).is_none() {
            for word in line.value().split(|&byte| byte == b',').filter(|word| !is_known(word)) {
                let hint = did_you_mean(word, EMPTINESS.iter().copied());
                settings.warn(line, format!("{key}: {} means nothing here, ignored{hint}", quote(word)));
            }
        }
        Emptiness::parse(line.value(), when)
    }

    fn parse(text: &[u8], when: bool) -> Emptiness {
        let looked = Emptiness { counts: true, invalid: true, ..Emptiness::default() };
        match text.to_ascii_lowercase().as_slice() {
            b"strict" => Emptiness { paused: true, unavailable: true, ..looked },
            b"loose" => Emptiness { unavailable: true, ..looked },
            text => match truth(text) {
                // `joinempty = yes` is what `leavewhenempty = no` is: nobody looks.
                Some(value) if value == when => looked,
                Some(_) => Emptiness::default(),
                None => {
                    let has =
                        |word: &[u8]| text.split(|&byte| byte == b',').any(|own| own.trim_ascii() == word);
                    Emptiness {
                        counts: true,
                        paused: has(b"paused"),
                        in_use: has(b"inuse"),
                        ringing: has(b"ringing"),
                        unavailable: has(b"unavailable"),
                        invalid: has(b"invalid"),
                        unknown: has(b"unknown"),
                        wrapup: has(b"wrapup"),
                    }
                }
            },
        }
    }
}

impl std::fmt::Display for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shift::To(number) => write!(f, "{number}"),
            Shift::By(number) => write!(f, "{number:+}"),
        }
    }
}

impl Shift {
    fn parse(text: &[u8]) -> Option<Shift> {
        let text = std::str::from_utf8(text.trim_ascii()).ok()?;
        let number = text.parse::<i64>().ok().filter(|number| number.abs() <= MAX_PENALTY)?;
        Some(if text.starts_with(['+', '-']) { Shift::By(number) } else { Shift::To(number) })
    }

    /// The number that comes of another.
    pub(crate) fn apply(self, old: i64) -> i64 {
        match self {
            Shift::To(number) => number,
            Shift::By(number) => (old + number).clamp(0, MAX_PENALTY),
        }
    }
}

impl QueuesConfig {
    /// What both files say. Lines that make no sense are ignored, with a diagnostic.
    pub(crate) fn read(
        document: &Document,
        rules: Option<&Document>,
        complaints: &mut Vec<Complaint>,
    ) -> QueuesConfig {
        let (mut config, mut unused) = (QueuesConfig::default(), Unused::default());
        let mut autofill = true;
        let mut settings = Settings::of(document, b"general", complaints);
        settings.truth("persistentmembers", &mut config.persistent);
        settings.truth("autofill", &mut autofill);
        settings.unused(UNUSED, &mut unused);
        settings.finish();
        for section in document.sections().filter(|section| !is_general(section)) {
            let settings = Settings::section(document, section, complaints);
            config.queues.push(QueueConfig::read(section.name(), settings, autofill, &mut unused));
        }
        unused.report(document, complaints);
        config.rules = rules.map(|document| Rule::read_all(document, complaints)).unwrap_or_default();
        config
    }
}

fn is_general(section: &Category) -> bool {
    section.name().eq_ignore_ascii_case(b"general")
}

impl QueueConfig {
    fn new(name: &[u8]) -> QueueConfig {
        QueueConfig {
            name: name.to_vec(),
            strategy: Strategy::RingAll,
            timeout: 15,
            retry: 5,
            wrapup: 0,
            weight: 0,
            max_length: 0,
            service_level: 0,
            join_empty: Emptiness::default(),
            leave_when_empty: Emptiness::default(),
            ring_in_use: true,
            autofill: true,
            auto_pause: AutoPause::No,
            set_interface_var: false,
            set_queue_var: false,
            default_rule: Vec::new(),
            member_gosub: Vec::new(),
            members: Vec::new(),
        }
    }

    fn read(name: &[u8], mut settings: Settings, autofill: bool, unused: &mut Unused) -> QueueConfig {
        let mut queue = QueueConfig { autofill, ..QueueConfig::new(name) };
        settings.choice("strategy", &Strategy::NAMES, &mut queue.strategy);
        settings.number("timeout", 0..=MAX_SECONDS, &mut queue.timeout);
        settings.number("retry", 0..=MAX_SECONDS, &mut queue.retry);
        settings.number("wrapuptime", 0..=MAX_SECONDS, &mut queue.wrapup);
        settings.number("weight", 0..=u32::MAX, &mut queue.weight);
        settings.number("maxlen", 0..=u32::MAX, &mut queue.max_length);
        settings.number("servicelevel", 0..=MAX_SECONDS, &mut queue.service_level);
        queue.join_empty = Emptiness::read(&mut settings, "joinempty", false);
        queue.leave_when_empty = Emptiness::read(&mut settings, "leavewhenempty", true);
        settings.truth("ringinuse", &mut queue.ring_in_use);
        settings.truth("autofill", &mut queue.autofill);
        if let Some(line) = settings.last("autopause") {
            match truth(line.value()) {
                _ if line.value().eq_ignore_ascii_case(b"all") => queue.auto_pause = AutoPause::All,
                Some(true) => queue.auto_pause = AutoPause::Here,
                Some(false) => {}
                None => settings.keep(line, "yes, no or all", "no"),
            }
        }
        settings.truth("setinterfacevar", &mut queue.set_interface_var);
        settings.truth("setqueuevar", &mut queue.set_queue_var);
        queue.default_rule = settings.bytes("defaultrule").unwrap_or_default();
        queue.member_gosub = settings.bytes("membergosub").unwrap_or_default();
        for line in settings.all(&["member"]) {
            queue.members.extend(member(line, &mut settings));
        }
        settings.unused(UNUSED, unused);
        settings.with_prefix("queue-", unused);
        settings.finish();
        queue
    }
}

/// `interface[,penalty[,name[,state interface[,ringinuse[,wrapup]]]]]`; `None` without an interface.
fn member(line: &Variable, settings: &mut Settings) -> Option<StaticMember> {
    let parts: Vec<&[u8]> = line.value().split(|&byte| byte == b',').map(<[u8]>::trim_ascii).collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    if part(0).is_empty() {
        settings.warn(line, "member: no interface such as PJSIP/alice, ignored");
        return None;
    }
    let mut wrong = |what: &str, expected: &str| {
        settings.warn(line, format!("member {}: the {what} is not {expected}, ignored", quote(part(0))));
    };
    let mut number = |at: usize, what: &str| -> Option<u32> {
        let number = whole(part(at));
        if number.is_none() && !part(at).is_empty() {
            wrong(what, "a number");
        }
        number
    };
    let (penalty, wrapup) = (number(1, "penalty").unwrap_or(0), number(5, "wrapuptime").map(u64::from));
    let ring_in_use = truth(part(4));
    if ring_in_use.is_none() && !part(4).is_empty() {
        wrong("ringinuse", "yes or no");
    }
    Some(StaticMember {
        interface: part(0).to_vec(),
        penalty,
        name: part(2).to_vec(),
        state_interface: part(3).to_vec(),
        ring_in_use,
        wrapup,
    })
}

impl Rule {
    /// Reads queuerules.conf.
    fn read_all(document: &Document, complaints: &mut Vec<Complaint>) -> Vec<Rule> {
        let (mut rules, mut unused) = (Vec::new(), Unused::default());
        for section in document.sections() {
            let mut settings = Settings::section(document, section, complaints);
            if is_general(section) {
                settings.unused(&["realtime_rules"], &mut unused);
                settings.finish();
                continue;
            }
            let mut rule = Rule { name: section.name().to_vec(), changes: Vec::new() };
            for line in settings.all(&["penaltychange"]) {
                match PenaltyChange::parse(line.value()) {
                    Some(change) => rule.changes.push(change),
                    None => {
                        let value = quote(line.value());
                        let text = format!("penaltychange = {value}: not SECONDS,HIGHEST[,LOWEST], ignored");
                        settings.warn(line, text);
                    }
                }
            }
            settings.finish();
            rule.changes.sort_by_key(|change| change.after);
            rules.push(rule);
        }
        unused.report(document, complaints);
        rules
    }
}

impl PenaltyChange {
    /// `seconds[,highest[,lowest]]`; what is empty stays as it is.
    fn parse(text: &[u8]) -> Option<PenaltyChange> {
        let mut parts = text.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let after = whole(parts.next()?)?;
        let mut shift = || match parts.next() {
            None | Some(b"") => Some(Shift::By(0)),
            Some(text) => Shift::parse(text),
        };
        Some(PenaltyChange { after, highest: shift()?, lowest: shift()? })
    }
}

/// The words of `joinempty` and `leavewhenempty`.
const EMPTINESS: &[&str] = &[
    "strict",
    "loose",
    "paused",
    "penalty",
    "inuse",
    "ringing",
    "unavailable",
    "invalid",
    "unknown",
    "wrapup",
];
/// The longest time, in seconds: some three years, far from any overflow.
const MAX_SECONDS: u64 = 100_000_000;
/// Higher penalties than this count as this one.
const MAX_PENALTY: i64 = 1_000_000;
/// Keys of `[general]` or of a queue that Asterisk has or had: what callers hear, above all, and who may leave by a digit.
const UNUSED: &[&str] = &[
    "announce",
    "announce-frequency",
    "announce-holdtime",
    "announce-position",
    "announce-position-limit",
    "announce-position-only-up",
    "announce-round-seconds",
    "announce-to-first-user",
    "autopausebusy",
    "autopausedelay",
    "autopauseunavail",
    "context",
    "eventmemberstatus",
    "eventwhencalled",
    "force_longest_waiting_caller",
    "keepstats",
    "log-restricted-caller-id",
    "log_membername_as_agent",
    "memberdelay",
    "membermacro",
    "min-announce-frequency",
    "monitor-format",
    "monitor-type",
    "music",
    "musicclass",
    "musiconhold",
    "negative_penalty_invalid",
    "penaltymemberslimit",
    "periodic-announce",
    "periodic-announce-frequency",
    "periodic-announce-startdelay",
    "random-periodic-announce",
    "relative-periodic-announce",
    "reportholdtime",
    "setqueueentryvar",
    "shared_lastcall",
    "timeoutpriority",
    "timeoutrestart",
    "updatecdr",
];
