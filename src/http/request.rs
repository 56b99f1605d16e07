//! A request's head: its end is found as the bytes arrive, then it is taken apart.
//!
//! Every limit is checked at the line that breaks it, so that nobody has to send the rest to be told.

use super::body::Framing;
use super::response::Page;

/// Finds the end of a head. Bytes are looked at once, however small the pieces in which they come.
#[derive(Clone, Debug, Default)]
pub struct HeadScan {
    /// How far the buffer has been searched.
    searched: usize,
    /// Where the unfinished line begins.
    line: usize,
    /// Lines behind the request line.
    lines: usize,
    /// Those of them with a value.
    headers: usize,
}

impl HeadScan {
    /// Looks at what is new in a buffer that begins with the request. Gives the head's length when it is whole, `None`
    /// when more is needed, and the page of the limit that was broken.
    pub fn advance(&mut self, buf: &[u8]) -> Result<Option<usize>, Page> {
        while let Some(end) = buf[self.searched..].iter().position(|&b| b == b'\n') {
            let end = self.searched + end + 1;
            let line = &buf[self.line..end];
            let (first, length) = (self.line == 0, line.len());
            (self.line, self.searched) = (end, end);
            if length > MAX_LINE {
                return Err(too_long(first));
            }
            let text = line[..length - 1].strip_suffix(b"\r").unwrap_or(&line[..length - 1]);
            if first {
                check_request_line(text)?;
            } else if text.is_empty() {
                return Ok(Some(end));
            } else {
                self.count_header(text)?;
            }
            if end > MAX_HEAD {
                return Err(Page::HEAD);
            }
        }
        self.searched = buf.len();
        // Whatever ends this line, it will be too long.
        if buf.len() - self.line >= MAX_LINE { Err(too_long(self.line == 0)) } else { Ok(None) }
    }

    /// Lines without a value do not count. (http/many-headers.)
    fn count_header(&mut self, text: &[u8]) -> Result<(), Page> {
        let valued =
            text.iter().position(|&b| b == b':').is_some_and(|at| !text[at + 1..].trim_ascii().is_empty());
        self.lines += 1;
        self.headers += usize::from(valued);
        if self.headers > MAX_HEADERS || self.lines > MAX_HEADER_LINES { Err(Page::HEADERS) } else { Ok(()) }
    }
}

fn too_long(request_line: bool) -> Page {
    if request_line { Page::REQUEST_LINE } else { Page::HEADER_LINE }
}

/// A request line without a path is refused before its headers come. (http/bad-request-line.)
fn check_request_line(text: &[u8]) -> Result<(), Page> {
    let mut words = text.split(|&b| b == b' ').filter(|word| !word.is_empty());
    words.next().and(words.next()).map(|_| ()).ok_or(Page::INVALID)
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Like GET, without a body in the answer.
    Head,
    /// Parameters in the body.
    Post,
    /// Something not served here.
    Other,
}

/// A request's head, taken apart. What is empty was not there.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The method as it was written: digests cover it.
    pub method_name: &'a str,
    /// The request target as it was written: digests cover it.
    pub target: &'a [u8],
    /// The path, as it was written.
    pub path: &'a [u8],
    /// What stands behind the question mark.
    pub query: &'a [u8],
    /// Whether the client wants the connection closed behind the answer.
    pub close: bool,
    /// How the body's end is found.
    pub framing: Framing,
    /// `Content-Type`.
    pub content_type: &'a [u8],
    /// The last `Cookie` header. (http/several-cookies.)
    pub cookie: &'a [u8],
    /// `Authorization`.
    pub authorization: &'a [u8],
    /// `If-None-Match`.
    pub if_none_match: &'a [u8],
    /// `Host`.
    pub host: &'a [u8],
    /// `X-Forwarded-Host`.
    pub forwarded_host: &'a [u8],
    /// Whether a proxy says that it passes the request on.
    pub is_forwarded: bool,
    /// `Origin`.
    pub origin: &'a [u8],
    /// `Referer`.
    pub referer: &'a [u8],
    /// `Sec-Fetch-Site`.
    pub fetch_site: &'a [u8],
    /// `Upgrade-Insecure-Requests`.
    pub upgrade_insecure: &'a [u8],
    /// `Accept`.
    pub accept: &'a [u8],
    /// `Access-Control-Request-Method`: this asks whether a request may be sent.
    pub preflight_method: &'a [u8],
    /// `User-Agent`.
    pub user_agent: &'a [u8],
}

impl<'a> Request<'a> {
    /// Takes a whole head apart, the empty line at its end included.
    pub fn parse(head: &'a [u8]) -> Result<Request<'a>, Page> {
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADER_LINES];
        let mut raw = httparse::Request::new(&mut slots);
        match raw.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Page::INVALID),
            Err(httparse::Error::TooManyHeaders) => return Err(Page::HEADERS),
            Err(httparse::Error::Version) if has_other_version(head) => return Err(Page::VERSION),
            Err(_) => return Err(Page::INVALID),
        }
        let (Some(method_name), Some(target), Some(version)) = (raw.method, raw.path, raw.version) else {
            return Err(Page::INVALID);
        };
        let target = target.as_bytes();
        let (path, query) = split_target(target);
        let mut request = Request {
            method: Method::from(method_name),
            method_name,
            target,
            path,
            query,
            close: version == 0,
            framing: Framing::None,
            content_type: b"",
            cookie: b"",
            authorization: b"",
            if_none_match: b"",
            host: b"",
            forwarded_host: b"",
            is_forwarded: false,
            origin: b"",
            referer: b"",
            fetch_site: b"",
            upgrade_insecure: b"",
            accept: b"",
            preflight_method: b"",
            user_agent: b"",
        };
        let mut length = None;
        // `Some` where there is the header at all; whether it says "chunked".
        let mut coding: Option<bool> = None;
        let mut hosts = 0;
        for header in raw.headers.iter() {
            let (name, value) = (header.name, header.value.trim_ascii());
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let kept = match name.len() {
                4 if is("Host") => {
                    hosts += 1;
                    &mut request.host
                }
                6 if is("Accept") => &mut request.accept,
                6 if is("Cookie") => &mut request.cookie,
                6 if is("Origin") => &mut request.origin,
                7 if is("Referer") => &mut request.referer,
                3 if is("Via") => {
                    request.is_forwarded = true;
                    continue;
                }
                9 if is("Forwarded") => {
                    request.is_forwarded = true;
                    continue;
                }
                15 if is("X-Forwarded-For") => {
                    request.is_forwarded = true;
                    continue;
                }
                16 if is("X-Forwarded-Host") => {
                    request.is_forwarded = true;
                    &mut request.forwarded_host
                }
                10 if is("User-Agent") => &mut request.user_agent,
                12 if is("Content-Type") => &mut request.content_type,
                13 if is("Authorization") => &mut request.authorization,
                13 if is("If-None-Match") => &mut request.if_none_match,
                14 if is("Sec-Fetch-Site") => &mut request.fetch_site,
                25 if is("Upgrade-Insecure-Requests") => &mut request.upgrade_insecure,
                29 if is("Access-Control-Request-Method") => &mut request.preflight_method,
                10 if is("Connection") => {
                    request.close = wants_close(value, request.close);
                    continue;
                }
                14 if is("Content-Length") => {
                    let given = content_length(value)?;
                    if length.replace(given).is_some_and(|other| other != given) {
                        return Err(Page::CONTENT_LENGTH);
                    }
                    continue;
                }
                17 if is("Transfer-Encoding") => {
                    coding = Some(transfer_encoding(value, coding.unwrap_or(false))?);
                    continue;
                }
                _ => continue,
            };
            *kept = value;
        }
        // Which of two hosts is meant is not for us to guess: RFC 9112, section 3.2. None at all is nobody's trick, and
        // clients that are scripts leave it out.
        if hosts > 1 {
            return Err(Page::HOSTS);
        }
        request.framing = match (coding, length) {
            // Two lengths are how requests are smuggled past a proxy: RFC 9112, section 6.3.
            (Some(_), Some(_)) => return Err(Page::CONTENT_LENGTH),
            // HTTP/1.0 knows no chunks: whoever passed this on may have seen another end (section 6.1).
            (Some(true), None) if version == 0 => return Err(Page::TRANSFER_ENCODING),
            (Some(true), None) => Framing::Chunked,
            (_, None | Some(0)) => Framing::None,
            (_, Some(length)) => Framing::Length(length),
        };
        Ok(request)
    }
}

/// Names and sizes alone: queries, cookies and authorizations hold secrets.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = String::from_utf8_lossy(self.path);
        write!(f, "{} {path} {:?}", self.method_name, self.framing)
    }
}

impl From<&str> for Method {
    /// The method of that name, in any case. (http/method-case.)
    fn from(name: &str) -> Method {
        let known = [("GET", Method::Get), ("POST", Method::Post), ("HEAD", Method::Head)];
        known
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map_or(Method::Other, |(_, method)| *method)
    }
}

/// Path and query. Of an absolute URI, which a proxy would send, the path counts.
fn split_target(target: &[u8]) -> (&[u8], &[u8]) {
    let mut local = target;
    for scheme in [&b"http://"[..], b"https://"] {
        if let Some((start, rest)) = target.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            local = rest.iter().position(|b| matches!(b, b'/' | b'?')).map_or(b"/", |at| &rest[at..]);
        }
    }
    match local.iter().position(|&b| b == b'?') {
        Some(0) => (b"/", &local[1..]),
        Some(at) => (&local[..at], &local[at + 1..]),
        None => (local, b""),
    }
}

/// Only these words alone count; among others they are not looked at. (http/connection-close.)
fn wants_close(value: &[u8], otherwise: bool) -> bool {
    match value {
        _ if value.eq_ignore_ascii_case(b"close") => true,
        _ if value.eq_ignore_ascii_case(b"keep-alive") => false,
        _ => otherwise,
    }
}

fn content_length(value: &[u8]) -> Result<u64, Page> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Page::CONTENT_LENGTH)
}

/// (http/transfer-encoding.)
fn transfer_encoding(value: &[u8], chunked: bool) -> Result<bool, Page> {
    match value {
        _ if value.eq_ignore_ascii_case(b"chunked") && !chunked => Ok(true),
        _ if value.eq_ignore_ascii_case(b"identity") => Ok(chunked),
        _ => Err(Page::TRANSFER_ENCODING),
    }
}

/// Whether the request line names some version of HTTP.
fn has_other_version(head: &[u8]) -> bool {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
    line.rsplit(|&b| b == b' ').next().is_some_and(|word| word.starts_with(b"HTTP/"))
}

/// How long a line may be, its ending included. (http/long-request-line, http/long-header-line.)
pub const MAX_LINE: usize = 4095;

/// How many headers with a value a request may have. (http/many-headers.)
pub const MAX_HEADERS: usize = 100;

/// How many header lines in all: those without a value cost something too.
pub const MAX_HEADER_LINES: usize = 128;

/// How long all lines together may be: a hundred lines of the greatest length have no use, and every connection may
/// make us hold as much.
pub const MAX_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &[u8]) -> Result<Option<usize>, Page> {
        let whole = HeadScan::default().advance(text);
        let mut scan = HeadScan::default();
        // One byte at a time comes to the same, only sooner where a limit is broken.
        let mut slow = Ok(None);
        for end in 1..=text.len() {
            slow = scan.advance(&text[..end]);
            if slow != Ok(None) {
                break;
            }
        }
        assert_eq!(whole, slow);
        whole
    }

    #[test]
    fn the_end_of_a_head_is_found_or_refused() {
        let check = |text: &str, expect: Result<Option<usize>, Page>| {
            assert_eq!(scan(text.as_bytes()), expect, "{text}")
        };
        check("GET / HTTP/1.1\r\n\r\n", Ok(Some(18)));
        check("GET / HTTP/1.1\nHost: a\n\nGET", Ok(Some(24)));
        check("GET /rawm", Ok(None));
        check("GET / HTTP/1.1\r\nHost: loc", Ok(None));
        check("", Ok(None));
        check("\r\n", Err(Page::INVALID));
        check("GET\r\n", Err(Page::INVALID));
        check("GET \r\n", Err(Page::INVALID));
        let x = |n| "x".repeat(n);
        check(&format!("GET /{} HTTP/1.1\r\n", x(MAX_LINE - 16)), Ok(None));
        check(&format!("GET /{} HTTP/1.1\r\n", x(MAX_LINE - 15)), Err(Page::REQUEST_LINE));
        check(&format!("GET /{}", x(MAX_LINE)), Err(Page::REQUEST_LINE));
        check(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", x(MAX_LINE - 5)), Ok(Some(16 + MAX_LINE + 2)));
        check(&format!("GET / HTTP/1.1\r\nX: {}\r\n", x(MAX_LINE - 4)), Err(Page::HEADER_LINE));
        let line = format!("X: {}\r\n", x(MAX_LINE - 5));
        check(&format!("GET / HTTP/1.1\r\n{}", line.repeat(MAX_HEAD / MAX_LINE + 1)), Err(Page::HEAD));
        check(&format!("GET / HTTP/1.1\r\n{}Y:\r\n\r\n", "X: 1\r\n".repeat(100)), Ok(Some(16 + 606)));
        check(&format!("GET / HTTP/1.1\r\n{}", "X: 1\r\n".repeat(101)), Err(Page::HEADERS));
        check(&format!("GET / HTTP/1.1\r\n{}", "Y:\r\n".repeat(129)), Err(Page::HEADERS));
    }

    #[test]
    fn targets_fall_into_path_and_query() {
        let check = |target: &str, path: &str, query: &str| {
            let head = format!("GET {target} HTTP/1.1\r\n\r\n");
            let request = Request::parse(head.as_bytes()).unwrap();
            assert_eq!((request.path, request.query), (path.as_bytes(), query.as_bytes()), "{target}");
            assert_eq!(request.target, target.as_bytes());
        };
        check("/rawman?action=ping&a=b?c", "/rawman", "action=ping&a=b?c");
        check("/rawman?", "/rawman", "");
        check("rawman", "rawman", "");
        check("*", "*", "");
        check("/static/sub\\..\\plain.txt", "/static/sub\\..\\plain.txt", "");
        check("http://pbx:8088/rawman?a", "/rawman", "a");
        check("HTTPS://pbx?a", "/", "a");
        check("http://pbx", "/", "");
    }

    #[test]
    fn heads_are_taken_apart() {
        let check = |head: &str, expect: Result<(Method, bool, Framing), Page>| {
            let head = head.replace('|', "\r\n");
            let got = Request::parse(head.as_bytes()).map(|r| (r.method, r.close, r.framing));
            assert_eq!(got, expect, "{head}");
        };
        use Framing::{Chunked, Length, None};
        use Method::{Get, Head, Other, Post};
        check("GET / HTTP/1.1||", Ok((Get, false, None)));
        check("get / HTTP/1.1||", Ok((Get, false, None)));
        check("Head / HTTP/1.1||", Ok((Head, false, None)));
        check("PATCH / HTTP/1.1|Content-Length: 3||", Ok((Other, false, Length(3))));
        check("POST / HTTP/1.1|Content-Length: 0011||", Ok((Post, false, Length(11))));
        check("POST / HTTP/1.1|content-length:0||", Ok((Post, false, None)));
        check("POST / HTTP/1.1|Content-Length: 3|Content-Length: 3||", Ok((Post, false, Length(3))));
        check("POST / HTTP/1.1|Content-Length: 3|Content-Length: 4||", Err(Page::CONTENT_LENGTH));
        check("POST / HTTP/1.1|Content-Length: -1||", Err(Page::CONTENT_LENGTH));
        check("POST / HTTP/1.1|Content-Length: 11abc||", Err(Page::CONTENT_LENGTH));
        check("POST / HTTP/1.1|Content-Length:||", Err(Page::CONTENT_LENGTH));
        check("POST / HTTP/1.1|Content-Length: 99999999999999999999||", Err(Page::CONTENT_LENGTH));
        check("POST / HTTP/1.1|Transfer-Encoding: Chunked||", Ok((Post, false, Chunked)));
        check("POST / HTTP/1.1|Transfer-Encoding: identity||", Ok((Post, false, None)));
        check("POST / HTTP/1.1|Transfer-Encoding: gzip||", Err(Page::TRANSFER_ENCODING));
        check("POST / HTTP/1.1|Transfer-Encoding: chunked|Content-Length: 3||", Err(Page::CONTENT_LENGTH));
        check("POST / HTTP/1.1|Transfer-Encoding: identity|Content-Length: 3||", Err(Page::CONTENT_LENGTH));
        check("POST / HTTP/1.0|Transfer-Encoding: chunked||", Err(Page::TRANSFER_ENCODING));
        check("GET / HTTP/1.1|Host: a|Host: a||", Err(Page::HOSTS));
        check("GET / HTTP/1.1|connection: CLOSE||", Ok((Get, true, None)));
        check("GET / HTTP/1.1|Connection: close, TE||", Ok((Get, false, None)));
        check("GET / HTTP/1.0||", Ok((Get, true, None)));
        check("GET / HTTP/1.0|Connection: Keep-Alive||", Ok((Get, false, None)));
        check("GET / HTTP/2.0||", Err(Page::VERSION));
        check("GET /||", Err(Page::INVALID));
        check("GET / SIP/2.0||", Err(Page::INVALID));
        check("GET  / HTTP/1.1||", Err(Page::INVALID));
        check("GET / HTTP/1.1|no colon||", Err(Page::INVALID));
        check("GET / HTTP/1.1|A: b| folded||", Err(Page::INVALID));
        check("GET / HTTP/1.1|A : b||", Err(Page::INVALID));
        check("G{T / HTTP/1.1||", Err(Page::INVALID));
    }

    #[test]
    fn the_last_cookie_header_is_kept() {
        let head = b"GET / HTTP/1.1\r\nCookie: a=1\r\ncookie:  b=2 \r\n\r\n";
        assert_eq!(Request::parse(head).unwrap().cookie, b"b=2");
    }

    #[test]
    fn a_request_shows_no_secret() {
        let head = b"GET /rawman?secret=world HTTP/1.1\r\nCookie: mansession_id=1f\r\n\r\n";
        assert_eq!(format!("{:?}", Request::parse(head).unwrap()), "GET /rawman None");
    }
}
