//! A timeline that follows a timecode session of an smpte-server: one tick is one frame.

use std::time::Duration;

use driver::{Driver, Events, Limits};
use dvb_css::Ratio;
use dvb_css::message::{CiiMessage, ControlTimestamp, Field, TimelineOption};
use dvb_css::server::{TimelineId, TvCalls, UpdateCii};
use dvb_css::timeline::TimelineState;
use machine::Service;
use smpte_timecode::client::{Client, Event};
use smpte_timecode::config::ClientConfig;
use smpte_timecode::session::SessionClock;
use smpte_timecode::{Rate, Timecode};
use tokio::sync::watch;

use crate::serve::Television;

/// The selector of the timeline.
pub const SELECTOR: &str = "urn:genlock:timeline:smpte";

/// Which session to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `host:port` of the server.
    pub server: String,
    /// The session's id, or the beginning of it.
    pub session: String,
}

impl std::str::FromStr for Source {
    type Err = String;

    /// Reads `smpte:HOST:PORT/SESSION`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.strip_prefix("smpte:").and_then(|rest| rest.split_once('/'));
        let (server, session) = parts.unwrap_or_default();
        let port = server.rsplit_once(':').map(|(host, port)| (!host.is_empty(), port.parse::<u16>()));
        match port {
            Some((true, Ok(_))) if !session.is_empty() => {
                Ok(Self { server: server.into(), session: session.into() })
            }
            _ => Err("not smpte:HOST:PORT/SESSION".into()),
        }
    }
}

/// What `--timeline` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timeline {
    /// A session of a server.
    Server(Source),
    /// A session of the cluster: its id, or the beginning of it.
    Cluster(String),
}

impl std::str::FromStr for Timeline {
    type Err = String;

    /// Reads `smpte:HOST:PORT/SESSION` or `cluster:SESSION`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("cluster:") {
            Some("") => Err("not cluster:SESSION".into()),
            Some(session) => Ok(Self::Cluster(session.into())),
            None => text.parse().map(Self::Server),
        }
    }
}

/// Puts a new state in the place of one, in which the timeline of a session stays named if it was.
pub fn replace_state(cii: &mut CiiMessage, new: CiiMessage) {
    let old = std::mem::replace(cii, new);
    let named = old.timelines.value().and_then(|all| all.iter().find(|t| t.selector == SELECTOR));
    if let Some(timeline) = named {
        name_timeline(cii, timeline.clone());
    }
}

/// Names the timeline of a session among the others.
fn name_timeline(cii: &mut CiiMessage, timeline: TimelineOption) {
    let mut all = cii.timelines.value().cloned().unwrap_or_default();
    all.retain(|other| other.selector != SELECTOR);
    all.push(timeline);
    cii.timelines = Field::Value(all);
}

/// Offers the timeline and follows the session until the television ends; a server that is gone is asked again.
///
/// # Errors
/// When the television has too many timelines.
pub async fn follow(television: Television, source: Source) -> anyhow::Result<()> {
    let id = television.call(|tv, now| tv.add_timeline(now, SELECTOR, TimelineState::Unavailable))?;
    let mut follower = Follower { television: television.clone(), id, offered: None, told: None };
    loop {
        let (client, events) = Driver::start(Client::new(ClientConfig::new()), Limits::default());
        match client.connect_tcp(&source.server, Service(0)).await {
            Ok(_) => {
                tokio::select! {
                    () = television.stopped() => {}
                    () = follower.run(&client, events, &source.session) => {}
                }
            }
            Err(error) => tracing::warn!(target: LOGGER, "{}: {error}", source.server),
        }
        client.shutdown(Duration::ZERO).await;
        follower.tell(TimelineState::Unavailable);
        tokio::select! {
            () = television.stopped() => return Ok(()),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Offers the timeline and keeps it at a session of a server in the same process, to the nanosecond: `clock` tells the
/// session's clock, and says so whenever it is another. Returns when the television or the server ends.
///
/// # Errors
/// When the television has too many timelines.
pub async fn follow_clock(
    television: Television,
    mut clock: watch::Receiver<Option<SessionClock>>,
) -> anyhow::Result<()> {
    let id = television.call(|tv, now| tv.add_timeline(now, SELECTOR, TimelineState::Unavailable))?;
    let mut follower = Follower { television: television.clone(), id, offered: None, told: None };
    loop {
        let now_is = *clock.borrow_and_update();
        let state = now_is.map(|clock| {
            let moment = clock.at(driver::now());
            follower.offer(moment.label.rate());
            let wall = television.call(|tv, _| i128::from(tv.wall_clock().at(moment.began)));
            let speed = if clock.is_running() { Ratio::ONE } else { Ratio::ZERO };
            TimelineState::At(ControlTimestamp::available(moment.label.frame().into(), wall, speed))
        });
        follower.tell(state.unwrap_or(TimelineState::Unavailable));
        tokio::select! {
            changed = clock.changed() => if changed.is_err() { break },
            () = television.stopped() => return Ok(()),
        }
    }
    follower.tell(TimelineState::Unavailable);
    Ok(())
}

struct Follower {
    television: Television,
    id: TimelineId,
    /// The rate that is named in CII.
    offered: Option<Rate>,
    told: Option<TimelineState>,
}

impl Follower {
    /// Follows one connection until it ends.
    async fn run(&mut self, client: &Driver<Client>, mut events: Events<Event>, session: &str) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    None | Some(Event::Disconnected(_)) => return,
                    Some(Event::Extensions { .. }) => {
                        if let Err(error) = client.call(|client, _| client.join(session)) {
                            tracing::warn!(target: LOGGER, "{error}");
                        }
                    }
                    Some(Event::SessionJoined { id, framerate, .. }) => {
                        tracing::info!(target: LOGGER, "following session {id} at {framerate} frames a second");
                    }
                    Some(Event::ServerError { message }) => tracing::warn!(target: LOGGER, "{message}"),
                    Some(Event::Refused(error)) => tracing::warn!(target: LOGGER, "{error}"),
                    Some(_) => {}
                },
                _ = looks.tick() => {}
            }
            self.look(client);
        }
    }

    fn look(&mut self, client: &Driver<Client>) {
        let found = client.call(|client, now| {
            let status = client.status();
            let session = status.session.as_ref()?;
            if let Some(moment) = client.moment(now) {
                let began = if session.running { moment.began } else { now };
                return Some((moment.timecode.rate(), moment.frame, session.running, began));
            }
            // One that has never run has told no position yet, but it shows a label.
            let rate: Rate = session.framerate.parse().ok().filter(|_| !session.running)?;
            Some((rate, Timecode::parse(&session.label, rate).ok()?.frame().into(), false, now))
        });
        let Some((rate, frame, running, at)) = found else { return self.tell(TimelineState::Unavailable) };
        self.offer(rate);
        let wall = self.television.call(|tv, _| i128::from(tv.wall_clock().at(at)));
        let speed = if running { Ratio::ONE } else { Ratio::ZERO };
        let state = ControlTimestamp::available(i128::from(frame), wall, speed);
        if !self.is_told(&state, rate) {
            self.tell(TimelineState::At(state));
        }
    }

    /// Whether clients know it already, to within a millisecond: what the session's clock is known to varies a little.
    fn is_told(&self, new: &ControlTimestamp, rate: Rate) -> bool {
        let Some(TimelineState::At(told)) = self.told else { return false };
        let (Some(was), Some(is)) = (told.timeline, new.timeline) else { return false };
        let Some(expected) = told.content_ticks_at(new.wall_clock_time, tick_rate(rate)) else {
            return false;
        };
        let off = (expected - Ratio::from(is.content_time)).abs();
        let a_millisecond = tick_rate(rate) * Ratio::new(1, 1000);
        was.speed == is.speed && off <= a_millisecond
    }

    fn tell(&mut self, state: TimelineState) {
        if self.told.replace(state) == Some(state) {
            return;
        }
        // the timeline is there as long as we are
        let _ = self.television.call(|tv, now| tv.set_timeline(now, self.id, state));
    }

    /// Names the timeline in CII, with its rate.
    fn offer(&mut self, rate: Rate) {
        if self.offered.replace(rate) == Some(rate) {
            return;
        }
        let option = TimelineOption::new(SELECTOR, rate.denominator().into(), rate.numerator().into());
        let result = self.television.call(|tv, now| tv.update_cii(now, |cii| name_timeline(cii, option)));
        if let Err(error) = result {
            tracing::warn!(target: LOGGER, "{error}");
        }
    }
}

fn tick_rate(rate: Rate) -> Ratio {
    Ratio::new(rate.numerator().into(), rate.denominator().into())
}

const LOGGER: &str = "TVDevice";
/// How often the session's clock is looked at besides its messages.
const LOOK: Duration = Duration::from_millis(100);
/// Pause before a server that is gone is asked again.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read() {
        let source = "smpte:localhost:8080/3f2a".parse::<Source>();
        assert_eq!(source, Ok(Source { server: "localhost:8080".into(), session: "3f2a".into() }));
        for bad in
            ["smpte:localhost/3f", "smpte:localhost:8080/", "localhost:1/x", "smpte::1/x", "smpte:a:99999/x"]
        {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
        assert_eq!("smpte:localhost:8080/3f2a".parse(), source.map(Timeline::Server));
        assert_eq!("cluster:3f2a".parse(), Ok(Timeline::Cluster("3f2a".into())));
        assert!("cluster:".parse::<Timeline>().is_err());
    }

    #[test]
    fn a_new_state_keeps_the_timeline_of_a_session() {
        let [first, second] = [24, 25].map(|rate| TimelineOption::new(SELECTOR, 1, rate));
        let other = TimelineOption::new("a", 1, 50);
        let with = |timelines: &[&TimelineOption]| {
            let mut cii = CiiMessage::default();
            cii.timelines = Field::Value(timelines.iter().map(|&timeline| timeline.clone()).collect());
            cii
        };
        let mut cii = with(&[&first]);
        replace_state(&mut cii, with(&[&other]));
        assert_eq!(cii, with(&[&other, &first]));
        replace_state(&mut cii, with(&[&second]));
        assert_eq!(cii, with(&[&first]));
        let mut none = with(&[&other]);
        replace_state(&mut none, CiiMessage::default());
        assert_eq!(none, CiiMessage::default());
    }
}
