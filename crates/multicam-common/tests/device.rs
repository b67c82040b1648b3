//! A device by itself: what it says to each command, and when.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use machine::{ConnId, FileToken, Input, Instant, Machine, Opened, Output, Peer, Transport};
use multicam_common::codec::{Reply, prefixed};
use multicam_common::message::{CommandMessage, SchedulesOn, Secret};
use multicam_common::server::{COMMANDS, Device, Event, TakeId};
use multicam_common::{DeviceStatus, Dialect, Form, UnixTime};
use support::{UNIX, config, entry};

/// A device with a clock of its own and a controller at its door.
struct Bench {
    device: Device,
    now: Instant,
}

/// What a device said.
#[derive(Debug, Default)]
struct Said {
    text: Vec<(u64, Vec<u8>)>,
    files: Vec<(u64, FileToken, u64, u64)>,
    closed: Vec<u64>,
    events: Vec<Event>,
}

impl Bench {
    fn new(device: Device) -> Self {
        let mut bench = Self { device, now: Instant::from_nanos(5_000_000_000) };
        bench.device.handle_wall_clock(bench.now, UNIX);
        bench
    }

    fn open(&mut self, conn: u64) {
        let remote = SocketAddr::from(([192, 0, 2, 7], u16::try_from(conn).unwrap()));
        let local = SocketAddr::from(([192, 0, 2, 1], 8080));
        let opened = Opened { service: COMMANDS, local, remote, transport: Transport::Stream };
        self.device.handle_input(self.now, Peer::Conn(ConnId(conn)), Input::Opened(opened));
    }

    fn bytes(&mut self, conn: u64, bytes: &[u8]) -> Said {
        let mut buffer = BytesMut::from(bytes);
        self.device.handle_input(self.now, Peer::Conn(ConnId(conn)), Input::Bytes(&mut buffer));
        assert!(buffer.is_empty());
        self.said()
    }

    fn say(&mut self, conn: u64, command: &CommandMessage) -> Said {
        self.bytes(conn, command.to_text(Form::BOTH).as_bytes())
    }

    fn ask(&mut self, conn: u64, command: &CommandMessage) -> Reply {
        let said = self.say(conn, command);
        assert_eq!(said.text.len(), 1, "{said:?}");
        Reply::parse(&said.text[0].1).unwrap()
    }

    fn said(&mut self) -> Said {
        let mut said = Said::default();
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::Send { to, data, .. } => said.text.push((to.0, data.as_bytes().to_vec())),
                Output::SendFile { to, file, offset, len } => said.files.push((to.0, file, offset, len)),
                Output::Close { conn, .. } => said.closed.push(conn.0),
                Output::Event(event) => said.events.push(event),
                Output::Datagram(_) => {}
            }
        }
        said
    }

    /// Time passes, and the device is woken whenever it asked for it.
    fn wait(&mut self, span: Duration) -> Said {
        let until = self.now + span;
        let mut all = Said::default();
        while let Some(at) = self.device.poll_timeout().filter(|t| *t <= until) {
            self.now = self.now.max(at);
            self.device.handle_timeout(self.now);
            let said = self.said();
            all.closed.extend(said.closed);
            all.events.extend(said.events);
        }
        self.now = until;
        all
    }

    fn later(&self, ns: i64) -> UnixTime {
        self.device.time(self.now).offset_by(ns)
    }
}

#[test]
fn bad_commands_get_the_words_of_the_original() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specification/vectors/multicam-bad-commands.json");
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for v in file["vectors"].as_array().unwrap() {
        let text = v["text"].as_str().unwrap();
        for framed in [false, true] {
            let mut bench = Bench::new(Device::new(config()));
            bench.open(1);
            let said = if framed {
                bench.bytes(1, &prefixed(text.as_bytes()))
            } else {
                bench.bytes(1, text.as_bytes())
            };
            match v["message"].as_str() {
                Some(message) => {
                    let (_, text) = &said.text[0];
                    let json = if framed { &text[4..] } else { &text[..] };
                    let Ok(Reply::Error(reply)) = Reply::parse(json) else { panic!("{said:?}") };
                    assert_eq!(reply.message, message);
                }
                None if !framed => assert!(said.text.is_empty() && said.closed == [1], "{text}: {said:?}"),
                None => {}
            }
        }
    }
}

#[test]
fn commands_need_the_key_where_there_is_one() {
    let keys = [None, Some(""), Some("wor"), Some("worD"), Some("words"), Some("word")];
    for framed in [false, true] {
        for key in keys {
            let mut bench = Bench::new(Device::new(config().with_auth(Some("word".into()))));
            bench.open(1);
            let mut command = CommandMessage::device_status();
            command.auth = key.map(|key| Secret(key.into()));
            let text = command.to_text(Form::BOTH);
            let said =
                if framed { bench.bytes(1, &prefixed(text.as_bytes())) } else { bench.say(1, &command) };
            let json = &said.text[0].1[if framed { 4 } else { 0 }..];
            match Reply::parse(json).unwrap() {
                Reply::Error(reply) => {
                    assert_eq!(reply.message, "This device asks for a key: auth");
                    assert_eq!((key == Some("word"), said.closed), (false, vec![1]));
                }
                reply => assert_eq!(key, Some("word"), "{reply:?}"),
            }
        }
    }
}

#[test]
fn a_camera_that_is_lost_is_said_and_stops_nothing() {
    let mut bench = Bench::new(Device::new(config()));
    bench.open(1);
    let start = CommandMessage::start_recording(bench.later(3_000_000_000));
    bench.ask(1, &start);
    bench.device.set_camera(false);
    assert_eq!(bench.ask(1, &CommandMessage::device_status()).status(), &DeviceStatus::CameraDisconnected);
    let events = bench.wait(Duration::from_secs(4)).events;
    assert!(matches!(events[..], [Event::Started { .. }]), "{events:?}");
    let status = bench.ask(1, &CommandMessage::device_status());
    assert_eq!(status.status(), &DeviceStatus::CameraDisconnected);
    assert!(matches!(&status, Reply::Error(e) if e.is_recording == Some(true)), "{status:?}");
    bench.device.set_camera(true);
    assert_eq!(bench.ask(1, &CommandMessage::device_status()).status(), &DeviceStatus::Recording);
    bench.device.set_camera(false);
    let events = bench.say(1, &CommandMessage::stop_recording()).events;
    assert!(matches!(events[..], [Event::Stop { .. }]), "{events:?}");
}

#[test]
fn a_planned_start() {
    let mut bench = Bench::new(Device::new(config()));
    bench.open(1);
    let target = bench.later(3_000_000_000);
    let start = CommandMessage::start_recording(target);
    let accepted = bench.ask(1, &start);
    assert_eq!(accepted.status(), &DeviceStatus::ScheduledRecordingAccepted);
    assert_eq!(
        bench.ask(1, &CommandMessage::device_status()).status(),
        &DeviceStatus::ScheduledRecordingAccepted
    );
    // The same again changes nothing; another replaces it.
    assert!(bench.say(1, &start).events.is_empty());
    let other = CommandMessage::start_recording(bench.later(5_000_000_000));
    let events = bench.say(1, &other).events;
    assert!(matches!(events[..], [Event::Disarmed { .. }, Event::Armed { .. }]), "{events:?}");
    bench.say(1, &start);
    let said = bench.wait(Duration::from_secs(4));
    let [Event::Started { actual, target: told, take, .. }] = said.events[..] else { panic!("{said:?}") };
    assert_eq!((actual, told), (target, Some(target)));
    let status = bench.ask(1, &CommandMessage::device_status());
    assert!(matches!(&status, Reply::Status(s) if s.recording() && s.status == DeviceStatus::Recording));
    assert_eq!(bench.ask(1, &start).status(), &DeviceStatus::Recording);
    // The reply to STOP waits for the file.
    let stop = CommandMessage::stop_recording();
    assert!(matches!(bench.say(1, &stop).events[..], [Event::Stop { .. }]));
    bench.device.take_finished(bench.now, take, Ok(entry("x.avi", 5, 7)));
    let said = bench.said();
    let Ok(Reply::Stopped(stopped)) = Reply::parse(&said.text[0].1) else { panic!("{said:?}") };
    assert_eq!((stopped.file(), stopped.file_size), (Some("x.avi"), Some(5)));
    assert!(matches!(bench.ask(1, &stop), Reply::Error(e) if e.message == "Not currently recording"));
}

#[test]
fn the_instant_is_kept_free_of_work() {
    let config = || {
        let mut config = config();
        config.settle = Duration::from_millis(20);
        config
    };
    let start = |bench: &mut Bench| {
        bench.open(1);
        bench.ask(1, &CommandMessage::start_recording(bench.later(3_000_000_000)));
        let said = bench.wait(Duration::from_millis(2_997));
        assert!(said.events.is_empty(), "{said:?}");
        // It is woken shortly before, for nothing, and then at the instant itself.
        let instant = bench.now + Duration::from_millis(3);
        assert_eq!(bench.device.poll_timeout(), Some(instant.saturating_sub(Duration::from_millis(2))));
        assert!(bench.wait(Duration::from_millis(2)).events.is_empty());
        assert_eq!(bench.device.poll_timeout(), Some(instant));
        assert!(bench.wait(Duration::from_millis(20)).events.is_empty());
        assert_eq!(bench.ask(1, &CommandMessage::device_status()).status(), &DeviceStatus::Recording);
        instant
    };
    let mut bench = Bench::new(Device::new(config()));
    let instant = start(&mut bench);
    let said = bench.wait(Duration::from_millis(1_000));
    assert!(matches!(said.events[..], [Event::Started { at, .. }] if at == instant), "{said:?}");

    // Who ends it before that hears of it in the right order.
    let mut bench = Bench::new(Device::new(config()));
    start(&mut bench);
    let events = bench.say(1, &CommandMessage::stop_recording()).events;
    assert!(matches!(events[..], [Event::Started { .. }, Event::Stop { .. }]), "{events:?}");
    assert!(bench.wait(Duration::from_secs(1)).events.is_empty());

    // And so does who could not record, before the next one.
    let mut bench = Bench::new(Device::new(config()));
    start(&mut bench);
    bench.device.take_finished(bench.now, TakeId(1), Err("no"));
    assert_eq!(bench.device.start_now(bench.now), Some(TakeId(2)));
    let events = bench.said().events;
    let started = |event: &Event, n: u64| matches!(event, Event::Started { take, .. } if take.0 == n);
    assert!(matches!(&events[..], [a, b] if started(a, 1) && started(b, 2)), "{events:?}");
}

#[test]
fn stop_calls_a_planned_start_off() {
    let mut bench = Bench::new(Device::new(config()));
    bench.open(1);
    bench.ask(1, &CommandMessage::start_recording(bench.later(3_000_000_000)));
    let said = bench.say(1, &CommandMessage::stop_recording());
    assert!(matches!(said.events[..], [Event::Disarmed { .. }]));
    assert!(bench.wait(Duration::from_secs(5)).events.is_empty());
}

#[test]
fn the_instant_moves_with_the_clock() {
    let mut bench = Bench::new(Device::new(config()));
    bench.open(1);
    let target = bench.later(10_000_000_000);
    bench.ask(1, &CommandMessage::start_recording(target).on_clock(SchedulesOn::Raw));
    // The system's clock is put forward by four seconds.
    let raw = bench.device.raw_time(bench.now).offset_by(4_000_000_000);
    bench.device.handle_wall_clock(bench.now, raw.as_nanos());
    let said = bench.said();
    assert!(matches!(said.events[..], [Event::Armed { .. }]));
    assert!(bench.wait(Duration::from_millis(5_999)).events.is_empty());
    assert!(matches!(bench.wait(Duration::from_millis(2)).events[..], [Event::Started { .. }]));
}

#[test]
fn too_far_ahead_and_without_a_clock() {
    let mut bench = Bench::new(Device::new(config()));
    bench.open(1);
    let far = CommandMessage::start_recording(bench.later(25 * 3_600_000_000_000));
    assert_eq!(bench.ask(1, &far).status(), &DeviceStatus::Error);
    let strict = config().with_clock(multicam_common::config::ClockSource::Ntp);
    let mut bench = Bench::new(Device::new(strict));
    bench.open(1);
    let soon = CommandMessage::start_recording(bench.later(3_000_000_000));
    let Reply::Error(error) = bench.ask(1, &soon) else { panic!() };
    assert_eq!(error.status, DeviceStatus::TimeNotSynchronized);
    assert_eq!(error.message, "Cannot start scheduled recording - time not synchronized");
    // At once is always possible.
    let now = CommandMessage::start_recording(UnixTime::from_nanos(0));
    assert_eq!(bench.ask(1, &now).status(), &DeviceStatus::Recording);
}

#[test]
fn files_ranges_and_names() {
    let mut device = Device::new(config());
    for (token, name) in [(1, "a.avi"), (2, "b.avi")] {
        device.add_file(entry(name, 100, token));
    }
    let mut bench = Bench::new(device);
    bench.open(1);
    let Reply::Files(files) = bench.ask(1, &CommandMessage::list_files()) else { panic!() };
    let names: Vec<_> = files.files.iter().map(|f| f.file_name.as_str()).collect();
    assert_eq!(names, ["b.avi", "a.avi"], "the newest first");
    for id in ["a.avi", "a"] {
        let said = bench.say(1, &CommandMessage::get_video(id));
        assert_eq!(said.files, [(1, FileToken(1), 0, 100)]);
        // Nothing is answered before the file is out.
        assert!(bench.say(1, &CommandMessage::heartbeat()).text.is_empty());
        bench.device.handle_input(bench.now, Peer::Conn(ConnId(1)), Input::FileSent(FileToken(1)));
        assert_eq!(bench.said().text.len(), 1);
    }
    let said = bench.say(1, &CommandMessage::get_video("b.avi").with_range(60, None));
    assert_eq!(said.files, [(1, FileToken(2), 60, 40)]);
    let header = String::from_utf8(said.text[0].1[4..].to_vec()).unwrap();
    assert!(header.contains("\"fileSize\": 40") && header.contains("\"totalSize\": 100"), "{header}");
    for name in ["../a.avi", "/a.avi", "a.avi\0", "", ".", "A.AVI", &"x".repeat(300)] {
        bench.open(9);
        let said = bench.say(9, &CommandMessage::get_video(name));
        assert!(said.files.is_empty() && said.closed == [9], "{name}");
        let Ok(Reply::Error(e)) = Reply::parse(&said.text[0].1) else { panic!("{said:?}") };
        assert_eq!(e.status, DeviceStatus::FileNotFound);
    }
}

#[test]
fn strangers_make_room() {
    let mut bench = Bench::new(Device::new(config()));
    for conn in 1..=64 {
        bench.open(conn);
        bench.bytes(conn, b"{\"command\"");
    }
    assert!(bench.said().closed.is_empty());
    bench.open(65);
    assert_eq!(bench.said().closed, [1], "the oldest without a command");
    assert_eq!(bench.ask(65, &CommandMessage::heartbeat()).status(), &DeviceStatus::CommandReceived);
    for conn in 66..=1065 {
        bench.open(conn);
    }
    assert!(!bench.said().closed.contains(&65), "who said something is kept");
    // Whoever begins a command and does not end it has ten seconds, whoever is silent two minutes.
    let mut slow = Bench::new(Device::new(config()));
    slow.open(1);
    slow.open(2);
    slow.bytes(1, b"{");
    assert_eq!(slow.wait(Duration::from_secs(11)).closed, [1]);
    assert_eq!(slow.wait(Duration::from_secs(110)).closed, [2]);
}

#[test]
fn replies_fit_old_readers() {
    let mut device = Device::new(config());
    for token in 0..2000 {
        device.add_file(entry(&format!("Mountain-A1B2C3D4_1729000000{token:04}.avi"), 1 << 40, token));
    }
    for token in 0..40 {
        let name = format!("{}{token}.avi", "é".repeat(100));
        device.add_file(entry(&name, 5, 5000 + token));
    }
    let mut bench = Bench::new(device);
    bench.open(1);
    let list = bench.say(1, &CommandMessage::list_files());
    assert!((60_000..=65_536).contains(&list.text[0].1.len()), "{}", list.text[0].1.len());
    let all = CommandMessage::list_files().with_limit(10_000);
    let Reply::Files(files) = bench.ask(1, &all) else { panic!() };
    assert_eq!(files.files.len(), 2040);
    for token in 0..40 {
        let upload = multicam_common::message::Upload::to_url("https://secret.example/key");
        let name = format!("{}{token}.avi", "é".repeat(100));
        let said = bench.say(1, &CommandMessage::upload_to_cloud(&name, upload));
        let text = String::from_utf8(said.text[0].1.clone()).unwrap();
        assert!(text.len() <= 4096 && !text.contains("secret"), "{text}");
        assert!(!format!("{:?}", said.events).contains("secret"), "no credentials in logs");
    }
}

#[test]
fn older_dialects_have_none_of_our_keys() {
    for dialect in [Dialect::V1, Dialect::V2] {
        let mut device = Device::new(config().with_dialect(dialect));
        device.add_file(entry("a.avi", 7, 1));
        let mut bench = Bench::new(device);
        bench.open(1);
        for command in [CommandMessage::device_status(), CommandMessage::list_files()] {
            let said = bench.say(1, &command);
            let text = String::from_utf8(said.text[0].1.clone()).unwrap();
            assert!(!text.contains("clock") && !text.contains("sha256"), "{text}");
            assert_eq!(text.contains("isRecording"), dialect == Dialect::V1 && text.contains("message"));
        }
        let said = bench.say(1, &CommandMessage::get_video("a.avi").with_range(3, None));
        assert_eq!(said.files[0].3, 7, "who does not echo a range sends everything");
    }
}
