//! Where pictures come from, as `--source` names it.

use std::fmt;
use std::str::FromStr;

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Raspberry Pi's camera program. Settings act by a restart.
    Rpicam,
    /// A V4L2 device, by ffmpeg. Settings act live, on its controls.
    V4l2(String),
    /// The built-in moving pattern. Settings act on the next frame.
    Test,
    /// ffmpeg's own test source. Settings act live, on filters.
    Lavfi,
    /// A program of yours that writes H.264 to its standard output. `{shutter}`, `{gain}`, `{awb_red}`, `{awb_blue}`,
    /// `{contrast}` and `{brightness}` in its arguments are replaced; with one of them settings act by a restart.
    Command(Vec<String>),
    /// No video.
    None,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpicam => f.write_str("rpicam"),
            Self::V4l2(device) => write!(f, "v4l2:{device}"),
            Self::Test => f.write_str("test"),
            Self::Lavfi => f.write_str("lavfi"),
            Self::Command(words) => {
                f.write_str("command:")?;
                for (i, word) in words.iter().enumerate() {
                    let space = if i == 0 { "" } else { " " };
                    let plain = !word.is_empty() && !word.contains([' ', '\'', '"', '\\']);
                    let quoted = word.replace('\'', r"'\''");
                    if plain { write!(f, "{space}{word}")? } else { write!(f, "{space}'{quoted}'")? }
                }
                Ok(())
            }
            Self::None => f.write_str("none"),
        }
    }
}

/// Not a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// No such name.
    Unknown,
    /// `command:` without one.
    NoCommand,
    /// A quote in the command that is not closed.
    Quote,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => {
                "not a source: rpicam, v4l2:/dev/videoN, test, lavfi, command:PROGRAM ARGUMENTS or none"
            }
            Self::NoCommand => "command: needs a program",
            Self::Quote => "a quote in the command is not closed",
        })
    }
}

impl std::error::Error for SourceError {}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        Ok(match text.split_once(':') {
            Some(("v4l2", device)) if !device.is_empty() => Self::V4l2(device.into()),
            Some(("command", command)) => {
                let words = words(command)?;
                if words.first().is_none_or(String::is_empty) {
                    return Err(SourceError::NoCommand);
                }
                Self::Command(words)
            }
            _ => match text {
                "rpicam" => Self::Rpicam,
                "test" => Self::Test,
                "lavfi" => Self::Lavfi,
                "none" => Self::None,
                _ => return Err(SourceError::Unknown),
            },
        })
    }
}

/// Splits at blanks; quotes of either sort and backslashes keep them. No shell has a part in it.
fn words(text: &str) -> Result<Vec<String>, SourceError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(SourceError::Quote) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_both_ways() {
        for name in
            ["rpicam", "v4l2:/dev/video0", "test", "lavfi", "none", "command:cam -x 'a b' --gain {gain}"]
        {
            let source: Source = name.parse().unwrap();
            assert_eq!(source.to_string(), name);
        }
        let words = |text: &str| match text.parse() {
            Ok(Source::Command(words)) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(words(r#"command:a  "b c" 'd"e' f\ g '' h'i'j"#), ["a", "b c", "d\"e", "f g", "", "hij"]);
        assert_eq!("command: ".parse::<Source>(), Err(SourceError::NoCommand));
        assert_eq!("command:a 'b".parse::<Source>(), Err(SourceError::Quote));
        assert_eq!("v4l2:".parse::<Source>(), Err(SourceError::Unknown));
    }
}
