//! The seven programs as their users see them: the walk-through of the original's examples, with our names.

mod common;

use std::net::UdpSocket;
use std::process::Command;

use common::{PATIENCE, Running, next, next_json, say, ws};
use dvb_css::message::{MessageType, WcMessage};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

const WC_SERVER: &str = env!("CARGO_BIN_EXE_wall-clock-server");
const WC_CLIENT: &str = env!("CARGO_BIN_EXE_wall-clock-client");
const CII_SERVER: &str = env!("CARGO_BIN_EXE_cii-server");
const CII_CLIENT: &str = env!("CARGO_BIN_EXE_cii-client");
const TS_SERVER: &str = env!("CARGO_BIN_EXE_ts-server");
const TS_CLIENT: &str = env!("CARGO_BIN_EXE_ts-client");
const TV: &str = env!("CARGO_BIN_EXE_tv-device");
const PTS: &str = "urn:dvb:css:timeline:pts";

#[test]
fn wall_clock_server_and_client() {
    for followup in [false, true] {
        let mut arguments = vec!["127.0.0.1", "0", "--mfe", "50"];
        arguments.extend(followup.then_some("--followup-replies"));
        let mut server = Running::start(WC_SERVER, &arguments);
        let lines = [server.line(), server.line(), server.line()];
        assert_eq!((lines[0].as_str(), lines[2].as_str()), ("----", "----"));
        let address = server.address("wc");
        assert_eq!(lines[1], format!("CSS-WC endpoint bound to host 127.0.0.1 on port {}", address.port()));
        let port = address.port().to_string();

        let folder = tempfile::tempdir().unwrap();
        let plot = folder.path().join("wc.svg");
        let plot_name = plot.to_str().unwrap();
        let client_arguments =
            ["127.0.0.1", &port, "--json", "--mfe", "50", "--loglevel", "info", "--plot", plot_name];
        let mut client = Running::start(WC_CLIENT, &client_arguments);
        let logged =
            client.logged(|line| line.starts_with("INFO:WallClockClient:Old / New dispersion (millis) is "));
        assert!(logged.contains(" ... offset=") && logged.ends_with("new best candidate? True"), "{logged}");
        let request =
            server.logged(|line| line.starts_with("INFO:WallClockServer:Responding to request from "));
        assert!(request.contains("127.0.0.1 port ") && request.ends_with(" ns"), "{request}");
        let mut known = 0;
        while known < 10 {
            let line = client.json();
            let Some(offset) = line["offset_ns"].as_i64() else { continue };
            // both run on this machine's clock, so the offset is the error
            let dispersion = line["dispersion_ns"].as_i64().unwrap();
            assert!(offset.abs() <= dispersion, "{line}");
            assert_eq!(
                line["wall_clock_ns"].as_i64().unwrap() - offset,
                line["monotonic_ns"].as_i64().unwrap()
            );
            assert!(line["rtt_ns"].as_i64().unwrap() > 0);
            known += 1;
        }
        client.signal("INT");
        assert!(client.wait().success());
        let svg = std::fs::read_to_string(&plot).unwrap();
        assert!(svg.contains("<polyline") && svg.ends_with("</svg>\n"));
        server.signal("TERM");
        assert!(server.wait().success());
    }
}

#[test]
fn the_original_client_lines() {
    let server = Running::start(WC_SERVER, &["127.0.0.1", "0", "--loglevel", "ERROR"]);
    let port = server.address("wc").port().to_string();
    for algorithm in ["bounds", "lowest-dispersion", "most-recent", "filter-predict"] {
        let client = Running::start(
            WC_CLIENT,
            &["127.0.0.1", &port, "127.0.0.1", "--algorithm", algorithm, "--loglevel", "error"],
        );
        let line = client.line_with(|line| !line.contains(" inf "));
        let (time, dispersion) = line.split_once(" microseconds. Dispersion = ").unwrap();
        assert!(time.starts_with("Time=") && time.len() == 25, "{line}");
        assert!(dispersion.ends_with(" milliseconds") && dispersion.len() == 28, "{line}");
    }
    // nobody there: it goes on and says so
    let lonely = Running::start(WC_CLIENT, &["127.0.0.1", "9", "--loglevel", "error"]);
    assert!(lonely.line().ends_with(" microseconds. Dispersion =             inf milliseconds"));
}

#[test]
fn bad_datagrams_of_every_kind_leave_the_wall_clock_serving() {
    let server = Running::start(WC_SERVER, &["127.0.0.1", "0", "--loglevel", "error"]);
    let address = server.address("wc");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let good = WcMessage::request(0x0123_4567_89ab_cdef).encode();
    let mut bad: Vec<Vec<u8>> = (0..32).map(|len| good[..len].to_vec()).collect();
    bad.extend((1..=255).flat_map(|n| [[&[n], &good[1..]].concat(), [&[0, n], &good[2..]].concat()]));
    bad.push(vec![0xff; 65_507]);
    // In portions that the socket's buffer holds, each behind a good one, whose answer is the only one to come.
    let mut buffer = [0; 100];
    for (n, portion) in bad.chunks(20).enumerate() {
        for datagram in portion {
            socket.send(datagram).unwrap();
        }
        let cookie = u64::try_from(n).unwrap();
        socket.send(&WcMessage::request(cookie).encode()).unwrap();
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(WcMessage::parse(&buffer[..len]).unwrap().originate.to_bits(), cookie);
    }
    // longer ones are answered from their first 32 bytes
    for request in [good.to_vec(), [good.to_vec(), vec![7; 60_000]].concat()] {
        socket.send(&request).unwrap();
        let len = socket.recv(&mut buffer).unwrap();
        let answer = WcMessage::parse(&buffer[..len]).unwrap();
        assert_eq!((len, answer.message_type), (32, MessageType::Response));
        assert_eq!(answer.originate.to_bits(), 0x0123_4567_89ab_cdef);
        assert!(answer.receive.as_nanos() <= answer.transmit.as_nanos());
    }
}

#[test]
fn identification_server_and_client_with_a_hop() {
    let server = Running::start(CII_SERVER, &["127.0.0.1", "0"]);
    assert_eq!(server.line(), "----");
    let url = server.line().strip_prefix("CSS-CII endpoint URL: ").unwrap().to_owned();
    let client = Running::start(CII_CLIENT, &[&url, "--json"]);
    client.logged(|line| line == "INFO:CIIClient:connected");
    client.logged(|line| line == "INFO:CIIClient:change to protocolVersion property. Value is now: 1.1");
    let first = client.json();
    assert_eq!(first["contentId"], "dvb://233a.1004.1044;363a~20130218T0915Z--PT00H45M");
    assert_eq!((&first["protocolVersion"], &first["contentIdStatus"]), (&json!("1.1"), &json!("final")));
    // two seconds later, then seven seconds after the first
    let mut states = vec![first];
    while states.len() < 3 {
        states.push(client.json());
    }
    assert_eq!(
        (&states[1]["changed"], &states[1]["presentationStatus"]),
        (&json!(["presentationStatus"]), &json!("okay"))
    );
    let hop = &states[2];
    assert_eq!(hop["contentId"], "dvb://233a.1168.122a;1aa4~20130218T0910Z--PT00H30M");
    assert_eq!(hop["presentationStatus"], "transitioning");
    assert_eq!(hop["changed"], json!(["contentId", "presentationStatus"]));
    drop(server);
    client.logged(|line| line == "INFO:CIIClient:disconnected");
}

#[test]
fn a_state_file_is_served_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    std::fs::write(&path, r#"{"contentId":"dvb://1.2.3","contentIdStatus":"final","mrsUrl":null}"#).unwrap();
    let name = path.to_str().unwrap();
    let server = Running::start(CII_SERVER, &["127.0.0.1", "0", "--file", name, "-Q"]);
    let address = server.address("http");
    let client =
        Running::start(CII_CLIENT, &[&format!("ws://{address}/cii"), "--json", "--loglevel", "error"]);
    assert_eq!(client.json()["contentId"], "dvb://1.2.3");
    std::fs::write(&path, "{\"contentId\":").unwrap();
    server.logged(|line| line.starts_with("ERROR:state:") && line.ends_with("the old state stays"));
    std::fs::write(&path, r#"{"contentId":"dvb://1.2.4","contentIdStatus":"partial"}"#).unwrap();
    let second = client.json();
    assert_eq!(
        (&second["contentId"], &second["contentIdStatus"]),
        (&json!("dvb://1.2.4"), &json!("partial"))
    );
}

#[test]
fn timeline_server_and_client() {
    let server = Running::start(TS_SERVER, &["127.0.0.1", "0", "127.0.0.1", "0"]);
    assert_eq!(server.line(), "----");
    let ts_url = server.line().strip_prefix("CSS-TS endpoint URL: ").unwrap().to_owned();
    assert!(server.line().starts_with("CSS-WC endpoint bound to host 127.0.0.1 on port "));
    assert_eq!(server.line(), "Content ID: dvb://233a.1004.1044;363a~20130218T0915Z--PT00H45M");
    assert_eq!(server.line(), "----");
    let wc_url = format!("udp://{}", server.address("wc"));

    let client = Running::start(TS_CLIENT, &[&ts_url, &wc_url, "dvb://", PTS, "90000"]);
    assert_eq!(client.line(), "Connecting, requesting timeline for:");
    assert_eq!(client.line(), "   Any contentId beginning with: dvb://");
    assert_eq!(client.line(), format!("   and using timeline selector:  {PTS}"));
    assert_eq!(client.line(), "");
    let line = client.line_with(|line| line.contains("AVAILABLE."));
    assert!(line.starts_with("Status: AVAILABLE.      Speed =  1.00  Timeline position = "), "{line}");
    assert!(
        line.contains(" secs    Uncertainty (dispersion) = +/- ") && line.ends_with(" milliseconds"),
        "{line}"
    );
    for event in ["connected", "change in timing and/or play speed", "timeline became available"] {
        client.logged(|line| line == format!("INFO:TSClient:{event}"));
    }
    // a tweak after five seconds
    server.line_with(|line| line == "Tweaked correlation timestamp for PTS and TEMI.");
    assert!(server.line().starts_with("PTS clock at "));
    client.logged(|line| line == "INFO:TSClient:change in timing and/or play speed");

    // content that is not shown: never available
    let other = Running::start(
        TS_CLIENT,
        &[&ts_url, &wc_url, "http://", PTS, "90000", "--json", "--loglevel", "error"],
    );
    let line = std::iter::repeat_with(|| other.json()).find(|line| line["wall_clock_ns"].is_i64()).unwrap();
    assert_eq!((&line["available"], &line["content_time"]), (&json!(false), &Value::Null));
    let columns = Running::start(
        TS_CLIENT,
        &[&ts_url, &wc_url, "dvb://", PTS, "90000", "--csv", "--loglevel", "error"],
    );
    assert_eq!(columns.line(), "available,speed,position_s,content_time,wall_clock_ns,dispersion_ms");
    assert_eq!(columns.line_with(|line| line.starts_with("true,")).split(',').count(), 6);
    drop(server);
    client.logged(|line| line == "INFO:TSClient:timeline became un-available");
    client.logged(|line| line == "INFO:TSClient:disconnected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_television_with_all_three() {
    let mut tv = Running::start(TV, &["127.0.0.1", "0", "127.0.0.1", "0"]);
    let (wc, http) = (tv.address("wc"), tv.address("http"));
    let mut cii = ws(http, "/cii").await;
    let state = next_json(&mut cii).await;
    assert_eq!(state["tsUrl"], format!("ws://{http}/ts"));
    assert_eq!(state["wcUrl"], format!("udp://127.0.0.1:{}", wc.port()));
    assert_eq!(state["timelines"][1]["timelineProperties"], json!({"unitsPerTick": 1, "unitsPerSecond": 50}));
    assert_eq!(state["presentationStatus"], "okay");
    // whatever a companion says there is ignored
    say(&mut cii, "hello").await;
    cii.send(Message::binary(vec![0xff; 100])).await.unwrap();

    // PTS and wall clock started together, to the tick
    let mut ts = ws(http, "/ts").await;
    say(&mut ts, "not JSON").await;
    say(&mut ts, r#"{"contentIdStem":null,"timelineSelector":"x"}"#).await;
    let setup = json!({"contentIdStem": "dvb://", "timelineSelector": PTS}).to_string();
    ts.send(Message::binary(setup.into_bytes())).await.unwrap();
    let first = next_json(&mut ts).await;
    let mut again = ws(http, "/ts").await;
    say(&mut again, json!({"timelineSelector": PTS}).to_string()).await;
    assert_eq!(next_json(&mut again).await, first, "late joiners are told the same, an empty stem matches");
    assert_eq!(first["timelineSpeedMultiplier"].to_string(), "1.0");
    let mut unknown = ws(http, "/ts").await;
    say(&mut unknown, json!({"contentIdStem": "dvb://", "timelineSelector": "x"}).to_string()).await;
    let nothing = next_json(&mut unknown).await;
    assert_eq!((&nothing["contentTime"], &nothing["timelineSpeedMultiplier"]), (&Value::Null, &Value::Null));
    assert!(nothing["wallClockTime"].is_string());

    let client_arguments = [
        &format!("ws://{http}/ts"),
        &format!("udp://{wc}"),
        "dvb://",
        PTS,
        "90000",
        "--json",
        "--loglevel",
        "error",
    ];
    let client = Running::start(TS_CLIENT, &client_arguments.map(|a: &str| a));
    let line = std::iter::repeat_with(|| client.json()).find(|line| line["available"] == true).unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
    let passed = line["wall_clock_ns"].as_i64().unwrap() - number(&first["wallClockTime"]);
    let ticks = line["content_time"].as_i64().unwrap() - number(&first["contentTime"]);
    assert!((passed * 9 / 100_000).abs_diff(ticks) <= 1, "{line} {first}");

    // the wall clock over WebSocket, as it is asked
    let mut browser = ws(http, "/wc").await;
    browser.send(Message::binary(WcMessage::request(42).encode().to_vec())).await.unwrap();
    let answer = WcMessage::parse(&next(&mut browser).await.into_data()).unwrap();
    assert_eq!((answer.message_type, answer.originate.to_bits()), (MessageType::Response, 42));
    say(&mut browser, r#"{"v":0,"t":0,"otvs":1,"otvn":2}"#).await;
    let answer = next_json(&mut browser).await;
    assert_eq!((&answer["t"], &answer["otvs"], &answer["otvn"]), (&json!(1), &json!(1), &json!(2)));
    say(&mut browser, "x").await;

    // stopped: everybody is told that we go away
    tv.signal("TERM");
    for ws in [&mut cii, &mut ts, &mut again, &mut unknown, &mut browser] {
        let Message::Close(Some(frame)) = next(ws).await else { panic!("no close frame") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, ""));
    }
    assert!(tv.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections_get_503() {
    let limit_of_two = Running::start(CII_SERVER, &["127.0.0.1", "0", "--quiet-cherrypy"]);
    let one = Running::start(TS_SERVER, &["127.0.0.1", "0", "127.0.0.1", "0", "--max-connections", "1"]);
    let any = Running::start(TV, &["127.0.0.1", "0", "127.0.0.1", "0", "--max-connections", "0"]);
    for (server, path, limit) in [(&limit_of_two, "/cii", 2), (&one, "/ts", 1)] {
        let address = server.address("http");
        let mut inside = Vec::new();
        for _ in 0..limit {
            inside.push(ws(address, path).await);
        }
        let refused = tokio_tungstenite::connect_async(format!("ws://{address}{path}")).await.unwrap_err();
        let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
        assert_eq!(response.status(), 503);
        let text = "Service Unavailable. No more connections to end-point permitted. Maximum limit reached.";
        assert_eq!(response.body().as_deref(), Some(text.as_bytes()));
        let lost = tokio_tungstenite::connect_async(format!("ws://{address}/nowhere")).await.unwrap_err();
        let tungstenite::Error::Http(response) = lost else { panic!("{lost}") };
        assert_eq!(response.status(), 404);
    }
    let address = any.address("http");
    let mut all = Vec::new();
    for _ in 0..30 {
        all.push(ws(address, "/ts").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_more_than_64_kib_closes_with_1009() {
    let tv = Running::start(TV, &["127.0.0.1", "0", "127.0.0.1", "0"]);
    let address = tv.address("http");
    let mut deep = ws(address, "/ts").await;
    say(&mut deep, "[".repeat(60_000)).await;
    say(&mut deep, json!({"contentIdStem": "dvb://", "timelineSelector": PTS}).to_string()).await;
    assert!(next_json(&mut deep).await["contentTime"].is_string(), "what is nested too deep is ignored");
    let mut long = ws(address, "/ts").await;
    say(&mut long, "x".repeat(70_000)).await;
    let Message::Close(Some(frame)) = next(&mut long).await else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_television_shows_what_a_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tv.json");
    let write = |id: &str, speed: &str| {
        let text = format!(
            r#"{{"cii": {{"contentId": "{id}", "contentIdStatus": "final"}},
                "timelines": [{{"selector": "t", "unitsPerSecond": 25, "speed": {speed}}}]}}"#
        );
        std::fs::write(&path, text).unwrap();
    };
    write("dvb://1", "1");
    let tv = Running::start(TV, &["127.0.0.1", "0", "127.0.0.1", "0", "--state", path.to_str().unwrap()]);
    let address = tv.address("http");
    let mut ts = ws(address, "/ts").await;
    say(&mut ts, json!({"contentIdStem": "dvb://", "timelineSelector": "t"}).to_string()).await;
    assert_eq!(next_json(&mut ts).await["timelineSpeedMultiplier"], json!(1.0));
    write("dvb://2", "-0.5");
    assert_eq!(next_json(&mut ts).await["timelineSpeedMultiplier"], json!(-0.5));
    write("http://other", "-0.5");
    assert_eq!(next_json(&mut ts).await["contentTime"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_point_that_is_disabled_sends_everybody_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tv.json");
    let write = |id: &str, disabled: &str| {
        let cii = format!(r#"{{"contentId": "{id}", "contentIdStatus": "final"}}"#);
        std::fs::write(&path, format!(r#"{{"cii": {cii}, "disabled": [{disabled}]}}"#)).unwrap();
    };
    write("dvb://open", "");
    let tv = Running::start(TV, &["127.0.0.1", "0", "127.0.0.1", "0", "--state", path.to_str().unwrap()]);
    tv.line_with(|line| line == "Content ID: dvb://open");
    let address = tv.address("http");
    let mut cii = ws(address, "/cii").await;
    assert_eq!(next_json(&mut cii).await["contentId"], "dvb://open");
    let mut sent_away = [ws(address, "/ts").await, ws(address, "/wc").await];
    write("dvb://shut", r#""ts", "wc""#);
    assert_eq!(next_json(&mut cii).await["contentId"], "dvb://shut");
    for (ws, path) in sent_away.iter_mut().zip(["/ts", "/wc"]) {
        let Message::Close(Some(frame)) = next(ws).await else { panic!("no close frame") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, ""));
        let refused = tokio_tungstenite::connect_async(format!("ws://{address}{path}")).await.unwrap_err();
        let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
        assert_eq!(response.status(), 403);
        let text = "Forbidden. This end-point is currently unavailable";
        assert_eq!(response.body().as_deref(), Some(text.as_bytes()));
    }
    write("dvb://again", "");
    assert_eq!(next_json(&mut cii).await["contentId"], "dvb://again");
    let mut ts = ws(address, "/ts").await;
    say(&mut ts, json!({"timelineSelector": "t"}).to_string()).await;
    assert_eq!(next_json(&mut ts).await["contentTime"], Value::Null);
    // what is no end point is said, and nothing changes
    write("dvb://wrong", r#""te""#);
    tv.logged(|line| line.contains(r#""te" is none of cii, ts, wc; the old state stays"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_says_what_it_wants_is_closed_with_1008() {
    use css_programs::serve::{EndPoints, serve_television, start_television};
    let mut config = dvb_css::config::TvServerConfig::default();
    assert_eq!(config.setup_wait.as_secs(), 30);
    config.setup_wait = std::time::Duration::from_millis(300);
    let (tv, _events) = start_television(config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve_television(&tv, listener, &EndPoints::all(None, None));
    let mut silent = ws(address, "/ts").await;
    say(&mut silent, "not what is wanted").await;
    let Message::Close(Some(frame)) = next(&mut silent).await else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1008);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_follows_a_timecode_session() {
    use smpte_programs::serve;
    use smpte_timecode::config::ServerConfig;
    use smpte_timecode::server::{ServerCalls, SessionSpec};
    let (sessions, _events) = serve::start(ServerConfig::new([9; 32]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smpte = listener.local_addr().unwrap();
    serve::serve_tcp(&sessions, listener);
    let id = sessions.call(|server, now| server.create_session(now, SessionSpec::new("25"))).unwrap();

    let source = format!("smpte:{smpte}/{id}");
    let tv = Running::start(TV, &["127.0.0.1", "0", "127.0.0.1", "0", "--timeline", &source]);
    let address = tv.address("http");
    let mut ts = ws(address, "/ts").await;
    let selector = "urn:genlock:timeline:smpte";
    say(&mut ts, json!({"contentIdStem": "", "timelineSelector": selector}).to_string()).await;
    let available = async {
        loop {
            let state = next_json(&mut ts).await;
            if !state["contentTime"].is_null() {
                return state;
            }
        }
    };
    let halted = available.await;
    assert_eq!((&halted["contentTime"], &halted["timelineSpeedMultiplier"]), (&json!("0"), &json!(0.0)));
    let mut cii = ws(address, "/cii").await;
    let timelines = next_json(&mut cii).await["timelines"].clone();
    let ours = timelines.as_array().unwrap().iter().find(|t| t["timelineSelector"] == selector).unwrap();
    assert_eq!(ours["timelineProperties"], json!({"unitsPerTick": 1, "unitsPerSecond": 25}));
    // it is started, and runs from its first frame on
    sessions.call(|server, now| server.start(now, id)).unwrap();
    while next_json(&mut ts).await["timelineSpeedMultiplier"] != json!(1.0) {}
    drop(sessions);
}

#[test]
fn bad_command_lines_are_refused_with_usage() {
    let wrong: [(&str, &[&str]); 9] = [
        (CII_CLIENT, &["ws:/127.0.0.1:7681/cii"]),
        (CII_CLIENT, &[]),
        (TS_CLIENT, &["ws://127.0.0.1/ts", "http://127.0.0.1:6677", "dvb://", "x", "90000"]),
        (TS_CLIENT, &["ws://127.0.0.1/ts", "udp://127.0.0.1:6677", "dvb://", "x", "0"]),
        (WC_SERVER, &["127.0.0.1", "65536"]),
        (WC_SERVER, &["--mfe", "many"]),
        (WC_CLIENT, &["--algorithm", "best"]),
        (TV, &["--timeline", "smpte:nowhere"]),
        (TS_SERVER, &["--loglevel", "loud"]),
    ];
    for (program, arguments) in wrong {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = errors.lines().collect();
        assert!(lines[0].starts_with("Usage: "), "{errors}");
        assert!(lines[lines.len() - 1].starts_with("error: ") && errors.contains("--help"), "{errors}");
        assert!(output.stdout.is_empty());
    }
    // nothing there, and a port that is taken: one line, and 1
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (program, arguments) in
        [(CII_CLIENT, vec!["ws://127.0.0.1:9/cii"]), (WC_SERVER, vec!["127.0.0.1", &port])]
    {
        let output = Command::new(program).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{program} {arguments:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    }
}
