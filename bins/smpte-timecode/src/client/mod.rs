//! The interactive session client: lines in, events and a running display out.

mod command;
mod failover;
mod input;
mod show;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use driver::shutdown::GRACE;
use driver::{Driver, Events, Limits};
use machine::Service;
use smpte_timecode::UsageError;
use smpte_timecode::client::{Client, Event};
use smpte_timecode::config::ClientConfig;
use smpte_timecode::message::TimecodeKind;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub use self::command::{Command, HELP, NotACommand};
pub use self::failover::server_address;
use self::failover::{FLYWHEEL, Failover, News};
use self::input::{Lines, Printer};
use crate::feed::{Feeds, Outputs};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The display is drawn this often where nothing says when it changes.
const REFRESH: Duration = Duration::from_millis(40);

/// What the client is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names or addresses of servers and their TCP ports: the first that can be reached is used, and when it is lost
    /// the next. At least one.
    pub servers: Vec<(String, u16)>,
    /// Print one JSON object for each event.
    pub json: bool,
    /// Commands to run instead of asking for them.
    pub script: Option<Vec<Command>>,
    /// A session to join first.
    pub join: Option<String>,
    /// What the session drives.
    pub outputs: Outputs,
}

/// Runs the client until it is told to quit, or has nothing more to do.
///
/// # Errors
/// When the server cannot be reached; in a script also when a command fails.
pub async fn run(options: Options, stop: CancellationToken) -> Result<()> {
    let mut config = ClientConfig::new();
    if options.servers.len() > 1 {
        config = config.with_flywheel(FLYWHEEL);
    }
    let mut limits = Limits::default();
    // A list of all sessions is one line.
    limits.max_unread_bytes += config.max_line;
    let (driver, events) = Driver::start(Client::new(config), limits);
    // Sound and MIDI own standard output then; everything else goes to stderr.
    let quiet = options.outputs.use_stdout();
    let (lines, printer): (Lines, Printer) = match (&options.script, options.outputs.any()) {
        (None, false) => Lines::open().context("standard input")?,
        _ => Lines::none(),
    };
    let mut program = Program {
        driver,
        events,
        lines,
        printer,
        json: options.json,
        quiet,
        display: Display::default(),
        failover: Failover::new(options.servers.clone()),
    };
    let result = program.run(&options, &stop).await;
    program.driver.shutdown(GRACE.min(Duration::from_secs(1))).await;
    result
}

struct Program {
    driver: Driver<Client>,
    events: Events<Event>,
    lines: Lines,
    printer: Printer,
    json: bool,
    quiet: bool,
    display: Display,
    failover: Failover,
}

/// Whether to go on.
enum Next {
    GoOn,
    /// It was said what is wrong.
    Failed,
    Quit,
}

impl Program {
    async fn run(&mut self, options: &Options, stop: &CancellationToken) -> Result<()> {
        self.connect_any(options.servers.len()).await?;
        if let Some(id) = &options.join {
            self.step(Command::Join { id: id.clone() }, stop).await?;
        }
        let mut feeds = Feeds::start(&self.driver, &options.outputs)?;
        if let Some(script) = &options.script {
            for command in script {
                if let Next::Quit = self.step(command.clone(), stop).await? {
                    break;
                }
            }
            return Ok(());
        }
        self.serve(stop, &mut feeds, options.outputs.any()).await
    }

    /// Obeys lines and shows what happens.
    async fn serve(&mut self, stop: &CancellationToken, feeds: &mut Feeds, feeding: bool) -> Result<()> {
        self.ask();
        // A command that the server answers is not done before: the prompt names the session, and the next line of a
        // pipe builds upon this one.
        let mut answer_due: Option<Instant> = None;
        // The same for `wait`; what happens meanwhile is shown.
        let mut wait_until: Option<Instant> = None;
        loop {
            let refresh = self.display.next(&self.driver, self.json);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = feeds.ended(), if feeding => return ended,
                event = self.events.next() => match event {
                    Some(event) => {
                        let lost = matches!(event, Event::Disconnected(_));
                        self.show(&event);
                        if lost && self.failover.is_possible() {
                            self.failover.lost();
                            continue;
                        }
                        if let Some(news) = self.failover.hear(&self.driver, &event) {
                            self.tell(news);
                            self.ask();
                        }
                        if matches!(event, Event::Timecode { kind: TimecodeKind::Update, .. }) {
                            // Or the timer would be set anew for the next label before this one is drawn.
                            self.draw();
                        } else if answer_due.take().is_some() {
                            self.ask();
                        }
                        // A person may connect elsewhere; nobody is there to do so for a feed or a pipe.
                        if lost && (feeding || !self.lines.is_interactive()) {
                            bail!("the connection to the server is lost");
                        }
                    }
                    None => return Ok(()),
                },
                line = self.lines.next(), if answer_due.is_none() && wait_until.is_none() => {
                    let Some(line) = line else { return Ok(()) };
                    let mut answered = false;
                    match Command::parse(&line) {
                        Ok(None) => {}
                        Ok(Some(Command::Wait(time))) => wait_until = Some(Instant::now() + time),
                        Ok(Some(command)) => {
                            answered = command.is_answered();
                            match self.obey(command).await {
                                Next::Quit => return Ok(()),
                                Next::GoOn => {}
                                Next::Failed => answered = false,
                            }
                        }
                        Err(error) => self.fail(&error.to_string()),
                    }
                    if answered {
                        answer_due = Some(Instant::now() + PATIENCE);
                    } else if wait_until.is_none() {
                        self.ask();
                    }
                }
                () = sleep_until(wait_until.unwrap_or(refresh)), if wait_until.is_some() => {
                    wait_until = None;
                    self.ask();
                }
                () = sleep_until(answer_due.unwrap_or(refresh)), if answer_due.is_some() => {
                    answer_due = None;
                    self.ask();
                }
                news = self.failover.next(&self.driver), if self.failover.is_under_way() => {
                    if let Some(news) = news {
                        self.tell(news);
                    }
                }
                () = sleep_until(refresh) => self.draw(),
            }
        }
    }

    fn tell(&mut self, news: News) {
        let (event, server, text) = match &news {
            News::Trying(server) => ("trying", server, format!("Trying {server}")),
            News::Back(server) => ("back", server, format!("Going on with {server}")),
        };
        if self.json {
            self.say(serde_json::json!({"event": event, "server": server}).to_string());
        } else {
            self.say(text);
        }
    }

    /// Connects to the first server that can be reached.
    async fn connect_any(&mut self, servers: usize) -> Result<()> {
        let mut last = Ok(());
        for _ in 0..servers {
            let (host, port) = self.failover.server().clone();
            last = self.connect(&host, port).await;
            if last.is_ok() {
                break;
            }
            self.failover.turn();
        }
        last
    }

    /// One command of a script: done only when the server has answered. An error ends the script.
    async fn step(&mut self, command: Command, stop: &CancellationToken) -> Result<Next> {
        let wanted: fn(&Event) -> bool = match &command {
            Command::Create { .. } => |e| matches!(e, Event::SessionCreated { .. }),
            Command::Join { .. } => |e| matches!(e, Event::SessionJoined { .. }),
            Command::Start => |e| matches!(e, Event::Timecode { kind: TimecodeKind::Started, .. }),
            Command::Stop => |e| matches!(e, Event::Timecode { kind: TimecodeKind::Stopped, .. }),
            Command::Reset { .. } => |e| matches!(e, Event::Timecode { kind: TimecodeKind::Reset, .. }),
            Command::List => |e| matches!(e, Event::Sessions(_)),
            Command::Quit => return Ok(Next::Quit),
            Command::Wait(time) => {
                return self.wait(*time, stop).await;
            }
            _ => |_| true,
        };
        let answered = command.is_answered();
        let name = format!("{command:?}");
        self.local(command).await?;
        if !answered {
            return Ok(Next::GoOn);
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return Ok(Next::Quit),
                event = timeout(end.saturating_duration_since(Instant::now()), self.events.next()) => event,
            };
            let Some(event) = event.with_context(|| format!("no answer to {name}"))? else {
                return Ok(Next::Quit);
            };
            self.show(&event);
            match &event {
                Event::ServerError { message } => bail!("{message}"),
                Event::Refused(error) => bail!("{error}"),
                Event::Disconnected(_) => bail!("the connection to the server is lost"),
                event if wanted(event) => return Ok(Next::GoOn),
                _ => {}
            }
        }
    }

    async fn wait(&mut self, time: Duration, stop: &CancellationToken) -> Result<Next> {
        let end = Instant::now() + time;
        loop {
            let refresh = self.display.next(&self.driver, self.json);
            tokio::select! {
                () = stop.cancelled() => return Ok(Next::Quit),
                () = sleep_until(end) => return Ok(Next::GoOn),
                event = self.events.next() => match event {
                    Some(event) => {
                        self.show(&event);
                        self.draw();
                        if matches!(event, Event::Disconnected(_)) {
                            bail!("the connection to the server is lost");
                        }
                    }
                    None => return Ok(Next::Quit),
                },
                () = sleep_until(refresh) => self.draw(),
            }
        }
    }

    /// One command of a person: what is wrong is shown, and the client goes on.
    async fn obey(&mut self, command: Command) -> Next {
        match command {
            Command::Quit => return Next::Quit,
            command => {
                if let Err(error) = self.local(command).await {
                    self.fail(&format!("{error:#}"));
                    return Next::Failed;
                }
            }
        }
        Next::GoOn
    }

    /// Hands a command to the machine; the answer comes as an event.
    async fn local(&mut self, command: Command) -> Result<()> {
        let tell = |call: &dyn Fn(&mut Client) -> Result<(), UsageError>| {
            self.driver.call(|client, _| call(client).map_err(|e| anyhow::anyhow!("{}", client.explain(e))))
        };
        match command {
            Command::Create { rate, label } => tell(&|c| c.create(&rate, label.as_deref())),
            Command::Join { id } => tell(&|c| c.join(&id)),
            Command::Leave => tell(&Client::leave),
            Command::Start => tell(&Client::start),
            Command::Stop => tell(&Client::stop),
            Command::Reset { label } => tell(&|c| c.reset(label.as_deref())),
            Command::List => tell(&Client::request_sessions),
            Command::Status => {
                let write: fn(&Client) -> String = if self.json { show::status_json } else { show::status };
                let status = self.driver.call(|client, _| write(client));
                self.say(status);
                Ok(())
            }
            Command::Help => {
                // Programs that read events have no use for it among them.
                if self.json {
                    eprintln!("{HELP}")
                } else {
                    self.say(HELP.into())
                }
                Ok(())
            }
            Command::Connect { host, port } => self.connect(&host, port).await,
            Command::Wait(_) | Command::Quit => Ok(()),
        }
    }

    /// Connects, and waits until the server has said what it can do.
    async fn connect(&mut self, host: &str, port: u16) -> Result<()> {
        // An old connection is given up only when the new one stands.
        timeout(PATIENCE, self.driver.connect_tcp((host, port), Service(0)))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .with_context(|| format!("cannot connect to {host}:{port}"))?;
        let end = Instant::now() + PATIENCE;
        let mut connected = false;
        loop {
            let event = timeout(end.saturating_duration_since(Instant::now()), self.events.next()).await;
            let event =
                event.with_context(|| format!("{host}:{port} is no timecode server: it says nothing"))?;
            let Some(event) = event else { bail!("the connection to the server is lost") };
            self.show(&event);
            match event {
                Event::Connected { .. } => connected = true,
                Event::Extensions { .. } if connected => return Ok(()),
                // The old connection may end meanwhile.
                Event::Disconnected(_) if connected => bail!("{host}:{port} has closed the connection"),
                _ => {}
            }
        }
    }

    fn ask(&mut self) {
        if self.lines.is_interactive() {
            let prompt = self.driver.call(|client, _| show::prompt(client.status().session));
            self.lines.prompt(prompt);
        }
    }

    fn show(&mut self, event: &Event) {
        self.failover.note(event);
        if self.json {
            self.say(show::json(event).to_string());
        } else if let Some(text) = show::text(event) {
            self.say(text);
        }
    }

    fn fail(&mut self, message: &str) {
        if self.json {
            self.say(serde_json::json!({"event": "error", "message": message}).to_string());
        } else {
            self.say(format!("Error: {message}"));
        }
    }

    fn say(&mut self, text: String) {
        self.display.interrupted();
        if self.quiet {
            eprintln!("{text}");
        } else {
            (self.printer)(text);
        }
    }

    /// Draws the label if it has changed.
    fn draw(&mut self) {
        // Programs that read events have updates, but between two servers.
        if self.quiet || (self.json && !self.failover.is_under_way()) {
            return;
        }
        let Some((label, framerate)) = self.display.change(&self.driver) else { return };
        if self.json {
            return self.say(serde_json::json!({"event": "flywheel", "timecode": label}).to_string());
        }
        let line = format!("{label} ({framerate} fps)");
        if self.lines.is_interactive() {
            // Over the label drawn before, which is the line above the prompt if nothing was printed since.
            let over = if self.display.overwrite() { "\x1b[1A\r\x1b[2K" } else { "" };
            (self.printer)(format!("{over}{line}"));
        } else if io::stdout().is_terminal() {
            print!("\r{line}");
            let _ = io::stdout().flush();
        } else if self.display.second_passed() {
            (self.printer)(line);
        }
    }
}

/// The running label.
#[derive(Default)]
struct Display {
    /// What was drawn last.
    shown: String,
    /// The label is the last thing that was printed.
    on_top: bool,
    printed: Option<Instant>,
}

impl Display {
    /// When to look again.
    fn next(&self, driver: &Driver<Client>, json: bool) -> Instant {
        let wait = driver.call(|client, now| {
            let running = client.status().session.or(client.flywheel()).is_some_and(|s| s.running);
            let change = client.next_change(now).map(|t| t.saturating_since(now));
            change.unwrap_or(if running { REFRESH } else { Duration::from_millis(250) })
        });
        // A terminal shows no more than this.
        Instant::now() + wait.max(Duration::from_millis(if json { 1 } else { 15 }))
    }

    /// The label and the name of its rate, if it has changed and runs.
    fn change(&mut self, driver: &Driver<Client>) -> Option<(String, String)> {
        let (label, framerate) = driver.call(|client, now| {
            let label = client.display(now)?;
            let session = client.status().session.or(client.flywheel()).filter(|s| s.running)?;
            Some((label.to_string(), session.framerate.to_owned()))
        })?;
        (label != self.shown).then(|| {
            self.shown.clone_from(&label);
            (label, framerate)
        })
    }

    fn overwrite(&mut self) -> bool {
        std::mem::replace(&mut self.on_top, true)
    }

    fn interrupted(&mut self) {
        self.on_top = false;
    }

    fn second_passed(&mut self) -> bool {
        let passed = self.printed.is_none_or(|at| at.elapsed() >= Duration::from_secs(1));
        if passed {
            self.printed = Some(Instant::now());
        }
        passed
    }
}
