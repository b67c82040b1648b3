//! `RTP-Info: url=rtsp://h/m/stream=0;seq=45102;rtptime=12345678` (RFC 2326 §12.33).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::Parameters;
use super::split_outside_quotes;

/// What the first packets of a PLAY look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtpInfo {
    /// One entry for each track.
    pub entries: Vec<RtpInfoEntry>,
}

/// The first packet of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpInfoEntry {
    /// The track's address.
    pub url: String,
    /// Its sequence number.
    pub seq: Option<u16>,
    /// Its timestamp.
    pub rtptime: Option<u32>,
}

impl RtpInfo {
    /// Reads the value; entries without an address are left out.
    pub fn parse(text: &str) -> Self {
        // At most as many tracks as a description may have.
        let entries = split_outside_quotes(text, b',').filter_map(entry).take(crate::sdp::MAX_MEDIA);
        Self { entries: entries.collect() }
    }
}

fn entry(text: &str) -> Option<RtpInfoEntry> {
    let mut entry = RtpInfoEntry { url: String::new(), seq: None, rtptime: None };
    for (name, value) in Parameters::new(text, b';').iter() {
        match name {
            "url" => entry.url = value.into_owned(),
            "seq" => entry.seq = value.parse().ok(),
            "rtptime" => entry.rtptime = value.parse().ok(),
            _ => {}
        }
    }
    (!entry.url.is_empty()).then_some(entry)
}

impl fmt::Display for RtpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.entries.iter().enumerate() {
            if i > 0 {
                f.write_char(',')?;
            }
            write!(f, "url={}", entry.url)?;
            if let Some(seq) = entry.seq {
                write!(f, ";seq={seq}")?;
            }
            if let Some(rtptime) = entry.rtptime {
                write!(f, ";rtptime={rtptime}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn both_ways() {
        let text = "url=rtsp://h/m/stream=0;seq=45102;rtptime=12345678,url=rtsp://h/m/stream=1";
        let info = RtpInfo::parse(text);
        assert_eq!(info.entries[0].url, "rtsp://h/m/stream=0");
        assert_eq!((info.entries[0].seq, info.entries[1].rtptime), (Some(45_102), None));
        assert_eq!(info.to_string(), text);
        assert_eq!(RtpInfo::parse("seq=1").entries, []);
    }
}
