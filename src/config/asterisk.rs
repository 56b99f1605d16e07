//! asterisk.conf, as far as it means something here: its folders and the rest are known and not used.

use super::complaint::Complaint;
use super::ini::Document;
use super::settings::{Settings, Unused};

/// What `[options]` of asterisk.conf says.
#[derive(Clone, Debug, Default)]
pub struct Asterisk {
    /// `systemname`: this system's name among others. Default: none.
    pub systemname: Option<Vec<u8>>,
    /// `maxcalls`: how many calls there may be at once. Default: as many as fit.
    pub maxcalls: Option<u32>,
    /// `maxload`: above which load average no new call is taken. Default: none.
    pub maxload: Option<f64>,
    /// `live_dangerously`: whether clients may use the functions that touch the server's own data. Default: no.
    pub live_dangerously: bool,
}

impl Asterisk {
    pub(super) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Asterisk {
        let mut asterisk = Asterisk::default();
        // What every asterisk.conf holds is not worth a line: its folders and options are Asterisk's own.
        Unused::default().sections(document, &["options"], SECTIONS, complaints);
        let mut settings = Settings::of(document, b"options", complaints);
        asterisk.systemname = settings.bytes("systemname").filter(|name| !name.is_empty());
        let mut maxcalls = 0;
        settings.number("maxcalls", 0..=u32::MAX, &mut maxcalls);
        asterisk.maxcalls = (maxcalls > 0).then_some(maxcalls);
        if let Some(line) = settings.last("maxload") {
            let load = std::str::from_utf8(line.value()).ok().and_then(|text| text.parse::<f64>().ok());
            match load.filter(|load| load.is_finite() && *load >= 0.0) {
                Some(load) => asterisk.maxload = (load > 0.0).then_some(load),
                None => settings.keep(line, "a number such as 3.5", "no limit"),
            }
        }
        settings.truth("live_dangerously", &mut asterisk.live_dangerously);
        settings.ignored(OPTIONS);
        settings.finish();
        asterisk
    }
}

/// The sections of Asterisk's own.
const SECTIONS: &[&str] = &["compat", "directories", "files", "logfiles"];
/// Keys of `[options]` that Asterisk has or had, and that concern its own process.
const OPTIONS: &[&str] = &[
    "alwaysfork",
    "autosystemname",
    "cache_media_frames",
    "cache_record_files",
    "channel_storage_backend",
    "console",
    "debug",
    "defaultlanguage",
    "disable_remote_console_shell",
    "documentation_language",
    "dontwarn",
    "dumpcore",
    "entityid",
    "execincludes",
    "forceblackbackground",
    "hide_messaging_ami_events",
    "hideconnect",
    "highpriority",
    "initcrypto",
    "internal_timing",
    "languageprefix",
    "lightbackground",
    "lockconfdir",
    "lockmode",
    "maxfiles",
    "mindtmfduration",
    "minmemfree",
    "nocolor",
    "nofork",
    "phreedom",
    "quiet",
    "record_cache_dir",
    "rtp_pt_dynamic",
    "rtp_use_dynamic",
    "rungroup",
    "runuser",
    "sounds_search_custom_dir",
    "stdexten",
    "timestamp",
    "transcode_via_sln",
    "transmit_silence",
    "transmit_silence_during_record",
    "trace",
    "verbose",
];
