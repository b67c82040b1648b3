use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// libltc at work in a process of its own: this workspace has no unsafe code, and so calls no C.
pub struct Libltc {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    version: String,
    work: Work,
}

/// What libltc is to do with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Decode it as 32-bit floating point.
    DecodeF32,
    /// Decode it as 16-bit integers.
    DecodeI16,
    /// Encode as many samples.
    Encode,
}

const SOURCE: &str = include_str!("libltc.c");

impl Libltc {
    /// Compiles the program and gives it the signal.
    ///
    /// # Errors
    ///
    /// If there is no C compiler, or no libltc.
    pub fn start(samples: &[f32], work: Work) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (source, program, signal) =
            (folder.path().join("libltc.c"), folder.path().join("libltc"), folder.path().join("signal"));
        std::fs::write(&source, SOURCE)?;
        let compiler = Command::new("cc")
            .args(["-O2", "-o"])
            .args([&program, &source])
            .arg("-lltc")
            .output()
            .context("there is no C compiler 'cc'")?;
        let complaint = String::from_utf8_lossy(&compiler.stderr);
        let complaint =
            complaint.lines().find(|line| line.contains("error")).unwrap_or("cc failed").to_owned();
        ensure!(compiler.status.success(), "{complaint} (Debian has it in libltc-dev)");
        std::fs::write(&signal, samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect::<Vec<_>>())?;
        let name = match work {
            Work::DecodeF32 => "decode-f32",
            Work::DecodeI16 => "decode-i16",
            Work::Encode => "encode",
        };
        let mut child = Command::new(&program)
            .arg(name)
            .arg(&signal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take().context("stdin")?, child.stdout.take().context("stdout")?);
        let mut libltc = Self { child, stdin, stdout: BufReader::new(stdout), version: String::new(), work };
        // It says its version when it has read the signal, so the folder can go.
        libltc.version = libltc.line()?;
        Ok(libltc)
    }

    /// As the library gives it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it does.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Does it so many times; how long that took.
    ///
    /// # Errors
    ///
    /// If the program has ended.
    pub fn run(&mut self, passes: u64) -> Result<Duration> {
        writeln!(self.stdin, "{passes}")?;
        Ok(Duration::from_nanos(self.line()?.parse()?))
    }

    /// Does it once; the labels found, hours first.
    ///
    /// # Errors
    ///
    /// If the program has ended.
    pub fn labels(&mut self) -> Result<Vec<[u8; 4]>> {
        writeln!(self.stdin, "labels")?;
        let mut labels = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(labels);
            }
            let numbers: Vec<u8> = line.split(':').map(str::parse).collect::<Result<_, _>>()?;
            labels.push(numbers.try_into().ok().context("a label has four numbers")?);
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stdout.read_line(&mut line)? > 0, "it has ended");
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Libltc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
