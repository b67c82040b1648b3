//! The NTP datagram (RFC 5905 §7.3, RFC 4330 §4).

use thiserror::Error;

use crate::UnixTime;

/// Seconds since 1900 with a fraction of 32 bits. Eras repeat every 136 years; the one that lies in 1968 to 2104 is
/// meant (RFC 4330 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NtpTimestamp(pub u64);

impl NtpTimestamp {
    /// The time in nanoseconds since 1970, rounded to the nearest.
    pub fn to_unix(self) -> UnixTime {
        let (seconds, fraction) = (self.0 >> 32, self.0 & 0xffff_ffff);
        // The upper half of the first era, or the lower half of the next.
        let era = if seconds & 0x8000_0000 != 0 { 0 } else { 1_i64 << 32 };
        let seconds = i64::try_from(seconds).unwrap_or(0) + era - EPOCHS;
        let nanos = (fraction * 1_000_000_000 + (1 << 31)) >> 32;
        UnixTime::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add_unsigned(nanos))
    }

    /// From nanoseconds since 1970, rounded to the nearest.
    pub fn from_unix(time: UnixTime) -> Self {
        let ns = time.as_nanos();
        let seconds = ns.div_euclid(1_000_000_000).wrapping_add(EPOCHS);
        let nanos = ns.rem_euclid(1_000_000_000).unsigned_abs();
        let fraction = ((nanos << 32) + 500_000_000) / 1_000_000_000;
        // What carries into the seconds, and what is beyond the era, falls out of 64 bits as it should.
        Self((seconds.cast_unsigned() << 32).wrapping_add(fraction))
    }
}

/// The 48 bytes that both sides send; what follows them (extensions, authentication) is passed over.
///
/// ```text
///  0               1               2               3
///  +---+-----+-----+---------------+---------------+---------------+
///  |LI | VN  |mode | stratum       | poll          | precision     |
///  +---+-----+-----+---------------+---------------+---------------+
///  | root delay, root dispersion, reference id (4 bytes each)      |
///  | reference, originate, receive, transmit timestamp (8 each)    |
///  +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Leap indicator; 3: the server does not know the time.
    pub leap: u8,
    /// 1 to 4.
    pub version: u8,
    /// 3 asks, 4 answers.
    pub mode: u8,
    /// Steps from a reference clock; 0 is a refusal.
    pub stratum: u8,
    /// log2 of seconds.
    pub poll: i8,
    /// log2 of seconds.
    pub precision: i8,
    /// Seconds in 16.16.
    pub root_delay: u32,
    /// Seconds in 16.16.
    pub root_dispersion: u32,
    /// Address or name of the reference; of a refusal its code.
    pub reference_id: [u8; 4],
    /// When the server's clock was last set.
    pub reference: NtpTimestamp,
    /// Transmit timestamp of the request.
    pub originate: NtpTimestamp,
    /// When the request arrived.
    pub receive: NtpTimestamp,
    /// When this left.
    pub transmit: NtpTimestamp,
}

/// Not an NTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{found} bytes where an NTP packet has 48")]
pub struct PacketError {
    /// How many there are.
    pub found: u32,
}

impl Packet {
    /// Bytes of a packet.
    pub const LEN: usize = 48;

    /// A request. `nonce` comes back as `originate`.
    pub fn request(nonce: NtpTimestamp) -> Self {
        Self { version: 4, mode: 3, transmit: nonce, ..Self::default() }
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// If there are less than 48 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        let short = || PacketError { found: u32::try_from(bytes.len()).unwrap_or(u32::MAX) };
        let (head, rest) = bytes.split_first_chunk::<16>().ok_or_else(short)?;
        let &[first, stratum, poll, precision, a, b, c, d, e, f, g, h, reference_id @ ..] = head;
        let (times, _) = rest.split_first_chunk::<32>().ok_or_else(short)?;
        let mut times = times.as_chunks::<8>().0.iter().map(|t| NtpTimestamp(u64::from_be_bytes(*t)));
        let mut time = || times.next().unwrap_or_default();
        Ok(Self {
            leap: first >> 6,
            version: first >> 3 & 7,
            mode: first & 7,
            stratum,
            poll: poll.cast_signed(),
            precision: precision.cast_signed(),
            root_delay: u32::from_be_bytes([a, b, c, d]),
            root_dispersion: u32::from_be_bytes([e, f, g, h]),
            reference_id,
            reference: time(),
            originate: time(),
            receive: time(),
            transmit: time(),
        })
    }

    /// The packet's bytes.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let first = self.leap << 6 | (self.version & 7) << 3 | self.mode & 7;
        let head = [first, self.stratum, self.poll.cast_unsigned(), self.precision.cast_unsigned()];
        let [delay, dispersion] = [self.root_delay, self.root_dispersion].map(u32::to_be_bytes);
        let times = [self.reference, self.originate, self.receive, self.transmit].map(|t| t.0.to_be_bytes());
        let parts = head.iter().chain(&delay).chain(&dispersion).chain(&self.reference_id);
        for (place, byte) in out.iter_mut().zip(parts.chain(times.as_flattened())) {
            *place = *byte;
        }
        out
    }
}

/// A server's answer to a request that arrived at `received`, leaving at `transmit`; `None` for what asks nothing.
/// The server says stratum 10: a clock good enough for one network, and worse than any that has a reference.
pub fn respond(request: &[u8], received: UnixTime, transmit: UnixTime) -> Option<[u8; Packet::LEN]> {
    let request = Packet::parse(request).ok()?;
    // QUIRK(multiCam applications): they ask in version 3 with a transmit timestamp of zero.
    if request.mode != 3 || !(1..=4).contains(&request.version) {
        return None;
    }
    let reply = Packet {
        leap: 0,
        version: request.version,
        mode: 4,
        stratum: 10,
        poll: request.poll,
        precision: -20,
        root_delay: 0,
        root_dispersion: 66, // 1 ms
        reference_id: *b"LOCL",
        reference: NtpTimestamp::from_unix(received),
        originate: request.transmit,
        receive: NtpTimestamp::from_unix(received),
        transmit: NtpTimestamp::from_unix(transmit),
    };
    Some(reply.encode())
}

/// Seconds from 1900 to 1970.
const EPOCHS: i64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eras() {
        assert_eq!(NtpTimestamp::from_unix(UnixTime::from_nanos(0)).0 >> 32, 2_208_988_800);
        let beyond = UnixTime::from_nanos(2_085_978_497 * 1_000_000_000); // a second into 2036's new era
        assert_eq!(NtpTimestamp::from_unix(beyond).0 >> 32, 1);
        assert_eq!(NtpTimestamp::from_unix(beyond).to_unix(), beyond);
        let carried = UnixTime::from_nanos(999_999_999);
        assert_eq!(NtpTimestamp::from_unix(carried).to_unix(), carried);
    }

    #[test]
    fn the_originals_request_and_its_answer() {
        let mut request = [0; 48];
        request[0] = 0x1b;
        let now = UnixTime::from_nanos(1_729_000_000_000_000_000);
        let reply = respond(&request, now, now).unwrap();
        assert_eq!(reply[0], 0x1c);
        assert_eq!(reply[24..32], [0; 8]);
        let ours = Packet::request(NtpTimestamp(7)).encode();
        assert_eq!(ours[0], 0x23);
        let reply = respond(&ours, now, now).unwrap();
        assert_eq!((reply[0], Packet::parse(&reply).unwrap().originate), (0x24, NtpTimestamp(7)));
        assert_eq!(respond(&reply, now, now), None);
        assert_eq!(respond(&ours[..47], now, now), None);
        assert_eq!(Packet::parse(&ours[..47]), Err(PacketError { found: 47 }));
    }

    proptest! {
        #[test]
        fn round_trip(ns in -61_505_152_000_000_000_i64..4_233_462_144_000_000_000, bytes in any::<[u8; 32]>()) {
            let time = UnixTime::from_nanos(ns);
            prop_assert_eq!(NtpTimestamp::from_unix(time).to_unix(), time);
            let full = [&bytes[..], &bytes[..16]].concat();
            prop_assert_eq!(Packet::parse(&full).unwrap().encode().to_vec(), full);
        }
    }
}
