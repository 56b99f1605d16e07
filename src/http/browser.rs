//! What a request tells of a browser, and of the page that made the browser send it.
//!
//! A browser does what any page tells it to, with the credentials that it has kept for us. Four things tell whose page
//! it was, and none of them is always there: `Sec-Fetch-Site` comes over TLS and from this machine alone, `Origin` not
//! with a GET, `Referer` not where the other page forbids it. So a request may be of our own pages, of others, or of
//! nobody knows.

use std::borrow::Cow;

use super::Request;

/// Whose page made a client send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// One of ours, or a person who typed the address.
    Own,
    /// Somebody else's.
    Other,
    /// It does not say. Clients that are no browsers never do.
    Unknown,
}

impl<'a> Request<'a> {
    /// Whether it comes from a browser. A page cannot change what this goes by when it sends a browser somewhere.
    pub fn is_from_browser(&self) -> bool {
        let agent = |prefix: &[u8]| starts_with(self.user_agent, prefix);
        if NO_BROWSERS.iter().any(|name| contains(self.user_agent, name)) {
            return false;
        }
        !self.fetch_site.is_empty()
            || !self.upgrade_insecure.is_empty()
            || agent(b"Mozilla/")
            || agent(b"Opera/")
            || contains(self.accept, b"text/html")
    }

    /// Whose page made the client send it.
    pub fn site(&self) -> Site {
        let fetched = self.fetch_site;
        if !fetched.is_empty() {
            let own = [&b"same-origin"[..], b"none"].iter().any(|value| fetched.eq_ignore_ascii_case(value));
            return if own { Site::Own } else { Site::Other };
        }
        if self.origin.is_empty() && self.referer.is_empty() {
            return Site::Unknown;
        }
        let own = self.page_origin().is_some_and(|(scheme, authority)| {
            // A proxy that passes the request on may name the host that the browser asked for. Another site's page
            // cannot: it may not send such a header here.
            let forwarded = self.forwarded_host.split(|&b| b == b',').next().unwrap_or_default().trim_ascii();
            let same = |host: &[u8]| {
                !host.is_empty()
                    && without_default_port(scheme, host)
                        .eq_ignore_ascii_case(without_default_port(scheme, authority))
            };
            same(self.host) || same(forwarded)
        });
        if own { Site::Own } else { Site::Other }
    }

    /// Whether the page is of one of these origins, each as a browser writes it, in lower case.
    pub fn is_of_origin(&self, origins: &[Vec<u8>]) -> bool {
        let Some((scheme, authority)) = self.page_origin() else { return false };
        let own = [scheme, b"://", without_default_port(scheme, authority)].concat().to_ascii_lowercase();
        origins.contains(&own)
    }

    /// The scheme, and the host with its port, of the page: by `Origin`, or else by `Referer`.
    fn page_origin(&self) -> Option<(&'a [u8], &'a [u8])> {
        let url = if self.origin.is_empty() { self.referer } else { self.origin };
        let at = url.windows(3).position(|part| part == b"://")?;
        let (scheme, rest) = (&url[..at], &url[at + 3..]);
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        (!scheme.is_empty() && end > 0).then_some((scheme, &rest[..end]))
    }

    /// The host that the request names, without its port, in lower case and without a dot at its end.
    pub fn host_name(&self) -> Cow<'a, [u8]> {
        let name = without_port(self.host);
        let name = name.strip_suffix(b".").unwrap_or(name);
        match name.iter().any(u8::is_ascii_uppercase) {
            true => name.to_ascii_lowercase().into(),
            false => name.into(),
        }
    }
}

/// A host without its port; an IPv6 address keeps its brackets.
fn without_port(host: &[u8]) -> &[u8] {
    let end = match host.iter().rposition(|&b| b == b']') {
        Some(bracket) => bracket + 1,
        None => host.iter().position(|&b| b == b':').unwrap_or(host.len()),
    };
    &host[..end]
}

/// Browsers leave the port out where it is the scheme's own; proxies may not.
fn without_default_port<'a>(scheme: &[u8], host: &'a [u8]) -> &'a [u8] {
    let port: &[u8] = if scheme.eq_ignore_ascii_case(b"https") { b":443" } else { b":80" };
    host.strip_suffix(port).unwrap_or(host)
}

fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// Programs that look like browsers by what they accept or call themselves, and keep no credentials for other pages.
const NO_BROWSERS: [&[u8]; 2] = [b"Java/", b"PowerShell/"];

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(headers: &str, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = format!("GET / HTTP/1.1\r\n{}\r\n", headers.replace('|', "\r\n"));
        ask(&Request::parse(head.as_bytes()).unwrap())
    }

    #[test]
    fn own_pages_and_others_are_told_apart() {
        use Site::{Other, Own, Unknown};
        let check = |headers: &str, expect: Site| {
            let site = with(&format!("Host: pbx:8088|{headers}"), |request| request.site());
            assert_eq!(site, expect, "{headers}");
        };
        check("", Unknown);
        check("User-Agent: Mozilla/5.0|", Unknown);
        check("Origin: http://pbx:8088|", Own);
        check("Origin: https://PBX:8088|", Own);
        check("Origin: http://evil|", Other);
        check("Origin: http://pbx:80|", Other);
        check("Origin: http://pbx|", Other);
        check("Origin: null|", Other);
        check("Referer: http://pbx:8088/manager?a|", Own);
        check("Referer: http://pbx:8088|", Own);
        check("Referer: http://evil/http://pbx:8088/|", Other);
        check("Referer: http://pbx:8088@evil/|", Other);
        check("Referer: http://evil#://pbx:8088/|", Other);
        check("Referer: about:blank|", Other);
        // The origin counts.
        check("Origin: http://evil|Referer: http://pbx:8088/|", Other);
        check("Sec-Fetch-Site: same-origin|", Own);
        check("Sec-Fetch-Site: none|", Own);
        check("Sec-Fetch-Site: cross-site|", Other);
        check("Sec-Fetch-Site: same-site|", Other);
        check("Sec-Fetch-Site: same-origin|Origin: http://proxied|", Own);
        // Behind a proxy.
        check("Origin: https://dash|X-Forwarded-Host: dash|", Own);
        check("Origin: https://dash|X-Forwarded-Host: dash:443, inner|", Own);
        check("Origin: https://dash|X-Forwarded-Host: other|", Other);
        check("Origin: null|X-Forwarded-Host: |", Other);
        let none = with("Origin: http://|", |request| request.site());
        assert_eq!(none, Other, "no host is not that of a request without one");
    }

    #[test]
    fn origins_are_compared_as_browsers_write_them() {
        let check = |headers: &str, expect: bool| {
            let listed = [b"https://dash.example.com".to_vec(), b"http://a:81".to_vec()];
            let headers = format!("Host: pbx|{headers}");
            assert_eq!(with(&headers, |request| request.is_of_origin(&listed)), expect, "{headers}");
        };
        check("Origin: https://dash.example.com|", true);
        check("Origin: HTTPS://Dash.Example.com:443|", true);
        check("Referer: https://dash.example.com/page|", true);
        check("Origin: http://a:81|", true);
        check("Origin: http://dash.example.com|", false);
        check("Origin: https://dash.example.com.evil|", false);
        check("Origin: https://evil/https://dash.example.com|", false);
        check("Origin: null|Referer: https://dash.example.com/|", false);
        check("", false);
    }

    #[test]
    fn browsers_are_told_from_programs() {
        let check = |headers: &str, expect: bool| {
            assert_eq!(with(headers, |request| request.is_from_browser()), expect, "{headers}");
        };
        check("", false);
        check("User-Agent: Wget/1.21.3|Accept: */*|", false);
        check("User-Agent: curl/8.5.0|Accept: */*|", false);
        check("User-Agent: python-requests/2.31|Accept: */*|", false);
        // Node's fetch.
        check("User-Agent: node|Accept: */*|Accept-Language: *|Sec-Fetch-Mode: cors|", false);
        check("User-Agent: Java/17.0.1|Accept: text/html, image/gif, image/jpeg, *; q=.2|", false);
        check("User-Agent: Mozilla/5.0 (Windows NT) WindowsPowerShell/5.1|", false);
        check("User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0|", true);
        check("User-Agent: Opera/9.80 (X11)|", true);
        check("User-Agent: kiosk|Upgrade-Insecure-Requests: 1|", true);
        check("User-Agent: kiosk|Sec-Fetch-Site: cross-site|", true);
        check("User-Agent: Lynx/2.9|Accept: text/html, text/plain|", true);
    }

    #[test]
    fn hosts_lose_their_ports() {
        let check = |host: &str, name: &str| {
            let got = with(&format!("Host: {host}|"), |request| request.host_name().into_owned());
            assert_eq!(String::from_utf8_lossy(&got), name, "{host}");
        };
        check("localhost", "localhost");
        check("LocalHost:8088", "localhost");
        check("localhost.:8088", "localhost");
        check("127.0.0.1:8088", "127.0.0.1");
        check("[::1]:8088", "[::1]");
        check("[::1]", "[::1]");
        check("a@b:80", "a@b");
        check("", "");
    }
}
