//! What queues.conf and queuerules.conf say.

use crate::ami::class::truth;
use crate::config::Complaint;
use crate::config::complaint::{did_you_mean, quote};
use crate::config::ini::{Category, Document};

use super::super::numbers::whole;
use super::super::settings::{flag, number, section, sections};

/// Both files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) queues: Vec<Config>,
    pub(crate) rules: Vec<Rule>,
    /// `persistentmembers`: dynamic members are kept in AstDB.
    pub(crate) persistent: bool,
}

/// A queue as the file describes it. Times are in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Config {
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

    fn by_name(name: &[u8]) -> Option<Strategy> {
        Strategy::NAMES.iter().find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name)).map(|(_, own)| *own)
    }
}

impl Emptiness {
    /// Reads `yes`, `no`, `strict`, `loose` or a list of what does not count.
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

impl Settings {
    /// What both files say. Lines that make no sense are left out, and complained about.
    pub(crate) fn read(
        document: &Document,
        rules: Option<&Document>,
        complaints: &mut Vec<Complaint>,
    ) -> Settings {
        complain(document, complaints);
        let general = section(document, b"general");
        let autofill = flag(general, "autofill", true);
        let queues = sections(document)
            .filter(|category| !category.name().eq_ignore_ascii_case(b"general"))
            .map(|category| Config::read(category, autofill))
            .collect();
        let rules = rules.map(|document| sections(document).map(read_rule).collect()).unwrap_or_default();
        Settings { queues, rules, persistent: flag(general, "persistentmembers", false) }
    }
}

/// Says which lines of the queues make no sense.
fn complain(document: &Document, complaints: &mut Vec<Complaint>) {
    let queues = sections(document).filter(|category| !category.name().eq_ignore_ascii_case(b"general"));
    for (category, line) in
        queues.flat_map(|category| category.variables().iter().map(move |line| (category, line)))
    {
        let value = line.value();
        let is_number = |value: &[u8]| whole::<u32>(value).is_some();
        let expected = if line.is(b"strategy") && Strategy::by_name(value).is_none() {
            let names = Strategy::NAMES.map(|(name, _)| name);
            format!("one of {} expected{}", names.join(", "), did_you_mean(value, names))
        } else if NUMBERS.iter().any(|name| line.is(name.as_bytes())) && !is_number(value) {
            "a number expected".to_owned()
        } else if line.is(b"member") && member(value).interface.is_empty() {
            "an interface expected, such as PJSIP/alice".to_owned()
        } else {
            continue;
        };
        let (file, number) = document.place(line);
        let (queue, name) = (category.name().escape_ascii(), line.name().escape_ascii());
        let text = format!("[{queue}] {name} = {}: {expected}", quote(value));
        complaints.push(Complaint::warning(file, number, text));
    }
}

impl Config {
    fn read(category: &Category, autofill: bool) -> Config {
        let truth = |name: &str, default: bool| flag(Some(category), name, default);
        let get = |name: &str| category.get(name).unwrap_or_default();
        let members =
            category.variables().iter().filter(|line| line.is(b"member")).map(|line| member(line.value()));
        Config {
            name: category.name().to_vec(),
            strategy: Strategy::by_name(get("strategy")).unwrap_or_default(),
            timeout: number(category, "timeout", 15).into(),
            retry: number(category, "retry", 5).into(),
            wrapup: number(category, "wrapuptime", 0).into(),
            weight: number(category, "weight", 0),
            max_length: number(category, "maxlen", 0),
            service_level: number(category, "servicelevel", 0).into(),
            join_empty: Emptiness::parse(category.get("joinempty").unwrap_or(b"yes"), false),
            leave_when_empty: Emptiness::parse(category.get("leavewhenempty").unwrap_or(b"no"), true),
            ring_in_use: truth("ringinuse", true),
            autofill: truth("autofill", autofill),
            auto_pause: match truth("autopause", false) {
                _ if get("autopause").eq_ignore_ascii_case(b"all") => AutoPause::All,
                true => AutoPause::Here,
                false => AutoPause::No,
            },
            set_interface_var: truth("setinterfacevar", false),
            set_queue_var: truth("setqueuevar", false),
            default_rule: get("defaultrule").to_vec(),
            member_gosub: get("membergosub").to_vec(),
            members: members.filter(|member| !member.interface.is_empty()).collect(),
        }
    }
}

/// `interface[,penalty[,name[,state interface[,ringinuse[,wrapup]]]]]`.
fn member(text: &[u8]) -> StaticMember {
    let mut parts = text.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let mut next = || parts.next().unwrap_or_default();
    let number = |text: &[u8]| whole::<u32>(text);
    StaticMember {
        interface: next().to_vec(),
        penalty: number(next()).unwrap_or(0),
        name: next().to_vec(),
        state_interface: next().to_vec(),
        ring_in_use: truth(next()),
        wrapup: number(next()).map(u64::from),
    }
}

fn read_rule(category: &Category) -> Rule {
    let change = |text: &[u8]| {
        let mut parts = text.split(|&byte| byte == b',');
        let after = whole(parts.next()?)?;
        let highest = parts.next().and_then(Shift::parse).unwrap_or(Shift::By(0));
        let lowest = parts.next().and_then(Shift::parse).unwrap_or(Shift::By(0));
        Some(PenaltyChange { after, highest, lowest })
    };
    let lines = category.variables().iter().filter(|line| line.is(b"penaltychange"));
    let mut changes: Vec<PenaltyChange> = lines.filter_map(|line| change(line.value())).collect();
    changes.sort_by_key(|change| change.after);
    Rule { name: category.name().to_vec(), changes }
}

/// The settings of a queue that are whole numbers.
const NUMBERS: [&str; 6] = ["timeout", "retry", "wrapuptime", "weight", "maxlen", "servicelevel"];
/// Higher penalties than this count as this one.
const MAX_PENALTY: i64 = 1_000_000;
