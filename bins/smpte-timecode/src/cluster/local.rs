//! An engine within the process, for programs and tests with several servers in one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use smpte_timecode::session::replicated::{Command, Heard, NodeName, WriteError};
use tokio::sync::mpsc;

use super::Backplane;

/// The engine. Each clone is the way to the same one.
#[derive(Clone, Debug, Default)]
pub struct LocalEngine(Arc<Mutex<Store>>);

#[derive(Debug, Default)]
struct Store {
    entries: BTreeMap<String, (u64, Option<Bytes>)>,
    revision: u64,
    watchers: Vec<(NodeName, mpsc::UnboundedSender<Heard>)>,
}

impl LocalEngine {
    /// An engine with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backplane for LocalEngine {
    async fn run(self, node: NodeName, mut commands: mpsc::Receiver<Command>, heard: mpsc::Sender<Heard>) {
        // Under the lock nobody can wait, so a queue without end stands between; what is in it is as much as the nodes
        // have written.
        let (sender, mut told) = mpsc::unbounded_channel();
        self.store().watch(node, sender.clone());
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.store().carry_out(command, &sender),
                    None => return,
                },
                Some(news) = told.recv() => if heard.send(news).await.is_err() { return },
            }
        }
    }
}

impl Store {
    fn watch(&mut self, node: NodeName, told: mpsc::UnboundedSender<Heard>) {
        let mut all = vec![Heard::Connected];
        all.extend(self.entries.iter().map(|(key, (revision, value))| Heard::Entry {
            key: key.clone(),
            revision: *revision,
            value: value.clone(),
        }));
        all.push(Heard::Synced);
        // It is the other end of this function's caller.
        all.into_iter().for_each(|news| drop(told.send(news)));
        self.watchers.push((node, told));
    }

    fn carry_out(&mut self, command: Command, asker: &mpsc::UnboundedSender<Heard>) {
        let (token, outcome) = match command {
            Command::Write { token, key, value, expected } => (token, self.set(key, Some(value), expected)),
            Command::Delete { token, key, expected } => (token, self.set(key, None, expected)),
            Command::Forget { key, revision } => {
                if self.entries.get(&key).is_some_and(|(found, _)| *found <= revision) {
                    self.entries.remove(&key);
                }
                return;
            }
            Command::Send { to, data } => {
                self.tell(|name| *name == to, &Heard::Message(data));
                return;
            }
            // There are no others yet.
            _ => return,
        };
        let _ = asker.send(Heard::Written { token, outcome });
    }

    fn set(&mut self, key: String, value: Option<Bytes>, expected: Option<u64>) -> Result<u64, WriteError> {
        let found =
            self.entries.get(&key).filter(|(_, value)| value.is_some()).map_or(0, |(revision, _)| *revision);
        if expected.is_some_and(|expected| expected != found) {
            return Err(WriteError::Conflict);
        }
        self.revision += 1;
        self.entries.insert(key.clone(), (self.revision, value.clone()));
        self.tell(|_| true, &Heard::Entry { key, revision: self.revision, value });
        Ok(self.revision)
    }

    fn tell(&mut self, to: impl Fn(&NodeName) -> bool, news: &Heard) {
        self.watchers.retain(|(name, told)| !to(name) || told.send(news.clone()).is_ok());
    }
}
