//! What one action has evaluated holds nobody else up: it has a budget, and the action is answered all the same.

use std::time::{Duration, Instant};

use crate::support::ami::Client;
use crate::support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [ops]\nsecret = 0ps-secret\nread = all\nwrite = all\n[low]\nsecret = l0w-secret\nread = call\nwrite = call,originate,system\n";

#[test]
fn regular_expressions_of_one_user() {
    let files = [("manager.conf", MANAGER), ("extensions.conf", "[default]\nexten => s,1,Wait(600)\n")];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let mut low = Client::login(server.port(Door::Ami), "low", "l0w-secret", "Events: off\n");
    for (name, value) in [("X", "ampz".repeat(240)), ("R", "[a-m].{100}[q-z]q".to_owned())] {
        assert!(low.ask(&format!("Action: Setvar\nVariable: {name}\nValue: {value}\n")).is_success());
    }
    low.ask(&format!("Action: Setvar\nVariable: Y\nValue: {}\n", "${X}".repeat(8)));
    let expensive = r#"$["${EVAL(${Y})}" =~ "${R}"]"#;
    // As many as fit in a line, in actions one behind the other, without waiting for answers.
    let line = expensive.repeat(900 / expensive.len());
    let packet = format!("Action: Getvar\r\nVariable: EVAL({line})\r\n\r\n").repeat(40);
    let begin = Instant::now();
    low.conn.send(packet.as_bytes()).expect("it is taken");
    let mut ops = Client::login(server.port(Door::Ami), "ops", "0ps-secret", "Events: off\n");
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        assert!(ops.ask("Action: Getvar\nVariable: EPOCH\n").is_success());
        longest = longest.max(asked.elapsed());
    }
    // It was half a minute for all of them; a build without optimisation is many times slower than what users run.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    for _ in 0..40 {
        assert!(low.answer(Duration::from_secs(60)).is_success());
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert!(
        server.wait_for_log("more work than others can wait for", Duration::from_secs(20)),
        "{}",
        server.log_tail()
    );
}
