//! Nothing that a client sends nests so deep that the server's stack ends, which would end the process.

use std::time::Duration;

use crate::support::ami::Client;
use crate::support::http;
use crate::support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [ops]\nsecret = 0ps-secret\nread = all\nwrite = all\n";
const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";
const DIALPLAN: &str =
    "[default]\nexten => s,1,Answer\n same => n,Exec(${DEEP})\n same => n,AGI(agi:async)\n";

/// As much as a request's body holds.
const HTTP_SIZE: usize = 40_000;

fn server() -> RunningServer {
    let files = [("manager.conf", MANAGER), ("http.conf", HTTP), ("extensions.conf", DIALPLAN)];
    RunningServer::over(&files, &ServerOptions::default())
}

/// Something within itself as often as fits, without the outermost one.
fn nested(open: &str, size: usize) -> String {
    let times = size / (open.len() + 1);
    format!("{}NoOp{}", open.repeat(times), ")".repeat(times))
}

fn post(server: &RunningServer, fields: &[(&str, &str)]) -> String {
    let login = "/rawman?action=login&username=ops&secret=0ps-secret";
    let cookie =
        http::get(&mut server.connect(Door::Http), login, None).cookie().expect("a session").to_owned();
    // Only what would be read otherwise: a body has its limit too.
    let encode =
        |text: &str| text.replace('%', "%25").replace('&', "%26").replace('+', "%2b").replace(' ', "+");
    let field = |(name, value): &(&str, &str)| format!("{name}={}", encode(value));
    let body = fields.iter().map(field).collect::<Vec<_>>().join("&");
    let request = format!(
        "POST /rawman HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    http::ask(&mut server.connect(Door::Http), &request).text()
}

fn is_well(server: &mut RunningServer, after: &str) {
    let mut client = Client::login(server.port(Door::Ami), "ops", "0ps-secret", "Events: off\n");
    assert!(client.ask("Action: Getvar\nVariable: EPOCH\n").is_success(), "{after}");
    assert!(server.wait(Duration::ZERO).is_none(), "{after}: {}", server.log_tail());
}

#[test]
fn applications_within_applications() {
    let mut server = server();
    for application in ["Exec", "TryExec", "ExecIf", "ExecIfTime"] {
        let open = match application {
            "ExecIf" => "ExecIf(1?".to_owned(),
            "ExecIfTime" => "ExecIfTime(*,*,*,*?".to_owned(),
            name => format!("{name}("),
        };
        let data = nested(&open, HTTP_SIZE / 4);
        let data = if application.starts_with("ExecIf") { format!("1?{data}") } else { data };
        let fields = [
            ("action", "Originate"),
            ("channel", "Local/s@default"),
            ("application", application),
            ("data", &data),
            ("async", "true"),
        ];
        let answer = post(&server, &fields);
        assert!(answer.contains("Success"), "{application}: {answer}");
        is_well(&mut server, application);
    }
    // The dialplan takes the same road with what a variable holds, and AGI with what a command says.
    let mut client = Client::login(server.port(Door::Ami), "ops", "0ps-secret", "Events: off\n");
    let deep = nested("Exec(", 1_000);
    client.ask(&format!(
        "Action: Originate\nChannel: Local/s@default\nApplication: Wait\nData: 60\nAsync: true\nVariable: DEEP={deep}\n"
    ));
    client.ask("Action: Originate\nChannel: Local/s@default/n\nChannelId: a\nOtherChannelId: b\nApplication: Wait\nData: 60\nVariable: DEEP=NoOp()\n");
    for open in ["Exec(", "TryExec("] {
        let command = format!("EXEC Exec {}", nested(open, HTTP_SIZE));
        post(&server, &[("action", "AGI"), ("channel", "b"), ("command", &command)]);
        is_well(&mut server, "AGI");
    }
}

#[test]
fn functions_and_expressions_within_each_other() {
    let mut server = server();
    let mut client = Client::login(server.port(Door::Ami), "ops", "0ps-secret", "Events: off\n");
    client.ask("Action: Originate\nChannel: Local/s@default/n\nChannelId: a\nOtherChannelId: b\nApplication: Wait\nData: 60\nVariable: DEEP=NoOp()\n");
    let texts = [
        nested("IMPORT(b,", HTTP_SIZE),
        nested("MASTER_CHANNEL(", HTTP_SIZE),
        nested("CUT(", HTTP_SIZE),
        nested("EVAL(", HTTP_SIZE),
        nested("IF(1?", HTTP_SIZE),
        format!("EVAL({})", "${".repeat(HTTP_SIZE / 2)),
        format!("EVAL($[{}1])", "(".repeat(HTTP_SIZE)),
        format!("EVAL($[{}1])", "-".repeat(HTTP_SIZE)),
        format!("EVAL({}1{})", "$[".repeat(9_000), "]".repeat(9_000)),
        format!("REGEX(\"{}\" x)", "(".repeat(HTTP_SIZE)),
        format!("REGEX(\"a{}\" x)", "*".repeat(HTTP_SIZE)),
        format!("REGEX(\"{}a{}\" x)", "(".repeat(9_000), ")*".repeat(9_000)),
    ];
    for text in &texts {
        let answer = post(&server, &[("action", "Getvar"), ("channel", "b"), ("variable", text)]);
        let shown = &text[..text.len().min(40)];
        assert!(answer.contains("Response: "), "{shown}: {answer}");
        is_well(&mut server, shown);
    }
}
