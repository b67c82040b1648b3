//! Descriptions of what this crate can packetize.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Attribute, Media};
use crate::h264::ParameterSets;
use crate::jpeg;

/// Payload type of H.264 where we choose it (dynamic, RFC 3551 §3).
pub const H264_PAYLOAD_TYPE: u8 = 96;

impl Media {
    /// JPEG pictures of this size, at `rate` (a fraction) frames a second. Above 2040 pixels the size is told here, as
    /// the packets cannot (`a=x-dimensions`, as GStreamer has it).
    pub fn jpeg(width: u16, height: u16, rate: (u32, u32)) -> Self {
        let pt = jpeg::PAYLOAD_TYPE;
        let mut media =
            Self::video(pt, alloc::vec![Attribute::new("rtpmap", format!("{pt} JPEG/{}", jpeg::CLOCK_RATE))]);
        media.attributes.push(Attribute::new("framerate", frame_rate(rate)));
        media.attributes.push(Attribute::new("framesize", format!("{pt} {width}-{height}")));
        if width > jpeg::MAX_HEADER_SIZE || height > jpeg::MAX_HEADER_SIZE {
            media.attributes.push(Attribute::new("x-dimensions", format!("{width},{height}")));
        }
        media
    }

    /// H.264 at `rate` (a fraction) frames a second, with its parameter sets if they are known (RFC 6184 §8.2.1).
    pub fn h264(sets: Option<&ParameterSets>, rate: (u32, u32)) -> Self {
        let pt = H264_PAYLOAD_TYPE;
        let mut parameters = format!("{pt} packetization-mode=1");
        if let Some(sets) = sets {
            if let Some(level) = sets.profile_level_id() {
                parameters.push_str(&format!(";profile-level-id={level:06X}"));
            }
            parameters.push_str(";sprop-parameter-sets=");
            parameters.push_str(&sets.to_sprop());
        }
        Self::video(
            pt,
            alloc::vec![
                Attribute::new("rtpmap", format!("{pt} H264/90000")),
                Attribute::new("fmtp", parameters),
                Attribute::new("framerate", frame_rate(rate)),
            ],
        )
    }

    fn video(payload_type: u8, attributes: Vec<Attribute>) -> Self {
        Self {
            kind: "video".into(),
            port: 0,
            protocol: "RTP/AVP".into(),
            formats: alloc::vec![format!("{payload_type}")],
            lines: Vec::new(),
            attributes,
        }
    }
}

/// `25`, or `29.970` (RFC 8866 §6.13 allows a decimal).
fn frame_rate((num, den): (u32, u32)) -> String {
    let den = den.max(1);
    if num % den == 0 {
        return format!("{}", num / den);
    }
    let thousandths = u64::from(num) * 1000 / u64::from(den);
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions() {
        let media = Media::jpeg(2560, 1440, (30_000, 1001));
        assert_eq!(media.attribute("framerate"), Some("29.970"));
        assert_eq!(media.attribute("x-dimensions"), Some("2560,1440"));
        assert_eq!(media.rtp_map().unwrap().clock_rate, 90_000);
        let sets = ParameterSets::from_sprop("Z0LAHtkAoD2wEQAAAwABAAADADCPFi5I,aMuDyyA=").unwrap();
        let media = Media::h264(Some(&sets), (24, 1));
        assert_eq!(media.format_parameter("profile-level-id"), Some("42C01E"));
        let sprop = media.format_parameter("sprop-parameter-sets").unwrap();
        assert_eq!(ParameterSets::from_sprop(sprop), Some(sets));
    }
}
