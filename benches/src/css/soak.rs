//! A television among companions that come, misbehave and go: what it keeps of them.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dvb_css::message::{SetupData, WcMessage};
use serde_json::{Value, json};

use super::companion::{SELECTOR, frame, shake_hands};
use crate::spawned::Spawned;
use crate::{Random, Usage};

/// Between two samples of what the television holds.
const SAMPLE: Duration = Duration::from_secs(1);

/// Lets so many companions at a time come and go for so long.
///
/// # Errors
/// When the television cannot be started, or does not live through it.
pub fn soak(server: &str, companions: usize, seconds: f64) -> Result<Value> {
    driver::cli::raise_descriptor_limit();
    let arguments = ["127.0.0.1", "0", "127.0.0.1", "0", "--max-connections", "0", "--loglevel", "critical"];
    let mut tv = Spawned::start(server, &arguments)?;
    let (wc, http) = (tv.address("wc")?, tv.address("http")?);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    let mut random = Random::new(6);
    let mut inside: Vec<TcpStream> = Vec::new();
    let at_start = descriptors(tv.pid())?;
    let (begin, mut next_sample) = (Instant::now(), Instant::now() + SAMPLE);
    let (mut came, mut resident, mut most_descriptors) = (0_u64, Vec::new(), 0);
    while begin.elapsed().as_secs_f64() < seconds {
        if inside.len() >= companions {
            // whoever goes does so without a word
            inside.swap_remove(random.below(inside.len() as u32) as usize);
        }
        inside.push(companion(http, &mut random)?);
        came += 1;
        datagrams(&socket, wc, &mut random);
        if Instant::now() >= next_sample {
            next_sample += SAMPLE;
            resident.push(Usage::of(tv.pid()).context("the television is gone")?.resident_kib);
            most_descriptors = most_descriptors.max(descriptors(tv.pid())?);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    inside.clear();
    let until = Instant::now() + Duration::from_secs(30);
    while descriptors(tv.pid())? > at_start && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(resident.len() >= 10, "too short to tell");
    let tenth = resident.len() / 10;
    let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
    Ok(json!({
        "companions_at_once": companions,
        "companions_in_all": came,
        "seconds": begin.elapsed().as_secs_f64().round(),
        "resident_kib_after_a_tenth": mean(&resident[tenth..2 * tenth]).round(),
        "resident_kib_in_the_last_tenth": mean(&resident[resident.len() - tenth..]).round(),
        "resident_kib_most": resident.iter().max(),
        "descriptors_at_start": at_start,
        "descriptors_most": most_descriptors,
        "descriptors_at_end": descriptors(tv.pid())?,
    }))
}

/// One comes through any door and says something, or says nothing.
fn companion(http: SocketAddr, random: &mut Random) -> Result<TcpStream> {
    let path = ["/cii", "/ts", "/wc"][random.below(3) as usize];
    let mut stream = shake_hands(http, path)?;
    let setup = SetupData::new("dvb://", SELECTOR).to_json();
    let words = [
        frame(1, setup.as_bytes()),
        frame(2, setup.as_bytes()),
        [frame(1, setup.as_bytes()), frame(1, b"{}"), frame(1, b"not JSON")].concat(),
        frame(1, "[".repeat(60_000).as_bytes()),
        frame(1, &vec![b'x'; 70_000]),
        frame(2, &WcMessage::request(random.bits()).encode()),
        frame(1, br#"{"v":0,"t":0,"otvs":1,"otvn":2}"#),
        frame(9, b"ping"),
        frame(8, &1000_u16.to_be_bytes()),
        random.bits().to_be_bytes().to_vec(),
        Vec::new(),
    ];
    // Who is closed for what it says does not hear it all.
    let _ = stream.write_all(&words[random.below(words.len() as u32) as usize]);
    Ok(stream)
}

/// A request, and a datagram that is none.
fn datagrams(socket: &UdpSocket, wc: SocketAddr, random: &mut Random) {
    let request = WcMessage::request(random.bits()).encode();
    let _ = socket.send_to(&request, wc);
    let _ = socket.send_to(&request[..random.below(32) as usize], wc);
    let mut answer = [0; 64];
    while socket.recv(&mut answer).is_ok() {}
}

fn descriptors(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd")).context("the television is gone")?.count())
}
