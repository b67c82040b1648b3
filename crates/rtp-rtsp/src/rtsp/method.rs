//! Methods (RFC 2326 §10).

use core::fmt;

/// What a request asks for. The name is case-sensitive on the wire (RFC 2326 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Here is a description of what will be published (§10.3).
    Announce,
    /// Describe a presentation (§10.2).
    Describe,
    /// Parameters; without a body a sign of life (§10.8).
    GetParameter,
    /// Which methods there are (§10.1).
    Options,
    /// Halt without giving anything up (§10.6).
    Pause,
    /// Send (§10.5).
    Play,
    /// Receive (§10.11).
    Record,
    /// Go elsewhere (§10.10).
    Redirect,
    /// Set a parameter (§10.9).
    SetParameter,
    /// Agree on a transport (§10.4).
    Setup,
    /// End a session (§10.7).
    Teardown,
    /// A token that RFC 2326 does not have.
    Unknown,
}

impl Method {
    /// All that have a name, in the order of the names.
    pub const ALL: [Self; 11] = [
        Self::Announce,
        Self::Describe,
        Self::GetParameter,
        Self::Options,
        Self::Pause,
        Self::Play,
        Self::Record,
        Self::Redirect,
        Self::SetParameter,
        Self::Setup,
        Self::Teardown,
    ];

    /// The method of that name.
    pub fn from_token(token: &[u8]) -> Self {
        match token {
            b"ANNOUNCE" => Self::Announce,
            b"DESCRIBE" => Self::Describe,
            b"GET_PARAMETER" => Self::GetParameter,
            b"OPTIONS" => Self::Options,
            b"PAUSE" => Self::Pause,
            b"PLAY" => Self::Play,
            b"RECORD" => Self::Record,
            b"REDIRECT" => Self::Redirect,
            b"SET_PARAMETER" => Self::SetParameter,
            b"SETUP" => Self::Setup,
            b"TEARDOWN" => Self::Teardown,
            _ => Self::Unknown,
        }
    }

    /// Its name on the wire; empty for [`Method::Unknown`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announce => "ANNOUNCE",
            Self::Describe => "DESCRIBE",
            Self::GetParameter => "GET_PARAMETER",
            Self::Options => "OPTIONS",
            Self::Pause => "PAUSE",
            Self::Play => "PLAY",
            Self::Record => "RECORD",
            Self::Redirect => "REDIRECT",
            Self::SetParameter => "SET_PARAMETER",
            Self::Setup => "SETUP",
            Self::Teardown => "TEARDOWN",
            Self::Unknown => "",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_methods_go_together() {
        for method in Method::ALL {
            assert_eq!(Method::from_token(method.as_str().as_bytes()), method);
        }
        assert_eq!(Method::from_token(b"play"), Method::Unknown);
    }
}
