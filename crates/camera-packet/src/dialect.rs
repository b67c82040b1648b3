//! Earlier generations of the protocol (sheet §11): same author, same ports, other bytes.
//!
//! They cannot be told apart by what they send, so a client is told which one it talks to.
//!
//! | | port 5000 | port 5001 | port 5002 |
//! |---|---|---|---|
//! | G1 | 4-byte records `01 02 value xor` | | |
//! | G1b | 12-byte records `01 02 value timestamp(8) xor` | | |
//! | G2 | 16-byte frames | | |
//! | G3 | as G2 | query, answered in the old order of the bytes | |
//! | G4 | as G2 | and update of 5 bytes | |
//! | G5 | as G2 | query and update of 6 bytes | |
//! | G6, G7 | as G2 | as G5 | password |

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::checksum;
use crate::message::Telemetry;
use crate::settings::SettingsBlock;

/// A generation of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Records without a time.
    G1,
    /// Records with a time.
    G1b,
    /// Frames, telemetry only.
    G2,
    /// Settings can be read, in the old order.
    G3,
    /// Settings can be changed too, in the old order.
    G4,
    /// Six-byte settings.
    G5,
    /// And a password.
    G6,
    /// The final one.
    #[default]
    G7,
}

/// How the settings port of a generation writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsForm {
    /// There is no such port.
    None,
    /// [`OldSettings`], to be read only.
    OldReadOnly,
    /// [`OldSettings`].
    Old,
    /// [`SettingsBlock`].
    Six,
}

impl Dialect {
    /// All of them, oldest first.
    pub const ALL: [Self; 8] =
        [Self::G1, Self::G1b, Self::G2, Self::G3, Self::G4, Self::G5, Self::G6, Self::G7];

    /// What its settings port speaks.
    pub const fn settings(self) -> SettingsForm {
        match self {
            Self::G1 | Self::G1b | Self::G2 => SettingsForm::None,
            Self::G3 => SettingsForm::OldReadOnly,
            Self::G4 => SettingsForm::Old,
            Self::G5 | Self::G6 | Self::G7 => SettingsForm::Six,
        }
    }

    /// Whether it asks for a password.
    pub const fn has_auth(self) -> bool {
        matches!(self, Self::G6 | Self::G7)
    }

    /// Whether its telemetry is [records](RecordDecoder) and not frames.
    pub const fn record_len(self) -> Option<usize> {
        match self {
            Self::G1 => Some(4),
            Self::G1b => Some(12),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::G1 => "G1",
            Self::G1b => "G1b",
            Self::G2 => "G2",
            Self::G3 => "G3",
            Self::G4 => "G4",
            Self::G5 => "G5",
            Self::G6 => "G6",
            Self::G7 => "G7",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a [`Dialect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a generation of the protocol: G1, G1b, G2, G3, G4, G5, G6 or G7")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|d| d.name().eq_ignore_ascii_case(text)).ok_or(UnknownDialect)
    }
}

/// The settings of G3 and G4: `gain, exposure * 10, red * 10, green * 10, blue * 10`. The units are the author's; only
/// gain and the two gains that remained are comparable with the later form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OldSettings(pub [u8; 5]);

impl OldSettings {
    /// Reads the nine bytes of a reply; the last four mean nothing.
    pub const fn from_reply(payload: &[u8]) -> Option<Self> {
        match *payload {
            [gain, exposure, red, green, blue, _, _, _, _] => Some(Self([gain, exposure, red, green, blue])),
            _ => None,
        }
    }

    /// The nine bytes of a reply.
    pub const fn to_reply(self) -> [u8; 9] {
        let [gain, exposure, red, green, blue] = self.0;
        [gain, exposure, red, green, blue, 0, 0, 0, 0]
    }

    /// Gain and the gains of red and blue taken over; the rest as in `base`.
    #[must_use]
    pub const fn to_block(self, base: SettingsBlock) -> SettingsBlock {
        let ([gain, _, red, _, blue], [shutter, _, _, _, contrast, brightness]) = (self.0, base.0);
        SettingsBlock([shutter, gain, red, blue, contrast, brightness])
    }

    /// Gain and the gains of red and blue changed; exposure and green as they are.
    #[must_use]
    pub const fn with_block(self, block: SettingsBlock) -> Self {
        let ([_, exposure, _, green, _], [_, gain, red, blue, _, _]) = (self.0, block.0);
        Self([gain, exposure, red, green, blue])
    }
}

/// Finds the telemetry records of G1 and G1b in a stream.
///
/// ```text
///  G1    01 02 value xor(first three)
///  G1b   01 02 value timestamp(8, big-endian, ms) xor(first eleven)
/// ```
#[derive(Clone, Debug)]
pub struct RecordDecoder {
    len: usize,
    window: [u8; 12],
    filled: usize,
    skipped: u64,
}

impl RecordDecoder {
    /// For a dialect that has records.
    pub const fn new(dialect: Dialect) -> Option<Self> {
        match dialect.record_len() {
            Some(len) => Some(Self { len, window: [0; 12], filled: 0, skipped: 0 }),
            None => None,
        }
    }

    /// Takes one byte; returns the record that it completes. G1 has no time: its timestamp is 0.
    pub fn push(&mut self, byte: u8) -> Option<Telemetry> {
        if let Some(place) = self.window.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
        loop {
            let window = self.window.get(..self.filled).unwrap_or_default();
            let plausible = match window {
                [] => return None,
                [first] => *first == 0x01,
                [first, second, ..] => [*first, *second] == [0x01, 0x02],
            };
            if plausible && self.filled < self.len {
                return None;
            }
            if plausible && checksum::xor(window) == 0 {
                let record = match *window {
                    [_, _, value, a, b, c, d, e, f, g, h, _] => {
                        Telemetry { value, timestamp_ms: u64::from_be_bytes([a, b, c, d, e, f, g, h]) }
                    }
                    [_, _, value, ..] => Telemetry { value, timestamp_ms: 0 },
                    _ => return None,
                };
                self.filled = 0;
                return Some(record);
            }
            self.window.copy_within(1.., 0);
            self.filled -= 1;
            self.skipped += 1;
        }
    }

    /// Bytes that were part of no record.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// A record of G1 (4 bytes) or G1b (12 bytes) in the first `record_len` bytes.
pub fn encode_record(dialect: Dialect, telemetry: Telemetry) -> Option<([u8; 12], usize)> {
    let len = dialect.record_len()?;
    let [a, b, c, d, e, f, g, h] = telemetry.timestamp_ms.to_be_bytes();
    let mut record = match dialect {
        Dialect::G1 => [0x01, 0x02, telemetry.value, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        _ => [0x01, 0x02, telemetry.value, a, b, c, d, e, f, g, h, 0],
    };
    let sum = checksum::xor(&record);
    if let Some(place) = record.get_mut(len - 1) {
        *place = sum;
    }
    Some((record, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn records_are_found_again_after_damage() {
        for dialect in [Dialect::G1, Dialect::G1b] {
            let sent = Telemetry {
                value: 9,
                timestamp_ms: if dialect == Dialect::G1 { 0 } else { 1_735_689_600_000 },
            };
            let (record, len) = encode_record(dialect, sent).unwrap();
            let record = &record[..len];
            let mut stream = Vec::new();
            stream.extend_from_slice(record);
            stream.extend_from_slice(&[0x01, 0x01, 0x02, 0x00]);
            stream.extend_from_slice(record);
            stream.extend_from_slice(record);
            let mut decoder = RecordDecoder::new(dialect).unwrap();
            let got: Vec<_> = stream.iter().filter_map(|b| decoder.push(*b)).collect();
            assert_eq!(got, [sent; 3], "{dialect}");
            assert_eq!(decoder.skipped(), 4);
        }
        assert_eq!(
            encode_record(Dialect::G1, Telemetry { value: 9, timestamp_ms: 5 }).unwrap().0[..4],
            [1, 2, 9, 10]
        );
    }

    #[test]
    fn names() {
        for dialect in Dialect::ALL {
            assert_eq!(alloc::format!("{dialect}").to_lowercase().parse(), Ok(dialect));
        }
        assert_eq!("G8".parse::<Dialect>(), Err(UnknownDialect));
    }

    #[test]
    fn old_settings() {
        let old = OldSettings([4, 30, 12, 10, 21]);
        assert_eq!(OldSettings::from_reply(&old.to_reply()), Some(old));
        let block = old.to_block(SettingsBlock::DEFAULT);
        assert_eq!(block.0, [0x64, 4, 12, 21, 0x0a, 0x7f]);
        assert_eq!(old.with_block(SettingsBlock([1, 2, 3, 4, 5, 6])).0, [2, 30, 3, 10, 4]);
    }
}
