//! What a person wants: typed, or by the buttons of a window.

use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::mpsc;

/// What a client is told to do while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Agree on how it travels.
    Setup,
    /// Begin, or go on.
    Play,
    /// Stand still.
    Pause,
    /// Say how it goes.
    Stats,
    /// Leave.
    Teardown,
}

impl Command {
    /// By its name, as it is typed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "setup" => Self::Setup,
            "play" => Self::Play,
            "pause" => Self::Pause,
            "stats" => Self::Stats,
            "teardown" | "quit" => Self::Teardown,
            _ => return None,
        })
    }
}

/// Passes on what is typed. The end of the input ends the session, too.
pub(super) async fn read_typed(to: mpsc::Sender<Command>) {
    let mut lines = BufReader::new(stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match Command::parse(&line) {
            Some(command) if to.send(command).await.is_err() => return,
            Some(_) => {}
            None if line.trim().is_empty() => {}
            None => eprintln!("commands: setup, play, pause, stats, teardown"),
        }
    }
    // Nobody listens any more: it has left already.
    let _ = to.send(Command::Teardown).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_by_their_names() {
        assert_eq!(Command::parse(" play\r"), Some(Command::Play));
        assert_eq!(Command::parse("quit"), Some(Command::Teardown));
        assert_eq!(Command::parse(""), None);
        assert_eq!(Command::parse("Play"), None);
    }
}
