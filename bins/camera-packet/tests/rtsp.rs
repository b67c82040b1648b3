//! The camera's video, served by camera-server itself.

mod common;

use std::io::Write;
use std::time::Duration;

use common::{Program, Stubs, hex, read, until_true};
use driver::Events;
use rtp_rtsp::client::Event;
use rtp_rtsp::config::{ClientConfig, Wanted};
use rtsp_programs::client::{RtspClient, bind_udp, connect};
use tokio::time::timeout;

/// Waits for a frame that has what is wanted; gives its timestamp.
async fn sees(
    client: &RtspClient,
    events: &mut Events<Event>,
    what: &str,
    mut wanted: impl FnMut(&[u8]) -> bool,
) -> u64 {
    let look = async {
        loop {
            match events.next().await.expect("events") {
                Event::UdpWanted { pairs } => bind_udp(client, pairs, None, false),
                Event::Frame { frame, .. } if wanted(&frame.frame.data) => return frame.timestamp,
                Event::Failed(failure) => panic!("{what}: {failure}"),
                Event::Bye { .. } => panic!("{what}: the mount is gone"),
                _ => {}
            }
        }
    };
    timeout(common::PATIENCE, look).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

async fn plays(server: &Program, transport: Wanted) -> (RtspClient, Events<Event>) {
    let port = server.address("rtsp").port();
    let mut config = ClientConfig::new(driver::seed(), format!("rtsp://127.0.0.1:{port}/ES_MTX"));
    config.transport = transport;
    config.udp_timeout = common::PATIENCE;
    config.reply_timeout = common::PATIENCE;
    connect(config, "127.0.0.1", port).await.unwrap()
}

fn set(server: &Program, block: &str) {
    let mut request = hex(&format!("00 ff 02 01 00 06 {block}"));
    request.push(request.iter().fold(0, |a, b| a ^ b));
    let mut stream = server.connect("settings");
    stream.write_all(&[request, hex("00 ff 02 01 00 00 fc")].concat()).unwrap();
    assert_eq!(read(&mut stream, 16)[6..12], hex(block));
}

fn shown_settings(jpeg: &[u8]) -> [u8; 6] {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let luma = JpegDecoder::new_with_options(ZCursor::new(jpeg), options).decode().expect("a JPEG");
    test_picture::read(&luma, 640, 640).marks().expect("the marks").settings
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pattern_is_served_and_shows_the_settings() {
    let server = Program::server(&["--source", "test", "--rtsp", "builtin", "--rtsp-port", "0"]);
    for transport in [Wanted::Udp, Wanted::Tcp] {
        set(&server, "64 01 0a 0a 0a 7f");
        let (client, mut events) = plays(&server, transport).await;
        let first = [0x64, 1, 10, 10, 10, 0x7f];
        let before = sees(&client, &mut events, "a picture", |jpeg| shown_settings(jpeg) == first).await;
        set(&server, "64 01 0a 0a 14 ff");
        let then = [0x64, 1, 10, 10, 20, 0xff];
        let after = sees(&client, &mut events, "the settings", |jpeg| shown_settings(jpeg) == then).await;
        assert!(after > before);
        client.shutdown(Duration::ZERO).await;
    }
}

/// Writes a key frame that ends in its gain 50 times a second.
const CAMERA: &str = r#"gain=$(printf '\\%03o' "$1")
while :; do
    printf '\000\000\000\001\147\102\300\036\001\000\000\000\001\150\316\000\000\000\001\145\210'"$gain"
    sleep 0.02
done"#;

#[tokio::test(flavor = "multi_thread")]
async fn readers_stay_while_the_camera_program_is_started_anew() {
    let stubs = Stubs::new();
    stubs.add("mycam", CAMERA);
    let server = stubs.server(&["--source", "command:mycam {gain}", "--rtsp", "builtin", "--rtsp-port", "0"]);
    until_true("the mount is there", || stubs.log().contains("video runs"));
    let (client, mut events) = plays(&server, Wanted::Tcp).await;
    let mut last = sees(&client, &mut events, "gain 1", |unit| unit.ends_with(&[0x88, 1])).await;
    for gain in [7, 9] {
        set(&server, &format!("64 {gain:02x} 0a 0a 0a 7f"));
        let next = sees(&client, &mut events, "the gain", |unit| unit.ends_with(&[0x88, gain])).await;
        assert!(next > last, "timestamps go on");
        last = next;
    }
    // It ends by itself, and is started again.
    common::kill(stubs.pid("mycam"));
    until_true("it is started again", || stubs.lines("mycam.starts").len() == 4);
    let mut frames = 0;
    sees(&client, &mut events, "frames after that", |_| {
        frames += 1;
        frames == 100
    })
    .await;
    // One stream: no number was left out in all that time.
    let statistics = client.call(|machine, _| machine.statistics(0)).expect("a track");
    assert_eq!((statistics.lost, statistics.refused, statistics.incomplete_frames), (0, 0, 0));
    client.shutdown(Duration::ZERO).await;
    assert_eq!(stubs.lines("mycam.starts"), ["1", "7", "9", "9"]);
}

#[test]
fn what_cannot_be_served_is_said() {
    let stubs = Stubs::new();
    stubs.add("mycam", "exec cat /dev/zero");
    let server = stubs.server(&["--source", "command:mycam", "--rtsp", "builtin", "--rtsp-port", "0"]);
    until_true("it says so", || stubs.log().contains("a frame is left out"));
    set(&server, "64 02 0a 0a 0a 7f");
    let ports = Program::server(&["--source", "test", "--rtsp", "builtin", "--rtsp-port", "0"]);
    let taken = ports.address("rtsp").to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_camera-server"));
    command.args([
        "--data-port",
        "0",
        "--settings-port",
        "0",
        "--auth-port",
        "0",
        "--config-dir",
        "/nonexistent",
    ]);
    let output = command.args(["--rtsp", "builtin", "--rtsp-port", &taken]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--rtsp-port"));
}
