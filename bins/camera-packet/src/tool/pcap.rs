//! TCP streams and UDP datagrams of a classic pcap file: Ethernet (VLAN tags too), raw IP, Linux cooked and loopback captures.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, bail};

/// Segments that wait for an earlier one, per stream; beyond, the gap is taken for a hole.
const MAX_WAITING: usize = 1024;

/// One direction of a connection, `from > to`, and its bytes, cut where the capture has holes.
pub type Stream = (String, Vec<Vec<u8>>);

/// Each direction of each connection, in order of appearance.
///
/// # Errors
/// With one line, for what is no such file.
pub fn streams(file: &[u8]) -> Result<Vec<Stream>> {
    let mut flows = Flows::default();
    for_each_packet(file, |ip| {
        if let Some(segment) = tcp_of(ip) {
            flows.add(segment);
        }
    })?;
    Ok(flows.finish())
}

/// A datagram: from, to, payload.
pub type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// Each datagram, in order.
///
/// # Errors
/// With one line, for what is no such file.
pub fn datagrams(file: &[u8]) -> Result<Vec<Datagram>> {
    let mut found = Vec::new();
    for_each_packet(file, |ip| found.extend(udp_of(ip)))?;
    Ok(found)
}

fn for_each_packet(file: &[u8], mut each: impl FnMut(&[u8])) -> Result<()> {
    let Some((header, mut rest)) = file.split_first_chunk::<24>() else {
        bail!("not a pcap file: too short")
    };
    let [a, b, c, d, .., e, f, g, h] = *header;
    let big = match [a, b, c, d] {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => false,
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => true,
        [0x0a, 0x0d, 0x0d, 0x0a] => bail!("a pcapng file: save it as pcap (editcap -F pcap)"),
        _ => bail!("not a pcap file"),
    };
    let number = |bytes| if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    let link = number([e, f, g, h]) & 0xffff;
    while let Some((record, after)) = rest.split_first_chunk::<16>() {
        let [.., i, j, k, l, _, _, _, _] = *record;
        let len = usize::try_from(number([i, j, k, l]))?;
        let Some(packet) = after.get(..len) else { break };
        if let Some(ip) = ip_of(packet, link) {
            each(ip);
        }
        rest = after.get(len..).unwrap_or_default();
    }
    Ok(())
}

struct Segment<'a> {
    from: String,
    to: String,
    seq: u32,
    syn: bool,
    payload: &'a [u8],
}

/// The IP packet within a link-layer packet.
fn ip_of(packet: &[u8], link: u32) -> Option<&[u8]> {
    let (mut ethertype, mut rest) = match link {
        0 | 108 => return packet.get(4..),
        12 | 14 | 101 | 228 | 229 => return Some(packet),
        1 => (packet.get(12..14)?, packet.get(14..)?),
        113 => (packet.get(14..16)?, packet.get(16..)?),
        276 => (packet.get(0..2)?, packet.get(20..)?),
        _ => return None,
    };
    while matches!(ethertype, [0x81, 0x00] | [0x88, 0xa8]) {
        (ethertype, rest) = (rest.get(2..4)?, rest.get(4..)?);
    }
    matches!(ethertype, [0x08, 0x00] | [0x86, 0xdd]).then_some(rest)
}

/// Addresses, and what an IP packet of this protocol carries.
fn payload_of(ip: &[u8], protocol: u8) -> Option<(IpAddr, IpAddr, &[u8])> {
    match ip.first()? >> 4 {
        4 => {
            let head = usize::from(ip.first()? & 15) * 4;
            let total = usize::from(u16::from_be_bytes(ip.get(2..4)?.try_into().ok()?));
            // Offloaded segments have no length yet.
            let end = if total == 0 { ip.len() } else { total.min(ip.len()) };
            let fragment = u16::from_be_bytes(ip.get(6..8)?.try_into().ok()?) & 0x3fff;
            if *ip.get(9)? != protocol || fragment != 0 {
                return None;
            }
            let address =
                |at: usize| -> Option<IpAddr> { Some(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?.into()) };
            Some((address(12)?, address(16)?, ip.get(head..end)?))
        }
        6 if *ip.get(6)? == protocol => {
            let address = |at: usize| -> Option<IpAddr> {
                Some(<[u8; 16]>::try_from(ip.get(at..at + 16)?).ok()?.into())
            };
            let len = usize::from(u16::from_be_bytes(ip.get(4..6)?.try_into().ok()?));
            let end = if len == 0 { ip.len() } else { (40 + len).min(ip.len()) };
            Some((address(8)?, address(24)?, ip.get(40..end)?))
        }
        _ => None,
    }
}

fn ports(transport: &[u8]) -> Option<(u16, u16)> {
    let port = |at: usize| Some(u16::from_be_bytes(transport.get(at..at + 2)?.try_into().ok()?));
    Some((port(0)?, port(2)?))
}

fn tcp_of(ip: &[u8]) -> Option<Segment<'_>> {
    let (from, to, tcp) = payload_of(ip, 6)?;
    let (from_port, to_port) = ports(tcp)?;
    let seq = u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?);
    let head = usize::from(*tcp.get(12)? >> 4) * 4;
    Some(Segment {
        from: SocketAddr::new(from, from_port).to_string(),
        to: SocketAddr::new(to, to_port).to_string(),
        seq,
        syn: tcp.get(13)? & 2 != 0,
        payload: tcp.get(head..)?,
    })
}

fn udp_of(ip: &[u8]) -> Option<Datagram> {
    let (from, to, udp) = payload_of(ip, 17)?;
    let (from_port, to_port) = ports(udp)?;
    let len = usize::from(u16::from_be_bytes(udp.get(4..6)?.try_into().ok()?));
    let payload = udp.get(8..len.min(udp.len()))?.to_vec();
    Some((SocketAddr::new(from, from_port), SocketAddr::new(to, to_port), payload))
}

#[derive(Default)]
struct Flows {
    names: Vec<String>,
    flows: BTreeMap<String, Flow>,
}

#[derive(Default)]
struct Flow {
    next: Option<u32>,
    waiting: BTreeMap<u32, Vec<u8>>,
    pieces: Vec<Vec<u8>>,
}

impl Flows {
    fn add(&mut self, segment: Segment<'_>) {
        let name = format!("{} > {}", segment.from, segment.to);
        let names = &mut self.names;
        let flow = self.flows.entry(name.clone()).or_insert_with(|| {
            names.push(name);
            Flow { pieces: vec![Vec::new()], ..Flow::default() }
        });
        if segment.syn {
            flow.fill(true);
            // A port that is used again is another stream.
            if flow.pieces.last().is_some_and(|piece| !piece.is_empty()) {
                flow.pieces.push(Vec::new());
            }
            flow.next = Some(segment.seq.wrapping_add(1));
        } else if !segment.payload.is_empty() {
            flow.next.get_or_insert(segment.seq);
            let longest = flow.waiting.get(&segment.seq).map_or(0, Vec::len);
            if segment.payload.len() > longest {
                flow.waiting.insert(segment.seq, segment.payload.to_vec());
            }
            flow.fill(flow.waiting.len() > MAX_WAITING);
        }
    }

    fn finish(mut self) -> Vec<Stream> {
        let mut out = Vec::new();
        for name in self.names {
            if let Some(mut flow) = self.flows.remove(&name) {
                flow.fill(true);
                flow.pieces.retain(|piece| !piece.is_empty());
                if !flow.pieces.is_empty() {
                    out.push((name, flow.pieces));
                }
            }
        }
        out
    }
}

impl Flow {
    /// Takes what continues the stream; with `all`, also what is behind holes.
    fn fill(&mut self, all: bool) {
        while let Some(next) = self.next {
            // How far each segment is ahead; behind is negative.
            let ahead = |seq: u32| i32::from_ne_bytes(seq.wrapping_sub(next).to_ne_bytes());
            let Some(seq) = self.waiting.keys().copied().min_by_key(|seq| ahead(*seq)) else { return };
            let gap = ahead(seq);
            if gap > 0 && !all {
                return;
            }
            let Some(bytes) = self.waiting.remove(&seq) else { return };
            if gap > 0 {
                self.pieces.push(Vec::new());
            }
            let seen = usize::try_from(-i64::from(gap)).unwrap_or(0);
            let new = bytes.get(seen..).unwrap_or_default();
            if let Some(piece) = self.pieces.last_mut() {
                piece.extend_from_slice(new);
            }
            let len = u32::try_from(bytes.len()).unwrap_or(0);
            if gap > 0 || !new.is_empty() {
                self.next = Some(seq.wrapping_add(len));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(seq: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut tcp = vec![0x13, 0x88, 0x30, 0x39];
        tcp.extend(seq.to_be_bytes());
        tcp.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        tcp.extend(payload);
        let total = u16::try_from(20 + tcp.len()).unwrap().to_be_bytes();
        let mut ip = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        ip.extend(tcp);
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00]);
        frame.extend(ip);
        frame
    }

    fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
        let mut file =
            vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0];
        for packet in packets {
            let len = u32::try_from(packet.len()).unwrap().to_le_bytes();
            file.extend([0; 8]);
            file.extend(len);
            file.extend(len);
            file.extend(packet);
        }
        file
    }

    #[test]
    fn order_repeats_and_holes() {
        let start = u32::MAX - 2;
        let file = capture(&[
            packet(start, 2, b""),
            packet(start.wrapping_add(4), 0x18, b"def"),
            packet(start.wrapping_add(1), 0x18, b"abc"),
            packet(start.wrapping_add(2), 0x18, b"bcde"),
            packet(start.wrapping_add(10), 0x18, b"xyz"),
        ]);
        let found = streams(&file).unwrap();
        let [(name, pieces)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(name, "10.0.0.1:5000 > 10.0.0.2:12345");
        assert_eq!(pieces, &[b"abcdef".to_vec(), b"xyz".to_vec()]);
        assert!(streams(b"no").is_err());
        assert!(streams(&[0; 24]).is_err());
    }
}
