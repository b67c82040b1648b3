//! Linux: batches, kernel stamps, segmentation offload, the right source address.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use machine::{Datagram, Stamp, StampSource};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo, sock_extended_err};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, ReceiveTimestampns, Timestamping};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrLike, SockaddrStorage,
    TimestampingFlag, Timestamps, recvmmsg, recvmsg, sendmsg, setsockopt,
};
use nix::sys::time::TimeSpec;

use super::{Received, UdpOptions};
use crate::clock;

/// Room for any datagram.
const MAX_DATAGRAM: usize = 65_536;
/// So many datagrams are taken in one call at the most.
const MAX_BATCH: usize = 32;
/// The kernel's own limits for one segmented send.
const MAX_SEGMENTS: usize = 64;
const MAX_SEND: usize = 65_507;

#[derive(Debug)]
pub(super) struct Receiver {
    socket: UdpSocket,
    buffers: Vec<Vec<u8>>,
    /// Datagrams asked for in one call: grows while calls come back full.
    batch: usize,
}

impl Receiver {
    pub(super) fn try_new(socket: UdpSocket, wildcard: bool, options: UdpOptions) -> io::Result<Self> {
        if options.kernel_stamps {
            if let Err(error) = setsockopt(&socket, ReceiveTimestampns, &true) {
                tracing::warn!(%error, "the kernel gives no receive times; reading the clock instead");
            }
            let flags = TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
                | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
                | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
                | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
            if let Err(error) = setsockopt(&socket, Timestamping, &flags) {
                tracing::warn!(%error, "the kernel gives no transmit times; reading the clock instead");
            }
        }
        if wildcard {
            match socket.local_addr()? {
                SocketAddr::V4(_) => setsockopt(&socket, Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, Ipv6RecvPacketInfo, &true)?,
            }
        }
        Ok(Self { socket, buffers: Vec::new(), batch: 1 })
    }

    /// Waits for datagrams and hands on as many as there are.
    pub(super) fn receive(
        &mut self,
        handle: impl FnOnce(&mut dyn Iterator<Item = Received<'_>>),
    ) -> io::Result<()> {
        while self.buffers.len() < self.batch {
            // Zeroed pages that are not touched until a datagram is that long.
            self.buffers.push(vec![0; MAX_DATAGRAM]);
        }
        let fd = self.socket.as_raw_fd();
        // The kernel writes lengths into the headers, so each call wants fresh ones.
        let space = cmsg_space!(TimeSpec, in6_pktinfo, Timestamps);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(self.batch, Some(space));
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().take(self.batch).map(|b| [IoSliceMut::new(b)]).collect();
        let messages = recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None)?;
        let arrived = clock::now();
        let wall = WallMap::read();
        let mut n = 0;
        let mut received = messages.filter_map(|message| {
            n += 1;
            let remote = to_std(message.address.as_ref()?)?;
            let data = message.iovs().next().unwrap_or(&[]);
            let mut stamp = Stamp::clock(arrived);
            let mut local = None;
            for control in message.cmsgs().ok()? {
                match control {
                    ControlMessageOwned::ScmTimestampns(t) => stamp = wall.stamp(t).unwrap_or(stamp),
                    ControlMessageOwned::Ipv4PacketInfo(info) => {
                        local = Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr))));
                    }
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        local = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                    }
                    _ => {}
                }
            }
            Some(Received { data, remote, local, stamp })
        });
        handle(&mut received);
        received.by_ref().for_each(drop);
        let full = n == self.batch;
        self.batch = if full { self.batch * 2 } else { n.next_power_of_two() }.clamp(1, MAX_BATCH);
        Ok(())
    }
}

/// Carries kernel stamps, which are wall-clock time, over to monotonic time.
struct WallMap {
    mono_ns: u64,
    wall_ns: i64,
}

impl WallMap {
    fn read() -> Self {
        let (mono, wall_ns) = clock::both();
        Self { mono_ns: mono.as_nanos(), wall_ns }
    }

    /// `None` for a stamp that cannot be right: from the future, or more than a second old (a stepped clock).
    fn stamp(&self, t: TimeSpec) -> Option<Stamp> {
        let stamp_ns = t.tv_sec().checked_mul(1_000_000_000)?.checked_add(t.tv_nsec())?;
        let age = self.wall_ns.checked_sub(stamp_ns)?;
        // The two readings of the pair lie up to a few microseconds apart.
        if !(-10_000..=1_000_000_000).contains(&age) {
            return None;
        }
        let at = machine::Instant::from_nanos(self.mono_ns.checked_add_signed(-age)?);
        Some(Stamp { at, source: StampSource::Kernel })
    }
}

#[derive(Debug)]
pub(super) struct Sender {
    socket: UdpSocket,
    wildcard: bool,
    /// The kernel cuts a long buffer into datagrams for us. Switched off when it refuses to.
    segmentation: AtomicBool,
    /// With kernel stamps: how many sends the kernel has counted on this socket. The lock keeps count and send
    /// together.
    sends: Option<Mutex<u32>>,
}

impl Sender {
    pub(super) fn new(socket: UdpSocket, wildcard: bool, options: UdpOptions) -> Self {
        let segmentation = AtomicBool::new(true);
        Self { socket, wildcard, segmentation, sends: options.kernel_stamps.then(Mutex::default) }
    }

    /// Returns when the (last) datagram left.
    pub(super) fn send(&self, datagram: &Datagram) -> Stamp {
        let Some(sends) = &self.sends else {
            let before = clock::now();
            self.send_all(datagram);
            return Stamp::clock(before);
        };
        let mut sends = sends.lock().unwrap_or_else(PoisonError::into_inner);
        let before = clock::now();
        let sent = self.send_all(datagram);
        *sends = sends.wrapping_add(sent);
        let last = sends.wrapping_sub(1);
        let wanted = datagram.stamp.is_some() && sent > 0;
        // Reports of sends that nobody asked about are read too, or they would fill the error queue.
        let mut stamp = self.transmit_stamp(last);
        if stamp.is_none() && wanted {
            // A network card may report a little later than the call returns.
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
            if poll(&mut fds, PollTimeout::from(2u8)).is_ok_and(|n| n > 0) {
                stamp = self.transmit_stamp(last);
            }
        }
        stamp.unwrap_or(Stamp::clock(before))
    }

    /// Sends all segments; returns how many calls of the kernel did it.
    fn send_all(&self, datagram: &Datagram) -> u32 {
        let data = &datagram.data[..];
        let segment = match datagram.segment {
            Some(s) if s > 0 && usize::from(s) < data.len() => s,
            _ => return u32::from(self.send_one(datagram, data, None).is_ok()),
        };
        let size = usize::from(segment);
        let in_a_call = (MAX_SEND / size).clamp(1, MAX_SEGMENTS) * size;
        let mut sent = 0;
        for part in data.chunks(in_a_call) {
            if self.segmentation.load(Ordering::Relaxed) && part.len() > size {
                match self.send_one(datagram, part, Some(segment)) {
                    Ok(()) => {
                        sent += 1;
                        continue;
                    }
                    // What kernels and network cards say that cannot segment.
                    Err(Errno::EINVAL | Errno::EIO | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP) => {
                        tracing::debug!("no UDP segmentation here: sending one by one");
                        self.segmentation.store(false, Ordering::Relaxed);
                    }
                    Err(_) => continue,
                }
            }
            for one in part.chunks(size) {
                sent += u32::from(self.send_one(datagram, one, None).is_ok());
            }
        }
        sent
    }

    fn send_one(&self, datagram: &Datagram, data: &[u8], segment: Option<u16>) -> Result<(), Errno> {
        let to = SockaddrStorage::from(datagram.to.remote);
        let (v4, v6);
        let mut controls = [ControlMessage::UdpGsoSegments(&0); 2];
        let mut n = 0;
        if let Some(size) = &segment {
            controls[n] = ControlMessage::UdpGsoSegments(size);
            n += 1;
        }
        match datagram.to.local.filter(|_| self.wildcard) {
            Some(IpAddr::V4(from)) => {
                let none = in_addr { s_addr: 0 };
                v4 = in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: in_addr { s_addr: from.to_bits().to_be() },
                    ipi_addr: none,
                };
                controls[n] = ControlMessage::Ipv4PacketInfo(&v4);
                n += 1;
            }
            Some(IpAddr::V6(from)) => {
                v6 = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: from.octets() }, ipi6_ifindex: 0 };
                controls[n] = ControlMessage::Ipv6PacketInfo(&v6);
                n += 1;
            }
            None => {}
        }
        let iov = [IoSlice::new(data)];
        let result =
            sendmsg(self.socket.as_raw_fd(), &iov, &controls[..n], MsgFlags::MSG_DONTWAIT, Some(&to));
        if let Err(error) = result {
            tracing::debug!(%error, to = %datagram.to.remote, "a datagram could not be sent");
        }
        result.map(drop)
    }

    /// Reads all transmit reports that wait; returns the one of send number `wanted`.
    fn transmit_stamp(&self, wanted: u32) -> Option<Stamp> {
        let mut found = None;
        let mut control = cmsg_space!(Timestamps, sock_extended_err, in6_pktinfo, SockaddrStorage);
        loop {
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let mut iov: [IoSliceMut<'_>; 0] = [];
            let report =
                recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut iov, Some(&mut control), flags);
            let Ok(report) = report else { return found };
            let (mut number, mut stamp) = (None, None);
            for control in report.cmsgs().into_iter().flatten() {
                match control {
                    ControlMessageOwned::ScmTimestampsns(t) => stamp = WallMap::read().stamp(t.system),
                    ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => {
                        number = Some(e.ee_data);
                    }
                    _ => {}
                }
            }
            if number == Some(wanted) {
                found = stamp;
            }
        }
    }
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if address.len() == 0 {
        return None;
    }
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use machine::{SocketId, UdpPeer};
    use std::time::Duration;

    #[test]
    fn equal_datagrams_leave_in_one_call_each_64() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let to = UdpPeer { socket: SocketId(0), remote: receiver.local_addr().unwrap(), local: None };
        let sender = Sender::new(UdpSocket::bind("127.0.0.1:0").unwrap(), false, UdpOptions::PLAIN);
        let data: Vec<u8> = (0..64 * 500 + 7).map(|i| (i / 500) as u8).collect();
        let datagram = Datagram { to, data: Bytes::from(data), segment: Some(500), stamp: None };
        let segmented = sender.send_all(&datagram);
        let mut buffer = [0; 1000];
        let mut receive = |n: u8| {
            for i in 0..=n {
                let len = receiver.recv(&mut buffer).unwrap();
                assert_eq!((len, buffer[0]), (if i == n { 7 } else { 500 }, i));
            }
        };
        receive(64);
        assert_eq!(segmented, 2, "64 segments in one call, the odd one in another");

        // Where the kernel refuses, the same datagrams leave one by one.
        sender.segmentation.store(false, Ordering::Relaxed);
        assert_eq!(sender.send_all(&datagram), 65);
        receive(64);
    }
}
