//! A headless Chromium, driven over its DevTools protocol.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::PATIENCE;

const NAMES: [&str; 2] = ["chromium", "chromium-browser"];

/// The sizes at which pages are looked at: a desk's screen and a telephone's.
pub const SIZES: [(u32, u32); 2] = [(1280, 900), (390, 844)];

/// The browser's command, if there is one.
pub fn find() -> Option<&'static str> {
    NAMES.into_iter().find(|name| crate::runs(name, &["--version"]))
}

/// One page in a browser of its own.
#[derive(Debug)]
pub struct Page {
    browser: std::process::Child,
    socket: WebSocketStream<TcpStream>,
    session: String,
    next_id: u64,
    width: u32,
    /// Errors that the page has written to its console, and exceptions that nobody caught.
    pub errors: Vec<String>,
    // Removed with the page.
    _profile: tempfile::TempDir,
}

impl Page {
    /// Opens `url` in a window of this size.
    ///
    /// # Errors
    /// When the browser does not start or does not answer.
    pub async fn open(url: &str, width: u32, height: u32) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut browser = Command::new(find().context("no Chromium")?)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = BufReader::new(browser.stderr.take().context("stderr")?);
        let (found, endpoint) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut found = Some(found);
            // Read to the end: a browser with a full pipe stops.
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("DevTools listening on ")
                    && let Some(found) = found.take()
                {
                    let _ = found.send(url.trim().to_owned());
                }
            }
        });
        let endpoint = timeout(PATIENCE, endpoint).await.context("the browser does not start")??;
        let host = endpoint.trim_start_matches("ws://").split('/').next().context("host")?;
        let stream = TcpStream::connect(host).await?;
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = client_async_with_config(&endpoint, stream, Some(config)).await?;
        let mut page = Self {
            browser,
            socket,
            session: String::new(),
            next_id: 0,
            width,
            errors: Vec::new(),
            _profile: profile,
        };
        let target = page.command("Target.createTarget", json!({"url": "about:blank"})).await?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = page.command("Target.attachToTarget", attach).await?;
        page.session = session["sessionId"].as_str().context("session")?.to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            page.command(domain, json!({})).await?;
        }
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        page.command("Emulation.setDeviceMetricsOverride", size).await?;
        page.command("Page.navigate", json!({ "url": url })).await?;
        Ok(page)
    }

    /// The value of a JavaScript expression; promises are awaited.
    ///
    /// # Errors
    /// When the expression throws.
    pub async fn eval(&mut self, expression: &str) -> Result<Value> {
        let ask = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.command("Runtime.evaluate", ask).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{expression}: {thrown}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// When it never is.
    pub async fn until(&mut self, expression: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            // While the page loads, what the expression names may not be there yet.
            let last = self.eval(expression).await;
            if matches!(last, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("never true: {expression} (last: {last:?}; errors: {:?})", self.errors);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Presses and releases a key: `Tab`, `Enter`, or a space.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn press(&mut self, key: &str) -> Result<()> {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            _ => ("Space", 32, " "),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let key = json!({"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, "text": text});
            self.command("Input.dispatchKeyEvent", key).await?;
        }
        Ok(())
    }

    /// Sees that the page can be read at its width and has complained of nothing. Where `GENLOCK_SCREENSHOTS` names a
    /// folder a picture goes there, with the element `show` (a selector) at its top.
    ///
    /// # Errors
    /// When something is wrong with it.
    pub async fn is_readable(&mut self, name: &str, show: &str) -> Result<()> {
        let width = self.width;
        let fits = self.eval("document.documentElement.scrollWidth <= innerWidth").await?;
        anyhow::ensure!(fits == true, "{name}: the page is wider than {width} pixels");
        anyhow::ensure!(self.errors.is_empty(), "{name}: {:?}", self.errors);
        if let Some(folder) = std::env::var_os("GENLOCK_SCREENSHOTS") {
            std::fs::create_dir_all(&folder)?;
            self.eval(&format!("document.querySelector('{show}').scrollIntoView()")).await?;
            self.screenshot(&Path::new(&folder).join(format!("{name}-{width}.png"))).await?;
        }
        Ok(())
    }

    async fn screenshot(&mut self, file: &Path) -> Result<()> {
        let shot = self.command("Page.captureScreenshot", json!({"format": "png"})).await?;
        std::fs::write(file, base64(shot["data"].as_str().context("a picture")?)?)?;
        Ok(())
    }

    /// One command of the DevTools protocol.
    ///
    /// # Errors
    /// When the browser refuses it or is gone.
    pub async fn command(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let mut ask = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            ask["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(ask.to_string())).await?;
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.context(method.to_owned())?;
            let Message::Text(text) = message.context("the browser is gone")?? else { continue };
            let message: Value = serde_json::from_str(&text)?;
            if message["id"] == id {
                if let Some(error) = message.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(message["result"].clone());
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let bad = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => message["params"]["type"] == "error",
            Some("Log.entryAdded") => message["params"]["entry"]["level"] == "error",
            _ => false,
        };
        if bad {
            self.errors.push(message["params"].to_string());
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

fn base64(text: &str) -> Result<Vec<u8>> {
    let (mut bits, mut n, mut out) = (0_u32, 0, Vec::with_capacity(text.len() / 4 * 3));
    for c in text.bytes().filter(|c| *c != b'=') {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => bail!("not base64"),
        };
        (bits, n) = (bits << 6 | u32::from(digit), n + 6);
        if n >= 8 {
            n -= 8;
            out.push((bits >> n & 0xff) as u8);
        }
    }
    Ok(out)
}
