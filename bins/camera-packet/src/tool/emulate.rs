//! The original server as it is, for testing clients: a thread for each connection, reads that take what one segment
//! brings, checksums that nobody looks at (sheet §3, §4.3, §5, §11).
//!
//! Not copied: a thread that spins for ever after each settings connection (quirk 6), and the camera.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use camera_packet::dialect::{Dialect, OldSettings, SettingsForm, encode_record};
use camera_packet::message::{Message, Telemetry};
use camera_packet::packet::{self, Kind};
use camera_packet::settings::SettingsBlock;

/// The password, whatever the configuration says.
const PASSWORD: &[u8] = b"1111";
/// The original sleeps this long after each item, which makes 23.9 and not 24 of them a second.
const SLEEP: Duration = Duration::from_nanos(1_000_000_000 / 24);

/// An emulated server; its threads end with the process.
#[derive(Debug)]
pub struct Emulation {
    /// Address of each port that the generation has, with its role.
    pub addresses: Vec<(SocketAddr, &'static str)>,
}

struct Shared {
    dialect: Dialect,
    six: Mutex<SettingsBlock>,
    old: Mutex<OldSettings>,
}

/// Listens and serves: telemetry, settings, authentication, as far as the generation has them.
///
/// # Errors
/// When an address cannot be listened on.
pub fn start(dialect: Dialect, addresses: [SocketAddr; 3]) -> io::Result<Emulation> {
    let shared = Arc::new(Shared {
        dialect,
        six: Mutex::new(SettingsBlock::DEFAULT),
        old: Mutex::new(OldSettings([1, 100, 10, 10, 10])),
    });
    let [data, settings, auth] = addresses;
    type Serve = fn(&Shared, TcpStream) -> io::Result<()>;
    let doors: [(SocketAddr, &str, bool, Serve); 3] = [
        (data, "data", true, serve_data),
        (settings, "settings", dialect.settings() != SettingsForm::None, serve_settings),
        (auth, "auth", dialect.has_auth(), |_, stream| serve_auth(stream)),
    ];
    let mut bound = Vec::new();
    for (address, role, exists, serve) in doors {
        if !exists {
            continue;
        }
        let listener = TcpListener::bind(address)?;
        bound.push((listener.local_addr()?, role));
        let shared = shared.clone();
        std::thread::Builder::new().name(role.into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                let served = std::thread::Builder::new().spawn(move || serve(&shared, stream));
                if let Err(error) = served {
                    tracing::warn!(%error, "a client is turned away");
                }
            }
        })?;
    }
    Ok(Emulation { addresses: bound })
}

/// Never reads; the first item at once, then one after each sleep.
fn serve_data(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let mut state = driver::unix_now().unsigned_abs() | 1;
    loop {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let value = u8::try_from(state % 11).unwrap_or(0);
        let timestamp_ms = u64::try_from(driver::unix_now() / 1_000_000).unwrap_or(0);
        let item = Telemetry { value, timestamp_ms };
        match encode_record(shared.dialect, item) {
            Some((record, len)) => stream.write_all(record.get(..len).unwrap_or_default())?,
            None => stream.write_all(&item.to_frame())?,
        }
        std::thread::sleep(SLEEP);
    }
}

/// One read for the header, one for the payload; what is short or odd is dropped, and so the checksum, which nobody
/// reads, is the next header's first byte.
fn serve_settings(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let mut header = [0; packet::HEADER_LEN];
        let got = stream.read(&mut header)?;
        if got == 0 {
            return Ok(());
        }
        let [0x00, 0xff, 0x02, 0x01, high, low] = header else { continue };
        if got < header.len() {
            continue;
        }
        let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        if !payload.is_empty() && stream.read(&mut payload)? < payload.len() {
            continue;
        }
        match (shared.dialect.settings(), payload.as_slice()) {
            (SettingsForm::Six, []) => {
                let block = *shared.six.lock().unwrap_or_else(PoisonError::into_inner);
                let mut out = BytesMut::new();
                Message::SettingsReply(reported(block)).encode(&mut out).map_err(io::Error::other)?;
                stream.write_all(&out)?;
            }
            (SettingsForm::Old | SettingsForm::OldReadOnly, []) => {
                let old = *shared.old.lock().unwrap_or_else(PoisonError::into_inner);
                let mut out = BytesMut::new();
                packet::encode(Kind::SETTINGS_REPLY, &old.to_reply(), &mut out).map_err(io::Error::other)?;
                stream.write_all(&out)?;
            }
            (SettingsForm::Six, &[a, b, c, d, e, f]) => {
                *shared.six.lock().unwrap_or_else(PoisonError::into_inner) =
                    SettingsBlock([a, b, c, d, e, f]);
                // The restart of the camera.
                std::thread::sleep(Duration::from_millis(500));
            }
            (SettingsForm::Old, &[a, b, c, d, e]) => {
                *shared.old.lock().unwrap_or_else(PoisonError::into_inner) = OldSettings([a, b, c, d, e]);
                std::thread::sleep(Duration::from_millis(500));
            }
            _ => {}
        }
    }
}

/// It keeps values and not bytes, and loses a step of brightness now and then.
fn reported(block: SettingsBlock) -> SettingsBlock {
    SettingsBlock::from_values(&block.values())
}

fn serve_auth(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut header = [0; packet::HEADER_LEN];
    let got = stream.read(&mut header)?;
    let [0x00, 0xff, 0x00, 0x01, high, low] = header else { return Ok(()) };
    let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    if got < header.len() || payload.is_empty() || stream.read(&mut payload)? < payload.len() {
        return Ok(());
    }
    let mut checksum = [0];
    if stream.read(&mut checksum)? == 0 {
        return Ok(());
    }
    let sum = camera_packet::checksum::xor(&header) ^ camera_packet::checksum::xor(&payload);
    if checksum != [sum] {
        return Ok(());
    }
    // What is no ASCII it drops before it compares.
    payload.retain(u8::is_ascii);
    let answer = if payload == PASSWORD { Message::Ready } else { Message::AuthFailed(&[]) };
    let mut out = BytesMut::new();
    answer.encode(&mut out).map_err(io::Error::other)?;
    stream.write_all(&out)
}
