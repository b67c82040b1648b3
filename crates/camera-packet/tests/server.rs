//! The server machine: the tables of the sheet, access, limits, hostile input.

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use camera_packet::codec::{Bounds, Checksum, Decoder, DecoderConfig, Event as Decoded, Resync};
use camera_packet::config::{Access, ServerConfig, ValueSource};
use camera_packet::extension::{ExtendedSettings, PipelineState, Subscribe};
use camera_packet::message::{Message, Telemetry};
use camera_packet::secret::{Secret, Token};
use camera_packet::server::{AUTH, DATA, DropReason, Event, SETTINGS};
use camera_packet::settings::{Clamp, SettingsBlock};
use common::{Bench, SEED, frame, hex};
use machine::{Closing, ConnId, Instant};

const READY: &str = "00 ff 00 00 00 05 72 65 61 64 79 91";
const FAILED: &str = "00 ff 00 02 00 00 fd";
const QUERY: &str = "00 ff 02 01 00 00 fc";

fn password(password: &[u8]) -> Vec<u8> {
    frame(&Message::Password(Secret(password)))
}

/// What a fresh authentication connection is answered.
fn auth(bench: &mut Bench, request: &[u8]) -> (Vec<u8>, bool) {
    let id = bench.open(AUTH);
    bench.bytes(id, request);
    bench.heard(id)
}

fn telemetry(bytes: &[u8]) -> Telemetry {
    let mut decoder = Decoder::new(DecoderConfig::new(Bounds::DATA_CLIENT));
    let mut feed = decoder.feed(Instant::default(), bytes);
    let Some(Decoded::Frame(frame)) = feed.next() else { panic!("no frame in {bytes:02x?}") };
    let Ok(Message::Telemetry(telemetry)) = Message::parse(&frame) else { panic!("{frame:?}") };
    telemetry
}

fn extended(bytes: &[u8]) -> Vec<ExtendedSettings> {
    let mut decoder = Decoder::new(DecoderConfig::new(Bounds::ANY));
    let mut feed = decoder.feed(Instant::default(), bytes);
    let mut found = Vec::new();
    while let Some(Decoded::Frame(frame)) = feed.next() {
        let Ok(Message::ExtendedReply(settings)) = Message::parse(&frame) else { panic!("{frame:?}") };
        found.push(settings);
    }
    found
}

/// The table of sheet §5, byte for byte.
#[test]
fn the_authentication_table() {
    let silent_close = (Vec::new(), true);
    let mut bench = Bench::standard();
    assert_eq!(auth(&mut bench, &password(b"1111")), (hex(READY), true));
    assert_eq!(auth(&mut bench, &password(b"2222")), (hex(FAILED), true));
    assert_eq!(auth(&mut bench, &password(&[b'9'; 300])), (hex(FAILED), true));
    let cases = [
        ("wrong checksum", "00 ff 00 01 00 04 31 31 31 31 fb"),
        ("LEN 0", "00 ff 00 01 00 00 fe"),
        ("first marker", "01 ff 00 01 00 04 31 31 31 31 fb"),
        ("second marker", "00 fe 00 01 00 04 31 31 31 31 fb"),
        ("ID", "00 ff 01 01 00 04 31 31 31 31 fb"),
        ("ID of no port", "00 ff 05 01 00 04 31 31 31 31 ff"),
        ("TYPE", "00 ff 00 03 00 04 31 31 31 31 f8"),
        ("an answer", READY),
        ("TLS", "16 03 01 00 05"),
        ("junk before it", "55 00 ff 00 01 00 04 31 31 31 31 fa"),
    ];
    for (what, request) in cases {
        assert_eq!(auth(&mut bench, &hex(request)), silent_close, "{what}");
    }
    // QUIRK(ES_Stream_MTX): it drops what is no ASCII and takes this for 1111. We compare bytes.
    let mut bench = Bench::standard();
    let failed = (hex(FAILED), true);
    assert_eq!(auth(&mut bench, &password(&[0x31, 0xff, 0x31, 0x31, 0x80, 0x31])), failed);
    assert_eq!(auth(&mut bench, &password(b"1111\0")), failed);

    // Nothing sent: closed after five seconds, and not before.
    let id = bench.open(AUTH);
    bench.wait(Duration::from_nanos(4_999_999_999));
    assert_eq!(bench.heard(id), (Vec::new(), false));
    bench.wait(Duration::from_nanos(1));
    assert_eq!(bench.heard(id), silent_close);

    // Two requests: the first is answered, and that is all.
    let both = [password(b"1111"), password(b"1111")].concat();
    assert_eq!(auth(&mut bench, &both), (hex(READY), true));
    assert!(bench.closed.values().all(|(_, how)| *how == Closing::AfterFlush));
}

#[test]
fn a_login_in_pieces_within_one_deadline() {
    let request = password(b"1111");
    for cut in 0..=request.len() {
        let mut bench = Bench::standard();
        let id = bench.open(AUTH);
        bench.bytes(id, &request[..cut]);
        bench.wait(Duration::from_millis(4_900));
        assert!(cut == request.len() || bench.heard(id) == (Vec::new(), false));
        bench.bytes(id, &request[cut..]);
        if cut < request.len() {
            assert_eq!(bench.heard(id), (hex(READY), true), "cut at {cut}");
        }
    }
    // A byte now and then does not extend it.
    let mut bench = Bench::standard();
    let id = bench.open(AUTH);
    for byte in &request[..10] {
        bench.bytes(id, &[*byte]);
        bench.wait(Duration::from_millis(600));
    }
    assert_eq!(bench.heard(id), (Vec::new(), true));
    let dropped = Event::Dropped { conn: id, why: DropReason::AuthTimeout };
    assert!(bench.events.contains(&dropped));
}

#[test]
fn odd_passwords() {
    for right in [&b"\0"[..], &[0xff, 0xfe, 0x00, 0xff], &[b'x'; 1024], &hex("00ff0201000664400f0c0a7fa8")] {
        let mut bench = Bench::new(ServerConfig::new(SEED).with_password(right));
        assert_eq!(auth(&mut bench, &password(right)), (hex(READY), true));
        let longer = [right, b"\0"].concat();
        let wanted = if longer.len() > 1024 { Vec::new() } else { hex(FAILED) };
        assert_eq!(auth(&mut bench, &password(&longer)), (wanted, true));
        // A frame in a password is a password.
        assert_eq!(bench.server.settings(), SettingsBlock::DEFAULT);
    }
}

#[test]
fn failures_delay_answers_and_change_none() {
    let mut bench = Bench::standard();
    for _ in 0..5 {
        assert_eq!(auth(&mut bench, &password(b"0000")), (hex(FAILED), true));
    }
    // From now on answers to this address wait, right or wrong, a second apart.
    let right = bench.open(AUTH);
    bench.bytes(right, &password(b"1111"));
    let wrong = bench.open(AUTH);
    bench.bytes(wrong, &password(b"0000"));
    assert_eq!((bench.heard(right), bench.heard(wrong)), ((vec![], false), (vec![], false)));
    // Another address does not notice.
    let other = bench.open_from(AUTH, "192.0.2.8:1");
    bench.bytes(other, &password(b"1111"));
    assert_eq!(bench.heard(other), (hex(READY), true));

    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.heard(right), (hex(READY), true));
    assert_eq!(bench.heard(wrong), (vec![], false));
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.heard(wrong), (hex(FAILED), true));

    // No more than some wait.
    let mut bench = Bench::standard();
    for _ in 0..5 {
        auth(&mut bench, &password(b"0000"));
    }
    let answers: Vec<_> = (0..20).map(|_| auth(&mut bench, &password(b"0000"))).collect();
    assert_eq!(answers.iter().filter(|(_, closed)| *closed).count(), 12);
    bench.wait(Duration::from_secs(8));
    assert_eq!(bench.closed.len(), 25);
    // After a minute of quiet all is as before.
    bench.wait(Duration::from_secs(61));
    assert_eq!(auth(&mut bench, &password(b"1111")), (hex(READY), true));
}

/// As many addresses as anybody likes may fail: of the oldest it is forgotten.
#[test]
fn failures_from_more_addresses_than_are_remembered() {
    let mut bench = Bench::standard();
    let fail = |bench: &mut Bench, address: u32| {
        let id = bench.open_from(AUTH, &format!("{}:1", Ipv4Addr::from(address)));
        bench.bytes(id, &password(b"0000"));
        bench.heard(id)
    };
    let (first, last) = (0x0a00_0000, 0x0a00_1000);
    for _ in 0..5 {
        fail(&mut bench, first);
    }
    bench.wait(Duration::from_secs(1));
    for other in first + 1..last {
        assert_eq!(fail(&mut bench, other), (hex(FAILED), true));
    }
    for _ in 0..5 {
        assert_eq!(fail(&mut bench, last), (hex(FAILED), true));
    }
    assert_eq!(fail(&mut bench, last), (vec![], false), "remembered");
    assert_eq!(fail(&mut bench, first), (hex(FAILED), true), "forgotten");
    // What no longer matters goes first, and all of it.
    bench.wait(Duration::from_secs(61));
    for _ in 0..5 {
        fail(&mut bench, first - 1);
    }
    for other in first..last - 1 {
        fail(&mut bench, other);
    }
    assert_eq!(fail(&mut bench, first - 1), (vec![], false), "remembered beside 4095 others");
}

#[test]
fn the_program_may_be_asked() {
    let mut bench = Bench::new(ServerConfig::new(SEED).with_external_password());
    let id = bench.open(AUTH);
    bench.bytes(id, &password(b"open sesame"));
    assert_eq!(bench.heard(id), (vec![], false));
    let Some(Event::VerifyPassword { conn, password: candidate }) = bench.events.last().cloned() else {
        panic!("not asked: {:?}", bench.events)
    };
    assert_eq!((conn, &*candidate.0), (id, &b"open sesame"[..]));
    assert!(!format!("{candidate:?}").contains("sesame"));
    bench.call(|server, now| server.verified(now, conn, true));
    assert_eq!(bench.heard(id), (hex(READY), true));
    bench.call(|server, now| server.verified(now, conn, true));
}

#[test]
fn settings_are_answered_in_order_at_once_and_to_the_byte() {
    let mut bench = Bench::standard();
    let id = bench.open(SETTINGS);
    bench.bytes(id, &hex(QUERY));
    assert_eq!(bench.heard(id).0, hex("00 ff 02 00 00 09 64 01 0a 0a 0a 7f 00 00 00 e4"));

    // A query behind an update, in one segment, and three more behind that.
    let block = SettingsBlock(hex("64400f0c0a7f").try_into().unwrap());
    let pipelined = [frame(&Message::SettingsUpdate(block)), hex(QUERY).repeat(4)].concat();
    bench.bytes(id, &pipelined);
    assert_eq!(bench.heard(id).0, hex("00 ff 02 00 00 09 64 40 0f 0c 0a 7f 00 00 00 a6").repeat(4));
    assert_eq!(bench.events.last(), Some(&Event::SettingsChanged { block, revision: 1 }));

    for brightness in 0..=255_u8 {
        let block = SettingsBlock([brightness.wrapping_mul(7), 255, 0, brightness, 1, brightness]);
        bench.bytes(id, &frame(&Message::SettingsUpdate(block)));
        bench.bytes(id, &hex(QUERY));
        assert_eq!(bench.heard(id).0, frame(&Message::SettingsReply(block)));
    }
    // Other lengths, kinds and a wrong checksum change nothing and end nothing.
    for ignored in ["00ff020100050102030405f8", "00ff070000026162f9", "00ff01000009050000018b23456789f0"] {
        bench.bytes(id, &hex(ignored));
    }
    bench.bytes(id, &hex("00 ff 02 01 00 06 00 00 00 00 00 00 fb"));
    bench.bytes(id, &hex(QUERY));
    bench.wait(Duration::from_millis(100));
    let last = SettingsBlock([249, 255, 0, 255, 1, 255]);
    assert_eq!(bench.heard(id), (frame(&Message::SettingsReply(last)), false));

    // Idle connections are kept; an ended one is answered, then let go.
    bench.wait(Duration::from_secs(3600));
    assert_eq!(bench.heard(id), (vec![], false));
    bench.bytes(id, &hex(QUERY));
    bench.end(id);
    assert_eq!(bench.heard(id), (frame(&Message::SettingsReply(last)), true));
}

#[test]
fn the_same_over_a_web_socket() {
    let mut bench = Bench::standard();
    let id = bench.open_web_socket(SETTINGS);
    let request = [hex("00 ff 02 01 00 06 64 40 0f 0c 0a 7f a8"), hex(QUERY)].concat();
    // Messages are no borders: a frame may be cut by them, and a message may hold several.
    for piece in request.chunks(5) {
        bench.binary(id, piece);
    }
    assert_eq!(bench.heard(id).0, hex("00 ff 02 00 00 09 64 40 0f 0c 0a 7f 00 00 00 a6"));
    let data = bench.open_web_socket(DATA);
    bench.wait(Duration::from_secs(1));
    let pieces = bench.sent.remove(&data).unwrap();
    assert_eq!(pieces.len(), 25);
    assert!(pieces.iter().all(|(_, frame)| frame.len() == 16), "each message is a frame");
    let auth = bench.open_web_socket(AUTH);
    bench.binary(auth, &hex("00 ff 00 01 00 04 31 31 31 31 fa"));
    assert_eq!(bench.heard(auth), (hex(READY), true));
}

#[test]
fn a_clamp_shows_what_was_applied() {
    let mut bench = Bench::new(ServerConfig::new(SEED).with_clamp(Clamp::Gui));
    let id = bench.open(SETTINGS);
    bench.bytes(id, &[frame(&Message::SettingsUpdate(SettingsBlock([255; 6]))), hex(QUERY)].concat());
    let applied = SettingsBlock([100, 16, 50, 50, 20, 255]);
    assert_eq!(bench.heard(id).0, frame(&Message::SettingsReply(applied)));
    assert_eq!(bench.events.last(), Some(&Event::SettingsChanged { block: applied, revision: 1 }));
}

#[test]
fn a_query_behind_junk_is_answered_within_a_tenth_of_a_second() {
    for junk in ["55", "00", "00ff01", "ffffffff00", "0000000000000000", "00ff0100ffff"] {
        let mut bench = Bench::standard();
        let id = bench.open(SETTINGS);
        bench.bytes(id, &hex(junk));
        bench.bytes(id, &hex(QUERY));
        assert_eq!(bench.heard(id).0, Vec::<u8>::new());
        bench.wait(Duration::from_millis(100));
        assert_eq!(bench.heard(id).0.len(), 16, "behind {junk}");
        // In step again: no more waiting.
        bench.bytes(id, &hex(QUERY));
        assert_eq!(bench.heard(id).0.len(), 16);
    }
}

#[test]
fn a_frame_behind_a_bad_checksum_is_never_applied() {
    let hidden = frame(&Message::SettingsUpdate(SettingsBlock([9; 6])));
    let mut outer = hex("00 ff 07 01 00 0d");
    outer.extend_from_slice(&hidden);
    outer.push(0x55);
    let mut bench = Bench::standard();
    let id = bench.open(SETTINGS);
    bench.bytes(id, &[outer.clone(), hex(QUERY)].concat());
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.heard(id).0, frame(&Message::SettingsReply(SettingsBlock::DEFAULT)));
    // Rescan would find it, if nothing but a frame follows.
    let mut bench = Bench::new(ServerConfig::new(SEED).with_resync(Resync::Rescan));
    let id = bench.open(SETTINGS);
    outer.truncate(outer.len() - 1);
    bench.bytes(id, &[outer, hex(QUERY)].concat());
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.heard(id).0, frame(&Message::SettingsReply(SettingsBlock([9; 6]))));
}

#[test]
fn noise_ends_a_settings_connection() {
    let mut bench = Bench::standard();
    let id = bench.open(SETTINGS);
    let bad = hex("00 ff 02 01 00 00 55");
    for _ in 0..15 {
        bench.bytes(id, &bad);
    }
    assert!(!bench.heard(id).1);
    // Ten seconds later they are forgotten.
    bench.wait(Duration::from_secs(11));
    for _ in 0..15 {
        bench.bytes(id, &bad);
    }
    assert!(!bench.heard(id).1);
    bench.bytes(id, &bad);
    assert!(bench.heard(id).1);

    let id = bench.open(SETTINGS);
    bench.bytes(id, &[0x55; 4095]);
    assert!(!bench.heard(id).1);
    bench.bytes(id, &[0x55; 2]);
    assert!(bench.heard(id).1);
    assert!(bench.events.contains(&Event::Dropped { conn: id, why: DropReason::Noise }));
}

#[test]
fn requests_without_checksum_where_that_is_allowed() {
    let config = || ServerConfig::new(SEED).with_checksum(Checksum::Optional);
    let bare = &hex(QUERY)[..6];
    let update = &frame(&Message::SettingsUpdate(SettingsBlock([3; 6])))[..12];
    let mut bench = Bench::new(config());
    let id = bench.open(SETTINGS);
    bench.bytes(id, &[bare, bare, update, bare].concat());
    assert_eq!(bench.heard(id).0.len(), 32);
    bench.wait(Duration::from_millis(50));
    assert_eq!(bench.heard(id).0, frame(&Message::SettingsReply(SettingsBlock([3; 6]))));
    bench.bytes(id, &hex(QUERY));
    assert_eq!(bench.heard(id).0.len(), 16);
    // With a wrong one that is not 00 it is still wrong.
    bench.bytes(id, &hex("00 ff 02 01 00 00 55"));
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.heard(id).0.len(), 0);
}

#[test]
fn telemetry_is_on_the_grid() {
    let mut bench = Bench::new(ServerConfig::new(SEED).with_source(ValueSource::Counter));
    let start = bench.now;
    let id = bench.open(DATA);
    let [first] = &bench.sent.remove(&id).unwrap()[..] else { panic!("one at once") };
    assert_eq!(first.0, start);
    assert_eq!(telemetry(&first.1), Telemetry { value: 0, timestamp_ms: 1_735_689_600_000 });

    bench.wait(Duration::from_secs(60));
    let items = bench.sent.remove(&id).unwrap();
    assert_eq!(items.len(), 60 * 24);
    for (n, (at, bytes)) in (1_u64..).zip(&items) {
        let due = (n * 1_000_000_000).div_ceil(24);
        assert_eq!(at.as_nanos() - start.as_nanos(), due);
        assert_eq!(bytes.len(), 16, "each in one piece");
        let wanted =
            Telemetry { value: n.to_le_bytes()[0], timestamp_ms: 1_735_689_600_000 + due / 1_000_000 };
        assert_eq!(telemetry(bytes), wanted);
    }

    // Too late for 100 ticks: one, with the right value, and on the grid again.
    bench.oversleep(Duration::from_millis(4_200));
    let [late] = &bench.sent.remove(&id).unwrap()[..] else { panic!("no burst") };
    assert_eq!(telemetry(&late.1).value, (1440_u64 + 100).to_le_bytes()[0]);
    bench.wait(Duration::from_millis(100));
    let next = &bench.sent.remove(&id).unwrap()[0];
    assert_eq!(next.0.as_nanos() - start.as_nanos(), (1541_u64 * 1_000_000_000).div_ceil(24));

    // What a client says is of no account, and its ended side neither.
    bench.bytes(id, &[0x55; 100_000]);
    bench.end(id);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.sent.remove(&id).unwrap().len(), 24);
    bench.gone(id);
    bench.wait(Duration::from_secs(1));
    assert!(!bench.sent.contains_key(&id));
    assert_eq!(bench.server.clients(DATA), 0);
}

#[test]
fn values_are_random_from_0_to_10_or_your_own() {
    let mut bench = Bench::standard();
    let id = bench.open(DATA);
    bench.wait(Duration::from_secs(60));
    let mut seen = [false; 11];
    for (_, bytes) in bench.sent.remove(&id).unwrap() {
        seen[usize::from(telemetry(&bytes).value)] = true;
    }
    assert_eq!(seen, [true; 11]);

    let own = ValueSource::Custom(Box::new(|n| if n % 2 == 0 { 200 } else { 100 }));
    let mut bench = Bench::new(ServerConfig::new(SEED).with_source(own).with_rate(1000));
    let id = bench.open(DATA);
    bench.wait(Duration::from_secs(1));
    let items = bench.sent.remove(&id).unwrap();
    assert_eq!(items.len(), 1001);
    assert_eq!(telemetry(&items[1].1).value, 100);
    assert_eq!(telemetry(&items[2].1).value, 200);
}

#[test]
fn subscriptions() {
    let mut bench = Bench::standard();
    let plain = bench.open(DATA);
    let id = bench.open(DATA);
    bench.call(|server, _| server.set_pipeline(PipelineState::Running));
    bench.heard(id);
    bench.bytes(id, &frame(&Message::Subscribe(Subscribe { rate_hz: 100, fields: Subscribe::EXTENDED })));
    bench.wait(Duration::from_secs(1));
    let items = bench.sent.remove(&id).unwrap();
    assert_eq!(items.len(), 101);
    let mut decoder = Decoder::new(DecoderConfig::new(Bounds::DATA_CLIENT));
    for (n, (at, bytes)) in items.iter().enumerate() {
        let mut feed = decoder.feed(*at, bytes);
        let Some(Decoded::Frame(frame)) = feed.next() else { panic!("no frame") };
        let Ok(Message::ExtendedTelemetry(item)) = Message::parse(&frame) else { panic!("{frame:?}") };
        assert_eq!((item.sequence, item.monotonic_ns, item.pipeline), (n as u32, at.as_nanos(), 2));
    }
    assert_eq!(bench.sent.remove(&plain).unwrap().len(), 25);
    bench.bytes(id, &frame(&Message::Subscribe(Subscribe { rate_hz: 0, fields: 0 })));
    bench.wait(Duration::from_secs(1));
    assert!(bench.sent[&id].iter().all(|(_, bytes)| bytes.len() == 16));
    assert_eq!(bench.sent[&id].len(), 25);
}

#[test]
fn extended_settings_are_acknowledged_twice() {
    let mut bench = Bench::standard();
    let id = bench.open(SETTINGS);
    bench.bytes(id, &frame(&Message::ExtendedQuery));
    let block = SettingsBlock([10, 2, 11, 12, 13, 200]);
    let wanted = ExtendedSettings::from_block(block, 0, 0);
    bench.bytes(id, &frame(&Message::ExtendedUpdate(wanted)));
    let bad = ExtendedSettings { gain: f32::NAN, ..wanted };
    bench.bytes(id, &frame(&Message::ExtendedUpdate(bad)));
    let [start, accepted, refused] = extended(&bench.heard(id).0)[..] else { panic!("three answers") };
    assert_eq!((start.revision, start.flags), (0, ExtendedSettings::LIVE));
    assert_eq!((accepted.revision, accepted.flags), (1, ExtendedSettings::ACCEPTED));
    assert_eq!(accepted.to_block(), Some(block));
    assert_eq!((refused.revision, refused.flags), (1, ExtendedSettings::REFUSED));
    assert_eq!(bench.server.settings(), block);

    bench.call(|server, _| server.settings_live(1));
    let [live] = extended(&bench.heard(id).0)[..] else { panic!("one answer") };
    assert_eq!((live.revision, live.flags), (1, ExtendedSettings::ACCEPTED | ExtendedSettings::LIVE));
    bench.call(|server, _| server.settings_live(1));
    assert_eq!(bench.heard(id).0, Vec::<u8>::new());
}

#[test]
fn by_address() {
    let mut bench = Bench::new(ServerConfig::new(SEED).with_access(Access::Ip));
    let (data, settings) = (bench.open(DATA), bench.open(SETTINGS));
    bench.bytes(settings, &hex(QUERY));
    bench.wait(Duration::from_secs(5));
    assert_eq!((bench.heard(data), bench.heard(settings)), ((vec![], false), (vec![], false)));
    // Connections that wait are served as soon as their address has authenticated; what they said before is gone.
    assert_eq!(auth(&mut bench, &password(b"1111")).0, hex(READY));
    bench.bytes(settings, &hex(QUERY));
    assert_eq!((bench.heard(data).0.len(), bench.heard(settings).0.len()), (16, 16));
    let stranger = bench.open_from(DATA, "192.0.2.8:1");
    bench.wait(Duration::from_secs(10));
    assert_eq!(bench.heard(stranger), (vec![], true));
    assert!(bench.events.contains(&Event::Dropped { conn: stranger, why: DropReason::Unauthorised }));

    // The address is good while one of its connections lives, and half a minute after it authenticated.
    bench.wait(Duration::from_secs(100));
    let more = bench.open(SETTINGS);
    bench.bytes(more, &hex(QUERY));
    assert_eq!(bench.heard(more).0.len(), 16);
    for id in [data, settings, more] {
        bench.gone(id);
    }
    let late = bench.open(DATA);
    assert_eq!(bench.heard(late).0.len(), 0);
    auth(&mut bench, &password(b"1111"));
    bench.gone(late);
    bench.wait(Duration::from_secs(29));
    let soon = bench.open(DATA);
    assert_eq!(bench.heard(soon).0.len(), 16);
    bench.gone(soon);
    bench.wait(Duration::from_secs(2));
    let late = bench.open(DATA);
    assert_eq!(bench.heard(late).0.len(), 0);
}

#[test]
fn by_token() {
    use camera_packet::message::ScramStep;
    use camera_packet::scram::{ScramClient, USER};
    let mut bench = Bench::new(ServerConfig::new(SEED).with_access(Access::Token));
    let login = |bench: &mut Bench| -> Token {
        let id = bench.open(AUTH);
        let mut client = ScramClient::new(USER, b"1111", "fyko+d2lbbFgONRv9qkxdawL");
        bench.bytes(id, &frame(&Message::Scram(ScramStep::ClientFirst, client.first().as_bytes())));
        let first = bench.heard(id).0;
        let last = client.answer(&first[6..first.len() - 1]).unwrap();
        bench.bytes(id, &frame(&Message::Scram(ScramStep::ClientFinal, last.as_bytes())));
        let (answer, closed) = bench.heard(id);
        let (server_final, ready) = answer.split_at(answer.len() - 12);
        assert_eq!((ready, closed), (&hex(READY)[..], true));
        client.finish(&server_final[6..server_final.len() - 1]).unwrap().expect("a token")
    };
    let token = login(&mut bench);
    let attach = |token| frame(&Message::Attach(token));
    let attached = || frame(&Message::Attached);

    // Nothing without it, and nothing with another one.
    let id = bench.open(SETTINGS);
    bench.bytes(id, &hex(QUERY));
    assert_eq!(bench.heard(id), (vec![], false));
    bench.bytes(id, &attach(Token([0; 16])));
    assert_eq!(bench.heard(id), (frame(&Message::AttachRefused), true));

    let settings = bench.open(SETTINGS);
    bench.bytes(settings, &[attach(token), hex(QUERY)].concat());
    assert_eq!(bench.heard(settings).0.len(), attached().len() + 16);
    // It lives while a connection that uses it does, and not beyond.
    bench.wait(Duration::from_secs(1000));
    let data = bench.open(DATA);
    bench.bytes(data, &attach(token));
    assert_eq!(bench.heard(data).0.len(), attached().len() + 16);
    bench.gone(data);
    bench.gone(settings);
    let late = bench.open(DATA);
    bench.bytes(late, &attach(token));
    assert_eq!(bench.heard(late), (frame(&Message::AttachRefused), true));
    // Unused it is good for half a minute.
    for (pause, good) in [(29, true), (31, false)] {
        let token = login(&mut bench);
        bench.wait(Duration::from_secs(pause));
        let id = bench.open(SETTINGS);
        bench.bytes(id, &attach(token));
        assert_eq!(bench.heard(id).1, !good);
    }
}

#[test]
fn scram_failures_have_reasons() {
    use camera_packet::message::ScramStep;
    use camera_packet::scram::{ScramClient, USER};
    let mut bench = Bench::standard();
    let reason = |n| (frame(&Message::AuthFailed(&[n])), true);
    for (text, wanted) in
        [(&b"hello"[..], 2), (b"p=tls-unique,,n=camera,r=x", 2), (b"n,,n=camera,r=", 2), (b"\xff", 2)]
    {
        let request = frame(&Message::Scram(ScramStep::ClientFirst, text));
        assert_eq!(auth(&mut bench, &request), reason(wanted));
    }
    for n in 0..6 {
        let id = bench.open(AUTH);
        let user = if n % 2 == 0 { USER } else { "admin" };
        let mut client = ScramClient::new(user, if n % 2 == 0 { b"0000" } else { b"1111" }, "abc");
        bench.bytes(id, &frame(&Message::Scram(ScramStep::ClientFirst, client.first().as_bytes())));
        let (first, closed) = bench.heard(id);
        if n == 5 {
            assert_eq!((first, closed), reason(3));
            continue;
        }
        let last = client.answer(&first[6..first.len() - 1]).unwrap();
        bench.bytes(id, &frame(&Message::Scram(ScramStep::ClientFinal, last.as_bytes())));
        assert_eq!(bench.heard(id), reason(1));
    }
    // A server that does not know the password does not know SCRAM either.
    let mut bench = Bench::new(ServerConfig::new(SEED).with_external_password());
    let request = frame(&Message::Scram(ScramStep::ClientFirst, b"n,,n=camera,r=abc"));
    assert_eq!(auth(&mut bench, &request), (vec![], true));
}

#[test]
fn no_more_than_so_many_at_each_door() {
    let mut bench = Bench::new(ServerConfig::new(SEED).with_max_clients(2));
    for service in [DATA, SETTINGS, AUTH] {
        let kept = [bench.open(service), bench.open(service)];
        let extra = bench.open(service);
        assert_eq!(bench.closed.get(&extra).map(|(_, how)| *how), Some(Closing::Now));
        bench.gone(extra);
        bench.gone(kept[0]);
        let next = bench.open(service);
        assert!(!bench.closed.contains_key(&next));
        assert_eq!(bench.server.clients(service), 2);
    }
}

/// Hostile streams of every sort: no answer that was not asked for, nothing applied, no memory kept.
#[test]
fn hostile_streams() {
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    let random: Vec<u8> = (0..100_000).map(|_| next().to_le_bytes()[3]).collect();
    let cycle = |pattern: &[u8]| pattern.iter().copied().cycle().take(100_000).collect::<Vec<u8>>();
    let streams = [
        random,
        cycle(&[0]),
        cycle(&[0, 0xff]),
        cycle(&[0, 0xff, 0, 1]),
        cycle(&[0, 0xff, 2, 1, 0, 64]),
        cycle(&[0, 0xff, 5, 1, 4, 0]),
    ];
    for service in [DATA, SETTINGS, AUTH] {
        for stream in &streams {
            let mut bench = Bench::standard();
            let id: ConnId = bench.open(service);
            for piece in stream.chunks(1460) {
                bench.bytes(id, piece);
                bench.wait(Duration::from_millis(1));
            }
            bench.wait(Duration::from_secs(20));
            assert_eq!(bench.server.settings(), SettingsBlock::DEFAULT);
            assert!(!bench.events.iter().any(|e| matches!(e, Event::SettingsChanged { .. })));
            assert!(service == DATA || bench.closed.contains_key(&id));
        }
    }
}
