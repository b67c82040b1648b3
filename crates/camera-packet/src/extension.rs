//! Extended messages (sheet §10): optional, and never sent to a peer that has not asked for them.
//!
//! All numbers are big-endian; the last four bytes of each are the CRC-32C of the payload before them.
//!
//! ```text
//!  settings, 34 bytes:   revision u32 · shutter us u32 · gain f32 · red f32 · blue f32 · contrast f32 ·
//!                        brightness f32 · flags u16 · CRC u32
//!  telemetry, 30 bytes:  seq u32 · wall ns u64 · monotonic ns u64 · value u8 · pipeline state u8 ·
//!                        settings revision u32 · CRC u32
//!  subscribe, 4 bytes:   rate u16 (Hz, 0: the server's own) · fields u16
//! ```

use bytes::{BufMut, BytesMut};

use crate::checksum::crc32c;
use crate::error::MessageError;
use crate::packet::Kind;
use crate::settings::SettingsBlock;

/// Extended settings: a request to set them, a reply to a query, or an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExtendedSettings {
    /// Counts the changes of the settings; in a request it means nothing.
    pub revision: u32,
    /// Exposure in microseconds.
    pub shutter_us: u32,
    /// Analogue gain.
    pub gain: f32,
    /// Red gain.
    pub awb_red: f32,
    /// Blue gain.
    pub awb_blue: f32,
    /// Contrast, 1.0 neutral.
    pub contrast: f32,
    /// Brightness, -1.0 to 1.0.
    pub brightness: f32,
    /// [`ACCEPTED`](Self::ACCEPTED), [`LIVE`](Self::LIVE), [`REFUSED`](Self::REFUSED); in a request 0.
    pub flags: u16,
}

impl ExtendedSettings {
    /// Bytes of payload.
    pub const LEN: usize = 34;
    /// The server has taken the settings over.
    pub const ACCEPTED: u16 = 1;
    /// The picture shows them.
    pub const LIVE: u16 = 2;
    /// They hold something that is no number; nothing was changed.
    pub const REFUSED: u16 = 0x8000;

    /// What the bytes of a block mean.
    #[expect(clippy::cast_possible_truncation, reason = "two digits of value in a float of seven")]
    pub fn from_block(block: SettingsBlock, revision: u32, flags: u16) -> Self {
        let v = block.values();
        Self {
            revision,
            shutter_us: v.shutter_us,
            gain: v.gain as f32,
            awb_red: v.awb_red as f32,
            awb_blue: v.awb_blue as f32,
            contrast: v.contrast as f32,
            brightness: v.brightness as f32,
            flags,
        }
    }

    /// The block that is nearest, rounded; `None` if one of the values is no number or infinite.
    ///
    /// Rounded and not truncated, unlike the six-byte form: values that came as `f32` from a block come back as the same
    /// bytes.
    pub fn to_block(&self) -> Option<SettingsBlock> {
        let floats = [self.gain, self.awb_red, self.awb_blue, self.contrast, self.brightness];
        if floats.iter().any(|f| !f.is_finite()) {
            return None;
        }
        let [gain, red, blue, contrast, brightness] = floats.map(f64::from);
        let shutter = u8::try_from(self.shutter_us.saturating_add(50) / 100).unwrap_or(u8::MAX);
        Some(SettingsBlock([
            shutter,
            rounded(gain),
            rounded(red * 10.0),
            rounded(blue * 10.0),
            rounded(contrast * 10.0),
            rounded((brightness + 1.0) * 127.5),
        ]))
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Length`] and [`MessageError::Crc`].
    pub fn parse(kind: Kind, payload: &[u8]) -> Result<Self, MessageError> {
        let mut fields = Fields::checked(kind, payload, Self::LEN)?;
        Ok(Self {
            revision: fields.u32(),
            shutter_us: fields.u32(),
            gain: f32::from_bits(fields.u32()),
            awb_red: f32::from_bits(fields.u32()),
            awb_blue: f32::from_bits(fields.u32()),
            contrast: f32::from_bits(fields.u32()),
            brightness: f32::from_bits(fields.u32()),
            flags: u16::from_be_bytes(fields.take()),
        })
    }

    /// Appends the payload.
    pub fn encode_payload(&self, out: &mut BytesMut) {
        with_crc(out, |out| {
            out.put_u32(self.revision);
            out.put_u32(self.shutter_us);
            for value in [self.gain, self.awb_red, self.awb_blue, self.contrast, self.brightness] {
                out.put_f32(value);
            }
            out.put_u16(self.flags);
        });
    }
}

/// What the camera's pipeline is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PipelineState {
    /// There is none, or it has been stopped.
    #[default]
    Stopped = 0,
    /// Started, nothing came out of it yet.
    Starting = 1,
    /// It delivers.
    Running = 2,
    /// It has been told to stop.
    Stopping = 3,
    /// It died; the next start waits.
    Backoff = 4,
}

impl PipelineState {
    /// The state with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Stopped,
            1 => Self::Starting,
            2 => Self::Running,
            3 => Self::Stopping,
            4 => Self::Backoff,
            _ => return None,
        })
    }
}

/// One item of extended telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedTelemetry {
    /// Number of the tick: one that was missed leaves a gap.
    pub sequence: u32,
    /// Wall clock, Unix nanoseconds.
    pub wall_ns: u64,
    /// The server's monotonic clock in nanoseconds, since an epoch of its own.
    pub monotonic_ns: u64,
    /// The value.
    pub value: u8,
    /// A [`PipelineState`] as its number.
    pub pipeline: u8,
    /// Counts the changes of the settings.
    pub revision: u32,
}

impl ExtendedTelemetry {
    /// Bytes of payload.
    pub const LEN: usize = 30;

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Length`] and [`MessageError::Crc`].
    pub fn parse(payload: &[u8]) -> Result<Self, MessageError> {
        let mut fields = Fields::checked(Kind::EXTENDED_DATA, payload, Self::LEN)?;
        Ok(Self {
            sequence: fields.u32(),
            wall_ns: u64::from_be_bytes(fields.take()),
            monotonic_ns: u64::from_be_bytes(fields.take()),
            value: u8::from_be_bytes(fields.take()),
            pipeline: u8::from_be_bytes(fields.take()),
            revision: fields.u32(),
        })
    }

    /// Appends the payload.
    pub fn encode_payload(&self, out: &mut BytesMut) {
        with_crc(out, |out| {
            out.put_u32(self.sequence);
            out.put_u64(self.wall_ns);
            out.put_u64(self.monotonic_ns);
            out.put_u8(self.value);
            out.put_u8(self.pipeline);
            out.put_u32(self.revision);
        });
    }
}

/// A request for extended telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Items a second, 1 to 1000; 0 for the server's own rate. Beyond 1000 counts as 1000.
    pub rate_hz: u16,
    /// [`EXTENDED`](Self::EXTENDED), or 0 for plain items at this rate. Other bits are ignored.
    pub fields: u16,
}

impl Subscribe {
    /// Bytes of payload.
    pub const LEN: usize = 4;
    /// Extended items instead of plain ones.
    pub const EXTENDED: u16 = 1;

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MessageError::Length`].
    pub fn parse(payload: &[u8]) -> Result<Self, MessageError> {
        match *payload {
            [a, b, c, d] => {
                Ok(Self { rate_hz: u16::from_be_bytes([a, b]), fields: u16::from_be_bytes([c, d]) })
            }
            _ => Err(MessageError::Length { kind: Kind::SUBSCRIBE, len: payload.len() }),
        }
    }
}

/// Rounded to the nearest and held within a byte.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast truncates and saturates; with a half added it rounds"
)]
fn rounded(value: f64) -> u8 {
    (value + 0.5) as u8
}

fn with_crc(out: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    put(out);
    let crc = crc32c(out.get(start..).unwrap_or_default());
    out.put_u32(crc);
}

/// The fields of a payload whose length and CRC were checked.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn checked(kind: Kind, payload: &'a [u8], len: usize) -> Result<Self, MessageError> {
        match payload.split_last_chunk::<4>() {
            Some((fields, crc)) if payload.len() == len => {
                let (expected, found) = (crc32c(fields), u32::from_be_bytes(*crc));
                if expected == found { Ok(Self(fields)) } else { Err(MessageError::Crc { expected, found }) }
            }
            _ => Err(MessageError::Length { kind, len: payload.len() }),
        }
    }

    /// The next `N` bytes; the length was checked, so they are there.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_comes_back() {
        for k in 0..=255 {
            let block = SettingsBlock([k; 6]);
            assert_eq!(ExtendedSettings::from_block(block, 1, 0).to_block(), Some(block), "{k}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_block() {
        let good = ExtendedSettings::from_block(SettingsBlock::DEFAULT, 0, 0);
        assert_eq!(ExtendedSettings { gain: f32::NAN, ..good }.to_block(), None);
        assert_eq!(ExtendedSettings { contrast: f32::INFINITY, ..good }.to_block(), None);
        let wild = ExtendedSettings { shutter_us: u32::MAX, gain: 1e30, brightness: -9.0, ..good };
        assert_eq!(wild.to_block(), Some(SettingsBlock([255, 255, 10, 10, 10, 0])));
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let settings = ExtendedSettings::from_block(SettingsBlock::DEFAULT, 7, ExtendedSettings::LIVE);
        let mut out = BytesMut::new();
        settings.encode_payload(&mut out);
        assert_eq!(ExtendedSettings::parse(Kind::EXTENDED_REPLY, &out), Ok(settings));
        for bit in 0..out.len() * 8 {
            let mut damaged = out.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = ExtendedSettings::parse(Kind::EXTENDED_REPLY, &damaged);
            assert!(matches!(error, Err(MessageError::Crc { .. })));
        }
    }
}
