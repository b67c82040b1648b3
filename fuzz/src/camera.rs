//! The camera protocol: its decoder and both machines.

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
use machine::{ConnId, Instant};

use crate::input::Input;
use crate::stage::Stage;

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

/// `flags, operations`: a server to which anything happens. The flags choose the access mode (2 bits), missing checksums
/// (4), what follows a bad frame (8), and whether the server knows the password and offers SCRAM (16) or the program is asked.
pub fn server(data: &[u8]) {
    let mut input = Input::new(data);
    let server = served(input.byte());
    let call =
        |server: &mut Server, now: Instant, what: u8, bytes: [u8; 6], asked: &mut Vec<ConnId>| match what % 4
        {
            0 => drop(server.apply_settings(SettingsBlock(bytes))),
            1 => server.settings_live(u32::from(bytes[0])),
            2 => server.set_value(bytes[0]),
            _ => {
                if let Some(conn) = asked.pop() {
                    server.verified(now, conn, bytes[0] & 1 == 1);
                }
            }
        };
    let event = |event: &server::Event| match event {
        server::Event::VerifyPassword { conn, .. } => Some(*conn),
        _ => None,
    };
    STAGE.run(server, &mut input, call, event);
}

/// A server for these flags. Its password is `1111`.
pub(crate) fn served(flags: u8) -> Server {
    let mut config = ServerConfig::new([3; 32]).with_source(ValueSource::Counter).with_max_clients(4);
    config.scram_iterations = camera_packet::scram::MIN_ITERATIONS;
    if flags & 16 == 0 {
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
    Server::new(config)
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
    STAGE.run(Client::new(config), &mut input, call, |_| None);
}

/// A query of 7 bytes is answered with 16, an extended one with 41; the rest is telemetry and what waited: to each of a few
/// connections one item, and requests that had waited.
const STAGE: Stage = Stage { sockets: &[], unread: 0, sent_per_byte: 6, sent_besides: 4096 };
