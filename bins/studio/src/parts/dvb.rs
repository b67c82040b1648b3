//! A television for companion screens: it offers the studio's timecode as a timeline, and is followed by a real client
//! in the same process, whose clock is the same one, so that the client's offset is its error.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use css_programs::serve::{self, EndPoints, Television, WallClockServer};
use css_programs::show::{CHANNELS, PTS, TEMI, TvShow};
use css_programs::smpte::{self, SELECTOR};
use css_programs::ts_client::{self, Follower};
use css_programs::wc_client::{self, AlgorithmName, WallClockClient};
use driver::Events;
use driver::shutdown::GRACE;
use dvb_css::Ratio;
use dvb_css::client::TsClientEvent;
use dvb_css::clock::Linear;
use dvb_css::config::{TsClientConfig, TvServerConfig, WcServerConfig};
use dvb_css::message::{CiiMessage, MaxFreqError, SetupData};
use dvb_css::server::{CII, TS, TvServerEvent, UpdateCii, WC};
use serde_json::{Map, Value, json};

use super::{Part, Service};
use crate::ground::{Ground, on_this_machine};
use crate::http::{JAVASCRIPT, asset, page, upgrade};
use crate::log::Log;

const COMPANION: &str = include_str!("../../web/companion.html");
const COMPANION_SCRIPT: &str = include_str!("../../web/companion.js");
const HTTP_PORT: u16 = 7681;
const WC_PORT: u16 = 6677;
/// Companions at once, as the original's television has it.
const CII_LIMIT: usize = 5;
const TS_LIMIT: usize = 10;
/// How often the client's clock is looked at, and how many looks are kept: a minute.
const LOOK: Duration = Duration::from_millis(200);
const KEPT: usize = 300;
/// Pause before a connection that was lost is made again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a channel change takes, as the original's demonstration has it.
const TRANSITION: Duration = Duration::from_secs(2);

pub(crate) struct Dvb {
    tv: Television,
    wall_clock: WallClockServer,
    http: SocketAddr,
    wc: SocketAddr,
    client: Arc<Client>,
}

/// A companion in the same process.
struct Client {
    wall_clock: WallClockClient,
    timelines: Vec<(&'static str, Follower)>,
    looks: Mutex<VecDeque<Look>>,
}

/// The client's wall clock at a moment, in nanoseconds.
#[derive(Clone, Copy)]
struct Look {
    at: u64,
    offset: i64,
    bound: u64,
}

impl Dvb {
    pub(crate) async fn start(ground: Arc<Ground>) -> Result<Self> {
        let socket = ground.bind_udp(WC_PORT, "dvb wc")?;
        let wc = socket.local_addr()?;
        let listener = ground.listen(HTTP_PORT, "dvb http")?;
        let http = listener.local_addr()?;
        let mut config = WcServerConfig::new(driver::seed());
        config.max_freq_error = clock_error();
        let (wall_clock, _) = serve::wall_clock(socket, config)?;
        let (tv, events) = serve::start_television(TvServerConfig::default());
        tokio::spawn(log_events(ground.log.clone(), events));
        let show = tv.call(|server, now| TvShow::original(server, now, wc.port()))?;
        serve::serve_television(&tv, listener, &EndPoints::all(Some(CII_LIMIT), Some(TS_LIMIT)));
        tokio::spawn(show.run(tv.clone()));
        let mut selectors = vec![PTS, TEMI[0]];
        if let Some(clock) = ground.shared.clock.get() {
            tokio::spawn(smpte::follow_clock(tv.clone(), clock.changes()));
            selectors.push(SELECTOR);
        }
        let client = Client::start(on_this_machine(http), on_this_machine(wc), &selectors)?;
        Ok(Self { tv, wall_clock, http, wc, client })
    }
}

impl Client {
    fn start(http: SocketAddr, wc: SocketAddr, selectors: &[&'static str]) -> Result<Arc<Self>> {
        let socket = std::net::UdpSocket::bind((wc.ip(), 0))?;
        let (wall_clock, mut events) = wc_client::start(socket, wc, AlgorithmName::default(), clock_error())?;
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let timelines = selectors.iter().map(|selector| {
            // What its ticks in a second are, CII tells later.
            let config = TsClientConfig::new(SetupData::new("", *selector), Ratio::ONE);
            let (follower, events) = ts_client::start(config);
            tokio::spawn(stay_connected(follower.clone(), events, format!("ws://{http}/ts")));
            (*selector, follower)
        });
        let timelines = timelines.collect();
        let client = Arc::new(Self { wall_clock, timelines, looks: Mutex::default() });
        let looking = Arc::downgrade(&client);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK);
            while let Some(client) = looking.upgrade() {
                client.look();
                drop(client);
                ticks.tick().await;
            }
        });
        Ok(client)
    }

    fn look(&self) {
        let look = self.wall_clock.call(|client, now| {
            let estimate = client.estimate(now)?;
            let bound = estimate.dispersion.as_nanos()?;
            Some(Look { at: now.as_nanos(), offset: estimate.offset_ns, bound })
        });
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() == KEPT {
            looks.pop_front();
        }
        looks.extend(look);
    }

    /// `[seconds ago, offset in µs, bound in µs]` of each look.
    fn plot(&self) -> Value {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = driver::now().as_nanos();
        looks
            .iter()
            .map(|l| json!([seconds(now.saturating_sub(l.at)), micros(l.offset), l.bound as f64 / 1e3]))
            .collect()
    }
}

/// Connects a client, and again whenever its connection is lost, until the client is ended.
async fn stay_connected(follower: Follower, mut events: Events<TsClientEvent>, url: String) {
    loop {
        if follower.connect_ws(&url, TS).await.is_ok() {
            loop {
                match events.next().await {
                    None => return,
                    Some(TsClientEvent::Disconnected { .. }) => break,
                    Some(_) => {}
                }
            }
        }
        tokio::select! {
            () = follower.stopped() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

impl Part for Dvb {
    fn name(&self) -> &'static str {
        "dvb"
    }

    fn title(&self) -> &'static str {
        "Television and companion screens"
    }

    fn panel(&self) -> &'static str {
        include_str!("../../web/dvb.js")
    }

    fn services(&self) -> Vec<Service> {
        let clients = self.tv.call(|tv, _| [CII, TS, WC].map(|door| tv.clients(door)));
        let answered = self.wall_clock.call(|wc, _| wc.stats().answered);
        let [cii, ts, wc] = clients;
        vec![
            Service {
                name: "dvb",
                role: "http",
                address: self.http,
                state: format!("/cii {cii}, /ts {ts}, /wc {wc} companions"),
            },
            Service {
                name: "dvb",
                role: "wc",
                address: self.wc,
                state: format!("{answered} requests answered"),
            },
        ]
    }

    fn hints(&self) -> Vec<String> {
        let (http, wc) = (on_this_machine(self.http), on_this_machine(self.wc));
        vec![
            format!("what the television shows: cargo run --bin cii-client -- ws://{http}/cii"),
            format!(
                "follow its timecode: cargo run --bin ts-client -- ws://{http}/ts udp://{wc} dvb:// {SELECTOR} 30"
            ),
        ]
    }

    fn exposes(&self) -> &'static str {
        "anybody may read what the television shows and where its timelines are"
    }

    fn state(&self, state: &mut Map<String, Value>) {
        let cii = self.tv.call(|tv, _| tv.cii().clone());
        let rates = cii.timelines.value().cloned().unwrap_or_default();
        let wall = self.client.wall_clock.call(|client, now| client.wall_clock(now)).map(|(ns, _)| ns);
        let timelines: Value = self
            .client
            .timelines
            .iter()
            .map(|(selector, follower)| {
                let option = rates.iter().find(|option| option.selector == *selector);
                let rate = option.map(|o| Ratio::new(o.units_per_second.into(), o.units_per_tick.into()));
                let line = follower.call(|client, _| client.line().copied()).zip(rate);
                let line = line.map(|(line, rate)| Linear { rate, ..line });
                let ticks = line.zip(wall).map(|(line, wall)| line.ticks_at(Ratio::from(wall)));
                json!({
                    "selector": selector,
                    "rate": rate.map(number),
                    "speed": line.map(|line| number(line.speed)),
                    "ticks": ticks.map(number),
                })
            })
            .collect();
        let dvb = json!({
            "cii": serde_json::from_str::<Value>(&cii.to_json()).unwrap_or_default(),
            "timelines": timelines,
            "plot": self.client.plot(),
            "companion": SELECTOR,
            // All but those of this process.
            "companions": self.tv.call(|tv, _| tv.clients(TS)).saturating_sub(self.client.timelines.len()),
        });
        state.insert("dvb".into(), dvb);
    }

    fn routes(&self) -> Router {
        Router::new()
            .route("/companion", get(|| async { page("companion", "companion", COMPANION) }))
            .route("/companion.js", get(|| async { asset(JAVASCRIPT, COMPANION_SCRIPT) }))
            .route("/dvb/{door}", any(join))
            .route("/api/dvb/channel", post(next_channel))
            .with_state(self.tv.clone())
    }

    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            for (_, follower) in &self.client.timelines {
                follower.shutdown(Duration::ZERO).await;
            }
            self.client.wall_clock.shutdown(GRACE).await;
            self.tv.shutdown(GRACE).await;
            self.wall_clock.shutdown(GRACE).await;
        })
    }
}

/// The end points on the page's own port, which is all that a page may reach.
async fn join(
    State(tv): State<Television>,
    Path(door): Path<String>,
    ConnectInfo(peer): ConnectInfo<crate::http::Peer>,
    request: Request,
) -> Response {
    let service = match door.as_str() {
        "cii" => CII,
        "ts" => TS,
        "wc" => WC,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    upgrade(
        request,
        move |io| async move { serve::attach_ws(&tv, io, service, peer.local, peer.remote).await },
    )
}

/// The next channel: first in transition, then there.
async fn next_channel(State(tv): State<Television>) -> Response {
    let change = |f: fn(&mut CiiMessage)| tv.call(|tv, now| tv.update_cii(now, f));
    let begun = change(|cii| {
        let now = cii.content_id.value().map(String::as_str);
        let at = CHANNELS.iter().position(|channel| Some(*channel) == now).map_or(0, |at| at + 1);
        cii.content_id = CHANNELS[at % CHANNELS.len()].into();
        cii.presentation_status = vec!["transitioning".into()].into();
    });
    if let Err(error) = begun {
        return (StatusCode::CONFLICT, format!("{error}\n")).into_response();
    }
    let tv = tv.clone();
    tokio::spawn(async move {
        tokio::time::sleep(TRANSITION).await;
        // the same content is there as before
        let _ =
            tv.call(|tv, now| tv.update_cii(now, |cii| cii.presentation_status = vec!["okay".into()].into()));
    });
    StatusCode::NO_CONTENT.into_response()
}

/// Companions come and go too often to be told of; what they say wrong is.
async fn log_events(log: Log, mut events: Events<TvServerEvent>) {
    while let Some(event) = events.next().await {
        match event {
            TvServerEvent::TimelineWanted { selector } => {
                log.say("dvb", format!("somebody follows {selector}"))
            }
            TvServerEvent::TimelineUnwanted { selector } => {
                log.say("dvb", format!("nobody follows {selector} any more"));
            }
            TvServerEvent::Unreadable { error, .. } => {
                log.bad("dvb", format!("a companion sent what is no message: {error}"));
            }
            _ => {}
        }
    }
}

/// Both ends' clocks are one crystal; 50 ppm is what such a one may be off.
fn clock_error() -> MaxFreqError {
    MaxFreqError::from_ppm(Ratio::from(50))
}

fn number(ratio: Ratio) -> f64 {
    format!("{ratio:.6}").parse().unwrap_or_default()
}

fn seconds(ns: u64) -> f64 {
    (ns / 1_000_000) as f64 / 1e3
}

fn micros(ns: i64) -> f64 {
    ns as f64 / 1e3
}
