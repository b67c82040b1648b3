//! Companion screens: what is read is written and read as the same, and no machine is upset by what it is told.

mod clients;
mod tv;
mod wall_clock;

use std::net::SocketAddr;
use std::time::Duration;

use dvb_css::config::WcServerConfig;
use dvb_css::message::{CiiMessage, ControlTimestamp, PresentationTimestamps, SetupData, WcMessage};
use dvb_css::server::WcServer;
use machine::{
    Input as Told, Instant, Machine, Opened, Output, Peer, SendTag, Service, SocketId, Stamp, Transport,
    UdpPeer,
};

pub use self::clients::clients;
pub use self::tv::tv_server;
pub use self::wall_clock::wc_client;

pub(crate) use self::{clients::op as client_op, tv::op as tv_op, wall_clock::flag as wc_flag};

use crate::input::Input;

/// A wall clock message of 32 bytes.
pub fn wc(data: &[u8]) {
    match WcMessage::parse(data) {
        Ok(message) => {
            let bytes = message.encode();
            assert_eq!(WcMessage::parse(&bytes), Ok(message));
            // all but the reserved byte is kept
            assert!(bytes.iter().zip(data).enumerate().all(|(n, (a, b))| n == 3 || a == b));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The same as JSON.
pub fn wc_json(data: &[u8]) {
    if let Ok(message) = WcMessage::parse_json(&Input::new(data).text()) {
        let again = WcMessage::parse_json(&message.to_json()).expect("it is read");
        assert_eq!((again.message_type, again.originate), (message.message_type, message.originate));
    }
}

/// A CII message; applied twice it changes nothing the second time.
pub fn cii(data: &[u8]) {
    if let Ok(message) = CiiMessage::parse(&Input::new(data).text()) {
        assert_eq!(CiiMessage::parse(&message.to_json()).as_ref(), Ok(&message));
        let mut state = CiiMessage::default();
        state.apply(&message);
        assert!(state.apply(&message).is_empty());
        assert!(state.to_json().len() <= 8 * data.len() + 1024);
    }
}

/// What goes over CSS-TS, either way.
pub fn ts(data: &[u8]) {
    let text = Input::new(data).text();
    if let Ok(setup) = SetupData::parse(&text) {
        assert_eq!(SetupData::parse(&setup.to_json()), Ok(setup));
    }
    if let Ok(stamp) = ControlTimestamp::parse(&text) {
        assert_eq!(ControlTimestamp::parse(&stamp.to_json()), Ok(stamp));
    }
    if let Ok(stamps) = PresentationTimestamps::parse(&text) {
        assert_eq!(PresentationTimestamps::parse(&stamps.to_json()), Ok(stamps));
    }
}

/// The wall clock server: at most two datagrams of 32 bytes for each that comes.
pub fn wc_server(data: &[u8]) {
    let mut input = Input::new(data);
    let mut config = WcServerConfig::new([7; 32]);
    config.follow_ups = input.flag();
    config.wall_offset_ns = input.i64();
    let mut server = WcServer::new(config);
    let mut now = Instant::from_nanos(1);
    let mut tags: Vec<(UdpPeer, SendTag)> = Vec::new();
    while !input.is_empty() {
        now = now + Duration::from_nanos(input.u32().into());
        let peer = udp(SocketAddr::from(([192, 0, 2, input.byte()], 1)));
        if input.flag()
            && let Some((peer, tag)) = tags.pop()
        {
            let left = Stamp::clock(Instant::from_nanos(input.u64()));
            server.handle_input(now, Peer::Udp(peer), Told::DatagramSent { tag, left });
        } else {
            let len = usize::from(input.byte()) % 48;
            let received = Stamp::clock(Instant::from_nanos(input.u64()));
            let datagram = input.take(len);
            server.handle_input(now, Peer::Udp(peer), Told::Datagram { data: datagram, received });
        }
        let mut said = 0;
        while let Some(output) = server.poll_output() {
            let Output::Datagram(datagram) = output else { panic!("{output:?}") };
            assert_eq!((datagram.data.len(), datagram.segment), (32, None));
            tags.extend(datagram.stamp.map(|tag| (datagram.to, tag)));
            said += 1;
        }
        assert!(said <= 1);
    }
}

fn udp(remote: SocketAddr) -> UdpPeer {
    UdpPeer { socket: SocketId(0), remote, local: None }
}

/// A WebSocket through this door.
fn opened(service: Service) -> Opened {
    let local = SocketAddr::from(([192, 0, 2, 1], 7681));
    let remote = SocketAddr::from(([192, 0, 2, 9], 50_000));
    Opened { service, local, remote, transport: Transport::WebSocket }
}
