//! A television with clients of all kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dvb_css::config::{MAX_TIMELINES, MAX_URL, TvServerConfig};
use dvb_css::message::{CiiMessage, ContentIdStatus, ControlTimestamp, Field, TimelineOption, WcMessage};
use dvb_css::server::{CII, TS, TimelineId, TvServer, TvServerEvent, TvServerStats, WC};
use dvb_css::timeline::TimelineState;
use dvb_css::{Ratio, UsageError};
use machine::{CloseReason, ConnId, Input as Told, Instant, Machine, Output, Payload, Peer, Service};

use super::opened;
use crate::input::Input;

/// What happens to a television; each is one byte modulo [`COUNT`](op::COUNT), and what it needs after it. Before it are
/// the time that has passed, `nanoseconds / 8 (4)`, and a `number` that says to whom or to what.
pub(crate) mod op {
    /// A client comes through the door with that number.
    pub(crate) const OPEN: u8 = 0;
    /// One goes.
    pub(crate) const CLOSE: u8 = 2;
    /// Something for one was left out.
    pub(crate) const DROPPED: u8 = 3;
    /// `content time (8), wall clock time (8)`: where the first timeline stands.
    pub(crate) const PLACE: u8 = 4;
    /// `length, bytes`: a binary message.
    pub(crate) const BINARY: u8 = 5;
    /// `length, text`: a message.
    pub(crate) const TEXT: u8 = 6;
    /// `size (2)`: the property with that number is set to something so large.
    pub(crate) const PROPERTY: u8 = 8;
    /// All is said again, or nothing with an odd number.
    pub(crate) const PUSH: u8 = 9;
    /// `size (2), state`: one more timeline, or with a number of 128 and more as many as there is room for. Its selector is
    /// a known one if the size is 0.
    pub(crate) const ADD: u8 = 10;
    /// A timeline is offered no longer.
    pub(crate) const REMOVE: u8 = 11;
    /// `state`: a timeline's.
    pub(crate) const STATE: u8 = 12;
    /// The door with that number opens; it closes with one of 4 and more.
    pub(crate) const DOOR: u8 = 13;
    /// `length, text`: the state that this message says is published.
    pub(crate) const PUBLISH: u8 = 14;
    /// Bytes of a stream.
    pub(crate) const STREAM: u8 = 15;
    /// How many there are.
    pub(super) const COUNT: u8 = 16;
}

/// Doors by number.
const DOORS: [Service; 4] = [CII, TS, WC, Service(9)];
/// Known selectors by number.
const SELECTORS: [&str; 4] = ["t", "urn:dvb:css:timeline:pts", "x", ""];

/// A television with clients of all kinds that say anything, and a program that changes what is shown: it speaks to nobody
/// who is gone and only what can be read, wants what the clients want, and refuses what is too large.
pub fn tv_server(data: &[u8]) {
    let mut input = Input::new(data);
    let mut tv = TvServer::new(TvServerConfig::default());
    let mut now = Instant::from_nanos(1);
    let state = TimelineState::At(ControlTimestamp::available(5, 7, Ratio::ONE));
    let mut timelines = vec![tv.add_timeline(now, "t", state).expect("there is room")];
    let mut gone = None;
    let mut audience = Audience::default();
    while !input.is_empty() {
        now = now + Duration::from_nanos(u64::from(input.u32()) * 8);
        if tv.poll_timeout().is_some_and(|due| due <= now) {
            tv.handle_timeout(now);
            assert!(tv.poll_timeout().is_none_or(|due| due > now));
            audience.carry_out(&mut tv, now);
        }
        let number = input.byte();
        let which = usize::from(number);
        let conn = audience.open.keys().nth(which % audience.open.len().max(1)).copied();
        let timeline = timelines.get(which % timelines.len().max(1)).copied().or(gone);
        match (input.byte() % op::COUNT, conn) {
            (op::OPEN | 1, _) => audience.come(&mut tv, now, DOORS[which % 4]),
            (op::CLOSE, Some(conn)) => audience.go(&mut tv, now, conn),
            (op::DROPPED, Some(conn)) => tell(&mut tv, now, conn, Told::Dropped(1)),
            (op::PLACE, _) => {
                let (ticks, wall) = (input.i64().into(), input.i64().into());
                let state = TimelineState::At(ControlTimestamp::available(ticks, wall, Ratio::ONE));
                set(&mut tv, now, timelines.first().copied().or(gone), gone, state);
            }
            (op::BINARY, Some(conn)) => {
                let length = usize::from(input.byte());
                tell(&mut tv, now, conn, Told::Binary(input.take(length)));
            }
            (op::TEXT | 7, Some(conn)) => tell(&mut tv, now, conn, Told::Text(&text(&mut input))),
            (op::PROPERTY, _) => change(&mut tv, now, which, input.u16().into()),
            (op::PUSH, _) => tv.push_cii(number & 1 == 0),
            (op::ADD, _) => add(&mut tv, now, which, &mut input, &mut timelines),
            (op::REMOVE, _) => {
                let Some(id) = timeline else { continue };
                let outcome = tv.remove_timeline(now, id);
                assert_eq!(outcome.is_ok(), timelines.contains(&id));
                timelines.retain(|other| *other != id);
                gone = Some(id);
            }
            (op::STATE, _) => set(&mut tv, now, timeline, gone, state_of(&mut input)),
            (op::DOOR, _) => {
                let door = DOORS[which % 4];
                tv.set_enabled(door, which & 4 == 0);
                assert!(which & 4 == 0 || tv.clients(door) == 0, "they are sent away");
            }
            (op::PUBLISH, _) => {
                if let Ok(message) = CiiMessage::parse(&text(&mut input)) {
                    let _ = publish(&mut tv, |tv| tv.set_cii(now, message));
                }
            }
            (op::STREAM, Some(conn)) => {
                let mut bytes = bytes::BytesMut::from(&[number][..]);
                tell(&mut tv, now, conn, Told::Bytes(&mut bytes));
                assert!(bytes.is_empty() && tv.poll_timeout().is_none_or(|due| due > now));
            }
            _ => {}
        }
        audience.carry_out(&mut tv, now);
    }
}

/// One property becomes so large: what is beyond the limits is refused.
fn change(tv: &mut TvServer, now: Instant, which: usize, size: usize) {
    let url = || Field::from("u".repeat(size));
    // Many long ones are too much altogether.
    let longer = "s".repeat(if size < 512 { 0 } else { 300 });
    let option = |n: usize| TimelineOption::new(format!("{}{longer}", SELECTORS[n % 4]), 1, 1 + n as u64);
    let refused = match which % 10 {
        0..=4 => size > MAX_URL,
        6 => size == 0 || size % 7 == 6,
        8 => size % 512 > MAX_TIMELINES,
        _ => false,
    };
    let outcome = publish(tv, |tv| {
        tv.update_cii(now, |cii| match which % 10 {
            0 => cii.content_id = url(),
            1 => cii.mrs_url = url(),
            2 => cii.wc_url = url(),
            3 => cii.ts_url = url(),
            4 => cii.te_url = url(),
            5 => {
                let status =
                    if size.is_multiple_of(2) { ContentIdStatus::Final } else { ContentIdStatus::Partial };
                cii.content_id_status = status.into();
            }
            6 => {
                let term = if size % 7 == 6 { "not okay" } else { "okay" };
                cii.presentation_status = vec![term.into(); size.min(300)].into();
            }
            7 => cii.wc_url = "udp://{{host}}:{{port}}".into(),
            8 => cii.timelines = (0..size % 512).map(option).collect::<Vec<_>>().into(),
            _ => (cii.content_id, cii.timelines) = (Field::Null, Field::Absent),
        })
    });
    assert!(outcome.is_err() || !refused, "{which}: {size}");
}

/// What is refused changes nothing.
fn publish(
    tv: &mut TvServer,
    call: impl FnOnce(&mut TvServer) -> Result<(), UsageError>,
) -> Result<(), UsageError> {
    let before = tv.cii().clone();
    let outcome = call(tv);
    if outcome.is_err() {
        assert_eq!(*tv.cii(), before);
        assert!(tv.poll_output().is_none());
    }
    outcome
}

fn add(
    tv: &mut TvServer,
    now: Instant,
    which: usize,
    input: &mut Input<'_>,
    timelines: &mut Vec<TimelineId>,
) {
    let size = usize::from(input.u16());
    let state = state_of(input);
    let selector = if size == 0 { SELECTORS[which % 4].into() } else { "s".repeat(size) };
    let room = MAX_TIMELINES - timelines.len();
    for done in 0..if which < 128 { 1 } else { room + 1 } {
        let added = tv.add_timeline(now, selector.as_str(), state);
        assert_eq!(added.is_ok(), size <= MAX_URL && done < room);
        timelines.extend(added);
    }
}

fn set(
    tv: &mut TvServer,
    now: Instant,
    timeline: Option<TimelineId>,
    gone: Option<TimelineId>,
    state: TimelineState,
) {
    if let Some(id) = timeline {
        assert_eq!(tv.set_timeline(now, id, state).is_err(), gone == Some(id));
    }
}

/// `kind, speed (2), content time (8), wall clock time (8)`.
fn state_of(input: &mut Input<'_>) -> TimelineState {
    let (kind, speed) = (input.byte(), input.u16().cast_signed());
    match kind % 4 {
        0 => TimelineState::Deferred,
        1 => TimelineState::Unavailable,
        2 => TimelineState::At(ControlTimestamp::unavailable(input.i64().into())),
        _ => {
            let (ticks, wall) = (input.i64().into(), input.i64().into());
            let speed = Ratio::new(speed.into(), 256);
            TimelineState::At(ControlTimestamp::available(ticks, wall, speed))
        }
    }
}

/// `length, text`.
fn text(input: &mut Input<'_>) -> String {
    let length = usize::from(input.byte());
    String::from_utf8_lossy(input.take(length)).into_owned()
}

/// Who is there, and what is known of them.
#[derive(Default)]
struct Audience {
    open: BTreeMap<ConnId, Service>,
    next: u64,
    /// What the clients of timelines want.
    asked: BTreeMap<ConnId, String>,
    /// What the television has said to be wanted.
    wanted: BTreeSet<String>,
    stats: TvServerStats,
}

impl Audience {
    fn come(&mut self, tv: &mut TvServer, now: Instant, door: Service) {
        self.next += 1;
        self.open.insert(ConnId(self.next), door);
        tell(tv, now, ConnId(self.next), Told::Opened(opened(door)));
    }

    fn go(&mut self, tv: &mut TvServer, now: Instant, conn: ConnId) {
        self.forget(conn);
        tell(tv, now, conn, Told::Closed(CloseReason::Remote));
    }

    fn forget(&mut self, conn: ConnId) {
        self.open.remove(&conn);
        self.asked.remove(&conn);
    }

    /// Does what the television says, and looks whether all fits together then.
    fn carry_out(&mut self, tv: &mut TvServer, now: Instant) {
        while let Some(output) = tv.poll_output() {
            match output {
                Output::Send { to, data, .. } => {
                    let door = self.open.get(&to).unwrap_or_else(|| panic!("{to:?} is not there"));
                    assert!(is_read(*door, &data), "{door:?}: {data:?}");
                }
                Output::Close { conn, .. } => {
                    assert!(self.open.contains_key(&conn), "{conn:?} is not there");
                    self.forget(conn);
                    tell(tv, now, conn, Told::Closed(CloseReason::Local));
                }
                Output::Event(event) => self.hear(event),
                other => panic!("{other:?}"),
            }
        }
        let asked: BTreeSet<&str> = self.asked.values().map(String::as_str).collect();
        assert_eq!(tv.wanted_timelines().collect::<BTreeSet<_>>(), asked);
        assert_eq!(self.wanted.iter().map(String::as_str).collect::<BTreeSet<_>>(), asked);
        for door in DOORS {
            assert_eq!(tv.clients(door), self.open.values().filter(|other| **other == door).count());
        }
        let (before, stats) = (numbers(self.stats), numbers(tv.stats()));
        assert!(before.iter().zip(&stats).all(|(before, after)| before <= after), "{before:?} {stats:?}");
        self.stats = tv.stats();
    }

    fn hear(&mut self, event: TvServerEvent) {
        match event {
            TvServerEvent::Setup { conn, setup } => {
                assert_eq!(self.open.get(&conn), Some(&TS));
                let before = self.asked.insert(conn, setup.timeline_selector);
                assert_eq!(before, None, "the first one stays");
            }
            TvServerEvent::TimelineWanted { selector } => assert!(self.wanted.insert(selector)),
            TvServerEvent::TimelineUnwanted { selector } => assert!(self.wanted.remove(&selector)),
            TvServerEvent::Presentation { conn, .. } => assert!(self.asked.contains_key(&conn)),
            _ => {}
        }
    }
}

/// Whether a client of that door can read it.
fn is_read(door: Service, data: &Payload) -> bool {
    let text = || std::str::from_utf8(data.as_bytes()).expect("text");
    match (door, data) {
        (CII, Payload::Text(_)) => CiiMessage::parse(text()).is_ok(),
        (TS, Payload::Text(_)) => ControlTimestamp::parse(text()).is_ok(),
        (WC, Payload::Text(_)) => WcMessage::parse_json(text()).is_ok(),
        (WC, Payload::Binary(data)) => WcMessage::parse(data).is_ok(),
        _ => false,
    }
}

fn numbers(stats: TvServerStats) -> [u64; 6] {
    [
        stats.cii_messages,
        stats.timestamps,
        stats.wc_answers,
        stats.unreadable,
        stats.ignored,
        stats.without_setup,
    ]
}

fn tell(tv: &mut TvServer, now: Instant, conn: ConnId, told: Told<'_>) {
    tv.handle_input(now, Peer::Conn(conn), told);
}
