//! A camera of this machine. ffmpeg reads it and hands over its pictures as JPEG, each with the time at which it was taken.
//!
//! ffmpeg's arguments are all that knows of cameras. It writes SMJPEG, of the formats in which it says when each picture was
//! taken the one with the least to it; numbers are big-endian:
//!
//! ```text
//! 00 0A "SMJPEG"  version u32  length u32      once
//! "_TXT", "_VID" or "_SND"  length u32  …      passed over
//! "HEND"                                       ends the head
//! "vidD"  milliseconds u32  length u32  JPEG   a picture
//! "DONE"                                       ends it all
//! ```

use std::io::{self, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use machine::Instant;
use rtp_rtsp::media::Codec;
use tokio_util::sync::CancellationToken;

use super::camera::{AGAIN, Sampled, Shared, Shot};
use crate::still;

/// A camera, and how it was read last.
#[derive(Debug)]
pub(super) struct Local {
    /// `/dev/videoN`.
    device: String,
    /// Which of the [`WAYS`] to try.
    way: AtomicU32,
}

impl Local {
    pub(super) fn new(device: &str) -> Self {
        Self { device: device.into(), way: AtomicU32::new(0) }
    }

    /// What is run, and whether there is no other way.
    fn command(&self) -> (Command, bool) {
        let way = self.way.load(Ordering::Relaxed) as usize % WAYS.len();
        let [before, after] = WAYS[way];
        let mut command = Command::new("ffmpeg");
        // The stamps of the driver are kept as they are.
        command.args(["-nostdin", "-loglevel", "error", "-f", "v4l2", "-ts", "default"]);
        command.args(before).args(["-i", &self.device, "-an"]).args(after);
        command.args(["-copyts", "-flush_packets", "1", "-f", "smjpeg", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        (command, way + 1 == WAYS.len())
    }
}

/// Options before and after the name of the camera. Pictures that a camera has packed itself cost next to nothing to take,
/// and all that they may lack is the tables that everybody knows; not every camera does. A camera that somebody else is just
/// letting go of is tried again.
const WAYS: [[&[&str]; 2]; 3] = [AS_THEY_ARE, AS_THEY_ARE, PACKED];
const AS_THEY_ARE: [&[&str]; 2] = [&["-input_format", "mjpeg"], &["-c:v", "copy", "-bsf:v", "mjpeg2jpeg"]];
const PACKED: [&[&str]; 2] =
    [&[], &["-c:v", "mjpeg", "-q:v", "3", "-fps_mode", "passthrough", "-enc_time_base", "-1"]];

/// Reads the camera from an instant on, and again whenever that ends, until it is stopped.
pub(super) async fn keep_open(
    local: Arc<Local>,
    from: Instant,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let mut pause = from.saturating_since(driver::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        let (mut command, last) = local.command();
        let came = match command.spawn() {
            Ok(child) => tokio::select! {
                came = watch(Owned(Some(child)), shared.clone()) => came,
                () = stop.cancelled() => return,
            },
            Err(error) => {
                tracing::error!("ffmpeg cannot be started: {error}");
                false
            }
        };
        if came || last {
            tracing::error!(camera = %local.device, "ffmpeg gives no pictures any more; it is started again");
            shared.tell(false);
        }
        if !came {
            local.way.fetch_add(1, Ordering::Relaxed);
        }
        pause = AGAIN;
    }
}

/// Takes pictures until there are no more; whether any came. Dropped, it ends the program.
async fn watch(mut child: Owned, shared: Arc<Shared>) -> bool {
    let Some(pipe) = child.0.as_mut().and_then(|child| child.stdout.take()) else {
        return false;
    };
    let reading = tokio::task::spawn_blocking(move || {
        let mut came = false;
        let read = pictures(BufReader::with_capacity(64 << 10, pipe), |stamp, jpeg| {
            // Cameras begin with pictures that are none.
            if still::size(&jpeg).is_err() {
                return;
            }
            if !came {
                shared.tell(true);
                came = true;
            }
            let (arrived, wall_ns) = driver::both();
            let sampled = Sampled::At(sampled(stamp, arrived, wall_ns));
            shared.take(Shot { codec: Codec::Jpeg, key: true, data: jpeg, sampled, arrived });
        });
        if let Err(error) = read {
            tracing::debug!("ffmpeg's pictures: {error}");
        }
        came
    });
    let came = reading.await.unwrap_or(false);
    // What it has to say of its end stands on standard error, which is ours too.
    drop(child);
    came
}

/// A program that ends with its owner. Nothing of it has to be closed in order.
struct Owned(Option<Child>);

impl Drop for Owned {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        let _ = child.kill();
        if !matches!(child.try_wait(), Ok(Some(_))) {
            // A driver may take its time to let go of a camera.
            let _ = std::thread::Builder::new().name("ffmpeg".into()).spawn(move || child.wait());
        }
    }
}

/// When a picture was taken that arrived at an instant (at which the wall clock read `wall_ns`), from the milliseconds in its
/// stamp. Drivers stamp by the monotonic clock or by the wall clock; who does neither is not believed.
fn sampled(stamp: u32, arrived: Instant, wall_ns: i64) -> Instant {
    let lag = |clock_ns: u64| {
        // All that is left of either clock; what it lacks is 49 days.
        let milliseconds = (clock_ns / 1_000_000) as u32;
        let lag = i64::from(milliseconds.wrapping_sub(stamp) as i32);
        let lag_ns = lag * 1_000_000 + (clock_ns % 1_000_000) as i64;
        (-EARLY_NS..LATE_NS).contains(&lag_ns).then_some(lag_ns)
    };
    let lag_ns = lag(arrived.as_nanos()).or_else(|| lag(wall_ns.unsigned_abs())).unwrap_or(0);
    Instant::from_nanos(arrived.as_nanos().saturating_add_signed(-lag_ns))
}

/// A picture from the future, or one that was under way for so long, is from a clock that is not ours. Pictures may wait
/// long in the pipe of a machine that has no time for them.
const EARLY_NS: i64 = 20_000_000;
const LATE_NS: i64 = 60_000_000_000;

/// Hands over each picture with its milliseconds, until the end.
fn pictures(mut from: impl Read, mut take: impl FnMut(u32, Bytes)) -> io::Result<()> {
    let mut head = [0; 16];
    from.read_exact(&mut head)?;
    if !head.starts_with(MAGIC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    loop {
        match &four(&mut from)? {
            b"HEND" => {}
            b"DONE" => return Ok(()),
            b"vidD" => {
                let stamp = u32::from_be_bytes(four(&mut from)?);
                take(stamp, counted(&mut from)?);
            }
            b"sndD" => {
                four(&mut from)?;
                counted(&mut from)?;
            }
            [b'_', ..] => {
                counted(&mut from)?;
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn four(from: &mut impl Read) -> io::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Bytes with their length before them.
fn counted(from: &mut impl Read) -> io::Result<Bytes> {
    let length = u32::from_be_bytes(four(from)?);
    if length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // Grows with what is really there.
    let mut bytes = Vec::new();
    if from.take(length.into()).read_to_end(&mut bytes)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}

const MAGIC: &[u8; 8] = b"\0\nSMJPEG";
/// No picture is larger.
const LARGEST: u32 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// As ffmpeg 5.1 writes it.
    fn stream(pictures: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = [&MAGIC[..], &[0; 8]].concat();
        out.extend_from_slice(b"_TXT\0\0\0\x04soft_VID\0\0\0\x0c\0\0\0\0\0\xa0\0\x80JFIFHEND");
        for (stamp, jpeg) in pictures {
            let length = u32::try_from(jpeg.len()).unwrap();
            for part in [&b"vidD"[..], &stamp.to_be_bytes(), &length.to_be_bytes(), *jpeg] {
                out.extend_from_slice(part);
            }
        }
        [&out[..], b"DONE"].concat()
    }

    #[test]
    fn pictures_come_with_their_times() {
        let wanted: [(u32, &[u8]); 3] = [(40, b"one"), (u32::MAX, b""), (39, b"three")];
        let whole = stream(&wanted);
        for cut in 0..=whole.len() {
            let mut got = Vec::new();
            let end = pictures(&whole[..cut], |stamp, jpeg| got.push((stamp, jpeg)));
            assert_eq!(end.is_ok(), cut == whole.len());
            assert!(got.iter().zip(wanted).all(|((s, j), (stamp, jpeg))| *s == stamp && j == jpeg));
            assert_eq!(got.len() == wanted.len(), cut >= whole.len() - 4);
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        fn none(_: u32, _: Bytes) {
            panic!("a picture");
        }
        assert!(pictures(&b"\xff\xd8 a picture without anything"[..], none).is_err());
        let mut huge = stream(&[]);
        huge.truncate(huge.len() - 4);
        huge.extend_from_slice(b"vidD\0\0\0\0\xff\xff\xff\xff");
        assert!(pictures(&huge[..], none).is_err());
        assert!(pictures(&[&stream(&[])[..20], b"what"].concat()[..], none).is_err());
    }

    #[test]
    fn either_clock_is_understood_and_no_other() {
        // 50 days up: the stamps have begun again from 0.
        let (up, wall) = (50 * 86_400_000_u64 + 7, 1_795_245_736_856_u64);
        let arrived = Instant::from_nanos(up * 1_000_000 + 654_321);
        let wall_ns = i64::try_from(wall * 1_000_000 + 123_456).unwrap();
        let ago = |stamp: u64| {
            let at = sampled(u32::try_from(stamp % (1 << 32)).unwrap(), arrived, wall_ns);
            i128::from(arrived.as_nanos()) - i128::from(at.as_nanos())
        };
        assert_eq!(ago(up - 30), 30_654_321, "exactly at the millisecond of its stamp");
        assert_eq!(ago(up + 1), -345_679, "which may be rounded up");
        assert_eq!(ago(up - 20_000), 20_000_654_321);
        assert_eq!(ago(wall - 30), 30_123_456);
        assert_eq!(ago(up + 1000), 0, "from the future: as it arrives");
        assert_eq!(ago(wall - 1_000_000), 0, "from another clock");
    }
}
