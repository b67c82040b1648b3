//! The wall clock (CSS-WC): a request read and answered, beside the least that can be done with its bytes.

use std::hint::black_box;
use std::net::SocketAddr;

use dvb_css::config::WcServerConfig;
use dvb_css::message::{MaxFreqError, MessageType, Precision, TimeValue, WcMessage};
use dvb_css::server::WcServer;
use machine::{Input, Instant, Machine, Output, Peer, SocketId, Stamp, UdpPeer};

use super::OURS;
use crate::contest::{Contest, Unit};

const REQUESTS: u64 = 100;
/// The wall clock when the first one comes.
const BEGIN_NS: u64 = 29_784_724_192_700;

/// A request read and answered, by the codec alone and by the server machine.
pub fn wall_clock() -> Vec<Contest> {
    vec![answer(), serve()]
}

fn requests() -> Vec<[u8; WcMessage::LEN]> {
    (0..REQUESTS).map(|n| WcMessage::request(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).encode()).collect()
}

fn answer() -> Contest {
    let (ours, by_hand) = (requests(), requests());
    Contest::new("wall clock: read a request, write the answer", Unit::Nanoseconds, ours.len())
        .entrant(OURS, move || {
            for (request, ns) in ours.iter().zip(BEGIN_NS..) {
                let Ok(request) = WcMessage::parse(black_box(request)) else { continue };
                let answer = WcMessage {
                    message_type: MessageType::Response,
                    precision: Precision(-20),
                    max_freq_error: MaxFreqError(128_000),
                    receive: TimeValue::from_nanos(black_box(ns)),
                    transmit: TimeValue::from_nanos(black_box(ns + 5000)),
                    ..request
                };
                black_box(answer.encode());
            }
        })
        .entrant("its bytes patched by hand", move || {
            for (request, ns) in by_hand.iter().zip(BEGIN_NS..) {
                let mut message = *black_box(request);
                if message[0] != 0 || message[1] != 0 {
                    continue;
                }
                message[1] = 1;
                message[2] = 0xec;
                message[4..8].copy_from_slice(&128_000_u32.to_be_bytes());
                message[16..24].copy_from_slice(&reading(black_box(ns)));
                message[24..32].copy_from_slice(&reading(black_box(ns + 5000)));
                black_box(message);
            }
        })
}

fn reading(ns: u64) -> [u8; 8] {
    ((ns / 1_000_000_000) << 32 | (ns % 1_000_000_000)).to_be_bytes()
}

/// The whole machine, as the driver calls it.
fn serve() -> Contest {
    let requests = requests();
    let mut server = Running::new();
    Contest::new("wall clock: the server machine answers a request", Unit::Nanoseconds, requests.len())
        .entrant(OURS, move || {
            for request in &requests {
                server.answer(black_box(request));
            }
        })
}

/// A server that is asked.
struct Running {
    server: WcServer,
    ns: u64,
}

impl Running {
    /// One that does not report requests, as under load.
    fn new() -> Self {
        Self { server: WcServer::new(WcServerConfig::new([0; 32])), ns: BEGIN_NS }
    }

    fn answer(&mut self, request: &[u8]) {
        self.ns += 10_000;
        let (now, received) = (Instant::from_nanos(self.ns), Instant::from_nanos(self.ns - 3000));
        let remote = SocketAddr::from(([127, 0, 0, 1], 6677));
        let peer = Peer::Udp(UdpPeer { socket: SocketId(0), remote, local: None });
        let input = Input::Datagram { data: request, received: Stamp::clock(received) };
        self.server.handle_input(now, peer, input);
        let answer = black_box(self.server.poll_output());
        assert!(matches!(answer, Some(Output::Datagram(_))));
    }
}
