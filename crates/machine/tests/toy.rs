//! The toy machine by hand, without driver or simulator: how a machine is told and asked.
#![cfg(feature = "sim")]

use core::time::Duration;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use machine::toy::{ECHO, Event, GREETING, MAX_LINE, NotOpen, SHOUTING, Toy};
use machine::{
    CloseReason, Closing, ConnId, FileToken, Input, Instant, Machine, Opened, Output, Payload, Peer, SendTag,
    Service, SocketId, Stamp, Transport, UdpPeer,
};

const PERIOD: Duration = Duration::from_millis(10);
const CONN: ConnId = ConnId(1);

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn open(toy: &mut Toy, conn: ConnId, service: Service, transport: Transport) {
    let opened = Opened {
        service,
        local: "192.0.2.1:80".parse().unwrap(),
        remote: "192.0.2.9:4000".parse().unwrap(),
        transport,
    };
    toy.handle_input(at(0), Peer::Conn(conn), Input::Opened(opened));
}

fn tell(toy: &mut Toy, conn: ConnId, now: Instant, line: &str) {
    let mut buf = BytesMut::from(line);
    toy.handle_input(now, Peer::Conn(conn), Input::Bytes(&mut buf));
}

/// What is sent, one string an output; events are left out.
fn said(toy: &mut Toy) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(output) = toy.poll_output() {
        match output {
            Output::Send { to, data, keep } => {
                let kind = match data {
                    Payload::Bytes(_) => "bytes",
                    Payload::Text(_) => "text",
                    Payload::Binary(_) => "binary",
                };
                let text = String::from_utf8(data.as_bytes().to_vec()).unwrap();
                all.push(format!("{} {kind} {keep:?} {text}", to.0));
            }
            Output::Event(_) => {}
            other => all.push(format!("{other:?}")),
        }
    }
    all
}

#[test]
fn lines_are_echoed_in_the_manner_of_the_service() {
    let mut toy = Toy::new(PERIOD);
    open(&mut toy, ConnId(1), ECHO, Transport::Stream);
    open(&mut toy, ConnId(2), SHOUTING, Transport::Stream);
    open(&mut toy, ConnId(3), GREETING, Transport::WebSocket);
    assert_eq!(said(&mut toy), ["3 text Always local 192.0.2.1:80"]);
    tell(&mut toy, ConnId(1), at(1), "one\ntwo\nthr");
    tell(&mut toy, ConnId(2), at(1), "abc d\n");
    let web = Peer::Conn(ConnId(3));
    toy.handle_input(at(1), web, Input::Text("hi"));
    toy.handle_input(at(1), web, Input::Binary(b"raw"));
    assert_eq!(
        said(&mut toy),
        [
            "1 bytes Always echo one\n",
            "1 bytes Always echo two\n",
            "2 bytes Always ECHO ABC D\n",
            "3 text Always echo hi",
            "3 binary Always raw",
        ]
    );
}

#[test]
fn ticks_stay_on_the_grid_and_late_ones_are_left_out() {
    let mut toy = Toy::new(PERIOD);
    open(&mut toy, CONN, ECHO, Transport::Stream);
    assert_eq!(toy.poll_timeout(), None);
    tell(&mut toy, CONN, at(3), "subscribe\n");
    assert_eq!(toy.poll_timeout(), Some(at(10)));
    toy.handle_timeout(at(9));
    assert_eq!(said(&mut toy), [""; 0]);
    toy.handle_timeout(at(10));
    assert_eq!(said(&mut toy), ["1 bytes Latest tick 1\n"]);
    toy.handle_timeout(at(57));
    assert_eq!(said(&mut toy), ["1 bytes Latest tick 5\n"]);
    assert_eq!(toy.poll_timeout(), Some(at(60)));
    toy.handle_input(at(58), Peer::Conn(CONN), Input::Closed(CloseReason::Failed));
    assert_eq!(toy.poll_timeout(), None);
}

#[test]
fn nothing_follows_a_close() {
    let mut toy = Toy::new(PERIOD);
    open(&mut toy, CONN, ECHO, Transport::Stream);
    tell(&mut toy, CONN, at(0), "subscribe\nquit\nmore\n");
    let close = format!("{:?}", Output::<Event>::Close { conn: CONN, how: Closing::AfterFlush });
    assert_eq!(said(&mut toy), ["1 bytes Always bye\n".to_owned(), close]);
    assert_eq!(toy.say(CONN, "late"), Err(NotOpen));
    toy.handle_timeout(at(50));
    assert_eq!(said(&mut toy), [""; 0]);
}

#[test]
fn a_line_too_long_closes_at_once_and_one_just_short_enough_does_not() {
    for (len, closes) in [(MAX_LINE, false), (MAX_LINE + 1, true)] {
        let mut toy = Toy::new(PERIOD);
        open(&mut toy, CONN, ECHO, Transport::Stream);
        tell(&mut toy, CONN, at(0), &("x".repeat(len) + "\n"));
        let said = said(&mut toy);
        assert_eq!(said.iter().any(|s| s.contains("Now")), closes, "{len}");
        assert_eq!(said.len(), 1);
    }
}

#[test]
fn a_file_goes_out_in_its_place() {
    let mut toy = Toy::new(PERIOD);
    open(&mut toy, CONN, ECHO, Transport::Stream);
    tell(&mut toy, CONN, at(0), "file 7 1073741824\nfile x\nfile 1 y\n");
    let file =
        format!("{:?}", Output::<Event>::SendFile { to: CONN, file: FileToken(7), offset: 0, len: 1 << 30 });
    assert_eq!(
        said(&mut toy),
        [
            "1 bytes Always file 1073741824\n",
            &file,
            "1 bytes Always echo file x\n",
            "1 bytes Always error file\n",
        ]
    );
}

#[test]
fn pings_are_stamped_and_bursts_are_segmented() {
    let mut toy = Toy::new(PERIOD);
    let remote: SocketAddr = "192.0.2.9:4000".parse().unwrap();
    let peer = UdpPeer { socket: SocketId(0), remote, local: None };
    let received = Stamp::clock(Instant::from_nanos(123));
    let tell = |toy: &mut Toy, data: &[u8]| {
        toy.handle_input(at(1), Peer::Udp(peer), Input::Datagram { data, received });
        match toy.poll_output() {
            Some(Output::Datagram(d)) => Some((d.data, d.segment, d.stamp)),
            None => None,
            other => panic!("{other:?}"),
        }
    };
    let pong = (Bytes::from_static(b"pong 1 123"), None, Some(SendTag(0)));
    assert_eq!(tell(&mut toy, b"ping 1"), Some(pong));
    let burst = (Bytes::from_static(&[0, 0, 1, 1, 2, 2]), Some(2), None);
    assert_eq!(tell(&mut toy, b"burst 3 2"), Some(burst));
    for bad in ["burst 0 2", "burst 3 0", "burst 255 1000", "burst 3", "burst 3 2 1", "burst 256 1", ""] {
        assert_eq!(tell(&mut toy, bad.as_bytes()), None, "{bad}");
    }
    let left = Stamp::clock(Instant::from_nanos(456));
    for tag in [SendTag(0), SendTag(0), SendTag(9)] {
        toy.handle_input(at(2), Peer::Udp(peer), Input::DatagramSent { tag, left });
    }
    let stamped = Event::Stamped { peer, received, left };
    assert_eq!(toy.poll_output(), Some(Output::Event(stamped)));
    assert_eq!(toy.poll_output(), None);
}
