//! A session over HTTP: a keep-alive connection with the cookie that the login gave.

use std::io;
use std::net::SocketAddr;

use crate::client::{Client, Framing, PINGER, SECRET, find, header};

/// A connection that has logged in, and the request for a Ping in its session.
pub(crate) fn login(address: SocketAddr) -> io::Result<(Client, Vec<u8>)> {
    let mut client = Client::connect(address, Framing::Pages)?;
    client.send(&get(&format!("action=login&username={PINGER}&secret={SECRET}"), ""))?;
    let answer = client.answer()?;
    let head = &answer[..find(&answer, b"\r\n\r\n").unwrap_or(answer.len())];
    let cookie = header(head, "Set-Cookie").and_then(|cookie| cookie.split(';').next());
    let cookie = cookie.ok_or_else(|| io::Error::other("a login over HTTP has given no cookie"))?;
    if find(&answer, b"Success").is_none() {
        return Err(io::Error::other(format!("a login over HTTP has failed: {}", answer.escape_ascii())));
    }
    Ok((client, get("action=ping", &format!("Cookie: {cookie}\r\n"))))
}

fn get(query: &str, headers: &str) -> Vec<u8> {
    format!("GET /rawman?{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}
