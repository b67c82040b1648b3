//! The wall clock server in recordings ([`machine::record`]).

use machine::record::{Field, Fields, Line, Unreadable, Written};

use super::{WallClock, WcServer};
use crate::config::{RateLimit, WcServerConfig};
use crate::message::{MaxFreqError, Precision};

machine::recordable! {
    /// What programs do with a [`WcServer`] that is recorded.
    pub trait WcCalls for WcServer = "css-wall-clock" of WcServerConfig {
        /// See [`WcServer::set_wall_clock`].
        fn set_wall_clock(wall: WallClock) -> ();
    }
}

machine::record_struct!(WcServerConfig {
    seed,
    precision,
    max_freq_error,
    follow_ups,
    wall_offset_ns,
    rate_limit,
    report_requests,
});
machine::record_struct!(RateLimit { per_second, burst });
machine::record_tuple!(Precision(log2));
machine::record_tuple!(MaxFreqError(ppm_256ths));

impl Written for WallClock {
    fn write(&self, line: &mut Line) {
        self.offset_ns().write(line);
    }
}

impl Field for WallClock {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        fields.parse().map(Self::new)
    }
}
