//! WebSocket listeners and connections (RFC 6455), by path.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use machine::{CloseReason, Closing, ConnId, Input, Machine, Payload, Peer, Service, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant as TokioInstant, sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes, error::CapacityError, http::StatusCode};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};

use crate::conn::{Conn, Todo};
use crate::core::{Core, Driver};
use crate::gate::{Gate, Permit, Refusal};
use crate::head::Replay;
use crate::limits::Limits;
use crate::tcp::{Progress, accept_loop, set_options};
use crate::wire::Wire;

/// A path of a WebSocket listener, and the door of the machine behind it.
#[derive(Clone, Debug)]
pub struct Route {
    /// Path of the request, such as `/cii`; a query behind it is not looked at. `*` stands for any path.
    pub path: String,
    /// The door.
    pub service: Service,
    /// Who may come in; `None`: everybody.
    pub gate: Option<Gate>,
    /// How long after the handshake the machine hears of the connection.
    pub pause: Duration,
}

impl Route {
    /// `path` leads to `service`.
    pub fn new(path: impl Into<String>, service: Service) -> Self {
        Self { path: path.into(), service, gate: None, pause: Duration::ZERO }
    }

    /// With a gate before it.
    #[must_use]
    pub fn with_gate(self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// With a pause between the end of the handshake and the first message, for clients that lose a message which comes
    /// together with that end.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }
}

/// Why a WebSocket connection could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a `ws://host:port/path` address.
    BadUrl,
    /// The TCP connection failed.
    Io(io::Error),
    /// The server did not agree to speak WebSocket.
    Handshake(Box<Error>),
    /// The handshake took longer than [`Limits::handshake_timeout`].
    TimedOut,
    /// The driver's connection limit is reached.
    TooMany,
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadUrl => write!(f, "not a ws://HOST[:PORT]/PATH address"),
            Self::Io(e) => write!(f, "{e}"),
            Self::Handshake(e) => write!(f, "no WebSocket there: {e}"),
            Self::TimedOut => write!(f, "the WebSocket handshake took too long"),
            Self::TooMany => write!(f, "too many connections"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// The `Sec-WebSocket-Accept` value for a `Sec-WebSocket-Key`, for programs that do the HTTP part themselves and then
/// call [`Driver::attach_ws`].
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

impl<M> Driver<M>
where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    /// Serves WebSockets on a listener until shutdown. A path without a route is answered 404, a request without an
    /// upgrade 426, and who is refused by a route's [`Gate`] as that says.
    pub fn serve_ws(&self, listener: TcpListener, routes: Vec<Route>) {
        let core = self.0.clone();
        let routes: Arc<[Route]> = routes.into();
        self.0.spawn(async move {
            let stop = core.stop.clone();
            accept_loop(&listener, &stop, |stream, local, remote| {
                core.spawn({
                    let (core, routes) = (core.clone(), routes.clone());
                    async move { accept(&core, &routes, stream, local, remote).await }
                });
            })
            .await;
        });
    }

    /// Connects to a `ws://` address, then brings the connection to the machine under `service`.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_ws(&self, url: &str, service: Service) -> Result<ConnId, ConnectError> {
        let host = host_of(url).ok_or(ConnectError::BadUrl)?;
        let core = &self.0;
        let handshake = async {
            let stream = TcpStream::connect(host).await.map_err(ConnectError::Io)?;
            set_options(&stream, &core.limits);
            let local = stream.local_addr().map_err(ConnectError::Io)?;
            let remote = stream.peer_addr().map_err(ConnectError::Io)?;
            let (ws, _) = client_async_with_config(url, stream, Some(config(&core.limits)))
                .await
                .map_err(|e| ConnectError::Handshake(Box::new(e)))?;
            Ok((ws, local, remote))
        };
        let (ws, local, remote) =
            timeout(core.limits.handshake_timeout, handshake).await.map_err(|_| ConnectError::TimedOut)??;
        start(core, ws, service, local, remote).ok_or(ConnectError::TooMany)
    }

    /// Takes over a connection whose HTTP upgrade another server has answered already.
    pub async fn attach_ws<S>(
        &self,
        io: S,
        service: Service,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<ConnId>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config(&self.0.limits))).await;
        start(&self.0, ws, service, local, remote)
    }
}

/// `host:port` of a `ws://` address; port 80 if none is given.
fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("ws://")?;
    let host = rest.split(['/', '?']).next().filter(|h| !h.is_empty())?;
    let has_port =
        host.rsplit(':').next().is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
            && host.contains(':')
            && !host.ends_with(']');
    Some(if has_port { host.to_owned() } else { format!("{host}:80") })
}

/// Small buffers: the library's defaults cost 137 KiB for each idle connection.
fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(limits.max_message_bytes))
        .max_frame_size(Some(limits.max_message_bytes))
}

async fn accept<M>(
    core: &Arc<Core<M>>,
    routes: &[Route],
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
) where
    M: Machine + Send + 'static,
    M::Event: Send,
{
    set_options(&stream, &core.limits);
    let result = tokio::select! {
        () = core.stop.cancelled() => return,
        result = timeout(core.limits.handshake_timeout, handshake(routes, stream, config(&core.limits))) => result,
    };
    match result {
        Ok(Ok(Some(Admitted { mut ws, service, permit }))) => {
            let stream = ws.get_mut().inner().take();
            let transport = Transport::WebSocket;
            if let Some(conn) = core.open_conn(service, transport, local, remote, stream) {
                *ws.get_mut().inner() = Wire::Shared(conn.clone());
                begin(core, conn, ws, permit);
            }
        }
        Ok(Ok(None)) => tracing::debug!(%remote, "refused before the upgrade"),
        Ok(Err(error)) => tracing::debug!(%remote, %error, "no WebSocket handshake"),
        Err(_) => tracing::debug!(%remote, "the WebSocket handshake took too long"),
    }
}

/// Who has come in.
struct Admitted {
    ws: WebSocketStream<Replay<Wire>>,
    service: Service,
    permit: Option<Permit>,
}

#[expect(clippy::result_large_err, reason = "the handshake library's own signature")]
async fn handshake(
    routes: &[Route],
    stream: TcpStream,
    config: WebSocketConfig,
) -> Result<Option<Admitted>, Error> {
    let stream = Replay::read_head(Wire::Own(stream)).await?;
    let Some(route) = routes.iter().find(|r| r.path == stream.path() || r.path == "*") else {
        stream.refuse("404 Not Found", "", "nothing is served at this path\n").await?;
        return Ok(None);
    };
    if !stream.wants_upgrade() {
        let header = "Upgrade: websocket\r\n";
        stream.refuse("426 Upgrade Required", header, "a WebSocket is served at this path\n").await?;
        return Ok(None);
    }
    let permit = match route.gate.as_ref().map(Gate::admit).transpose() {
        Ok(permit) => permit,
        Err(Refusal { status, text }) => {
            let reason = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
            stream.refuse(&format!("{status} {}", reason.unwrap_or("Refused")), "", &text).await?;
            return Ok(None);
        }
    };
    let agree = |_: &Request, response: Response| Ok::<_, ErrorResponse>(response);
    let ws = accept_hdr_async_with_config(stream, agree, Some(config)).await?;
    if !route.pause.is_zero() {
        sleep(route.pause).await;
    }
    Ok(Some(Admitted { ws, service: route.service, permit }))
}

/// A connection over anything: its task writes.
fn start<M, S>(
    core: &Arc<Core<M>>,
    ws: WebSocketStream<S>,
    service: Service,
    local: SocketAddr,
    remote: SocketAddr,
) -> Option<ConnId>
where
    M: Machine + Send + 'static,
    M::Event: Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conn = core.open_conn(service, Transport::WebSocket, local, remote, None)?;
    let id = conn.id;
    begin(core, conn, ws, None);
    Some(id)
}

fn begin<M, S>(core: &Arc<Core<M>>, conn: Arc<Conn>, ws: WebSocketStream<S>, permit: Option<Permit>)
where
    M: Machine + Send + 'static,
    M::Event: Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tracing::debug!(conn = conn.id.0, "WebSocket opened");
    core.spawn({
        let core = core.clone();
        async move {
            let reason = serve(&core, &conn, ws).await;
            core.conn_closed(conn.id, reason);
            drop(permit);
        }
    });
}

/// What the connection's task woke up for.
enum Step {
    Received(Message),
    Woken,
    /// Nothing came, and nothing could be written, for as long as was agreed.
    Quiet,
    Gone(CloseReason),
}

/// How long a peer has said nothing.
struct Silence {
    since: TokioInstant,
    ping_after: Duration,
    pinged: bool,
}

impl Silence {
    fn new(ping_after: Duration) -> Self {
        Self { since: TokioInstant::now(), ping_after, pinged: false }
    }

    fn end(&mut self) {
        *self = Self::new(self.ping_after);
    }

    /// Until the next ping, or the end.
    fn left(&self) -> Duration {
        let patience = if self.pinged { self.ping_after * 2 } else { self.ping_after };
        patience.saturating_sub(self.since.elapsed())
    }
}

async fn serve<M, S>(core: &Core<M>, conn: &Conn, mut ws: WebSocketStream<S>) -> CloseReason
where
    M: Machine + Send + 'static,
    M::Event: Send,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut writer = Writer::default();
    let mut progress = Progress::default();
    let mut silence = Silence::new(core.limits.ping_after);
    let mut stopping = false;
    loop {
        let written = (conn.is_framed() && conn.has_unsent()).then(|| conn.written());
        let patience = core.limits.send_timeout;
        let give_up = writer.busy.map(|since| since + patience).or(progress.deadline(written, patience));
        if give_up.is_some_and(|at| at <= TokioInstant::now()) {
            return CloseReason::SlowReader;
        }
        // Nobody can be pinged while something waits to be written: then only the other limit counts.
        let wait = match silence.left() {
            Duration::ZERO => core.limits.send_timeout,
            left => left.min(core.limits.send_timeout),
        };
        let step = {
            let mut woken = pin!(conn.wake.notified());
            let step = poll_fn(|cx| {
                match writer.write(conn, Pin::new(&mut ws), cx) {
                    Ok(()) if conn.is_framed() && conn.poll_drain(cx).is_ready() && conn.is_ending() => {
                        return Poll::Ready(Step::Woken);
                    }
                    Ok(()) => {}
                    Err(reason) => return Poll::Ready(Step::Gone(reason)),
                }
                if let Poll::Ready(message) = Pin::new(&mut ws).poll_next(cx) {
                    return Poll::Ready(match message {
                        Some(Ok(message)) => Step::Received(message),
                        Some(Err(error)) => Step::Gone(reason_of(&error)),
                        None => Step::Gone(CloseReason::Remote),
                    });
                }
                woken.as_mut().poll(cx).map(|()| Step::Woken)
            });
            tokio::select! {
                // What has come counts before what has not.
                biased;
                step = step => step,
                () = sleep(wait) => Step::Quiet,
                () = core.stop.cancelled(), if !stopping => {
                    stopping = true;
                    conn.close(Closing::Code(1001));
                    conn.flush();
                    Step::Woken
                }
            }
        };
        let message = match step {
            Step::Received(message) => message,
            Step::Gone(CloseReason::Overflow) => {
                finish(&mut ws, CloseCode::Size, core.limits.linger).await;
                return CloseReason::Overflow;
            }
            Step::Gone(reason) => return reason,
            Step::Quiet if writer.busy.is_none() && written.is_none() && silence.left().is_zero() => {
                if silence.pinged {
                    return CloseReason::Failed;
                }
                silence.pinged = true;
                if let Err(reason) = writer.start(Pin::new(&mut ws), Message::Ping(Bytes::new())) {
                    return reason;
                }
                continue;
            }
            Step::Woken | Step::Quiet => match conn.todo() {
                Todo::Abort(reason) => return reason,
                Todo::Finish(how) if writer.busy.is_none() => {
                    let code =
                        if let Closing::Code(code) = how { CloseCode::from(code) } else { CloseCode::Normal };
                    finish(&mut ws, code, core.limits.linger).await;
                    return if stopping { CloseReason::Shutdown } else { CloseReason::Local };
                }
                _ => continue,
            },
        };
        if conn.is_ending() {
            silence.end();
            continue;
        }
        let peer = Peer::Conn(conn.id);
        core.events.room().await;
        silence.end();
        match message {
            Message::Text(text) => core.run(|m, now| m.handle_input(now, peer, Input::Text(text.as_str()))),
            Message::Binary(data) => core.run(|m, now| m.handle_input(now, peer, Input::Binary(&data))),
            // Pings are answered, and closes completed, by the library as it is polled.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
}

fn reason_of(error: &Error) -> CloseReason {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => CloseReason::Remote,
        Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseReason::Overflow,
        _ => CloseReason::Failed,
    }
}

/// Moves queued messages to the socket without ever waiting for it.
#[derive(Default)]
struct Writer {
    /// Since when something is with the library that the socket has not taken.
    busy: Option<TokioInstant>,
}

impl Writer {
    fn write<S>(
        &mut self,
        conn: &Conn,
        mut ws: Pin<&mut WebSocketStream<S>>,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if self.busy.is_some() {
                match ws.as_mut().poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.busy = None,
                    Poll::Ready(Err(error)) => return Err(reason_of(&error)),
                    Poll::Pending => {}
                }
            }
            if conn.is_framed() {
                // Whoever called the machine writes; only what the library has to say goes this way.
                return Ok(());
            }
            conn.set_stuck(self.busy.is_some());
            if self.busy.is_some() {
                return Ok(());
            }
            let Some(payload) = conn.pop_message() else {
                // The last message may have been what a close waits for.
                if conn.is_ending() {
                    conn.wake.notify_one();
                }
                return Ok(());
            };
            let Some(message) = to_message(payload) else {
                continue;
            };
            self.start(ws.as_mut(), message)?;
        }
    }

    fn start<S>(&mut self, ws: Pin<&mut WebSocketStream<S>>, message: Message) -> Result<(), CloseReason>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        ws.start_send(message).map_err(|e| reason_of(&e))?;
        self.busy.get_or_insert_with(TokioInstant::now);
        Ok(())
    }
}

fn to_message(payload: Payload) -> Option<Message> {
    match payload {
        Payload::Text(text) => match Utf8Bytes::try_from(text) {
            Ok(text) => Some(Message::Text(text)),
            Err(_) => {
                tracing::error!("a machine sent text that is not UTF-8; left out");
                None
            }
        },
        Payload::Binary(data) | Payload::Bytes(data) => Some(Message::Binary(data)),
    }
}

/// Sends a close frame and reads on for its answer, for a while.
async fn finish<S>(ws: &mut WebSocketStream<S>, code: CloseCode, patience: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let close = async {
        if ws.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") })).await.is_ok() {
            while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut *ws).poll_next(cx)).await {}
        }
    };
    let _ = timeout(patience, close).await;
}
