//! The MultiCam protocol: its readers, NTP and both machines.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use machine::{
    CloseReason, ConnId, FileToken, Input as Told, Instant, Machine, Opened, Output, Peer, Service, Stamp,
    Transport, UdpPeer,
};
use multicam_common::client::{Controller, DeviceKey, Fetch};
use multicam_common::codec::{
    FileDecoder, FileFrame, Form, JsonScanner, MessageDecoder, Reply, Style, encode_file_header,
};
use multicam_common::config::{ClockSource, ControllerConfig, DeviceConfig};
use multicam_common::message::{CommandMessage, TakeTimes};
use multicam_common::ntp::{NtpClient, NtpConfig, NtpTimestamp, Packet, respond};
use multicam_common::server::{COMMANDS, Device, FileEntry, TIME_SOCKET, TakeId};
use multicam_common::{FileName, UnixTime};

use crate::input::Input;

/// `size of pieces, stream`: where messages end does not depend on how the stream is cut, and each ends where the scanner
/// says.
pub fn scan(data: &[u8]) {
    let mut input = Input::new(data);
    let size = usize::from(input.byte()).max(1);
    let stream = input.rest();
    let whole = messages(std::iter::once(stream));
    assert_eq!(messages(stream.chunks(size)), whole, "in pieces of {size}");
    for text in &whole.0 {
        if let Ok(Some(end)) = JsonScanner::new().scan(text) {
            assert_eq!(end, text.len());
        }
    }
}

/// Texts of the messages, and how it ended.
fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, String) {
    let mut decoder = MessageDecoder::new(1000);
    let (mut buffer, mut all) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => all.push(message.text.to_vec()),
                Ok(None) => break,
                Err(error) => return (all, format!("{error:?}")),
            }
        }
    }
    (all, String::new())
}

const FORMS: [Form; 3] =
    [Form::BOTH, Form::BOTH.with_style(Style::Gson), Form::BOTH.with_style(Style::Swift)];

/// A command: what is read is written and read as the same.
pub fn command(data: &[u8]) {
    let Ok(command) = CommandMessage::parse(data) else {
        let _ = CommandMessage::name_of(data);
        return;
    };
    assert!(!format!("{command:?}").is_empty());
    for form in FORMS {
        let text = command.to_text(form);
        let again = CommandMessage::parse(text.as_bytes()).expect("it is read");
        assert_eq!(again.to_text(form), text);
    }
    for form in [Form::G0, Form::V1, Form::V2] {
        CommandMessage::parse(command.to_text(form).as_bytes()).expect("it is read");
    }
}

/// A reply of any kind: what is read is written, and what is written is read and written as the same.
pub fn reply(data: &[u8]) {
    let Ok(reply) = Reply::parse(data) else { return };
    for form in FORMS {
        let text = written(&reply, form);
        let again = Reply::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(written(&again, form), text);
        assert_eq!(again.status().normalised(), reply.status().normalised());
    }
    for form in [Form::G0, Form::V1, Form::V2] {
        Reply::parse(written(&reply, form).as_bytes()).expect("it is read");
    }
}

fn written(reply: &Reply, form: Form) -> String {
    match reply {
        Reply::Status(r) => r.to_text(form),
        Reply::Stopped(r) => r.to_text(form),
        Reply::Error(r) => r.to_text(form),
        Reply::Files(r) => r.to_text(form),
        Reply::Uploads(r) => r.to_text(form),
        _ => panic!("{reply:?}"),
    }
}

/// `have (2), size of pieces, stream`: the answer to GET_VIDEO. The same however it is cut; a body is as long as its header
/// says, and what is planned with it lies within the file.
pub fn file(data: &[u8]) {
    let mut input = Input::new(data);
    let have = u64::from(input.u16());
    let size = usize::from(input.byte()).max(1);
    let stream = input.rest();
    let whole = answer(std::iter::once(stream));
    assert_eq!(answer(stream.chunks(size)), whole, "in pieces of {size}");
    let (Some(header), body, ended) = whole else { return };
    assert!(body.len() as u64 <= header.file_size);
    assert_eq!(ended == "End", body.len() as u64 == header.file_size, "{ended}");
    let mut out = BytesMut::new();
    encode_file_header(&header, Form::BOTH, &mut out);
    if out.len() <= 4 + multicam_common::codec::MAX_HEADER {
        assert!(matches!(FileDecoder::new().decode(&mut out), Ok(Some(FileFrame::Header(_)))));
    }
    let fetch = Fetch::new("a", multicam_common::client::DeviceKind::Unknown, have);
    if let Ok(plan) = fetch.plan(&header) {
        assert!(plan.skip <= plan.body && plan.write_at <= plan.total);
        assert_eq!(plan.write_at + (plan.body - plan.skip), plan.total);
        assert!(FileName::parse(plan.name.as_str()).is_ok());
    }
}

/// Header, body, and how it ended.
fn answer<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Option<multicam_common::message::FileResponse>, Vec<u8>, String) {
    let mut decoder = FileDecoder::new();
    let (mut buffer, mut header, mut body) = (BytesMut::new(), None, Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(FileFrame::Header(h))) => header = Some(h),
                Ok(Some(FileFrame::Body(bytes))) => body.extend_from_slice(&bytes),
                Ok(Some(FileFrame::End)) => {
                    assert!(decoder.is_over());
                    return (header, body, "End".into());
                }
                Ok(Some(refused)) => return (header, body, format!("{refused:?}")),
                Ok(None) => break,
                Err(error) => return (header, body, format!("{error:?}")),
            }
        }
    }
    (header, body, String::new())
}

/// Names: those that are taken are names of files and nothing else.
pub fn name(data: &[u8]) {
    let text = Input::new(data).text();
    if let Ok(name) = FileName::parse(&text) {
        assert!(name.as_str().len() <= 255 && !name.as_str().contains(['/', '\\', '\0']));
        assert!(name.as_str() != "." && name.as_str() != "..");
        assert_eq!(FileName::parse(name.as_str()).as_ref(), Ok(&name));
    }
    let instance = multicam_common::discovery::Instance::parse(&text);
    assert!(multicam_common::discovery::instance_label(&instance.device_id).len() <= 63);
    if let Some(time) = UnixTime::parse(&text) {
        for style in [Style::Python, Style::Gson, Style::Swift] {
            let text = time.to_text(style);
            let again = UnixTime::parse(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(again.to_text(style), text);
        }
    }
}

/// `datagrams`: a server's answer to anything, and a client whose server says anything. What is believed is within its
/// bound, and nothing is believed that was not asked for.
pub fn ntp(data: &[u8]) {
    let mut input = Input::new(data);
    let server = SocketAddr::from(([192, 0, 2, 9], 123));
    let mut now = Instant::from_nanos(1_000_000_000);
    let mut client = NtpClient::new(NtpConfig::new([7; 32]), server, now);
    let mut asked = NtpTimestamp(0);
    while !input.is_empty() {
        now = now + Duration::from_nanos(u64::from(input.u32()) * 16);
        if let Some(query) = client.poll(now) {
            asked = Packet::parse(&query.data).expect("48 bytes").transmit;
            assert!(asked.0 != 0);
            let time = UnixTime::from_nanos(input.i64());
            let reply = respond(&query.data, time, time).expect("a question");
            assert_eq!(Packet::parse(&reply).map(|p| (p.mode, p.originate)), Ok((4, asked)));
        }
        let flags = input.byte();
        let mut datagram = input.take(48).to_vec();
        if let Some(reply) = respond(&datagram, UnixTime::default(), UnixTime::default()) {
            assert_eq!(reply.len(), 48);
        }
        // Else hardly anything would be looked at.
        if flags & 1 != 0 && datagram.len() == 48 {
            datagram[0] = 0x24;
            datagram[24..32].copy_from_slice(&asked.0.to_be_bytes());
        }
        let from = if flags & 2 != 0 { SocketAddr::from(([192, 0, 2, 8], 123)) } else { server };
        let known = client.estimate(now).is_some();
        let believed = client.handle(now, from, &datagram).is_ok();
        if believed {
            assert!(flags & 2 == 0 && datagram[24..32] == asked.0.to_be_bytes());
        }
        assert!(client.estimate(now).is_some() == (known || believed));
        assert!(client.poll_timeout().is_none_or(|due| due + Duration::from_secs(1000) > now));
    }
}

/// What happens to a machine; each is one byte modulo [`COUNT`](op::COUNT), and what it needs after it.
pub(crate) mod op {
    /// A connection.
    pub(crate) const OPEN: u8 = 0;
    /// `connection, length (2), bytes`: bytes of a stream.
    pub(crate) const BYTES: u8 = 1;
    /// `connection`: the end of what the peer sends.
    pub(crate) const END: u8 = 2;
    /// `connection`: gone.
    pub(crate) const CLOSE: u8 = 3;
    /// `milliseconds (2)`: time passes, woken at each deadline.
    pub(crate) const WAIT: u8 = 4;
    /// `what, bytes (2)`: a local call.
    pub(crate) const CALL: u8 = 5;
    /// `length, bytes`: a datagram of the time server.
    pub(crate) const DATAGRAM: u8 = 6;
    /// The wall clock steps by so many milliseconds (2).
    pub(crate) const STEP: u8 = 7;
    /// How many there are.
    pub(crate) const COUNT: u8 = 8;
}

/// `flags, operations`: a device to which anything happens. The flags choose its clock and its dialect. Nothing is sent to
/// whoever is gone, a recording starts once, and never before its instant.
pub fn device(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let clocks = [ClockSource::Auto, ClockSource::Ntp, ClockSource::Controller, ClockSource::System];
    let dialects = [Form::BOTH, Form::V1, Form::V2, Form::BOTH];
    let mut config = DeviceConfig::new([3; 32], "Tiger-383D6B9F")
        .with_clock(clocks[usize::from(flags & 3)])
        .with_dialect(dialects[usize::from(flags >> 2 & 3)].dialect);
    config.max_connections = 4;
    let mut device = Device::new(config);
    device.add_file(entry(1));
    let mut world = World::new(&mut device, COMMANDS);
    let mut take = None;
    while !input.is_empty() {
        let Some((what, bytes)) = world.step(&mut device, &mut input) else {
            world.drain(&mut device, &mut |event| note(event, &mut take));
            continue;
        };
        let now = world.now;
        match what % 6 {
            0 => drop(device.start_now(now)),
            1 => drop(device.stop_now()),
            2 => device.take_finished(
                now,
                TakeId(bytes[0].into()),
                if bytes[1] & 1 == 0 { Ok(entry(bytes[0])) } else { Err("no") },
            ),
            3 => device.set_ntp_server(now, SocketAddr::from(([192, 0, 2, 9], 123))),
            4 => device.deleted(now, ConnId(bytes[0].into()), &name_of(bytes[1]), Ok(())),
            _ => device.upload_done(&name_of(bytes[0]), Err("no")),
        }
        world.drain(&mut device, &mut |event| note(event, &mut take));
        let snapshot = device.snapshot(now);
        assert!(snapshot.connections <= 4);
        assert!(snapshot.files <= 257);
    }
}

fn note(event: multicam_common::server::Event, last: &mut Option<TakeId>) {
    if let multicam_common::server::Event::Started { take, target, actual, .. } = event {
        assert!(last.is_none_or(|last| last < take), "{take:?} after {last:?}");
        *last = Some(take);
        // Until a clock is moved they are the same clock.
        let _ = (target, actual);
    }
}

fn name_of(n: u8) -> FileName {
    FileName::parse(&format!("{n}.avi")).expect("a name")
}

fn entry(n: u8) -> FileEntry {
    FileEntry {
        token: FileToken(n.into()),
        name: name_of(n),
        size: 1000,
        created: UnixTime::from_nanos(i64::from(n)),
        modified: UnixTime::from_nanos(i64::from(n)),
        sha256: None,
        times: TakeTimes::default(),
    }
}

/// `operations`: a controller of two devices to whom anything happens: one outcome for each request, and no more.
pub fn controller(data: &[u8]) {
    let mut input = Input::new(data);
    let mut config = ControllerConfig::default();
    config.liveness = Duration::from_secs(u64::from(input.byte() & 3));
    let mut controller = Controller::new(config);
    let now = Instant::from_nanos(1_000_000_000);
    let keys = [1, 2].map(|n| {
        let address = SocketAddr::from(([192, 0, 2, n], 8080));
        controller.add_device(now, address, None).expect("there is room")
    });
    let mut world = World::new(&mut controller, Service(keys[0].0));
    let mut open = std::collections::BTreeSet::new();
    while !input.is_empty() {
        let called = world.step(&mut controller, &mut input);
        if let Some((what, bytes)) = called {
            let (now, key) = (world.now, keys[usize::from(bytes[0] & 1)]);
            let command = match what % 7 {
                0 => CommandMessage::stop_recording(),
                1 => CommandMessage::heartbeat(),
                2 => CommandMessage::list_files(),
                3 => CommandMessage::device_status(),
                4 => {
                    let target = controller.time(now) + Duration::from_millis(u64::from(bytes[1]) * 40);
                    open.extend(controller.start_at(now, key, target));
                    CommandMessage::heartbeat()
                }
                5 => {
                    controller.connect_failed(now, key);
                    CommandMessage::heartbeat()
                }
                _ => {
                    world.service = Service(key.0);
                    CommandMessage::delete_file("a.avi", "00")
                }
            };
            open.extend(controller.request(now, key, command));
        }
        world.drain(&mut controller, &mut |event| outcome(event, &mut open));
        assert!(controller.devices(world.now).all(|(_, view)| view.waiting <= 80));
    }
    for key in keys {
        controller.remove_device(DeviceKey(key.0));
    }
    world.drain(&mut controller, &mut |event| outcome(event, &mut open));
    assert!(open.is_empty(), "without an outcome: {open:?}");
}

fn outcome(
    event: multicam_common::client::Event,
    open: &mut std::collections::BTreeSet<multicam_common::client::RequestId>,
) {
    use multicam_common::client::Event;
    match event {
        Event::Answer { request, .. } | Event::Failed { request, .. } => {
            assert!(open.remove(&request), "{request:?} twice, or never asked");
        }
        _ => {}
    }
}

/// Time and connections around a machine.
struct World {
    now: Instant,
    service: Service,
    next: u64,
    open: Vec<ConnId>,
}

impl World {
    fn new<M: Machine>(machine: &mut M, service: Service) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        machine.handle_wall_clock(now, 1_729_000_000_000_000_000);
        Self { now, service, next: 1, open: Vec::new() }
    }

    /// One operation; `Some`: a local call, which is not its.
    fn step<M: Machine>(&mut self, machine: &mut M, input: &mut Input<'_>) -> Option<(u8, [u8; 2])> {
        let op = input.byte() % op::COUNT;
        let conn = |input: &mut Input<'_>, open: &[ConnId]| {
            let which = usize::from(input.byte());
            open.get(which % open.len().max(1)).copied()
        };
        match op {
            op::OPEN => {
                let conn = ConnId(self.next);
                self.next += 1;
                self.open.push(conn);
                let opened = Opened {
                    service: self.service,
                    local: SocketAddr::from(([192, 0, 2, 1], 8080)),
                    remote: SocketAddr::from(([192, 0, 2, 7], 50_000)),
                    transport: Transport::Stream,
                };
                machine.handle_input(self.now, Peer::Conn(conn), Told::Opened(opened));
            }
            op::BYTES => {
                let conn = conn(input, &self.open);
                let length = usize::from(input.u16());
                let mut bytes = BytesMut::from(input.take(length));
                if let Some(conn) = conn {
                    machine.handle_input(self.now, Peer::Conn(conn), Told::Bytes(&mut bytes));
                }
            }
            op::END => {
                if let Some(conn) = conn(input, &self.open) {
                    machine.handle_input(self.now, Peer::Conn(conn), Told::End(&mut BytesMut::new()));
                }
            }
            op::CLOSE => {
                if let Some(conn) = conn(input, &self.open) {
                    self.open.retain(|other| *other != conn);
                    machine.handle_input(self.now, Peer::Conn(conn), Told::Closed(CloseReason::Remote));
                }
            }
            op::WAIT => {
                let until = self.now + Duration::from_millis(input.u16().into());
                while let Some(due) = machine.poll_timeout().filter(|due| *due <= until) {
                    self.now = self.now.max(due);
                    machine.handle_timeout(self.now);
                    assert!(machine.poll_timeout().is_none_or(|next| next > self.now), "it does not move on");
                }
                self.now = until;
            }
            op::CALL => return Some((input.byte(), input.array())),
            op::DATAGRAM => {
                let length = usize::from(input.byte());
                let data = input.take(length);
                let remote = SocketAddr::from(([192, 0, 2, 9], 123));
                let peer = UdpPeer { socket: TIME_SOCKET, remote, local: None };
                let received = Stamp::clock(self.now);
                machine.handle_input(self.now, Peer::Udp(peer), Told::Datagram { data, received });
            }
            op::STEP => {
                let step = i64::from(input.u16()) * 1_000_000;
                machine.handle_wall_clock(self.now, 1_729_000_000_000_000_000 + step);
            }
            _ => {}
        }
        None
    }

    /// Does what the machine says, as a driver that is done at once.
    fn drain<M: Machine>(&mut self, machine: &mut M, event: &mut dyn FnMut(M::Event)) {
        let mut said = 0_usize;
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { to, .. } => assert!(self.open.contains(&to), "it speaks to nobody"),
                Output::SendFile { to, file, .. } => {
                    assert!(self.open.contains(&to), "it speaks to nobody");
                    machine.handle_input(self.now, Peer::Conn(to), Told::FileSent(file));
                }
                Output::Close { conn, .. } => self.open.retain(|other| *other != conn),
                Output::Event(e) => event(e),
                _ => {}
            }
            said += 1;
            assert!(said < 10_000, "it does not stop talking");
        }
    }
}
