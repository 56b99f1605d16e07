//! UpdateConfig under `kill -9`: whatever the moment, the file is the old one or the new one, and whole.

mod support;

use std::fs;
use std::time::Duration;

use support::{Conn, Door, RunningServer, ServerOptions};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(10);

/// How many servers are killed. Each start takes some hundredths of a second.
const KILLS: u32 = 120;

/// How many variables the file has besides the one that changes: enough that writing it takes a moment.
const BALLAST: usize = 500;

const MANAGER: &str =
    "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\n[ops]\nsecret = s\nwrite = all\n";

#[test]
fn a_crash_leaves_the_old_file_or_the_new_one() {
    let ballast: String = (0..BALLAST).map(|n| format!("variable{n} = value ; a remark\n")).collect();
    let mut content = format!("[counter]\nn = 0\n\n[ballast]\n{ballast}");
    let (mut acknowledged, mut written) = (0, 0);
    for round in 0..KILLS {
        let server = RunningServer::over(
            &[("manager.conf", MANAGER), ("data.conf", &content)],
            &ServerOptions::default(),
        );
        let mut conn = server.connect(Door::Ami);
        conn.send(b"Action: Login\r\nUsername: ops\r\nSecret: s\r\n\r\n").unwrap();
        // Updates without waiting for answers: the kill comes while one of them is being done.
        let mut next = acknowledged;
        let updates: String = (0..40)
            .map(|_| {
                next += 1;
                update(next)
            })
            .collect();
        conn.send(updates.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(u64::from(round) * 997 % 30_000));
        server.signal(rustix::process::Signal::KILL);
        let answered = successes(&mut conn).saturating_sub(1);
        let found = fs::read_to_string(server.etc().join("data.conf")).unwrap();
        let n = counter(&found).unwrap_or_else(|| {
            panic!("round {round}: the file is broken:\n{}", &found[..300.min(found.len())])
        });
        assert!(
            n >= acknowledged + answered,
            "round {round}: {n} is older than {answered} acknowledged updates"
        );
        assert_eq!(
            found.matches("value   ; a remark").count().max(found.matches("value ; a remark").count()),
            BALLAST
        );
        written += n - acknowledged;
        acknowledged = n;
        content = found;
    }
    assert!(
        written > u64::from(KILLS) / 4,
        "only {written} updates came through: the kills came too early to say anything"
    );
}

fn update(n: u64) -> String {
    format!(
        "Action: UpdateConfig\r\nSrcFilename: data.conf\r\nDstFilename: data.conf\r\nAction-000000: Update\r\n\
         Cat-000000: counter\r\nVar-000000: n\r\nValue-000000: {n}\r\n\r\n"
    )
}

/// The successes among the answers that came before the end.
fn successes(conn: &mut Conn) -> u64 {
    let text = conn.rest(LIMIT);
    String::from_utf8_lossy(&text).matches("Response: Success").count() as u64
}

fn counter(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("n = "))?.parse().ok()
}
