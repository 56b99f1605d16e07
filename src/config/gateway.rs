//! The servers of a gateway, as amibox.conf names them: every section with `type = upstream`.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::complaint::{Complaint, Level, guess, quote};
use super::ini::{Document, Source, Variable};
use super::listen::Endpoint;
use super::secret::Secret;
use super::settings::{Settings, header, sections};

/// What amibox.conf says of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The servers, in the order of their sections; at least one where the switch is a gateway.
    pub upstreams: Vec<Arc<Upstream>>,
    /// `default`: which of them is asked where an action does not say; its place in `upstreams`. Default: the one named
    /// `default`, else the first.
    pub default: usize,
    /// `servertag`: whether answers and events say which server they are from. Default: where there are several.
    pub servertag: bool,
    /// `actiontimeout`, in seconds: how long a server may take to answer. Default: 30.
    pub actiontimeout: Duration,
    /// `coalesce`, in milliseconds: how old the answer to an identical list action may be. Default: 0, each is asked anew.
    pub coalesce: Duration,
}

/// A server behind the gateway: a section with `type = upstream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The section's name.
    pub name: Vec<u8>,
    /// `address`: where it is, several to be tried in turn; hosts and ports. The port is 5038 by default, over TLS 5039.
    pub addresses: Vec<(String, u16)>,
    /// `username`: whom to log in as.
    pub username: Vec<u8>,
    /// `secret`, or the first line of the file that `secretfile` names.
    pub secret: Secret,
    /// `tls`: whether to speak TLS, and how. Default: no.
    pub tls: Option<UpstreamTls>,
    /// `pool`: how many connections for actions there may be. Default: 8.
    pub pool: usize,
    /// `reconnect`, in seconds, `0.5-30` by default: the first and the longest pause before another try.
    pub reconnect: (Duration, Duration),
    /// `keepalive`, in seconds: after how much silence to ask whether it is still there, and how long the answer may take.
    /// Default: 15.
    pub keepalive: Duration,
}

/// How TLS is spoken to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// `tlscafile`: a PEM file with the certificates that may vouch for the server's; a relative name is below the config
    /// folder. Default: those that the system trusts.
    pub cafile: Option<PathBuf>,
    /// `tlsservername`: the name that the server's certificate is for. Default: the host of its address.
    pub servername: Option<String>,
    /// `tlsfingerprint`: the SHA-256 digest of the one certificate that is taken, whoever vouches for it and whatever name it is
    /// for: Asterisk's own are mostly signed by themselves. Default: none, any certificate that is vouched for.
    pub fingerprint: Option<[u8; 32]>,
}

impl Default for Gateway {
    fn default() -> Gateway {
        Gateway {
            upstreams: Vec::new(),
            default: 0,
            servertag: false,
            actiontimeout: Duration::from_secs(30),
            coalesce: Duration::ZERO,
        }
    }
}

impl Gateway {
    /// Files that the sections name are read through `source`.
    pub(super) fn read(document: &Document, source: &dyn Source, complaints: &mut Vec<Complaint>) -> Gateway {
        let mut gateway = Gateway::default();
        for name in sections(document).into_iter().filter(|name| !is_reserved(name)) {
            gateway.upstreams.extend(Upstream::read(document, name, source, complaints).map(Arc::new));
        }
        gateway.default = gateway.find(b"default").unwrap_or(0);
        gateway.servertag = gateway.upstreams.len() > 1;
        let is_sound = complaints.iter().all(|complaint| complaint.level != Level::Error);
        let mut settings = Settings::of(document, b"general", complaints);
        settings.seconds("actiontimeout", &mut gateway.actiontimeout);
        settings.milliseconds("coalesce", 0, &mut gateway.coalesce);
        settings.truth("servertag", &mut gateway.servertag);
        // A section that could not be used has been complained about: not a second time here.
        if let Some(line) = settings.last("default").filter(|_| is_sound) {
            match gateway.find(line.value()) {
                Some(index) => gateway.default = index,
                None => settings
                    .error(line, format!("default = {}: there is no such server", quote(line.value()))),
            }
        }
        if let Some(line) = settings.last("switch").filter(|_| is_sound && gateway.upstreams.is_empty()) {
            settings.error(line, "switch = gateway: a section with type = upstream is missing");
        }
        gateway
    }

    /// The place of the server of that name, in letters of either case.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.upstreams.iter().position(|upstream| upstream.name.eq_ignore_ascii_case(name))
    }
}

impl Upstream {
    /// `None` for a section that cannot be used, and says why.
    fn read(
        document: &Document,
        name: &[u8],
        source: &dyn Source,
        complaints: &mut Vec<Complaint>,
    ) -> Option<Upstream> {
        let (file, number) = header(document, name);
        let before = complaints.len();
        let mut missing = Vec::new();
        let mut settings = Settings::of(document, name, complaints);
        match settings.last("type") {
            Some(line) if line.value().eq_ignore_ascii_case(b"upstream") => {}
            Some(line) => {
                settings.error(line, format!("type = {}: upstream expected", quote(line.value())));
                return None;
            }
            None => missing.push(TYPE),
        }
        let mut encrypted = false;
        settings.truth("tls", &mut encrypted);
        let cafile = settings.path("tlscafile");
        let servername =
            settings.last("tlsservername").map(|line| String::from_utf8_lossy(line.value()).into_owned());
        let fingerprint = settings.last("tlsfingerprint").and_then(|line| {
            let read = fingerprint(line.value());
            if read.is_none() {
                let text = "tlsfingerprint: 64 hexadecimal digits expected, as openssl x509 -fingerprint -sha256 prints them";
                settings.error(line, text);
            }
            read
        });
        let addresses = read_addresses(&mut settings, if encrypted { TLS_PORT } else { PORT });
        if addresses.as_ref().is_some_and(Vec::is_empty) {
            missing.push("address = HOST");
        }
        let username = settings.bytes("username").filter(|name| !name.is_empty());
        if username.is_none() {
            missing.push("username = USER");
        }
        let secret = read_secret(&mut settings, source);
        if matches!(secret, Ok(None)) {
            missing.push("secret = SECRET");
        }
        let mut pool = 8;
        settings.number("pool", 1..=MAX_POOL, &mut pool);
        let mut reconnect = (Duration::from_millis(500), Duration::from_secs(30));
        if let Some(line) = settings.last("reconnect") {
            match range(line.value()) {
                Some(range) => reconnect = (*range.start(), *range.end()),
                None => {
                    let value = quote(line.value());
                    settings.warn(
                        line,
                        format!("reconnect = {value}: seconds expected, such as 0.5-30, which stays"),
                    );
                }
            }
        }
        let mut keepalive = Duration::from_secs(15);
        settings.seconds("keepalive", &mut keepalive);
        settings.finish();
        for what in missing {
            // A section without its type is more likely another one, misspelt.
            let hint = if what == TYPE { meant_section(name) } else { String::new() };
            complaints.push(Complaint::error(
                file,
                number,
                format!("server {}: {what} is missing{hint}", quote(name)),
            ));
        }
        if complaints[before..].iter().any(|complaint| complaint.level == Level::Error) {
            return None;
        }
        Some(Upstream {
            name: name.to_vec(),
            addresses: addresses?,
            username: username?,
            secret: secret.ok().flatten()?,
            tls: encrypted.then_some(UpstreamTls { cafile, servername, fingerprint }),
            pool,
            reconnect,
            keepalive,
        })
    }
}

/// Whether a section of amibox.conf is no server's.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    RESERVED.contains(&&*name.to_ascii_lowercase())
}

/// `; did you mean [section]?` for a section of amibox.conf that is misspelt.
pub(super) fn meant_section(name: &[u8]) -> String {
    guess(name, ["general", "test"]).map(|name| format!("; did you mean [{name}]?")).unwrap_or_default()
}

/// What is wrong with a server's section where there is no gateway, so that nothing of it counts: its warnings.
pub(super) fn review(document: &Document, name: &[u8], source: &dyn Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    Upstream::read(document, name, source, &mut complaints);
    complaints.retain(|complaint| complaint.level == Level::Warning);
    complaints
}

/// The addresses of all lines; `None` where one cannot be read, which has been said.
fn read_addresses(settings: &mut Settings, port: u16) -> Option<Vec<(String, u16)>> {
    let mut addresses = Some(Vec::new());
    for line in settings.all(&["address"]) {
        for text in line.value().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|text| !text.is_empty())
        {
            match Endpoint::parse(text) {
                Some(Endpoint { host, port: own }) => {
                    addresses
                        .as_mut()
                        .into_iter()
                        .for_each(|all| all.push((host.clone(), own.unwrap_or(port))));
                }
                None => {
                    settings.error(line, format!("address = {}: HOST or HOST:PORT expected", quote(text)));
                    addresses = None;
                }
            }
        }
    }
    addresses
}

/// The secret; none where no line says it. One that cannot be had has been told of.
fn read_secret(settings: &mut Settings, source: &dyn Source) -> Result<Option<Secret>, ()> {
    let (line, file) = (settings.last("secret"), settings.last("secretfile"));
    let clear = |settings: &mut Settings, line: &Variable, text: &[u8]| match Secret::parse(text) {
        Some(secret) if secret.clear().is_some_and(|secret| !secret.is_empty()) => Ok(Some(secret)),
        _ => {
            settings.error(line, "the secret itself is needed here, neither nothing nor a digest of it");
            Err(())
        }
    };
    match (line, file) {
        (Some(_), Some(file)) => {
            settings.error(file, "there is a secret already: either secret or secretfile");
            Err(())
        }
        (Some(line), None) => clear(settings, line, line.value()),
        (None, Some(file)) => match read_file(source, file.value()) {
            Ok(text) => clear(settings, file, &text),
            Err(error) => {
                settings
                    .error(file, format!("secretfile = {}: cannot be read: {error}", quote(file.value())));
                Err(())
            }
        },
        (None, None) => Ok(None),
    }
}

/// The first line of a file, a relative name being below the config folder.
fn read_file(source: &dyn Source, name: &[u8]) -> io::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(name);
    let bytes = source.read(&source.root().join(name), MAX_SECRET_FILE)?;
    Ok(bytes.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii().to_vec())
}

/// A SHA-256 digest in hexadecimal, with or without colons between its bytes.
fn fingerprint(text: &[u8]) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.iter().copied().filter(|b| *b != b':').collect();
    let digit = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}

/// `0.5-30`: two times in seconds, or one that stands for both.
fn range(text: &[u8]) -> Option<RangeInclusive<Duration>> {
    let text = std::str::from_utf8(text).ok()?;
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let seconds = |text: &str| {
        let seconds: f64 = text.trim().parse().ok()?;
        (seconds.is_finite() && (MIN_PAUSE..=MAX_PAUSE).contains(&seconds))
            .then(|| Duration::from_secs_f64(seconds))
    };
    let (least, most) = (seconds(least)?, seconds(most)?);
    (least <= most).then_some(least..=most)
}

/// What makes a section a server's.
const TYPE: &str = "type = upstream";
/// The settings of `[general]` that only a gateway has.
pub(super) const SETTINGS: &[&str] = &["default", "servertag", "actiontimeout", "coalesce"];
/// The sections of amibox.conf that are no server's.
const RESERVED: &[&[u8]] = &[b"general", b"test"];
/// The ports of AMI, plain and over TLS.
const PORT: u16 = 5038;
const TLS_PORT: u16 = 5039;
/// Asterisk has a thread for each of them; more than this is a mistake.
const MAX_POOL: usize = 256;
/// In seconds: less would be an attack on the server that is down, more would look like having given up.
const MIN_PAUSE: f64 = 0.05;
const MAX_PAUSE: f64 = 3600.0;
/// A secret is shorter.
const MAX_SECRET_FILE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let digits = "0aFF".repeat(16);
        let colons = ["0A", "ff"].repeat(16).join(":");
        for text in [&digits, &colons] {
            assert_eq!(
                fingerprint(text.as_bytes()).map(|bytes| (bytes[0], bytes[31])),
                Some((10, 255)),
                "{text}"
            );
        }
        for wrong in ["", "0", &digits[1..], &digits.replace('F', "g"), &format!("{digits}00")] {
            assert_eq!(fingerprint(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn pauses() {
        let check = |text: &str, expect: Option<(f64, f64)>| {
            let expect =
                expect.map(|(least, most)| Duration::from_secs_f64(least)..=Duration::from_secs_f64(most));
            assert_eq!(range(text.as_bytes()), expect, "{text}");
        };
        check("0.5-30", Some((0.5, 30.0)));
        check("1 - 2", Some((1.0, 2.0)));
        check("5", Some((5.0, 5.0)));
        for wrong in ["", "x", "2-1", "0", "-1", "1-", "NaN", "inf", "1-1e9"] {
            check(wrong, None);
        }
    }
}
