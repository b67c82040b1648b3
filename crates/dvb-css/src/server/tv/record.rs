//! The television in recordings ([`machine::record`]).

use alloc::string::String;

use machine::record::{Field, Fields, Line, Recorded, Unreadable, Written, write_word};
use machine::{Instant, Service};

use super::{TimelineId, TvServer};
use crate::config::TvServerConfig;
use crate::message::{
    CiiMessage, ContentIdStatus, ControlTimestamp, Field as Property, Private, TimelineMoment, TimelineOption,
};
use crate::timeline::TimelineState;
use crate::{Ratio, UsageError};

machine::recordable! {
    /// What programs do with a [`TvServer`] that is recorded.
    pub trait TvCalls for TvServer = "css-television" of TvServerConfig {
        /// See [`TvServer::set_cii`].
        fn set_cii[now](cii: CiiMessage) -> Result<(), UsageError>;
        /// See [`TvServer::push_cii`].
        fn push_cii(full: bool) -> ();
        /// See [`TvServer::add_timeline`].
        fn add_timeline[now](
            selector: &str as String => selector.as_str(),
            state: TimelineState,
        ) -> Result<TimelineId, UsageError>;
        /// See [`TvServer::set_timeline`].
        fn set_timeline[now](id: TimelineId, state: TimelineState) -> Result<(), UsageError>;
        /// See [`TvServer::remove_timeline`].
        fn remove_timeline[now](id: TimelineId) -> Result<(), UsageError>;
        /// See [`TvServer::set_enabled`].
        fn set_enabled(service: Service, enabled: bool) -> ();
    }
}

/// [`TvServer::update_cii`] of one that is recorded.
pub trait UpdateCii {
    /// See [`TvServer::update_cii`].
    ///
    /// # Errors
    /// As there.
    fn update_cii(&mut self, now: Instant, change: impl FnOnce(&mut CiiMessage)) -> Result<(), UsageError>;
}

impl UpdateCii for Recorded<TvServer> {
    fn update_cii(&mut self, now: Instant, change: impl FnOnce(&mut CiiMessage)) -> Result<(), UsageError> {
        let mut cii = self.cii().clone();
        change(&mut cii);
        self.set_cii(now, cii)
    }
}

machine::record_struct!(TvServerConfig {
    wall_offset_ns,
    precision,
    max_freq_error,
    always_timelines,
    setup_wait,
});
machine::record_struct!(CiiMessage {
    protocol_version,
    mrs_url,
    content_id,
    content_id_status,
    presentation_status,
    wc_url,
    ts_url,
    te_url,
    timelines,
    private,
});
machine::record_enum!(ContentIdStatus { Partial, Final });
machine::record_struct!(TimelineOption { selector, units_per_tick, units_per_second, accuracy, private });
machine::record_enum!(TimelineState { Deferred, Unavailable, At(moment) });
machine::record_struct!(ControlTimestamp { wall_clock_time, timeline });
machine::record_struct!(TimelineMoment { content_time, speed });
machine::record_tuple!(Private(json));

/// `absent`, `null`, or `value` and what it is.
impl<T: Written> Written for Property<T> {
    fn write(&self, line: &mut Line) {
        match self {
            Self::Absent => write_word(line, "absent"),
            Self::Null => write_word(line, "null"),
            Self::Value(value) => {
                write_word(line, "value");
                value.write(line);
            }
        }
    }
}

impl<T: Field> Field for Property<T> {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        match fields.word()? {
            "absent" => Ok(Self::Absent),
            "null" => Ok(Self::Null),
            "value" => T::read(fields).map(Self::Value),
            _ => Err(Unreadable::Word),
        }
    }
}

impl Written for Ratio {
    fn write(&self, line: &mut Line) {
        write_word(line, self.numerator());
        write_word(line, self.denominator());
    }
}

impl Field for Ratio {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        Ok(Self::new(fields.parse()?, fields.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn what_is_shown_comes_back() {
        let mut option = TimelineOption::new("urn:x", 1, 90_000);
        option.accuracy = Some(Ratio::new(1, 3));
        option.private = vec![Private("{\"type\": \"x y\"}".into())];
        let cii = CiiMessage {
            protocol_version: "1.1".into(),
            content_id: "dvb://1.2.3;4 \u{fc}".into(),
            content_id_status: ContentIdStatus::Partial.into(),
            presentation_status: vec!["okay".into(), "muted".into()].into(),
            wc_url: Property::Null,
            timelines: vec![option].into(),
            ..CiiMessage::default()
        };
        let moment = ControlTimestamp::available(-5, 1 << 90, Ratio::new(-1, 2));
        for state in [TimelineState::Deferred, TimelineState::Unavailable, TimelineState::At(moment)] {
            let mut line = Line::new();
            (&cii, state).write(&mut line);
            let mut fields = Fields::new(&line);
            let read = <(CiiMessage, TimelineState)>::read(&mut fields);
            assert_eq!((read, fields.end()), (Ok((cii.clone(), state)), Ok(())), "{line}");
        }
    }
}
