//! http.conf: the web server.

use std::path::PathBuf;
use std::time::Duration;

use super::acl::{Acl, Rules};
use super::complaint::{Complaint, quote};
use super::ini::Document;
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

const GENERAL: &[u8] = b"general";
const POST_MAPPINGS: &[u8] = b"post_mappings";
/// The port of HTTPS here.
const TLS_PORT: u16 = 8089;
/// How many connections may be let in: each costs a thread.
const MAX_SESSIONS: usize = 100_000;
