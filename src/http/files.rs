//! Static files, as far as they can be thought about without a file: paths, content types, tags.

use std::borrow::Cow;

use super::form;
use super::response::Page;

/// The path below the static folder that a request means: what stands behind `/static`, still encoded. It has no empty,
/// hidden or climbing part; opening it beneath the folder is still left to the kernel, which knows about links.
///
/// A path that climbs or begins with no name is refused; what can be no file is not found. (http/static-refused,
/// http/static-dots, http/static-missing.)
pub fn relative_path(encoded: &[u8]) -> Result<String, Page> {
    let decoded = form::decode(encoded);
    let path = decoded.strip_prefix(b"/").unwrap_or(&decoded);
    if !path.first().is_some_and(u8::is_ascii_alphanumeric) {
        return Err(Page::STATIC);
    }
    if path.split(|&b| b == b'/').any(|part| part.starts_with(b".")) {
        return Err(Page::STATIC);
    }
    let path = std::str::from_utf8(path).map_err(|_| Page::NOT_FOUND)?;
    if path.contains('\0') || path.split('/').any(str::is_empty) {
        return Err(Page::NOT_FOUND);
    }
    Ok(path.to_owned())
}

/// Whether only sessions that are logged in may have it. (http/static-private.)
pub fn is_private(path: &str) -> bool {
    let folder = path.split('/').next().unwrap_or_default();
    folder.len() < path.len() && folder.eq_ignore_ascii_case("private")
}

/// The content type that goes by a name's ending, in any case. One that is not known becomes `text/ENDING`, and some have
/// none. (http/static-types.)
pub fn content_type(path: &str) -> Option<Cow<'static, str>> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (_, ending) = name.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    if let Some((_, content_type)) = TYPES.iter().find(|(known, _)| *known == ending) {
        return content_type.map(Cow::Borrowed);
    }
    let plain = !ending.is_empty() && ending.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| Cow::Owned(format!("text/{ending}")))
}

/// The tag of a file that was changed then (nanoseconds since 1970) and is so long.
pub fn etag(changed: u128, length: u64) -> String {
    format!("\"{changed:x}-{length:x}\"")
}

/// Whether an `If-None-Match` header names this tag; `*` names none. (http/static-not-modified.)
pub fn matches(if_none_match: &[u8], etag: &str) -> bool {
    if_none_match
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

const TYPES: &[(&str, Option<&str>)] = &[
    ("html", Some("text/html")),
    ("htm", Some("text/html")),
    ("css", Some("text/css")),
    ("js", Some("application/x-javascript")),
    ("mjs", Some("application/x-javascript")),
    ("xml", Some("text/xml")),
    ("svg", Some("image/svg+xml")),
    ("png", Some("image/png")),
    ("jpg", Some("image/jpeg")),
    ("jpeg", Some("image/jpeg")),
    ("gif", Some("image/gif")),
    ("ico", Some("image/x-icon")),
    ("webp", Some("image/webp")),
    ("woff2", Some("font/woff2")),
    ("wav", Some("audio/x-wav")),
    ("mp3", Some("audio/mpeg")),
    ("pdf", Some("application/pdf")),
    ("wasm", Some("application/wasm")),
    ("bin", Some("application/octet-stream")),
    // Telephones fetch these, and some refuse them with a type.
    ("cfg", None),
    ("cnf", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        let check = |encoded: &str, expect: Result<&str, Page>| {
            assert_eq!(relative_path(encoded.as_bytes()), expect.map(str::to_owned), "{encoded}");
        };
        check("/plain.txt", Ok("plain.txt"));
        check("/sub/deep.html", Ok("sub/deep.html"));
        check("/two%20words.txt", Ok("two words.txt"));
        check("/two+words.txt", Ok("two words.txt"));
        check("/%70lain.txt", Ok("plain.txt"));
        check("/sub/%252e%252e/plain.txt", Ok("sub/%2e%2e/plain.txt"));
        check("/sub\\..\\plain.txt", Ok("sub\\..\\plain.txt"));
        check("/sub/x..y", Ok("sub/x..y"));
        for refused in [
            "",
            "/",
            "//plain.txt",
            "/.hidden",
            "/~tilde.txt",
            "/../manager.conf",
            "/..",
            "/sub/../plain.txt",
            "/%2e%2e/manager.conf",
            "/sub/%2e%2e/plain.txt",
            "/sub%2f..%2fplain.txt",
            "/%252e%252e/manager.conf",
            "/%2fplain.txt",
            "/sub/.hidden",
            "/sub/.",
            "/%00",
        ] {
            check(refused, Err(Page::STATIC));
        }
        check("/sub/", Err(Page::NOT_FOUND));
        check("/sub//deep.html", Err(Page::NOT_FOUND));
        check("/plain.txt%00.html", Err(Page::NOT_FOUND));
        check("/caf%e9", Err(Page::NOT_FOUND));
    }

    #[test]
    fn types_go_by_the_ending() {
        let check =
            |path: &str, expect: Option<&str>| assert_eq!(content_type(path).as_deref(), expect, "{path}");
        check("index.html", Some("text/html"));
        check("page.htm", Some("text/html"));
        check("UPPER.HTML", Some("text/html"));
        check("style.css", Some("text/css"));
        check("app.js", Some("application/x-javascript"));
        check("data.xml", Some("text/xml"));
        check("logo.svg", Some("image/svg+xml"));
        check("image.png", Some("image/png"));
        check("plain.txt", Some("text/txt"));
        check("noext", None);
        check("a.b/noext", None);
        check("set.cfg", None);
        check("set.cnf", None);
        check("fw.bin", Some("application/octet-stream"));
        check("data.json", Some("text/json"));
        check("a.tar.gz", Some("text/gz"));
        check("odd.x\r\ny", None);
        check("odd.", None);
    }

    #[test]
    fn tags_are_compared() {
        let tag = etag(255, 16);
        assert_eq!(tag, "\"ff-10\"");
        let check = |header: &str, expect| assert_eq!(matches(header.as_bytes(), &tag), expect, "{header}");
        check("\"ff-10\"", true);
        check("W/\"ff-10\"", true);
        check("\"other\", \"ff-10\"", true);
        check("\"other\"", false);
        check("*", false);
        check("", false);
    }

    #[test]
    fn private_is_a_folder() {
        assert!(is_private("private/secret.txt"));
        assert!(is_private("PRIVATE/secret.txt"));
        assert!(!is_private("private"));
        assert!(!is_private("privately/secret.txt"));
    }
}
