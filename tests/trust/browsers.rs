//! What the page of another site makes a browser do: nothing here. The browser's side of it is played by a real one in
//! `chromium.rs`; here stand the headers that browsers send.

use crate::support::{Door, RunningServer, ServerOptions, http};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [hello]\nsecret = w0rld-9\nread = all\nwrite = all\n";

const FIREFOX: &str =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n";

const LOGIN: &str = "/rawman?action=login&username=hello&secret=w0rld-9";

fn start(bind: &str, more: &str) -> RunningServer {
    let conf = format!("[general]\nenabled = yes\nbindaddr = {bind}\nbindport = @HTTP_PORT@\n{more}\n");
    RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", &conf)], &ServerOptions::default())
}

/// Asks with these headers, on a connection of its own.
fn ask(server: &RunningServer, request: &str, headers: &str) -> http::Answer {
    let mut conn = server.connect(Door::Http);
    let (method, target) = request.split_once(' ').expect("a method and a target");
    if method == "POST" {
        let (path, body) = target.split_once('?').expect("a form");
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\n{headers}{kind}Content-Length: {length}\r\n\r\n{body}");
        return http::ask(&mut conn, &head);
    }
    http::ask(&mut conn, &format!("{method} {target} HTTP/1.1\r\n{headers}\r\n"))
}

fn is_accepted(answer: &http::Answer) -> bool {
    answer.text().contains("Message: Authentication accepted")
}

fn is_refused(answer: &http::Answer, names: &str) -> bool {
    answer.status == "HTTP/1.1 403 Forbidden" && answer.text().contains(names)
}

#[test]
fn a_page_of_another_site_logs_no_browser_in() {
    let server = start("127.0.0.1", "");
    let host = "Host: localhost:8088\r\n";
    let accepted = |request: &str, headers: &str| {
        let answer = ask(&server, &format!("{request} {LOGIN}"), &format!("{host}{headers}"));
        assert!(is_accepted(&answer), "{request} {headers}: {}", answer.text());
    };
    let refused = |request: &str, headers: &str, names: &str| {
        let answer = ask(&server, &format!("{request} {LOGIN}"), &format!("{host}{headers}"));
        assert!(is_refused(&answer, names), "{request} {headers}: {} {}", answer.status, answer.text());
        assert_eq!(answer.cookie(), None);
    };
    accepted("GET", "");
    accepted("GET", "User-Agent: Wget/1.21.3\r\nAccept: */*\r\n");
    accepted("GET", "User-Agent: node\r\nAccept-Language: *\r\nSec-Fetch-Mode: cors\r\n");
    accepted("GET", &format!("{FIREFOX}Referer: http://localhost:8088/static/ajam.html\r\n"));
    accepted("GET", &format!("{FIREFOX}Sec-Fetch-Site: none\r\n"));
    accepted("POST", FIREFOX);
    accepted("POST", &format!("{FIREFOX}Origin: http://localhost:8088\r\n"));
    accepted("POST", &format!("{FIREFOX}Origin: https://dash\r\nX-Forwarded-Host: dash\r\n"));
    refused("GET", FIREFOX, "by POST only");
    refused("GET", "Upgrade-Insecure-Requests: 1\r\n", "by POST only");
    refused("GET", &format!("{FIREFOX}Referer: http://evil/\r\n"), "alloworigin");
    refused("GET", "Referer: http://evil/\r\n", "alloworigin");
    refused("GET", &format!("{FIREFOX}Sec-Fetch-Site: cross-site\r\n"), "alloworigin");
    refused("POST", &format!("{FIREFOX}Origin: http://evil\r\n"), "alloworigin");
    refused("POST", &format!("{FIREFOX}Origin: null\r\n"), "alloworigin");
}

/// What a browser has kept of a digest login it sends with every request, whoever makes it ask.
#[test]
fn a_link_acts_with_no_digest_credentials() {
    let server = start("127.0.0.1", "");
    let host = "Host: localhost\r\n";
    for page in ["arawman", "amxml", "amanager", "ajsonman"] {
        for (action, headers, expect) in [
            ("setvar&variable=A&value=1", FIREFOX, Some("by POST only")),
            ("originate&channel=Local/1", "Upgrade-Insecure-Requests: 1\r\n", Some("by POST only")),
            ("ping", "Referer: http://evil/\r\n", Some("alloworigin")),
            ("ping", FIREFOX, None),
            ("setvar&variable=A&value=1", "User-Agent: curl/8\r\n", None),
            ("setvar&variable=A&value=1", "Sec-Fetch-Site: same-origin\r\n", None),
        ] {
            let answer = ask(&server, &format!("GET /{page}?action={action}"), &format!("{host}{headers}"));
            match expect {
                Some(names) => {
                    assert!(is_refused(&answer, names), "{page} {action} {headers} {}", answer.status)
                }
                // So far that it asks who it is.
                None => assert_eq!(answer.status, "HTTP/1.1 401 Unauthorized", "{page} {action} {headers}"),
            }
        }
    }
}

#[test]
fn a_name_that_leads_to_this_machine_is_no_name_of_it() {
    let paths = ["/rawman?action=ping", "/nothing", "/"];
    let server = start("127.0.0.1", "");
    let check = |server: &RunningServer, headers: &str, expect: bool| {
        for path in paths {
            let answer = ask(server, &format!("GET {path}"), headers);
            assert_eq!(
                !is_refused(&answer, "allowedhosts in http.conf"),
                expect,
                "{headers} {path}: {}",
                answer.status
            );
        }
    };
    for host in ["localhost", "localhost:8088", "127.0.0.1:8088", "[::1]:8088", "LOCALHOST.", "127.9.9.9"] {
        check(&server, &format!("{FIREFOX}Host: {host}\r\n"), true);
    }
    for host in ["evil.test", "evil.test:8088", "127.0.0.1.evil.test", "192.0.2.1", ""] {
        check(&server, &format!("{FIREFOX}Host: {host}\r\n"), false);
        check(&server, &format!("User-Agent: Wget/1.21\r\nHost: {host}\r\n"), true);
    }
    check(&server, FIREFOX, false);

    let listed = start("127.0.0.1", "allowedhosts = pbx.example.com, 10.0.0.1");
    check(&listed, &format!("{FIREFOX}Host: PBX.example.com:80\r\n"), true);
    check(&listed, &format!("{FIREFOX}Host: 10.0.0.1\r\n"), true);
    check(&listed, &format!("{FIREFOX}Host: localhost\r\n"), true);
    check(&listed, "User-Agent: Wget/1.21\r\nHost: evil.test\r\n", false);
    check(&listed, "User-Agent: Wget/1.21\r\n", false);

    // Elsewhere a name may be any that people have given it.
    let open = start("0.0.0.0", "");
    check(&open, &format!("{FIREFOX}Host: pbx.lan\r\n"), true);
    let listed = start("0.0.0.0", "allowedhosts = pbx.lan");
    check(&listed, &format!("{FIREFOX}Host: pbx.lan\r\n"), true);
    check(&listed, "Host: localhost\r\n", false);
}

#[test]
fn sites_of_alloworigin_are_let_in() {
    let host = "Host: 127.0.0.1:8088\r\n";
    let origin = "Origin: https://dash.example.com\r\n";
    let server = start("127.0.0.1", "");
    let answer = ask(&server, &format!("POST {LOGIN}"), &format!("{host}{FIREFOX}{origin}"));
    assert!(is_refused(&answer, "alloworigin in http.conf"), "{}", answer.text());
    assert_eq!(answer.header("Vary"), None);

    let server = start("127.0.0.1", "alloworigin = https://dash.example.com, http://10.0.0.5:8080");
    let answer = ask(&server, &format!("POST {LOGIN}"), &format!("{host}{FIREFOX}{origin}"));
    assert!(is_accepted(&answer), "{}", answer.text());
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("https://dash.example.com"));
    assert_eq!(answer.header("Access-Control-Allow-Credentials"), Some("true"));
    assert_eq!(answer.header("Vary"), Some("Origin"));
    assert!(answer.header("Set-Cookie").is_some_and(|cookie| cookie.contains("SameSite=Strict")));
    let answer = ask(&server, &format!("POST {LOGIN}"), &format!("{host}{FIREFOX}Origin: https://evil\r\n"));
    assert!(is_refused(&answer, "alloworigin"), "{}", answer.text());
    assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    assert_eq!(answer.header("Vary"), Some("Origin"));

    let preflight =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
    let answer = ask(&server, "OPTIONS /arawman", &format!("{host}{FIREFOX}{origin}{preflight}"));
    assert_eq!(answer.status, "HTTP/1.1 200 OK");
    assert_eq!(answer.header("Access-Control-Allow-Methods"), Some("GET, HEAD, POST"));
    assert!(
        answer.header("Access-Control-Allow-Headers").is_some_and(|names| names.contains("Authorization"))
    );
    assert_eq!(answer.header("Access-Control-Max-Age"), Some("600"));
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("https://dash.example.com"));
    for headers in [preflight, origin, &format!("Origin: https://evil\r\n{preflight}")] {
        let answer = ask(&server, "OPTIONS /arawman", &format!("{host}{headers}"));
        assert!(answer.status.contains(" 501 "), "{headers}: {}", answer.status);
    }
}

/// An id that was planted in a client is not that of its login. (A program that has kept its connection keeps its id:
/// http/cookie-kept-before-login.)
#[test]
fn a_login_gets_an_id_that_nobody_had_before() {
    let server = start("127.0.0.1", "");
    let host = "Host: localhost\r\n";
    let ping = |cookie: &str| {
        ask(&server, "GET /rawman?action=ping", &format!("{host}Cookie: {cookie}\r\n"))
            .text()
            .contains("Pong")
    };
    let planted = || ask(&server, "GET /rawman", host).cookie().expect("a stranger gets an id").to_owned();
    let check = |answer: &http::Answer, planted: &str| {
        assert!(is_accepted(answer), "{}", answer.text());
        let own = answer.cookie().expect("a login gets an id");
        assert_ne!(own, planted);
        assert!(ping(own) && !ping(planted));
    };
    let id = planted();
    check(&ask(&server, &format!("GET {LOGIN}"), &format!("{host}Cookie: {id}\r\n")), &id);
    // On one connection: a browser's own, and one that a proxy shares out.
    for headers in [FIREFOX, "X-Forwarded-For: 192.0.2.1\r\n", "Via: 1.1 proxy\r\n"] {
        let mut conn = server.connect(Door::Http);
        let id = http::ask(&mut conn, &format!("GET /rawman HTTP/1.1\r\n{host}{headers}\r\n"));
        let id = id.cookie().expect("a stranger gets an id").to_owned();
        let own = "Referer: http://localhost/\r\n";
        let request = format!("GET {LOGIN} HTTP/1.1\r\n{host}{headers}{own}Cookie: {id}\r\n\r\n");
        check(&http::ask(&mut conn, &request), &id);
    }
    // What has logged in keeps its id.
    let answer = ask(&server, &format!("GET {LOGIN}"), host);
    let own = answer.cookie().expect("a login gets an id").to_owned();
    let again = ask(&server, &format!("GET {LOGIN}"), &format!("{host}Cookie: {own}\r\n"));
    assert_eq!(again.cookie(), Some(&*own));
}

#[test]
fn browsers_are_told_what_they_may_do_with_an_answer() {
    let server = start("127.0.0.1", "enable_status = yes");
    for path in ["/rawman?action=ping", "/manager", "/nothing", "/httpstatus"] {
        let answer = ask(&server, &format!("GET {path}"), "Host: localhost\r\n");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("Referrer-Policy"), Some("same-origin"), "{path}");
        let policy = answer.header("Content-Security-Policy").unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("form-action 'self'"),
            "{path}: {policy}"
        );
    }
}
