//! cargo run --example css_timeline_source
//!
//! A timeline of one's own: a television whose timeline is a slide show, and jumps with each slide.
//!
//! The source says where its timeline is whenever that changes; every companion is told, late ones too.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use css_programs::serve::{self, EndPoints};
use dvb_css::Ratio;
use dvb_css::config::{TvServerConfig, WcServerConfig};
use dvb_css::message::{CiiMessage, ContentIdStatus, ControlTimestamp, TimelineOption};
use dvb_css::server::TvCalls;
use dvb_css::timeline::TimelineState;
use tokio::net::TcpListener;

/// Serve a slide show as a timeline
#[derive(Parser)]
struct Options {
    /// Time of a slide, in milliseconds
    #[arg(long, default_value_t = 3000)]
    slide_ms: u64,
    /// Slides
    #[arg(long, default_value_t = 4)]
    slides: i64,
}

const SELECTOR: &str = "urn:example:slides";
/// Slide n begins at tick 100 n; ten ticks are a second on it.
const TICKS: i64 = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let wc = socket.local_addr()?;
    let (_wall_clock, _) = serve::wall_clock(socket, WcServerConfig::new(driver::seed()))?;
    let (tv, events) = serve::start_television(TvServerConfig::default());
    tokio::spawn(serve::watch(events, |_| {}));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;

    let mut cii = CiiMessage::default();
    cii.protocol_version = "1.1".into();
    cii.content_id = "http://example.org/slides".into();
    cii.content_id_status = ContentIdStatus::Final.into();
    cii.presentation_status = vec!["okay".into()].into();
    cii.ts_url = "ws://{{host}}:{{port}}/ts".into();
    cii.wc_url = format!("udp://{{{{host}}}}:{}", wc.port()).into();
    cii.timelines = vec![TimelineOption::new(SELECTOR, 1, TICKS.unsigned_abs())].into();
    let timeline = tv.call(|tv, now| {
        tv.set_cii(now, cii)?;
        // Nothing is known of it yet: who asks for it is answered as soon as it is.
        tv.add_timeline(now, SELECTOR, TimelineState::Deferred)
    })?;
    serve::serve_television(&tv, listener, &EndPoints::all(None, None));
    driver::cli::announce(wc, "wc");
    driver::cli::announce(address, "http");

    for slide in 0..options.slides {
        let shown = tv.call(|tv, now| {
            let wall = i128::from(tv.wall_clock().at(now));
            let stamp = ControlTimestamp::available(i128::from(slide * 100), wall, Ratio::ONE);
            tv.set_timeline(now, timeline, TimelineState::At(stamp)).map(|()| stamp)
        })?;
        println!("slide {slide}: tick {} at {} ns", slide * 100, shown.wall_clock_time);
        tokio::time::sleep(Duration::from_millis(options.slide_ms)).await;
    }
    tv.call(|tv, now| tv.set_timeline(now, timeline, TimelineState::Unavailable))?;
    println!("the end");
    tv.shutdown(driver::shutdown::GRACE).await;
    Ok(())
}
