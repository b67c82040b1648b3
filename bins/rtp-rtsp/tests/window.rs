//! rtsp-client with its window, on a display that nobody sees:
//! `cargo test -p rtsp-programs --features window --test window`. The second test needs Xvfb.
#![cfg(all(feature = "window", target_os = "linux"))]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// The display.
const WIDTH: usize = 800;
const HEIGHT: usize = 600;
/// The window on it, which is in its middle: the picture, and the buttons below.
const PICTURE: (usize, usize) = (640, 480);
const BUTTONS: usize = 72;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> std::io::Result<Self> {
        command.stdout(Stdio::piped()).spawn().map(Self)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }
}

fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtsp-client"));
    command.args(arguments).args(["--window", "--log", "warn"]);
    command
}

#[test]
fn without_a_display_one_line_says_so() {
    let output = client(&["rtsp://127.0.0.1:1/x"]).env_remove("DISPLAY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains("DISPLAY"), "{said}");
    // One that is none.
    let output = client(&["127.0.0.1", "1", "2", "x.Mjpeg"]).env("DISPLAY", "").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// What is burnt into the test picture that is seen on the display, if there is one: the time at which it was drawn.
fn seen(folder: &Path) -> Option<u64> {
    let screen = std::fs::read(folder.join("Xvfb_screen0")).ok()?;
    // A window dump: numbers of 32 bits, the most significant byte first.
    let number = |n: usize| {
        let bytes = screen.get(n * 4..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes) as usize)
    };
    let (header, line, colours) = (number(0)?, number(12)?, number(19)?);
    let pixels = screen.get(header + colours * 12..)?;
    let (x, y) = ((WIDTH - PICTURE.0) / 2, (HEIGHT - PICTURE.1 - BUTTONS) / 2);
    let mut luma = Vec::new();
    for row in y..y + PICTURE.1 {
        let row = pixels.get(row * line + x * 4..)?.get(..PICTURE.0 * 4)?;
        // Green is near enough to tell black from white.
        luma.extend(row.chunks_exact(4).map(|pixel| pixel[1]));
    }
    test_picture::read(&luma, PICTURE.0, PICTURE.0).marks().ok().map(|marks| marks.time_ns)
}

/// Waits until something is so.
fn until<T>(what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = is_so() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for(said: &mut impl BufRead, what: &str) {
    let mut line = String::new();
    while said.read_line(&mut line).unwrap() > 0 && line.trim() != what {
        line.clear();
    }
    assert_eq!(line.trim(), what);
}

#[test]
fn the_test_picture_is_seen_moves_and_stands_still() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", &format!("{WIDTH}x{HEIGHT}x24"), "-nolisten", "tcp"]);
    let Ok(mut display) = Running::start(command.arg("-fbdir").arg(folder.path()).stderr(Stdio::null()))
    else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "Xvfb has to be installed (Debian's package xvfb)"
        );
        println!("skipped: Xvfb is not installed");
        return;
    };
    let display = format!(":{}", display.line().trim());
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtsp-server"));
    let mut server =
        Running::start(command.args(["--port", "0", "--test-pattern", "test", "--log", "warn"])).unwrap();
    let address = server.line().split(' ').nth(2).unwrap().to_owned();

    // The standard's way, and the labs'.
    for way in [vec![], vec!["--lab"]] {
        let url = format!("rtsp://{address}/test");
        let mut command = client(&[&[&url[..], "--interactive"], &way[..]].concat());
        command.env("DISPLAY", &display).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut client = Running::start(&mut command).unwrap();
        let mut typed = client.0.stdin.take().unwrap();
        let mut said = BufReader::<ChildStderr>::new(client.0.stderr.take().unwrap());
        let mut type_in = |command: &str| writeln!(typed, "{command}").unwrap();
        type_in("setup");
        wait_for(&mut said, "ready");
        assert_eq!(seen(folder.path()), None);
        type_in("play");
        wait_for(&mut said, "plays over UDP");
        let moves = |before: u64| until("it moves", || seen(folder.path()).filter(|time| *time > before));
        let mut last = until("it is seen", || seen(folder.path()));
        for _ in 0..5 {
            last = moves(last);
        }
        type_in("pause");
        wait_for(&mut said, "ready");
        // One may just be on its way to the display.
        let pair = || {
            let before = seen(folder.path())?;
            std::thread::sleep(Duration::from_millis(200));
            seen(folder.path()).filter(|after| *after == before)
        };
        let still = until("it stands still", pair);
        assert_eq!((pair(), pair()), (Some(still), Some(still)));
        type_in("play");
        wait_for(&mut said, "plays over UDP");
        moves(still);
        type_in("teardown");
        assert!(client.0.wait().unwrap().success());
        // The window is gone.
        until("it is gone", || seen(folder.path()).is_none().then_some(()));
    }
}
