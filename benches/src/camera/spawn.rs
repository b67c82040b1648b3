use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A server that was started to be measured, killed when dropped.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a program.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start '{program}'"))?;
        let out = BufReader::new(child.stdout.take().context("stdout")?);
        Ok(Self { child, out })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves telemetry, which it announces.
    ///
    /// # Errors
    /// If it doesn't.
    pub fn data_address(&mut self) -> Result<String> {
        for line in self.out.by_ref().lines() {
            let line = line?;
            if let Some(address) = line.strip_prefix("listening on ").and_then(|l| l.strip_suffix(" (data)"))
            {
                return Ok(address.to_owned());
            }
        }
        bail!("the server did not say where it listens")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
