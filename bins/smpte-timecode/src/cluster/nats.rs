//! NATS with JetStream as the engine.
//!
//! ```text
//! bucket <kind>-<cluster>             entries, one revision each, kept in files
//! subject <kind>.<cluster>.node.<id>  messages from node to node
//! ```
//!
//! The kind is `smpte` where the entries are those of timecode sessions.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_nats::connection::State;
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy, push};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ClientError, ConnectErrorKind, ConnectOptions, Event, HeaderMap, ServerError};
use bytes::Bytes;
use driver::cli::usage;
use futures_util::StreamExt;
use smpte_timecode::session::replicated::{Command, Heard, MAX_ENTRY, NodeName, WriteError, WriteToken};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Backplane;

/// Where the engine is and which cluster of it is meant.
#[derive(Clone, Debug)]
pub struct Options {
    /// `nats://host:port`, or `tls://`; several with commas between them.
    pub url: String,
    /// What programs keep there: sessions of `smpte`, or something else, of the same characters as a cluster's name.
    pub kind: &'static str,
    /// Name of the cluster: of `A-Z a-z 0-9 _ -`.
    pub cluster: String,
    /// How to prove who we are.
    pub credentials: Credentials,
    /// A PEM file with certificates to trust, besides the system's.
    pub certificates: Option<PathBuf>,
    /// Wait for an engine that is not there.
    pub wait: bool,
}

/// How to prove who we are. Never printed.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// A file as the engine's tools write it, with a signed token and its seed.
    File(PathBuf),
    /// A name and a password.
    User(String, String),
    /// A shared secret.
    Token(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::File(_) => "File",
            Self::User(..) => "User",
            Self::Token(_) => "Token",
        })
    }
}

/// A connection to NATS.
pub struct Nats {
    client: Client,
    events: mpsc::UnboundedReceiver<Event>,
    context: jetstream::Context,
    kind: &'static str,
    cluster: String,
}

impl Nats {
    /// Connects, and makes the bucket if there is none.
    ///
    /// # Errors
    /// With one line, when the options make no sense or the engine cannot be reached or cannot be used. With
    /// [`wait`](Options::wait) an engine that cannot be reached, or does not store yet, is waited for.
    pub async fn connect(options: Options) -> Result<Self> {
        let name: NodeName = options.cluster.parse().context("--cluster-name").map_err(usage)?;
        let addresses = addresses(&options.url)?;
        if let Some(path) = &options.certificates {
            let at = || format!("--cluster-ca: {}", path.display());
            std::fs::metadata(path).with_context(at).map_err(usage)?;
        }
        let (tell, mut events) = mpsc::unbounded_channel();
        let mut said = String::new();
        let mut wait = async |trouble: String| {
            // the same for as long as it lasts
            if said != trouble {
                tracing::warn!("waiting for the engine of the cluster: {trouble}");
                said = trouble;
            }
            sleep(Duration::from_secs(1)).await;
        };
        let refused = Arc::new(AtomicBool::new(false));
        let client = loop {
            let (tell, told) = (tell.clone(), refused.clone());
            let refused = refused.clone();
            let connecting = connect_options(&options)?
                .name(format!("genlock {}, cluster {name}", options.kind))
                .ping_interval(PING)
                .connection_timeout(PATIENCE)
                .request_timeout(Some(PATIENCE))
                .max_reconnects(None)
                .reconnect_delay_callback(move |attempts| {
                    // who is not let in is a person's to mend, and every attempt is a line in the engine's log
                    let most = if refused.load(Ordering::Relaxed) { 50 } else { 5 };
                    RECONNECT * u32::try_from(attempts.min(most)).unwrap_or(5)
                })
                .event_callback(move |event| {
                    if is_refusal(&event) {
                        told.store(true, Ordering::Relaxed);
                    } else if event == Event::Connected {
                        told.store(false, Ordering::Relaxed);
                    }
                    // The adapter may have ended.
                    let _ = tell.send(event);
                    std::future::ready(())
                })
                .connect(addresses.clone());
            match connecting.await {
                Ok(client) => break client,
                // time does not help there
                Err(error) if error.kind() == ConnectErrorKind::AuthorizationViolation => {
                    bail!(
                        "--cluster: {} does not let us in: set SMPTE_CLUSTER_USER and SMPTE_CLUSTER_PASSWORD, \
                         SMPTE_CLUSTER_TOKEN or --cluster-credentials",
                        options.url
                    )
                }
                Err(error) if options.wait => wait(error.to_string()).await,
                Err(error) => {
                    bail!("--cluster: cannot connect to {}: {error} (--wait waits for it)", options.url)
                }
            }
        };
        while events.try_recv().is_ok() {}
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        let nats = Self { client, events, context, kind: options.kind, cluster: name.to_string() };
        loop {
            match nats.bucket().await {
                Ok(_) => return Ok(nats),
                Err(error) if options.wait => wait(format!("it does not store: {error:#}")).await,
                Err(error) => {
                    return Err(error.context("--cluster: the engine does not store (has it JetStream?)"));
                }
            }
        }
    }

    /// The stream of the bucket. It is made here as the engine's own tools make a bucket, because the crate's way to do
    /// that asks the engine for things that its version 2.9 does not know.
    async fn bucket(&self) -> Result<stream::Stream> {
        let bucket = format!("{}-{}", self.kind, self.cluster);
        let name = format!("KV_{bucket}");
        if let Ok(stream) = self.context.get_stream(&name).await {
            return Ok(stream);
        }
        let config = stream::Config {
            name,
            description: Some("what programs of genlock share".into()),
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: 1,
            max_message_size: i32::try_from(MAX_ENTRY).unwrap_or(i32::MAX),
            storage: stream::StorageType::File,
            discard: stream::DiscardPolicy::New,
            num_replicas: 1,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            max_messages: -1,
            max_bytes: -1,
            max_consumers: -1,
            ..stream::Config::default()
        };
        Ok(self.context.create_stream(config).await?)
    }

    /// What stands before a key.
    fn prefix(&self) -> String {
        format!("$KV.{}-{}.", self.kind, self.cluster)
    }

    fn subject(&self, node: NodeName) -> String {
        format!("{}.{}.node.{node}", self.kind, self.cluster)
    }

    /// All entries, and then every change.
    async fn watch(&self) -> Result<Watch> {
        let (stream, prefix) = (self.bucket().await?, self.prefix());
        let config = push::OrderedConfig {
            deliver_subject: self.client.new_inbox(),
            filter_subject: format!("{prefix}>"),
            replay_policy: ReplayPolicy::Instant,
            deliver_policy: DeliverPolicy::LastPerSubject,
            ..push::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await?;
        let pending = consumer.cached_info().num_pending;
        Ok(Watch { messages: consumer.messages().await?, store: Store { stream, prefix }, pending })
    }
}

#[derive(Clone)]
struct Store {
    stream: stream::Stream,
    prefix: String,
}

struct Watch {
    store: Store,
    messages: push::Ordered,
    /// Entries that are to come before all are told.
    pending: u64,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Backplane for Nats {
    async fn run(
        mut self,
        node: NodeName,
        mut commands: mpsc::Receiver<Command>,
        heard: mpsc::Sender<Heard>,
    ) {
        let mut refused = false;
        loop {
            tokio::select! {
                () = self.connected(&mut refused) => {}
                () = drain(&mut commands) => return,
            }
            let watch = tokio::select! {
                watch = self.watch() => watch,
                // what was said to the connection before has no meaning to this one
                () = drain(&mut commands) => return,
            };
            match watch {
                Ok(watch) => {
                    if heard.send(Heard::Connected).await.is_err() {
                        return;
                    }
                    if std::mem::take(&mut refused) {
                        tracing::info!("the engine of the cluster lets us in again");
                    }
                    let lost = self.serve(node, watch, &mut commands, &heard, &mut refused).await;
                    if lost.is_none() || heard.send(Heard::Disconnected).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::debug!("the store of the cluster cannot be read yet: {error:#}"),
            }
            tokio::select! {
                () = sleep(RECONNECT) => {}
                () = drain(&mut commands) => return,
            }
        }
    }
}

/// The connection is lost, or cannot be trusted any more.
struct Lost;

impl Nats {
    /// Waits for a connection. What is asked of the engine before would only pile up. An engine that does not let us in
    /// any more is told of once; `refused` remembers that it was.
    async fn connected(&mut self, refused: &mut bool) {
        loop {
            while let Ok(event) = self.events.try_recv() {
                note(&event, refused);
            }
            if self.client.connection_state() == State::Connected {
                return;
            }
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => note(&event, refused),
                    // not while there is a client
                    None => sleep(PATIENCE).await,
                },
                // events are told after the state has changed or before
                () = sleep(RECONNECT) => {}
            }
        }
    }

    /// One connection's life; `None`: nobody is there to serve any more.
    async fn serve(
        &mut self,
        node: NodeName,
        mut watch: Watch,
        commands: &mut mpsc::Receiver<Command>,
        heard: &mpsc::Sender<Heard>,
        refused: &mut bool,
    ) -> Option<Lost> {
        let Ok(mut messages) = self.client.subscribe(self.subject(node)).await else { return Some(Lost) };
        if watch.pending == 0 {
            heard.send(Heard::Synced).await.ok()?;
        }
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Event::Disconnected | Event::Closed | Event::Connected) | None => return Some(Lost),
                    Some(event) => {
                        tracing::debug!(%event, "engine");
                        note(&event, refused);
                    }
                },
                message = watch.messages.next() => {
                    let Some(Ok(message)) = message else { return Some(Lost) };
                    let Ok(info) = message.info() else { return Some(Lost) };
                    let (revision, left) = (info.stream_sequence, info.pending);
                    let Some(key) = message.subject.strip_prefix(&watch.store.prefix) else { continue };
                    let deleted = message.headers.as_ref().is_some_and(|headers| headers.get(OPERATION).is_some());
                    let value = (!deleted).then(|| message.payload.clone());
                    heard.send(Heard::Entry { key: key.into(), revision, value }).await.ok()?;
                    if watch.pending > 0 && left == 0 {
                        watch.pending = 0;
                        heard.send(Heard::Synced).await.ok()?;
                    }
                }
                message = messages.next() => match message {
                    Some(message) => heard.send(Heard::Message(message.payload)).await.ok()?,
                    None => return Some(Lost),
                },
                command = commands.recv() => self.carry_out(command?, &watch.store, heard).await,
            }
        }
    }

    async fn carry_out(&self, command: Command, store: &Store, heard: &mpsc::Sender<Heard>) {
        match command {
            Command::Write { token, key, value, expected } => {
                self.publish(token, store, &key, value, HeaderMap::new(), expected, heard).await;
            }
            Command::Delete { token, key, expected } => {
                let mut headers = HeaderMap::new();
                headers.insert(OPERATION, "DEL");
                self.publish(token, store, &key, Bytes::new(), headers, expected, heard).await;
            }
            Command::Forget { key, revision } => {
                let purge =
                    store.stream.purge().sequence(revision + 1).filter(format!("{}{key}", store.prefix));
                tokio::spawn(async move {
                    if let Err(error) = purge.await {
                        tracing::debug!("a mark stays in the store of the cluster: {error}");
                    }
                });
            }
            Command::Send { to, data } => {
                // A lost message is asked for again.
                let _ = self.client.publish(self.subject(to), data).await;
            }
            _ => {}
        }
    }

    /// Writes are handed over in their order; their answers are waited for elsewhere.
    #[expect(clippy::too_many_arguments, reason = "one write, in one place")]
    async fn publish(
        &self,
        token: WriteToken,
        store: &Store,
        key: &str,
        value: Bytes,
        mut headers: HeaderMap,
        expected: Option<u64>,
        heard: &mpsc::Sender<Heard>,
    ) {
        let subject = format!("{}{key}", store.prefix);
        if let Some(expected) = expected {
            headers.insert(EXPECTED, expected.to_string());
        }
        let sent = self.context.publish_with_headers(subject.clone(), headers.clone(), value.clone()).await;
        let (context, stream, heard) = (self.context.clone(), store.stream.clone(), heard.clone());
        tokio::spawn(async move {
            let mut outcome = match sent {
                Ok(answer) => answer.await.map(|ack| ack.sequence).map_err(|error| error.kind()),
                Err(error) => Err(error.kind()),
            };
            // of an entry that was deleted there is a mark, which is none as far as nodes are concerned
            if outcome == Err(PublishErrorKind::WrongLastSequence)
                && expected == Some(0)
                && let Ok(last) = stream.get_last_raw_message_by_subject(&subject).await
                && last.headers.get(OPERATION).is_some()
            {
                headers.insert(EXPECTED, last.sequence.to_string());
                outcome = match context.publish_with_headers(subject, headers, value).await {
                    Ok(answer) => answer.await.map(|ack| ack.sequence).map_err(|error| error.kind()),
                    Err(error) => Err(error.kind()),
                };
            }
            let outcome = outcome.map_err(|kind| match kind {
                PublishErrorKind::WrongLastSequence => WriteError::Conflict,
                kind => {
                    tracing::debug!("the engine did not do a write: {kind}");
                    WriteError::Failed
                }
            });
            // The server may have ended.
            let _ = heard.send(Heard::Written { token, outcome }).await;
        });
    }
}

/// Whether it says that the engine does not let us in, or not any more.
fn is_refusal(event: &Event) -> bool {
    match event {
        Event::ServerError(ServerError::AuthorizationViolation) => true,
        // of a token that has run out, or an account that is gone
        Event::ServerError(ServerError::Other(text)) => text.to_lowercase().contains("authentication"),
        // what the client makes of the engine's answer when it tries again
        Event::ClientError(ClientError::Other(text)) => {
            *text == ConnectErrorKind::AuthorizationViolation.to_string()
        }
        _ => false,
    }
}

/// Says what a person has to mend, once until it is mended.
fn note(event: &Event, refused: &mut bool) {
    if is_refusal(event) && !std::mem::replace(refused, true) {
        tracing::error!(
            "the engine of the cluster does not let us in any more, and is tried again: have it take these credentials, or \
             start this server with others"
        );
    }
}

/// Drops commands until there are to be no more.
async fn drain(commands: &mut mpsc::Receiver<Command>) {
    while commands.recv().await.is_some() {}
}

fn connect_options(wanted: &Options) -> Result<ConnectOptions> {
    let mut options = ConnectOptions::new();
    if let Some(path) = &wanted.certificates {
        options = options.add_root_certificates(path.clone());
    }
    Ok(match &wanted.credentials {
        Credentials::None => options,
        Credentials::User(user, password) => options.user_and_password(user.clone(), password.clone()),
        Credentials::Token(token) => options.token(token.clone()),
        Credentials::File(path) => {
            let at = || format!("--cluster-credentials: {}", path.display());
            let text = std::fs::read_to_string(path).with_context(at).map_err(usage)?;
            options.credentials(&text).with_context(at).map_err(usage)?
        }
    })
}

/// The addresses of a URL list. Secrets do not belong there, where every user of the machine can read them.
fn addresses(urls: &str) -> Result<Vec<async_nats::ServerAddr>> {
    let read = |url: &str| {
        let address: async_nats::ServerAddr = url
            .trim()
            .parse()
            .ok()
            .with_context(|| "--cluster: write the engine as nats://HOST:PORT")
            .map_err(usage)?;
        if address.has_user_pass() {
            let error =
                "--cluster: name and password belong into SMPTE_CLUSTER_USER and SMPTE_CLUSTER_PASSWORD";
            return Err(usage(anyhow::anyhow!(error)));
        }
        Ok(address)
    };
    urls.split(',').map(read).collect()
}

const OPERATION: &str = "KV-Operation";
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// A silent engine is found to be away after three of these.
const PING: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
const RECONNECT: Duration = Duration::from_millis(100);
