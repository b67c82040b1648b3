//! What the shell and `set` are told, as text.

use std::fmt;
use std::str::FromStr;

use camera_packet::settings::{SettingsBlock, Values};

use crate::settings_file::{KEYS, block_from_hex};

/// `KEY=VALUE`, or `raw=` and 12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Assignment {
    /// A setting by its name.
    Value {
        /// Its place among the six.
        place: usize,
        /// What it shall be.
        value: f64,
    },
    /// All six bytes.
    Raw(SettingsBlock),
}

impl Assignment {
    /// Makes changes to a block. Only the bytes of settings that are named change. Without `raw` values are held within
    /// the ranges of the original's window.
    pub fn apply(changes: &[Self], block: SettingsBlock, raw: bool) -> SettingsBlock {
        changes.iter().fold(block, |block, change| match *change {
            Self::Raw(raw) => raw,
            Self::Value { place, value } => {
                let mut values = block.values();
                set(&mut values, place, value);
                let values = if raw { values } else { values.clamped_as_gui() };
                let new = SettingsBlock::from_values(&values);
                let mut bytes = block.0;
                for (i, (byte, new)) in bytes.iter_mut().zip(new.0).enumerate() {
                    if i == place {
                        *byte = new;
                    }
                }
                SettingsBlock(bytes)
            }
        })
    }

    /// Whether G4 has it.
    pub fn is_old(&self) -> bool {
        matches!(self, Self::Value { place: 1..=3, .. })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast truncates and saturates"
)]
fn set(values: &mut Values, place: usize, value: f64) {
    match place {
        0 => values.shutter_us = value as u32,
        1 => values.gain = value as u32,
        2 => values.awb_red = value,
        3 => values.awb_blue = value,
        4 => values.contrast = value,
        _ => values.brightness = value,
    }
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No such word.
    Unknown,
    /// Not `KEY=VALUE` with a known key.
    Key,
    /// The value is not a number.
    Value,
    /// The value of `raw` is not 12 hexadecimal digits.
    Raw,
    /// `set` without any.
    Nothing,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("commands: get, set KEY=VALUE..., watch [ITEMS], login [PASSWORD], quit")
            }
            Self::Key => write!(f, "KEY=VALUE with one of {} or raw", KEYS.join(", ")),
            Self::Value => f.write_str("the value is not a number"),
            Self::Raw => f.write_str("raw is the six bytes as 12 hexadecimal digits"),
            Self::Nothing => f.write_str("set what? KEY=VALUE..."),
        }
    }
}

impl std::error::Error for CommandError {}

impl FromStr for Assignment {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let (key, value) = text.split_once('=').ok_or(CommandError::Key)?;
        if key == "raw" {
            return block_from_hex(value).map(Self::Raw).ok_or(CommandError::Raw);
        }
        let place = KEYS.iter().position(|k| *k == key).ok_or(CommandError::Key)?;
        let value: f64 = value.parse().map_err(|_| CommandError::Value)?;
        if value.is_finite() { Ok(Self::Value { place, value }) } else { Err(CommandError::Value) }
    }
}

/// One line of the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Nothing.
    Empty,
    /// Show the settings.
    Get,
    /// Change some.
    Set(Vec<Assignment>),
    /// Show so many items of telemetry.
    Watch(u64),
    /// Log in; `None`: with the password of the command line.
    Login(Option<String>),
    /// End.
    Quit,
}

impl FromStr for Line {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        Ok(match words.as_slice() {
            [] => Self::Empty,
            ["get"] => Self::Get,
            ["set"] => return Err(CommandError::Nothing),
            ["set", changes @ ..] => Self::Set(changes.iter().map(|c| c.parse()).collect::<Result<_, _>>()?),
            ["watch"] => Self::Watch(24),
            ["watch", items] => Self::Watch(items.parse().map_err(|_| CommandError::Value)?),
            ["login"] => Self::Login(None),
            ["login", password] => Self::Login(Some((*password).into())),
            ["quit" | "exit"] => Self::Quit,
            _ => return Err(CommandError::Unknown),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(" get ".parse(), Ok(Line::Get));
        assert_eq!("watch 5".parse(), Ok(Line::Watch(5)));
        assert_eq!("login x".parse(), Ok(Line::Login(Some("x".into()))));
        assert_eq!("".parse(), Ok(Line::Empty));
        let set = Line::Set(vec![
            Assignment::Value { place: 1, value: 4.0 },
            Assignment::Raw(SettingsBlock([1; 6])),
        ]);
        assert_eq!("set gain=4 raw=010101010101".parse(), Ok(set));
        for (text, error) in [
            ("set", CommandError::Nothing),
            ("set gain", CommandError::Key),
            ("set zoom=1", CommandError::Key),
            ("set gain=NaN", CommandError::Value),
            ("set gain=1e999", CommandError::Value),
            ("set raw=12", CommandError::Raw),
            ("fly", CommandError::Unknown),
        ] {
            assert_eq!(text.parse::<Line>(), Err(error), "{text}");
        }
    }

    #[test]
    fn only_what_is_named_changes() {
        let block = SettingsBlock([255, 200, 0, 0, 255, 1]);
        let change = |text: &str, raw| Assignment::apply(&[text.parse().unwrap()], block, raw).0;
        assert_eq!(change("gain=4", false), [255, 4, 0, 0, 255, 1]);
        assert_eq!(change("gain=99", false), [255, 16, 0, 0, 255, 1]);
        assert_eq!(change("gain=99", true), [255, 99, 0, 0, 255, 1]);
        assert_eq!(change("shutter=33333", true), [255, 200, 0, 0, 255, 1]);
        assert_eq!(change("brightness=-2", false), [255, 200, 0, 0, 255, 0]);
        assert_eq!(change("raw=0102030405ff", false), [1, 2, 3, 4, 5, 255]);
    }
}
