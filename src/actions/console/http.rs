//! `http show status`.

use crate::actions::Call;
use crate::config::Tls;
use crate::switch::console::{Outcome, Screen};

use super::Entry;

fn status(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let config = call.core.config();
    let http = &config.http;
    let prefix = http.prefix.escape_ascii().to_string();
    screen.line("HTTP Server Status:");
    screen.line(format_args!("Prefix: {prefix}"));
    if let Some(name) = &http.servername {
        screen.line(format_args!("Server: {}", name.escape_ascii()));
    }
    screen.line(match http.enabled {
        true => format!("Server Enabled and Bound to {}", address(&http.bindaddr, http.port)),
        false => "Server Disabled".to_owned(),
    });
    if http.tls.enabled {
        screen.line(format_args!("HTTPS Server Enabled and Bound to {}", secure_address(&http.tls)));
    }
    screen.line("");
    screen.line("Enabled URI's:");
    let pages = PAGES.iter().filter(|page| match page.path {
        "/httpstatus" => http.enable_status,
        "/static/..." => http.enable_static,
        _ => config.manager.webenabled,
    });
    for page in pages {
        screen.line(format_args!("{prefix}{} => {}", page.path, page.text));
    }
    for (path, folder) in &http.post_mappings {
        let path = path.strip_prefix(b"/").unwrap_or(path).escape_ascii();
        screen.line(format_args!("{prefix}/{path} => Uploads to {}", folder.display()));
    }
    screen.line("");
    screen.line("Enabled Redirects:");
    for (from, to) in &http.redirects {
        screen.line(format_args!("  {} => {}", from.escape_ascii(), to.escape_ascii()));
    }
    if http.redirects.is_empty() {
        screen.line("  None.");
    }
    Outcome::Done
}

/// A host and a port, as they are written.
pub(super) fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Where TLS is listened for.
pub(super) fn secure_address(tls: &Tls) -> String {
    address(&tls.bindaddr, tls.port)
}

struct Page {
    path: &'static str,
    text: &'static str,
}

const PAGES: &[Page] = &[
    Page { path: "/httpstatus", text: "Status of the web server" },
    Page { path: "/static/...", text: "Files" },
    Page { path: "/amanager", text: "AMI as HTML, with HTTP digests" },
    Page { path: "/ajsonman", text: "AMI as JSON, with HTTP digests" },
    Page { path: "/amxml", text: "AMI as XML, with HTTP digests" },
    Page { path: "/arawman", text: "AMI as it is, with HTTP digests" },
    Page { path: "/jsonman", text: "AMI as JSON" },
    Page { path: "/manager", text: "AMI as HTML" },
    Page { path: "/mxml", text: "AMI as XML" },
    Page { path: "/rawman", text: "AMI as it is" },
];

pub(super) const COMMANDS: &[Entry] =
    &[Entry::new(&["http", "show", "status"], "", "Tell what the web server serves, and where.", status)];

#[cfg(test)]
mod tests {
    use super::super::super::testing::Bench;
    use crate::config::Config;

    #[test]
    fn the_status_tells_addresses_pages_and_redirects() {
        let mut config = Config::default();
        config.manager.webenabled = true;
        config.http.enabled = true;
        config.http.bindaddr = "::1".to_owned();
        config.http.prefix = b"/pbx".to_vec();
        config.http.redirects = vec![(b"/".to_vec(), b"/pbx/static/index.html".to_vec())];
        config.http.post_mappings = vec![(b"up".to_vec(), "/srv".into())];
        let answer = Bench::new(config).run("Action: Command\nCommand: http show status");
        for line in [
            "Prefix: /pbx",
            "Server Enabled and Bound to [::1]:8088",
            "/pbx/rawman => AMI as it is",
            "/pbx/up => Uploads to /srv",
            "  / => /pbx/static/index.html",
        ] {
            assert!(answer.contains(&format!("Output: {line}\n")), "{line} in:\n{answer}");
        }
        assert!(!answer.contains("httpstatus") && !answer.contains("HTTPS"), "{answer}");
    }
}
