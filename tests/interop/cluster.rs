//! Three `smpte-server`s on a real `nats-server`: changes reach all, and what happens when something dies.
//!
//! Some tests wait for a lease to run out, which lasts 2 s here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use e2e::faults::{TcpProxy, Wire};
use e2e::nats::{Engine, until};
use e2e::{PATIENCE, Running, libfaketime, peer, program, program_with, runs, unused_port};
use serde_json::{Value, json};

fn server_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program_with("smpte-server", &e2e::nats::FEATURES))
}

struct Server {
    running: Running,
    address: SocketAddr,
}

impl Server {
    /// One that is ready to serve the cluster.
    fn start(url: &str, name: &str) -> Self {
        Self::with(url, name, &["--cluster-lease", "2000"])
    }

    fn with(url: &str, name: &str, options: &[&str]) -> Self {
        let mut command = Command::new(server_program());
        command.args(["--host", "127.0.0.1", "--port", "0", "--no-status"]);
        let running = Running::spawn(command.args(["--cluster", url, "--node-id", name]).args(options));
        let address = running.address("tcp");
        assert_eq!(running.line().as_deref(), Some("serving the cluster"));
        Self { running, address }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { lines: BufReader::new(stream), updates: 0 };
        assert_eq!(client.reply()["type"], "welcome");
        client
    }
}

struct Client {
    lines: BufReader<TcpStream>,
    updates: usize,
}

impl Client {
    fn say(&mut self, message: &Value) {
        self.lines.get_mut().write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).expect("a line comes") > 0, "the connection is open");
        let message: Value = serde_json::from_str(&line).unwrap();
        self.updates += usize::from(message["type"] == "timecode_update");
        message
    }

    /// The next line that is not an update.
    fn reply(&mut self) -> Value {
        loop {
            let message = self.line();
            if message["type"] != "timecode_update" {
                return message;
            }
        }
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.say(message);
        self.reply()
    }

    fn create(&mut self, framerate: &str) -> String {
        // A machine that stalls lets a server believe for a moment that its engine is gone.
        let created = until("a session is created", || {
            let answer = self.ask(&json!({"type": "create_session", "framerate": framerate}));
            (answer["message"] != "Cluster unavailable: no connection to its engine").then_some(answer)
        });
        created["session_id"].as_str().unwrap_or_else(|| panic!("{created}")).into()
    }

    fn join(&mut self, id: &str) -> Value {
        self.ask(&json!({"type": "join_session", "session_id": id}))
    }

    fn start(&mut self) -> Value {
        self.ask(&json!({"type": "start_timecode"}))
    }

    fn stop(&mut self) -> Value {
        self.ask(&json!({"type": "stop_timecode"}))
    }

    fn extended(mut self) -> Self {
        assert_eq!(self.ask(&json!({"type": "hello", "extensions": ["list", "status"]}))["type"], "hello");
        self
    }

    /// The members of a session at all servers; 0: there is no such session.
    fn members(&mut self, id: &str) -> u64 {
        let status = self.ask(&json!({"type": "get_status"}));
        let sessions = status["sessions"].as_array().unwrap_or_else(|| panic!("{status}"));
        let session = sessions.iter().find(|session| session["id"] == id);
        session.map_or(0, |session| session["client_count"].as_u64().unwrap())
    }
}

fn kinds(message: &Value) -> &str {
    message["type"].as_str().unwrap()
}

#[test]
fn a_change_reaches_all_and_the_death_of_a_server_harms_nobody() {
    let Some(engine) = Engine::start(&[]) else { return };
    let servers = ["a", "b", "c"].map(|name| Server::start(&engine.url(), name));
    let [mut a, mut b, mut c] = [0, 1, 2].map(|k| servers[k].connect());
    let id = b.create("59.94");
    assert_eq!(kinds(&c.join(&id)), "session_joined");
    assert_eq!(kinds(&a.join(&id)), "session_joined");
    assert_eq!(kinds(&a.start()), "timecode_started");
    assert_eq!((kinds(&b.reply()), kinds(&c.reply())), ("timecode_started", "timecode_started"));
    assert_eq!(c.start()["message"], "Timecode already running");

    // a client that goes on elsewhere
    let [first, second] = [&servers[0], &servers[1]].map(|server| server.address.to_string());
    let mut follower = Running::spawn(
        Command::new(program("smpte-client"))
            .args(["--server", &first, "--server", &second, "--join", &id, "--json"]),
    );
    let event = |follower: &Running, wanted: &str| -> Value {
        loop {
            let line: Value = serde_json::from_str(&follower.line().expect("the client goes on")).unwrap();
            if line["event"] == wanted {
                return line;
            }
        }
    };
    event(&follower, "session_joined");
    let before = event(&follower, "timecode_update")["frame"].as_i64().unwrap();
    let mut watcher = servers[2].connect().extended();
    until("all four are counted", || (watcher.members(&id) == 4).then_some(()));

    servers[0].running.signal("KILL");
    assert_eq!(event(&follower, "back")["server"], second);
    let after = event(&follower, "timecode_update")["frame"].as_i64().unwrap();
    assert!(after > before, "the session has gone on");
    // the dead server's member is counted no more when its lease has run out, and the session lives
    until("the lease runs out", || (watcher.members(&id) == 3).then_some(()));
    let stopped = c.stop();
    assert_eq!(kinds(&stopped), "timecode_stopped");
    assert_eq!(b.reply(), stopped);
    assert_eq!(event(&follower, "timecode_stopped")["timecode"], stopped["timecode"]);
    follower.close_stdin();
    assert!(follower.wait().success());
    // the last to go takes it along
    for mut member in [b, c] {
        member.say(&json!({"type": "leave_session"}));
    }
    until("the session ends", || (watcher.members(&id) == 0).then_some(()));
    assert_eq!(servers[1].connect().join(&id)["message"], "Session not found");
}

#[test]
fn the_engine_dies_and_comes_back() {
    let Some(mut engine) = Engine::start(&[]) else { return };
    let servers = ["a", "b", "c"].map(|name| Server::start(&engine.url(), name));
    let mut members = [0, 1, 2].map(|k| servers[k].connect());
    let id = members[0].create("25");
    for member in &mut members[1..] {
        member.join(&id);
    }
    members[0].start();
    for member in &mut members[1..] {
        member.reply();
    }
    engine.kill();
    for member in &mut members {
        let refused = until("the change is refused", || Some(member.stop()).filter(|m| m["type"] == "error"));
        let message = refused["message"].as_str().unwrap();
        assert!(message.starts_with("Cluster unavailable: "), "{message}");
        // and it goes on: half a second of labels
        let updates = member.updates + 12;
        while member.updates < updates {
            assert_eq!(member.line()["type"], "timecode_update");
        }
    }
    engine.run();
    let stopped =
        until("changes are possible again", || Some(members[1].stop()).filter(|m| m["type"] != "error"));
    assert_eq!(kinds(&stopped), "timecode_stopped");
    assert_eq!((members[0].reply(), members[2].reply()), (stopped.clone(), stopped));
    // nothing is lost: a server that knew nothing finds it
    let late = Server::start(&engine.url(), "d");
    let joined = late.connect().join(&id);
    assert_eq!((kinds(&joined), &joined["running"]), ("session_joined", &json!(false)));
}

#[test]
fn a_thousand_changes_at_two_servers_have_one_order() {
    let Some(engine) = Engine::start(&[]) else { return };
    let servers = ["a", "b", "c"].map(|name| Server::start(&engine.url(), name));
    let mut members = [0, 1, 2].map(|k| servers[k].connect());
    let id = members[0].create("25");
    for member in &mut members[1..] {
        member.join(&id);
    }
    const CHANGES: usize = 500;
    let readers = members.map(|mut member| {
        std::thread::spawn(move || {
            let mut told = Vec::new();
            while told.last() != Some(&json!("23:59:59:00")) {
                let message = member.reply();
                assert_eq!(message["type"], "timecode_reset");
                told.push(message["timecode"].clone());
            }
            told
        })
    });
    let writers = [0, 1].map(|site| {
        let mut writer = servers[site].connect();
        assert_eq!(kinds(&writer.join(&id)), "session_joined");
        std::thread::spawn(move || {
            for k in 0..CHANGES {
                let label = format!("{:02}:{:02}:{:02}:00", 1 + site, k / 60, k % 60);
                // its own change always comes back to it, among those of the other
                writer.say(&json!({"type": "reset_timecode", "timecode": label}));
                while writer.reply()["timecode"] != label {}
            }
            writer
        })
    });
    let [mut first, _second] = writers.map(|writer| writer.join().unwrap());
    first.say(&json!({"type": "reset_timecode", "timecode": "23:59:59:00"}));
    // One order: the engine may leave out what was changed again at once, but nobody is told of two changes the other
    // way round.
    let told = readers.map(|reader| reader.join().unwrap());
    let place = |told: &[Value], label: &Value| told.iter().position(|other| other == label);
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let places: Vec<_> = told[one].iter().filter_map(|label| place(&told[other], label)).collect();
        assert!(places.is_sorted() && places.len() > 1, "{} and {}", told[one].len(), told[other].len());
    }
    for (site, told) in told.iter().enumerate().take(2) {
        let own =
            told.iter().filter(|label| label.as_str().unwrap().starts_with(&format!("{:02}:", 1 + site)));
        assert_eq!(own.count(), CHANGES, "a server tells its own changes, every one");
    }
    for server in &servers {
        let joined = server.connect().join(&id);
        assert_eq!(joined["current_timecode"], "23:59:59:00");
    }
}

#[test]
fn after_a_partition_all_have_one_session() {
    partition(&["--cluster-lease", "2000"], Duration::ZERO);
}

/// With the lease that servers have if nothing else is said.
#[test]
fn after_a_partition_of_ten_seconds_all_have_one_session() {
    partition(&[], Duration::from_secs(10));
}

/// One of two servers is cut off from the engine for at least so long, and until the other takes it for dead.
fn partition(options: &[&str], least: Duration) {
    let Some(engine) = Engine::start(&[]) else { return };
    let proxy = TcpProxy::start(([127, 0, 0, 1], engine.port()).into(), Wire::default());
    let a = Server::with(&engine.url(), "a", options);
    let c = Server::with(&format!("nats://{}", proxy.address), "c", options);
    let (mut at_a, mut at_c) = (a.connect(), c.connect());
    let id = at_a.create("25");
    assert_eq!(kinds(&at_c.join(&id)), "session_joined");
    let mut lonely = c.connect();
    let theirs = lonely.create("25");
    lonely.start();
    let mut watcher = a.connect().extended();
    until("both are counted", || (watcher.members(&id) == 2).then_some(()));
    proxy.freeze();
    let frozen = Instant::now();
    // the side with the engine goes on; the other ticks on and refuses
    until("c is taken for dead", || (watcher.members(&id) == 1).then_some(()));
    until("what only c had is gone", || (watcher.members(&theirs) == 0).then_some(()));
    assert_eq!(kinds(&at_a.start()), "timecode_started");
    until("changes are refused", || Some(lonely.stop()).filter(|m| m["type"] == "error"));
    let updates = lonely.updates + 12;
    while lonely.updates < updates {
        lonely.line();
    }
    while frozen.elapsed() < least {
        lonely.line();
    }
    proxy.thaw();
    // what was refused or decided there is told to c's members, and both sessions have all their members again
    assert_eq!(kinds(&at_c.reply()), "timecode_started");
    until("c is back", || (watcher.members(&id) == 2).then_some(()));
    until("and what it had", || (watcher.members(&theirs) == 1).then_some(()));
    let stopped = until("c may change again", || Some(at_c.stop()).filter(|m| m["type"] != "error"));
    assert_eq!(at_a.reply(), stopped);
}

#[test]
fn a_server_with_a_wrong_clock_refuses_and_says_by_how_much() {
    let Some(library) = libfaketime() else { return };
    let Some(engine) = Engine::start(&[]) else { return };
    let right = ["a", "b"].map(|name| Server::start(&engine.url(), name));
    let mut command = Command::new(server_program());
    command.args(["--host", "127.0.0.1", "--port", "0", "--no-status"]);
    command.args(["--cluster", &engine.url(), "--node-id", "c"]);
    command.env("LD_PRELOAD", library).env("FAKETIME", "+0.05").env("DONT_FAKE_MONOTONIC", "1");
    let running = Running::spawn(&mut command);
    let wrong = Server { address: running.address("tcp"), running };
    let mut client = wrong.connect();
    let create = json!({"type": "create_session", "framerate": "25"});
    let off = |answer: Value| {
        let message = answer["message"].as_str().unwrap_or_else(|| panic!("it serves: {answer}"));
        let off = message.strip_prefix("Cluster unavailable: the clock of this server is ");
        off.map(|off| assert!(off.ends_with(" ms off"), "{message}"))
    };
    until("it knows the others' clocks", || off(client.ask(&create)));
    // the others go on
    let [mut member, mut other] = [0, 1].map(|k| right[k].connect());
    let id = member.create("25");
    assert_eq!(kinds(&other.join(&id)), "session_joined");
    assert_eq!(off(client.join(&id)), Some(()));
}

#[test]
fn garbage_in_the_bucket_harms_nobody() {
    let Some(engine) = Engine::start(&[]) else { return };
    let a = Server::start(&engine.url(), "a");
    let mut member = a.connect();
    let id = member.create("25");
    for value in [&b""[..], b"{", b"\xff\xfe", b"{\"version\": 1}", &[b'['; 10_000]] {
        for key in [&format!("s.{id}"), "s.x", "n.a", "n.zz", &format!("m.{id}.zz"), "m", "what.ever"] {
            engine.put("smpte-default", key, value);
        }
    }
    // whoever comes later reads it all, and waits a lease for a server that never was
    let b = Server::start(&engine.url(), "b");
    assert_eq!(kinds(&member.start()), "timecode_started");
    let mut other = b.connect();
    until("b has the change", || Some(other.join(&id)).filter(|m| m["running"] == true));
    assert_eq!(kinds(&other.stop()), "timecode_stopped");
    assert_eq!(kinds(&member.reply()), "timecode_stopped");
}

fn fails(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(server_program())
        .args(["--port", "0", "--no-status"])
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}

#[test]
fn what_is_wrong_at_the_start_is_said_in_one_line() {
    let Some(engine) = Engine::start(&["--user", "studio", "--pass", "s3cr3t"]) else { return };
    let nobody = format!("nats://127.0.0.1:{}", unused_port());
    let url = engine.url();
    let Some(without_store) = Engine::with(&[]) else { return };
    let without_store = without_store.url();
    // something else that speaks first
    let other = program("smpte-server");
    let other = Running::spawn(Command::new(other).args(["--host", "127.0.0.1", "--port", "0"]));
    let other = format!("nats://{}", other.address("tcp"));
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32);
    let wrong_password = [("SMPTE_CLUSTER_USER", "studio"), ("SMPTE_CLUSTER_PASSWORD", "wr0ng")];
    let no_credentials = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(no_credentials.path(), "s3cr3t").unwrap();
    let no_credentials = no_credentials.path().to_str().unwrap();
    let wrong: [Case<'_>; 14] = [
        (&["--cluster", &nobody], &[], 1),
        (&["--cluster", &other], &[], 1),
        (&["--cluster", &without_store], &[], 1),
        (&["--cluster", &url, "--cluster-ca", "/nowhere"], &[], 2),
        (&["--cluster", "http://127.0.0.1:80"], &[], 2),
        (&["--cluster", &url], &[], 1),
        (&["--cluster", &url], &wrong_password, 1),
        (&["--cluster", &url, "--wait"], &wrong_password, 1),
        (&["--cluster", &url], &[("SMPTE_CLUSTER_USER", "studio")], 2),
        (&["--cluster", "nats://studio:s3cr3t@127.0.0.1"], &[], 2),
        (&["--cluster", &url, "--cluster-name", "a.b"], &[], 2),
        (&["--cluster", &url, "--node-id", "a b"], &[], 2),
        (&["--cluster", &url, "--cluster-credentials", "/nowhere"], &[], 2),
        (&["--cluster", &url, "--cluster-credentials", no_credentials], &[], 2),
    ];
    for (arguments, variables, code) in wrong {
        let (status, said) = fails(arguments, variables);
        assert_eq!(status, Some(code), "{arguments:?} {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(said.starts_with("error: -") || said.contains("SMPTE_CLUSTER"), "{said}");
        assert!(!said.contains("s3cr3t") && !said.contains("wr0ng"), "{said}");
    }
}

#[test]
fn secrets_open_the_engine_and_are_never_logged() {
    let mut command = Command::new(server_program());
    command.env("SMPTE_CLUSTER_USER", "studio").env("SMPTE_CLUSTER_PASSWORD", "s3cr3t");
    serves_in_silence(command, &["--user", "studio", "--pass", "s3cr3t"], &["s3cr3t"]);

    let file = |name: &str| format!("{}/interop/nats/{name}", env!("CARGO_MANIFEST_DIR"));
    let credentials = std::fs::read_to_string(file("user.creds")).unwrap();
    let is_secret = |line: &&str| line.len() > 40 && line.starts_with(char::is_alphanumeric);
    let secrets: Vec<_> = credentials.lines().filter(|line| is_secret(line) && !line.contains(' ')).collect();
    let [token, seed] = secrets[..] else { panic!("a token and its seed: {secrets:?}") };
    let signature = token.rsplit('.').next().unwrap();
    let mut command = Command::new(server_program());
    command.args(["--cluster-credentials", &file("user.creds")]);
    serves_in_silence(command, &["-c", &file("operator.conf")], &[seed, signature]);
}

/// A server serves on an engine with these options, and says nothing of the secrets, however much it logs.
fn serves_in_silence(mut command: Command, options: &[&str], secrets: &[&str]) {
    let Some(engine) = Engine::start(options) else { return };
    command
        .args(["--host", "127.0.0.1", "--port", "0", "--cluster", &engine.url(), "--log", "trace"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut logged = Vec::new();
        log.read_to_end(&mut logged).unwrap();
        logged
    });
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.take(2).last().as_deref(), Some("serving the cluster"));
    child.kill().unwrap();
    child.wait().unwrap();
    let logged = String::from_utf8_lossy(&reader.join().unwrap()).into_owned();
    assert!(
        !logged.is_empty() && secrets.iter().all(|secret| !logged.contains(secret)),
        "the log tells a secret"
    );
}

/// The engine takes another password for a while: the server says so once, tries on, and is back by itself.
#[test]
fn a_server_that_is_shut_out_comes_back_when_it_is_let_in() {
    let options = |password| ["-js", "--user", "studio", "--pass", password];
    let Some(mut engine) = Engine::with(&options("s3cr3t")) else { return };
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"exec "$0" "$@" 2>"$LOG""#])
        .arg(server_program())
        .args(["--host", "127.0.0.1", "--port", "0", "--no-status", "--cluster", &engine.url()])
        .env("SMPTE_CLUSTER_USER", "studio")
        .env("SMPTE_CLUSTER_PASSWORD", "s3cr3t")
        .env("LOG", log.path());
    let running = Running::spawn(&mut command);
    let address = running.address("tcp");
    assert_eq!(running.line().as_deref(), Some("serving the cluster"));
    let server = Server { running, address };
    let said = |what: &str| std::fs::read_to_string(log.path()).unwrap().matches(what).count();
    let shut_out = "does not let us in any more";
    let mut member = server.connect();
    member.create("25");
    assert_eq!(kinds(&member.start()), "timecode_started");

    engine.kill();
    engine.run_with(&options("an0ther"));
    until("it says that it is shut out", || (said(shut_out) > 0).then_some(()));
    let refused = until("the change is refused", || Some(member.stop()).filter(|m| m["type"] == "error"));
    assert!(refused["message"].as_str().unwrap().starts_with("Cluster unavailable: "), "{refused}");

    engine.kill();
    engine.run_with(&options("s3cr3t"));
    let stopped =
        until("changes are possible again", || Some(member.stop()).filter(|m| m["type"] != "error"));
    assert_eq!(kinds(&stopped), "timecode_stopped");
    until("it says that it is back", || (said("lets us in again") == 1).then_some(()));
    assert_eq!((said(shut_out), said("s3cr3t")), (1, 0));
}

#[test]
fn a_server_waits_for_its_engine() {
    let Some(mut engine) = Engine::start(&[]) else { return };
    engine.kill();
    let mut command = Command::new(server_program());
    command.args(["--host", "127.0.0.1", "--port", "0", "--cluster", &engine.url(), "--wait"]);
    let running = Running::spawn(&mut command);
    engine.run();
    running.address("tcp");
    assert_eq!(running.line().as_deref(), Some("serving the cluster"));
}

/// A certificate that nobody has signed, for 127.0.0.1.
const CERTIFICATE: &str = "[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
subjectAltName = IP:127.0.0.1
basicConstraints = CA:FALSE
";

#[test]
fn the_way_to_the_engine_can_be_safe() {
    if !peer("openssl", || runs("openssl", &["version"])) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, key, certificate) = (file("config"), file("key.pem"), file("certificate.pem"));
    std::fs::write(&config, CERTIFICATE).unwrap();
    let made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    assert!(runs(
        "openssl",
        &[&made[..], &["-config", &config, "-keyout", &key, "-out", &certificate]].concat()
    ));
    let Some(engine) = Engine::start(&["--tls", "--tlscert", &certificate, "--tlskey", &key]) else { return };
    let url = format!("tls://127.0.0.1:{}", engine.port());
    let server = Server::with(&url, "a", &["--cluster-ca", &certificate]);
    server.connect().create("25");
    let (status, said) = fails(&["--cluster", &url], &[]);
    assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
}
