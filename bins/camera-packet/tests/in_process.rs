//! The camera server as other programs embed it.

use std::time::Duration;

use camera_packet::config::ServerConfig;
use camera_packet::extension::PipelineState;
use camera_packet::server::{AUTH, DATA, SETTINGS, Server};
use camera_packet::settings::SettingsBlock;
use camera_programs::pipeline::{PipelineConfig, Source};
use camera_programs::serve::{CameraServer, Config};
use test_picture::{Marks, read};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

fn marks(jpeg: &[u8]) -> Marks {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let luma = JpegDecoder::new_with_options(ZCursor::new(jpeg), options).decode().expect("a JPEG");
    read(&luma, 640, 640).marks().expect("the marks survive JPEG")
}

/// Sliders move, the picture shows it on the next frame, and both stages of the acknowledgement come.
#[tokio::test(flavor = "multi_thread")]
async fn settings_are_seen_in_the_picture() {
    let mut pipeline = PipelineConfig::new(Source::Test);
    pipeline.rtsp_url = None;
    let server = CameraServer::start(Config::new(ServerConfig::new([1; 32]), pipeline)).unwrap();
    let mut addresses = Vec::new();
    for service in [DATA, SETTINGS] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        server.serve(listener, service);
    }
    let mut stills = server.pipeline().stills();
    let mut status = server.pipeline().status();
    timeout(PATIENCE, status.wait_for(|s| s.state == PipelineState::Running)).await.unwrap().unwrap();

    let mut stream = TcpStream::connect(addresses[1]).await.unwrap();
    let block = SettingsBlock([0x32, 4, 0x0d, 0x15, 0x0b, 0xc8]);
    stream.write_all(&[0, 0xff, 2, 1, 0, 6, 0x32, 4, 0x0d, 0x15, 0x0b, 0xc8, 0x17]).await.unwrap();
    let seen = timeout(PATIENCE, async {
        loop {
            stills.changed().await.unwrap();
            let still = stills.borrow_and_update().clone().unwrap();
            let marks = marks(&still.jpeg);
            assert_eq!((marks.frame, marks.rate_hundredths), (still.frame, 2400));
            if marks.settings == block.0 {
                return marks;
            }
        }
    });
    let seen = seen.await.expect("the settings in the picture");
    assert!(seen.time_ns > 1_700_000_000_000_000_000);
    timeout(PATIENCE, status.wait_for(|s| s.live == 1)).await.unwrap().unwrap();

    let mut data = TcpStream::connect(addresses[0]).await.unwrap();
    let mut frame = [0; 16];
    timeout(PATIENCE, data.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(server.driver().call(|machine, _| machine.settings()), block);
    timeout(PATIENCE, server.shutdown(Duration::from_secs(5))).await.unwrap();
}

/// A thousand clients at each door that say nothing and go: no task of theirs is left.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_left_of_who_came_and_went() {
    let mut pipeline = PipelineConfig::new(Source::None);
    pipeline.rtsp_url = None;
    let server = CameraServer::start(Config::new(ServerConfig::new([1; 32]), pipeline)).unwrap();
    let mut addresses = Vec::new();
    for service in [DATA, SETTINGS, AUTH] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        server.serve(listener, service);
    }
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for address in addresses {
        for _ in 0..1000 {
            drop(TcpStream::connect(address).await.unwrap());
        }
    }
    let quiet = timeout(PATIENCE, async {
        while tasks() > before || server.driver().connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    quiet.await.expect("all tasks have ended");
    let open = |machine: &Server| [DATA, SETTINGS, AUTH].map(|service| machine.clients(service));
    assert_eq!(server.driver().call(|machine, _| open(machine)), [0; 3]);
    timeout(PATIENCE, server.shutdown(Duration::from_secs(5))).await.unwrap();
}
