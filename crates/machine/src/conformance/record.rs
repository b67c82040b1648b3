//! What a machine said, in a form in which runs can be compared.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Debug, Write};

use bytes::Bytes;

use crate::{Closing, ConnId, Datagram, FileToken, Instant, Keep, Payload, UdpPeer};

/// All that was said, by listener.
#[derive(Debug)]
pub(super) struct Record<E> {
    pub(super) conns: BTreeMap<ConnId, Vec<Part>>,
    pub(super) udp: BTreeMap<UdpPeer, Vec<Datagram>>,
    pub(super) events: Vec<E>,
    /// In which order, and when the machine wanted to be woken.
    pub(super) order: Vec<Mark>,
}

/// Something said on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All stream bytes up to the next thing that is not; sends of one kind run together.
    Stream(Keep, Vec<u8>),
    Text(Keep, Bytes),
    Binary(Keep, Bytes),
    File {
        file: FileToken,
        offset: u64,
        len: u64,
    },
    Close(Closing),
}

/// What happened, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Conn(ConnId, usize),
    Udp(UdpPeer, usize),
    Event,
    Deadline(Option<Instant>),
}

impl<E> Record<E> {
    pub(super) const fn new() -> Self {
        Self { conns: BTreeMap::new(), udp: BTreeMap::new(), events: Vec::new(), order: Vec::new() }
    }

    pub(super) fn send(&mut self, to: ConnId, data: Payload, keep: Keep) {
        self.order.push(Mark::Conn(to, data.as_bytes().len()));
        let parts = self.conns.entry(to).or_default();
        match (data, parts.last_mut()) {
            (Payload::Bytes(bytes), Some(Part::Stream(last, all))) if *last == keep => {
                all.extend_from_slice(&bytes);
            }
            (Payload::Bytes(bytes), _) if bytes.is_empty() => {}
            (Payload::Bytes(bytes), _) => parts.push(Part::Stream(keep, bytes.to_vec())),
            (Payload::Text(text), _) => parts.push(Part::Text(keep, text)),
            (Payload::Binary(data), _) => parts.push(Part::Binary(keep, data)),
        }
    }

    pub(super) fn part(&mut self, to: ConnId, part: Part) {
        self.order.push(Mark::Conn(to, 0));
        self.conns.entry(to).or_default().push(part);
    }

    pub(super) fn datagram(&mut self, datagram: Datagram) {
        self.order.push(Mark::Udp(datagram.to, datagram.data.len()));
        self.udp.entry(datagram.to).or_default().push(datagram);
    }

    pub(super) fn event(&mut self, event: E) {
        self.order.push(Mark::Event);
        self.events.push(event);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conns.is_empty() && self.udp.is_empty() && self.events.is_empty()
    }
}

impl<E: PartialEq + Debug> Record<E> {
    /// How `other` differs in what each listener was told.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        differs_by_key(&self.conns, &other.conns)
            .or_else(|| differs_by_key(&self.udp, &other.udp))
            .or_else(|| differs("events", &self.events, &other.events))
    }

    /// How `other` differs in that, in its order, or in the deadlines.
    pub(super) fn exact_difference(&self, other: &Self) -> Option<String> {
        self.difference(other).or_else(|| differs("order", &self.order, &other.order))
    }

    /// What `start` says that is not the beginning of this.
    pub(super) fn not_begun_by(&self, start: &Self, events: bool) -> Option<String> {
        for (conn, parts) in &start.conns {
            let whole = self.conns.get(conn).map_or(&[][..], Vec::as_slice);
            if !begins_parts(whole, parts) {
                return differs_within(&format!("{conn:?}"), whole, parts);
            }
        }
        for (peer, datagrams) in &start.udp {
            let whole = self.udp.get(peer).map_or(&[][..], Vec::as_slice);
            if !whole.starts_with(datagrams) {
                return differs_within(&format!("{peer:?}"), whole, datagrams);
            }
        }
        if events { differs_within("events", &self.events, &start.events) } else { None }
    }
}

/// The last stream part of a beginning may be shorter.
fn begins_parts(whole: &[Part], start: &[Part]) -> bool {
    let Some((last, before)) = start.split_last() else {
        return true;
    };
    let Some(rest) = whole.strip_prefix(before) else {
        return false;
    };
    match (last, rest.first()) {
        (Part::Stream(keep, part), Some(Part::Stream(other, all))) => keep == other && all.starts_with(part),
        (last, first) => Some(last) == first,
    }
}

fn differs_by_key<K: Ord + Debug, T: PartialEq + Debug>(
    expected: &BTreeMap<K, Vec<T>>,
    found: &BTreeMap<K, Vec<T>>,
) -> Option<String> {
    let key = expected.keys().chain(found.keys()).find(|k| expected.get(k) != found.get(k))?;
    let list = |map: &BTreeMap<K, Vec<T>>| map.get(key).map_or(0, Vec::len);
    let (left, right) = (expected.get(key), found.get(key));
    match (left, right) {
        (Some(left), Some(right)) => differs(&format!("{key:?}"), left, right),
        _ => Some(format!("{key:?}: {} outputs expected, {} found", list(expected), list(found))),
    }
}

/// The first difference of two lists.
pub(super) fn differs<T: PartialEq + Debug>(what: &str, expected: &[T], found: &[T]) -> Option<String> {
    if expected == found {
        return None;
    }
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    Some(format!(
        "{what} [{same}]: expected {}, found {}",
        short(&expected.get(same)),
        short(&found.get(same))
    ))
}

/// The first thing in `start` that is not so in `whole`.
fn differs_within<T: PartialEq + Debug>(what: &str, whole: &[T], start: &[T]) -> Option<String> {
    differs(what, whole.get(..start.len()).unwrap_or(whole), start)
}

/// What it looks like, but not endlessly.
pub(super) fn short<T: Debug>(value: &T) -> String {
    const MAX: usize = 300;
    struct Bounded(String);
    impl Write for Bounded {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            let room = MAX.saturating_sub(self.0.len());
            self.0.extend(s.chars().take(room));
            if room == 0 { Err(core::fmt::Error) } else { Ok(()) }
        }
    }
    let mut out = Bounded(String::new());
    if write!(out, "{value:?}").is_err() {
        out.0.push('…');
    }
    out.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(bytes: &[u8]) -> Part {
        Part::Stream(Keep::Always, bytes.to_vec())
    }

    #[test]
    fn a_beginning_may_stop_within_a_stream_only() {
        let whole = [stream(b"abc"), Part::Close(Closing::Now)];
        assert!(begins_parts(&whole, &[]));
        assert!(begins_parts(&whole, &[stream(b"ab")]));
        assert!(begins_parts(&whole, &[stream(b"abc"), Part::Close(Closing::Now)]));
        assert!(!begins_parts(&whole, &[stream(b"ab"), Part::Close(Closing::Now)]));
        assert!(!begins_parts(&whole, &[stream(b"abd")]));
        assert!(!begins_parts(&whole, &[stream(b"abcd")]));
        assert!(!begins_parts(&whole, &[Part::Stream(Keep::Latest, b"ab".to_vec())]));
    }

    #[test]
    fn differences_are_named_and_short() {
        let found = differs("events", &[1, 2, 3], &[1, 5, 3]);
        assert_eq!(found.as_deref(), Some("events [1]: expected Some(2), found Some(5)"));
        assert!(short(&alloc::vec![0; 10_000]).len() < 310);
    }
}
