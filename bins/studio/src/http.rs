//! The page, its state, and the WebSocket upgrades of the parts, on one port.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use axum::{Router, middleware};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ground::Ground;
use crate::parts::{Part, Parts};

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let remote = *stream.remote_addr();
        Self { local: stream.io().local_addr().unwrap_or(remote), remote }
    }
}

/// What the page shows.
#[derive(Clone)]
struct Shown {
    parts: Arc<Parts>,
    ground: Arc<Ground>,
}

/// Serves the page until told to stop. With `lan`, by any address of this machine.
pub(crate) async fn serve(
    listener: TcpListener,
    parts: Arc<Parts>,
    ground: Arc<Ground>,
    lan: bool,
    stop: CancellationToken,
) {
    let mut router = Router::new()
        .route("/", get(|| async { page("studio", "studio", include_str!("../web/index.html")) }))
        .route(
            "/studio.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("../web/studio.css")) }),
        )
        .route("/studio.js", get(|| async { asset(JAVASCRIPT, include_str!("../web/studio.js")) }))
        .route("/map.js", get(|| async { asset(JAVASCRIPT, include_str!("../web/map.js")) }))
        .route("/panels/{script}", get(panel))
        .route("/api/state", get(state))
        .with_state(Shown { parts: parts.clone(), ground });
    for part in &parts.running {
        router = router.merge(part.routes());
    }
    let router = router.layer(middleware::from_fn_with_state(lan, only_this_page));
    let service = router.into_make_service_with_connect_info::<Peer>();
    // Not the graceful way: that would wait for browsers, which keep their connections open.
    tokio::select! {
        () = stop.cancelled() => {}
        result = axum::serve(listener, service) => {
            if let Err(error) = result {
                tracing::error!(%error, "the page is not served any more");
            }
        }
    }
}

pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// A page: the head that all share, with the page's title and script, and its own body.
pub(crate) fn page(title: &str, script: &str, body: &str) -> Response {
    let head = include_str!("../web/head.html").replace("{title}", title).replace("{script}", script);
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, head + body).into_response()
}

pub(crate) fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

async fn panel(State(shown): State<Shown>, Path(script): Path<String>) -> Response {
    let part = shown.parts.running.iter().find(|p| script.strip_suffix(".js") == Some(p.name()));
    part.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |p| asset(JAVASCRIPT, p.panel()))
}

async fn state(State(shown): State<Shown>) -> Response {
    let mut state = Map::new();
    let Parts { running, failed } = &*shown.parts;
    let mut services: Vec<Value> = running
        .iter()
        .flat_map(|p| p.services())
        .map(|s| json!({"name": s.name, "role": s.role, "address": s.address.to_string(), "state": s.state}))
        .collect();
    services.extend(failed.iter().map(|(name, reason)| {
        json!({"name": name, "role": "", "address": "", "state": format!("not running: {reason}")})
    }));
    let panel = |p: &dyn Part| json!({"name": p.name(), "title": p.title(), "hints": p.hints()});
    let mut panels: Vec<Value> = running.iter().map(|p| panel(&**p)).collect();
    panels.extend(failed.iter().map(|(name, reason)| json!({"name": name, "reason": reason})));
    state.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    state.insert("services".into(), json!(services));
    state.insert("parts".into(), json!(panels));
    state.insert("notices".into(), json!(shown.ground.notices()));
    state.insert("log".into(), json!(shown.ground.log.entries()));
    if let Some(clock) = shown.ground.shared.clock.get() {
        state.insert("clock".into(), clock.state());
    }
    for part in running {
        part.state(&mut state);
    }
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, Value::Object(state).to_string()).into_response()
}

/// Other sites' pages may not act here: a browser says in `Origin` where a script comes from, and in `Host` which name
/// it was given for this machine. A name could be anybody's; an address cannot be made to point here.
async fn only_this_page(State(lan): State<bool>, request: Request, next: middleware::Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local =
        matches!(name, "127.0.0.1" | "localhost" | "[::1]") || (lan && name.parse::<IpAddr>().is_ok());
    let same = request
        .headers()
        .get(header::ORIGIN)
        .is_none_or(|o| o.as_bytes() == format!("http://{host}").as_bytes());
    if local && same {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "this page belongs to the machine it runs on\n").into_response()
}

/// Answers a WebSocket handshake (RFC 6455 §4.2) and hands the connection to `serve`.
pub(crate) fn upgrade<F>(
    mut request: Request,
    serve: impl FnOnce(TokioIo<Upgraded>) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send,
{
    let headers = request.headers();
    let key = match headers.get(header::SEC_WEBSOCKET_KEY) {
        Some(key)
            if says(headers, header::UPGRADE, "websocket")
                && says(headers, header::CONNECTION, "upgrade") =>
        {
            driver::accept_key(key.as_bytes())
        }
        _ => return (StatusCode::UPGRADE_REQUIRED, "this is a WebSocket address\n").into_response(),
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(io) => serve(TokioIo::new(io)).await,
            Err(error) => tracing::debug!(%error, "a WebSocket handshake came to nothing"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Ok(key) = HeaderValue::from_str(&key) {
        answer.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    response
}

/// Whether a comma-separated header has this word.
fn says(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|w| w.trim().eq_ignore_ascii_case(word))
}
