//! Processes in a group of their own, that die with us.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::drain::Drain;
use super::supervisor::Message;

/// How long a program may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);
/// First argument that makes a launcher of a program.
const MARK: &str = "__child";

/// Makes a launcher of this process if it was started as one: asks the kernel to kill it when its parent dies, then
/// becomes the program that it was told to. To be called first of all in `main`; returns in an ordinary process.
///
/// A launcher is needed because that request can only be made by the child itself.
pub fn run_if_child() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|arg| arg != MARK) {
        return;
    }
    let parent = args.next().and_then(|arg| arg.into_string().ok()?.parse().ok());
    let Some((parent, program)) = parent.zip(args.next()) else { std::process::exit(127) };
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    // It may have died before the kernel knew.
    if nix::unistd::getppid() != Pid::from_raw(parent) {
        std::process::exit(127);
    }
    let error = Command::new(&program).args(args).exec();
    eprintln!("cannot become {}: {error}", program.display());
    std::process::exit(127);
}

/// Programs that were started together.
#[derive(Debug)]
pub(super) struct Group {
    /// Number of this start, so that a late report of an earlier one is known as such.
    run: u64,
    leader: Option<Pid>,
    children: Vec<(String, Child)>,
    drains: Vec<Drain>,
    launcher: Option<PathBuf>,
    to: Sender<Message>,
}

impl Group {
    pub(super) fn new(run: u64, launcher: Option<PathBuf>, to: Sender<Message>) -> Self {
        Self { run, leader: None, children: Vec::new(), drains: Vec::new(), launcher, to }
    }

    /// Starts one more program of the group. Its standard error is read from now on.
    pub(super) fn spawn(
        &mut self,
        program: &str,
        arguments: &[String],
        stdin: Stdio,
        stdout: Stdio,
    ) -> io::Result<Ends> {
        let path = find(&[program]).ok_or(io::ErrorKind::NotFound)?;
        let mut command = match &self.launcher {
            Some(launcher) => {
                let mut command = Command::new(launcher);
                command.arg(MARK).arg(std::process::id().to_string()).arg(&path);
                command
            }
            None => Command::new(&path),
        };
        command.args(arguments).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        command.process_group(self.leader.map_or(0, Pid::as_raw));
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        self.leader.get_or_insert(pid);
        let ends = Ends { stdin: child.stdin.take(), stdout: child.stdout.take() };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(stderr) = child.stderr.take() {
            self.drains.push(Drain::start(&name, stderr));
        }
        self.watch(pid, &name);
        tracing::info!("started {name} as process {pid}");
        tracing::debug!("{name} {}", arguments.join(" "));
        self.children.push((name, child));
        Ok(ends)
    }

    /// Tells when a program has ended, without reaping it: until we do, no other process gets its number.
    fn watch(&self, pid: Pid, name: &str) {
        let (to, run, name) = (self.to.clone(), self.run, name.to_owned());
        let watch = move || {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid), flags) {}
            let _ = to.send(Message::Exited { run, name });
        };
        if let Err(error) = std::thread::Builder::new().name("watch".into()).spawn(watch) {
            tracing::warn!(%error, "no thread to watch a program");
        }
    }

    /// Ends all programs and all that they have started: SIGTERM, some patience, SIGKILL; reaps ours.
    pub(super) fn end(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        let _ = killpg(leader, Signal::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.children.iter().any(|(_, child)| !has_ended(child)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // The leader is not reaped yet, so that this is its group and no other.
        let _ = killpg(leader, Signal::SIGKILL);
        for (name, mut child) in self.children.drain(..) {
            match child.wait() {
                Ok(status) => tracing::info!("{name} ended: {status}"),
                Err(error) => tracing::warn!(%error, "{name} cannot be waited for"),
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Our ends of a program's pipes.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<std::process::ChildStdout>,
}

/// The first of these programs that there is: a path, or a name to be looked for in PATH.
pub(super) fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    programs.iter().find_map(|program| {
        if program.contains('/') {
            return is_program(program.into());
        }
        std::env::split_paths(&path).find_map(|folder| is_program(folder.join(program)))
    })
}

fn is_program(path: PathBuf) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let meta = path.metadata().ok()?;
    (meta.is_file() && meta.permissions().mode() & 0o111 != 0).then_some(path)
}

fn has_ended(child: &Child) -> bool {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    !matches!(waitid(Id::Pid(pid), flags), Ok(nix::sys::wait::WaitStatus::StillAlive))
}
