//! Twenty readers over UDP stay while their publisher is cut off and comes back, and see one stream.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use driver::Events;
use rtp_rtsp::client::{Client, Event, Goal};
use rtp_rtsp::config::{ClientConfig, Publish, Purpose, ServerConfig, Wanted};
use rtp_rtsp::media::{Codec, Packetizer};
use rtp_rtsp::rtp::Outgoing;
use rtp_rtsp::sdp::Media;
use rtsp_programs::client::{RtspClient, bind_udp, connect};
use rtsp_programs::serve;
use tokio::net::TcpListener;

const READERS: usize = 20;
/// An access unit that a decoder can begin with: parameter sets and a slice.
const KEY: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80, 0, 0, 0, 1, 0x65, 0x88,
    0x84,
];

fn config(port: u16) -> ClientConfig {
    let mut config = ClientConfig::new(driver::seed(), format!("rtsp://127.0.0.1:{port}/ES_MTX"));
    config.transport = Wanted::Udp;
    // The machine that this runs on may be busy with something else.
    config.udp_timeout = Duration::from_secs(30);
    config.reply_timeout = Duration::from_secs(30);
    config
}

/// Connects, and answers what is asked for on the way to playing.
async fn playing(config: ClientConfig, port: u16) -> (RtspClient, Events<Event>) {
    let (client, mut events) = connect(config, "127.0.0.1", port).await.unwrap();
    loop {
        match events.next().await.expect("events") {
            Event::UdpWanted { pairs } => bind_udp(&client, pairs, None, false),
            Event::Playing { over_tcp } => {
                assert!(!over_tcp);
                return (client, events);
            }
            Event::Failed(failure) => panic!("{failure}"),
            _ => {}
        }
    }
}

struct Publisher {
    client: RtspClient,
    packetizer: Packetizer,
    timestamp: u32,
}

impl Publisher {
    async fn start(port: u16, ssrc: u32) -> Self {
        let mut config = config(port);
        config.purpose = Purpose::Publish;
        config.media = vec![Media::h264(None, (25, 1))];
        let (client, _) = playing(config, port).await;
        let packetizer = Packetizer::new(Codec::H264, Outgoing::new(96, ssrc, 7, 1400));
        Self { client, packetizer, timestamp: ssrc }
    }

    fn send(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(3600);
        let packets = self.packetizer.packetize(KEY, self.timestamp).unwrap();
        self.client.call(|machine: &mut Client, now| machine.push(now, 0, &packets));
    }
}

/// Sends until every reader has had one more frame; gives their timestamps.
async fn everybody_sees(publisher: &mut Publisher, readers: &mut [(RtspClient, Events<Event>)]) -> Vec<u64> {
    let mut seen = vec![None; readers.len()];
    while seen.iter().any(Option::is_none) {
        publisher.send();
        tokio::time::sleep(Duration::from_millis(5)).await;
        for ((_, events), seen) in readers.iter_mut().zip(&mut seen) {
            while let Some(event) = events.try_next() {
                match event {
                    Event::Frame { frame, .. } => *seen = Some(frame.timestamp),
                    Event::Failed(failure) => panic!("{failure}"),
                    Event::Bye { .. } => panic!("a reader was let go"),
                    _ => {}
                }
            }
        }
    }
    seen.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_stay() {
    let mut server_config = ServerConfig::new(driver::seed());
    server_config.publish = Publish::Anywhere;
    // What is tested is that they stay, not how long a gap may be on a busy machine.
    server_config.publisher_gap = Duration::from_secs(60);
    let (server, events) = serve::start(server_config);
    drop(events);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    serve::serve_udp(&server, IpAddr::V4(Ipv4Addr::LOCALHOST), 1).unwrap();
    serve::serve_tcp(&server, listener);

    let work = async {
        let mut publisher = Publisher::start(port, 1000).await;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            // PLAY is answered with the first frame, or after two seconds without one.
            let reader = playing(config(port), port);
            tokio::pin!(reader);
            readers.push(loop {
                tokio::select! {
                    reader = &mut reader => break reader,
                    () = tokio::time::sleep(Duration::from_millis(5)) => publisher.send(),
                }
            });
        }
        let before = everybody_sees(&mut publisher, &mut readers).await;
        // Cut off, not taken leave of.
        publisher.client.shutdown(Duration::ZERO).await;
        drop(publisher);
        let mut publisher = Publisher::start(port, 0xffff_0000).await;
        let after = everybody_sees(&mut publisher, &mut readers).await;
        for (before, after) in before.iter().zip(&after) {
            assert!(after > before, "timestamps go on: {before} {after}");
        }
        let mounts = server.call(|machine, _| machine.mounts().collect::<Vec<_>>());
        assert_eq!((mounts.len(), mounts[0].readers), (1, READERS));
        for (client, _) in &readers {
            client.call(|machine, now| machine.go(now, Goal::Gone, None));
        }
        for (client, _) in readers {
            client.shutdown(Duration::from_secs(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), work).await.expect("it does not hang");
    server.shutdown(Duration::from_secs(5)).await;
}
