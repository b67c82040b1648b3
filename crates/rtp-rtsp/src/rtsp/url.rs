//! Addresses: `rtsp://user:password@host:port/path?query` (RFC 2326 §3.2).

use alloc::borrow::Cow;
use alloc::string::String;

/// The parts of an address, as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// `rtsps`, whatever its case.
    pub secure: bool,
    /// What stands before an `@`: user and password, percent-encoded.
    pub credentials: Option<(&'a str, &'a str)>,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: &'a str,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// What follows, from the first slash on; may be empty.
    pub path: &'a str,
}

impl<'a> Url<'a> {
    /// Reads an absolute address with the scheme `rtsp`, `rtspu` or `rtsps`. `None`: it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = scheme.eq_ignore_ascii_case("rtsps");
        if !secure && !scheme.eq_ignore_ascii_case("rtsp") && !scheme.eq_ignore_ascii_case("rtspu") {
            return None;
        }
        let (authority, path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((who, place)) => (Some(who.split_once(':').unwrap_or((who, ""))), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some(""))?)
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        if host.is_empty() {
            return None;
        }
        let port = match port {
            "" => None,
            digits => Some(digits.parse().ok().filter(|p| *p != 0)?),
        };
        Some(Self { secure, credentials, host, port, path })
    }

    /// The port to connect to: 554, or 322 with TLS, where none is given.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 322 } else { 554 })
    }

    /// The path of a request's target, be it an address or the path alone: without query, without a slash at its end,
    /// percent-decoded. `None` for `*`, and for what decodes to something that is not UTF-8.
    pub fn path_of(target: &str) -> Option<Cow<'_, str>> {
        let path = match (Url::parse(target), target.contains("://")) {
            (Some(url), _) => url.path,
            (None, false) if target != "*" => target,
            _ => return None,
        };
        let path = path.split('?').next().unwrap_or_default();
        percent_decode(path.trim_matches('/'))
    }
}

/// Replaces `%41` by `A`. `None` if the outcome is not UTF-8; a `%` that is not followed by two digits stays.
pub(crate) fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = alloc::vec::Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digit = |i: usize| after.get(i).and_then(|b| char::from(*b).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).ok()?);
                rest = after.get(2..)?;
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let url = Url::parse("RTSP://u:p%40@host:8554/a/b?c=d").unwrap();
        assert_eq!((url.credentials, url.host, url.port), (Some(("u", "p%40")), "host", Some(8554)));
        assert_eq!(url.path, "/a/b?c=d");
        let url = Url::parse("rtsps://[::1]/x").unwrap();
        assert_eq!((url.secure, url.host, url.port_or_default()), (true, "::1", 322));
        assert_eq!(Url::parse("rtsp://h").unwrap().path, "");
        for bad in ["http://h/", "rtsp://", "rtsp://h:0/", "rtsp://h:99999/", "rtsp://[::1", "movie"] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn paths() {
        for (target, path) in [
            ("rtsp://h:1/cam", "cam"),
            ("rtsp://h/cam/?x", "cam"),
            ("rtsp://h", ""),
            ("/a/b/", "a/b"),
            ("movie.Mjpeg", "movie.Mjpeg"),
            ("rtsp://h/a%20b%2fc%zz", "a b/c%zz"),
        ] {
            assert_eq!(Url::path_of(target).as_deref(), Some(path));
        }
        assert_eq!(Url::path_of("*"), None);
        assert_eq!(Url::path_of("rtsp://h/%ff"), None);
    }
}
