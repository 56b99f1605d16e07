//! Requests of every size and framing on one connection: each is answered, and nothing of one is taken for another.

use std::time::Duration;

use crate::support::{Conn, Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [hello]\nsecret = world\nread = user\nwrite = user\n";

const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";

/// How long an answer may take: there to end a hang, not to measure.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

fn start() -> RunningServer {
    let files =
        [("manager.conf", MANAGER), ("http.conf", HTTP), ("amibox.conf", "[general]\nmetrics = yes\n")];
    RunningServer::over(&files, &ServerOptions::default())
}

/// Reads one answer: its status, and whether the connection goes on.
fn answer(conn: &mut Conn) -> Option<(String, bool)> {
    let status = String::from_utf8_lossy(&conn.line(ANSWER_LIMIT)?).trim_end().to_owned();
    let (mut length, mut stays) = (0, true);
    loop {
        let line = String::from_utf8_lossy(&conn.line(ANSWER_LIMIT)?).trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length is a number");
        }
        stays &= line != "connection: close";
    }
    conn.exactly(length, ANSWER_LIMIT);
    Some((status, stays))
}

/// A request of that many bytes in all (or the least that its kind takes).
#[derive(Clone, Copy, Debug)]
enum Kind {
    Get,
    Form,
    Chunked,
    /// A page that does not want the body.
    Discarded,
}

fn request(kind: Kind, size: usize) -> Vec<u8> {
    let padded = |head: &str, size: usize| {
        let mut text = head.to_owned();
        // No header line is longer than the server takes.
        while text.len() + 2 < size {
            let fill = (size - text.len() - 2).min(3000).saturating_sub("X: \r\n".len());
            text.push_str(&format!("X: {}\r\n", "x".repeat(fill)));
        }
        text.into_bytes()
    };
    let form = "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    match kind {
        Kind::Get => {
            [padded("GET /rawman?action=ping HTTP/1.1\r\nHost: localhost\r\n", size), b"\r\n".to_vec()]
                .concat()
        }
        Kind::Form => {
            let body = "action=ping&x=".to_owned() + &"y".repeat(size.saturating_sub(150));
            format!("POST /rawman HTTP/1.1\r\n{form}Content-Length: {}\r\n\r\n{body}", body.len())
                .into_bytes()
        }
        Kind::Chunked => {
            let body = "action=ping&x=".to_owned() + &"y".repeat(size.saturating_sub(200));
            let (one, two) = body.split_at(body.len() / 2);
            let chunks =
                format!("{:x}\r\n{one}\r\n{:X};a=b\r\n{two}\r\n0\r\nT: 1\r\n\r\n", one.len(), two.len());
            format!("POST /rawman HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes()
        }
        Kind::Discarded => {
            let body = "z".repeat(size.saturating_sub(80));
            format!("GET /rawman HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .into_bytes()
        }
    }
}

/// Around every size at which a buffer grows or is given back.
const SIZES: [usize; 13] = [0, 1000, 2047, 2048, 2049, 2100, 4095, 4096, 4097, 8191, 8192, 8193, 20_000];

#[test]
fn any_two_requests_follow_each_other_on_one_connection() {
    let server = start();
    let kinds = [Kind::Get, Kind::Form, Kind::Chunked, Kind::Discarded];
    let all: Vec<(Kind, usize)> = kinds.iter().flat_map(|kind| SIZES.map(|size| (*kind, size))).collect();
    let mut conn = server.connect(Door::Http);
    for (index, first) in all.iter().enumerate() {
        for second in &all {
            let (one, two) = (request(first.0, first.1), request(second.0, second.1));
            // One behind the other, and, for every other pair, both at once: what has arrived of the second is kept.
            let pipelined = index % 2 == 0;
            if pipelined {
                conn.send(&[&one[..], &two].concat()).expect("the server reads requests");
            } else {
                conn.send(&one).expect("the server reads requests");
            }
            for (number, sent) in [&one, &two].into_iter().enumerate() {
                if number == 1 && !pipelined {
                    conn.send(sent).expect("the server reads requests");
                }
                let got = answer(&mut conn);
                let expect = Some(("HTTP/1.1 200 OK".to_owned(), true));
                assert_eq!(got, expect, "{first:?}, then {second:?}: the answer to number {number}");
            }
        }
    }
    assert!(!server.log().contains("panicked"), "{}", server.log_tail());
}

/// What is sent behind a request to see whether something takes it for another one: its answer shows the counters.
const SECOND: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Sends that and the second request at once: the status of the first answer, and whether the second was answered.
fn smuggle(server: &RunningServer, request: &str) -> (String, bool) {
    let mut conn = server.connect(Door::Http);
    conn.send(format!("{request}{SECOND}").as_bytes()).expect("the server reads requests");
    let text = String::from_utf8_lossy(&conn.rest(ANSWER_LIMIT)).into_owned();
    let status = text.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, text.contains("amibox_http_requests"))
}

#[test]
fn a_body_ends_in_one_place_alone() {
    let server = start();
    let chunked = "POST /rawman HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
        Transfer-Encoding: chunked\r\n";
    let check = |request: &str, status: &str| {
        // A request that is refused ends its connection: nothing behind it is read.
        let expect = (status.to_owned(), status == "200");
        assert_eq!(smuggle(&server, request), expect, "{}", request.escape_debug());
    };
    let body = |body: &str, status| check(&format!("{chunked}\r\n{body}"), status);
    body("3\r\na=1\r\n0\r\n\r\n", "200");
    body("3 ;x=y\r\na=1\r\n0\r\nT: 1\r\n\r\n", "200");
    body("3\na=1\r\n0\r\n\r\n", "400");
    body("3\r\na=1\n0\r\n\r\n", "400");
    body("3\rxx\na=1\r\n0\r\n\r\n", "400");
    body("2;\nxx\r\n50\r\n0\r\n\r\n", "400");
    body("3\r\na=10\r\n\r\n", "400");
    body("0\r\nA: b\n\n", "400");
    body("0\n\n", "400");
    body("0x3\r\na=1\r\n0\r\n\r\n", "400");
    body(" 3\r\na=1\r\n0\r\n\r\n", "400");
    check(&format!("{chunked}Content-Length: 6\r\n\r\n0\r\n\r\nG"), "400");
    check(&format!("{chunked}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "501");
    let head = "POST /rawman HTTP/1.1\r\nHost: x\r\n";
    check(&format!("{head}Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\na=1"), "400");
    check(&format!("{head}Content-Length: 3\r\nContent-Length: 0\r\n\r\na=1"), "400");
    check(
        "POST /rawman HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "501",
    );
    check("GET /rawman HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400");
    check("GET /rawman HTTP/1.1\r\n\r\n", "200");
}
