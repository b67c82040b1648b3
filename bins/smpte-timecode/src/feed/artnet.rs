//! The session as Art-Net timecode: one packet at the beginning of each frame.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result};
use driver::cli;
use smpte_timecode::artnet::{ArtTimeCode, PORT};

use super::{IDLE, Session};

pub(super) struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Sender {
    pub(super) fn open(host: &str) -> Result<Self> {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
                (name, port.parse().ok().with_context(|| format!("--artnet: '{port}' is not a port"))?)
            }
            _ => (host, PORT),
        };
        let to = cli::resolve("--artnet", name.trim_start_matches('[').trim_end_matches(']'), port)?;
        let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        socket.set_broadcast(true)?;
        Ok(Self { socket, to })
    }
}

pub(super) fn feed(session: &Session, sender: &Sender) -> Result<()> {
    let mut last = None;
    let mut failing = false;
    while !session.is_over() {
        let now = driver::now();
        let Some(place) = session.place() else {
            session.sleep_until(now + IDLE);
            continue;
        };
        if last != Some(place.timecode) {
            last = Some(place.timecode);
            let packet = ArtTimeCode::try_new(place.timecode)
                .with_context(|| format!("Art-Net timecode at {} frames a second", place.rate()))?;
            // A network that is away comes back; the next frame is sent anyway.
            let sent = sender.socket.send_to(&packet.encode(), sender.to);
            if let (Err(error), false) = (&sent, failing) {
                tracing::warn!(%error, to = %sender.to, "cannot send now");
            }
            failing = sent.is_err();
        }
        let next = if place.running { place.begin_of(place.frame + 1) } else { now + IDLE };
        session.sleep_until(next);
    }
    Ok(())
}
