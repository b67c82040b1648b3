//! Companion screen programs with the reference implementation, a plain WebSocket peer, and the manners of other
//! implementations.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Running, peer, python, runs, unused_port};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

const PTS: &str = "urn:dvb:css:timeline:pts";

fn json_line(running: &Running) -> Value {
    let line = running.line().expect("the program goes on");
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
}

fn json_until(running: &Running, wanted: impl Fn(&Value) -> bool) -> Value {
    std::iter::repeat_with(|| json_line(running)).find(|line| wanted(line)).unwrap()
}

/// pydvbcss 0.5.2 in one of its roles. It runs on Python 2.7 only, which Debian has not any more: where that is missing
/// the reason is printed, in CI too.
fn pydvbcss(arguments: &[&str]) -> Option<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let modules = std::env::var_os("PYDVBCSS").map_or(root.join("target/peers/pydvbcss"), PathBuf::from);
    let python = || {
        let mut python = Command::new("python2.7");
        // of several versions this one, where pyenv chooses
        python.env("PYENV_VERSION", "2.7.18").env("PYTHONPATH", &modules);
        python
    };
    let works = python().args(["-c", "import dvbcss, cherrypy, ws4py"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!(
            "skipped: pydvbcss is missing (it needs python2.7; scripts/install-peers.sh installs it where that is)"
        );
        return None;
    }
    let mut command = python();
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/interop/pydvbcss_peer.py")).args(arguments);
    Some(command)
}

#[test]
fn pydvbcss_follows_our_television() {
    if pydvbcss(&[]).is_none() {
        return;
    }
    let tv = Running::start("tv-device", &["127.0.0.1", "0", "127.0.0.1", "0", "--loglevel", "error"]);
    let wc = tv.address("wc").port().to_string();
    let http = tv.address("http");

    let clock = Running::spawn(&mut pydvbcss(&["wc-client", "127.0.0.1", &wc]).unwrap());
    for _ in 0..3 {
        // the same machine, the same clock: the offset is its error
        let line = json_line(&clock);
        let (offset, bound) =
            (line["offset_ns"].as_i64().unwrap().abs(), line["dispersion_ns"].as_i64().unwrap());
        assert!(offset <= bound, "{line}");
    }
    let cii = Running::spawn(&mut pydvbcss(&["cii-client", &format!("ws://{http}/cii")]).unwrap());
    let first = json_until(&cii, |line| line["changed"].is_array());
    assert_eq!(first["contentId"], "dvb://233a.1004.1044;363a~20130218T0915Z--PT00H45M");
    assert_eq!(first["presentationStatus"], json!(["okay"]));
    assert_eq!(first["wcUrl"], format!("udp://127.0.0.1:{wc}"));
    assert_eq!(first["timelines"], json!([PTS, "urn:dvb:css:timeline:temi:1:1"]));
    let url = format!("ws://{http}/ts");
    let ts = Running::spawn(&mut pydvbcss(&["ts-client", &url, PTS, "90000", "127.0.0.1", &wc]).unwrap());
    let (first, second) = (json_line(&ts), json_line(&ts));
    let passed = |key: &str| second[key].as_f64().unwrap() - first[key].as_f64().unwrap();
    assert_eq!((&first["speed"], &first["error"]), (&json!(1.0), &Value::Null));
    assert!(passed("ticks") > 0.0 && passed("system_ns") > 0.0, "{first} {second}");
}

#[test]
fn our_programs_follow_pydvbcss() {
    for followup in ["", "followup"] {
        let [http, wc] = [(); 2].map(|()| unused_port().to_string());
        let Some(mut command) = pydvbcss(&["tv", &http, &wc, followup]) else { return };
        let tv = Running::spawn(&mut command);
        assert_eq!(json_line(&tv)["ready"], true);

        let clock = Running::start("wall-clock-client", &["127.0.0.1", &wc, "--json", "--loglevel", "error"]);
        for _ in 0..3 {
            let line = json_until(&clock, |line| line["offset_ns"].is_i64());
            let (offset, bound) =
                (line["offset_ns"].as_i64().unwrap().abs(), line["dispersion_ns"].as_i64().unwrap());
            assert!(offset <= bound, "{line}");
        }
        let url = format!("ws://127.0.0.1:{http}/cii");
        let cii = Running::start("cii-client", &[&url, "--json", "--loglevel", "error"]);
        let change = json_until(&cii, |line| line["changed"] == json!(["contentId"]));
        assert!(change["contentId"].as_str().unwrap().starts_with("dvb://233a.1004.1044;"), "{change}");
        assert_eq!(change["timelines"][0]["timelineSelector"], PTS);
        let arguments =
            [&format!("ws://127.0.0.1:{http}/ts"), &format!("udp://127.0.0.1:{wc}"), "dvb://", PTS, "90000"]
                .map(|s: &str| s.to_owned());
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--json", "--loglevel", "error"]);
        let ts = Running::start("ts-client", &arguments);
        for speed in [0.0, 1.0, 0.0] {
            json_until(&ts, |line| line["speed"] == speed && line["available"] == true);
        }
    }
}

/// Python's `websockets`, which knows nothing of the protocol: as a client of ours, and as a server.
#[test]
fn a_plain_python_websocket_peer() {
    if !peer("Python's websockets", || runs(python(), &["-c", "import websockets"])) {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/websockets_peer.py");
    let tv = Running::start("tv-device", &["127.0.0.1", "0", "127.0.0.1", "0", "--loglevel", "error"]);
    let http = tv.address("http");
    let client = Running::spawn(Command::new(python()).args([script, "client", &http.to_string()]));
    let cii = json_line(&client);
    assert_eq!(cii["tsUrl"], format!("ws://{http}/ts"), "the host that it asked for");
    let ts = json_line(&client);
    assert_eq!(ts["timelineSpeedMultiplier"], 1.0);
    assert!(ts["contentTime"].is_string() && ts["wallClockTime"].is_string(), "{ts}");
    assert_eq!(json_line(&client)["status"], 404);

    let server = Running::spawn(Command::new(python()).args([script, "server"]));
    let port = json_line(&server)["port"].as_u64().unwrap();
    let url = format!("ws://127.0.0.1:{port}/cii");
    let cii = Running::start("cii-client", &[&url, "--json", "--loglevel", "error"]);
    assert_eq!(json_line(&cii)["contentId"], "dvb://1.2.3");
    assert_eq!(json_line(&cii)["changed"], json!(["presentationStatus"]));
    let wc = Running::start("wall-clock-server", &["127.0.0.1", "0", "--loglevel", "error"]);
    let (url, wc) = (format!("ws://127.0.0.1:{port}/ts"), format!("udp://{}", wc.address("wc")));
    let ts =
        Running::start("ts-client", &[&url, &wc, "dvb://", PTS, "90000", "--json", "--loglevel", "error"]);
    let line = json_until(&ts, |line| line["available"] == true);
    assert_eq!(line["speed"], 2.0);
    assert_eq!(json_line(&server), json!({"contentIdStem": "dvb://", "timelineSelector": PTS}));
}

/// A television that says the same to everybody who comes.
async fn television(messages: &'static [&'static str]) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut ws = accept_async(stream).await.unwrap();
                for message in messages {
                    ws.send(Message::text(*message)).await.unwrap();
                }
                while ws.next().await.is_some_and(|m| m.is_ok()) {}
            });
        }
    });
    address
}

fn cii_states(address: SocketAddr) -> Running {
    Running::start("cii-client", &[&format!("ws://{address}/cii"), "--json", "--loglevel", "error"])
}

fn ts_states(address: SocketAddr, wc: SocketAddr) -> Running {
    let (url, wc) = (format!("ws://{address}/ts"), format!("udp://{wc}"));
    Running::start("ts-client", &[&url, &wc, "", PTS, "1000", "--json", "--loglevel", "error"])
}

/// CCMA's emulator: the status as an array, numbers where the standard has strings, bare words.
#[tokio::test(flavor = "multi_thread")]
async fn a_television_as_ccma_has_it() {
    let wc = Running::start("wall-clock-server", &["127.0.0.1", "0", "--loglevel", "error"]);
    let cii = television(&[
        "pairingcompleted",
        r#"{"protocolVersion":"1.1","contentId":"dvb://ccma","contentIdStatus":"final","presentationStatus":["okay"]}"#,
    ])
    .await;
    let ts = television(&[
        "pairingcompleted",
        r#"{"timelineSpeedMultiplier":null}"#,
        r#"{"contentTime":0,"wallClockTime":1038913229,"timelineSpeedMultiplier":0}"#,
    ])
    .await;
    let wc = wc.address("wc");
    tokio::task::spawn_blocking(move || {
        let state = json_line(&cii_states(cii));
        assert_eq!(
            (&state["contentId"], &state["presentationStatus"]),
            (&json!("dvb://ccma"), &json!("okay"))
        );
        let line = json_until(&ts_states(ts, wc), |line| line["available"] == true);
        assert_eq!((&line["speed"], &line["content_time"]), (&json!(0.0), &json!(0)));
    })
    .await
    .unwrap();
}

/// dvbcss-protocols (JavaScript) and ORB as servers: everything each time, or timelines left out; what is unchanged is no
/// change; nonsense between does no harm.
#[tokio::test(flavor = "multi_thread")]
async fn televisions_that_say_all_or_too_little() {
    let cii = television(&[
        r#"{"protocolVersion":"1.1","mrsUrl":null,"contentId":"dvb://a","contentIdStatus":"partial","presentationStatus":"okay","teUrl":null,"wcUrl":"udp://127.0.0.1:1","tsUrl":"ws://127.0.0.1:2","timelines":[{"timelineSelector":"t","unitsPerTick":1,"unitsPerSecond":50}],"private":[]}"#,
        r#"{"contentId":"dvb://b","contentIdStatus":"final"}"#,
        "[1,2",
        r#"{"protocolVersion":"1.1","mrsUrl":null,"contentId":"dvb://b","contentIdStatus":"final","presentationStatus":"okay","teUrl":null,"wcUrl":"udp://127.0.0.1:1","tsUrl":"ws://127.0.0.1:2","timelines":[{"timelineSelector":"t","timelineProperties":{"unitsPerTick":1,"unitsPerSecond":50}}],"private":[]}"#,
        r#"{"presentationStatus":"fault"}"#,
    ])
    .await;
    tokio::task::spawn_blocking(move || {
        let client = cii_states(cii);
        let first = json_line(&client);
        assert_eq!(first["timelines"][0]["timelineProperties"]["unitsPerSecond"], 50);
        let second = json_line(&client);
        assert_eq!(second["changed"], json!(["contentId", "contentIdStatus"]));
        assert_eq!(second["timelines"], first["timelines"], "absent is unchanged");
        let last = json_until(&client, |line| line["presentationStatus"] == "fault");
        assert_eq!(last["changed"], json!(["presentationStatus"]));
        assert_eq!(last["contentId"], "dvb://b");
    })
    .await
    .unwrap();
}

/// Clients of our television as ORB, the CCMA app and dvbcss-protocols are: a setup twice, one without a stem, in binary,
/// integers; the wall clock over WebSocket in binary and as JSON.
#[tokio::test(flavor = "multi_thread")]
async fn companions_with_manners_of_their_own() {
    let tv = Running::start("tv-device", &["127.0.0.1", "0", "127.0.0.1", "0", "--loglevel", "error"]);
    let http = tv.address("http");
    let connect = async |path: &str| connect_async(format!("ws://{http}{path}")).await.unwrap().0;

    let mut orb = connect("/ts").await;
    orb.send(Message::text("[]")).await.unwrap();
    let setup = json!({"contentIdStem": "", "timelineSelector": PTS}).to_string();
    orb.send(Message::binary(setup.clone().into_bytes())).await.unwrap();
    orb.send(Message::text(setup)).await.unwrap();
    let integers = r#"{"earliest":{"contentTime":1,"wallClockTime":"minusinfinity"},"latest":{"contentTime":1,"wallClockTime":"plusinfinity"}}"#;
    orb.send(Message::text(integers)).await.unwrap();
    let mut ccma = connect("/ts").await;
    ccma.send(Message::text(json!({"timelineSelector": PTS}).to_string())).await.unwrap();
    for ws in [&mut orb, &mut ccma] {
        let told: Value = serde_json::from_str(ws.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
        assert_eq!(told["timelineSpeedMultiplier"], 1.0);
    }
    drop((orb, ccma));

    let mut js = connect("/wc").await;
    let mut request = vec![0_u8; 32];
    request[8..16].copy_from_slice(&[1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff]);
    js.send(Message::binary(request.clone())).await.unwrap();
    let answer = js.next().await.unwrap().unwrap().into_data();
    assert_eq!((answer.len(), answer[1], &answer[8..16]), (32, 1, &request[8..16]));
    let request = r#"{"v":0,"t":0,"p":0,"mfe":0,"otvs":5,"otvn":1999999999,"rt":0,"tt":0}"#;
    js.send(Message::text(request)).await.unwrap();
    let answer: Value = serde_json::from_str(js.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(
        (&answer["t"], &answer["otvs"], &answer["otvn"]),
        (&json!(1), &json!(5), &json!(1_999_999_999))
    );
    assert!(
        answer["rt"].as_f64().is_some_and(|seconds| seconds < 1e12),
        "seconds, as its client reads: {answer}"
    );
}

/// synckit-ios: twenty requests 100 ms apart, then one a second, each with its own time as originate; here as fast as the
/// answers come.
#[test]
fn a_wall_clock_client_as_synckit_is() {
    let server =
        Running::start("wall-clock-server", &["127.0.0.1", "0", "--followup-replies", "--loglevel", "error"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address("wc")).unwrap();
    socket.set_read_timeout(Some(e2e::PATIENCE)).unwrap();
    for n in 0..25_u64 {
        let mut request = [0; 32];
        request[8..16].copy_from_slice(&n.to_be_bytes());
        socket.send(&request).unwrap();
        let mut times = Vec::new();
        for kind in [2, 3] {
            let mut answer = [0; 64];
            assert_eq!(socket.recv(&mut answer).unwrap(), 32);
            assert_eq!((answer[0], answer[1], &answer[8..16]), (0, kind, &n.to_be_bytes()[..]));
            times.push((answer[16..24].to_vec(), answer[24..32].to_vec()));
        }
        assert_eq!(times[0].0, times[1].0, "the same arrival");
        assert!(times[0].0 <= times[0].1 && times[0].1 <= times[1].1, "and a departure that is no earlier");
    }
}
