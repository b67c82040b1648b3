//! H.265 in RTP (RFC 7798), as much as relaying needs: packets pass through as they are, and readers begin where they
//! can.
//!
//! ```text
//! payload header  |F|  type (6)  | layer (6) | TID (3) |
//! AP  48          | header | size (16) | NAL unit | size (16) | NAL unit ...
//! FU  49          | header | S E type (6) | part of a NAL unit
//! ```

/// Ticks of its timestamps a second.
pub const CLOCK_RATE: u32 = 90_000;

/// Whether an RTP payload holds (the start of) a random access picture (types 16 to 23) or a parameter set (32 to 34),
/// with which a reader can begin.
pub fn is_key_payload(payload: &[u8]) -> bool {
    let key = |kind: u8| matches!(kind, 16..=23 | 32..=34);
    let kind = |unit: &[u8]| unit.first().map(|b| b >> 1 & 0x3f);
    match kind(payload) {
        Some(AP) => {
            let mut rest = payload.get(2..).unwrap_or_default();
            while let Some(([l0, l1], after)) = rest.split_first_chunk() {
                if kind(after).is_some_and(key) {
                    return true;
                }
                rest = after.get(usize::from(u16::from_be_bytes([*l0, *l1]))..).unwrap_or_default();
            }
            false
        }
        Some(FU) => payload.get(2).is_some_and(|b| b & 0x80 != 0 && key(b & 0x3f)),
        Some(kind) => key(kind),
        None => false,
    }
}

/// Aggregation packet.
const AP: u8 = 48;
/// Fragmentation unit.
const FU: u8 = 49;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_access_is_seen_in_every_packet_kind() {
        assert!(is_key_payload(&[0x40, 1, 0]), "VPS");
        assert!(is_key_payload(&[19 << 1, 1, 0]), "IDR");
        assert!(!is_key_payload(&[1 << 1, 1, 0]), "trailing picture");
        assert!(is_key_payload(&[49 << 1, 1, 0x80 | 19, 5]), "first fragment");
        assert!(!is_key_payload(&[49 << 1, 1, 19, 5]), "another fragment");
        assert!(
            is_key_payload(&[48 << 1, 1, 0, 2, 35 << 1, 1, 0, 2, 33 << 1, 1]),
            "second of an aggregation"
        );
        assert!(!is_key_payload(&[48 << 1, 1, 0, 9, 2, 1]));
        assert!(!is_key_payload(&[]));
    }
}
