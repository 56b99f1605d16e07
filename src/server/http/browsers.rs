//! What a browser may do here, and for whose pages.
//!
//! A browser sends what any page makes it send, with the cookie or the digest credentials that it has kept, and from
//! inside the network that it stands in. Clients that are no browsers hold credentials for nobody else, and are not
//! looked at here.

use std::net::IpAddr;

use crate::ami::Message;
use crate::config::Http;
use crate::http::browser::Site;
use crate::http::{Answer, Method, Page, Request};
use crate::net::Stream;

/// Whose page made the client send the request. Sites of `alloworigin` are as our own.
pub(super) fn site(http: &Http, request: &Request<'_>) -> Site {
    match request.site() {
        Site::Other if request.is_of_origin(&http.alloworigin) => Site::Own,
        site => site,
    }
}

/// Refuses an action that another site's page may have made a browser ask for, with what the browser has kept.
/// `has_credentials`: whether a browser adds them even if another site's page makes it ask.
pub(super) fn check_action(
    http: &Http,
    request: &Request<'_>,
    message: &Message,
    has_credentials: bool,
) -> Result<(), Page> {
    // Without parameters it is a page to look at, to which a link may lead.
    if message.is_empty() {
        return Ok(());
    }
    match site(http, request) {
        Site::Own => return Ok(()),
        Site::Other => return Err(Page::CROSS_SITE),
        Site::Unknown => {}
    }
    // With a POST a browser says whose page it is.
    if request.method == Method::Post || !request.is_from_browser() {
        return Ok(());
    }
    let action = message.action().unwrap_or_default();
    if action.eq_ignore_ascii_case(b"Login") {
        return Err(Page::LOGIN_BY_LINK);
    }
    if has_credentials && !action.is_empty() && !is_harmless(action) {
        return Err(Page::ACTION_BY_LINK);
    }
    Ok(())
}

/// Refuses a request whose `Host` is no name of this server. A page whose name leads to this machine (DNS rebinding) is
/// of our own site to its browser; it shows by its name alone.
pub(super) fn check_host(http: &Http, request: &Request<'_>, stream: &Stream) -> Result<(), Page> {
    let bindaddr = if stream.is_tls() { &http.tls.bindaddr } else { &http.bindaddr };
    let on_loopback = stream.local().ip().to_canonical().is_loopback() && !is_any_address(bindaddr);
    if http.allowedhosts.is_none() && !(on_loopback && request.is_from_browser()) {
        return Ok(());
    }
    let name = request.host_name();
    let is_listed = http.allowedhosts.iter().flatten().any(|own| **own == *name);
    if is_listed || on_loopback && is_loopback_name(&name) { Ok(()) } else { Err(Page::HOST) }
}

/// Tells a browser that pages of a site of `alloworigin` may read the answer.
pub(super) fn share(http: &Http, request: &Request<'_>, answer: &mut Answer) {
    if http.alloworigin.is_empty() {
        return;
    }
    answer.header("Vary", "Origin");
    if is_shared(http, request) {
        answer.header("Access-Control-Allow-Origin", request.origin);
        answer.header("Access-Control-Allow-Credentials", "true");
    }
}

/// The answer to a browser that asks whether such a page may send a request (a preflight); `None` if it is none, or may
/// not.
pub(super) fn preflight(http: &Http, request: &Request<'_>) -> Option<Answer> {
    let asks = request.method_name.eq_ignore_ascii_case("OPTIONS") && !request.preflight_method.is_empty();
    if !asks || !is_shared(http, request) {
        return None;
    }
    let mut answer = Answer::ok();
    answer.header("Access-Control-Allow-Methods", "GET, HEAD, POST");
    answer.header("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Requested-With");
    answer.header("Access-Control-Allow-Private-Network", "true");
    answer.header("Access-Control-Max-Age", PREFLIGHT_SECONDS);
    Some(answer)
}

/// Whether the session's cookie has to be one that a browser sends with requests of another site's pages: those of
/// `alloworigin`, where the browser says that they are of another site. It does so, and takes such a cookie, over TLS alone.
pub(super) fn needs_cookie_elsewhere(http: &Http, request: &Request<'_>, stream: &Stream) -> bool {
    stream.is_tls() && request.fetch_site.eq_ignore_ascii_case(b"cross-site") && is_shared(http, request)
}

fn is_shared(http: &Http, request: &Request<'_>) -> bool {
    !request.origin.is_empty() && request.is_of_origin(&http.alloworigin)
}

/// Whether an action only shows what there is. A page that makes a browser ask for it cannot read the answer.
fn is_harmless(action: &[u8]) -> bool {
    HARMLESS.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(action))
}

/// Whether a name always means the machine that asks.
fn is_loopback_name(name: &[u8]) -> bool {
    if name == b"localhost" || name.ends_with(b".localhost") {
        return true;
    }
    let text = std::str::from_utf8(name).unwrap_or_default();
    bare(text).parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn is_any_address(host: &str) -> bool {
    bare(host).parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Actions that change nothing: a person may type their address into a browser. What is not here is refused then, so a
/// new action is too until somebody has thought about it. Getvar is not here: functions may do things.
const HARMLESS: [&str; 37] = [
    "Agents",
    "BridgeInfo",
    "BridgeList",
    "BridgeTechnologyList",
    "ConfbridgeList",
    "ConfbridgeListRooms",
    "CoreSettings",
    "CoreShowChannelMap",
    "CoreShowChannels",
    "CoreStatus",
    "DBGet",
    "DBGetTree",
    "DeviceStateList",
    "ExtensionState",
    "ExtensionStateList",
    "FAXSession",
    "FAXSessions",
    "FAXStats",
    "GetConfig",
    "GetConfigJSON",
    "ListCategories",
    "ListCommands",
    "MailboxCount",
    "MailboxStatus",
    "ManagerSessions",
    "ModuleCheck",
    "ParkedCalls",
    "Parkinglots",
    "Ping",
    "PresenceState",
    "PresenceStateList",
    "QueueRule",
    "QueueStatus",
    "QueueSummary",
    "Status",
    "VoicemailUsersList",
    "VoicemailUserStatus",
];

/// How long a browser may remember that it may ask.
const PREFLIGHT_SECONDS: &str = "600";

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "User-Agent: Mozilla/5.0 (X11) Chrome/156|";

    fn http() -> Http {
        Http { alloworigin: vec![b"https://dash.example.com".to_vec()], ..Http::default() }
    }

    fn with<T>(method: &str, headers: &str, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = format!("{method} / HTTP/1.1\r\nHost: pbx\r\n{}\r\n", headers.replace('|', "\r\n"));
        ask(&Request::parse(head.as_bytes()).unwrap())
    }

    /// A browser is a browser by its headers, a page by what it makes a browser say: every pair, on each kind of page.
    #[test]
    fn another_site_makes_no_browser_act() {
        let check = |method: &str, headers: &str, action: &str, digest: bool, expect: Result<(), Page>| {
            let mut message = Message::new();
            message.push(b"Action", action.as_bytes());
            let got = with(method, headers, |request| check_action(&http(), request, &message, digest));
            assert_eq!(got, expect, "{method} {headers} {action} digest: {digest}");
        };
        let ok = Ok(());
        for digest in [false, true] {
            for (action, harmless) in
                [("Ping", true), ("setvar", false), ("Getvar", false), ("Command", false), ("Login", false)]
            {
                let by_link = match (action, digest) {
                    ("Login", _) => Err(Page::LOGIN_BY_LINK),
                    (_, true) if !harmless => Err(Page::ACTION_BY_LINK),
                    _ => ok,
                };
                // Programs, and browsers that say that the page is ours, do what they like.
                check("GET", "", action, digest, ok);
                check("GET", "User-Agent: Wget/1.21|", action, digest, ok);
                check("GET", &format!("{CHROME}Sec-Fetch-Site: same-origin|"), action, digest, ok);
                check("GET", &format!("{CHROME}Sec-Fetch-Site: none|"), action, digest, ok);
                check("GET", &format!("{CHROME}Referer: http://pbx/manager|"), action, digest, ok);
                check("POST", &format!("{CHROME}Origin: http://pbx|"), action, digest, ok);
                check("POST", CHROME, action, digest, ok);
                // Those that do not say may look.
                check("GET", CHROME, action, digest, by_link);
                check("HEAD", CHROME, action, digest, by_link);
                check("GET", "Upgrade-Insecure-Requests: 1|", action, digest, by_link);
                check("GET", "Accept: text/html,*/*|", action, digest, by_link);
                // Those that say that it is another's do not act.
                for other in [
                    "Sec-Fetch-Site: cross-site|",
                    "Sec-Fetch-Site: same-site|",
                    "Origin: http://evil|",
                    "Origin: null|",
                    "Referer: http://evil/|",
                    "Referer: http://pbx:81/|",
                ] {
                    check("GET", &format!("{CHROME}{other}"), action, digest, Err(Page::CROSS_SITE));
                    check("POST", &format!("{CHROME}{other}"), action, digest, Err(Page::CROSS_SITE));
                    check("GET", other, action, digest, Err(Page::CROSS_SITE));
                }
                // Unless the operator lets it.
                check(
                    "POST",
                    "Sec-Fetch-Site: cross-site|Origin: https://dash.example.com|",
                    action,
                    digest,
                    ok,
                );
                check("GET", "Referer: https://dash.example.com/x|", action, digest, ok);
            }
        }
        let link = with("GET", "Sec-Fetch-Site: cross-site|", |request| {
            check_action(&http(), request, &Message::new(), true)
        });
        assert_eq!(link, ok, "a link may lead to a page");
    }

    #[test]
    fn a_preflight_is_answered_for_listed_sites_alone() {
        let check = |method: &str, headers: &str, expect: bool| {
            let got = with(method, headers, |request| preflight(&http(), request).is_some());
            assert_eq!(got, expect, "{method} {headers}");
        };
        check("OPTIONS", "Origin: https://dash.example.com|Access-Control-Request-Method: POST|", true);
        check("OPTIONS", "Origin: https://dash.example.com|", false);
        check("OPTIONS", "Origin: https://evil|Access-Control-Request-Method: POST|", false);
        check("OPTIONS", "Referer: https://dash.example.com/|Access-Control-Request-Method: POST|", false);
        check("GET", "Origin: https://dash.example.com|Access-Control-Request-Method: POST|", false);
    }

    #[test]
    fn names_of_this_machine() {
        for name in ["localhost", "pbx.localhost", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_loopback_name(name.as_bytes()), "{name}");
        }
        for name in
            ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "0.0.0.0", "[::]", "xlocalhost", ""]
        {
            assert!(!is_loopback_name(name.as_bytes()), "{name}");
        }
    }
}
