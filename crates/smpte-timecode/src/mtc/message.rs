use crate::mtc::{QuarterFrame, RateCode};
use crate::{Fields, LabelError, MtcError, Rate, Timecode};

/// The device number that all receivers listen to.
pub const ALL_DEVICES: u8 = 0x7f;

/// Any message of MIDI timecode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// An eighth of a label.
    QuarterFrame(QuarterFrame),
    /// A whole label: the place that was located.
    FullFrame(FullFrame),
    /// User bits.
    UserBits(UserBits),
}

/// A whole label in one message, sent when the transport is set to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullFrame {
    device: u8,
    timecode: Timecode,
}

impl FullFrame {
    /// The message for all devices.
    ///
    /// # Errors
    ///
    /// [`MtcError::Rate`] if there is no code for the rate.
    pub fn try_new(timecode: Timecode) -> Result<Self, MtcError> {
        match RateCode::of(timecode.rate()) {
            Some(_) => Ok(Self { device: ALL_DEVICES, timecode }),
            None => Err(MtcError::Rate),
        }
    }

    /// The same message for one device, 0 to 127 (higher bits are left out).
    #[must_use]
    pub const fn for_device(self, device: u8) -> Self {
        Self { device: device & 0x7f, ..self }
    }

    /// The device it is for.
    pub const fn device(self) -> u8 {
        self.device
    }

    /// The label.
    pub const fn timecode(self) -> Timecode {
        self.timecode
    }

    /// The bytes, `F0 7F dev 01 01 hr mm ss ff F7`.
    pub fn encode(self) -> [u8; 10] {
        let Fields { hours, minutes, seconds, frames } = self.timecode.fields();
        // both are there since it was made: the rate has a code and so at most 30 frames
        let code = RateCode::of(self.timecode.rate()).map_or(0, RateCode::number);
        let frames = u8::try_from(frames).unwrap_or_default();
        [0xf0, 0x7f, self.device, 0x01, 0x01, code << 5 | hours, minutes, seconds, frames, 0xf7]
    }

    /// From what stands between the second `01` and `F7`.
    pub(super) fn decode(device: u8, data: [u8; 4], hint: Option<Rate>) -> Result<Self, LabelError> {
        let [rate_hours, minutes, seconds, frames] = data;
        // never None: two bits
        let code = RateCode::from_number(rate_hours >> 5 & 3).unwrap_or(RateCode::Smpte);
        let fields = Fields { hours: rate_hours & 0x1f, minutes, seconds, frames: u16::from(frames) };
        Ok(Self { device, timecode: Timecode::from_fields(code.rate_or(hint), fields)? })
    }
}

/// The user bits of a label, eight binary groups of four bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserBits {
    /// The device they are for, 0 to 127; [`ALL_DEVICES`].
    pub device: u8,
    /// Group 1 in bits 0 to 3, group 8 in bits 28 to 31.
    pub groups: u32,
    /// Two bits that say what the groups mean.
    pub flags: u8,
}

impl UserBits {
    /// The bytes, `F0 7F dev 01 02 u1 .. u8 flags F7`. Bits of `device` and `flags` beyond theirs are left out.
    pub fn encode(self) -> [u8; 15] {
        let [b0, b1, b2, b3] = self.groups.to_le_bytes();
        let [u1, u2] = [b0 & 0xf, b0 >> 4];
        let [u3, u4] = [b1 & 0xf, b1 >> 4];
        let [u5, u6] = [b2 & 0xf, b2 >> 4];
        let [u7, u8] = [b3 & 0xf, b3 >> 4];
        [0xf0, 0x7f, self.device & 0x7f, 0x01, 0x02, u1, u2, u3, u4, u5, u6, u7, u8, self.flags & 3, 0xf7]
    }

    /// From what stands between `02` and `F7`.
    pub(super) fn decode(device: u8, groups: [u8; 8], flags: u8) -> Self {
        let groups = groups.iter().rev().fold(0, |bits, group| bits << 4 | u32::from(group & 0xf));
        Self { device, groups, flags: flags & 3 }
    }
}
