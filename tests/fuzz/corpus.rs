//! What fuzzing begins with: texts of the transcripts, what was found before, and folders to read files from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::targets::Target;

/// Which texts of the transcripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Texts {
    None,
    /// Applications, functions and expressions within each other, as deep as they can come.
    Nested,
    /// What clients send on connections of that name, a conversation each.
    Client(&'static str),
    /// What the server says in AMI, a conversation each.
    Server,
    /// The files of the config folders.
    Config,
    /// Those of them that are dialplans.
    Dialplans,
    /// The edits of UpdateConfig, each with the file that it is done to.
    Updates,
}

/// The corpus of a target: found before, its own seeds, texts of the transcripts.
pub(crate) fn of(target: &Target) -> Vec<Vec<u8>> {
    let found = root().join("tests/fuzz/found").join(target.name);
    let mut all: Vec<_> = files(&found).iter().map(|path| fs::read(path).expect("it can be read")).collect();
    all.extend(target.seeds.iter().map(|seed| seed.to_vec()));
    all.extend(texts(target.texts));
    all
}

/// Lays out what fuzzing begins with as libFuzzer wants it: a file for each text, and beside the folder a dictionary. For the
/// fuzzer's own binary; everybody else has it in memory.
#[cfg(fuzzing)]
pub(crate) fn lay_out(target: &Target, folder: &Path) {
    fs::create_dir_all(folder).expect("the corpus has a folder");
    for (number, text) in of(target).iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:04}")), text).expect("the corpus can be written");
    }
    let hex = |word: &&str| word.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let words: String = target.words.iter().map(|word| format!("\"{}\"\n", hex(word))).collect();
    fs::write(folder.with_extension("dict"), words).expect("the dictionary can be written");
}

fn texts(which: Texts) -> Vec<Vec<u8>> {
    let transcripts = root().join("tests/transcripts");
    let conversations = || {
        let folders = fs::read_dir(&transcripts).expect("there are transcripts");
        let folders =
            folders.map(|entry| entry.expect("an entry").path()).filter(|path| !path.ends_with("configs"));
        let mut all: Vec<_> = folders.flat_map(|folder| files(&folder)).collect();
        all.sort();
        all.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
        all.into_iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).expect("it can be read")).into_owned())
    };
    let lines = |text: &str, mark: &str, ending: &str| {
        let mut out = String::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(mark)) {
            out.push_str(line.strip_prefix(' ').unwrap_or(line));
            out.push_str(ending);
        }
        out.into_bytes()
    };
    let mut all: Vec<Vec<u8>> = match which {
        Texts::None => Vec::new(),
        Texts::Nested => crate::switch::nested(),
        Texts::Client(mark) => conversations().map(|text| lines(&text, mark, "\r\n")).collect(),
        Texts::Server => conversations().map(|text| lines(&text, "a<", "\r\n")).collect(),
        Texts::Updates => {
            conversations().filter_map(|text| update(&text, &lines(&text, "a>", "\n"))).collect()
        }
        Texts::Config | Texts::Dialplans => {
            let is_wanted = |path: &PathBuf| match which {
                Texts::Dialplans => path.ends_with("extensions.conf"),
                _ => path.extension().is_some_and(|ending| ending == "conf"),
            };
            let paths = files(&transcripts.join("configs")).into_iter().filter(is_wanted);
            paths.map(|path| fs::read(path).expect("it can be read")).collect()
        }
    };
    all.retain(|text| !text.is_empty());
    all.sort();
    all.dedup();
    all
}

/// The edits of a conversation behind the file that they are done to.
fn update(text: &str, sent: &[u8]) -> Option<Vec<u8>> {
    let config = text.lines().find_map(|line| line.strip_prefix("@config "))?;
    let sent = String::from_utf8_lossy(sent);
    let packet = sent.split("\n\n").find(|packet| packet.contains("UpdateConfig"))?;
    let name = packet.lines().find_map(|line| line.strip_prefix("SrcFilename: "))?;
    let file = root().join("tests/transcripts/configs").join(config).join(name);
    Some([&*fs::read(file).ok()?, b"\n@edit\n", packet.as_bytes()].concat())
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut all = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|path| path.join("tests/transcripts").is_dir())
        .expect("the sources are there")
}

/// A config folder of a thread's own, removed when the thread ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let thread = format!("{:?}", std::thread::current().id());
        let digits: String = thread.chars().filter(char::is_ascii_digit).collect();
        let path = std::env::temp_dir().join(format!("amibox-fuzz-{}-{digits}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("there is room for a folder");
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes these its only files.
    pub(crate) fn fill(&self, wanted: &[(&str, &[u8])]) {
        for path in files(&self.0) {
            if !wanted.iter().any(|(name, _)| path.ends_with(name)) {
                fs::remove_file(path).expect("it is ours");
            }
        }
        for (name, bytes) in wanted {
            fs::write(self.0.join(name), bytes).expect("there is room for a file");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
