//! Names of nodes.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// The name of a node: 1 to 32 of `A-Z a-z 0-9 _ -`, which every engine takes as part of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName {
    /// Zeros behind the name, so that names are in the order of their text.
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

/// Not the name of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeNameError {
    /// Empty or too long.
    #[error("a node's name has 1 to 32 characters, not {found}")]
    Length {
        /// How many bytes it has.
        found: u32,
    },
    /// A character that not every engine takes.
    #[error("character {} of a node's name is none of A-Z a-z 0-9 _ -", offset + 1)]
    Character {
        /// First byte that does not fit.
        offset: u8,
    },
}

impl NodeName {
    /// Bytes of the longest.
    pub const MAX_LEN: usize = 32;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let wrong = |byte: u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let found = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut bytes = [0; Self::MAX_LEN];
        let room = bytes.get_mut(..text.len()).filter(|room| !room.is_empty());
        room.ok_or(NodeNameError::Length { found })?.copy_from_slice(text.as_bytes());
        match text.bytes().position(wrong) {
            Some(at) => Err(NodeNameError::Character { offset: u8::try_from(at).unwrap_or(u8::MAX) }),
            None => Ok(Self { bytes, len: u8::try_from(text.len()).unwrap_or_default() }),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_are_what_every_engine_takes() {
        for good in ["a", "Studio_2-b", &"x".repeat(32)] {
            assert_eq!(good.parse::<NodeName>().unwrap().to_string(), good);
        }
        assert_eq!("".parse::<NodeName>(), Err(NodeNameError::Length { found: 0 }));
        assert_eq!("x".repeat(33).parse::<NodeName>(), Err(NodeNameError::Length { found: 33 }));
        for (bad, offset) in [("a.b", 1), ("*", 0), ("ab c", 2), ("é", 0), ("abc>", 3)] {
            assert_eq!(bad.parse::<NodeName>(), Err(NodeNameError::Character { offset }));
        }
        let mut names = ["b", "a-", "a", "B"].map(|name| name.parse::<NodeName>().unwrap());
        names.sort_unstable();
        assert_eq!(names.map(|name| name.to_string()), ["B", "a", "a-", "b"]);
    }
}
