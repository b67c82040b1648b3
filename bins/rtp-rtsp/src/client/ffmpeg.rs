//! ffmpeg as a helper: for containers, and for pictures of H.264.

use std::process::{Command, Stdio};

const NAME: &str = "ffmpeg";

/// Whether it is installed.
pub(super) fn is_there() -> bool {
    let asked = Command::new(NAME).arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// A command that is fed by us, to which nothing can be typed, and which Ctrl-C does not end before it is done.
pub(super) fn command() -> Command {
    let mut command = Command::new(NAME);
    command.stdin(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}
