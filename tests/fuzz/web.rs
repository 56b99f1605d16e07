//! HTTP's decoders: heads, bodies, forms, uploads, credentials.

use std::convert::Infallible;

use amibox::http::body::{Decoder, Framing, MAX_FORM};
use amibox::http::browser::Site;
use amibox::http::buffer::Buffer;
use amibox::http::cookie::{Scope, SessionId};
use amibox::http::digest::{Credentials, Nonces};
use amibox::http::multipart::{self, Item, Malformed, Multipart};
use amibox::http::request::{HeadScan, MAX_HEAD, MAX_LINE};
use amibox::http::{Page, Request, files, form};

/// However a stream is cut, its head ends at the same place, or breaks the same limit.
pub(crate) fn heads(data: &[u8]) {
    let whole = scan(data, data.len().max(1));
    for size in [1, 3, 1000] {
        assert_eq!(scan(data, size), whole, "in pieces of {size}");
    }
    let Ok(Some(length)) = whole else { return };
    assert!(length <= MAX_HEAD);
    let Ok(request) = Request::parse(&data[..length]) else { return };
    let _ = (
        request.site(),
        request.is_from_browser(),
        request.host_name(),
        request.is_of_origin(&[]),
        form::is_form(request.content_type),
        format!("{request:?}"),
    );
    credentials(request.authorization);
    credentials(request.cookie);
    credentials(request.query);
    credentials(request.path);
    if let Ok(mut decoder) = Decoder::new(request.framing, MAX_FORM) {
        let _ = content(&mut decoder, &data[length..], data.len().max(1));
    }
}

/// However a connection's bytes are cut, the same requests are found in them, with the same bodies, and what a browser
/// tells of its page is what it told.
pub(crate) fn connections(data: &[u8]) {
    let whole = requests(data, data.len().max(1));
    for size in [1, 7, 2047, 2048, 2049] {
        assert_eq!(requests(data, size), whole, "in pieces of {size}");
    }
}

/// What is found on a connection, up to the first mistake or the end.
fn requests(data: &[u8], size: usize) -> Vec<String> {
    let (mut buffer, mut rest, mut found) = (Buffer::default(), data, Vec::new());
    let mut fill = |buffer: &mut Buffer| {
        let read = |room: &mut [u8]| {
            let count = size.min(room.len()).min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            Ok::<usize, Infallible>(count)
        };
        matches!(buffer.fill(read), Ok(1..))
    };
    loop {
        let mut scan = HeadScan::default();
        let head = loop {
            match scan.advance(buffer.unread()) {
                Ok(Some(length)) => break buffer.unread()[..length].to_vec(),
                Ok(None) if fill(&mut buffer) => {}
                Ok(None) => return found,
                Err(page) => {
                    found.push(format!("{page:?}"));
                    return found;
                }
            }
        };
        buffer.consume(head.len());
        let request = Request::parse(&head);
        let decoder = request.as_ref().map_err(|page| *page).and_then(|r| Decoder::new(r.framing, MAX_FORM));
        let (request, mut decoder) = match (request, decoder) {
            (Ok(request), Ok(decoder)) => (request, decoder),
            (_, Err(page)) | (Err(page), _) => {
                found.push(format!("{page:?}"));
                return found;
            }
        };
        let mut body = Vec::new();
        while !decoder.is_done() {
            if buffer.unread().is_empty() && !fill(&mut buffer) {
                return found;
            }
            match decoder.decode(buffer.unread()) {
                Ok(step) => {
                    body.extend_from_slice(step.content);
                    let used = step.used;
                    buffer.consume(used);
                }
                Err(page) => {
                    found.push(format!("{page:?}"));
                    return found;
                }
            }
        }
        assert!(body.len() as u64 <= MAX_FORM);
        found.push(format!("{request:?} {:?} {} {}", browser(&request), request.close, body.escape_ascii()));
        buffer.shrink();
        if request.close {
            return found;
        }
    }
}

/// Whose page it is, and whether it is a browser's.
fn browser(request: &Request<'_>) -> (Site, bool) {
    let site = request.site();
    let names_nobody = request.host.is_empty() && request.forwarded_host.is_empty();
    if request.fetch_site.is_empty() {
        assert!(request.origin != b"null" || site == Site::Other, "a page that hides is another's");
        assert!(site != Site::Own || !names_nobody, "no page is of a host that nobody named");
        assert_eq!(site == Site::Unknown, request.origin.is_empty() && request.referer.is_empty());
    }
    assert!(!request.is_of_origin(&[]));
    let own = request.host_name();
    assert!(own.len() <= request.host.len() && !own.iter().any(u8::is_ascii_uppercase));
    (site, request.is_from_browser())
}

/// Where the head ends; or the status and the text of the page that refuses it.
fn scan(data: &[u8], size: usize) -> Result<Option<usize>, String> {
    let mut scan = HeadScan::default();
    let mut end = 0;
    while end < data.len() {
        end = (end + size).min(data.len());
        match scan.advance(&data[..end]) {
            Ok(None) => assert!(end < MAX_HEAD + MAX_LINE, "a head of {end} bytes goes on"),
            Ok(found) => return Ok(found),
            Err(page) => return Err(format!("{page:?}")),
        }
    }
    Ok(None)
}

/// However a body is cut, its content and its end are the same. The first byte chooses the framing.
pub(crate) fn bodies(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let framing = match first {
        b'l' => Framing::Length(data.len() as u64 / 2),
        b'n' => Framing::None,
        _ => Framing::Chunked,
    };
    let run = |size: usize| {
        let mut decoder = Decoder::new(framing, 1000).map_err(|page| format!("{page:?}"))?;
        content(&mut decoder, data, size).map_err(|page| format!("{page:?}"))
    };
    let whole = run(data.len().max(1));
    for size in [1, 2, 5] {
        match (&whole, run(size)) {
            // What came before a mistake is handed out, or not.
            (Err(why), Err(other)) => assert_eq!(*why, other),
            (whole, cut) => assert_eq!(*whole, cut, "in pieces of {size}"),
        }
    }
    if let Ok((content, _)) = &whole {
        assert!(content.len() <= 1000);
    }
}

/// The content, and how many bytes it took.
fn content(decoder: &mut Decoder, data: &[u8], size: usize) -> Result<(Vec<u8>, usize), Page> {
    let (mut content, mut used) = (Vec::new(), 0);
    for mut piece in data.chunks(size) {
        while !decoder.is_done() && !piece.is_empty() {
            let step = decoder.decode(piece)?;
            assert!(step.used > 0, "it takes nothing and is not done");
            content.extend_from_slice(step.content);
            used += step.used;
            piece = &piece[step.used..];
        }
    }
    Ok((content, used))
}

/// However an upload is cut, the same parts come out of it. The first line is its `Content-Type`.
pub(crate) fn multipart(data: &[u8]) {
    let mut parts = data.splitn(2, |&b| b == b'\n');
    let (content_type, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let whole = read(content_type, body, body.len().max(1));
    for size in [1, 2, 31] {
        assert_eq!(read(content_type, body, size), whole, "in pieces of {size}");
    }
    for (_, file, _, _) in whole.into_iter().flatten() {
        if let Some(name) = file.as_deref().and_then(multipart::file_name) {
            assert!(!name.contains(['/', '\\', '\0', '\n']) && !name.starts_with('.') && !name.is_empty());
        }
    }
}

type Part = (Vec<u8>, Option<Vec<u8>>, Vec<u8>, bool);

/// Name, file name, content and whether it has ended, of each part; `None` where it is no upload.
fn read(content_type: &[u8], body: &[u8], size: usize) -> Option<Vec<Part>> {
    let mut reader = Multipart::new(content_type)?;
    let mut found: Vec<Part> = Vec::new();
    for piece in body.chunks(size) {
        let fed = reader.feed(piece, |item| {
            match (item, found.last_mut()) {
                (Item::Part { name, file }, last) => {
                    assert!(last.is_none_or(|last| last.3), "a part within a part");
                    found.push((name.to_vec(), file.map(<[u8]>::to_vec), Vec::new(), false));
                }
                (Item::Content(bytes), Some(last)) => {
                    assert!(!last.3 && !bytes.is_empty());
                    last.2.extend_from_slice(bytes);
                }
                (Item::PartEnd, Some(last)) => assert!(!std::mem::replace(&mut last.3, true)),
                (item, None) => panic!("{item:?} before any part"),
            }
            Ok::<(), Malformed>(())
        });
        if fed.is_err() {
            // How much was handed out before depends on where it was cut.
            return None;
        }
    }
    // What is still held back of the last part, too.
    if let Some(last) = found.last_mut().filter(|last| !last.3) {
        last.2.clear();
    }
    Some(found)
}

/// Nobody is let in by chance, and no path climbs.
pub(crate) fn credentials(data: &[u8]) {
    if let Some(claims) = Credentials::parse(data) {
        assert!(!claims.prove("GET", b"/", b"the secret that nobody knows"));
        let mut nonces = Nonces::new(&[7; 32]);
        assert!(
            nonces.spend(&claims.nonce, claims.count(), 1_000_000, 3).is_err(),
            "a nonce that nobody made"
        );
    }
    if let Some(id) = SessionId::from_header(data) {
        let cookie = id.set_cookie(60, Scope::Site);
        assert_eq!(SessionId::from_header(&cookie), Some(id));
    }
    for (name, value) in form::parameters(data) {
        assert!(!name.is_empty() && name.len() + value.len() <= data.len());
    }
    if let Ok(path) = files::relative_path(data) {
        assert!(
            path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')) && !path.contains('\0'),
            "{path}"
        );
        let (_, kind) = (files::is_private(&path), files::content_type(&path));
        assert!(kind.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{kind}");
    }
    let _ = files::matches(data, &files::etag(1, 2));
}
