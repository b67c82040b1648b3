//! The controller.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use machine::{Instant, Service};
use multicam_common::client::{Controller, DeviceKey, Event, RequestId, UsageError};
use multicam_common::config::ControllerConfig;
use multicam_common::discovery::Instance;
use multicam_common::message::{CommandMessage, Secret, Upload};

use super::world::World;
use crate::input::Input;

/// Local calls by number, each with two bytes: `device`, and what else it needs.
pub(crate) mod call {
    /// It is asked to stop.
    pub(crate) const STOP: u8 = 0;
    /// Whether it is there.
    pub(crate) const BEAT: u8 = 1;
    /// What files it has.
    pub(crate) const LIST: u8 = 2;
    /// How it is.
    pub(crate) const STATUS: u8 = 3;
    /// `device, time`: it is to start so many times 40 ms later.
    pub(crate) const START: u8 = 4;
    /// A connection does not come about.
    pub(crate) const FAILED: u8 = 5;
    /// It is to delete a file, and connections are its from now on.
    pub(crate) const DELETE: u8 = 6;
    /// `0, port`: time is served there; nowhere with 0.
    pub(crate) const PORT: u8 = 7;
    /// It is forgotten.
    pub(crate) const REMOVE: u8 = 8;
    /// `device, name`: it is there, with one of three names.
    pub(crate) const ADD: u8 = 9;
    /// It is asked for a file, which is refused.
    pub(crate) const VIDEO: u8 = 10;
    /// It is asked until no more can wait.
    pub(crate) const FILL: u8 = 11;
    /// It is to upload a file.
    pub(crate) const UPLOAD: u8 = 12;
    /// How many there are.
    pub(super) const COUNT: u8 = 13;
}

/// `flags, operations`: a controller of two devices to whom anything happens: one outcome for each request, and no more. The
/// flags are the seconds between heartbeats, few requests may wait (4), there is a key (8), it tries once (16).
pub fn controller(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut config = ControllerConfig::default();
    config.liveness = Duration::from_secs(u64::from(flags & 3));
    config.max_queue = if flags & 4 == 0 { config.max_queue } else { 3 };
    config.auth = (flags & 8 != 0).then(|| Secret("key".into()));
    config.tries = if flags & 16 == 0 { config.tries } else { 1 };
    let max_queue = config.max_queue;
    let mut controller = Controller::new(config);
    let now = Instant::from_nanos(1_000_000_000);
    let keys = [0, 1].map(|n| controller.add_device(now, address(n), None).expect("there is room"));
    let mut world = World::new(&mut controller, Service(keys[0].0));
    let mut fleet = Fleet { keys, max_queue, open: BTreeSet::new() };
    while !input.is_empty() {
        let called = world.step(&mut controller, &mut input);
        if let Some((what, bytes)) = called {
            let which = usize::from(bytes[0] & 1);
            fleet.call(&mut controller, world.now, what, which, bytes[1]);
            if what % call::COUNT == call::DELETE {
                world.service = Service(fleet.keys[which].0);
            }
        }
        let mut service = world.service;
        world.drain(&mut controller, &mut |event| service = fleet.hear(event).unwrap_or(service));
        world.service = service;
        let mut views = controller.devices(world.now);
        assert!(views.all(|(key, view)| {
            view.waiting <= max_queue + 10 && controller.device(world.now, key).as_ref() == Some(&view)
        }));
    }
    for key in fleet.keys {
        controller.remove_device(key);
    }
    world.drain(&mut controller, &mut |event| _ = fleet.hear(event));
    assert!(fleet.open.is_empty(), "without an outcome: {:?}", fleet.open);
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, if n == 0 { 1 } else { 2 }], 8080))
}

/// What the program of a controller remembers.
struct Fleet {
    keys: [DeviceKey; 2],
    max_queue: usize,
    /// Requests without an outcome.
    open: BTreeSet<RequestId>,
}

impl Fleet {
    /// Says through which door the next connection is to come, if that is asked for.
    fn hear(&mut self, event: Event) -> Option<Service> {
        match event {
            Event::Answer { request, .. } | Event::Failed { request, .. } => {
                assert!(self.open.remove(&request), "{request:?} twice, or never asked");
                None
            }
            Event::Connect { service, .. } => Some(service),
            _ => None,
        }
    }

    fn call(&mut self, controller: &mut Controller, now: Instant, what: u8, which: usize, byte: u8) {
        let key = self.keys[which];
        let is_there = controller.device(now, key).is_some();
        let command = match what % call::COUNT {
            call::STOP => CommandMessage::stop_recording(),
            call::BEAT => CommandMessage::heartbeat(),
            call::LIST => CommandMessage::list_files(),
            call::STATUS => CommandMessage::device_status(),
            call::START => {
                let target = controller.time(now) + Duration::from_millis(u64::from(byte) * 40);
                self.open.extend(controller.start_at(now, key, target));
                CommandMessage::heartbeat()
            }
            call::FAILED => {
                controller.connect_failed(now, key);
                CommandMessage::heartbeat()
            }
            call::DELETE => CommandMessage::delete_file("a.avi", "00"),
            call::PORT => return controller.set_time_port((byte != 0).then_some(byte.into())),
            call::REMOVE => {
                controller.remove_device(key);
                assert!(controller.device(now, key).is_none());
                return;
            }
            call::ADD => {
                let names = ["multiCam-oak-1._multicam._tcp.local.", "multiCam-Tiger-383D6B9F", ""];
                let instance = Instance::parse(names[usize::from(byte) % names.len()]);
                let added = controller.add_device(now, address(which), Some(&instance));
                self.keys[which] = added.expect("there is room");
                assert!(!is_there || self.keys[which] == key, "it is known by its address");
                return;
            }
            call::VIDEO => {
                let refused = controller.request(now, key, CommandMessage::get_video("a"));
                assert_eq!(refused, Err(UsageError::FileCommand));
                return;
            }
            call::FILL => {
                for _ in 0..=self.max_queue {
                    self.open.extend(controller.request(now, key, CommandMessage::device_status()));
                }
                CommandMessage::heartbeat()
            }
            _ => CommandMessage::upload_to_cloud("a.avi", Upload::to_url("https://192.0.2.3/a")),
        };
        let waiting = controller.device(now, key).map_or(0, |view| view.waiting);
        let request = controller.request(now, key, command);
        assert_eq!(request == Err(UsageError::NoSuchDevice), !is_there);
        // One may be under way besides.
        assert!(request != Err(UsageError::QueueFull) || waiting >= self.max_queue);
        self.open.extend(request);
    }
}
