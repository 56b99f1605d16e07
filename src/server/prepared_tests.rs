//! What was validated is what is used: each file of the config folder is read once for a start, and once for a reload.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::reading::read_from;
use super::*;
use crate::ami::Message;
use crate::ami::filter::Filters;
use crate::config::ini::Source;
use crate::config::ini::memory::Memory;
use crate::config::manager::User;
use crate::session::{Login, Transport};

/// Files that are others whenever they are read again: `%` stands for how often each was read before.
struct Changing {
    files: Memory,
    reads: RefCell<BTreeMap<PathBuf, usize>>,
}

impl Changing {
    fn new(files: &[(&str, &str)]) -> Changing {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        Changing { files: Memory::new(&files), reads: RefCell::default() }
    }

    /// Every file that was read, and how often.
    fn reads(&self) -> Vec<(String, usize)> {
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.reads.borrow().iter().map(|(path, reads)| (name(path), *reads)).collect()
    }
}

impl Source for Changing {
    fn root(&self) -> &Path {
        self.files.root()
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        let text = String::from_utf8(self.files.read(path, most)?).expect("the test's files are text");
        let mut reads = self.reads.borrow_mut();
        let reads = reads.entry(path.to_owned()).or_default();
        *reads += 1;
        Ok(text.replace('%', &(*reads - 1).to_string()).into_bytes())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.files.list(folder)
    }
}

/// One of each file that is read, with a value that tells which reading it came from.
const FILES: &[(&str, &str)] = &[
    (
        "manager.conf",
        "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nchannelvars = V%\n[u%]\nsecret = x%y\n",
    ),
    ("acl.conf", "[list]\ndeny = 0.0.0.0/0\n"),
    ("http.conf", "[general]\nenabled = no\n"),
    ("asterisk.conf", "[options]\nsystemname = s%\n"),
    ("amibox.conf", "[general]\n"),
    ("voicemail.conf", "[default]\n10% = 1,Somebody\n"),
    ("features.conf", "[featuremap]\nblindxfer = #%\n"),
    ("cdr.conf", "[general]\nenable = yes\n"),
    ("cdr_manager.conf", "[general]\nenabled = no\n"),
    ("cel.conf", "[general]\nenable = no\n"),
    ("res_parking.conf", "[default]\nparkpos = 70%-750\n"),
    ("queues.conf", "[q%]\nstrategy = ringall\n"),
    ("queuerules.conf", "[r%]\npenaltychange = 1,1\n"),
    ("agents.conf", "[a%]\n"),
    ("confbridge.conf", "[u%]\ntype = user\n"),
    ("devices.conf", "[PJSIP/d%]\n"),
    ("extensions.conf", "[c]\nexten => 1,1,NoOp(reading %)\n#include more.conf\n"),
    ("more.conf", "exten => 2,1,NoOp(reading %)\n"),
];

/// The names of the files, each with how often it is to have been read.
fn each_read(times: usize) -> Vec<(String, usize)> {
    let mut names: Vec<_> = FILES.iter().map(|(name, _)| ((*name).to_owned(), times)).collect();
    names.sort();
    names
}

/// Runs an action as somebody who may do everything.
fn ask(core: &Core, lines: &str) -> String {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 5038));
    let now = clock::now();
    let since = core.switch.time(now);
    let session = core.sessions.add(|id| Session::new(id, Transport::Tcp, here, here, since, None));
    let login = Login { read: Classes::ALL, write: Classes::ALL, user: Arc::new(User::default()) };
    let admitted = core.sessions.admit(&session, login, Classes::ALL, Filters::default(), &core.bus);
    admitted.expect("this user may log in as often as it likes");
    let mut message = Message::new();
    lines.lines().for_each(|line| message.push_line(line.as_bytes()));
    let mut out = Vec::new();
    core.run(&session, &message, now, &mut out);
    String::from_utf8(out).expect("what the test asks for is text")
}

#[test]
fn each_file_is_read_once_and_that_reading_is_used() {
    let source = Changing::new(FILES);
    let dir = Path::new("/etc/x");
    let loaded = read_from(dir, &source);
    assert!(loaded.complaints.is_empty(), "{:?}", loaded.complaints);
    assert_eq!(source.reads(), each_read(1));
    let config = loaded.config.expect("nothing is wrong with it");
    let Some(Plan::Embedded(plan)) = loaded.plan else { panic!("the switch is the embedded one") };
    assert!(config.manager.user(b"u0").is_some());
    let bus = Bus::new().expect("a descriptor can be had");
    let switch = Embedded::new(*plan, Store::in_memory(), bus.clone(), 7, clock::now());
    let core = Core::new(Arc::new(config), bus, Modules::default(), Box::new(switch), clock::now(), || 7);
    let shows = |reading: &str, reread: &str| {
        for exten in ["1", "2"] {
            let plan = ask(&core, &format!("Action: ShowDialPlan\nContext: c\nExtension: {exten}"));
            assert!(plan.contains(reading) && !plan.contains(reread), "{plan}");
        }
    };
    shows("reading 0", "reading 1");
    assert_eq!(source.reads(), each_read(1));

    // A reload: what was prepared is taken, though the files are others by then.
    let config::Loaded { config, .. } = config::read(dir, &source);
    let config = config.expect("nothing is wrong with it");
    let (prepared, complaints) = core.switch.prepare(&config, &source);
    assert!(complaints.is_empty(), "{complaints:?}");
    assert_eq!(source.reads(), each_read(2));
    shows("reading 0", "reading 1");
    assert!(ask(&core, "Action: QueueStatus").contains("Queue: q0"));
    core.set_config(Arc::new(config), prepared, clock::now());
    shows("reading 1", "reading 2");
    assert!(ask(&core, "Action: QueueStatus").contains("Queue: q1"));
    assert!(core.config().manager.user(b"u1").is_some());
    assert_eq!(source.reads(), each_read(2));
}
