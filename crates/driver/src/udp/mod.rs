//! UDP sockets: one blocking thread receives for each, whoever called the machine sends.
//!
//! A thread that sleeps in the receive call is woken by the kernel with nothing in between; a datagram and its answer
//! cost two system calls. On Linux as many as wait are received in one call, those that a machine says one after the
//! other leave in one call, equal ones are cut from one buffer by the kernel; they come with the kernel's receive time
//! and leave with a report of the transmit time where asked.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::Duration;

use machine::{Datagram, Input, Machine, Peer, SendTag, SocketId, Stamp, UdpPeer};

use crate::core::{Core, Driver};

#[cfg(target_os = "linux")]
use linux::{Receiver, Sender};
#[cfg(not(target_os = "linux"))]
use portable::{Receiver, Sender};

/// How often a receiving thread looks whether it is still wanted.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(250);

/// What a UDP socket is to do besides sending and receiving.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct UdpOptions {
    /// Ask the kernel when datagrams arrive and, where the machine wants to know, when they leave. Without this, or
    /// where the system cannot, stamps are readings of the clock next to the system call.
    pub kernel_stamps: bool,
    /// Of these, those of departures too. Each send then costs two more system calls.
    pub departures: bool,
}

impl UdpOptions {
    /// Plain datagrams.
    pub const PLAIN: Self = Self { kernel_stamps: false, departures: false };
    /// With stamps by the kernel, where there are any.
    pub const STAMPED: Self = Self { kernel_stamps: true, departures: true };
    /// With stamps by the kernel of arrivals only, for a machine that never asks when something left.
    pub const ARRIVALS: Self = Self { kernel_stamps: true, departures: false };
}

impl<M> Driver<M>
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    /// Serves a bound socket: its datagrams come to the machine as from `id`, the machine sends through it by `id`.
    ///
    /// # Errors
    /// When the socket cannot be set up, or no thread can be had for it.
    pub fn serve_udp(&self, socket: UdpSocket, id: SocketId, options: UdpOptions) -> io::Result<()> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
        let wildcard = socket.local_addr()?.ip().is_unspecified();
        let (sender, receiver) = open(socket, wildcard, options)?;
        let socket = Arc::new(Socket { id, sender });
        let core = Arc::downgrade(&self.0);
        let stop = self.0.stop.clone();
        self.0.add_socket(socket.clone());
        let watch = Arc::downgrade(&socket);
        let run = move || receive_loop(&core, id, &watch, receiver, &stop);
        if let Err(error) = std::thread::Builder::new().name(format!("udp {}", id.0)).spawn(run) {
            self.0.remove_socket(id);
            return Err(error);
        }
        Ok(())
    }

    /// Takes a socket from the machine again; it is closed within a quarter of a second.
    pub fn close_udp(&self, id: SocketId) {
        self.0.remove_socket(id);
    }
}

fn open(socket: UdpSocket, wildcard: bool, options: UdpOptions) -> io::Result<(Sender, Receiver)> {
    let receiver = Receiver::try_new(socket.try_clone()?, wildcard, options)?;
    Ok((Sender::new(socket, wildcard, options), receiver))
}

/// The sending half of a socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: SocketId,
    sender: Sender,
}

impl Socket {
    /// Sends; what the kernel does not take is lost, as datagrams are. Returns when it left, if that was asked.
    pub(crate) fn send(&self, datagram: &Datagram) -> Option<(SendTag, Stamp)> {
        self.sender.send(datagram)
    }

    /// Sends several datagrams that can leave in one call: see [`are_alike`].
    pub(crate) fn send_all(&self, datagrams: &[Datagram]) {
        self.sender.send_alike(datagrams);
    }
}

/// Whether two datagrams can leave in one call: nobody asks when they leave, they leave from the same address, and are
/// cut into segments of the same size or not at all.
pub(crate) fn are_alike(a: &Datagram, b: &Datagram) -> bool {
    let unasked = a.stamp.is_none() && b.stamp.is_none();
    unasked && a.to.local == b.to.local && segment(a) == segment(b)
}

/// The size of the segments that a datagram is cut into; `None` if it leaves as it is.
fn segment(datagram: &Datagram) -> Option<u16> {
    datagram.segment.filter(|s| *s > 0 && usize::from(*s) < datagram.data.len())
}

/// A datagram as the receiver hands it on.
struct Received<'a> {
    data: &'a [u8],
    remote: SocketAddr,
    local: Option<IpAddr>,
    stamp: Stamp,
}

fn receive_loop<M>(
    core: &Weak<Core<M>>,
    id: SocketId,
    socket: &Weak<Socket>,
    mut receiver: Receiver,
    stop: &tokio_util::sync::CancellationToken,
) where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    while !stop.is_cancelled() && socket.strong_count() > 0 {
        let result = receiver.receive(|batch| {
            let Some(core) = core.upgrade() else { return };
            core.run(|m, now| {
                for Received { data, remote, local, stamp } in batch {
                    let peer = Peer::Udp(UdpPeer { socket: id, remote, local });
                    m.handle_input(now, peer, Input::Datagram { data, received: stamp });
                }
            });
        });
        match result {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // An ICMP error of an earlier send, or a passing lack of memory. Never a reason to stop receiving.
                tracing::debug!(%error, "a receive call failed");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
