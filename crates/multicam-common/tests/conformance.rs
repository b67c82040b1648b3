//! The generic checks of `machine::conformance` on both machines.

mod support;

use std::time::Duration;

use machine::conformance::{Bounds, Late, Step, Suite};
use machine::{CloseReason, ConnId, Machine, Opened, Service, Transport};
use multicam_common::client::{Controller, DeviceKey};
use multicam_common::codec::prefixed;
use multicam_common::config::ControllerConfig;
use multicam_common::message::CommandMessage;
use multicam_common::ntp::TimeService;
use multicam_common::server::{COMMANDS, Device, TIME_SOCKET, TakeId};
use multicam_common::{CommandType, Form, UnixTime};
use support::{UNIX, config, entry, file_name};

fn device() -> Device {
    let mut device = Device::new(config());
    device.add_file(entry("a.avi", 7, 1));
    device.add_file(entry("b.avi", 9, 2));
    device.handle_wall_clock(machine::Instant::from_nanos(0), UNIX);
    device
}

fn say(conn: u64, command: &CommandMessage) -> Step<Device> {
    Step::bytes(conn, command.to_text(Form::BOTH))
}

fn device_script() -> Vec<Step<Device>> {
    let later = |s: i64| CommandMessage::start_recording(UnixTime::from_nanos(UNIX + s * 1_000_000_000));
    let server = "192.0.2.9:123".parse().unwrap();
    let time = machine::UdpPeer { socket: TIME_SOCKET, remote: server, local: None };
    vec![
        Step::stream(1, COMMANDS),
        say(1, &CommandMessage::device_status()),
        say(1, &CommandMessage::heartbeat()),
        say(1, &CommandMessage::list_files()),
        Step::bytes(1, "\r\n\0 {\"command\": \"FOO\"}{}{\"command\": \"HEARTBEAT\", \"timestamp\": \"x\"}"),
        Step::call(move |d: &mut Device, now| d.set_ntp_server(now, server)),
        Step::datagram(time, vec![0x24; 48]),
        Step::stream(2, COMMANDS),
        Step::Bytes(ConnId(2), prefixed(CommandMessage::heartbeat().to_text(Form::V2).as_bytes())),
        Step::Bytes(ConnId(2), prefixed(CommandMessage::get_video("nope").to_text(Form::V2).as_bytes())),
        Step::Bytes(ConnId(2), prefixed(CommandMessage::get_video("b").to_text(Form::V1).as_bytes())),
        say(1, &later(3)),
        say(1, &CommandMessage::device_status()),
        Step::Wait(Duration::from_millis(100)),
        say(1, &later(2)),
        Step::Wait(Duration::from_secs(3)),
        say(1, &CommandMessage::device_status()),
        say(1, &CommandMessage::stop_recording()),
        say(2, &CommandMessage::stop_recording()),
        Step::call(|d: &mut Device, now| {
            let take = d.snapshot(now).take.unwrap_or(TakeId(9));
            d.take_finished(now, take, Ok(entry("c.avi", 11, 3)));
        }),
        say(1, &CommandMessage::get_video("c.avi").with_range(3, Some(4))),
        say(1, &CommandMessage::get_video("c.avi").with_range(30, None)),
        Step::stream(3, COMMANDS),
        say(3, &CommandMessage::delete_file("c.avi", &"0".repeat(64))),
        Step::call(|d: &mut Device, now| {
            d.deleted(now, ConnId(3), &file_name("c.avi"), Ok(()));
        }),
        say(
            3,
            &CommandMessage::upload_to_cloud("a.avi", multicam_common::message::Upload::to_url("http://x")),
        ),
        say(3, &CommandMessage::new(CommandType::UploadStatus)),
        say(3, &later(-1)),
        Step::call(|d: &mut Device, now| {
            let take = d.snapshot(now).take.unwrap_or(TakeId(9));
            d.take_finished(now, take, Err("the disk is full"));
        }),
        Step::stream(4, COMMANDS),
        Step::bytes(4, "GET / HTTP/1.1\r\n"),
        Step::stream(5, COMMANDS),
        Step::bytes(5, "{\"command\": \"HEARTBEAT\""),
        Step::end(3),
        Step::closed(2, CloseReason::Failed),
        Step::WallClock(UNIX + 77_000_000_000),
        Step::Wait(Duration::from_secs(30)),
    ]
}

#[test]
fn the_device_keeps_the_contract() {
    // A start says when it was, so it differs if the wake was late; its timers are a start, connections and two clocks.
    let bounds = Bounds { late_outputs: 3, memory: 8 << 20, ..Bounds::default() };
    let suite = Suite::new(device).script(device_script()).bounds(bounds).late(Late::NoBurst);
    let report = suite.run().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.cuts > 200 && report.late_wakes > 0 && report.early_wakes > 0, "{report:?}");
}

fn opened(conn: u64, device: u16) -> Step<Controller> {
    let opened = Opened {
        service: Service(device),
        local: "192.0.2.1:50000".parse().unwrap(),
        remote: "192.0.2.2:8080".parse().unwrap(),
        transport: Transport::Stream,
    };
    Step::Open(ConnId(conn), opened)
}

fn controller() -> Controller {
    let mut controller = Controller::new(ControllerConfig::default());
    controller.handle_wall_clock(machine::Instant::from_nanos(0), UNIX);
    controller
}

const STATUS: &str =
    "{\"deviceId\": \"d\", \"status\": \"ready\", \"timestamp\": 1729000000.5, \"isRecording\": false}";
const OAK: &str = "{\"deviceId\": \"o\", \"status\": \"command_received\", \"timestamp\": 1729000000.75, \"deviceType\": \"Oak\"}";
const STOPPED: &str = "{\"deviceId\": \"d\", \"status\": \"recording_stopped\", \"timestamp\": 1729000003.5, \"fileName\": \"a.mov\", \"fileSize\": 5}";

fn controller_script() -> Vec<Step<Controller>> {
    let add = |port: u16| {
        Step::call(move |c: &mut Controller, now| {
            let _ = c.add_device(now, std::net::SocketAddr::from(([192, 0, 2, 2], port)), None);
        })
    };
    let ask = |device: u16, message: fn() -> CommandMessage| {
        Step::call(move |c: &mut Controller, now| {
            let _ = c.request(now, DeviceKey(device), message());
        })
    };
    vec![
        add(8080),
        add(8081),
        ask(0, CommandMessage::device_status),
        ask(0, CommandMessage::list_files),
        opened(1, 0),
        Step::bytes(1, STATUS),
        Step::bytes(1, format!("{STATUS} \r\n")),
        ask(0, CommandMessage::stop_recording),
        opened(2, 0),
        Step::bytes(2, STATUS),
        ask(0, CommandMessage::stop_recording),
        opened(3, 0),
        Step::bytes(3, STATUS.replace("ready", "recording").replace("false", "true")),
        Step::bytes(3, "{\"command\": \"HEARTBEAT\"}"),
        Step::bytes(3, STOPPED),
        Step::call(|c: &mut Controller, now| {
            let target = c.time(now) + Duration::from_secs(3);
            let _ = c.start_at(now, DeviceKey(1), target);
        }),
        opened(4, 1),
        Step::bytes(4, OAK),
        Step::Wait(Duration::from_millis(20)),
        Step::bytes(4, OAK),
        Step::end(4),
        opened(5, 1),
        Step::bytes(5, OAK.repeat(8)),
        Step::Wait(Duration::from_secs(1)),
        ask(1, CommandMessage::heartbeat),
        ask(1, CommandMessage::heartbeat),
        Step::call(|c: &mut Controller, now| c.connect_failed(now, DeviceKey(1))),
        opened(6, 1),
        Step::bytes(6, "{\"status\": 5}"),
        Step::Wait(Duration::from_secs(200)),
        Step::call(|c: &mut Controller, _| c.remove_device(DeviceKey(0))),
    ]
}

#[test]
fn the_controller_keeps_the_contract() {
    // A request carries the time at which it leaves.
    let bounds = Bounds {
        unread: 1 << 20,
        late_outputs: 4,
        memory: 4 << 20,
        linger: Duration::from_secs(30),
        ..Bounds::default()
    };
    let suite = Suite::new(controller).script(controller_script()).bounds(bounds).late(Late::NoBurst);
    let report = suite.run().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.cuts > 200 && report.late_wakes > 0, "{report:?}");
}

#[test]
fn the_time_service_keeps_the_contract() {
    let peer =
        machine::UdpPeer { socket: TIME_SOCKET, remote: "192.0.2.3:4000".parse().unwrap(), local: None };
    let mut request = vec![0; 48];
    request[0] = 0x1b;
    let script = [Step::WallClock(UNIX), Step::datagram(peer, request), Step::datagram(peer, vec![0x24; 47])];
    let suite = Suite::new(TimeService::new).script(script);
    // It says nothing but datagrams, so that "says nothing at all" cannot be true of it.
    suite.check_script().unwrap_or_else(|violation| panic!("{violation}"));
    suite.check_determinism().unwrap_or_else(|violation| panic!("{violation}"));
    suite.check_arbitrary_bytes().unwrap_or_else(|violation| panic!("{violation}"));
}
