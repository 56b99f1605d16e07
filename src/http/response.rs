//! What goes back: a status line, headers, a body; and the page that tells of an error.
//!
//! It does not know which request it answers, but for whether a body is wanted.

use std::io::Write;

use super::html;

/// An answer in the making: all but what is the same for every answer of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    reason: &'static str,
    /// Whether the connection closes behind it.
    pub close: bool,
    /// Whether browsers and proxies may keep it.
    cacheable: bool,
    /// Rendered header lines.
    headers: Vec<u8>,
    /// What follows the head.
    pub body: Vec<u8>,
}

/// What every answer of a connection has in common.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The `servername` of the configuration; empty means no `Server` header.
    pub server: &'a [u8],
    /// Now, as an HTTP date.
    pub date: &'a str,
    /// Whether the request was a HEAD, which wants no body.
    pub head_only: bool,
}

impl Answer {
    /// A `200 OK` without a body as yet, not to be kept by anyone.
    pub fn ok() -> Answer {
        Answer::new(200, "OK")
    }

    /// An answer of that status, without a body as yet, not to be kept by anyone.
    pub fn new(status: u16, reason: &'static str) -> Answer {
        Answer { status, reason, close: false, cacheable: false, headers: Vec::new(), body: Vec::new() }
    }

    /// The page of an error.
    pub fn page(page: &Page, server: &[u8]) -> Answer {
        let mut answer = Answer::new(page.status, page.reason);
        answer.close = page.close;
        answer.header("Content-type", "text/html");
        answer.header("Content-Security-Policy", PAGE_POLICY);
        if page.status == 503 {
            answer.header("Retry-After", RETRY_AFTER);
        }
        page.write(server, &mut answer.body);
        answer
    }

    /// A redirect. (http/redirect.)
    pub fn redirect(location: &[u8]) -> Answer {
        let mut answer = Answer::new(302, "Moved Temporarily");
        answer.header("Location", location);
        answer
    }

    /// Lets browsers and proxies keep it: a static file.
    pub fn cacheable(mut self) -> Answer {
        self.cacheable = true;
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Adds a header. Characters that would end its line become blanks.
    pub fn header(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Answer {
        self.headers.extend_from_slice(name.as_bytes());
        self.headers.extend_from_slice(b": ");
        self.headers.extend(value.as_ref().iter().map(|&byte| in_line(byte)));
        self.headers.extend_from_slice(b"\r\n");
        self
    }

    /// Appends the whole answer.
    pub fn write(&self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        self.write_head(frame, self.body.len() as u64, out);
        if !frame.head_only {
            out.extend_from_slice(&self.body);
        }
    }

    /// Appends the head alone, for a body of that length that comes from elsewhere.
    pub fn write_head(&self, frame: &Frame<'_>, length: u64, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = write!(out, "HTTP/1.1 {} {}\r\n", self.status, self.reason);
        if !frame.server.is_empty() {
            out.extend_from_slice(b"Server: ");
            out.extend(frame.server.iter().map(|&byte| in_line(byte)));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(frame.date.as_bytes());
        out.extend_from_slice(if self.close { b"\r\nConnection: close\r\n" } else { b"\r\n" });
        out.extend_from_slice(FOR_BROWSERS);
        if !self.cacheable {
            out.extend_from_slice(b"Cache-Control: no-cache, no-store\r\n");
        }
        out.extend_from_slice(&self.headers);
        let _ = write!(out, "Content-Length: {length}\r\n\r\n");
    }
}

/// An error as the client sees it. The words are those of the transcripts: clients compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// What stands behind the status, and as the heading.
    pub reason: &'static str,
    /// The sentence below the heading.
    pub text: &'static str,
    /// Whether the connection closes behind it: where what follows could not be told from the request.
    pub close: bool,
}

impl Page {
    const fn closing(status: u16, reason: &'static str, text: &'static str) -> Page {
        Page { status, reason, text, close: true }
    }

    const fn staying(status: u16, reason: &'static str, text: &'static str) -> Page {
        Page { status, reason, text, close: false }
    }

    /// A request line or header that is none. (http/bad-request-line.)
    pub const INVALID: Page = Page::closing(400, "Bad Request", "Invalid Request");
    /// (http/long-request-line.)
    pub const REQUEST_LINE: Page = Page::closing(400, "Bad Request", "Request line too long");
    /// (http/long-header-line.)
    pub const HEADER_LINE: Page = Page::closing(400, "Bad Request", "Header line too long");
    /// What was begun did not arrive in time. (http/partial-request-line, http/missing-header-end.)
    pub const TIMEOUT: Page = Page::closing(400, "Bad Request", "Timeout");
    /// (http/content-length-bad.)
    pub const CONTENT_LENGTH: Page = Page::closing(400, "Bad Request", "Invalid Content-Length in request!");
    /// A body that ends early or is badly chunked. (http/body-too-short, http/chunked-bad.)
    pub const BODY: Page = Page::closing(400, "Bad Request", "Error parsing request body");
    /// (http/digest-challenge.)
    pub const UNAUTHORIZED: Page = Page::staying(401, "Unauthorized", "");
    /// By a `type=restriction` section. (http/path-acl.)
    pub const RESTRICTED: Page = Page::closing(403, "Forbidden", "Access denied by ACL");
    /// By the path rules of static files. (http/static-refused.)
    pub const STATIC: Page =
        Page::closing(403, "Access Denied", "You do not have permission to access the requested URL.");
    /// By the user's own address rules. (http/digest-barred.)
    pub const DENIED: Page = Page::closing(403, "Permission denied", "Permission denied");
    /// Two `Host` headers.
    pub const HOSTS: Page = Page::closing(400, "Bad Request", "More than one Host in request");
    /// A page of another site asks a browser to act here.
    pub const CROSS_SITE: Page = Page::closing(
        403,
        "Forbidden",
        "Request from another site: its Origin or Referer is not this server. \
         To let pages of that site in, name it in alloworigin in http.conf.",
    );
    /// A browser logs in by a link, and does not say whose.
    pub const LOGIN_BY_LINK: Page = Page::closing(
        403,
        "Forbidden",
        "Login by a link: a browser that does not say which page made it ask logs in by POST only. \
         Use the form at /manager.",
    );
    /// A browser acts by a link, with credentials that it has kept, and does not say whose.
    pub const ACTION_BY_LINK: Page = Page::closing(
        403,
        "Forbidden",
        "Action by a link: a browser that does not say which page made it ask may look by GET, and acts by POST only. \
         Use the form at /amanager.",
    );
    /// A name leads a browser here that is not ours.
    pub const HOST: Page = Page::closing(
        403,
        "Forbidden",
        "The Host of the request is no name of this server. To serve it under that name, add it to allowedhosts in http.conf.",
    );
    /// (http/not-found.)
    pub const NOT_FOUND: Page =
        Page::staying(404, "Not Found", "The requested URL was not found on this server.");
    /// (http/content-length-too-large.)
    pub const BODY_SIZE: Page = Page::closing(413, "Request Entity Too Large", "Body too large");
    /// (http/many-headers.)
    pub const HEADERS: Page = Page::closing(413, "Request Entity Too Large", "Too many headers");
    /// More parameters than a message has lines.
    pub const PARAMETERS: Page = Page::closing(413, "Request Entity Too Large", "Too many parameters");
    /// All header lines together are too long.
    pub const HEAD: Page = Page::closing(431, "Request Header Fields Too Large", "Headers too large");
    /// Something failed on our side.
    pub const INTERNAL: Page = Page::closing(500, "Internal Server Error", "Internal error");
    /// (http/methods-rawman.)
    pub const METHOD: Page =
        Page::staying(501, "Not Implemented", "Attempt to use unimplemented / unsupported method");
    /// (http/transfer-encoding.)
    pub const TRANSFER_ENCODING: Page = Page::closing(501, "Unimplemented", "Unsupported Transfer-Encoding.");
    /// As many sessions as there may be.
    pub const BUSY: Page = Page::closing(503, "Service Unavailable", "Too many sessions");
    /// As many connections as there may be, in all or from one network. (http.conf: sessionlimit.)
    pub const CONNECTIONS: Page = Page::closing(
        503,
        "Service Unavailable",
        "Too many connections: sessionlimit in http.conf is reached",
    );
    /// As many requests of one user as may be answered at once.
    pub const USER_BUSY: Page = Page::staying(
        503,
        "Service Unavailable",
        "Too many requests of this user are being answered: three quarters of sessionlimit in http.conf",
    );
    /// A version other than 1.0 and 1.1.
    pub const VERSION: Page =
        Page::closing(505, "HTTP Version Not Supported", "HTTP/1.0 and HTTP/1.1 are spoken here");

    fn write(&self, server: &[u8], out: &mut Vec<u8>) {
        let Page { status, reason, text, .. } = self;
        let _ = write!(
            out,
            "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\r\n<html><head>\r\n\
             <title>{status} {reason}</title>\r\n</head><body>\r\n<h1>{reason}</h1>\r\n<p>{text}</p>\r\n<hr />\r\n"
        );
        if !server.is_empty() {
            out.extend_from_slice(b"<address>");
            html::escape(server, out);
            out.extend_from_slice(b"</address>\r\n");
        }
        out.extend_from_slice(b"</body></html>\r\n");
    }
}

/// What browsers are told with every answer: its type is the one that it says, and where it came from is for this site
/// alone, since addresses may hold secrets. Not `no-referrer`: then a browser would not say of our own forms that they
/// are ours.
const FOR_BROWSERS: &[u8] = b"X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n";

/// What the pages of our making may do in a browser: show themselves, in their own style, and send their own forms. The
/// answers of AMI are shown in them, which others have sent.
pub const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'self'";

/// After how many seconds a client that was refused for want of a place may try again. Places become free as soon as
/// any answer is out.
const RETRY_AFTER: &str = "1";

/// A byte that would end its line becomes a blank.
fn in_line(byte: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Mon, 23 Nov 2026 04:18:02 GMT";

    fn written(answer: &Answer, server: &str, head_only: bool) -> String {
        let mut out = Vec::new();
        answer.write(&Frame { server: server.as_bytes(), date: DATE, head_only }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pages_are_as_long_as_recorded() {
        let check = |page: Page, server: &str, length: usize| {
            assert_eq!(Answer::page(&page, server.as_bytes()).body.len(), length, "{page:?}");
        };
        check(Page::INVALID, "pbx", 207);
        check(Page::REQUEST_LINE, "pbx", 213);
        check(Page::HEADER_LINE, "pbx", 212);
        check(Page::TIMEOUT, "pbx", 199);
        check(Page::CONTENT_LENGTH, "pbx", 226);
        check(Page::BODY, "pbx", 218);
        check(Page::UNAUTHORIZED, "pbx", 194);
        check(Page::RESTRICTED, "pbx", 208);
        check(Page::STATIC, "pbx", 251);
        check(Page::DENIED, "pbx", 221);
        check(Page::NOT_FOUND, "pbx", 235);
        check(Page::NOT_FOUND, "", 211);
        check(Page::BODY_SIZE, "pbx", 232);
        check(Page::HEADERS, "pbx", 234);
        check(Page::METHOD, "pbx", 249);
        check(Page::TRANSFER_ENCODING, "pbx", 226);
    }

    #[test]
    fn an_error_is_a_whole_page() {
        assert_eq!(
            written(&Answer::page(&Page::NOT_FOUND, b"A & B"), "A & B", false),
            "HTTP/1.1 404 Not Found\r\nServer: A & B\r\nDate: Mon, 23 Nov 2026 04:18:02 GMT\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n\
             Cache-Control: no-cache, no-store\r\nContent-type: text/html\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'self'\r\nContent-Length: 241\r\n\r\n\
             <!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\r\n<html><head>\r\n\
             <title>404 Not Found</title>\r\n</head><body>\r\n<h1>Not Found</h1>\r\n\
             <p>The requested URL was not found on this server.</p>\r\n<hr />\r\n\
             <address>A &amp; B</address>\r\n</body></html>\r\n"
        );
    }

    #[test]
    fn a_head_says_what_a_body_would_have_been() {
        let mut answer = Answer::ok();
        answer.header("Content-type", "text/plain").header("X", "a\r\nSet-Cookie: b");
        answer.body = b"abc".to_vec();
        answer.close = true;
        assert_eq!(
            written(&answer, "", true),
            "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 04:18:02 GMT\r\nConnection: close\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n\
             Cache-Control: no-cache, no-store\r\nContent-type: text/plain\r\nX: a  Set-Cookie: b\r\n\
             Content-Length: 3\r\n\r\n"
        );
        let redirect = Answer::redirect(b"/new").cacheable();
        assert_eq!(
            written(&redirect, "pbx", false),
            "HTTP/1.1 302 Moved Temporarily\r\nServer: pbx\r\nDate: Mon, 23 Nov 2026 04:18:02 GMT\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n\
             Location: /new\r\nContent-Length: 0\r\n\r\n"
        );
    }
}
