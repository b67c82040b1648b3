//! Child processes: servers to measure, and this program in another part.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A child process, killed when dropped.
#[derive(Debug)]
pub struct Spawned {
    child: Child,
    pub(crate) out: BufReader<ChildStdout>,
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
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start '{program}'"))?;
        let out = BufReader::new(child.stdout.take().context("stdout")?);
        Ok(Self { child, out })
    }

    /// This program, doing something else.
    pub(crate) fn again(arguments: &[&str]) -> Result<Self> {
        let program = std::env::current_exe()?;
        Self::start(&program.to_string_lossy(), arguments)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads on to `listening on <address> (role)`.
    ///
    /// # Errors
    /// When it ends without saying so.
    pub fn address(&mut self, role: &str) -> Result<SocketAddr> {
        let end = format!(" ({role})");
        for line in self.out.by_ref().lines() {
            let line = line?;
            if let Some(address) = line.strip_prefix("listening on ").and_then(|l| l.strip_suffix(&end)) {
                return Ok(address.parse()?);
            }
        }
        bail!("the program did not say where it listens")
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
