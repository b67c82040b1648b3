//! Names of files, which come from strangers and end on our disk (sheet §5, §7.5, §12).

use alloc::format;
use alloc::string::String;
use core::fmt;

use thiserror::Error;

use crate::UnixTime;

/// A plain name of a file: no path, nothing that a file system takes for one, and no control characters.
///
/// 1 to 255 bytes of UTF-8 without `/`, `\`, NUL and other control characters; not `.`, `..`; no drive letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

/// Why a text is not a [`FileName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileNameError {
    /// Nothing.
    #[error("a file name is empty")]
    Empty,
    /// Longer than file systems allow.
    #[error("a file name has {found} bytes; 255 are allowed")]
    TooLong {
        /// How many it has.
        found: u32,
    },
    /// It would leave its directory.
    #[error("a file name holds a path, at byte {}", offset + 1)]
    Path {
        /// Where.
        offset: u32,
    },
    /// A control character.
    #[error("a file name holds a control character, at byte {}", offset + 1)]
    Control {
        /// Where.
        offset: u32,
    },
}

impl FileName {
    /// Checks a name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(name: &str) -> Result<Self, FileNameError> {
        if name.is_empty() {
            return Err(FileNameError::Empty);
        }
        if name.len() > 255 {
            return Err(FileNameError::TooLong { found: u32::try_from(name.len()).unwrap_or(u32::MAX) });
        }
        if name == "." || name == ".." {
            return Err(FileNameError::Path { offset: 0 });
        }
        for (at, c) in name.char_indices() {
            let offset = u32::try_from(at).unwrap_or(u32::MAX);
            match c {
                '/' | '\\' => return Err(FileNameError::Path { offset }),
                // `C:name` is another directory's file on Windows.
                ':' if at == 1 => return Err(FileNameError::Path { offset }),
                c if c.is_control() => return Err(FileNameError::Control { offset }),
                _ => {}
            }
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its extension: the file id of most generations.
    pub fn stem(&self) -> &str {
        stem(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A name without its extension.
pub fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// The id of a recording: `Mountain-A1B2C3D4_1729000000123`.
pub fn file_id(device_id: &str, at: UnixTime) -> String {
    format!("{device_id}_{}", at.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_and_stems() {
        let at = UnixTime::from_nanos(1_729_000_000_123_000_000);
        assert_eq!(file_id("Mountain-A1B2C3D4", at), "Mountain-A1B2C3D4_1729000000123");
        assert_eq!(stem("video_1729000000.zip"), "video_1729000000");
        assert_eq!(stem("none"), "none");
        assert_eq!(stem(".hidden"), ".hidden");
    }

    #[test]
    fn names_that_are_refused() {
        use FileNameError::{Control, Empty, Path, TooLong};
        let long = "x".repeat(256);
        let cases = [
            ("", Empty),
            (".", Path { offset: 0 }),
            ("..", Path { offset: 0 }),
            ("../x", Path { offset: 2 }),
            ("/etc/passwd", Path { offset: 0 }),
            ("a\\b", Path { offset: 1 }),
            ("C:x", Path { offset: 1 }),
            ("a\0b", Control { offset: 1 }),
            ("a\nb", Control { offset: 1 }),
            ("a\u{85}", Control { offset: 1 }),
            (&long, TooLong { found: 256 }),
        ];
        for (name, error) in cases {
            assert_eq!(FileName::parse(name), Err(error), "{name}");
        }
        for name in ["video_1729000000.mp4", "vidéo ü😀.mp4", "...", "12:30.mov", &long[..255]] {
            assert_eq!(FileName::parse(name).map(|n| n.to_string()).as_deref(), Ok(name));
        }
    }
}
