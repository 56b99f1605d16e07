//! Addresses to listen at, and TLS: what manager.conf and http.conf have in common.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::complaint::{Place, quote};
use super::settings::Settings;

/// Where to listen: a host, whose name is resolved later, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// An address without brackets, or a name.
    pub(super) host: String,
    /// Only if it was written.
    pub(super) port: Option<u16>,
}

impl Endpoint {
    /// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare v6 address.
    pub(super) fn parse(text: &[u8]) -> Option<Endpoint> {
        let text = std::str::from_utf8(text).ok()?;
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None if text.matches(':').count() == 1 => {
                text.split_once(':').map(|(host, port)| (host, Some(port)))?
            }
            None => (text, None),
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port != 0));
        if !is_host(host) || port == Some(None) {
            return None;
        }
        Some(Endpoint { host: host.to_owned(), port: port.flatten() })
    }

    /// Reads a key; a value that is no address is an error, for whoever wrote it meant some address and no other.
    pub(super) fn read(settings: &mut Settings, key: &'static str) -> Option<Endpoint> {
        let line = settings.last(key)?;
        let endpoint = Endpoint::parse(line.value());
        if endpoint.is_none() {
            let value = quote(line.value());
            settings.error(
                line,
                format!("{key} = {value}: an address or a host name expected, such as 127.0.0.1"),
            );
        }
        endpoint
    }
}

/// Whether only this machine can reach what listens there. A name other than localhost is taken for one that others reach.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// Whether that is an address or may be a name. What has only digits and dots is an address or a mistake.
fn is_host(host: &str) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    host.parse::<IpAddr>().is_ok()
        || (!host.is_empty()
            && host.len() <= MAX_NAME
            && host.bytes().all(named)
            && !host.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// TLS for a listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// `tlsenable`: whether to listen for TLS at all. Default: no.
    pub enabled: bool,
    /// The host of `tlsbindaddr`. Default: that of `bindaddr`.
    pub bindaddr: String,
    /// The port of `tlsbindaddr`. Default: 5039 for AMI, 8089 for HTTP.
    pub port: u16,
    /// `tlscertfile`: a PEM file with the certificate and those that vouch for it; it may hold the key too. A relative
    /// name is below the config folder. Default: asterisk.pem.
    pub certfile: PathBuf,
    /// `tlsprivatekey`: a PEM file with the key. Default: it is in `certfile`.
    pub privatekey: Option<PathBuf>,
    /// `tlscipher`: a list of cipher suites. Default: empty, those that are safe.
    pub cipher: Vec<u8>,
    /// `tlsdisablev12`: whether to refuse TLS 1.2. Versions before it are never spoken. Default: no.
    pub disable_v12: bool,
    /// `tlsdisablev13`: whether to refuse TLS 1.3. Default: no.
    pub disable_v13: bool,
    /// `tlscafile`, ours: a PEM file with the certificates that vouch for clients'. Default: none.
    pub cafile: Option<PathBuf>,
    /// `tlsverifyclient`, ours: whether a client must show a certificate. Default: no.
    pub verify_client: bool,
    /// `tlsuser`, ours: lines `name => user` or `CN=name => user`, which user a certificate's common name stands
    /// for. Default: none.
    pub users: Vec<(Vec<u8>, Vec<u8>)>,
    /// The line that names the certificate, or else the one that enables TLS.
    pub(crate) place: Place,
}

impl Default for Tls {
    fn default() -> Tls {
        Tls {
            enabled: false,
            bindaddr: Ipv4Addr::UNSPECIFIED.to_string(),
            port: 0,
            certfile: "asterisk.pem".into(),
            privatekey: None,
            cipher: Vec::new(),
            disable_v12: false,
            disable_v13: false,
            cafile: None,
            verify_client: false,
            users: Vec::new(),
            place: Place::default(),
        }
    }
}

impl Tls {
    /// Reads the keys that begin with `tls`; without `tlsbindaddr` the host is that of the plain listener.
    pub(super) fn read(settings: &mut Settings, host: &str, port: u16) -> Tls {
        let mut tls = Tls { bindaddr: host.to_owned(), port, ..Tls::default() };
        settings.truth("tlsenable", &mut tls.enabled);
        let line = settings.last("tlscertfile").or_else(|| settings.last("tlsenable"));
        tls.place = line.map(|line| settings.place(line)).unwrap_or_default();
        if let Some(endpoint) = Endpoint::read(settings, "tlsbindaddr") {
            tls.bindaddr = endpoint.host;
            tls.port = endpoint.port.unwrap_or(port);
        }
        if let Some(path) = settings.path("tlscertfile") {
            tls.certfile = path;
        }
        tls.privatekey = settings.path("tlsprivatekey");
        tls.cipher = settings.bytes("tlscipher").unwrap_or_default();
        settings.truth("tlsdisablev12", &mut tls.disable_v12);
        settings.truth("tlsdisablev13", &mut tls.disable_v13);
        settings.ignored(&["tlsdisablev1", "tlsdisablev11", "tlsservercipherorder"]);
        tls.cafile = settings.path("tlscafile");
        settings.truth("tlsverifyclient", &mut tls.verify_client);
        for line in settings.all(&["tlsuser"]) {
            match arrow(line.value()) {
                Some((subject, user)) => match common_name(subject) {
                    Some(name) => tls.users.push((name.to_vec(), user.to_vec())),
                    None => settings.warn(
                        line,
                        format!(
                            "tlsuser = {}: only the common name of a subject is compared; the line is ignored: \
                             write CN=NAME => USER",
                            quote(line.value())
                        ),
                    ),
                },
                None => settings.warn(line, "tlsuser: \"CN=NAME => USER\" expected; the line is ignored"),
            }
        }
        if tls.enabled && tls.disable_v12 && tls.disable_v13 {
            let line = settings.last("tlsdisablev13").expect("it was set");
            settings.error(line, "tlsdisablev12 and tlsdisablev13 leave no version of TLS");
        }
        if tls.enabled && tls.verify_client && tls.cafile.is_none() {
            let line = settings.last("tlsverifyclient").expect("it was set");
            settings.error(line, "tlsverifyclient needs tlscafile: the certificates that vouch for clients'");
        }
        tls
    }
}

/// Parts at the last `=>`, for what stands before it may hold an equal sign.
fn arrow(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.windows(2).rposition(|pair| pair == b"=>")?;
    let (left, right) = (text[..at].trim_ascii(), text[at + 2..].trim_ascii());
    (!left.is_empty() && !right.is_empty()).then_some((left, right))
}

/// The common name that a subject is written with, `CN=name` or `name`; `None` where it has other parts, such as
/// `CN=name, O=company`, for a certificate of another company would pass too.
fn common_name(subject: &[u8]) -> Option<&[u8]> {
    let is_cn = subject.get(..2).is_some_and(|name| name.eq_ignore_ascii_case(b"CN"));
    let name = subject.get(2..).unwrap_or_default().trim_ascii_start().strip_prefix(b"=").filter(|_| is_cn);
    let Some(name) = name.map(<[u8]>::trim_ascii) else { return Some(subject) };
    let has_parts = name.split(|&b| b == b',' || b == b'+').skip(1).any(|part| part.contains(&b'='));
    (!name.is_empty() && !has_parts).then_some(name)
}

/// The longest host name there is.
const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_its_common_name() {
        let check = |subject: &str, expect: Option<&str>| {
            assert_eq!(common_name(subject.as_bytes()), expect.map(str::as_bytes), "{subject}");
        };
        check("dashboard", Some("dashboard"));
        check("CN=dashboard", Some("dashboard"));
        check("cn = dashboard", Some("dashboard"));
        check("cnn", Some("cnn"));
        check("CN=Smith, Alice", Some("Smith, Alice"));
        check("CN=a, O=b", None);
        check("CN=a+O=b", None);
        check("CN=", None);
    }

    #[test]
    fn endpoints() {
        let check = |text: &str, expect: Option<(&str, Option<u16>)>| {
            let found = Endpoint::parse(text.as_bytes());
            assert_eq!(found, expect.map(|(host, port)| Endpoint { host: host.to_owned(), port }), "{text}");
        };
        check("127.0.0.1", Some(("127.0.0.1", None)));
        check("127.0.0.1:5038", Some(("127.0.0.1", Some(5038))));
        check("::", Some(("::", None)));
        check("::1", Some(("::1", None)));
        check("[::1]", Some(("::1", None)));
        check("[::1]:5038", Some(("::1", Some(5038))));
        check("localhost", Some(("localhost", None)));
        check("pbx-1.example.com:80", Some(("pbx-1.example.com", Some(80))));
        for wrong in [
            "",
            "127.0.0",
            "300.1.1.1",
            "a b",
            "host:",
            "host:0",
            "host:70000",
            "[::1",
            "[::1]5038",
            "[host]",
            "/x",
            "1",
            ":5038",
        ] {
            check(wrong, None);
        }
    }
}
