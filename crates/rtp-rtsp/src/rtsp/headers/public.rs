//! `Public: OPTIONS, DESCRIBE` (RFC 2326 §12.28); `Allow` has the same form.

use core::fmt;

use crate::rtsp::Method;

/// A set of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Public(u16);

impl Public {
    /// These methods.
    pub fn of(methods: &[Method]) -> Self {
        methods.iter().fold(Self(0), |set, m| set.with(*m))
    }

    /// Reads the list; what has no name in RFC 2326 is left out.
    pub fn parse(text: &str) -> Self {
        text.split(',').fold(Self(0), |set, m| set.with(Method::from_token(m.trim().as_bytes())))
    }

    /// Whether a method is among them.
    pub fn contains(self, method: Method) -> bool {
        self.0 & bit(method) != 0
    }

    fn with(self, method: Method) -> Self {
        Self(self.0 | bit(method))
    }
}

fn bit(method: Method) -> u16 {
    Method::ALL.iter().position(|m| *m == method).map_or(0, |i| 1 << i)
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for method in Method::ALL.into_iter().filter(|m| self.contains(*m)) {
            write!(f, "{separator}{method}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn both_ways() {
        let set = Public::parse("OPTIONS,  PLAY,X-FOO");
        assert_eq!(set, Public::of(&[Method::Play, Method::Options]));
        assert_eq!(set.to_string(), "OPTIONS, PLAY");
        assert!(!set.contains(Method::Unknown));
    }
}
