//! Child processes: servers and clients to measure, and this program in another part.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// A child process, killed when dropped. Its standard input stays open until then.
#[derive(Debug)]
pub struct Spawned {
    child: Child,
    /// Its standard output.
    pub out: BufReader<ChildStdout>,
}

impl Spawned {
    /// Starts a program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        Self::start_with(program, arguments, &[])
    }

    /// With these variables in its environment.
    pub(crate) fn start_with(
        program: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start '{program}'"))?;
        if let Some(log) = child.stderr.take() {
            // What went as it should, a thousand times over, would hide the rest.
            std::thread::spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    if !line.contains(" INFO ") {
                        eprintln!("{line}");
                    }
                }
            });
        }
        let out = BufReader::new(child.stdout.take().context("stdout")?);
        Ok(Self { child, out })
    }

    /// Starts this program, doing something else.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn again(arguments: &[&str]) -> Result<Self> {
        let program = std::env::current_exe()?;
        Self::start(&program.to_string_lossy(), arguments)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without warning, as `SIGKILL` does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The next line of its standard output.
    ///
    /// # Errors
    /// When it has closed it.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.out.read_line(&mut line)? == 0 {
            bail!("the program has ended");
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    /// Reads on to `listening on <address> (role)`.
    ///
    /// # Errors
    /// When it ends without having said so.
    pub fn address(&mut self, role: &str) -> Result<SocketAddr> {
        let end = format!(" ({role})");
        loop {
            let line = self.line().context("it did not say where it listens")?;
            if let Some(address) = line.strip_prefix("listening on ").and_then(|l| l.strip_suffix(&end)) {
                return Ok(address.parse()?);
            }
        }
    }
}

/// Starts a server on the first core and keeps this thread, which measures it, on the last, as if its clients were
/// elsewhere: the scheduler puts who is woken beside who woke it, and takes milliseconds to see that another core has
/// nothing to do.
///
/// # Errors
/// Those of `start`, or when the system does not let a thread choose its core.
pub fn apart<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    // asked once: a thread that stays on one core is told that there is one
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    stay_on(0)?;
    let started = start();
    stay_on(cores - 1)?;
    started
}

#[cfg(target_os = "linux")]
fn stay_on(nth: usize) -> Result<()> {
    use nix::sched::{CpuSet, sched_setaffinity};
    use nix::unistd::Pid;

    let mut core = CpuSet::new();
    core.set(nth)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &core)?)
}

#[cfg(not(target_os = "linux"))]
fn stay_on(_nth: usize) -> Result<()> {
    Ok(())
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kill();
    }
}
