//! asterisk.conf, as far as it means something here: its folders and the rest are passed over without a word.

use super::complaint::{Complaint, quote};
use super::ini::Document;
use super::settings::Settings;

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
        let mut settings = Settings::of(document, b"options", complaints);
        asterisk.systemname = settings.bytes("systemname").filter(|name| !name.is_empty());
        let mut maxcalls = 0;
        settings.number("maxcalls", 0..=u32::MAX, &mut maxcalls);
        asterisk.maxcalls = (maxcalls > 0).then_some(maxcalls);
        if let Some(line) = settings.last("maxload") {
            let load = std::str::from_utf8(line.value()).ok().and_then(|text| text.parse::<f64>().ok());
            match load.filter(|load| load.is_finite() && *load >= 0.0) {
                Some(load) => asterisk.maxload = (load > 0.0).then_some(load),
                None => {
                    let value = quote(line.value());
                    settings.warn(
                        line,
                        format!("maxload = {value}: a number expected, such as 3.5; there is no limit"),
                    );
                }
            }
        }
        settings.truth("live_dangerously", &mut asterisk.live_dangerously);
        asterisk
    }
}
