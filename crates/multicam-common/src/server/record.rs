//! The device in recordings ([`machine::record`]).

use alloc::string::String;
use core::net::SocketAddr;

use machine::ConnId;
use machine::record::{Field, Fields, Line, Unreadable, Written};

use super::{DeleteFailed, Device, FileEntry, TakeId};
use crate::codec::Dialect;
use crate::config::{ClockSource, DeviceConfig};
use crate::message::TakeTimes;
use crate::{FileName, UnixTime};

machine::recordable! {
    /// What programs do with a [`Device`] that is recorded.
    pub trait DeviceCalls for Device = "multicam-device" of DeviceConfig {
        /// See [`Device::set_ntp_server`].
        fn set_ntp_server[now](server: SocketAddr) -> ();
        /// See [`Device::set_battery`].
        fn set_battery(percent: Option<u8>) -> ();
        /// See [`Device::set_camera`].
        fn set_camera(connected: bool) -> ();
        /// See [`Device::start_now`].
        fn start_now[now]() -> Option<TakeId>;
        /// See [`Device::stop_now`].
        fn stop_now() -> Option<TakeId>;
        /// See [`Device::take_finished`].
        fn take_finished[now](
            take: TakeId,
            outcome: Result<FileEntry, &str> as Result<FileEntry, String> => match &outcome {
                Ok(entry) => Ok(entry.clone()),
                Err(why) => Err(why.as_str()),
            },
        ) -> ();
        /// See [`Device::deleted`].
        fn deleted[now](
            request: ConnId,
            name: &FileName as FileName => &name,
            outcome: Result<(), DeleteFailed>,
        ) -> ();
        /// See [`Device::upload_progress`].
        fn upload_progress(name: &FileName as FileName => &name, bytes: u64, speed: u64) -> ();
        /// See [`Device::upload_done`].
        fn upload_done(
            name: &FileName as FileName => &name,
            outcome: Result<(), &str> as Result<(), String> => match &outcome {
                Ok(()) => Ok(()),
                Err(why) => Err(why.as_str()),
            },
        ) -> ();
        /// See [`Device::add_file`].
        fn add_file(entry: FileEntry) -> ();
        /// See [`Device::remove_file`].
        fn remove_file(name: &FileName as FileName => &name) -> ();
        /// See [`Device::set_hash`].
        fn set_hash(name: &FileName as FileName => &name, sha256: [u8; 32]) -> ();
    }
}

machine::record_struct!(DeviceConfig {
    rng_seed,
    device_id,
    device_type,
    dialect,
    clock,
    sync_limit,
    max_lead,
    settle,
    max_connections,
    idle_timeout,
    message_timeout,
    max_command,
    auth,
});
machine::record_enum!(Dialect { G0, V1, V2, Both });
machine::record_enum!(ClockSource { Auto, Ntp, Controller, System });
machine::record_struct!(FileEntry { token, name, size, created, modified, sha256, times });
machine::record_struct!(TakeTimes { target_start, actual_start, first_frame, clock_error_ns });
machine::record_tuple!(TakeId(number));
machine::record_enum!(DeleteFailed { OtherHash, System });

impl Written for UnixTime {
    fn write(&self, line: &mut Line) {
        self.as_nanos().write(line);
    }
}

impl Field for UnixTime {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        fields.parse().map(Self::from_nanos)
    }
}

impl Written for FileName {
    fn write(&self, line: &mut Line) {
        self.as_str().write(line);
    }
}

impl Field for FileName {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        Self::parse(&String::read(fields)?).map_err(|_| Unreadable::Word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::FileToken;

    #[test]
    fn files_come_back() {
        let time = UnixTime::from_nanos(-1);
        let entry = FileEntry {
            token: FileToken(9),
            name: FileName::parse("a take.avi").unwrap(),
            size: u64::MAX,
            created: time,
            modified: time,
            sha256: Some([8; 32]),
            times: TakeTimes { target_start: Some(time), ..TakeTimes::default() },
        };
        let mut line = Line::new();
        entry.write(&mut line);
        let mut fields = Fields::new(&line);
        assert_eq!((FileEntry::read(&mut fields), fields.end()), (Ok(entry), Ok(())), "{line}");
        assert_eq!(FileName::read(&mut Fields::new(" \"../x\"")), Err(Unreadable::Word));
    }
}
