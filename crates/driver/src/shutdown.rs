//! Ending in good order.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a program that was told to end waits for what is still queued.
pub const GRACE: Duration = Duration::from_secs(5);

/// A token that is cancelled by the first SIGINT or SIGTERM (Ctrl-C elsewhere). The second ends the process at once,
/// with status 130.
pub fn on_signals() -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    // Caught from here on, not from when the task first runs.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::warn!(%error, "signals cannot be caught: end the program by force");
            return token;
        }
    };
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping; a second signal ends at once");
        stop.cancel();
        signals.next().await;
        std::process::exit(130);
    });
    token
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
