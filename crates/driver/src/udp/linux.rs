//! Linux: batches, kernel stamps, segmentation offload, the right source address.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use machine::{Datagram, SendTag, Stamp, StampSource};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo, sock_extended_err};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, ReceiveTimestampns, Timestamping};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrLike, SockaddrStorage,
    TimestampingFlag, Timestamps, recvmmsg, recvmsg, sendmmsg, sendmsg, sendto, setsockopt,
};
use nix::sys::time::TimeSpec;

use super::{Received, UdpOptions};
use crate::clock;

/// Room for any datagram.
const MAX_DATAGRAM: usize = 65_536;
/// So many datagrams are sent in one call at the most.
const MAX_BATCH: usize = 32;
/// So many are taken in one call at the most. Most of what a call costs is shared well by then; who took all that a peer
/// has under way would have it wait for the answers and wait then for it, in turns.
const MAX_TAKEN: usize = 8;
/// The kernel's own limits for one segmented send.
const MAX_SEGMENTS: usize = 64;
const MAX_SEND: usize = 65_507;
/// Longer datagrams are not put into one buffer to be cut again: a network on the way might not take them as they are,
/// and then the kernel refuses to cut.
const MAX_IN_RUN: usize = 1200;
/// One clock was stepped if the difference of the two has changed by more: readings one after the other are less apart,
/// and who was held up between them reads again.
const WALL_STEP_NS: u64 = 1000;
/// A stamp that is older cannot be right,
const MAX_AGE: Duration = Duration::from_secs(1);
/// nor one that is further ahead: the difference of the clocks is known to within less.
const MAX_AHEAD: Duration = Duration::from_micros(10);

#[derive(Debug)]
pub(super) struct Receiver {
    socket: UdpSocket,
    buffers: [Vec<u8>; MAX_TAKEN],
    /// Bytes of all that the kernel has been asked to tell of a datagram.
    control: usize,
    /// Datagrams asked for in one call: grows while calls come back full.
    batch: usize,
    wall: WallMap,
}

impl Receiver {
    pub(super) fn try_new(socket: UdpSocket, wildcard: bool, options: UdpOptions) -> io::Result<Self> {
        if options.kernel_stamps
            && let Err(error) = setsockopt(&socket, ReceiveTimestampns, &true)
        {
            tracing::warn!(%error, "the kernel gives no receive times; reading the clock instead");
        }
        if options.departures {
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
        let control = [
            (options.kernel_stamps, cmsg_space!(TimeSpec)),
            (options.departures, cmsg_space!(Timestamps)),
            (wildcard, cmsg_space!(in6_pktinfo)),
        ]
        .iter()
        .map(|(asked, space)| if *asked { space.len() } else { 0 })
        .sum();
        Ok(Self { socket, buffers: Default::default(), control, batch: 1, wall: WallMap::read() })
    }

    /// Waits for datagrams and hands on as many as there are.
    pub(super) fn receive(
        &mut self,
        handle: impl FnOnce(&mut dyn Iterator<Item = Received<'_>>),
    ) -> io::Result<()> {
        for buffer in self.buffers.iter_mut().take(self.batch) {
            // Zeroed pages that are not touched until a datagram is that long.
            if buffer.is_empty() {
                *buffer = vec![0; MAX_DATAGRAM];
            }
        }
        let fd = self.socket.as_raw_fd();
        let mut slices = self.buffers.each_mut().map(|b| [IoSliceMut::new(b)]);
        // The kernel writes lengths into the headers, so each call wants fresh ones.
        let control = (self.control > 0).then(|| Vec::with_capacity(self.control));
        let mut headers = MultiHeaders::preallocate(self.batch, control);
        let messages = recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None)?;
        let arrived = self.wall.now();
        let mut n = 0;
        let mut received = messages.filter_map(|message| {
            n += 1;
            self.wall.received(&message, arrived)
        });
        handle(&mut received);
        received.by_ref().for_each(drop);
        let full = n == self.batch;
        self.batch = if full { self.batch * 2 } else { n.next_power_of_two() }.clamp(1, MAX_TAKEN);
        Ok(())
    }
}

/// Carries kernel stamps, which are wall-clock time, over to monotonic time.
#[derive(Debug)]
struct WallMap {
    /// Wall minus monotonic time.
    offset_ns: i64,
}

impl WallMap {
    fn read() -> Self {
        let (mono, wall_ns) = clock::both();
        Self { offset_ns: wall_ns.wrapping_sub_unsigned(mono.as_nanos()) }
    }

    /// Monotonic time now. The wall clock is read as well, and the map made anew if one of them was stepped.
    fn now(&mut self) -> machine::Instant {
        let now = clock::now();
        let offset_ns = clock::unix_now().wrapping_sub_unsigned(now.as_nanos());
        if offset_ns.abs_diff(self.offset_ns) > WALL_STEP_NS {
            *self = Self::read();
        }
        now
    }

    /// What came, and when.
    fn received<'a>(
        &self,
        message: &RecvMsg<'_, 'a, SockaddrStorage>,
        arrived: machine::Instant,
    ) -> Option<Received<'a>> {
        let remote = to_std(message.address.as_ref()?)?;
        let data = message.iovs().next().unwrap_or(&[]);
        let mut stamp = Stamp::clock(arrived);
        let mut local = None;
        for control in message.cmsgs().ok()? {
            match control {
                ControlMessageOwned::ScmTimestampns(t) => stamp = self.stamp(t, arrived).unwrap_or(stamp),
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
    }

    /// `None` for a stamp that cannot be right: from the future, or more than a second old (a stepped clock).
    fn stamp(&self, t: TimeSpec, now: machine::Instant) -> Option<Stamp> {
        let stamp_ns = t.tv_sec().checked_mul(1_000_000_000)?.checked_add(t.tv_nsec())?;
        let at = machine::Instant::from_nanos(u64::try_from(stamp_ns.checked_sub(self.offset_ns)?).ok()?);
        let fits = now.saturating_since(at) <= MAX_AGE && at.saturating_since(now) <= MAX_AHEAD;
        fits.then_some(Stamp { at, source: StampSource::Kernel })
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
        Self { socket, wildcard, segmentation, sends: options.departures.then(Mutex::default) }
    }

    /// Returns when the (last) datagram left, if that is asked.
    pub(super) fn send(&self, datagram: &Datagram) -> Option<(SendTag, Stamp)> {
        let Some(sends) = &self.sends else {
            let before = datagram.stamp.map(|tag| (tag, Stamp::clock(clock::now())));
            self.send_all(datagram);
            return before;
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
        datagram.stamp.map(|tag| (tag, stamp.unwrap_or(Stamp::clock(before))))
    }

    /// Sends all segments; returns how many calls of the kernel did it.
    fn send_all(&self, datagram: &Datagram) -> u32 {
        let data = &datagram.data[..];
        let Some(segment) = super::segment(datagram) else {
            return u32::from(self.send_one(datagram, data, None).is_ok());
        };
        let size = usize::from(segment);
        let mut sent = 0;
        for part in data.chunks(in_a_call(segment)) {
            if self.segmentation.load(Ordering::Relaxed) && part.len() > size {
                match self.send_one(datagram, part, Some(segment)) {
                    Ok(()) => {
                        sent += 1;
                        continue;
                    }
                    Err(error) if cannot_segment(error) => {
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

    /// Sends [alike](super::are_alike) datagrams, many to a call.
    pub(super) fn send_alike(&self, datagrams: &[Datagram]) {
        let mut sends = self.sends.as_ref().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner));
        for batch in datagrams.chunks(MAX_BATCH) {
            let sent = self.send_batch(batch);
            if let Some(sends) = &mut sends {
                **sends = sends.wrapping_add(sent);
                // Reports of sends that nobody asked about, or they would fill the error queue.
                self.transmit_stamp(sends.wrapping_sub(1));
            }
        }
    }

    /// Returns how many sends the kernel has counted. What it refuses is left out, as datagrams are lost.
    fn send_batch(&self, batch: &[Datagram]) -> u32 {
        let Some(one) = batch.first() else { return 0 };
        let segmentation = self.segmentation.load(Ordering::Relaxed);
        match super::segment(one) {
            None if segmentation => self.send_runs(batch),
            None => self.send_many(batch, None),
            Some(size) => {
                // The control messages are those of all the batch, and so are the limits of one call.
                let longest = batch.iter().map(|d| d.data.len()).max().unwrap_or(0);
                if longest > in_a_call(size) || !segmentation {
                    return self.one_by_one(batch);
                }
                self.send_many(batch, Some(size))
            }
        }
    }

    /// Datagrams in a row that are equally long and for the same peer leave as one, which the kernel cuts.
    fn send_runs(&self, batch: &[Datagram]) -> u32 {
        let (mut sent, mut begin, mut end) = (0, 0, 0);
        for run in batch.chunk_by(|a, b| a.to.remote == b.to.remote && a.data.len() == b.data.len()) {
            let len = run.first().map_or(0, |d| d.data.len());
            if run.len() > 1 && (1..=MAX_IN_RUN).contains(&len) {
                sent += self.send_many(&batch[begin..end], None);
                sent += self.send_run(run, len as u16);
                begin = end + run.len();
            }
            end += run.len();
        }
        sent + self.send_many(&batch[begin..], None)
    }

    fn send_run(&self, run: &[Datagram], len: u16) -> u32 {
        let Some(first) = run.first() else { return 0 };
        let mut slices = [IoSlice::new(&[]); MAX_BATCH];
        for (slice, datagram) in slices.iter_mut().zip(run) {
            *slice = IoSlice::new(&datagram.data);
        }
        match self.send_slices(first, &slices[..run.len().min(MAX_BATCH)], Some(len)) {
            Ok(()) => 1,
            Err(error) if cannot_segment(error) => {
                tracing::debug!("no UDP segmentation here: sending one by one");
                self.segmentation.store(false, Ordering::Relaxed);
                self.send_many(run, None)
            }
            Err(_) => 0,
        }
    }

    fn one_by_one(&self, rest: &[Datagram]) -> u32 {
        rest.iter().map(|d| self.send_all(d)).sum()
    }

    /// Sends alike datagrams in one call, or as many as it takes.
    fn send_many(&self, batch: &[Datagram], segment: Option<u16>) -> u32 {
        let Some(one) = batch.first() else { return 0 };
        let source = Source::of(one.to.local.filter(|_| self.wildcard));
        let controls = Controls::new(segment.as_ref(), source.as_ref());
        let mut sent = 0;
        let mut rest = batch;
        while let [first, others @ ..] = rest {
            let slices: Vec<[IoSlice<'_>; 1]> = rest.iter().map(|d| [IoSlice::new(&d.data)]).collect();
            let to: Vec<_> = rest.iter().map(|d| Some(SockaddrStorage::from(d.to.remote))).collect();
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(rest.len(), controls.space());
            let fd = self.socket.as_raw_fd();
            match sendmmsg(fd, &mut headers, &slices, &to, controls.as_slice(), MsgFlags::MSG_DONTWAIT) {
                Ok(results) => {
                    let taken = results.count().max(1);
                    sent += u32::try_from(taken).unwrap_or(u32::MAX);
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Err(error) if segment.is_some() && cannot_segment(error) => {
                    return sent + self.one_by_one(rest);
                }
                Err(error) => {
                    tracing::debug!(%error, to = %first.to.remote, "a datagram could not be sent");
                    rest = others;
                }
            }
        }
        sent
    }

    fn send_one(&self, datagram: &Datagram, data: &[u8], segment: Option<u16>) -> Result<(), Errno> {
        let source = datagram.to.local.filter(|_| self.wildcard);
        if segment.is_none() && source.is_none() {
            let to = SockaddrStorage::from(datagram.to.remote);
            return told(datagram, sendto(self.socket.as_raw_fd(), data, &to, MsgFlags::MSG_DONTWAIT));
        }
        self.send_slices(datagram, &[IoSlice::new(data)], segment)
    }

    /// Sends some bytes to where a datagram goes.
    fn send_slices(
        &self,
        datagram: &Datagram,
        iov: &[IoSlice<'_>],
        segment: Option<u16>,
    ) -> Result<(), Errno> {
        let to = SockaddrStorage::from(datagram.to.remote);
        let source = Source::of(datagram.to.local.filter(|_| self.wildcard));
        let controls = Controls::new(segment.as_ref(), source.as_ref());
        let fd = self.socket.as_raw_fd();
        told(datagram, sendmsg(fd, iov, controls.as_slice(), MsgFlags::MSG_DONTWAIT, Some(&to)))
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
                    ControlMessageOwned::ScmTimestampsns(t) => {
                        stamp = WallMap::read().stamp(t.system, clock::now())
                    }
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

/// Says in the log what the kernel refused.
fn told(datagram: &Datagram, result: nix::Result<usize>) -> Result<(), Errno> {
    if let Err(error) = result {
        tracing::debug!(%error, to = %datagram.to.remote, "a datagram could not be sent");
    }
    result.map(drop)
}

/// The address that a datagram leaves from, as the kernel wants to be told.
enum Source {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Source {
    fn of(address: Option<IpAddr>) -> Option<Self> {
        Some(match address? {
            IpAddr::V4(from) => Self::V4(in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: in_addr { s_addr: from.to_bits().to_be() },
                ipi_addr: in_addr { s_addr: 0 },
            }),
            IpAddr::V6(from) => {
                Self::V6(in6_pktinfo { ipi6_addr: in6_addr { s6_addr: from.octets() }, ipi6_ifindex: 0 })
            }
        })
    }

    fn control(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

/// What goes with a send besides the bytes.
struct Controls<'a> {
    messages: [ControlMessage<'a>; 2],
    n: usize,
    /// Bytes they take up, neither more nor less: `sendmmsg` shows the kernel all that is set aside.
    len: usize,
}

impl<'a> Controls<'a> {
    fn new(segment: Option<&'a u16>, source: Option<&'a Source>) -> Self {
        let mut controls = Self { messages: [ControlMessage::UdpGsoSegments(&0); 2], n: 0, len: 0 };
        if let Some(size) = segment {
            controls.push(ControlMessage::UdpGsoSegments(size), cmsg_space!(u16).capacity());
        }
        if let Some(source) = source {
            let len = match source {
                Source::V4(_) => cmsg_space!(in_pktinfo).capacity(),
                Source::V6(_) => cmsg_space!(in6_pktinfo).capacity(),
            };
            controls.push(source.control(), len);
        }
        controls
    }

    fn push(&mut self, message: ControlMessage<'a>, len: usize) {
        self.messages[self.n] = message;
        self.n += 1;
        self.len += len;
    }

    fn as_slice(&self) -> &[ControlMessage<'a>] {
        &self.messages[..self.n]
    }

    fn space(&self) -> Option<Vec<u8>> {
        (self.n > 0).then(|| Vec::with_capacity(self.len))
    }
}

/// Bytes of segments of this size that one send takes.
fn in_a_call(segment: u16) -> usize {
    let size = usize::from(segment);
    (MAX_SEND / size).clamp(1, MAX_SEGMENTS) * size
}

/// What kernels and network cards say that cannot segment.
fn cannot_segment(error: Errno) -> bool {
    matches!(error, Errno::EINVAL | Errno::EIO | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)
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

    #[test]
    fn stamps_are_mapped_by_clocks_as_they_are_now() {
        let mut wall = WallMap { offset_ns: 5_000_000_000 };
        let now = machine::Instant::from_nanos(70_000_000_000);
        let at = |s, ns| wall.stamp(TimeSpec::new(s, ns), now).map(|stamp| stamp.at.as_nanos());
        assert_eq!(at(74, 999_999_000), Some(69_999_999_000));
        assert_eq!(at(74, 0), Some(69_000_000_000));
        assert_eq!(at(73, 999_999_999), None, "too old");
        assert_eq!(at(75, 10_000), Some(70_000_010_000));
        assert_eq!(at(75, 10_001), None, "from the future");
        assert_eq!(at(4, 0), None, "before the clock began");
        // a clock was stepped, as far as this one knows
        wall.now();
        let (mono, wall_ns) = clock::both();
        let offset_ns = wall_ns - mono.as_nanos() as i64;
        assert!(wall.offset_ns.abs_diff(offset_ns) < 1_000_000_000, "{wall:?}");
    }

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

    #[test]
    fn different_datagrams_leave_in_few_calls_and_none_is_lost() {
        for options in [UdpOptions::PLAIN, UdpOptions::STAMPED] {
            let receivers: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
            let to = |local: Option<IpAddr>, remote| UdpPeer { socket: SocketId(0), remote, local };
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            let port = socket.local_addr().unwrap().port();
            let _receiver = Receiver::try_new(socket.try_clone().unwrap(), true, options).unwrap();
            let sender = Sender::new(socket, true, options);
            // one of them to nowhere: it is left out
            let datagrams: Vec<_> = (0..100_usize)
                .map(|i| {
                    let nowhere = "[::1]:9".parse().unwrap();
                    let remote = if i == 50 { nowhere } else { receivers[i % 3].local_addr().unwrap() };
                    let data = Bytes::from(vec![i as u8; 1 + i]);
                    Datagram { to: to(Some([127, 0, 0, 5].into()), remote), data, segment: None, stamp: None }
                })
                .collect();
            sender.send_alike(&datagrams);
            let mut buffer = [0; 200];
            for i in (0..100).filter(|i| *i != 50) {
                let receiver = &receivers[i % 3];
                receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let (len, from) = receiver.recv_from(&mut buffer).unwrap();
                assert_eq!((len, usize::from(buffer[0])), (1 + i, i));
                assert_eq!(from, SocketAddr::from(([127, 0, 0, 5], port)));
            }
            // three bursts of segments, one of them too long for one call: all of them arrive
            let burst = |n: usize, remote| {
                let data = Bytes::from((0..n).map(|i| (i / 900) as u8).collect::<Vec<_>>());
                Datagram { to: to(None, remote), data, segment: Some(900), stamp: None }
            };
            let lengths = [900 * 9 + 5, 900 * 80, 900 * 3];
            let bursts: Vec<_> =
                lengths.iter().zip(&receivers).map(|(n, r)| burst(*n, r.local_addr().unwrap())).collect();
            for batch in [bursts.clone(), vec![bursts[0].clone(), bursts[2].clone()]] {
                sender.send_alike(&batch);
                for burst in batch {
                    let receiver =
                        receivers.iter().find(|r| r.local_addr().unwrap() == burst.to.remote).unwrap();
                    let mut buffer = [0; 1000];
                    for part in burst.data.chunks(900) {
                        let len = receiver.recv(&mut buffer).unwrap();
                        assert_eq!(&buffer[..len], part);
                    }
                }
            }
            // equal ones in a row arrive as they were, and those of other lengths between them in their places
            let lengths = [32, 32, 32, 7, 0, 0, 32, 32, 1300, 1300, 5];
            let row: Vec<_> = lengths
                .iter()
                .zip(0_u8..)
                .map(|(len, i)| {
                    let data = Bytes::from(vec![i; *len]);
                    let remote = receivers[1].local_addr().unwrap();
                    Datagram { to: to(None, remote), data, segment: None, stamp: None }
                })
                .collect();
            sender.send_alike(&row);
            for datagram in &row {
                let mut buffer = [0; 2000];
                let len = receivers[1].recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..len], datagram.data);
            }
            // the count of sends is still right: the next report is that of the next send
            let asked = Datagram {
                to: to(None, receivers[0].local_addr().unwrap()),
                data: Bytes::from_static(b"x"),
                segment: None,
                stamp: Some(machine::SendTag(1)),
            };
            let source = sender.send(&asked).unwrap().1.source;
            let expected = if options.departures { StampSource::Kernel } else { StampSource::Clock };
            assert_eq!(source, expected);
        }
    }
}
