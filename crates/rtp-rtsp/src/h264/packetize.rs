//! From access units to packets (RFC 6184 §5, packetization mode 1).

use super::annex_b::nal_units;
use super::{Nal, is_key_payload};
use crate::rtp::{Outgoing, Packets, PacketsBuilder};

/// Puts an access unit (Annex B) into packets; `None` if it has no NAL unit.
///
/// Small units in front of others (parameter sets, SEI) travel together in a STAP-A; a unit that does not fit into a
/// packet is cut into FU-As, all but the last of the same length, so that they leave in one call. Delimiters are left
/// out, as RFC 6184 packets do not need them.
pub fn packetize(access_unit: &[u8], timestamp: u32, out: &mut Outgoing) -> Option<Packets> {
    let room = out.max_payload();
    let count = access_unit.len() / (room - FU_HEADERS) + 4;
    let mut packets = PacketsBuilder::with_capacity(access_unit.len() + 14 * count);
    let mut key = false;
    let mut units = nal_units(access_unit).filter(|u| Nal::of(u) != Some(Nal::DELIMITER)).peekable();
    // What is gathered for a STAP-A lies one behind the other in the access unit but for start codes.
    let mut gathered: [&[u8]; MAX_GATHERED] = [&[]; MAX_GATHERED];
    let mut n = 0;
    let mut len = 1;
    while let Some(unit) = units.next() {
        key |= is_key_payload(unit);
        let last = units.peek().is_none();
        let fits = len + 2 + unit.len() <= room;
        if !fits || n == MAX_GATHERED {
            flush(gathered.get(..n).unwrap_or_default(), false, timestamp, out, &mut packets);
            (n, len) = (0, 1);
        }
        if unit.len() > room {
            fragment(unit, last, timestamp, out, &mut packets);
            continue;
        }
        if let Some(place) = gathered.get_mut(n) {
            *place = unit;
        }
        n += 1;
        len += 2 + unit.len();
        if last {
            flush(gathered.get(..n).unwrap_or_default(), true, timestamp, out, &mut packets);
            n = 0;
        }
    }
    packets.finish(key)
}

/// One unit as it is, several as a STAP-A.
fn flush(units: &[&[u8]], marker: bool, timestamp: u32, out: &mut Outgoing, packets: &mut PacketsBuilder) {
    match units {
        [] => {}
        [one] => {
            packets.push(&[&out.next_header(marker, timestamp), one]);
        }
        several => {
            let mut parts: [&[u8]; 2 + 2 * MAX_GATHERED] = [&[]; 2 + 2 * MAX_GATHERED];
            let mut sizes = [[0; 2]; MAX_GATHERED];
            for (size, unit) in sizes.iter_mut().zip(several) {
                *size = u16::try_from(unit.len()).unwrap_or(u16::MAX).to_be_bytes();
            }
            // F if any has it, and the highest NRI (RFC 6184 §5.3).
            let first_bytes = several.iter().filter_map(|u| u.first());
            let (f, nri) = first_bytes.fold((0, 0), |(f, nri), b| (f | (b & 0x80), nri.max(b & 0x60)));
            let indicator = [f | nri | Nal::STAP_A.0];
            let header = out.next_header(marker, timestamp);
            let pairs = sizes.iter().zip(several).flat_map(|(size, unit)| [&size[..], unit]);
            let all = [&header[..], &indicator].into_iter().chain(pairs);
            for (part, value) in parts.iter_mut().zip(all) {
                *part = value;
            }
            packets.push(&parts);
        }
    }
}

/// Cuts a unit into FU-As.
fn fragment(unit: &[u8], marker: bool, timestamp: u32, out: &mut Outgoing, packets: &mut PacketsBuilder) {
    let Some((&first, mut rest)) = unit.split_first() else { return };
    let room = out.max_payload() - FU_HEADERS;
    let indicator = (first & 0xe0) | Nal::FU_A.0;
    let mut start = 0x80;
    loop {
        let (part, after) = rest.split_at_checked(room).unwrap_or((rest, &[]));
        rest = after;
        let end = if rest.is_empty() { 0x40 } else { 0 };
        let header = out.next_header(marker && end != 0, timestamp);
        packets.push(&[&header, &[indicator, start | end | (first & 0x1f)], part]);
        start = 0;
        if rest.is_empty() {
            return;
        }
    }
}

/// Most units in a STAP-A.
const MAX_GATHERED: usize = 8;
/// FU indicator and header.
const FU_HEADERS: usize = 2;
