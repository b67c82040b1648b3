//! Two servers in one process, on an engine within it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use smpte_programs::cluster::{self, LocalEngine, SharedEntry};
use smpte_programs::serve::{self, TimecodeServer};
use smpte_timecode::config::ServerConfig;
use smpte_timecode::session::replicated::NodeConfig;

async fn server(engine: &LocalEngine, name: &str, seed: u8) -> (TimecodeServer, SocketAddr) {
    let node = NodeConfig::new(name.parse().unwrap(), u64::from(seed) << 32);
    let (server, events) = serve::start(ServerConfig::new([seed; 32]).with_cluster(node));
    cluster::join(&server, events, engine.clone()).serves.await.expect("it serves");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve::serve_tcp(&server, listener);
    (server, address)
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.reply().contains("welcome"));
        client
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0);
            if !line.contains("timecode_update") {
                return line;
            }
        }
    }

    fn ask(&mut self, message: &str) -> String {
        self.0.get_mut().write_all(format!("{message}\n").as_bytes()).unwrap();
        self.reply()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_one_process_share_sessions() {
    let engine = LocalEngine::new();
    let (first, at_first) = server(&engine, "a", 1).await;
    let (second, at_second) = server(&engine, "b", 2).await;
    let told = tokio::task::spawn_blocking(move || {
        let (mut a, mut b) = (Client::connect(at_first), Client::connect(at_second));
        let created = a.ask("{\"type\": \"create_session\", \"framerate\": \"25\"}");
        let id = created.split("\"session_id\": \"").nth(1).unwrap()[..36].to_owned();
        let joined = b.ask(&format!("{{\"type\": \"join_session\", \"session_id\": \"{id}\"}}"));
        assert!(joined.contains("session_joined"), "{joined}");
        let started = b.ask("{\"type\": \"start_timecode\"}");
        assert_eq!(a.reply(), started);
        let stopped = a.ask("{\"type\": \"stop_timecode\"}");
        assert_eq!(b.reply(), stopped);
        started
    });
    assert_eq!(told.await.unwrap(), "{\"type\": \"timecode_started\", \"timecode\": \"00:00:00:00\"}\n");
    first.shutdown(Duration::from_secs(1)).await;
    second.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn programs_share_an_entry() {
    let engine = LocalEngine::new();
    let [a, b] = ["a", "b"].map(|name| SharedEntry::follow(engine.clone(), name.parse().unwrap(), "cii"));
    for text in ["one", "two"] {
        a.write(text);
        holds(&b, text).await;
    }
    // who comes later is told too, and what it writes reaches the others
    let c = SharedEntry::follow(engine.clone(), "c".parse().unwrap(), "cii");
    holds(&c, "two").await;
    c.write("three");
    holds(&a, "three").await;
}

async fn holds(entry: &SharedEntry, text: &str) {
    let mut values = entry.values();
    let wanted = values.wait_for(|value| value.as_deref() == Some(text.as_bytes()));
    tokio::time::timeout(Duration::from_secs(60), wanted).await.expect("it comes").expect("it goes on");
}
