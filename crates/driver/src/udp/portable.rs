//! Any system: one datagram a call, stamps read from the clock.

use std::io;
use std::net::UdpSocket;

use machine::{Datagram, SendTag, Stamp};

use super::{Received, UdpOptions};
use crate::clock;

const MAX_DATAGRAM: usize = 65_536;

#[derive(Debug)]
pub(super) struct Receiver {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl Receiver {
    pub(super) fn try_new(socket: UdpSocket, _wildcard: bool, _options: UdpOptions) -> io::Result<Self> {
        Ok(Self { socket, buffer: vec![0; MAX_DATAGRAM] })
    }

    pub(super) fn receive(
        &mut self,
        handle: impl FnOnce(&mut dyn Iterator<Item = Received<'_>>),
    ) -> io::Result<()> {
        let (len, remote) = self.socket.recv_from(&mut self.buffer)?;
        let stamp = Stamp::clock(clock::now());
        handle(&mut std::iter::once(Received { data: &self.buffer[..len], remote, local: None, stamp }));
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Sender {
    socket: UdpSocket,
}

impl Sender {
    pub(super) fn new(socket: UdpSocket, _wildcard: bool, _options: UdpOptions) -> Self {
        Self { socket }
    }

    pub(super) fn send_alike(&self, datagrams: &[Datagram]) {
        for datagram in datagrams {
            self.send(datagram);
        }
    }

    pub(super) fn send(&self, datagram: &Datagram) -> Option<(SendTag, Stamp)> {
        let before = datagram.stamp.map(|tag| (tag, Stamp::clock(clock::now())));
        let size = datagram.segment.map_or(usize::MAX, usize::from).max(1);
        for part in datagram.data.chunks(size) {
            if let Err(error) = self.socket.send_to(part, datagram.to.remote) {
                tracing::debug!(%error, to = %datagram.to.remote, "a datagram could not be sent");
            }
        }
        before
    }
}
