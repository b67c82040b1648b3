//! `Session: 47112344;timeout=60` (RFC 2326 §12.37).

use core::fmt;

use crate::error::HeaderError;

/// The name of a session, and how long it lives without a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// The name: opaque.
    pub id: &'a str,
    /// Seconds; 60 where a reply does not say.
    pub timeout_s: Option<u32>,
}

impl<'a> Session<'a> {
    /// Reads the value.
    ///
    /// # Errors
    /// When there is no name, or it has a character that RFC 2326 §3.4 does not allow and that no implementation
    /// seen uses.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut parts = text.split(';');
        let id = parts.next().unwrap_or_default().trim();
        if id.is_empty() || id.len() > 128 || !id.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
            return Err(HeaderError { header: "Session", offset: 0 });
        }
        let timeout_s = parts.find_map(|p| p.trim().strip_prefix("timeout=")?.trim().parse().ok());
        Ok(Self { id, timeout_s })
    }
}

impl fmt::Display for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)?;
        match self.timeout_s {
            Some(seconds) => write!(f, ";timeout={seconds}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn both_ways() {
        for (text, id, timeout_s) in
            [("1;timeout=60", "1", Some(60)), ("a-_.+$ ; timeout=5", "a-_.+$", Some(5)), ("7", "7", None)]
        {
            assert_eq!(Session::parse(text), Ok(Session { id, timeout_s }));
        }
        assert_eq!(Session { id: "x", timeout_s: Some(60) }.to_string(), "x;timeout=60");
        assert!(Session::parse(" ;timeout=1").is_err() && Session::parse("a b").is_err());
    }
}
