//! Session descriptions (RFC 8866; RFC 4566 before it).
//!
//! ```text
//! v=0                                     version, always 0
//! o=- 1 1 IN IP4 127.0.0.1                who made it
//! s=Movie                                 name
//! c=IN IP4 0.0.0.0                        where to
//! t=0 0                                   when
//! a=control:*                             attributes of the whole
//! m=video 0 RTP/AVP 96                    a medium, and after it what holds for it alone
//! a=rtpmap:96 H264/90000
//! ```
//!
//! Read by lines: `a=control:stream=0` holds an `m=`. Lines that are not understood are kept and written again.

mod parse;
mod tracks;
mod write;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use parse::{MAX_BYTES, MAX_MEDIA};
pub use tracks::H264_PAYLOAD_TYPE;

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `o=`, as it is written; `-` and zeros where it is empty.
    pub origin: String,
    /// `s=`.
    pub name: String,
    /// All lines between `s=` and the first attribute that are not `a=`: `i u e p c b t r z k`, each with its letter.
    pub lines: Vec<(char, String)>,
    /// `a=` of the whole.
    pub attributes: Vec<Attribute>,
    /// The media.
    pub media: Vec<Media>,
}

/// One medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `video`, `audio`, `application`…
    pub kind: String,
    /// Port, 0 where RTSP sets it up.
    pub port: u16,
    /// `RTP/AVP`.
    pub protocol: String,
    /// Payload types, as they are written.
    pub formats: Vec<String>,
    /// Other lines than `a=`: `i c b k`.
    pub lines: Vec<(char, String)>,
    /// `a=`.
    pub attributes: Vec<Attribute>,
}

/// `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After it.
    pub value: Option<String>,
}

/// `a=rtpmap:96 H264/90000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// Payload type.
    pub payload_type: u8,
    /// Name of the encoding.
    pub encoding: String,
    /// Ticks of the RTP timestamp in a second.
    pub clock_rate: u32,
    /// Channels of sound, and whatever else follows.
    pub parameters: Option<String>,
}

impl Attribute {
    /// `a=name:value`.
    pub fn new(name: impl Into<String>, value: impl ToString) -> Self {
        Self { name: name.into(), value: Some(value.to_string()) }
    }

    /// `a=name`.
    pub fn flag(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name)).map(|a| a.value.as_deref().unwrap_or(""))
}

impl Description {
    /// The value of an attribute of the whole; empty for one without a value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value(&self.attributes, name)
    }
}

impl Media {
    /// The value of an attribute; empty for one without a value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value(&self.attributes, name)
    }

    /// The first payload type.
    pub fn payload_type(&self) -> Option<u8> {
        self.formats.first()?.parse().ok().filter(|pt| *pt < 128)
    }

    /// What the first payload type is: from its `rtpmap`, or, for static ones, from RFC 3551 §6.
    pub fn rtp_map(&self) -> Option<RtpMap> {
        let payload_type = self.payload_type()?;
        let mapped = self.attributes.iter().filter(|a| a.name == "rtpmap").find_map(|a| {
            let map = RtpMap::parse(a.value.as_deref()?)?;
            (map.payload_type == payload_type).then_some(map)
        });
        mapped.or_else(|| RtpMap::fixed(payload_type))
    }

    /// The format parameters of the first payload type, by name; separators are `;` with or without a space.
    pub fn format_parameter(&self, name: &str) -> Option<&str> {
        let payload_type = self.formats.first()?;
        let values = self.attributes.iter().filter(|a| a.name == "fmtp").filter_map(|a| a.value.as_deref());
        let mine = values.filter_map(|v| v.split_once(' ')).filter(|(pt, _)| pt == payload_type);
        mine.flat_map(|(_, list)| list.split(';'))
            .filter_map(|p| p.trim().split_once('='))
            .find(|(n, _)| n.trim().eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    }

    /// Where to say SETUP for it, as it is written.
    pub fn control(&self) -> Option<&str> {
        self.attribute("control")
    }
}

impl RtpMap {
    /// Reads `96 H264/90000`.
    pub fn parse(text: &str) -> Option<Self> {
        let (payload_type, encoding) = text.trim().split_once(' ')?;
        let mut parts = encoding.trim().splitn(3, '/');
        Some(Self {
            payload_type: payload_type.parse().ok().filter(|pt| *pt < 128)?,
            encoding: parts.next()?.to_string(),
            clock_rate: parts.next()?.parse().ok().filter(|r| *r > 0)?,
            parameters: parts.next().map(ToString::to_string),
        })
    }

    /// Payload types that need no `rtpmap`.
    fn fixed(payload_type: u8) -> Option<Self> {
        let (encoding, clock_rate) = match payload_type {
            0 => ("PCMU", 8000),
            8 => ("PCMA", 8000),
            14 => ("MPA", 90_000),
            26 => ("JPEG", 90_000),
            32 => ("MPV", 90_000),
            33 => ("MP2T", 90_000),
            _ => return None,
        };
        Some(Self { payload_type, encoding: encoding.into(), clock_rate, parameters: None })
    }
}

/// The address of a track: its control attribute, absolute or after the base (RFC 2326 §C.1.1). `*` is the base.
pub fn resolve(base: &str, control: &str) -> String {
    if control.contains("://") {
        return control.to_string();
    }
    if control.is_empty() || control == "*" {
        return base.to_string();
    }
    let mut out = String::with_capacity(base.len() + control.len() + 1);
    // A query belongs to the whole address; live555 and ffmpeg append after it all the same.
    out.push_str(base);
    if !base.ends_with('/') {
        out.push('/');
    }
    out.push_str(control.trim_start_matches('/'));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FFMPEG: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=tool:libavformat\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LA,aMuD; profile-level-id=42C01E\r\na=control:streamid=0\r\n";

    #[test]
    fn what_ffmpeg_publishes() {
        let sdp = Description::parse(FFMPEG.as_bytes()).unwrap();
        assert_eq!(sdp.name, "No Name");
        assert_eq!(sdp.attribute("tool"), Some("libavformat"));
        let [media] = &sdp.media[..] else { panic!("{sdp:?}") };
        assert_eq!(media.rtp_map().unwrap().encoding, "H264");
        assert_eq!(media.format_parameter("sprop-parameter-sets"), Some("Z0LA,aMuD"));
        assert_eq!(media.control(), Some("streamid=0"));
        assert_eq!(sdp.to_text(), FFMPEG);
    }

    #[test]
    fn static_types_need_no_map() {
        let sdp = Description::parse(
            b"v=0\no=-\ns=\nm=video 0 RTP/AVP 26\na=control:stream=0\nm=audio 0/2 RTP/AVP 8 0\n",
        );
        let sdp = sdp.unwrap();
        assert_eq!(sdp.media[0].rtp_map().unwrap().clock_rate, 90_000);
        assert_eq!(sdp.media[0].control(), Some("stream=0"));
        assert_eq!(sdp.media[1].rtp_map().unwrap().encoding, "PCMA");
    }

    #[test]
    fn tracks_have_addresses() {
        for (base, control, url) in [
            ("rtsp://h/m", "stream=0", "rtsp://h/m/stream=0"),
            ("rtsp://h/m/", "trackID=1", "rtsp://h/m/trackID=1"),
            ("rtsp://h/m/", "*", "rtsp://h/m/"),
            ("rtsp://h/m", "rtsp://other/x", "rtsp://other/x"),
        ] {
            assert_eq!(resolve(base, control), url);
        }
    }

    #[test]
    fn what_is_no_description_is_refused() {
        use crate::error::SdpError;
        assert_eq!(Description::parse(b"").unwrap_err(), SdpError::Version);
        assert_eq!(Description::parse(b"hello").unwrap_err(), SdpError::Version);
        assert_eq!(Description::parse(b"v=0\nxx\n").unwrap_err(), SdpError::Line { line: 2 });
        assert_eq!(Description::parse(b"v=0\nm=video\n").unwrap_err(), SdpError::Line { line: 2 });
        let many = [b"v=0\n".to_vec(), b"m=video 0 RTP/AVP 26\n".repeat(MAX_MEDIA + 1)].concat();
        assert!(matches!(Description::parse(&many), Err(SdpError::TooManyMedia { .. })));
        let long = [b"v=0\na=".to_vec(), alloc::vec![b'x'; MAX_BYTES]].concat();
        assert!(matches!(Description::parse(&long), Err(SdpError::TooLong { .. })));
    }
}
