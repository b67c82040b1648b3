//! The session as Art-Net timecode: one packet at the beginning of each frame.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result};
use driver::cli;
use smpte_timecode::artnet::ArtTimeCode;

use super::{IDLE, Session};
use crate::artnet::host_and_port;

pub(super) struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Sender {
    pub(super) fn open(host: &str) -> Result<Self> {
        let (name, port) =
            host_and_port(host).map_err(|what| anyhow::anyhow!("--artnet: '{host}': {what}"))?;
        let to = cli::resolve("--artnet", name, port)?;
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
