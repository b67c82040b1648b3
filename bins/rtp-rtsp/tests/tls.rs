//! rtsp-server over TLS, with ffmpeg: `cargo test -p rtsp-programs --features tls --test tls`.
#![cfg(feature = "tls")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &str, arguments: &str, more: &[&str]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments.split(' ')).args(more).stdin(Stdio::null()).output().ok()
}

#[test]
fn ffmpeg_plays_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, cert) = (file("key.pem"), file("cert.pem"));
    let made = run(
        "openssl",
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost",
        &["-keyout", &key, "-out", &cert],
    );
    if made.is_none_or(|made| !made.status.success()) || run("ffmpeg", "-version", &[]).is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "openssl and ffmpeg have to be installed");
        println!("skipped: openssl or ffmpeg is not installed");
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtsp-server"));
    command.args(["--port", "0", "--tls-port", "0", "--test-pattern", "test"]);
    command.args(["--tls-cert", &cert, "--tls-key", &key]).stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines
        .find_map(|line| line.strip_prefix("listening on ")?.strip_suffix(" (rtsps)").map(str::to_owned));
    let address = address.expect("it announces rtsps");

    let play = |url: &str, transport: &str| {
        run(
            "timeout",
            "60 ffmpeg -v error -rtsp_transport",
            &[transport, "-i", url, "-frames:v", "20", "-f", "null", "-"],
        )
        .expect("timeout runs")
    };
    let url = format!("rtsps://{address}/test");
    let played = play(&url, "tcp");
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    // Who does not encrypt is not understood. (ffmpeg itself does not ask for UDP here, whatever it is told.)
    assert!(!play(&url.replace("rtsps", "rtsp"), "tcp").status.success());

    let mut command = Command::new(env!("CARGO_BIN_EXE_rtsp-server"));
    let refused = command.args(["--port", "0", "--tls-cert", &key, "--tls-key", &key]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--tls-cert"));
}
