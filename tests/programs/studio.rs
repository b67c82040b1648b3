//! The studio as a person meets it: one command, one page, in a real browser.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::browser::{self, Page};
use e2e::faults::{TcpProxy, Wire};
use e2e::{PATIENCE, Running, in_time, peer, runs};
use serde_json::Value;

/// A studio on free ports.
struct Studio {
    program: Running,
    page: SocketAddr,
}

impl Studio {
    fn start(arguments: &[&str]) -> Self {
        Self::of(Running::start("studio", &[&["--port", "0", "--no-open"], arguments].concat()))
    }

    fn of(program: Running) -> Self {
        let page = program.address("http");
        Self { program, page }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.page)
    }

    /// What `/api/state` says.
    fn state(&self) -> Value {
        let (head, body) = request(self.page, &format!("GET /api/state HTTP/1.1\r\nHost: {}", self.page));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits for a state in which something is so.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let state = self.state();
            if is_so(&state) {
                return state;
            }
            assert!(Instant::now() < end, "never {what}: {state:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where a service is, as the state has it.
    fn address(&self, name: &str, role: &str) -> SocketAddr {
        let state = self.state();
        let services = state["services"].as_array().unwrap();
        let service = services.iter().find(|s| s["name"] == name && s["role"] == role);
        service.unwrap_or_else(|| panic!("no {name} {role}"))["address"].as_str().unwrap().parse().unwrap()
    }
}

/// Starts a studio, opens its page in a browser at each size, and sees that `works`, and that the page is readable then.
fn on_the_page(name: &str, show: &str, works: impl AsyncFn(&mut Page, &Studio) -> anyhow::Result<()>) {
    if !peer("Chromium", || browser::find().is_some()) {
        return;
    }
    let studio = Studio::start(&[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (width, height) in browser::SIZES {
        runtime.block_on(async {
            let mut page = Page::open(&studio.url("/"), width, height).await.unwrap();
            works(&mut page, &studio).await.unwrap();
            page.is_readable(name, show).await.unwrap();
        });
    }
}

/// A plain HTTP/1.1 exchange: status line and headers, and body.
fn request(address: SocketAddr, head: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn the_state_lists_what_runs() {
    let mut studio = Studio::start(&[]);
    let smpte = studio.program.address("smpte tcp");
    // The session that chases runs from its first word on.
    let state = studio.until("a session that chases", |state| state["sessions"][1]["running"] == true);
    let service = &state["services"][0];
    assert_eq!(
        (service["name"].as_str(), service["address"].as_str()),
        (Some("smpte"), Some(&*smpte.to_string()))
    );
    let sessions = state["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|s| s["running"] == true), "{sessions:?}");
    assert_eq!(
        (sessions[0]["framerate"].as_str(), sessions[1]["framerate"].as_str()),
        (Some("29.97df"), Some("25"))
    );
    // One clock: the session is in the state with a reading of this machine's clocks.
    assert_eq!(state["clock"]["session"], sessions[0]["session_id"]);
    assert!(
        state["clock"]["monotonic_ns"].is_u64() && state["clock"]["unix_ns"].is_u64(),
        "{}",
        state["clock"]
    );
    // Each part says what does the same from a terminal.
    for part in state["parts"].as_array().unwrap() {
        let hints = part["hints"].as_array().unwrap();
        assert!(hints.iter().any(|h| h.as_str().unwrap().contains(": cargo run --bin ")), "{part}");
    }
    studio.program.signal("INT");
    assert_eq!(studio.program.wait().code(), Some(0));
}

#[test]
fn other_sites_are_kept_out() {
    let studio = Studio::start(&["--only", "smpte"]);
    let address = studio.page;
    for head in [
        format!("GET /api/state HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example"),
        "GET /api/state HTTP/1.1\r\nHost: evil.example".into(),
        format!(
            "GET /smpte HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example\r\nUpgrade: websocket"
        ),
    ] {
        let (answer, _) = request(address, &head);
        assert!(answer.starts_with("HTTP/1.1 403"), "{head}: {answer}");
    }
    let (answer, _) = request(address, &format!("GET /smpte HTTP/1.1\r\nHost: {address}"));
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    let (answer, _) = request(address, &format!("GET /panels/../../etc/passwd HTTP/1.1\r\nHost: {address}"));
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[test]
fn a_taken_port_is_an_error_if_asked_for_and_replaced_if_not() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut studio = Running::start("studio", &["--port", &port, "--no-open"]);
    assert_eq!(studio.wait().code(), Some(1));
    // Two studios at once: the second finds the default ports of the first taken, takes others, and says so. Unless the
    // first had found them taken too, by the studio of another test that has gone since.
    in_time(|| {
        let (a, b) = (Studio::start(&["--only", "smpte"]), Studio::start(&["--only", "smpte"]));
        assert_ne!(a.address("smpte", "tcp"), b.address("smpte", "tcp"));
        let said =
            |what: &Value| what["part"] == "smpte" && what["text"].as_str().unwrap().contains("is taken");
        let state = b.state();
        let any = |of: &str, bad: bool| {
            state[of].as_array().unwrap().iter().any(|e| said(e) && (!bad || e["bad"] == true))
        };
        if any("notices", false) && any("log", true) { Ok(()) } else { Err(state.to_string()) }
    });
}

#[test]
fn every_line_is_json_on_request() {
    let mut studio =
        Running::start("studio", &["--ports-from", "20800", "--no-open", "--json", "--only", "smpte"]);
    let mut ports = Vec::new();
    loop {
        let object: Value = serde_json::from_str(&studio.line().expect("more lines")).unwrap();
        match object["event"].as_str() {
            Some("listening") => {
                let address: SocketAddr = object["address"].as_str().unwrap().parse().unwrap();
                ports.push((object["name"].as_str().unwrap().to_owned(), address.port()));
            }
            // What is said before: a port that was taken, or what the sessions do.
            Some("log") => assert!(object["text"].is_string() && object["unix_ms"].is_u64(), "{object}"),
            Some("page") => break assert!(object["url"].as_str().unwrap().starts_with("http://127.0.0.1:")),
            _ => panic!("{object}"),
        }
    }
    let [(page, first), (smpte, second), (_, third)] = &ports[..] else { panic!("{ports:?}") };
    assert_eq!((page.as_str(), smpte.as_str()), ("studio", "smpte"));
    assert!(*first >= 20800 && second > first && third == first, "{ports:?}");
    studio.signal("TERM");
    assert_eq!(studio.wait().code(), Some(0));
}

#[test]
fn what_is_no_part_is_said() {
    let mut studio = Running::start("studio", &["--only", "smpte,toaster"]);
    assert_eq!(studio.wait().code(), Some(2));
}

#[test]
fn on_all_interfaces_it_warns_and_answers_by_address_only() {
    let studio = Running::start("studio", &["--lan", "--port", "0", "--no-open", "--only", "smpte"]);
    let port = studio.address("http").port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let get = |host: &str| request(address, &format!("GET /api/state HTTP/1.1\r\nHost: {host}"));
    let (head, body) = get(&format!("192.0.2.7:{port}"));
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let state: Value = serde_json::from_str(&body).unwrap();
    let warned = |e: &Value| e["bad"] == true && e["text"].as_str().unwrap().contains("open to the network");
    assert!(state["log"].as_array().unwrap().iter().any(warned), "{}", state["log"]);
    let (head, _) = get("evil.example");
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[test]
fn the_page_shows_running_timecode_and_controls_it() {
    on_the_page("studio", "header", async |page, _| page_works(page).await);
}

async fn page_works(page: &mut Page) -> anyhow::Result<()> {
    // Both sessions of the studio are there and tick.
    page.until("document.querySelectorAll('.card.running').length === 2").await?;
    let labels = "[...document.querySelectorAll('.label')].map((l) => l.textContent)";
    let first = page.eval(labels).await?;
    page.until(&format!("{labels}.every((l, i) => l > {first}[i])")).await?;
    page.until("/^01:\\d\\d:\\d\\d;\\d\\d$/.test(document.querySelector('.label').textContent)").await?;

    // What is shown is what the server's clock says, to a frame or two of this poll.
    let ahead = page
        .eval(
            "(async () => {
                const frame = (l) => l.split(/[:;]/).map(Number).reduce((n, p, i) => n * [60, 60, 60, 30][i] + p);
                const shown = () => frame(document.querySelector('.label').textContent);
                const before = shown();
                const state = await (await fetch('/api/state')).json();
                // What is shown is as old as the last time the browser drew.
                await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
                const after = shown();
                const there = frame(state.sessions[0].timecode);
                return there < before - 2 || there > after + 2 ? [before, there, after] : null;
            })()",
        )
        .await?;
    assert_eq!(ahead, Value::Null, "shown before, at the server, shown after");

    // A session of the page's own: create, start, stop, reset.
    page.eval("document.querySelector('#create select').value = '25'").await?;
    page.eval("document.querySelector('#create input').value = '02:00:00:00'").await?;
    page.eval("document.querySelector('#create button').click()").await?;
    page.until("document.querySelectorAll('.card').length === 3").await?;
    let card = "document.querySelectorAll('.card')[2]";
    page.until(&format!("{card}.querySelector('.label').textContent === '02:00:00:00'")).await?;
    let button = |what: &str| format!("{card}.querySelector('[data-do={what}]')");
    page.until(&format!("!{}.disabled", button("start"))).await?;
    page.eval(&format!("{}.click()", button("start"))).await?;
    page.until(&format!("{card}.querySelector('.label').textContent > '02:00:00:10'")).await?;
    page.eval(&format!("{}.click()", button("stop"))).await?;
    page.until(&format!("!{card}.classList.contains('running')")).await?;
    page.eval(&format!("{card}.querySelector('input').value = '10:20:30:12'")).await?;
    page.eval(&format!("{}.click()", button("reset"))).await?;
    page.until(&format!("{card}.querySelector('.label').textContent === '10:20:30:12'")).await?;
    // A label that is none is refused in words.
    page.eval(&format!("{card}.querySelector('input').value = '10:20:30:99'")).await?;
    page.eval(&format!("{}.click()", button("reset"))).await?;
    page.until("document.querySelector('#log').textContent.includes('Invalid timecode format')").await?;
    // Leaving it as its only member ends it.
    page.eval(&format!("{}.click()", button("follow"))).await?;
    page.until("document.querySelectorAll('.card').length === 2").await?;

    // The map: who hangs on the session, and that all is well.
    page.until("document.querySelectorAll('#map .node.ok').length === 8").await?;
    page.until("/^01:/.test(document.querySelector('#map .clock span').textContent)").await?;
    page.until("document.querySelectorAll('.commands li code').length >= 8").await?;

    // Reachable: the Tab key goes to every control that is there; and usable: a button of the keyboard's.
    let controls = "[...document.querySelectorAll('button, input, select, a[href], summary')].filter((e) => e.checkVisibility())";
    page.eval("document.addEventListener('focusin', (e) => { e.target.dataset.reached = true; })").await?;
    let count = page.eval(&format!("{controls}.length")).await?.as_u64().unwrap_or(0);
    assert!(count > 20, "{count} controls");
    for _ in 0..count + 10 {
        page.press("Tab").await?;
    }
    let missed =
        format!("{controls}.filter((e) => !e.disabled && !e.dataset.reached).map((e) => e.outerHTML)");
    assert_eq!(page.eval(&missed).await?, serde_json::json!([]), "controls that Tab does not reach");
    page.eval("document.querySelector('#create button').focus()").await?;
    page.press("Enter").await?;
    page.until("document.querySelectorAll('.card').length === 3").await?;
    // The card is there before the page knows that it is a member, and then the button would follow, not leave.
    page.until(&format!("!{}.disabled", button("start"))).await?;
    page.eval("document.querySelectorAll('.card')[2].querySelector('[data-do=follow]').focus()").await?;
    page.press(" ").await?;
    page.until("document.querySelectorAll('.card').length === 2").await?;
    page.eval("scrollTo(0, 0)").await?;
    Ok(())
}

#[test]
fn the_camera_is_seen_and_set() {
    on_the_page("studio-camera", "#panel-camera", async |page, studio| {
        camera_works(page, studio.address("camera", "settings")).await
    });
}

async fn camera_works(page: &mut Page, settings: SocketAddr) -> anyhow::Result<()> {
    // The picture moves, and carries the settings and the timecode of the first session.
    let facts = "document.querySelector('.picture-facts').textContent";
    let pattern = r"/^frame \d+ · 01:\d\d:\d\d;\d\d · 29.97 fps · \d+ ms old · shows 64 01 0a 0a 0a 7f$/";
    page.until(&format!("{pattern}.test({facts})")).await?;
    let first = page.eval(&format!("{facts}.match(/frame (\\d+)/)[1]")).await?;
    page.until(&format!("Number({facts}.match(/frame (\\d+)/)[1]) > {} + 5", first.as_str().unwrap_or("0")))
        .await?;

    // A slider: the next pictures show it, and the command line that does the same is there.
    let slide = |key: &str, byte: u8| {
        format!(
            "(() => {{ const s = document.querySelector('#camera-{key}'); s.value = {byte};
                s.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        )
    };
    page.eval(&slide("gain", 9)).await?;
    page.eval(&slide("brightness", 200)).await?;
    page.until(&format!("{facts}.endsWith('shows 64 09 0a 0a 0a c8')")).await?;
    page.until("document.querySelectorAll('.setting.applied').length === 6").await?;
    let command = "document.querySelector('.command').textContent";
    let same = format!("--settings-port {} set brightness=0.573", settings.port());
    page.until(&format!("{command}.endsWith('{same}')")).await?;

    // Somebody else sets it: the sliders follow.
    let mut update = vec![0, 0xff, 2, 1, 0, 6, 0x32, 4, 0x0d, 0x15, 0x0b, 0x40];
    update.push(update.iter().fold(0, |sum, byte| sum ^ byte));
    let mut stream = TcpStream::connect(settings)?;
    stream.write_all(&update)?;
    page.until("document.querySelector('#camera-awb_blue').value === '21'").await?;
    page.until(&format!("{facts}.endsWith('shows 32 04 0d 15 0b 40')")).await?;
    page.eval("document.querySelector('.settings button').click()").await?;
    page.until(&format!("{facts}.endsWith('shows 64 01 0a 0a 0a 7f')")).await?;

    // Telemetry comes and is drawn.
    page.until(
        "/^value \\d+ · [\\d.]+ Hz · jitter/.test(document.querySelector('.telemetry-facts').textContent)",
    )
    .await?;
    page.until(
        "(() => {
            const canvas = document.querySelector('canvas.telemetry');
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            for (let i = 0; i < data.length; i += 4) if (data[i + 1] > 190 && data[i] < 120) return true;
            return false;
        })()",
    )
    .await?;
    Ok(())
}

#[test]
fn the_television_is_followed_by_a_companion() {
    let sizes = std::sync::Mutex::new(browser::SIZES.into_iter());
    on_the_page("television", "#panel-dvb", async |page, studio| {
        let (width, height) = sizes.lock().unwrap().next().unwrap();
        let mut companion = Page::open(&studio.url("/companion"), width, height).await?;
        television_works(page, &mut companion).await?;
        companion.is_readable("companion", "header").await
    });
}

async fn television_works(page: &mut Page, companion: &mut Page) -> anyhow::Result<()> {
    // The panel: three timelines with positions of a real client, and that client's clock.
    page.until("document.querySelectorAll('#panel-dvb thead ~ tbody tr').length === 3").await?;
    let ticks = "Number(document.querySelectorAll('#panel-dvb thead ~ tbody tr')[2].cells[1].textContent)";
    page.until(&format!("{ticks} > 107000")).await?;
    // a PTS of the same age has gone 3000 times as far
    page.until("Number(document.querySelector('#panel-dvb thead ~ tbody tr').cells[1].textContent) > 90000")
        .await?;
    let first = page.eval(ticks).await?;
    page.until(&format!("{ticks} > {first}")).await?;
    page.until("/^error -?[\\d.]+ µs, bound ±[\\d.]+ µs/.test(document.querySelector('#panel-dvb .plot .facts').textContent)")
        .await?;

    // The companion follows the timecode session, by a wall clock that it knows well.
    companion.until("document.querySelector('#link').textContent === 'following'").await?;
    companion
        .until("/^01:\\d\\d:\\d\\d;\\d\\d$/.test(document.querySelector('#position').textContent)")
        .await?;
    let known = "Number(document.querySelector('#clock').textContent.match(/±([\\d.]+)/)[1])";
    companion.until(&format!("{known} < 20")).await?;
    // It shows what the server's session says, to a frame or two and what the clock may be off.
    let ahead = companion
        .eval(&format!(
            "(async () => {{
                const frame = (l) => l.split(/[:;]/).map(Number).reduce((n, p, i) => n * [60, 60, 60, 30][i] + p);
                const shown = () => frame(document.querySelector('#position').textContent);
                const may = 3 + {known} / 33;
                const before = shown();
                const state = await (await fetch('/api/state')).json();
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                const after = shown();
                const there = frame(state.sessions[0].timecode);
                return there < before - may || there > after + may ? [before, there, after, may] : null;
            }})()"
        ))
        .await?;
    assert_eq!(ahead, Value::Null, "shown before, at the server, shown after");

    // Another timeline of the list, and back.
    let choose = |selector: &str| {
        format!(
            "(() => {{ const s = document.querySelector('#timeline'); s.value = '{selector}'; s.onchange(); }})()"
        )
    };
    companion.eval(&choose("urn:dvb:css:timeline:pts")).await?;
    companion.until("document.querySelector('#facts').textContent.includes('of 90000 a second')").await?;
    companion.eval(&choose("urn:genlock:timeline:smpte")).await?;
    companion.until("document.querySelector('#facts').textContent.includes('of 29.97 a second')").await?;

    // The next channel reaches the companion at once, and the panel at its next look.
    let content = "document.querySelector('#content').textContent";
    let before = companion.eval(content).await?;
    page.eval("document.querySelector('#panel-dvb button').click()").await?;
    companion.until(&format!("{content} !== {before} && {content}.endsWith('(okay)')")).await?;
    let id = companion.eval(&format!("{content}.split(' ')[0]")).await?;
    page.until(&format!("document.querySelector('#panel-dvb').textContent.includes({id})")).await?;

    Ok(())
}

#[test]
fn three_cameras_start_at_one_instant_and_are_collected() {
    on_the_page("studio-multicam", "#panel-multicam", async |page, _| multicam_works(page).await);
}

async fn multicam_works(page: &mut Page) -> anyhow::Result<()> {
    let click = |action: &str| format!("document.querySelector('[data-action={action}]').click()");
    let enabled =
        |action: &str| format!("document.querySelector('[data-action={action}]')?.disabled === false");
    let states =
        "[...document.querySelectorAll('#multicam-devices td:nth-child(2)')].map((td) => td.textContent)";
    let all = |state: &str| format!("{states}.join() === '{state},{state},{state}'");
    page.until(&enabled("start")).await?;
    let clocks = "document.querySelector('#multicam-devices')?.textContent.split('ms ±').length === 4";
    page.until(clocks).await?;
    page.eval(&click("start")).await?;
    page.until(&all("recording")).await?;
    page.until(&enabled("stop")).await?;
    page.eval(&click("stop")).await?;
    page.until(&format!("{} && {}", all("ready"), enabled("collect"))).await?;
    page.eval(&click("collect")).await?;
    // Read from the pictures: no further apart than half a frame.
    let result = "document.querySelector('#multicam-result').textContent";
    page.until(&format!(
        "/files are here, whole and verified; first frames [\\d.]+ ms apart$/.test({result})"
    ))
    .await?;
    let apart = page.eval(&format!("Number({result}.match(/([\\d.]+) ms apart/)[1]) <= 20")).await?;
    assert_eq!(apart, Value::Bool(true));
    // Each says which timecode it holds.
    let takes = "[...document.querySelectorAll('#multicam-takes tbody tr')]";
    page.until(&format!("{takes}.length === 3 && {takes}.every((r) => /^01:/.test(r.cells[1].textContent))"))
        .await?;
    Ok(())
}

/// Every connection of a page is cut: it comes back by itself and goes on.
#[test]
fn a_page_that_lost_its_connections_comes_back() {
    if !peer("Chromium", || browser::find().is_some()) {
        return;
    }
    let studio = Studio::start(&["--only", "smpte,camera,dvb"]);
    let proxy = TcpProxy::start(studio.page, Wire::default());
    let (width, height) = browser::SIZES[0];
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut page = Page::open(&format!("http://{}/", proxy.address), width, height).await.unwrap();
        let number = "Number(document.querySelector('.picture-facts').textContent.match(/frame (\\d+)/)?.[1] ?? 0)";
        let label = "document.querySelector('.card .label')?.textContent";
        let ticks = "Number([...document.querySelectorAll('#panel-dvb thead ~ tbody tr')].at(-1)?.cells[1].textContent)";
        for _ in 0..3 {
            page.until(&format!("{number} > 0 && {label} > '01:' && {ticks} > 0")).await.unwrap();
            proxy.cut();
            let when = Instant::now();
            let before = page.eval(&format!("[{number}, {label}, {ticks}]")).await.unwrap();
            // Half a second further on, which needs new pictures, updates and answers.
            page.until(&format!("{number} > {before}[0] + 15 && {ticks} > {before}[2] + 15")).await.unwrap();
            page.until(&format!("document.querySelector('.card .label').textContent > {before}[1]")).await.unwrap();
            println!("live again {} ms after the cut", when.elapsed().as_millis());
        }
    });
}

/// Ends the connections of this machine to a port, as a fault between two programs would.
fn cut(port: u16) {
    for end in ["sport", "dport"] {
        let output = Command::new("ss").args(["-K", "-t", end, "=", &port.to_string()]).output();
        drop(output.expect("ss runs"));
    }
}

/// Whether the system lets us: it takes a right and a kernel that not every machine gives, and nothing can be installed for
/// that.
fn can_cut() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _far = listener.accept().unwrap();
    if runs("ss", &["-V"]) {
        cut(listener.local_addr().unwrap().port());
    }
    near.set_nonblocking(true).unwrap();
    let is_cut = !matches!(near.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
    if !is_cut {
        println!("skipped: this system does not let tests end connections of others (ss -K)");
    }
    is_cut
}

/// The far ends of the connections to a port.
fn connections(port: u16) -> BTreeSet<String> {
    let filter = ["-tnH", "state", "established", "sport", "=", &port.to_string()];
    let output = Command::new("ss").args(filter).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| Some(line.split_whitespace().nth(3)?.to_owned())).collect()
}

/// All connections between the parts are cut while these are recording: they come back by themselves, and the recordings
/// are whole.
#[test]
fn parts_whose_connections_are_cut_come_back() {
    if !can_cut() {
        return;
    }
    let studio = Studio::start(&[]);
    let press = |button: &str| {
        let head = format!("POST /multicam/{button} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0", studio.page);
        let (answer, _) = request(studio.page, &head);
        assert!(answer.starts_with("HTTP/1.1 202"), "{button}: {answer}");
    };
    let all = |state: &Value, list: &str, is_so: fn(&Value) -> bool| {
        let (part, list) = list.split_once('/').unwrap();
        state[part][list].as_array().is_some_and(|all| all.len() == 3 && all.iter().all(is_so))
    };
    let is_followed = |state: &Value| all(state, "dvb/timelines", |timeline| timeline["ticks"].is_number());
    studio.until("live", |state| {
        is_followed(state) && all(state, "multicam/devices", |device| device["up"] == true)
    });
    press("start");
    studio.until("recording", |state| {
        state["multicam"]["busy"] == false
            && all(state, "multicam/devices", |device| device["recording"] == true)
    });
    let ports = [studio.address("rtsp", "tcp").port(), studio.address("dvb", "http").port()];
    let before = ports.map(connections);
    assert!(before.iter().all(|ends| ends.len() >= 3), "{before:?}");

    let devices = studio.state()["services"].clone();
    let devices = devices.as_array().unwrap().iter().filter(|service| service["role"] == "device");
    let devices = devices.map(|d| d["address"].as_str().unwrap().parse::<SocketAddr>().unwrap().port());
    ports.into_iter().chain(devices).for_each(cut);
    let when = Instant::now();
    studio.until("connected again", |_| {
        let after = ports.map(connections);
        after.iter().zip(&before).all(|(after, before)| after.difference(before).count() >= before.len())
    });
    studio.until("followed again", is_followed);
    println!("connected again {} ms after the cut", when.elapsed().as_millis());
    press("stop");
    studio.until("stopped", |state| {
        state["multicam"]["busy"] == false
            && all(state, "multicam/devices", |device| device["recording"] == false)
    });
    press("collect");
    let done = studio.until("collected", |state| state["multicam"]["result"]["text"].is_string());
    let text = done["multicam"]["result"]["text"].as_str().unwrap();
    assert!(text.starts_with("3 of 3 files are here, whole and verified"), "{text}");
}

/// Somebody leaves and comes back to the same page: all is live again.
#[test]
fn a_browser_that_comes_back_finds_live_state() {
    on_the_page("studio-again", "header", async |page, studio| {
        let running = "document.querySelectorAll('.card.running').length >= 2";
        let pictures = r"/^frame \d+/.test(document.querySelector('.picture-facts').textContent)";
        page.until(&format!("{running} && {pictures}")).await?;
        page.command("Page.navigate", serde_json::json!({ "url": studio.url("/companion") })).await?;
        page.until("document.querySelector('#link').textContent === 'following'").await?;
        page.command("Page.navigate", serde_json::json!({ "url": studio.url("/") })).await?;
        page.until(&format!("{running} && {pictures}")).await?;
        // What happened before is in the log.
        page.until("document.querySelector('#log').textContent.includes('runs from 01:00:00;00')").await
    });
}

/// What needs ffmpeg says that it is missing; the rest runs.
#[test]
fn a_missing_ffmpeg_is_said_where_it_is_needed() {
    let nothing = tempfile::tempdir().unwrap();
    let mut command = Command::new(e2e::program("studio"));
    command.args(["--port", "0", "--no-open", "--camera", "lavfi"]).env("PATH", nothing.path());
    let studio = Studio::of(Running::spawn(&mut command));
    let state = studio.until("a problem", |state| state["camera"]["problem"].is_string());
    assert_eq!(state["camera"]["problem"], "ffmpeg is not installed");
    assert_eq!(state["parts"].as_array().unwrap().len(), 5);
    assert!(
        state["parts"].as_array().unwrap().iter().all(|part| part["reason"].is_null()),
        "{}",
        state["parts"]
    );
    let said =
        |e: &Value| e["part"] == "camera" && e["text"].as_str().unwrap().contains("ffmpeg is not installed");
    assert!(state["log"].as_array().unwrap().iter().any(said), "{}", state["log"]);
}

/// Pictures of one's own carry the marks of the test picture.
#[test]
fn a_video_takes_the_place_of_the_test_picture() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mjpeg");
    let mut picture = test_picture::Frame::new(test_picture::Picture::try_new(640, 360).unwrap());
    let mut jpegs = Vec::new();
    for frame in 0..5 {
        let mut jpeg = Vec::new();
        picture.draw(&test_picture::Marks { frame, ..Default::default() });
        picture.encode_jpeg(90, &mut jpeg);
        jpegs.extend(jpeg);
    }
    std::fs::write(&film, jpegs).unwrap();
    let studio = Studio::start(&["--only", "smpte,camera,rtsp", "--video", film.to_str().unwrap()]);
    let mut stream = TcpStream::connect(studio.page).unwrap();
    write!(stream, "GET /camera/live HTTP/1.1\r\nHost: {}\r\n\r\n", studio.page).unwrap();
    let mut marks = Vec::new();
    let mut jpegs = Vec::new();
    let mut some = [0; 16 << 10];
    while marks.len() < 3 {
        let n = stream.read(&mut some).unwrap();
        assert!(n > 0, "the pictures end");
        jpegs.extend_from_slice(&some[..n]);
        let find = |what: &[u8], from: usize| {
            jpegs[from..].windows(what.len()).position(|w| w == what).map(|at| from + at)
        };
        let Some(start) = find(&[0xff, 0xd8, 0xff], 0) else { continue };
        let Some(end) = find(b"--genlock-picture", start) else { continue };
        marks.push(multicam_programs::still::read(&jpegs[start..end]).unwrap());
        jpegs.drain(..end);
    }
    // Counted by the clock, with its labels.
    assert!(
        marks.windows(2).all(|pair| pair[0].frame < pair[1].frame && pair[0].timecode < pair[1].timecode),
        "{marks:?}"
    );
    assert!(marks[0].label().unwrap().starts_with("01:"), "{marks:?}");

    let wrong = folder.path().join("wrong.mjpeg");
    std::fs::write(&wrong, "no pictures").unwrap();
    for film in [wrong, folder.path().join("none.mjpeg")] {
        let mut studio = Running::start("studio", &["--no-open", "--video", film.to_str().unwrap()]);
        assert_eq!(studio.wait().code(), Some(2));
    }
}
