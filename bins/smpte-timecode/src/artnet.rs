//! Whom to send Art-Net timecode to, as a person writes it.

use smpte_timecode::artnet::PORT;

/// The host and port of `HOST`, `HOST:PORT`, `[IPv6]:PORT` or an IPv6 address, or what is wrong with it.
pub(crate) fn host_and_port(text: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse().ok().filter(|&port| port != 0);
            (host, port.ok_or("the port is not a number from 1 to 65535")?)
        }
        _ => (text, PORT),
    };
    if host.is_empty() {
        return Err("there is no host");
    }
    Ok((host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_a_port() {
        assert_eq!(host_and_port("lights"), Ok(("lights", 6454)));
        assert_eq!(host_and_port("2.255.255.255:7000"), Ok(("2.255.255.255", 7000)));
        assert_eq!(host_and_port("fe80::1"), Ok(("fe80::1", 6454)));
        assert_eq!(host_and_port("[fe80::1]"), Ok(("fe80::1", 6454)));
        assert_eq!(host_and_port("[fe80::1]:7000"), Ok(("fe80::1", 7000)));
        for wrong in ["", ":6454", "lights:", "lights:0", "lights:65536", "[::1]:x"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }
}
