//! The camera protocol: its decoder and both machines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use camera_packet::client::Client;
use camera_packet::codec::{Bounds, Checksum, Decoder, DecoderConfig, Event, MAX_HELD, Resync};
use camera_packet::config::{Access, ClientConfig, ServerConfig, ValueSource};
use camera_packet::dialect::Dialect;
use camera_packet::extension::Subscribe;
use camera_packet::message::Message;
use camera_packet::packet::{self, OVERHEAD};
use camera_packet::server::{self, Server};
use camera_packet::settings::SettingsBlock;
use machine::{
    CloseReason, ConnId, Input as Told, Instant, Machine, Opened, Output, Peer, Service, Transport,
};

use crate::input::Input;

/// `config, size of pieces, stream`: the same events and counters however the stream is cut, every frame is in the stream
/// where it says, and what is understood is written and read as the same.
pub fn decoder(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let size = usize::from(input.byte()).max(1);
    let stream = input.rest();
    let checksum = [Checksum::Required, Checksum::Required, Checksum::Optional, Checksum::Absent];
    let mut config = DecoderConfig::new(Bounds::ANY).with_checksum(checksum[usize::from(flags & 3)]);
    if flags & 4 != 0 {
        config = config.with_resync(Resync::Discard);
    }
    if flags & 8 != 0 {
        config = config.unsynced();
    }
    let required = flags & 3 < 2;
    let whole = decoded(config, std::iter::once(stream), stream, required);
    assert_eq!(decoded(config, stream.chunks(size), stream, required), whole, "in pieces of {size}");
}

fn decoded<'a>(
    config: DecoderConfig,
    pieces: impl Iterator<Item = &'a [u8]>,
    stream: &[u8],
    required: bool,
) -> (Vec<String>, String, usize) {
    let mut decoder = Decoder::new(config);
    let mut events = Vec::new();
    let mut note = |event: Event<'_>| {
        if let Event::Frame(frame) | Event::UnexpectedLength(frame) | Event::Unknown(frame) = event {
            let mut again = BytesMut::new();
            packet::encode(frame.kind, frame.payload, &mut again).expect("it was short enough to be read");
            let at = usize::try_from(frame.offset).expect("within the stream");
            if required {
                assert_eq!(
                    stream.get(at..at + frame.payload.len() + OVERHEAD),
                    Some(&again[..]),
                    "{frame:?}"
                );
            }
            if let Ok(message) = Message::parse(&frame) {
                let mut written = BytesMut::new();
                message.encode(&mut written).expect("it was short enough to be read");
                assert_eq!(written.len(), again.len());
            }
        }
        events.push(format!("{event:?}"));
    };
    let now = Instant::default();
    for piece in pieces {
        let mut feed = decoder.feed(now, piece);
        while let Some(event) = feed.next() {
            note(event);
        }
        assert!(decoder.held() <= MAX_HELD);
    }
    let mut feed = decoder.end(now);
    while let Some(event) = feed.next() {
        note(event);
    }
    (events, format!("{:?}", decoder.stats()), decoder.held())
}

/// What happens to a machine; each is one byte modulo [`COUNT`](op::COUNT), and what it needs after it.
pub(crate) mod op {
    /// `service, flags`: a connection, a WebSocket with 1.
    pub(crate) const OPEN: u8 = 0;
    /// `connection, length (2), bytes`: bytes of a stream, or a message.
    pub(crate) const BYTES: u8 = 1;
    /// `connection`: the end of what the peer sends.
    pub(crate) const END: u8 = 2;
    /// `connection`: gone.
    pub(crate) const CLOSE: u8 = 3;
    /// `milliseconds (2)`: time passes, woken at each deadline.
    pub(crate) const WAIT: u8 = 4;
    /// `milliseconds (2)`: time passes, woken once at the end.
    pub(crate) const LATE: u8 = 5;
    /// `what, bytes (6)`: a local call.
    pub(crate) const CALL: u8 = 6;
    /// How many there are.
    pub(crate) const COUNT: u8 = 7;
}

/// `flags, operations`: a server to which anything happens. The flags choose the access mode (2 bits), a custom clamp and
/// missing checksums; with all bits set it knows the password and offers SCRAM, else the program is asked.
pub fn server(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut config = ServerConfig::new([3; 32]).with_source(ValueSource::Counter).with_max_clients(4);
    config.scram_iterations = camera_packet::scram::MIN_ITERATIONS;
    if flags != 0xff {
        config = config.with_external_password();
    }
    config =
        config.with_access([Access::Open, Access::Ip, Access::Token, Access::Open][usize::from(flags & 3)]);
    if flags & 4 != 0 {
        config = config.with_checksum(Checksum::Optional);
    }
    if flags & 8 != 0 {
        config = config.with_resync(Resync::Rescan);
    }
    let call =
        |server: &mut Server, _: Instant, what: u8, bytes: [u8; 6], asked: &mut Vec<ConnId>| match what % 4 {
            0 => drop(server.apply_settings(SettingsBlock(bytes))),
            1 => server.settings_live(u32::from(bytes[0])),
            2 => server.set_value(bytes[0]),
            _ => {
                if let Some(conn) = asked.pop() {
                    server.verified(Instant::from_nanos(0), conn, bytes[0] & 1 == 1);
                }
            }
        };
    let event = |event: &server::Event| match event {
        server::Event::VerifyPassword { conn, .. } => Some(*conn),
        _ => None,
    };
    run(Server::new(config), &mut input, call, event);
}

/// `flags, operations`: a client to which anything happens. The flags choose the dialect (3 bits), the original's manner,
/// SCRAM and whether plain passwords are allowed instead.
pub fn client(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let dialects = [
        Dialect::G7,
        Dialect::G1,
        Dialect::G1b,
        Dialect::G2,
        Dialect::G3,
        Dialect::G4,
        Dialect::G5,
        Dialect::G6,
    ];
    let config = ClientConfig::new([4; 32])
        .with_dialect(dialects[usize::from(flags & 7)])
        .with_legacy_server(flags & 8 != 0)
        .with_scram(flags & 16 != 0)
        .with_allow_plaintext(flags & 32 != 0);
    let call = |client: &mut Client, now: Instant, what: u8, bytes: [u8; 6], _: &mut Vec<ConnId>| match what
        % 5
    {
        0 => drop(client.query(now)),
        1 => drop(client.update(now, SettingsBlock(bytes))),
        2 => drop(client.query_extended(now)),
        3 => drop(client.login(now, &bytes)),
        _ => drop(client.subscribe(Subscribe { rate_hz: u16::from(bytes[0]), fields: u16::from(bytes[1]) })),
    };
    run(Client::new(config), &mut input, call, |_| None);
}

/// A machine under anything that can happen: it speaks to nobody who is not there, its deadlines move on, and what it says
/// is bounded by what it was told.
fn run<M: Machine>(
    mut machine: M,
    input: &mut Input<'_>,
    call: impl Fn(&mut M, Instant, u8, [u8; 6], &mut Vec<ConnId>),
    asks: impl Fn(&M::Event) -> Option<ConnId>,
) {
    let mut now = Instant::from_nanos(1_000_000_000);
    let mut conns: BTreeMap<ConnId, Transport> = BTreeMap::new();
    let mut asked = Vec::new();
    let mut next = 0;
    let mut steps = 0;
    machine.handle_wall_clock(now, 1_735_689_600_000_000_000);
    while !input.is_empty() && steps < MAX_STEPS {
        steps += 1;
        let what = input.byte() % op::COUNT;
        let mut told = 0;
        let pick = |number: u8, conns: &BTreeMap<ConnId, Transport>| {
            conns.keys().nth(usize::from(number) % conns.len().max(1)).copied()
        };
        match what {
            op::OPEN => {
                let (service, flags) = (Service(u16::from(input.byte() % 4)), input.byte());
                let transport = if flags & 1 == 0 { Transport::Stream } else { Transport::WebSocket };
                let local = SocketAddr::from(([127, 0, 0, 1], 5000));
                let remote = SocketAddr::from(([127, 0, 0, flags >> 6], 40_000));
                next += 1;
                conns.insert(ConnId(next), transport);
                let opened = Opened { service, local, remote, transport };
                machine.handle_input(now, Peer::Conn(ConnId(next)), Told::Opened(opened));
            }
            op::BYTES => {
                let (number, length) = (input.byte(), input.u16());
                let bytes = input.take(usize::from(length));
                told = bytes.len();
                let Some(conn) = pick(number, &conns) else { continue };
                if conns.get(&conn) == Some(&Transport::WebSocket) {
                    machine.handle_input(now, Peer::Conn(conn), Told::Binary(bytes));
                } else {
                    let mut buffer = BytesMut::from(bytes);
                    machine.handle_input(now, Peer::Conn(conn), Told::Bytes(&mut buffer));
                    assert!(buffer.is_empty(), "it keeps what it needs itself");
                }
            }
            op::END => {
                let Some(conn) = pick(input.byte(), &conns) else { continue };
                if conns.get(&conn) == Some(&Transport::Stream) {
                    machine.handle_input(now, Peer::Conn(conn), Told::End(&mut BytesMut::new()));
                }
            }
            op::CLOSE => {
                let Some(conn) = pick(input.byte(), &conns) else { continue };
                conns.remove(&conn);
                machine.handle_input(now, Peer::Conn(conn), Told::Closed(CloseReason::Remote));
            }
            op::WAIT => {
                let until = now + Duration::from_millis(input.u16().into());
                for _ in 0..MAX_WAKES {
                    let Some(at) = machine.poll_timeout().filter(|at| *at <= until) else { break };
                    now = now.max(at);
                    wake(&mut machine, now);
                    outputs(&mut machine, &mut conns, &mut asked, &asks, 0);
                }
                now = until;
            }
            op::LATE => {
                now = now + Duration::from_millis(input.u16().into());
                wake(&mut machine, now);
            }
            _ => {
                let what = input.byte();
                call(&mut machine, now, what, input.array(), &mut asked);
            }
        }
        outputs(&mut machine, &mut conns, &mut asked, &asks, told);
    }
}

fn wake<M: Machine>(machine: &mut M, now: Instant) {
    machine.handle_timeout(now);
    assert!(machine.poll_timeout().is_none_or(|at| at > now), "deadlines move on");
}

fn outputs<M: Machine>(
    machine: &mut M,
    conns: &mut BTreeMap<ConnId, Transport>,
    asked: &mut Vec<ConnId>,
    asks: &impl Fn(&M::Event) -> Option<ConnId>,
    told: usize,
) {
    let (mut sent, mut closed) = (0, Vec::new());
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Send { to, data, .. } => {
                assert!(conns.contains_key(&to) && !closed.contains(&to), "{to:?} is not there");
                sent += data.as_bytes().len();
            }
            Output::Close { conn, .. } => {
                assert!(conns.contains_key(&conn) && !closed.contains(&conn), "{conn:?} is not there");
                closed.push(conn);
            }
            Output::Event(event) => asked.extend(asks(&event)),
            other => panic!("neither files nor datagrams: {}", matches!(other, Output::Datagram(_))),
        }
    }
    for conn in closed {
        conns.remove(&conn);
        machine.handle_input(Instant::default(), Peer::Conn(conn), Told::Closed(CloseReason::Local));
        while machine.poll_output().is_some() {}
    }
    // A query of 7 bytes is answered with 16, an extended one with 41; the rest is telemetry and what waited.
    assert!(sent <= 6 * told + MOST, "{sent} bytes for {told}");
}

const MAX_STEPS: usize = 300;
const MAX_WAKES: usize = 200;
/// Sent without being asked at once: to each of a few connections one item, and requests that had waited.
const MOST: usize = 4096;
