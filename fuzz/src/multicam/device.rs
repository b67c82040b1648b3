//! The device.

use std::net::SocketAddr;
use std::time::Duration;

use machine::{ConnId, FileToken, Instant};
use multicam_common::codec::Form;
use multicam_common::config::{ClockSource, DeviceConfig};
use multicam_common::message::TakeTimes;
use multicam_common::server::{COMMANDS, DeleteFailed, Device, Event, FileEntry, TakeId};
use multicam_common::{FileName, UnixTime};

use super::world::{FILE_SIZE, World};
use crate::input::Input;

/// Local calls by number, each with two bytes.
pub(crate) mod call {
    /// A recording starts.
    pub(crate) const START: u8 = 0;
    /// It ends.
    pub(crate) const STOP: u8 = 1;
    /// `take, outcome`: its file is closed; with an odd outcome it has failed.
    pub(crate) const FINISHED: u8 = 2;
    /// There is a time server.
    pub(crate) const NTP: u8 = 3;
    /// `connection, file`: that was deleted; 64 more: it has another hash, 128 more: the system refused.
    pub(crate) const DELETED: u8 = 4;
    /// `file, outcome`: its upload has ended, badly unless the outcome is odd, and for a reason as long as that.
    pub(crate) const UPLOADED: u8 = 5;
    /// `file, tens of bytes`: so much of it is there.
    pub(crate) const PROGRESS: u8 = 6;
    /// `file`: it has gone.
    pub(crate) const REMOVE: u8 = 7;
    /// `file, byte`: its hash is known.
    pub(crate) const HASH: u8 = 8;
    /// `percent, odd if known`: the battery.
    pub(crate) const BATTERY: u8 = 9;
    /// `odd if there is one`: the camera.
    pub(crate) const CAMERA: u8 = 10;
    /// `file, count`: so many files more.
    pub(crate) const ADD: u8 = 11;
    /// `outcome`: the oldest deletion that was asked for is done, or is not.
    pub(crate) const DELETE: u8 = 12;
    /// How many there are.
    pub(super) const COUNT: u8 = 13;
}

/// `flags, operations`: a device to which anything happens. The flags choose its clock and its dialect, whether files take
/// their time (16), it asks for a key (32), and a start is told late (64). Nothing is sent to whoever is gone, a recording
/// starts once, and never before its instant.
pub fn device(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let clocks = [ClockSource::Auto, ClockSource::Ntp, ClockSource::Controller, ClockSource::System];
    let dialects = [Form::BOTH, Form::V1, Form::V2, Form::G0];
    let mut config = DeviceConfig::new([3; 32], "Tiger-383D6B9F")
        .with_clock(clocks[usize::from(flags & 3)])
        .with_dialect(dialects[usize::from(flags >> 2 & 3)].dialect)
        .with_auth((flags & 32 != 0).then(|| "key".into()));
    config.max_connections = 4;
    config.max_command = 1024;
    config.settle = Duration::from_millis(if flags & 64 != 0 { 5 } else { 0 });
    let mut device = Device::new(config);
    device.add_file(entry(1));
    let mut world = World::new(&mut device, COMMANDS);
    world.slow_files = flags & 16 != 0;
    let mut watch = Watch::default();
    while !input.is_empty() {
        if let Some((what, bytes)) = world.step(&mut device, &mut input) {
            watch.call(&mut device, world.now, what, bytes);
        }
        world.drain(&mut device, &mut |event| watch.hear(event));
        let snapshot = device.snapshot(world.now);
        assert!(snapshot.connections <= 4);
        assert!(snapshot.files <= 257);
        assert_eq!(snapshot.files, device.files().count());
        let same = device.instant_of(world.now, device.time(world.now));
        assert!(
            same.saturating_since(world.now).max(world.now.saturating_since(same)) < Duration::from_millis(1)
        );
        let planned = snapshot.starts_at.map(|at| (snapshot.take, at));
        assert!(planned.is_none() || planned == watch.armed.map(|(take, at)| (Some(take), at)));
    }
}

/// What the program of a device remembers.
#[derive(Default)]
struct Watch {
    last: Option<TakeId>,
    /// What will start, and when.
    armed: Option<(TakeId, Instant)>,
    running: Option<TakeId>,
    /// What is to be deleted.
    deletions: Vec<(ConnId, FileName)>,
}

impl Watch {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Armed { take, at, .. } => {
                assert!(self.armed.is_none_or(|(armed, _)| armed == take), "{take:?}, {:?}", self.armed);
                self.armed = Some((take, at));
            }
            Event::Disarmed { take } => {
                assert_eq!(self.armed.take().map(|(armed, _)| armed), Some(take));
            }
            Event::Started { take, at, target, .. } => {
                assert!(self.last.is_none_or(|last| last < take), "{take:?} after {:?}", self.last);
                let armed = self.armed.take();
                assert!(armed.is_none_or(|(_, due)| due <= at), "{take:?} before its instant");
                assert_eq!(armed.map(|(armed, _)| armed), target.map(|_| take));
                self.last = Some(take);
                self.running = Some(take);
            }
            Event::Stop { take } => assert_eq!(self.running, Some(take)),
            Event::Delete { request, name, .. } => self.deletions.push((request, name)),
            _ => {}
        }
    }

    fn call(&mut self, device: &mut Device, now: Instant, what: u8, bytes: [u8; 2]) {
        let [first, second] = bytes;
        match what % call::COUNT {
            call::START => {
                let running = device.snapshot(now).take.filter(|_| device.snapshot(now).starts_at.is_none());
                assert_eq!(device.start_now(now).is_some(), running.is_none());
            }
            call::STOP => drop(device.stop_now()),
            call::FINISHED => {
                let take = TakeId(first.into());
                let outcome = if second & 1 == 0 { Ok(entry(first)) } else { Err("no") };
                let before = device.snapshot(now);
                device.take_finished(now, take, outcome);
                if before.take == Some(take) {
                    assert_ne!(device.snapshot(now).take, Some(take));
                    // What fails before its instant will not start.
                    self.armed = self.armed.filter(|_| before.starts_at.is_none());
                }
            }
            call::NTP => device.set_ntp_server(now, SocketAddr::from(([192, 0, 2, 9], 123))),
            call::DELETED => {
                device.deleted(now, ConnId((first & 63).into()), &name_of(second), outcome_of(first >> 6));
            }
            call::UPLOADED => {
                let why = "no ".repeat(1 + usize::from(second / 2));
                let outcome = if second & 1 == 0 { Err(&*why) } else { Ok(()) };
                device.upload_done(&name_of(first), outcome);
            }
            call::PROGRESS => device.upload_progress(&name_of(first), u64::from(second) * 10, 9),
            call::REMOVE => device.remove_file(&name_of(first)),
            call::HASH => device.set_hash(&name_of(first), [second; 32]),
            call::BATTERY => device.set_battery((second & 1 != 0).then_some(first)),
            call::CAMERA => device.set_camera(first & 1 != 0),
            call::ADD => {
                let known = Some(UnixTime::from_nanos(1_729_000_000_123_456_789));
                for n in 0..second {
                    let mut file = entry(first.wrapping_add(n));
                    file.sha256 = Some([n; 32]);
                    file.times.target_start = known;
                    file.times.actual_start = known;
                    file.times.first_frame = known;
                    file.times.clock_error_ns = Some(1_000_000);
                    device.add_file(file);
                }
            }
            _ => {
                if !self.deletions.is_empty() {
                    let (request, name) = self.deletions.remove(0);
                    device.deleted(now, request, &name, outcome_of(first));
                }
            }
        }
    }
}

fn outcome_of(n: u8) -> Result<(), DeleteFailed> {
    match n {
        1 => Err(DeleteFailed::OtherHash),
        2 => Err(DeleteFailed::System),
        _ => Ok(()),
    }
}

fn name_of(n: u8) -> FileName {
    FileName::parse(&format!("{n}.avi")).expect("a name")
}

fn entry(n: u8) -> FileEntry {
    FileEntry {
        token: FileToken(n.into()),
        name: name_of(n),
        size: FILE_SIZE,
        created: UnixTime::from_nanos(i64::from(n)),
        modified: UnixTime::from_nanos(i64::from(n)),
        sha256: None,
        times: TakeTimes::default(),
    }
}
