//! The conformance suite finds real faults: for each property a toy machine that breaks it, which the suite has to
//! reject for that property, and the toy as it is, which has to pass.
#![cfg(all(feature = "sim", feature = "conformance"))]

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use bytes::Bytes;
use machine::conformance::{Bounds, Late, Property, Step, Suite, Violation};
use machine::toy::{self, ECHO, GREETING, SHOUTING, Toy};
use machine::{
    CloseReason, Closing, ConnId, Datagram, FileToken, Input, Instant, Keep, Machine, Output, Payload, Peer,
    SocketId, UdpPeer,
};

const PERIOD: Duration = Duration::from_millis(40);

/// What a [`Broken`] toy does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Says how many bytes came at once.
    CountsReads,
    /// Answers a word before its line is whole, and thinks better of it.
    JumpsToConclusions,
    /// Forgets what it was about to say when something comes.
    ForgetsOutputs,
    /// Numbers its answers over all machines there are.
    SharedCounter,
    /// Cannot take a NUL.
    PanicsOnNul,
    /// Speaks after its own close.
    SpeaksAfterClose,
    /// Goes on ticking to a connection that is gone.
    SpeaksToTheGone,
    /// Closes twice.
    ClosesTwice,
    /// Sends to a connection that nobody opened.
    SpeaksToNobody,
    /// Sends from a socket that is not there.
    WrongSocket,
    /// Sends bytes on a WebSocket.
    BytesOnWebSocket,
    /// Sends text that is none.
    BadText,
    /// Sends a file on a WebSocket.
    FileOnWebSocket,
    /// Says another time whenever it is asked when.
    FickleTimeout,
    /// Counts how often it is asked.
    CountsPolls,
    /// Wants to be woken at once, again and again.
    StuckDeadline,
    /// Wants to be woken a nanosecond later, again and again.
    CreepingDeadline,
    /// Ticks whenever it is woken.
    TicksEarly,
    /// Moves its deadline when it is woken early.
    MovesWhenEarly,
    /// Makes up for every tick that it missed.
    Bursts,
    /// Ticks a period after it last did.
    Drifts,
    /// Says late what was right in time.
    Stale,
    /// Leaves everything unread.
    NeverReads,
    /// Says everything a hundred times.
    Garrulous,
    /// Answers the driver's answers.
    Endless,
}

/// A toy with a fault.
struct Broken {
    toy: Toy,
    fault: Fault,
    counter: Rc<Cell<u32>>,
    polls: Cell<u32>,
    /// Stands in for the toy's, with the faults of the deadline.
    next_tick: Option<u64>,
    ticking: Option<ConnId>,
    out: Vec<Output<toy::Event>>,
}

fn broken(fault: Fault) -> impl Fn() -> Broken {
    let counter = Rc::new(Cell::new(0));
    move || Broken {
        toy: Toy::new(PERIOD),
        fault,
        counter: counter.clone(),
        polls: Cell::new(0),
        next_tick: None,
        ticking: None,
        out: Vec::new(),
    }
}

fn bytes(to: ConnId, text: impl Into<Bytes>) -> Output<toy::Event> {
    Output::Send { to, data: Payload::Bytes(text.into()), keep: Keep::Always }
}

impl Broken {
    fn drain_toy(&mut self) {
        while let Some(output) = self.toy.poll_output() {
            self.after_output(output);
        }
    }

    fn after_output(&mut self, output: Output<toy::Event>) {
        let conn = match &output {
            Output::Send { to, .. } => Some(*to),
            Output::Close { conn, .. } => Some(*conn),
            _ => None,
        };
        let line = match &output {
            // On streams.
            Output::Event(toy::Event::Line(conn, line)) if conn.0 != 3 => Some((*conn, line.clone())),
            _ => None,
        };
        let closes = matches!(output, Output::Close { .. });
        let copies = if self.fault == Fault::Garrulous && conn.is_some() && !closes { 100 } else { 1 };
        for _ in 0..copies {
            self.out.push(output.clone());
        }
        match (self.fault, conn, line) {
            (Fault::SharedCounter, _, Some((conn, _))) => {
                self.counter.set(self.counter.get() + 1);
                self.out.push(bytes(conn, format!("{}\n", self.counter.get())));
            }
            (Fault::PanicsOnNul, _, Some((_, line))) => assert!(!line.contains(&0), "a NUL"),
            (Fault::SpeaksAfterClose, Some(conn), _) if closes => {
                self.out.push(bytes(conn, "one more thing\n"))
            }
            (Fault::ClosesTwice, Some(conn), _) if closes => {
                self.out.push(Output::Close { conn, how: Closing::Now });
            }
            (Fault::SpeaksToNobody, _, Some(_)) => self.out.push(bytes(ConnId(999), "hello?\n")),
            (Fault::WrongSocket, _, Some(_)) => self.out.push(Output::Datagram(Datagram {
                to: UdpPeer { socket: SocketId(77), ..peer() },
                data: "x".into(),
                segment: None,
                stamp: None,
            })),
            (Fault::CountsPolls, _, Some((conn, _))) => {
                self.out.push(bytes(conn, format!("asked {} times\n", self.polls.get() / 2)));
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let own = self.next_tick.map(Instant::from_nanos);
        if self.ticking.is_some() { own } else { self.toy.poll_timeout() }
    }

    /// Whether the fault is one of the ticker, which then stands in for the toy's.
    fn ticks_itself(&self) -> bool {
        use Fault::*;
        matches!(
            self.fault,
            StuckDeadline
                | CreepingDeadline
                | TicksEarly
                | MovesWhenEarly
                | Bursts
                | Drifts
                | Stale
                | SpeaksToTheGone
        )
    }

    fn tick(&mut self, to: ConnId, n: u64) {
        let data = Payload::Bytes(format!("tick {n}\n").into());
        self.out.push(Output::Send { to, data, keep: Keep::Latest });
    }
}

const PERIOD_NS: u64 = 40_000_000;

impl Machine for Broken {
    type Event = toy::Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        if self.fault == Fault::ForgetsOutputs {
            self.out.clear();
        }
        match (self.fault, from, &input) {
            (Fault::CountsReads, Peer::Conn(conn @ ConnId(1)), Input::Bytes(buf)) => {
                self.out.push(bytes(conn, format!("{} bytes\n", buf.len())));
            }
            (Fault::JumpsToConclusions, Peer::Conn(conn), Input::Bytes(buf)) if buf.as_ref() == b"hell" => {
                self.out.push(bytes(conn, "what?\n"));
            }
            (Fault::NeverReads, _, Input::Bytes(_)) => return,
            (Fault::BytesOnWebSocket, Peer::Conn(conn), Input::Text(_)) => self.out.push(bytes(conn, "x")),
            (Fault::BadText, Peer::Conn(to), Input::Text(_)) => {
                let data = Payload::Text(Bytes::from_static(b"\xc3"));
                self.out.push(Output::Send { to, data, keep: Keep::Always });
            }
            (Fault::FileOnWebSocket, Peer::Conn(to), Input::Text(_)) => {
                self.out.push(Output::SendFile { to, file: FileToken(1), offset: 0, len: 1 });
            }
            (Fault::Endless, Peer::Conn(to), Input::FileSent(file)) => {
                self.out.push(Output::SendFile { to, file: *file, offset: 0, len: 1 });
            }
            (fault, Peer::Conn(conn), Input::Closed(_))
                if fault != Fault::SpeaksToTheGone && self.ticking == Some(conn) =>
            {
                self.ticking = None;
            }
            _ => {}
        }
        self.toy.handle_input(now, from, input);
        self.drain_toy();
        if self.ticks_itself() && self.ticking.is_none() {
            let subscribed = self.out.iter().find_map(|o| match o {
                Output::Event(toy::Event::Subscribed(conn)) if conn.0 != 3 => Some(*conn),
                _ => None,
            });
            if let (Some(conn), None) = (subscribed, self.ticking) {
                self.ticking = Some(conn);
                self.next_tick = Some((now.as_nanos() / PERIOD_NS + 1) * PERIOD_NS);
            }
        }
        if self.out.iter().any(|o| matches!(o, Output::Close { .. })) && self.fault != Fault::SpeaksToTheGone
        {
            self.ticking = None;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let Some(conn) = self.ticking else {
            self.toy.handle_timeout(now);
            return self.drain_toy();
        };
        let due = self.next_tick.unwrap_or(0);
        let now = now.as_nanos();
        let right = now / PERIOD_NS;
        let early = now < due;
        match self.fault {
            Fault::TicksEarly if early => self.tick(conn, right),
            Fault::MovesWhenEarly if early => self.next_tick = Some(due + 1),
            _ if early => (),
            Fault::StuckDeadline => self.tick(conn, right),
            Fault::CreepingDeadline => self.next_tick = Some(now + 1),
            Fault::Bursts => {
                for n in due / PERIOD_NS..=right {
                    self.tick(conn, n);
                }
                self.next_tick = Some((right + 1) * PERIOD_NS);
            }
            Fault::Drifts => {
                self.tick(conn, right);
                self.next_tick = Some(now + PERIOD_NS);
            }
            Fault::Stale => {
                self.tick(conn, due / PERIOD_NS);
                self.next_tick = Some((right + 1) * PERIOD_NS);
            }
            _ => {
                self.tick(conn, right);
                self.next_tick = Some((right + 1) * PERIOD_NS);
            }
        }
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        self.toy.handle_wall_clock(now, unix_ns);
        self.drain_toy();
    }

    fn poll_output(&mut self) -> Option<Output<toy::Event>> {
        (!self.out.is_empty()).then(|| self.out.remove(0))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.polls.set(self.polls.get() + 1);
        match self.fault {
            Fault::FickleTimeout => {
                self.deadline().map(|d| d + Duration::from_nanos(u64::from(self.polls.get())))
            }
            _ => self.deadline(),
        }
    }
}

fn peer() -> UdpPeer {
    UdpPeer { socket: SocketId(0), remote: "198.51.100.7:4000".parse().unwrap(), local: None }
}

/// All that the toy can do, and what its peers can do to it.
fn script() -> Vec<Step<Broken>> {
    vec![
        Step::stream(1, ECHO),
        Step::stream(2, SHOUTING),
        Step::web_socket(3, GREETING),
        Step::bytes(1, "hello\nthis is longer\n\nunfini"),
        Step::bytes(1, "shed\n"),
        Step::Datagram(peer(), "ping 1".into()),
        Step::bytes(2, "loud\nsubscribe\n"),
        Step::Wait(Duration::from_millis(130)),
        Step::text(3, "text"),
        Step::text(3, "subscribe"),
        Step::binary(3, b"\x00\x01\xff".as_slice()),
        Step::bytes(1, "subscribe\nfile 7 100000\nafter\n"),
        Step::Timeout,
        Step::call(|m: &mut Broken, _| {
            let _ = m.toy.say(ConnId(1), "from the program");
            m.drain_toy();
        }),
        Step::Datagram(peer(), "burst 3 100".into()),
        Step::Datagram(peer(), "nonsense".into()),
        Step::WallClock(5),
        Step::stream(4, ECHO),
        Step::bytes(4, "x".repeat(5000)),
        Step::bytes(4, "ignored\n"),
        Step::Dropped(ConnId(1), 3),
        Step::bytes(1, "rest without end"),
        Step::end(1),
        Step::Wait(Duration::from_secs(1)),
        Step::bytes(2, "quit\nnot heard\n"),
        Step::closed(3, CloseReason::Remote),
        Step::Wait(Duration::from_secs(1)),
    ]
}

fn bounds() -> Bounds {
    Bounds {
        unread: toy::MAX_LINE,
        output_per_input: 70_000, // a burst of datagrams
        ..Bounds::default()
    }
}

fn suite(fault: Fault) -> Suite<Broken> {
    Suite::new(broken(fault)).script(script()).bounds(bounds())
}

fn rejected(fault: Fault, property: Property) -> Violation {
    let violation = suite(fault).run().expect_err("a broken machine passes");
    assert_eq!(violation.property, property, "{fault:?}: {violation}");
    assert!(!violation.what.is_empty() && !violation.run.is_empty());
    violation
}

#[test]
fn the_toy_passes_with_everything_reached() {
    let report = suite(Fault::None).run().unwrap();
    assert!(report.cuts > 400, "{report:?}");
    assert!(report.late_wakes > 50 && report.early_wakes > 50, "{report:?}");
    assert!(report.runs > 1_000 && report.inputs > 100_000 && report.outputs > 100_000, "{report:?}");
    // And so under other seeds.
    for seed in 2..5 {
        suite(Fault::None).seed(seed).check_arbitrary_bytes().unwrap();
    }
}

#[test]
fn outputs_that_depend_on_how_a_stream_is_cut() {
    let violation = rejected(Fault::CountsReads, Property::Chunking);
    assert_eq!((violation.run.as_str(), violation.step), ("chunks of 1", 3));
    assert!(violation.what.contains("ConnId(1)"), "{violation}");
    rejected(Fault::JumpsToConclusions, Property::Chunking);
    let violation = suite(Fault::JumpsToConclusions).check_prefixes().unwrap_err();
    assert_eq!((violation.property, violation.step), (Property::Prefix, 3), "{violation}");
}

#[test]
fn outputs_lost_when_not_drained_at_once() {
    rejected(Fault::ForgetsOutputs, Property::Batching);
}

#[test]
fn runs_that_differ() {
    let violation = rejected(Fault::SharedCounter, Property::Determinism);
    assert_eq!(violation.run, "once more");
}

#[test]
fn panics() {
    let violation = rejected(Fault::PanicsOnNul, Property::NoPanic);
    assert!(violation.run.starts_with("damage") && violation.what.contains("a NUL"), "{violation}");
}

#[test]
fn speaking_after_a_close() {
    let violation = rejected(Fault::SpeaksAfterClose, Property::NothingAfterClose);
    assert!(violation.what.contains("Closing"), "{violation}");
    let violation = rejected(Fault::SpeaksToTheGone, Property::NothingAfterClose);
    assert!(violation.what.contains("Gone"), "{violation}");
    rejected(Fault::ClosesTwice, Property::NothingAfterClose);
}

#[test]
fn speaking_to_nobody() {
    rejected(Fault::SpeaksToNobody, Property::KnownPeers);
    rejected(Fault::WrongSocket, Property::KnownPeers);
    // A socket that is stated to be there is.
    suite(Fault::WrongSocket).sockets([SocketId(77)]).check_script().unwrap();
}

#[test]
fn the_wrong_payload() {
    for fault in [Fault::BytesOnWebSocket, Fault::BadText, Fault::FileOnWebSocket] {
        rejected(fault, Property::Payload);
    }
}

#[test]
fn a_deadline_that_depends_on_being_read() {
    rejected(Fault::FickleTimeout, Property::PureTimeout);
    let violation = rejected(Fault::CountsPolls, Property::PureTimeout);
    assert_eq!(violation.run, "deadline read 20 times");
}

#[test]
fn a_deadline_that_does_not_move_on() {
    let violation = rejected(Fault::StuckDeadline, Property::DeadlineMovesOn);
    assert_eq!(violation.step, 7);
    rejected(Fault::CreepingDeadline, Property::DeadlineMovesOn);
}

#[test]
fn acting_on_an_early_wake() {
    rejected(Fault::TicksEarly, Property::EarlyWake);
    rejected(Fault::MovesWhenEarly, Property::EarlyWake);
}

#[test]
fn a_burst_after_a_late_wake() {
    let violation = rejected(Fault::Bursts, Property::LateBurst);
    assert!(violation.run.ends_with("periods late"), "{violation}");
    // That is no question of what else is asked for.
    let violation = suite(Fault::Bursts).late(Late::NoBurst).check_late_wakes().unwrap_err();
    assert_eq!(violation.property, Property::LateBurst);
}

#[test]
fn wrong_times_and_values_after_a_late_wake() {
    let violation = rejected(Fault::Drifts, Property::LateTime);
    assert!(violation.what.contains("wakes after it"), "{violation}");
    let violation = rejected(Fault::Stale, Property::LateTime);
    assert!(violation.what.contains("in the late wake"), "{violation}");
    suite(Fault::Stale).late(Late::SameTimes).check_late_wakes().unwrap();
    suite(Fault::Drifts).late(Late::NoBurst).check_late_wakes().unwrap();
}

#[test]
fn leaving_everything_unread() {
    let violation = rejected(Fault::NeverReads, Property::Unread);
    assert!(violation.what.contains("5000"), "{violation}");
}

#[test]
fn saying_too_much() {
    let bounds = Bounds { output_per_input: 5_000, output_per_byte: 100, ..bounds() };
    let violation = suite(Fault::Garrulous).bounds(bounds).run().unwrap_err();
    assert_eq!(violation.property, Property::Amplification, "{violation}");
    rejected(Fault::Endless, Property::Amplification);
}

#[test]
fn scripts_that_do_not_fit() {
    let wrong: [(&str, Vec<Step<Broken>>); 5] = [
        ("says nothing", vec![Step::Wait(PERIOD)]),
        ("never opened", vec![Step::bytes(1, "x")]),
        ("opened twice", vec![Step::stream(1, ECHO), Step::stream(1, ECHO)]),
        ("is no WebSocket", vec![Step::stream(1, ECHO), Step::text(1, "x")]),
        ("no timeout is set", vec![Step::stream(1, ECHO), Step::Timeout]),
    ];
    for (what, script) in wrong {
        // A machine that does not even report its wall clock, so as to say nothing.
        let suite = Suite::new(|| Quiet(broken(Fault::None)())).script(script.into_iter().map(quiet));
        let violation = suite.run().unwrap_err();
        assert_eq!(violation.property, Property::Script, "{violation}");
        assert!(violation.what.contains(what), "{violation}");
    }
}

/// A toy without wall clock.
struct Quiet(Broken);

fn quiet(step: Step<Broken>) -> Step<Quiet> {
    match step {
        Step::Open(conn, opened) => Step::Open(conn, opened),
        Step::Bytes(conn, bytes) => Step::Bytes(conn, bytes),
        Step::Text(conn, text) => Step::Text(conn, text),
        Step::Wait(span) => Step::Wait(span),
        Step::Timeout => Step::Timeout,
        other => panic!("{other:?}"),
    }
}

impl Machine for Quiet {
    type Event = toy::Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        self.0.handle_input(now, from, input);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output<toy::Event>> {
        self.0.poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }
}
