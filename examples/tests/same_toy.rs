//! The same machine says the same under three drivers: tokio, blocking threads, and the simulator.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::time::Duration;

use machine::Service;
use machine::toy::{ECHO, SHOUTING, Toy};

const SLOW: Duration = Duration::from_secs(3600);
const SCRIPT: &[&[u8]] = &[b"hel", b"lo\n\nwor", b"ld\nfile 1 9\n", b"x\nquit\nnever answered\n"];
const SAID: &str = "echo hello\necho \necho world\nfile 9\n123456789echo x\nbye\n";

fn open(_: machine::FileToken) -> io::Result<std::fs::File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(b"123456789")?;
    Ok(file)
}

/// Plays the script to a server and returns all that it says until it closes.
fn play(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for part in SCRIPT {
        stream.write_all(part).unwrap();
    }
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn under_blocking_threads() {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for service in [ECHO, SHOUTING] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        addresses.push(listener.local_addr().unwrap());
        listeners.push((listener, service));
    }
    let server = std::thread::spawn(move || {
        let mut closed = 0;
        blocking_driver::serve(Toy::new(SLOW), listeners, open, |event| {
            closed += u32::from(matches!(event, machine::toy::Event::Closed(..)));
            if closed == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    assert_eq!(play(addresses[0]), SAID);
    assert_eq!(play(addresses[1]).to_lowercase(), SAID);
    server.join().unwrap().unwrap();
}

#[test]
fn under_tokio() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let said = runtime.block_on(async {
        let (driver, _events) =
            driver::Driver::start_with_files(Toy::new(SLOW), driver::Limits::default(), std::sync::Arc::new(open));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        driver.serve_tcp(listener, Service(0));
        let said = tokio::task::spawn_blocking(move || play(address)).await.unwrap();
        driver.shutdown(Duration::from_secs(5)).await;
        said
    });
    assert_eq!(said, SAID);
}
