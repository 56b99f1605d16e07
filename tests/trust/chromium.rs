//! What `browsers.rs` says of headers, by a real browser: Chromium does what a page of another site tells it to, with
//! what it has kept for us. Where `chromium` and `chromedriver` are not installed this is skipped, and says so;
//! `AMIBOX_REQUIRE_TOOLS=1` makes that a failure.
//!
//! Names end in `.test` and are led to this machine: over plain HTTP and by a name, a browser says less of the page than
//! it does on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::ami::Client;
use crate::support::{Conn, Door, RunningServer, ServerOptions, Wire, http};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [honest]\nsecret = h0nest-9\nread = all\nwrite = all\n[low]\nsecret = l0w-9\nread = user\nwrite = user\n";

/// How long a page may take: there to end a hang.
const PAGE_LIMIT: Duration = Duration::from_secs(30);

/// Flags for a machine without a screen, a network or a sandbox of its own.
const FLAGS: &str = "\"--headless=new\",\"--no-sandbox\",\"--disable-gpu\",\"--disable-quic\",\"--no-first-run\",\
    \"--disable-background-networking\",\"--disable-component-update\",\"--disable-sync\",\
    \"--host-resolver-rules=MAP *.test 127.0.0.1\"";

/// A browser that is told what to do (W3C WebDriver).
struct Browser {
    driver: Child,
    /// The driver ends when nobody reads what it says.
    _output: BufReader<ChildStdout>,
    port: u16,
    session: String,
}

impl Browser {
    /// `None` where there is none on this machine.
    fn start() -> Option<Browser> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = match started {
            Ok(driver) => driver,
            Err(error) => {
                assert!(std::env::var_os("AMIBOX_REQUIRE_TOOLS").is_none(), "chromedriver: {error}");
                eprintln!("SKIPPED: no chromedriver here ({error}); install chromium and chromium-driver");
                return None;
            }
        };
        let mut output = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = loop {
            let mut line = String::new();
            let read = output.read_line(&mut line).expect("it speaks in text");
            assert!(read > 0, "chromedriver has ended");
            if let Some((_, port)) = line.trim_end().split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().expect("a port");
            }
        };
        let mut browser = Browser { driver, _output: output, port, session: String::new() };
        let wanted = format!(
            "{{\"capabilities\":{{\"alwaysMatch\":{{\"goog:chromeOptions\":{{\"args\":[{FLAGS}]}}}}}}}}"
        );
        let answer = browser.tell("POST", "/session", &wanted);
        let (_, rest) =
            answer.split_once("\"sessionId\":\"").unwrap_or_else(|| panic!("no session: {answer}"));
        browser.session = rest.split('"').next().expect("an id").to_owned();
        Some(browser)
    }

    fn tell(&self, method: &str, path: &str, body: &str) -> String {
        let mut conn = Conn::open(self.port, Wire::Plain).expect("chromedriver listens");
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        conn.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .expect("it reads");
        // A page may take longer than an answer of ours.
        let until = Instant::now() + PAGE_LIMIT;
        while conn.unread.is_empty() && !conn.closed && Instant::now() < until {
            conn.fill(Duration::from_secs(1));
        }
        http::ask(&mut conn, "").text()
    }

    /// Goes to an address, as a person does who types it.
    fn open(&self, url: &str) {
        self.tell("POST", &format!("/session/{}/url", self.session), &format!("{{\"url\":\"{url}\"}}"));
    }

    fn run(&self, script: &str) {
        let path = format!("/session/{}/execute/sync", self.session);
        self.tell("POST", &path, &format!("{{\"script\":\"{script}\",\"args\":[]}}"));
    }

    /// Waits until the page that it shows, whichever that is, holds the text.
    #[track_caller]
    fn shows(&self, text: &str) {
        let until = Instant::now() + PAGE_LIMIT;
        loop {
            let page = self.tell("GET", &format!("/session/{}/source", self.session), "");
            if page.contains(text) {
                return;
            }
            assert!(Instant::now() < until, "{text:?} is not shown: {page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.tell("DELETE", &format!("/session/{}", self.session), "");
        }
        // It takes its browser with it.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.driver),
            rustix::process::Signal::TERM,
        );
        let _ = self.driver.wait();
    }
}

/// Another site: one page, which changes.
struct Elsewhere {
    port: u16,
    page: Arc<Mutex<String>>,
}

impl Elsewhere {
    fn start() -> Elsewhere {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let page = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&page);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 4096];
                // A browser may open a connection and not use it.
                let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
                if !matches!(stream.read(&mut request), Ok(1..)) {
                    continue;
                }
                let page = shown.lock().expect("nobody panics with it").clone();
                let length = page.len();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nCache-Control: no-store";
                let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{page}");
            }
        });
        Elsewhere { port, page }
    }

    fn show(&self, page: String) {
        *self.page.lock().expect("nobody panics with it") = page;
    }
}

#[test]
fn pages_of_another_site_make_a_real_browser_do_nothing() {
    let elsewhere = Elsewhere::start();
    let evil = format!("http://evil.test:{}/", elsewhere.port);
    let dash = format!("http://dash.test:{}", elsewhere.port);
    let conf = format!(
        "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\nallowedhosts = pbx.test\n\
         alloworigin = {dash}\n"
    );
    let server =
        RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", &conf)], &ServerOptions::default());
    let port = server.port(Door::Http);
    let pbx = format!("http://pbx.test:{port}");
    let Some(browser) = Browser::start() else { return };
    let mut root = Client::login(server.port(Door::Ami), "honest", "h0nest-9", "Events: off");
    let mut variable = |name: &str| {
        root.ask(&format!("Action: Getvar\nVariable: {name}")).get("Value").unwrap_or_default().to_owned()
    };
    let link = |url: &str, quiet: bool| {
        let referrer = if quiet { "<meta name=referrer content=no-referrer>" } else { "" };
        format!("{referrer}<meta http-equiv=refresh content=\"0;url={url}\">")
    };

    // With digest credentials that it has kept.
    browser.open(&format!("http://honest:h0nest-9@pbx.test:{port}/arawman?action=ping"));
    browser.shows("Pong");
    let setvar = |name: &str| format!("{pbx}/arawman?action=setvar&variable={name}&value=1");
    for (quiet, why) in [(false, "Request from another site"), (true, "Action by a link")] {
        elsewhere.show(link(&setvar("BYLINK"), quiet));
        browser.open(&evil);
        browser.shows(why);
    }
    elsewhere.show(format!(
        "<form method=post action=\"{pbx}/arawman\"><input name=action value=setvar><input name=variable value=BYFORM>\
         <input name=value value=1></form><script>document.forms[0].submit()</script>"
    ));
    browser.open(&evil);
    browser.shows("Request from another site");
    elsewhere.show(format!("<img src=\"{}\" onerror=\"document.title='over'\">", setvar("BYIMAGE")));
    browser.open(&evil);
    browser.shows("title>over");
    browser.open(&format!("{pbx}/arawman?action=ping"));
    browser.shows("Pong");
    for name in ["BYLINK", "BYFORM", "BYIMAGE"] {
        assert_eq!(variable(name), "", "{name} was set");
    }

    // It is not logged in as somebody else.
    for (quiet, why) in [(false, "Request from another site"), (true, "Login by a link")] {
        elsewhere.show(link(&format!("{pbx}/rawman?action=login&username=low&secret=l0w-9"), quiet));
        browser.open(&evil);
        browser.shows(why);
        browser.open(&format!("{pbx}/rawman?action=ping"));
        browser.shows("Permission denied");
    }

    // A name that leads here is no name of ours.
    browser.open(&format!("http://rebound.test:{port}/rawman?action=ping"));
    browser.shows("allowedhosts");

    // A person logs in by the form.
    browser.open(&format!("{pbx}/manager"));
    browser.shows("form method");
    browser.run(
        "let f = document.forms[0]; f.username.value = 'honest'; f.secret.value = 'h0nest-9'; f.submit()",
    );
    browser.shows("Authentication accepted");

    // A site that the operator names may ask and read; another reads nothing.
    let ask = format!(
        "<script>fetch('{pbx}/rawman', {{method: 'POST', body: new URLSearchParams('action=login&username=honest&secret=h0nest-9')}})\
         .then(a => a.text(), e => 'refused').then(t => document.title = t.includes('accepted') ? 'let in' : t)</script>"
    );
    elsewhere.show(ask);
    browser.open(&dash);
    browser.shows("title>let in");
    browser.open(&evil);
    browser.shows("title>refused");
}
