//! Status codes (RFC 2326 §7.1.1, §11; 415 and 453 as there).

use core::fmt;

/// The outcome of a request: 100 to 999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal;)*) => {
        impl StatusCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The phrase that goes with a code; `Unknown` for one that RFC 2326 does not have.
            pub const fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "Unknown",
                }
            }
        }
    };
}

codes! {
    /// Done.
    OK = 200 "OK";
    /// The resource is elsewhere now.
    MOVED_PERMANENTLY = 301 "Moved Permanently";
    /// The resource is elsewhere for the time being.
    MOVED_TEMPORARILY = 302 "Moved Temporarily";
    /// Not understood.
    BAD_REQUEST = 400 "Bad Request";
    /// Credentials are wanted, or those given are wrong.
    UNAUTHORIZED = 401 "Unauthorized";
    /// Not allowed, whoever asks.
    FORBIDDEN = 403 "Forbidden";
    /// No such path.
    NOT_FOUND = 404 "Not Found";
    /// Not for this resource; `Allow` says which are.
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed";
    /// None of the types that the client takes.
    NOT_ACCEPTABLE = 406 "Not Acceptable";
    /// The head was begun and not ended in time.
    REQUEST_TIMEOUT = 408 "Request Time-out";
    /// A head or body beyond the limit.
    TOO_LARGE = 413 "Request Entity Too Large";
    /// A medium that cannot be carried, or a body of a kind that is not understood.
    UNSUPPORTED_MEDIA = 415 "Unsupported Media Type";
    /// A parameter that there is not.
    PARAMETER_NOT_UNDERSTOOD = 451 "Parameter Not Understood";
    /// The server is full.
    NOT_ENOUGH_BANDWIDTH = 453 "Not Enough Bandwidth";
    /// No such session.
    SESSION_NOT_FOUND = 454 "Session Not Found";
    /// Not in this state.
    NOT_VALID_IN_STATE = 455 "Method Not Valid in This State";
    /// A range that cannot be played.
    INVALID_RANGE = 457 "Invalid Range";
    /// The request wants the presentation's address, not a track's.
    AGGREGATE_NOT_ALLOWED = 459 "Aggregate Operation Not Allowed";
    /// The request wants a track's address, not the presentation's.
    ONLY_AGGREGATE_ALLOWED = 460 "Only Aggregate Operation Allowed";
    /// None of the transports offered.
    UNSUPPORTED_TRANSPORT = 461 "Unsupported Transport";
    /// Something on our side failed.
    INTERNAL_ERROR = 500 "Internal Server Error";
    /// A method that is not known.
    NOT_IMPLEMENTED = 501 "Not Implemented";
    /// Not now.
    SERVICE_UNAVAILABLE = 503 "Service Unavailable";
    /// Not RTSP 1.0.
    VERSION_NOT_SUPPORTED = 505 "RTSP Version Not Supported";
    /// `Require` names something that there is not.
    OPTION_NOT_SUPPORTED = 551 "Option not supported";
}

impl StatusCode {
    /// 200 to 299.
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 2
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}
