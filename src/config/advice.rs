//! What is said of a configuration that can be used, and yet is hardly what its operator wants: a listener that serves nothing,
//! a secret that is easily guessed, a setting without effect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::complaint::{Complaint, did_you_mean, quote};
use super::ini::{Document, Variable};
use super::listen::{Tls, is_loopback};
use super::settings::header;
use super::{Http, Manager};

/// Looks at manager.conf and http.conf together.
pub(super) fn review(
    manager: (&Document, &Manager),
    http: (&Document, &Http),
    complaints: &mut Vec<Complaint>,
) {
    // Without a manager.conf there is nothing to say but that.
    if manager.0.files().next().is_none() {
        return;
    }
    listeners(manager, http.1, complaints);
    users(manager, complaints);
    weak_secrets(manager, http.1, complaints);
    client_certificates(manager.0, &manager.1.tls, manager.1, complaints);
    client_certificates(http.0, &http.1.tls, manager.1, complaints);
}

fn listeners((document, manager): (&Document, &Manager), http: &Http, complaints: &mut Vec<Complaint>) {
    let mut warn = |key: &str, text: String| complaints.push(warning(document, key, text));
    if !manager.enabled {
        let port = manager.port;
        warn("enabled", format!("enabled is not yes: AMI is served neither at port {port} nor over TLS"));
    }
    if (http.enabled || http.tls.enabled) && !manager.webenabled {
        let text = "webenabled is not yes: http.conf serves HTTP, but AMI is not on it";
        warn("webenabled", text.to_owned());
    }
}

fn users((document, manager): (&Document, &Manager), complaints: &mut Vec<Complaint>) {
    if manager.users.is_empty() {
        let text = "there is no user: no client can log in";
        let file = document.files().next().unwrap_or(Path::new(""));
        complaints.push(Complaint::warning(file, 0, text));
    }
}

/// Users of plain AMI or HTTP who may come from anywhere and whose secret does not take long to guess.
fn weak_secrets((document, manager): (&Document, &Manager), http: &Http, complaints: &mut Vec<Complaint>) {
    let is_open = |on: bool, host: &str| on && !is_loopback(host);
    let (host, key, what) = if is_open(manager.enabled, &manager.bindaddr) {
        (&manager.bindaddr, "bindaddr", "AMI")
    } else if is_open(manager.webenabled && http.enabled, &http.bindaddr) {
        (&http.bindaddr, "bindaddr of http.conf", "HTTP")
    } else {
        return;
    };
    let anywhere: [IpAddr; 2] = [ELSEWHERE_V4.into(), ELSEWHERE_V6.into()];
    for user in &manager.users {
        if !user.secret.is_weak(&user.name) || !anywhere.iter().any(|address| user.acl.permits(*address)) {
            continue;
        }
        let Some(line) = last(document, &user.name, "secret") else { continue };
        let (file, number) = document.place(line);
        let text = format!(
            "the secret of {} is weak, and {what} without TLS is open to the network ({key} = {host}): choose at least \
             {MIN_SECRET} characters, restrict the user with deny and permit, or serve the network over TLS only \
             (bindaddr = 127.0.0.1, tlsenable = yes, tlsbindaddr = {host})",
            quote(&user.name)
        );
        complaints.push(Complaint::warning(file, number, text));
    }
}

fn client_certificates(document: &Document, tls: &Tls, manager: &Manager, complaints: &mut Vec<Complaint>) {
    let mut warn = |key: &str, text: String| complaints.push(warning(document, key, text));
    if !tls.verify_client {
        if !tls.users.is_empty() {
            let text = "tlsuser has no effect without tlsverifyclient = yes and tlscafile: no client is asked for a certificate";
            warn("tlsuser", text.to_owned());
        } else if tls.cafile.is_some() {
            let text =
                "tlscafile has no effect without tlsverifyclient = yes: no client is asked for a certificate";
            warn("tlscafile", text.to_owned());
        }
    }
    let names = || manager.users.iter().filter_map(|user| std::str::from_utf8(&user.name).ok());
    for (_, name) in tls.users.iter().filter(|(_, name)| manager.user(name).is_none()) {
        let hint = did_you_mean(name, names());
        warn("tlsuser", format!("tlsuser: there is no user {} in manager.conf{hint}", quote(name)));
    }
}

/// A warning at the last line of a key in `[general]`, or at the section's header where there is none.
fn warning(document: &Document, key: &str, text: String) -> Complaint {
    let (file, line) = match last(document, GENERAL, key) {
        Some(line) => document.place(line),
        None => match header(document, GENERAL) {
            (_, 0) => (document.files().next().unwrap_or(Path::new("")), 0),
            place => place,
        },
    };
    Complaint::warning(file, line, text)
}

/// The last line of a key in the sections of a name.
fn last<'d>(document: &'d Document, section: &[u8], key: &str) -> Option<&'d Variable> {
    let named = document.categories().iter().filter(|category| !category.is_template());
    let lines = named.filter(|category| category.name().eq_ignore_ascii_case(section));
    lines.flat_map(|category| category.variables()).rfind(|line| line.is(key.as_bytes()))
}

const GENERAL: &[u8] = b"general";
/// Addresses of other networks; these are for documentation, so that no list means them in particular.
const ELSEWHERE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ELSEWHERE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// From this length on a secret of mixed characters is out of reach for who guesses over the network.
pub(super) const MIN_SECRET: usize = 12;

#[cfg(test)]
mod tests {
    use super::super::ini::memory::Memory;
    use super::super::read_all;
    use std::path::Path;

    /// The warnings about a manager.conf and an http.conf.
    fn check(manager: &str, http: &str, expect: &[&str]) {
        let files = Memory::new(&[("manager.conf", manager.as_bytes()), ("http.conf", http.as_bytes())]);
        let reading = read_all(Path::new("/etc/x"), &files);
        let mut found: Vec<String> = reading.complaints.iter().map(ToString::to_string).collect();
        found.extend(reading.advice.iter().map(ToString::to_string));
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (text, expect) in found.iter().zip(expect) {
            assert!(text.replace("/etc/x/", "").starts_with(expect), "{text}\n{expect}");
        }
    }

    #[test]
    fn what_serves_nothing() {
        let user = "[u]\nsecret = s\n";
        let check =
            |manager: &str, http: &str, expect: &[&str]| check(&(manager.to_owned() + user), http, expect);
        check("", "", &["manager.conf: warning: enabled is not yes"]);
        check("[general]\n", "", &["manager.conf:1: warning: enabled is not yes"]);
        check(
            "[general]\nwebenabled = yes\nenabled = no\n",
            "",
            &["manager.conf:3: warning: enabled is not yes"],
        );
        check(
            "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n",
            "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n",
            &["manager.conf:1: warning: webenabled is not yes"],
        );
        check("[general]\nenabled = yes\nbindaddr = ::1\n", "", &[]);
    }

    #[test]
    fn a_server_without_users() {
        let text = "[general]\nenabled = yes\nbindaddr = ::1\n";
        check(text, "", &["manager.conf: warning: there is no user: no client can log in"]);
    }

    #[test]
    fn weak_secrets_on_open_listeners() {
        let weak = &["manager.conf:4: warning: the secret of \"a\" is weak, and AMI without TLS is open"][..];
        let open = |user: &str| format!("[general]\nenabled = yes\n{user}");
        check(&open("[a]\nsecret = swordfish\n"), "", weak);
        check(&open("[a]\nsecret = 98413705561209\n"), "", weak);
        check(&open("[a]\nsecret = sw0rdfish-and-chips\n"), "", &[]);
        check(&open("[a]\nsecret = swordfish\ndeny = 0.0.0.0/0\npermit = 10.0.0.0/8\n"), "", &[]);
        check(&open("[a]\nsecret = swordfish\n").replace("yes", "yes\nbindaddr = ::1"), "", &[]);
        check(
            "[general]\nenabled = yes\ninsecuresecrets = yes\n[a]\nsecret = admin\n",
            "",
            &["manager.conf:5: warning: the secret of \"a\" is weak"],
        );
        check(
            "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nwebenabled = yes\n[a]\nsecret = swordfish\n",
            "[general]\nenabled = yes\nbindaddr = 0.0.0.0\n",
            &["manager.conf:6: warning: the secret of \"a\" is weak, and HTTP without TLS is open"],
        );
    }

    #[test]
    fn client_certificates_without_effect() {
        let text = "[general]\nenabled = yes\nbindaddr = ::1\ntlsenable = yes\ntlsuser = CN=x => bob\n[bbo]\nsecret = s\n";
        check(
            text,
            "",
            &[
                "manager.conf:5: warning: tlsuser has no effect without tlsverifyclient",
                "manager.conf:5: warning: tlsuser: there is no user \"bob\" in manager.conf; did you mean \"bbo\"?",
            ],
        );
        check(
            &text.replace("tlsuser = CN=x => bob", "tlscafile = ca.pem"),
            "",
            &["manager.conf:5: warning: tlscafile has no effect"],
        );
    }
}
