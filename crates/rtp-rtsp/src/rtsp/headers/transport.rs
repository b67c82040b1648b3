//! `Transport: RTP/AVP;unicast;client_port=4588-4589` (RFC 2326 §12.39).

use alloc::string::String;
use core::fmt::{self, Write};
use core::net::IpAddr;

use super::Parameters;
use super::split_outside_quotes;

/// One way to carry a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// What RTP goes over.
    pub lower: Lower,
    /// To a group instead of to one reader. Where nothing is said the RFC means multicast; no client seen does, so
    /// without the word it is unicast.
    pub multicast: bool,
    /// Direction; `None`: not said, PLAY.
    pub mode: Option<Mode>,
    /// Where to send, if not back to where the request came from.
    pub destination: Option<IpAddr>,
    /// Where it is sent from.
    pub source: Option<IpAddr>,
    /// Channels of interleaved frames: RTP, RTCP.
    pub interleaved: Option<(u8, u8)>,
    /// The reader's UDP ports: RTP, RTCP.
    pub client_port: Option<(u16, u16)>,
    /// The server's UDP ports: RTP, RTCP.
    pub server_port: Option<(u16, u16)>,
    /// The group's UDP ports: RTP, RTCP.
    pub port: Option<(u16, u16)>,
    /// Hops for multicast.
    pub ttl: Option<u8>,
    /// Synchronisation source of what is sent.
    pub ssrc: Option<u32>,
}

/// What RTP goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lower {
    /// `RTP/AVP`, `RTP/AVP/UDP`.
    Udp,
    /// `RTP/AVP/TCP`: interleaved with the messages (§10.12).
    Tcp,
}

/// Direction of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From server to client.
    Play,
    /// From client to server.
    Record,
}

impl Transport {
    /// Unicast over UDP, nothing else said.
    pub const UDP: Self = Self {
        lower: Lower::Udp,
        multicast: false,
        mode: None,
        destination: None,
        source: None,
        interleaved: None,
        client_port: None,
        server_port: None,
        port: None,
        ttl: None,
        ssrc: None,
    };

    /// Unicast over TCP, nothing else said.
    pub const TCP: Self = Self { lower: Lower::Tcp, ..Self::UDP };

    /// Reads the list, best first; at most 16 are read, and profiles other than `RTP/AVP` are left out.
    pub fn parse_list(text: &str) -> impl Iterator<Item = Self> {
        split_outside_quotes(text, b',').take(16).filter_map(Self::parse)
    }

    /// Reads one. `None`: another profile, or a value that cannot be.
    pub fn parse(text: &str) -> Option<Self> {
        let (profile, rest) = text.split_once(';').unwrap_or((text, ""));
        let profile = profile.trim();
        let mut out =
            if profile.eq_ignore_ascii_case("RTP/AVP") || profile.eq_ignore_ascii_case("RTP/AVP/UDP") {
                Self::UDP
            } else if profile.eq_ignore_ascii_case("RTP/AVP/TCP") {
                Self::TCP
            } else {
                return None;
            };
        for (name, value) in Parameters::new(rest, b';').iter() {
            let value = value.as_ref();
            match name.to_ascii_lowercase().as_str() {
                "multicast" => out.multicast = true,
                "mode" => {
                    let record =
                        value.eq_ignore_ascii_case("record") || value.eq_ignore_ascii_case("receive");
                    out.mode = Some(if record { Mode::Record } else { Mode::Play });
                }
                "destination" => out.destination = value.parse().ok(),
                "source" => out.source = value.parse().ok(),
                "interleaved" => out.interleaved = Some(pair(value)?),
                "client_port" => out.client_port = Some(ports(value)?),
                "server_port" => out.server_port = Some(ports(value)?),
                "port" => out.port = Some(ports(value)?),
                "ttl" => out.ttl = value.parse().ok(),
                "ssrc" => out.ssrc = u32::from_str_radix(value.trim(), 16).ok(),
                _ => {}
            }
        }
        Some(out)
    }

    /// The header's value.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(96);
        // Writing to a String cannot fail.
        let _ = write!(out, "{self}");
        out
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.lower {
            Lower::Udp => "RTP/AVP",
            Lower::Tcp => "RTP/AVP/TCP",
        })?;
        f.write_str(if self.multicast { ";multicast" } else { ";unicast" })?;
        if let Some(destination) = self.destination {
            write!(f, ";destination={destination}")?;
        }
        if let Some(source) = self.source {
            write!(f, ";source={source}")?;
        }
        if let Some((a, b)) = self.interleaved {
            write!(f, ";interleaved={a}-{b}")?;
        }
        for (name, ports) in
            [("client_port", self.client_port), ("server_port", self.server_port), ("port", self.port)]
        {
            if let Some((a, b)) = ports {
                write!(f, ";{name}={a}-{b}")?;
            }
        }
        if let Some(ttl) = self.ttl {
            write!(f, ";ttl={ttl}")?;
        }
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08X}")?;
        }
        match self.mode {
            Some(Mode::Play) => f.write_str(";mode=\"PLAY\""),
            // QUIRK(ffmpeg): it writes the word so, and reads no other.
            Some(Mode::Record) => f.write_str(";mode=record"),
            None => Ok(()),
        }
    }
}

fn pair(text: &str) -> Option<(u8, u8)> {
    let (a, b) = text.split_once('-').unwrap_or((text, ""));
    let a = a.trim().parse().ok()?;
    let b = if b.is_empty() { u8::checked_add(a, 1)? } else { b.trim().parse().ok()? };
    (a != b).then_some((a, b))
}

/// RTP and RTCP port; one alone has its RTCP on the next (RFC 3550 §11).
fn ports(text: &str) -> Option<(u16, u16)> {
    let (a, b) = text.split_once('-').unwrap_or((text, ""));
    let a: u16 = a.trim().parse().ok()?;
    let b = if b.is_empty() { a.checked_add(1)? } else { b.trim().parse().ok()? };
    (a != 0 && b != 0).then_some((a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn what_clients_send() {
        let one = |text| Transport::parse(text).unwrap();
        assert_eq!(
            one("RTP/AVP/UDP;unicast;client_port=5000-5001"),
            Transport { client_port: Some((5000, 5001)), ..Transport::UDP }
        );
        assert_eq!(
            one("RTP/AVP/TCP;unicast;interleaved=2-3;mode=record"),
            Transport { interleaved: Some((2, 3)), mode: Some(Mode::Record), ..Transport::TCP }
        );
        let reply = one("RTP/AVP;unicast;client_port=1-2;server_port=3-4;ssrc=41EC8CE7;mode=\"PLAY\"");
        assert_eq!((reply.ssrc, reply.mode), (Some(0x41ec_8ce7), Some(Mode::Play)));
        let group = one("RTP/AVP;multicast;destination=239.1.2.3;port=7000-7001;ttl=16");
        assert_eq!((group.multicast, group.port, group.ttl), (true, Some((7000, 7001)), Some(16)));
        let list = "RTP/SAVP;unicast, RTP/AVP;unicast;client_port=7000,RTP/AVP/TCP;interleaved=0-1";
        let list: Vec<_> = Transport::parse_list(list).collect();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].client_port, Some((7000, 7001)));
        for bad in
            ["RTP/AVP;client_port=0-1", "RTP/AVP;client_port=65535", "RTP/AVP/TCP;interleaved=3-3", "x"]
        {
            assert_eq!(Transport::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn both_ways() {
        for text in [
            "RTP/AVP;unicast;client_port=1-2;server_port=3-4;ssrc=0000002A;mode=\"PLAY\"",
            "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record",
            "RTP/AVP;multicast;destination=239.1.2.3;port=7000-7001;ttl=16",
        ] {
            assert_eq!(Transport::parse(text).unwrap().to_text(), text);
        }
    }
}
