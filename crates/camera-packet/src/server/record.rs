//! The server in recordings ([`machine::record`]).

use machine::ConnId;
use machine::record::{Field, Fields, Line, Unreadable, Written, write_word};

use super::Server;
use crate::codec::{Checksum, Resync};
use crate::config::{Access, Password, ServerConfig, ValueSource};
use crate::extension::PipelineState;
use crate::settings::{Clamp, SettingsBlock};

machine::recordable! {
    /// What programs do with a [`Server`] that is recorded.
    ///
    /// With a source of the program's own, [`ValueSource::Custom`], recordings can be written but not played.
    pub trait ServerCalls for Server = "camera" of ServerConfig {
        /// See [`Server::verified`].
        fn verified[now](conn: ConnId, right: bool) -> ();
        /// See [`Server::apply_settings`].
        fn apply_settings(block: SettingsBlock) -> u32;
        /// See [`Server::settings_live`].
        fn settings_live(revision: u32) -> ();
        /// See [`Server::set_pipeline`].
        fn set_pipeline(state: PipelineState) -> ();
        /// See [`Server::set_value`].
        fn set_value(value: u8) -> ();
    }
}

machine::record_struct!(ServerConfig {
    rng_seed,
    password,
    access,
    rate_hz,
    source,
    settings,
    clamp,
    resync,
    checksum,
    max_clients,
    auth_deadline,
    max_failures,
    failure_window,
    answer_delay,
    grace,
    unauthorised_timeout,
    max_bad_frames,
    max_skipped,
    scram_iterations,
});
machine::record_enum!(Password { Plain(password), External });
machine::record_enum!(Access { Open, Ip, Token });
machine::record_tuple!(SettingsBlock(block));
machine::record_enum!(Clamp { None, Gui, Custom { min, max } });
machine::record_enum!(Resync { Rescan, Discard });
machine::record_enum!(Checksum { Required, Optional, Absent });
machine::record_enum!(PipelineState { Stopped, Starting, Running, Stopping, Backoff });

impl Written for ValueSource {
    fn write(&self, line: &mut Line) {
        match self {
            Self::Random { max } => {
                write_word(line, "Random");
                max.write(line);
            }
            Self::Constant(value) => {
                write_word(line, "Constant");
                value.write(line);
            }
            Self::Counter => write_word(line, "Counter"),
            Self::Custom(_) => write_word(line, "Custom"),
        }
    }
}

impl Field for ValueSource {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        match fields.word()? {
            "Random" => Ok(Self::Random { max: fields.parse()? }),
            "Constant" => Ok(Self::Constant(fields.parse()?)),
            "Counter" => Ok(Self::Counter),
            "Custom" => Err(Unreadable::NotRecorded),
            _ => Err(Unreadable::Word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::format;

    #[test]
    fn configurations_come_back() {
        let mut config = ServerConfig::new([3; 32]).with_password(b"two words").with_access(Access::Token);
        for source in [ValueSource::Random { max: 9 }, ValueSource::Constant(7), ValueSource::Counter] {
            config.source = source;
            config.clamp = Clamp::Custom { min: SettingsBlock([0; 6]), max: SettingsBlock([255; 6]) };
            let mut line = Line::new();
            config.write(&mut line);
            let mut fields = Fields::new(&line);
            let read = ServerConfig::read(&mut fields).unwrap();
            assert_eq!((format!("{read:?}"), fields.end()), (format!("{config:?}"), Ok(())));
            assert!(matches!(read.password, Password::Plain(plain) if *plain == *b"two words"));
        }
        let mut line = Line::new();
        ValueSource::Custom(Box::new(|_| 0)).write(&mut line);
        assert_eq!(ValueSource::read(&mut Fields::new(&line)).unwrap_err(), Unreadable::NotRecorded);
    }
}
