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

/// The content type that goes by a name's ending, in any case. One that is not known becomes `text/ENDING`.
/// (http/static-types.)
pub fn content_type(path: &str) -> Cow<'static, str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match TYPES.iter().find(|(known, _)| *known == ending) {
        Some((_, content_type)) => Cow::Borrowed(content_type),
        None if ending.bytes().all(|b| b.is_ascii_alphanumeric()) => Cow::Owned(format!("text/{ending}")),
        None => Cow::Borrowed("text/plain"),
    }
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

const TYPES: &[(&str, &str)] = &[
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("js", "application/x-javascript"),
    ("mjs", "application/x-javascript"),
    ("xml", "text/xml"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("ico", "image/x-icon"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
    ("wav", "audio/x-wav"),
    ("mp3", "audio/mpeg"),
    ("pdf", "application/pdf"),
    ("wasm", "application/wasm"),
    ("bin", "application/octet-stream"),
    ("cfg", "text/plain"),
    ("cnf", "text/plain"),
    ("", "text/plain"),
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
        let check = |path: &str, expect: &str| assert_eq!(content_type(path), expect, "{path}");
        check("index.html", "text/html");
        check("page.htm", "text/html");
        check("UPPER.HTML", "text/html");
        check("style.css", "text/css");
        check("app.js", "application/x-javascript");
        check("data.xml", "text/xml");
        check("logo.svg", "image/svg+xml");
        check("image.png", "image/png");
        check("plain.txt", "text/txt");
        check("noext", "text/plain");
        check("a.b/noext", "text/plain");
        check("set.cfg", "text/plain");
        check("set.cnf", "text/plain");
        check("fw.bin", "application/octet-stream");
        check("data.json", "text/json");
        check("a.tar.gz", "text/gz");
        check("odd.x\r\ny", "text/plain");
        check("odd.", "text/plain");
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
