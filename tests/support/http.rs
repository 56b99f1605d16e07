//! Just enough of an HTTP client to ask one question at a time.

use std::time::Duration;

use super::Conn;

/// How long an answer may take; a wrong secret alone takes a second.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status line, without its end.
    pub(crate) status: String,
    /// The header lines, as they came.
    pub(crate) headers: Vec<String>,
    /// As many bytes as Content-Length says.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of the first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The session cookie that it sets, as a client sends it back.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.header("Set-Cookie")?.split(';').next()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks for a path, with a cookie if there is one.
pub(crate) fn get(conn: &mut Conn, path: &str, cookie: Option<&str>) -> Answer {
    let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    ask(conn, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n"))
}

/// Sends a request as it is and reads one answer.
pub(crate) fn ask(conn: &mut Conn, request: &str) -> Answer {
    conn.send(request.as_bytes()).expect("the server reads requests");
    let mut lines = Vec::new();
    loop {
        let line =
            conn.line(ANSWER_LIMIT).unwrap_or_else(|| panic!("no answer to {request:?}; had {lines:?}"));
        let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut answer = Answer { status: lines.remove(0), headers: lines, body: Vec::new() };
    let length = answer.header("Content-Length").and_then(|text| text.parse().ok()).unwrap_or(0);
    answer.body = conn.exactly(length, ANSWER_LIMIT);
    answer
}
