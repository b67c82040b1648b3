//! The wall clock server in recordings ([`machine::record`]).

use machine::Instant;
use machine::record::{Field, Fields, Line, Recordable, Unreadable, Written};

use super::{WallClock, WcServer};
use crate::config::{RateLimit, WcServerConfig};
use crate::message::{MaxFreqError, Precision};

impl Recordable for WcServer {
    const NAME: &'static str = "css-wall-clock";

    type Config = WcServerConfig;

    fn from_config(config: WcServerConfig) -> Self {
        Self::new(config)
    }

    fn local_call(&mut self, now: Instant, name: &str, fields: &mut Fields<'_>) -> Result<(), Unreadable> {
        replay_call(self, now, name, fields)
    }
}

machine::local_calls! {
    /// What programs do with a [`WcServer`] that is recorded.
    pub trait WcCalls for WcServer {
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
