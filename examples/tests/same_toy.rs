//! The same machine says the same under three drivers: tokio, blocking threads, and the simulator.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use machine::sim::{Cut, Either, EitherEvent, Heard, Link, NodeConfig, Raw, SimFile, World};
use machine::toy::{ECHO, Event, SHOUTING, Toy};
use machine::{FileToken, Transport};

const PATIENCE: Duration = Duration::from_secs(20);
const SLOW: Duration = Duration::from_secs(3600);
const FILE: &[u8] = b"123456789";
/// What a client sends, in these pieces; nothing after `quit` may be answered.
const SCRIPT: [&[u8]; 5] =
    [b"hel", b"lo\n\nwor", b"ld\nfile 1 9\n", b"x\nquit\nnever answered\n", b"nor this\n"];
const SAID: &str = "echo hello\necho \necho world\nfile 9\n123456789echo x\nbye\n";

/// All that a connection's peer was told, and what the machine reported of the connection besides its beginning.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    said: String,
    events: Vec<String>,
}

fn expected(said: &str) -> Outcome {
    let lines = ["hello", "", "world", "file 1 9", "x", "quit"];
    let mut events: Vec<_> = lines.map(|line| format!("line {line:?}")).into();
    events.extend(["file FileToken(1)".to_owned(), "closed Local".to_owned()]);
    Outcome { said: said.to_owned(), events }
}

/// Puts events into words, those of files and ends last: when these come in between is up to the driver.
fn in_words(events: impl IntoIterator<Item = Event>) -> Vec<String> {
    let (mut lines, mut others) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Line(_, line) => lines.push(format!("line {:?}", String::from_utf8_lossy(&line))),
            Event::FileSent(_, file) => others.push(format!("file {file:?}")),
            Event::Closed(_, reason) => others.push(format!("closed {reason:?}")),
            _ => {}
        }
    }
    [lines, others].concat()
}

fn until_closed(mut next: impl FnMut() -> Event) -> Vec<String> {
    let mut events = Vec::new();
    while !matches!(events.last(), Some(Event::Closed(..))) {
        events.push(next());
    }
    in_words(events)
}

fn open(_: FileToken) -> io::Result<std::fs::File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(FILE)?;
    Ok(file)
}

/// Plays the script to a server and returns all that it says until it closes.
fn play(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for part in SCRIPT {
        stream.write_all(part).unwrap();
    }
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn under_blocking_threads() {
    let services = [ECHO, SHOUTING];
    let listeners = services.map(|service| (TcpListener::bind("127.0.0.1:0").unwrap(), service));
    let addresses = [0, 1].map(|at: usize| listeners[at].0.local_addr().unwrap());
    let (tell, events) = mpsc::channel();
    std::thread::spawn(move || {
        blocking_driver::serve(Toy::new(SLOW), listeners.into(), open, |event, _, _| {
            tell.send(event).unwrap()
        })
    });
    for (address, said) in addresses.into_iter().zip([SAID.to_owned(), SAID.to_uppercase()]) {
        let heard = play(address);
        let events = until_closed(|| events.recv_timeout(PATIENCE).unwrap());
        assert_eq!(Outcome { said: heard, events }, expected(&said));
    }
}

#[test]
fn under_tokio() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let limits = driver::Limits::default();
    let (driver, mut events) = driver::Driver::start_with_files(Toy::new(SLOW), limits, Arc::new(open));
    for (service, said) in [(ECHO, SAID.to_owned()), (SHOUTING, SAID.to_uppercase())] {
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        driver.serve_tcp(listener, service);
        let heard = play(address);
        let mut next = || runtime.block_on(async { tokio::time::timeout(PATIENCE, events.next()).await });
        let events = until_closed(|| next().unwrap().unwrap());
        assert_eq!(Outcome { said: heard, events }, expected(&said));
    }
    runtime.block_on(driver.shutdown(PATIENCE));
}

#[test]
fn under_the_simulator() {
    for cut in [Cut::Whole, Cut::Every(1), Cut::Random(5)] {
        for (service, said) in [(ECHO, SAID.to_owned()), (SHOUTING, SAID.to_uppercase())] {
            let mut world = World::new(7);
            world.set_default_link(Link { cut, ..Link::default() });
            let toy = world.add_node(Either::Left(Toy::new(SLOW)), NodeConfig::at([192, 0, 2, 1]));
            let peer = world.add_node(Either::Right(Raw::new()), NodeConfig::default());
            world.add_file(toy, FileToken(1), SimFile::bytes(FILE));
            let address = world.listen(toy, "192.0.2.1:7000".parse().unwrap(), service, Transport::Stream);
            let conn = world.connect(peer, address, service, Transport::Stream);
            world.run_for(Duration::from_secs(1));
            world.call(peer, |machine, _| {
                let raw = machine.right().unwrap();
                SCRIPT.into_iter().for_each(|part| raw.bytes(conn, part));
            });
            world.run_for(Duration::from_secs(10));

            let (mut heard, mut events, mut ended) = (Vec::new(), Vec::new(), false);
            for (_, _, event) in world.drain_events() {
                match event {
                    EitherEvent::Left(event) => events.push(event),
                    EitherEvent::Right(Heard::Bytes(_, bytes)) => heard.extend_from_slice(&bytes),
                    EitherEvent::Right(Heard::End(_)) => ended = true,
                    EitherEvent::Right(_) => {}
                }
            }
            assert!(ended, "the toy closes");
            let outcome = Outcome { said: String::from_utf8(heard).unwrap(), events: in_words(events) };
            assert_eq!(outcome, expected(&said), "{cut:?}");
        }
    }
}
