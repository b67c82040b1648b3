//! The node that a television is.

use std::time::Duration;

use anyhow::Result;
use dvb_css::message::{CiiMessage, Field};
use dvb_css::server::UpdateCii;
use smpte_programs::cluster::{self, ClusterArgs, Joined, SharedEntry};
use smpte_programs::serve::{self, TimecodeServer};
use smpte_timecode::UsageError;
use smpte_timecode::config::ServerConfig;
use smpte_timecode::message::SessionId;
use smpte_timecode::session::SessionClock;
use smpte_timecode::session::replicated::{MAX_ENTRY, Node};
use tokio::sync::watch;

use super::Content;
use crate::options::Telling;
use crate::serve::Television;
use crate::smpte;
use crate::state_file::{LOOK, read_cii};

/// The part in a cluster of one television.
#[derive(Debug)]
pub struct Cluster {
    /// Knows the sessions. Nobody can connect to it.
    sessions: TimecodeServer,
    joined: Joined,
    state: SharedEntry,
    telling: Telling,
}

impl Cluster {
    /// Connects to the engine, if one is wanted.
    ///
    /// # Errors
    /// With one line, when the options make no sense or the engine cannot be used.
    pub(super) async fn join(args: &ClusterArgs, telling: Telling) -> Result<Option<Self>> {
        let (config, for_sessions) = args.connect(ServerConfig::new(driver::seed())).await?;
        let (Some(for_sessions), Some(node)) = (for_sessions, config.cluster) else { return Ok(None) };
        let Some(for_state) = args.engine("css").await? else { return Ok(None) };
        let (sessions, events) = serve::start(config);
        let joined = cluster::join(&sessions, events, for_sessions);
        let state = SharedEntry::follow(for_state, node.name, KEY);
        Ok(Some(Self { sessions, joined, state, telling }))
    }

    /// Lets a television follow the session whose id begins so, and take part in what is said of the content, until the
    /// television ends.
    ///
    /// # Errors
    /// When the television has too many timelines.
    pub(super) async fn run(
        self,
        television: &Television,
        session: Option<&str>,
        content: Content,
    ) -> Result<()> {
        let Self { sessions, joined, state, telling } = self;
        let (tell, clock) = watch::channel(None);
        let timeline = async {
            match session {
                Some(_) => smpte::follow_clock(television.clone(), clock).await,
                None => Ok(()),
            }
        };
        let search = async {
            // Before that nobody knows how right this machine's clock is.
            if joined.serves.await.is_ok() {
                telling.serving_the_cluster();
            }
            if let Some(beginning) = session {
                let search = Search { sessions: &sessions, beginning, found: None, said: None };
                search.run(joined.heard, tell).await;
            }
            anyhow::Ok(())
        };
        let content = async {
            match content {
                Content::Told => tell_state(television, &state).await,
                Content::Followed => follow_state(television, &state).await,
            }
            anyhow::Ok(())
        };
        let result = tokio::select! {
            result = async { tokio::try_join!(timeline, search, content) } => result.map(|_| ()),
            () = television.stopped() => Ok(()),
        };
        sessions.shutdown(Duration::ZERO).await;
        result
    }
}

/// Looks for a session, and after its clock when it is found.
struct Search<'a> {
    sessions: &'a TimecodeServer,
    /// How its id begins.
    beginning: &'a str,
    found: Option<SessionId>,
    /// Why there is none, as was told last.
    said: Option<UsageError>,
}

impl Search<'_> {
    /// Tells its clock whenever it is another one, as long as the server goes on.
    async fn run(mut self, mut heard: watch::Receiver<()>, tell: watch::Sender<Option<SessionClock>>) {
        loop {
            let clock = self.look();
            tell.send_if_modified(|told| std::mem::replace(told, clock) != clock);
            tokio::select! {
                // There can be many to look through, and much to hear.
                changed = heard.changed(), if self.found.is_some() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn look(&mut self) -> Option<SessionClock> {
        let stays = |node: &Node| self.found.filter(|id| node.session(*id).is_some());
        let found = self.sessions.call(|machine, _| {
            let node = machine.node().ok_or(UsageError::NoSuchSession)?;
            let pick = || pick(node.sessions().map(|(id, _)| id), self.beginning);
            let id = stays(node).map_or_else(pick, Ok)?;
            let rate = node.session(id).map_or("", |entry| entry.clock.framerate.name());
            Ok::<_, UsageError>((id, rate, machine.clock(id)))
        });
        match found {
            Ok((id, rate, clock)) => {
                if self.found.replace(id) != Some(id) {
                    tracing::info!(target: LOGGER, "following session {id} at {rate} frames a second");
                }
                self.said = None;
                clock
            }
            Err(error) => {
                if self.said.replace(error) != Some(error) {
                    tracing::warn!(target: LOGGER, "cluster:{}: {error}", self.beginning);
                }
                self.found = None;
                None
            }
        }
    }
}

/// The only session whose id begins so.
fn pick(all: impl Iterator<Item = SessionId>, beginning: &str) -> Result<SessionId, UsageError> {
    let mut matches = all.filter(|id| id.to_string().starts_with(beginning));
    let first = matches.next().ok_or(UsageError::NoSuchSession)?;
    match u32::try_from(matches.count()).unwrap_or(u32::MAX) {
        0 => Ok(first),
        others => Err(UsageError::Ambiguous { matches: others.saturating_add(1) }),
    }
}

/// Writes what a television says of its content, whenever that changes.
async fn tell_state(television: &Television, state: &SharedEntry) {
    let mut looks = tokio::time::interval(LOOK);
    let mut told = None;
    loop {
        looks.tick().await;
        let mut cii = television.call(|tv, _| tv.cii().clone());
        // What a television offers it names itself.
        cii.timelines = Field::Absent;
        if told.as_ref() == Some(&cii) {
            continue;
        }
        let json = cii.to_json();
        if json.len() <= MAX_STATE {
            state.write(json);
        } else {
            let length = json.len();
            tracing::error!(
                target: LOGGER,
                "the state has {length} bytes, and {MAX_STATE} fit into the cluster's: the others keep the old one"
            );
        }
        told = Some(cii);
    }
}

/// Lets a television say what the entry says. What that says nothing of, of addresses, stays as it was.
async fn follow_state(television: &Television, state: &SharedEntry) {
    let own = television.call(|tv, _| tv.cii().clone());
    let mut values = state.values();
    loop {
        let value = values.borrow_and_update().clone();
        if let Some(Err(error)) = value.map(|value| take_over(television, &value, &own)) {
            tracing::error!(target: LOGGER, "the state of the cluster: {error:#}; the old one stays");
        }
        if values.changed().await.is_err() {
            return;
        }
    }
}

fn take_over(television: &Television, value: &[u8], own: &CiiMessage) -> Result<()> {
    let mut cii = read_cii(std::str::from_utf8(value)?)?;
    let fields = [
        (&mut cii.protocol_version, &own.protocol_version),
        (&mut cii.ts_url, &own.ts_url),
        (&mut cii.wc_url, &own.wc_url),
    ];
    for (field, own) in fields {
        if field.is_absent() {
            field.clone_from(own);
        }
    }
    television.call(|tv, now| tv.update_cii(now, |old| smpte::replace_state(old, cii)))?;
    Ok(())
}

/// The entry that holds what televisions say of their content.
const KEY: &str = "cii";
/// What an entry can hold, with room for what the engine puts in front of it.
const MAX_STATE: usize = MAX_ENTRY - 64;
const LOGGER: &str = "TVDevice";

#[cfg(test)]
mod tests {
    use dvb_css::config::TvServerConfig;
    use dvb_css::message::TimelineOption;
    use dvb_css::server::TvCalls;

    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_enough_if_no_other_begins_so() {
        let [a, b] = [0x10, 0x11].map(|byte| SessionId::from_random([byte; 16]));
        let pick = |beginning: &str| pick([a, b].into_iter(), beginning);
        assert_eq!((pick("10"), pick(&b.to_string())), (Ok(a), Ok(b)));
        assert_eq!(pick("1"), Err(UsageError::Ambiguous { matches: 2 }));
        assert_eq!(pick("2"), Err(UsageError::NoSuchSession));
    }

    #[tokio::test]
    async fn addresses_and_timeline_are_the_televisions_own_where_the_entry_has_none() {
        let (television, _events) = crate::serve::start_television(TvServerConfig::default());
        let own = crate::cluster::first_cii(6677);
        let timeline = TimelineOption::new(smpte::SELECTOR, 1, 25);
        let with_timeline = |cii: &CiiMessage| {
            let mut cii = cii.clone();
            cii.timelines = vec![timeline.clone()].into();
            cii
        };
        television.call(|tv, now| tv.set_cii(now, with_timeline(&own))).unwrap();
        take_over(&television, br#"{"contentId": "dvb://1", "wcUrl": "udp://10.0.0.1:6677"}"#, &own).unwrap();
        let mut expected = CiiMessage::default();
        expected.protocol_version = "1.1".into();
        expected.content_id = "dvb://1".into();
        expected.ts_url = own.ts_url.clone();
        expected.wc_url = "udp://10.0.0.1:6677".into();
        let expected = with_timeline(&expected);
        let said = || television.call(|tv, _| tv.cii().clone());
        assert_eq!(said(), expected);
        let long = format!(r#"{{"contentId": "{}"}}"#, "x".repeat(4000));
        for garbage in [&b"\xff"[..], b"", b"{", b"[]", br#"{"contentIdStatus": "maybe"}"#, long.as_bytes()] {
            assert!(take_over(&television, garbage, &own).is_err());
            assert_eq!(said(), expected);
        }
    }
}
