//! That reading and answering wall clock requests allocates nothing. One test, as nothing else may allocate meanwhile.

mod heap;

use std::hint::black_box;
use std::time::Duration;

use dvb_css::config::WcServerConfig;
use dvb_css::message::{TimeValue, WcMessage};
use dvb_css::server::WcServer;
use heap::allocated;
use machine::{Input, Instant, Machine, Output, Peer, SocketId, Stamp, UdpPeer};

#[test]
fn requests_are_answered_without_allocating() {
    assert!(allocated(|| drop(black_box(vec![0_u8; 100]))) >= 100, "allocations are counted");

    let codec = allocated(|| {
        for cookie in 0..1000 {
            let request = WcMessage::parse(&black_box(WcMessage::request(cookie).encode())).unwrap();
            let answer = WcMessage { receive: TimeValue::from_nanos(cookie), ..request };
            assert_eq!(black_box(answer.encode())[15], (cookie & 0xff) as u8);
        }
    });
    assert_eq!(codec, 0, "the codec");

    let mut server = WcServer::new(WcServerConfig::new([0; 32]));
    let remote = "127.0.0.1:6677".parse().unwrap();
    let peer = Peer::Udp(UdpPeer { socket: SocketId(0), remote, local: None });
    let mut now = Instant::from_nanos(29_784_724_192_700);
    let machine = allocated(|| {
        for cookie in 0..1000 {
            now = now + Duration::from_micros(10);
            let data = &WcMessage::request(cookie).encode();
            server.handle_input(now, peer, Input::Datagram { data, received: Stamp::clock(now) });
            assert!(matches!(black_box(server.poll_output()), Some(Output::Datagram(_))));
        }
    });
    assert_eq!(machine, 0, "the server machine");
}
