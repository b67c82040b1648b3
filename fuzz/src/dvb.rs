//! Companion screens: what is read is written and read as the same, and no machine is upset by what it is told.

use std::net::SocketAddr;
use std::time::Duration;

use dvb_css::Ratio;
use dvb_css::client::{CiiClient, TsClient, WcClient};
use dvb_css::config::{TsClientConfig, TvServerConfig, WcClientConfig, WcServerConfig};
use dvb_css::message::{CiiMessage, ControlTimestamp, PresentationTimestamps, SetupData, WcMessage};
use dvb_css::server::{CII, TS, TvServer, WC, WcServer};
use dvb_css::timeline::TimelineState;
use machine::{
    CloseReason, ConnId, Input as Told, Instant, Machine, Opened, Output, Peer, SendTag, Service, SocketId,
    Stamp, Transport, UdpPeer,
};

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

/// The wall clock client with a server that says anything: bounds are never negative, deadlines move on.
pub fn wc_client(data: &[u8]) {
    let mut input = Input::new(data);
    let peer = udp(SocketAddr::from(([192, 0, 2, 1], 6677)));
    let mut client = WcClient::new(WcClientConfig::new([7; 32], peer));
    let mut now = Instant::from_nanos(1);
    client.start(now).expect("it has not been started");
    let mut last = [0; 8];
    while !input.is_empty() {
        now = now + Duration::from_nanos(input.u32().into());
        if client.poll_timeout().is_some_and(|due| due <= now) {
            client.handle_timeout(now);
            assert!(client.poll_timeout().is_none_or(|due| due > now));
        }
        while let Some(output) = client.poll_output() {
            if let Output::Datagram(datagram) = output {
                last.copy_from_slice(&datagram.data[8..16]);
            }
        }
        let mut answer = [0; 32];
        answer[..8].copy_from_slice(&input.array::<8>());
        answer[16..].copy_from_slice(&input.array::<16>());
        if input.flag() {
            answer[0] = 0;
            answer[1] = 1 + answer[1] % 3;
            answer[8..16].copy_from_slice(&last);
        }
        let received = Stamp::clock(now);
        client.handle_input(now, Peer::Udp(peer), Told::Datagram { data: &answer, received });
        let _ = client.wall_clock(now + Duration::from_nanos(input.u32().into()));
    }
}

/// A television with clients of all kinds that say anything.
pub fn tv_server(data: &[u8]) {
    let mut input = Input::new(data);
    let mut tv = TvServer::new(TvServerConfig::default());
    let mut now = Instant::from_nanos(1);
    let state = TimelineState::At(ControlTimestamp::available(5, 7, Ratio::ONE));
    let timeline = tv.add_timeline(now, "t", state).expect("there is room");
    let mut open: Vec<ConnId> = Vec::new();
    let mut next = 1;
    while !input.is_empty() {
        now = now + Duration::from_nanos(u64::from(input.u32()) * 8);
        if tv.poll_timeout().is_some_and(|due| due <= now) {
            tv.handle_timeout(now);
            assert!(tv.poll_timeout().is_none_or(|due| due > now));
            carry_out(&mut tv, &mut open);
        }
        let which = usize::from(input.byte());
        let conn = open.get(which % open.len().max(1)).copied();
        match (input.byte() % 8, conn) {
            (0 | 1, _) => {
                let service = [CII, TS, WC, Service(9)][which % 4];
                tell(&mut tv, now, ConnId(next), Told::Opened(opened(service)));
                open.push(ConnId(next));
                next += 1;
            }
            (2, Some(conn)) => {
                open.retain(|other| *other != conn);
                tell(&mut tv, now, conn, Told::Closed(CloseReason::Remote));
            }
            (3, Some(conn)) => tell(&mut tv, now, conn, Told::Dropped(1)),
            (4, _) => {
                let ticks = i128::from(input.i64());
                let state = ControlTimestamp::available(ticks, input.i64().into(), Ratio::ONE);
                tv.set_timeline(now, timeline, TimelineState::At(state)).expect("it is there");
            }
            (5, Some(conn)) => {
                let len = usize::from(input.byte());
                tell(&mut tv, now, conn, Told::Binary(input.take(len)));
            }
            (_, Some(conn)) => {
                let len = usize::from(input.byte());
                let text = String::from_utf8_lossy(input.take(len)).into_owned();
                tell(&mut tv, now, conn, Told::Text(&text));
            }
            (_, None) => {}
        }
        carry_out(&mut tv, &mut open);
    }
}

/// Nothing is sent to whoever is not there.
fn carry_out(tv: &mut TvServer, open: &mut Vec<ConnId>) {
    while let Some(output) = tv.poll_output() {
        match output {
            Output::Send { to, .. } => assert!(open.contains(&to), "it speaks to nobody"),
            Output::Close { conn, .. } => open.retain(|other| *other != conn),
            _ => {}
        }
    }
}

/// The clients of CII and TS, whose server says anything.
pub fn clients(data: &[u8]) {
    let mut input = Input::new(data);
    let mut cii = CiiClient::new();
    let setup = SetupData::new("dvb://", "t");
    let mut ts = TsClient::new(TsClientConfig::new(setup, Ratio::from(90_000)));
    let now = Instant::from_nanos(1);
    tell(&mut cii, now, ConnId(1), Told::Opened(opened(CII)));
    tell(&mut ts, now, ConnId(1), Told::Opened(opened(TS)));
    while !input.is_empty() {
        let len = usize::from(input.u16());
        let text = String::from_utf8_lossy(input.take(len)).into_owned();
        tell(&mut cii, now, ConnId(1), Told::Text(&text));
        tell(&mut ts, now, ConnId(1), Told::Text(&text));
        assert_eq!(ts.ticks_at(input.i64()).is_some(), ts.is_available());
        while cii.poll_output().is_some() {}
        while ts.poll_output().is_some() {}
    }
}

fn tell<M: Machine>(machine: &mut M, now: Instant, conn: ConnId, told: Told<'_>) {
    machine.handle_input(now, Peer::Conn(conn), told);
}

fn udp(remote: SocketAddr) -> UdpPeer {
    UdpPeer { socket: SocketId(0), remote, local: None }
}

fn opened(service: Service) -> Opened {
    let local = SocketAddr::from(([192, 0, 2, 1], 7681));
    let remote = SocketAddr::from(([192, 0, 2, 9], 50_000));
    Opened { service, local, remote, transport: Transport::WebSocket }
}
