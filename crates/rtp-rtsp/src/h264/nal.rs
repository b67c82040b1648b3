//! Types of NAL units (ITU-T H.264 table 7-1).

/// Type of a NAL unit, the low five bits of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nal(pub u8);

impl Nal {
    /// A slice of a picture.
    pub const SLICE: Self = Self(1);
    /// A slice of a picture that refers to none before it.
    pub const IDR: Self = Self(5);
    /// Supplemental enhancement information.
    pub const SEI: Self = Self(6);
    /// Sequence parameter set.
    pub const SPS: Self = Self(7);
    /// Picture parameter set.
    pub const PPS: Self = Self(8);
    /// Access unit delimiter.
    pub const DELIMITER: Self = Self(9);
    /// Several NAL units in one payload (RFC 6184 §5.7.1).
    pub const STAP_A: Self = Self(24);
    /// A part of a NAL unit (RFC 6184 §5.8).
    pub const FU_A: Self = Self(28);

    /// The type of a NAL unit or payload; `None` if it is empty.
    pub fn of(data: &[u8]) -> Option<Self> {
        data.first().map(|b| Self(b & 0x1f))
    }

    /// Whether it holds a part of a picture (types 1 to 5).
    pub const fn is_slice(self) -> bool {
        matches!(self.0, 1..=5)
    }
}

/// Whether an RTP payload holds (the start of) an IDR picture or a sequence parameter set, with which a reader can
/// begin.
pub fn is_key_payload(payload: &[u8]) -> bool {
    let key = |nal: Option<Nal>| matches!(nal, Some(Nal::IDR | Nal::SPS));
    match Nal::of(payload) {
        Some(Nal::STAP_A) => {
            let mut rest = payload.get(1..).unwrap_or_default();
            while let Some(([l0, l1], after)) = rest.split_first_chunk() {
                let len = usize::from(u16::from_be_bytes([*l0, *l1]));
                if key(Nal::of(after)) {
                    return true;
                }
                rest = after.get(len..).unwrap_or_default();
            }
            false
        }
        Some(Nal::FU_A) => payload.get(1).is_some_and(|b| b & 0x80 != 0 && key(Some(Nal(b & 0x1f)))),
        other => key(other),
    }
}
