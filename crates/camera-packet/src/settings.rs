//! The six settings of the camera (sheet §4.1).
//!
//! ```text
//!  byte  field       value                      byte 0..255 means
//!   0    shutter     b * 100                    0..25 500 us, 0: automatic exposure
//!   1    gain        b                          0: automatic
//!   2    awb_red     b / 10                     0..25.5; both gains 0: automatic white balance
//!   3    awb_blue    b / 10                     0..25.5
//!   4    contrast    b / 10                     0..25.5, 1.0 neutral
//!   5    brightness  b / 127.5 - 1              -1.0..+1.0
//! ```
//!
//! The bytes are the authority: [`SettingsBlock`] is what is kept, echoed and applied. Values made of it and turned into
//! bytes again lose a step at some brightness bytes ([`SettingsBlock::from_values`]), which is how the original's
//! brightness walks down at each query and apply.

/// The six bytes as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SettingsBlock(pub [u8; 6]);

/// The six settings in their units, as the JSON file has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Exposure in microseconds; key `shutter`.
    pub shutter_us: u32,
    /// Analogue gain; key `gain`.
    pub gain: u32,
    /// Red gain; key `awb_red`.
    pub awb_red: f64,
    /// Blue gain; key `awb_blue`.
    pub awb_blue: f64,
    /// Contrast, 1.0 neutral; key `contrast`.
    pub contrast: f64,
    /// Brightness, -1.0 to 1.0; key `brightness`.
    pub brightness: f64,
}

impl Values {
    /// What the camera starts with.
    pub const DEFAULT: Self =
        Self { shutter_us: 10_000, gain: 1, awb_red: 1.0, awb_blue: 1.0, contrast: 1.0, brightness: 0.0 };

    /// Within the ranges that the original's window lets a user choose from: shutter 100 to 10 000 us, gain 1 to 16,
    /// colour gains 0.1 to 5.0, contrast 0.0 to 2.0, brightness -1.0 to 1.0.
    #[must_use]
    pub fn clamped_as_gui(self) -> Self {
        Self {
            shutter_us: self.shutter_us.clamp(100, 10_000),
            gain: self.gain.clamp(1, 16),
            awb_red: self.awb_red.clamp(0.1, 5.0),
            awb_blue: self.awb_blue.clamp(0.1, 5.0),
            contrast: self.contrast.clamp(0.0, 2.0),
            brightness: self.brightness.clamp(-1.0, 1.0),
        }
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl SettingsBlock {
    /// [`Values::DEFAULT`] as bytes: `64 01 0a 0a 0a 7f`.
    pub const DEFAULT: Self = Self([0x64, 0x01, 0x0a, 0x0a, 0x0a, 0x7f]);

    /// Truncates toward zero as the original does, but holds at 0 and 255 where that wraps or fails. Not a number
    /// counts as 0.
    pub fn from_values(values: &Values) -> Self {
        Self([
            byte(f64::from(values.shutter_us / 100)),
            byte(f64::from(values.gain)),
            byte(values.awb_red * 10.0),
            byte(values.awb_blue * 10.0),
            byte(values.contrast * 10.0),
            byte((values.brightness + 1.0) * 127.5),
        ])
    }

    /// What the bytes mean.
    pub fn values(&self) -> Values {
        let [shutter, gain, red, blue, contrast, brightness] = self.0;
        Values {
            shutter_us: u32::from(shutter) * 100,
            gain: u32::from(gain),
            awb_red: f64::from(red) / 10.0,
            awb_blue: f64::from(blue) / 10.0,
            contrast: f64::from(contrast) / 10.0,
            brightness: f64::from(brightness) / 127.5 - 1.0,
        }
    }
}

impl Default for SettingsBlock {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which settings a server lets through to its camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clamp {
    /// All of them, as the original.
    #[default]
    None,
    /// Those that the original's window can send.
    Gui,
    /// Each byte within its own bounds, both included; a lower bound above the upper one counts as the upper one.
    Custom {
        /// Least.
        min: SettingsBlock,
        /// Most.
        max: SettingsBlock,
    },
}

impl Clamp {
    /// The nearest block that is let through.
    #[must_use]
    pub fn apply(&self, block: SettingsBlock) -> SettingsBlock {
        let (min, max) = match *self {
            Self::None => return block,
            Self::Gui => ([1, 1, 1, 1, 0, 0], [100, 16, 50, 50, 20, 255]),
            Self::Custom { min, max } => (min.0, max.0),
        };
        let mut bytes = block.0;
        for ((byte, min), max) in bytes.iter_mut().zip(min).zip(max) {
            *byte = (*byte).max(min).min(max);
        }
        SettingsBlock(bytes)
    }
}

/// Truncated toward zero and held within a byte.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast truncates toward zero, saturates and makes 0 of what is no number: just what is wanted"
)]
fn byte(value: f64) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn tenths_come_back_and_brightness_loses_a_step_at_the_bytes_of_the_sheet() {
        let mut lower = Vec::new();
        for k in 0..=255 {
            let block = SettingsBlock([k; 6]);
            let again = SettingsBlock::from_values(&block.values());
            assert_eq!(again.0[..5], block.0[..5]);
            if again.0[5] != k {
                assert_eq!(again.0[5], k - 1);
                lower.push(k);
            }
        }
        assert_eq!(lower, [1, 2, 5, 9, 10, 13, 17, 18, 21, 25, 26, 29, 33, 34, 41, 42, 49, 50, 57, 58]);
        assert_eq!(SettingsBlock::from_values(&Values::DEFAULT), SettingsBlock::DEFAULT);
    }

    #[test]
    fn values_out_of_range_are_held() {
        let values = Values {
            shutter_us: 33_333,
            gain: 300,
            awb_red: 1.26,
            awb_blue: 1e308,
            contrast: f64::NAN,
            brightness: -7.0,
        };
        assert_eq!(SettingsBlock::from_values(&values).0, [255, 255, 12, 255, 0, 0]);
        assert_eq!(Values::clamped_as_gui(values).gain, 16);
    }

    #[test]
    fn clamps() {
        let all = SettingsBlock([255; 6]);
        assert_eq!(Clamp::None.apply(all), all);
        assert_eq!(Clamp::Gui.apply(all).0, [100, 16, 50, 50, 20, 255]);
        assert_eq!(Clamp::Gui.apply(SettingsBlock([0; 6])).0, [1, 1, 1, 1, 0, 0]);
        let custom = Clamp::Custom { min: SettingsBlock([9; 6]), max: SettingsBlock([5; 6]) };
        assert_eq!(custom.apply(SettingsBlock([7; 6])).0, [5; 6]);
    }
}
