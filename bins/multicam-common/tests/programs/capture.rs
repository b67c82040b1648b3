//! A camera of this machine. In the place of ffmpeg is a script that copies what the test gives it, in the form in which
//! ffmpeg hands pictures over. When a picture was taken stands in the picture and in its stamp, so that nothing depends on
//! when it arrives.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use multicam_programs::still::Stills;
use test_picture::Marks;

use crate::stream::{begun, collected, take};
use crate::support::{Desk, Running, device_command, spawn};

/// From picture to picture, in milliseconds.
const PERIOD: u64 = 40;

struct Camera {
    folder: tempfile::TempDir,
    /// Whether it is there.
    plugged: Arc<AtomicBool>,
}

impl Camera {
    /// It takes a picture every 40 ms from now on.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "#!/bin/bash\necho \"$@\" >> '{}/starts'\nexec cat < /dev/tcp/127.0.0.1/{port}\n",
            folder.path().display()
        );
        let path = folder.path().join("ffmpeg");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let plugged = Arc::new(AtomicBool::new(true));
        let is_there = plugged.clone();
        let began = driver::now().as_nanos() / 1_000_000;
        std::thread::spawn(move || {
            let mut next = 0;
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = serve(stream, began, &mut next, &is_there);
            }
        });
        Self { folder, plugged }
    }

    fn device(&self, dir: &Path) -> Running {
        let mut command = device_command(dir);
        command.args(["--device-id", "Dev-1", "--source", "v4l2:/dev/video7"]);
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        spawn(command.env("PATH", path))
    }
}

/// All pictures that there are until now, and then each as it is taken, until the camera is pulled out. `next` is the first
/// that nobody has got.
fn serve(mut stream: TcpStream, began: u64, next: &mut u32, plugged: &AtomicBool) -> io::Result<()> {
    let mut stills = Stills::new().unwrap();
    let head =
        [&b"\0\nSMJPEG"[..], &[0; 8], b"_TXT\0\0\0\x04test_VID\0\0\0\x0c\0\0\0\0\x02\x80\x01\x68JFIFHEND"];
    if *next > 0 {
        // Those of the time in which it was away are lost.
        let since = driver::now().as_nanos() / 1_000_000 - began;
        *next = (*next).max(u32::try_from(since / PERIOD).unwrap());
    }
    let mut first = true;
    while plugged.load(Ordering::Relaxed) {
        let taken = began + u64::from(*next) * PERIOD;
        let (now, unix_ns) = driver::both();
        let Some(ago) = now.as_nanos().checked_sub(taken * 1_000_000) else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        if std::mem::take(&mut first) {
            stream.write_all(&head.concat())?;
        }
        let time_ns = unix_ns.unsigned_abs() - ago;
        let jpeg = stills.draw(&Marks { time_ns, frame: *next, ..Marks::default() });
        let [stamp, length] = [taken % (1 << 32), jpeg.len() as u64].map(|n| u32::try_from(n).unwrap());
        stream.write_all(&[&b"vidD"[..], &stamp.to_be_bytes(), &length.to_be_bytes(), jpeg].concat())?;
        *next += 1;
    }
    Ok(())
}

#[test]
fn a_camera_is_trimmed_to_the_instant() {
    let camera = Camera::new();
    let dir = tempfile::tempdir().unwrap();
    let device = camera.device(dir.path());
    let desk = Desk::new([&device]);
    let (marks, stopped) = take(dir.path(), &desk, &["start", "--in", "1"]);
    assert!(marks.windows(2).all(|pair| pair[1].frame == pair[0].frame + 1), "{marks:?}");
    let ns = |key: &str| stopped[key].as_i64().unwrap().unsigned_abs();
    let (target, first_frame) = (ns("targetStartNs"), ns("firstFrameNs"));
    let [first, second] = [0, 1].map(|n: usize| marks[n].time_ns);
    // It is the last that was taken before the instant, whenever it arrived. Two programs read two clocks.
    assert!(first < target + CLOCKS && target < second + CLOCKS, "{stopped} {marks:?}");
    assert!(first_frame.abs_diff(first) < CLOCKS, "{stopped} {marks:?}");
    assert!(marks[0].frame > 0, "others came before it");
    let starts = std::fs::read_to_string(camera.folder.path().join("starts")).unwrap();
    assert_eq!(
        starts,
        "-nostdin -loglevel error -f v4l2 -ts default -input_format mjpeg -i /dev/video7 -an -c:v copy \
         -bsf:v mjpeg2jpeg -copyts -flush_packets 1 -f smjpeg -\n",
        "once, however often the instant moved"
    );
}

#[test]
fn a_camera_that_is_pulled_out_is_said_and_its_recording_kept() {
    let camera = Camera::new();
    let dir = tempfile::tempdir().unwrap();
    let device = camera.device(dir.path());
    let desk = Desk::new([&device]);
    desk.ok(&["start", "--in", "0.5"]);
    begun(dir.path());
    camera.plugged.store(false, Ordering::Relaxed);
    desk.wait_for("camera_disconnected");
    // Back again, it goes on.
    camera.plugged.store(true, Ordering::Relaxed);
    desk.wait_for("recording");
    let stopped = desk.ok(&["stop"]).remove(0);
    let marks = collected(&desk, &stopped);
    assert!(marks.is_sorted_by(|a, b| a.frame < b.frame && a.time_ns < b.time_ns), "{marks:?}");
    assert!(marks.len() >= 3 && marks.windows(2).any(|pair| pair[1].frame > pair[0].frame + 1), "{marks:?}");

    // And if it stays away, what there was is kept.
    desk.ok(&["start", "--in", "0.5"]);
    begun(dir.path());
    camera.plugged.store(false, Ordering::Relaxed);
    desk.wait_for("camera_disconnected");
    let stopped = desk.ok(&["stop"]).remove(0);
    assert!(collected(&desk, &stopped).len() >= 2);
    desk.wait_for("ready");
}

/// How far the readings of two clocks by two programs may be apart, in nanoseconds.
const CLOCKS: u64 = 10_000_000;
