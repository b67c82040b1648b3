//! Somebody who looks on while a client runs: the window, where there is one.

use anyhow::Result;
use rtp_rtsp::client::Track;
use rtp_rtsp::receiver::{ReceivedFrame, Statistics};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is no connection, or no description yet.
    Connecting,
    /// It is known what there is.
    Described,
    /// It is agreed on how it travels, or it is paused.
    Ready,
    /// It plays.
    Playing,
    /// The stream has come to its end, and can be played again.
    Over,
    /// The stream has come to its end for good.
    Ended,
}

/// Is told what happens. None of it may wait for anything: it holds up the network.
pub(super) trait Viewer: Send {
    /// What will be played; `None` in the classroom dialect, which does not describe it.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn described(&mut self, track: Option<&Track>) -> Result<()>;

    /// Where the session stands.
    fn phase(&mut self, phase: Phase);

    /// A frame of what is played.
    fn frame(&mut self, frame: &ReceivedFrame);

    /// Each second: what was counted.
    fn numbers(&mut self, statistics: &Statistics, over_tcp: bool);
}
