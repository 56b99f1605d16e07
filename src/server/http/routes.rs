//! Which path means what.

use std::net::IpAddr;
use std::path::Path;

use crate::config::Http;
use crate::http::{Encoding, form};

/// What a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// An AMI page.
    Ami {
        /// How it answers.
        encoding: Encoding,
        /// Whether requests prove themselves by digest instead of by a cookie.
        digest: bool,
    },
    /// A static file: what stands behind `/static`, as it was written.
    Static(&'a [u8]),
    /// The status page.
    Status,
    /// The counters.
    Metrics,
    /// A place for uploads, into that folder.
    Upload(&'a Path),
    /// Somewhere else.
    Redirect(&'a [u8]),
    /// Nothing.
    NotFound,
}

/// What else is served beside what http.conf names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offers {
    /// AMI pages.
    pub(super) ami: bool,
    /// The counters.
    pub(super) metrics: bool,
}

/// Finds a path's meaning. Routes are compared in any case and as they are written: escapes lead nowhere.
/// (http/uri-forms, http/prefix, http/redirect.)
pub(super) fn find<'a>(http: &'a Http, offers: Offers, path: &'a [u8]) -> Route<'a> {
    if let Some((_, to)) = http.redirects.iter().find(|(from, _)| from.eq_ignore_ascii_case(path)) {
        return Route::Redirect(to);
    }
    let Some(name) = strip_prefix(path, &http.prefix).and_then(|rest| rest.strip_prefix(b"/")) else {
        return Route::NotFound;
    };
    if http.enable_static
        && let Some(rest) = strip_prefix(name, b"static")
        && (rest.is_empty() || rest.starts_with(b"/"))
    {
        return Route::Static(rest);
    }
    let name = name.strip_suffix(b"/").unwrap_or(name);
    if http.enable_status && name.eq_ignore_ascii_case(b"httpstatus") {
        return Route::Status;
    }
    if offers.metrics && name.eq_ignore_ascii_case(b"metrics") {
        return Route::Metrics;
    }
    if offers.ami {
        for (own, encoding) in AMI_PAGES {
            let plain = name.eq_ignore_ascii_case(own);
            let digest = strip_prefix(name, b"a").is_some_and(|rest| rest.eq_ignore_ascii_case(own));
            if plain || digest {
                return Route::Ami { encoding, digest };
            }
        }
    }
    let mut uploads = http.post_mappings.iter();
    match uploads.find(|(own, _)| own.strip_prefix(b"/").unwrap_or(own).eq_ignore_ascii_case(name)) {
        Some((_, folder)) if !name.is_empty() => Route::Upload(folder),
        _ => Route::NotFound,
    }
}

/// Whether http.conf keeps that address from that path: every restriction whose path it begins with must let it pass, the
/// path as it is written and what it stands for. (http/path-acl.)
pub(super) fn is_restricted(http: &Http, path: &[u8], peer: IpAddr) -> bool {
    if http.restrictions.is_empty() {
        return false;
    }
    let decoded = form::decode(path);
    http.restrictions.iter().any(|(below, acl)| {
        let applies = strip_prefix(path, below).is_some() || strip_prefix(&decoded, below).is_some();
        applies && !acl.permits(peer)
    })
}

/// What stands behind a prefix, which fits in any case.
fn strip_prefix<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = path.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

const AMI_PAGES: [(&[u8], Encoding); 4] = [
    (b"rawman", Encoding::Rawman),
    (b"mxml", Encoding::Mxml),
    (b"manager", Encoding::Manager),
    (b"jsonman", Encoding::Json),
];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offers = Offers { ami: true, metrics: true };

    fn http() -> Http {
        Http { enable_static: true, enable_status: true, ..Http::default() }
    }

    fn ami(encoding: Encoding, digest: bool) -> Route<'static> {
        Route::Ami { encoding, digest }
    }

    #[test]
    fn paths_have_a_meaning() {
        let mut http = http();
        http.redirects = vec![(b"/Old".to_vec(), b"/new".to_vec())];
        http.post_mappings = vec![(b"uploads".to_vec(), "/tmp".into()), (b"".to_vec(), "/".into())];
        let check =
            |path: &'static str, expect| assert_eq!(find(&http, ALL, path.as_bytes()), expect, "{path}");
        check("/rawman", ami(Encoding::Rawman, false));
        check("/RawMan/", ami(Encoding::Rawman, false));
        check("/amxml", ami(Encoding::Mxml, true));
        check("/manager", ami(Encoding::Manager, false));
        check("/AJSONMAN", ami(Encoding::Json, true));
        check("/aarawman", Route::NotFound);
        check("/rawman/x", Route::NotFound);
        check("/rawmanx", Route::NotFound);
        check("/x/rawman", Route::NotFound);
        check("//rawman", Route::NotFound);
        check("/%72awman", Route::NotFound);
        check("rawman", Route::NotFound);
        check("/", Route::NotFound);
        check("*", Route::NotFound);
        check("/httpstatus", Route::Status);
        check("/metrics", Route::Metrics);
        check("/static", Route::Static(b""));
        check("/STATIC/a/b", Route::Static(b"/a/b"));
        check("/staticx", Route::NotFound);
        check("/uploads", Route::Upload(Path::new("/tmp")));
        check("/old", Route::Redirect(b"/new"));
        check("/old/", Route::NotFound);
    }

    #[test]
    fn a_prefix_stands_before_all() {
        let mut http = http();
        http.prefix = b"/asterisk".to_vec();
        let check =
            |path: &'static str, expect| assert_eq!(find(&http, ALL, path.as_bytes()), expect, "{path}");
        check("/ASTERISK/rawman/", ami(Encoding::Rawman, false));
        check("/asterisk/static/x", Route::Static(b"/x"));
        check("/rawman", Route::NotFound);
        check("/asterisk", Route::NotFound);
        check("/asterisk/", Route::NotFound);
        check("/asteriskx/rawman", Route::NotFound);
    }

    #[test]
    fn what_is_off_is_not_there() {
        for path in ["/rawman", "/static/x", "/httpstatus", "/metrics"] {
            assert_eq!(find(&Http::default(), Offers::default(), path.as_bytes()), Route::NotFound, "{path}");
        }
    }
}
