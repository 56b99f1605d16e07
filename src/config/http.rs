//! http.conf: the web server.

use std::path::PathBuf;
use std::time::Duration;

use super::acl::{Acl, Rules};
use super::complaint::{Complaint, quote};
use super::ini::{Document, Variable};
use super::listen::{Endpoint, Tls};
use super::settings::{Settings, header, sections};

/// What http.conf says.
#[derive(Clone, Debug)]
pub struct Http {
    /// `enabled`: whether to listen without TLS. Default: no.
    pub enabled: bool,
    /// `bindaddr`: an address without brackets, or a host name. It has no default: without it there is no web server.
    pub bindaddr: String,
    /// `bindport`, or the port in `bindaddr`. Default: 8088.
    pub port: u16,
    /// `tlsenable` and its kin; port 8089 by default. It does not need `enabled`.
    pub tls: Tls,
    /// `prefix`: the folder that every page is below, with a slash before it and none behind. Default: empty.
    pub prefix: Vec<u8>,
    /// `servername`: how the server names itself; empty for not at all. Default: its own choice.
    pub servername: Option<Vec<u8>>,
    /// `sessionlimit`: how many connections there may be at once. Default: 100.
    pub sessionlimit: usize,
    /// `session_inactivity`, in milliseconds: how long a connection may take for its next bytes. Default: 30000.
    pub session_inactivity: Duration,
    /// `session_keep_alive`, in milliseconds: how long a connection is kept for the next request; 0 closes it at once.
    /// Default: 15000.
    pub session_keep_alive: Duration,
    /// `alloworigin`, ours: the origins of other sites whose pages may use this server, as browsers write them and in lower
    /// case. Default: none.
    pub alloworigin: Vec<Vec<u8>>,
    /// `allowedhosts`, ours: the names that requests may ask for as `Host`, in lower case. Default, `None`: any, but that
    /// a browser that asks on loopback names this machine.
    pub allowedhosts: Option<Vec<Vec<u8>>>,
    /// `redirect`: from which path to which address, in order. Default: none.
    pub redirects: Vec<(Vec<u8>, Vec<u8>)>,
    /// `enable_static`, `enablestatic`: whether the static folder is served. Default: no.
    pub enable_static: bool,
    /// `staticdir`, ours: the static folder, a relative name below the config folder. Default: static-http.
    pub staticdir: PathBuf,
    /// `enable_status`: whether there is a status page. Default: no.
    pub enable_status: bool,
    /// `[/path]` with `type = restriction`: who may ask for what begins with that path. Default: everybody.
    pub restrictions: Vec<(Vec<u8>, Acl)>,
    /// `[post_mappings]`: which path takes uploads, into which folder. Default: none.
    pub post_mappings: Vec<(Vec<u8>, PathBuf)>,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            enabled: false,
            bindaddr: String::new(),
            port: 8088,
            tls: Tls { port: TLS_PORT, ..Tls::default() },
            prefix: Vec::new(),
            servername: None,
            sessionlimit: 100,
            session_inactivity: Duration::from_millis(30_000),
            session_keep_alive: Duration::from_millis(15_000),
            alloworigin: Vec::new(),
            allowedhosts: None,
            redirects: Vec::new(),
            enable_static: false,
            staticdir: "static-http".into(),
            enable_status: false,
            restrictions: Vec::new(),
            post_mappings: Vec::new(),
        }
    }
}

impl Http {
    pub(super) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Http {
        let mut http = Http::default();
        http.general(Settings::of(document, GENERAL, complaints));
        for name in sections(document) {
            if name.eq_ignore_ascii_case(POST_MAPPINGS) {
                http.uploads(document, name);
            } else if !name.eq_ignore_ascii_case(GENERAL) {
                http.restriction(document, name, complaints);
            }
        }
        if http.bindaddr.is_empty() && (http.enabled || http.tls.enabled && http.tls.bindaddr.is_empty()) {
            let (file, line) = header(document, GENERAL);
            let text = "bindaddr is missing, and has no default: there is no web server without it";
            complaints.push(Complaint::warning(file, line, text));
            http.enabled = false;
            http.tls.enabled &= !http.tls.bindaddr.is_empty();
        }
        http
    }

    fn general(&mut self, mut settings: Settings) {
        settings.truth("enabled", &mut self.enabled);
        settings.port("bindport", &mut self.port);
        if let Some(endpoint) = Endpoint::read(&mut settings, "bindaddr") {
            self.bindaddr = endpoint.host;
            self.port = endpoint.port.unwrap_or(self.port);
        }
        self.tls = Tls::read(&mut settings, &self.bindaddr, TLS_PORT);
        if let Some(prefix) = settings.bytes("prefix") {
            let trimmed: Vec<&[u8]> = prefix.split(|&b| b == b'/').filter(|part| !part.is_empty()).collect();
            self.prefix = trimmed.iter().flat_map(|part| [b"/", *part].concat()).collect();
        }
        self.servername = settings.bytes("servername");
        settings.number("sessionlimit", 1..=MAX_SESSIONS, &mut self.sessionlimit);
        settings.milliseconds("session_inactivity", 1, &mut self.session_inactivity);
        settings.milliseconds("session_keep_alive", 0, &mut self.session_keep_alive);
        for (line, value) in each(&mut settings, "alloworigin") {
            match origin(&value) {
                Some(origin) => self.alloworigin.push(origin),
                None => settings.warn(
                    line,
                    format!(
                        "alloworigin = {}: an origin expected, as https://dash.example.com or http://10.0.0.5:8080, \
                         without a path; this value lets nobody in",
                        quote(&value)
                    ),
                ),
            }
        }
        for (line, value) in each(&mut settings, "allowedhosts") {
            let allowed = self.allowedhosts.get_or_insert_default();
            match host(&value) {
                Some(host) => allowed.push(host),
                None => settings.warn(
                    line,
                    format!(
                        "allowedhosts = {}: the name or address of a host expected, without scheme, port or path; \
                         this value lets nobody in",
                        quote(&value)
                    ),
                ),
            }
        }
        for line in settings.all(&["redirect"]) {
            let mut words = line.value().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            match (words.next(), words.next(), words.next()) {
                (Some(from), Some(to), None) if from.starts_with(b"/") => {
                    self.redirects.push((from.to_vec(), to.to_vec()));
                }
                _ => {
                    let value = quote(line.value());
                    settings.warn(
                        line,
                        format!("redirect = {value}: \"/from /to\" expected, the line is skipped"),
                    );
                }
            }
        }
        settings.truth("enablestatic", &mut self.enable_static);
        settings.truth("enable_static", &mut self.enable_static);
        if let Some(path) = settings.path("staticdir") {
            self.staticdir = path;
        }
        settings.truth("enable_status", &mut self.enable_status);
        settings.finish();
    }

    fn uploads(&mut self, document: &Document, name: &[u8]) {
        use std::os::unix::ffi::OsStringExt;
        let named =
            document.categories().iter().filter(|c| !c.is_template() && c.name().eq_ignore_ascii_case(name));
        for line in named.flat_map(|category| category.variables()) {
            let folder = std::ffi::OsString::from_vec(line.value().to_vec());
            self.post_mappings.push((line.name().to_vec(), folder.into()));
        }
    }

    /// A section named for a path. With a line that cannot be read it lets nobody pass.
    fn restriction(&mut self, document: &Document, name: &[u8], complaints: &mut Vec<Complaint>) {
        let (file, line) = header(document, name);
        let mut settings = Settings::of(document, name, complaints);
        let kind = settings.last("type");
        if !kind.is_some_and(|line| line.value().eq_ignore_ascii_case(b"restriction")) {
            let text = "no [general], no [post_mappings], and no \"type = restriction\" in it: the section is skipped";
            complaints.push(Complaint::warning(file, line, format!("[{}]: {text}", name.escape_ascii())));
            return;
        }
        let rules = Rules::read(&mut settings).unwrap_or_else(|(line, bad)| {
            settings.warn(line, format!("{bad}; nobody gets at {}", quote(name)));
            Rules::nobody()
        });
        settings.finish();
        let mut acl = Acl::default();
        acl.add(rules);
        self.restrictions.push((name.to_vec(), acl));
    }
}

/// The values of all lines of a key, parted by commas, each with its line. A line without any counts as one that is empty:
/// it is there, and names nobody.
fn each<'d>(settings: &mut Settings<'d, '_>, key: &'static str) -> Vec<(&'d Variable, Vec<u8>)> {
    let values = |line: &'d Variable| {
        let values = line.value().split(|&b| b == b',').map(|value| value.trim_ascii().to_ascii_lowercase());
        values.map(move |value| (line, value))
    };
    settings.all(&[key]).into_iter().flat_map(values).collect()
}

/// An origin as a browser writes it: a scheme, a host, and the port if it is not the scheme's own.
fn origin(value: &[u8]) -> Option<Vec<u8>> {
    let (authority, own_port) = match value.strip_prefix(b"https://") {
        Some(authority) => (authority, &b":443"[..]),
        None => (value.strip_prefix(b"http://")?, &b":80"[..]),
    };
    let end = authority.iter().rposition(|&b| b == b']').map_or(0, |at| at + 1);
    let (name, port) = match authority[end..].iter().position(|&b| b == b':') {
        Some(colon) => (&authority[..end + colon], Some(&authority[end + colon + 1..])),
        None => (authority, None),
    };
    let is_port = |port: &[u8]| {
        std::str::from_utf8(port).is_ok_and(|port| port.parse::<std::num::NonZeroU16>().is_ok())
    };
    if host(name).is_none() || port.is_some_and(|port| !is_port(port)) {
        return None;
    }
    Some(value.strip_suffix(own_port).unwrap_or(value).to_vec())
}

/// A host's name or address, an IPv6 address in brackets.
fn host(value: &[u8]) -> Option<Vec<u8>> {
    let inside = value.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let is_good = match inside {
        Some(inside) => {
            std::str::from_utf8(inside).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
        }
        None => {
            !value.is_empty()
                && value.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        }
    };
    is_good.then(|| value.strip_suffix(b".").unwrap_or(value).to_vec())
}

const GENERAL: &[u8] = b"general";
const POST_MAPPINGS: &[u8] = b"post_mappings";
/// The port of HTTPS here.
const TLS_PORT: u16 = 8089;
/// How many connections may be let in: each costs a thread.
const MAX_SESSIONS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_hosts_are_those_of_browsers() {
        let check = |value: &str, expect: Option<&str>| {
            let got = origin(value.as_bytes()).map(|origin| String::from_utf8(origin).unwrap());
            assert_eq!(got.as_deref(), expect, "{value}");
        };
        check("https://dash.example.com", Some("https://dash.example.com"));
        check("https://dash.example.com:443", Some("https://dash.example.com"));
        check("https://dash.example.com:80", Some("https://dash.example.com:80"));
        check("http://10.0.0.5:8080", Some("http://10.0.0.5:8080"));
        check("http://[::1]:80", Some("http://[::1]"));
        check("http://[::1]", Some("http://[::1]"));
        for bad in [
            "",
            "*",
            "null",
            "dash.example.com",
            "https://",
            "https://dash.example.com/",
            "https://a/b",
            "ftp://a",
            "https://user@a",
            "https://a b",
            "https://a:x",
            "https://a:0",
            "https://a:",
            "https://*.example.com",
            "https://[::1",
            "https://:80",
        ] {
            check(bad, None);
        }
        let check = |value: &str, expect: Option<&str>| {
            let got = host(value.as_bytes()).map(|host| String::from_utf8(host).unwrap());
            assert_eq!(got.as_deref(), expect, "{value}");
        };
        check("pbx.example.com", Some("pbx.example.com"));
        check("pbx.example.com.", Some("pbx.example.com"));
        check("10.0.0.1", Some("10.0.0.1"));
        check("[fd00::1]", Some("[fd00::1]"));
        for bad in ["", "*", "http://pbx", "pbx:8088", "pbx/", "fd00::1", "[x]", "a b"] {
            check(bad, None);
        }
    }
}
