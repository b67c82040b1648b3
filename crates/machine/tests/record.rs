//! Recordings and their replay, seen through the toy machine.
#![cfg(all(feature = "record", feature = "sim"))]

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use machine::record::{Fields, Played, Player, Problem, Recorded, Sink, Unreadable};
use machine::sim::{Either, Link, NodeConfig, NodeId, Raw, SimFile, World};
use machine::toy::{ECHO, Toy, ToyCalls};
use machine::{FileToken, Instant, Machine, Service, SocketId, Transport, UdpPeer};

/// Keeps lines, up to so many.
#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<String>>>, usize);

impl Lines {
    fn new(room: usize) -> Self {
        Self(Arc::default(), room)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Sink for Lines {
    fn line(&mut self, line: &str) -> bool {
        let mut lines = self.0.lock().unwrap();
        lines.push(line.to_owned());
        lines.len() < self.1
    }
}

type Both = World<Either<Recorded<Toy>, Raw>>;

fn raw_says(world: &mut Both, raw: NodeId, what: &dyn Fn(&mut Raw)) {
    world.call(raw, |machine, _| what(machine.right().unwrap()));
    world.run_for(Duration::from_millis(100));
}

/// Some seconds of everything that a toy can meet.
fn recording() -> Vec<String> {
    let lines = Lines::new(usize::MAX);
    let toy = Recorded::<Toy>::new(Duration::from_millis(40), Some(Box::new(lines.clone())));
    assert!(toy.is_recording());
    let mut world = Both::new(7);
    world.set_default_link(Link { jitter: Duration::from_millis(1), ..Link::default() });
    let node =
        |address: [u8; 4]| NodeConfig { addresses: vec![IpAddr::from(address)], ..NodeConfig::default() };
    let toy = world.add_node(Either::Left(toy), node([192, 0, 2, 1]));
    let raw = world.add_node(Either::Right(Raw::new()), node([192, 0, 2, 2]));
    let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
    world.listen(toy, at(7000), ECHO, Transport::Stream);
    world.listen(toy, at(7001), ECHO, Transport::WebSocket);
    world.add_file(toy, FileToken(3), SimFile::pattern(10_000, 1));
    world.bind_udp(toy, SocketId(0), at(7000));
    world.bind_udp(raw, SocketId(0), SocketAddr::from(([192, 0, 2, 2], 7000)));
    let conns: Vec<_> = (0..3).map(|_| world.connect(raw, at(7000), Service(0), Transport::Stream)).collect();
    let web = world.connect(raw, at(7001), Service(0), Transport::WebSocket);
    world.run_for(Duration::from_secs(1));
    let says = |world: &mut Both, what: &dyn Fn(&mut Raw)| raw_says(world, raw, what);
    says(&mut world, &|raw| conns.iter().for_each(|conn| raw.bytes(*conn, "subscribe\nhal")));
    says(&mut world, &|raw| raw.bytes(conns[0], "f a line\n\u{e9} \"quoted\"\n"));
    says(&mut world, &|raw| raw.bytes(conns[1], format!("{}\nfile 3 10000\n", "long".repeat(900))));
    says(&mut world, &|raw| raw.text(web, "over a web socket"));
    let there = UdpPeer { socket: SocketId(0), remote: at(7000), local: None };
    says(&mut world, &|raw| raw.datagram(there, "ping!"));
    says(&mut world, &|raw| raw.datagram(there, "burst 5 400"));
    world.call(toy, |m, _| m.left().unwrap().say(conns[2], "from the program").unwrap());
    world.set_wall_clock(toy, 1_800_000_000_000_000_000);
    says(&mut world, &|raw| raw.bytes(conns[1], "quit\n"));
    world.half_close(raw, conns[2]);
    world.reset(raw, conns[0]);
    world.run_for(Duration::from_secs(1));
    lines.take()
}

/// Plays it; what is wrong comes with the place of its line.
fn play(lines: &[String]) -> Result<Played, (usize, Problem)> {
    let described =
        lines[0].strip_prefix("machine toy").ok_or((0, Problem::Unreadable(Unreadable::Machine)))?;
    let mut player = Player::<Toy>::open(Fields::new(described)).map_err(|error| (0, error.into()))?;
    for (at, line) in lines.iter().enumerate().skip(1) {
        player.line(line).map_err(|problem| (at, problem))?;
    }
    Ok(player.played())
}

fn is_output(line: &str) -> bool {
    ["send ", "sendfile ", "datagram ", "close ", "event "].iter().any(|kind| line.starts_with(kind))
}

#[test]
fn what_is_recorded_plays_back_the_same() {
    let lines = recording();
    let played = play(&lines).unwrap();
    let outputs = lines.iter().filter(|line| is_output(line)).count();
    assert_eq!(played.outputs, outputs as u64);
    let inputs = lines.len() - 1 - outputs - lines.iter().filter(|line| *line == ".").count();
    assert_eq!(played.inputs, inputs as u64);
    let (first, last) = played.between.unwrap();
    assert!(last.saturating_since(first) > Duration::from_secs(1));
    // It holds what it should: everything, and broadcasts but once.
    for part in [
        "timeout ",
        "wall ",
        "call ",
        " opened ",
        " bytes ",
        " end ",
        " text ",
        " datagram ",
        " left ",
        " filesent ",
        " closed ",
        "sendfile ",
        "close ",
        "event ",
        " Latest bytes =",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}");
    }
    // The half line that was left is not written again with the rest of it.
    assert!(lines.iter().any(|line| line.starts_with("event ") && line.contains("half a line")));
    assert!(!lines.iter().any(|line| line.starts_with("input ") && line.contains("half")));
}

#[test]
fn any_other_output_is_found_where_it_is() {
    let lines = recording();
    for at in (1..lines.len()).filter(|at| is_output(&lines[*at]) || lines[*at] == ".") {
        let mut other = lines.clone();
        // The last character but a quote.
        let end = other[at].trim_end_matches('"').len() - 1;
        let was = other[at].remove(end);
        other[at].insert(end, if was == 'e' { 'f' } else { 'e' });
        match play(&other) {
            Err((found, Problem::Differs(difference))) => {
                assert_eq!((found, &difference.recorded, &difference.replayed), (at, &other[at], &lines[at]));
            }
            // What was a dot is nothing at all now.
            Err((found, Problem::Unreadable(Unreadable::Kind))) => {
                assert_eq!((found, &*lines[at]), (at, "."))
            }
            played => panic!("{}: {played:?}", other[at]),
        }
    }
    // One is missing, or one too many.
    let at = lines.iter().position(|line| is_output(line)).unwrap();
    let mut missing = lines.clone();
    missing.remove(at);
    assert!(matches!(play(&missing), Err((_, Problem::Differs(_)))));
    let mut doubled = lines.clone();
    doubled.insert(at, lines[at].clone());
    assert!(matches!(play(&doubled), Err((_, Problem::Differs(_)))));
}

#[test]
fn a_part_from_the_start_plays_as_far_as_it_goes() {
    let lines = recording();
    for count in 1..lines.len() {
        play(&lines[..count]).unwrap();
    }
}

#[test]
fn what_is_no_recording_is_refused_and_never_panics() {
    let lines = recording();
    for at in 0..lines.len() {
        // Cut anywhere, and with a byte in it that does not belong there.
        for (place, _) in lines[at].char_indices().step_by(7) {
            let mut cut = lines.clone();
            cut[at].truncate(place);
            let _ = play(&cut[..=at]);
            cut[at].push_str("~ \"");
            let _ = play(&cut[..=at]);
        }
    }
    for (line, error) in [
        ("", Unreadable::Kind),
        ("inputs 1", Unreadable::Kind),
        ("timeout", Unreadable::Ends),
        ("timeout 1 2", Unreadable::TooLong),
        ("timeout -1", Unreadable::Word),
        ("input 1 Conn 1 shouted \"x\"", Unreadable::Kind),
        ("call 1 sing 1", Unreadable::Call),
        ("call 1 say 1", Unreadable::Ends),
    ] {
        let line = [lines[0].clone(), line.to_owned()];
        assert_eq!(play(&line), Err((1, Problem::Unreadable(error))));
    }
}

#[test]
fn a_sink_that_wants_no_more_ends_the_recording_and_not_the_machine() {
    let lines = Lines::new(3);
    let mut toy = Recorded::<Toy>::new(Duration::from_millis(40), Some(Box::new(lines.clone())));
    for n in 0..10 {
        toy.handle_wall_clock(Instant::from_nanos(n), 5);
        assert!(toy.poll_output().is_some() && toy.poll_output().is_none());
    }
    assert!(!toy.is_recording());
    assert_eq!(lines.take().len(), 3);
}
