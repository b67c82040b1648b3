//! cargo run --example css_blocking_clock -- 127.0.0.1:6677
//!
//! The wall clock client on a plain blocking socket: no runtime, no driver, the standard library alone.
//!
//! The machine says what to send and when to wake it; the loop does that and nothing else.

use std::net::UdpSocket;
use std::time::{Duration, Instant as StdInstant};

use anyhow::{Context, Result};
use dvb_css::client::WcClient;
use dvb_css::config::WcClientConfig;
use machine::{Input, Instant, Machine, Output, Peer, SocketId, Stamp, UdpPeer};

fn main() -> Result<()> {
    let server = std::env::args().nth(1).context("usage: css_blocking_clock HOST:PORT")?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(&server).with_context(|| format!("no such address: {server}"))?;
    let peer = UdpPeer { socket: SocketId(0), remote: socket.peer_addr()?, local: None };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut config = WcClientConfig::new(seed, peer);
    // Nobody here can tell when a request really left.
    config.transmit_stamps = false;
    let mut client = WcClient::new(config);

    let epoch = StdInstant::now();
    let now = || Instant::from_nanos(u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX));
    client.start(now())?;
    let mut buffer = [0; 64];
    let mut exchanges = 0;
    while exchanges < 12 {
        while let Some(output) = client.poll_output() {
            match output {
                // A request that is lost is lost; the next one follows.
                Output::Datagram(datagram) => drop(socket.send(&datagram.data)),
                Output::Event(_) => {
                    exchanges += 1;
                    if let Some((wall_ns, estimate)) = client.wall_clock(now()) {
                        println!("wall clock {wall_ns} ns, known to {:.3} ms", estimate.dispersion);
                    }
                }
                _ => {}
            }
        }
        let due = client.poll_timeout().context("a client that has started has something to do")?;
        let wait = due.saturating_since(now());
        if wait.is_zero() {
            client.handle_timeout(now());
            continue;
        }
        socket.set_read_timeout(Some(wait.max(Duration::from_micros(1))))?;
        if let Ok(len) = socket.recv(&mut buffer) {
            let input = Input::Datagram { data: &buffer[..len], received: Stamp::clock(now()) };
            client.handle_input(now(), Peer::Udp(peer), input);
        }
    }
    Ok(())
}
