//! One entry of an engine's store that programs share, whatever it holds.

use std::time::Duration;

use bytes::Bytes;
use smpte_timecode::session::replicated::{Command, Heard, NodeName, WriteToken};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::{Backplane, QUEUE};

/// What an entry holds, and the way to write it. Whoever wrote last is right.
#[derive(Clone, Debug)]
pub struct SharedEntry {
    values: watch::Receiver<Option<Bytes>>,
    writes: watch::Sender<Option<Bytes>>,
}

impl SharedEntry {
    /// Follows the entry with this key until nobody has this [`SharedEntry`] any more.
    pub fn follow(backplane: impl Backplane, node: NodeName, key: &'static str) -> Self {
        let (tell, values) = watch::channel(None);
        let (writes, wanted) = watch::channel(None);
        let (to_engine, commands) = mpsc::channel(QUEUE);
        let (from_engine, heard) = mpsc::channel(QUEUE);
        tokio::spawn(backplane.run(node, commands, from_engine));
        tokio::spawn(follow(key, wanted, heard, to_engine, tell));
        Self { values, writes }
    }

    /// What it holds, now and whenever that changes; `None` as long as that is not known. One that is deleted counts as
    /// unchanged.
    pub fn values(&self) -> watch::Receiver<Option<Bytes>> {
        self.values.clone()
    }

    /// Writes it as soon as there is a connection to the engine, and again to an engine that comes back without it.
    pub fn write(&self, value: impl Into<Bytes>) {
        self.writes.send_replace(Some(value.into()));
    }
}

async fn follow(
    key: &str,
    mut wanted: watch::Receiver<Option<Bytes>>,
    mut heard: mpsc::Receiver<Heard>,
    to_engine: mpsc::Sender<Command>,
    tell: watch::Sender<Option<Bytes>>,
) {
    let (mut is_connected, mut is_written, mut revision) = (false, false, 0);
    // What is being written, which is not what was wanted last if that is another by now.
    let (mut last_token, mut under_way) = (0, None);
    let mut due = Instant::now();
    loop {
        let is_due = is_connected && !is_written && wanted.borrow().is_some();
        tokio::select! {
            news = heard.recv() => match news {
                None => return,
                Some(Heard::Connected) => (is_connected, revision) = (false, 0),
                Some(Heard::Disconnected) => is_connected = false,
                Some(Heard::Synced) => {
                    (is_connected, due) = (true, Instant::now());
                    is_written &= revision > 0;
                }
                Some(Heard::Entry { key: found, revision: new, value: Some(value) })
                    if found == key && new > revision =>
                {
                    revision = new;
                    tell.send_if_modified(|old| old.replace(value.clone()).is_none_or(|old| old != value));
                }
                Some(Heard::Written { token, outcome }) if under_way == Some(token) => {
                    is_written = outcome.is_ok();
                }
                Some(_) => {}
            },
            changed = wanted.changed() => match changed {
                Ok(()) => (is_written, under_way, due) = (false, None, Instant::now()),
                Err(_) => return,
            },
            () = sleep_until(due), if is_due => {
                let Some(value) = wanted.borrow_and_update().clone() else { continue };
                // Until it is answered it is not written again, unless no answer comes.
                last_token += 1;
                let token = WriteToken(last_token);
                (under_way, due) = (Some(token), Instant::now() + AGAIN);
                let command = Command::Write { token, key: key.into(), value, expected: None };
                if to_engine.send(command).await.is_err() {
                    return;
                }
            },
        }
    }
}

const AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// An engine that the test is.
    struct Wire(oneshot::Sender<(mpsc::Receiver<Command>, mpsc::Sender<Heard>)>);

    impl Backplane for Wire {
        async fn run(self, _: NodeName, commands: mpsc::Receiver<Command>, heard: mpsc::Sender<Heard>) {
            assert!(self.0.send((commands, heard)).is_ok(), "the test goes on");
        }
    }

    #[tokio::test]
    async fn an_engine_that_comes_back_without_the_entry_gets_it_again() {
        let (wire, ends) = oneshot::channel();
        let shared = SharedEntry::follow(Wire(wire), "a".parse().unwrap(), "cii");
        let (mut commands, heard) = ends.await.unwrap();
        shared.write("ours");
        let mut written = async || match commands.recv().await {
            Some(Command::Write { token, key, value, expected: None }) if key == "cii" => (token, value),
            other => panic!("{other:?}"),
        };
        let say = async |news: Vec<Heard>| {
            for news in news {
                heard.send(news).await.unwrap();
            }
        };
        say(vec![Heard::Connected, Heard::Synced]).await;
        let (token, value) = written().await;
        assert_eq!(value, "ours");
        // One that has what somebody else wrote later keeps it.
        say(vec![Heard::Written { token, outcome: Ok(6) }, Heard::Disconnected]).await;
        let entry = Heard::Entry { key: "cii".into(), revision: 7, value: Some("theirs".into()) };
        say(vec![Heard::Connected, entry, Heard::Synced]).await;
        let mut values = shared.values();
        values.wait_for(|value| value.as_deref() == Some(b"theirs")).await.unwrap();
        say(vec![Heard::Disconnected, Heard::Connected, Heard::Synced]).await;
        let (token, value) = written().await;
        assert_eq!(value, "ours");
        // What is written anew does not wait for an answer to what was.
        shared.write("newer");
        say(vec![Heard::Written { token, outcome: Ok(1) }]).await;
        assert_eq!(written().await.1, "newer");
    }
}
