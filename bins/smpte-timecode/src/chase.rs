//! Sessions that chase real timecode: LTC from a recording or a live source steers a session of the server.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use machine::Instant;
use smpte_timecode::Rate;
use smpte_timecode::ltc::{DecodedWord, Decoder, Position, RateEstimator};
use smpte_timecode::message::SessionId;
use smpte_timecode::server::{ServerCalls, SessionSpec};

use crate::serve::TimecodeServer;
use crate::wav::WavReader;

/// So much of a recording is searched for its rate, in seconds.
const LOOK_AHEAD_S: u64 = 30;
/// Words after which a rate that fits is believed without having seen a second end.
const WORDS_TO_TRUST: u32 = 60;
/// Silence after which the session rests, in seconds: the tape has stopped.
const HOLDOVER_S: u64 = 1;
/// The most by which a sound card's clock is taken to differ from ours.
const CLOCK_PPM: u32 = 200;

/// Where LTC comes from.
#[derive(Clone, Debug)]
pub struct Source {
    input: Input,
    repeat: bool,
}

#[derive(Clone, Debug)]
enum Input {
    Memory(&'static [u8]),
    File(PathBuf),
    Stdin,
}

impl Source {
    /// A WAV file, or standard input for `-`.
    pub fn from_name(name: &str) -> Self {
        let input = if name == "-" { Input::Stdin } else { Input::File(PathBuf::from(name)) };
        Self { input, repeat: false }
    }

    /// A WAV file in memory.
    pub fn from_bytes(wav: &'static [u8]) -> Self {
        Self { input: Input::Memory(wav), repeat: false }
    }

    /// From its start again at its end, for ever. Standard input has no start to go back to.
    #[must_use]
    pub fn repeat(self) -> Self {
        Self { repeat: true, ..self }
    }

    /// Whether its samples arrive as they are made; a recording is played at its own speed instead.
    fn is_live(&self) -> bool {
        matches!(self.input, Input::Stdin)
    }

    fn name(&self) -> String {
        match &self.input {
            Input::Memory(_) => "the recording".into(),
            Input::Stdin => "standard input".into(),
            Input::File(path) => path.display().to_string(),
        }
    }

    fn open(&self) -> Result<WavReader<Box<dyn Read + Send>>> {
        let input: Box<dyn Read + Send> = match &self.input {
            Input::Memory(wav) => Box::new(Cursor::new(*wav)),
            Input::Stdin => Box::new(io::stdin()),
            Input::File(path) => Box::new(File::open(path).with_context(|| self.name())?),
        };
        WavReader::open(input, 1).with_context(|| self.name())
    }
}

/// Makes a session called `name` that follows the LTC of `source`. It stays when the source ends, and rests then.
/// Returns once the rate is known and the session stands: for a live source that may take until somebody presses play.
///
/// # Errors
/// When the source cannot be read, holds no LTC, or counts at a rate that sessions do not have.
pub async fn follow(server: &TimecodeServer, name: &str, source: Source) -> Result<SessionId> {
    let chase = Chase { server: server.clone(), name: name.to_owned(), source };
    let (ready, made) = tokio::sync::oneshot::channel();
    // Reading samples blocks, and lasts as long as the source.
    std::thread::Builder::new().name("chase".into()).spawn(move || {
        if let Err(error) = chase.run(ready) {
            tracing::error!("{}: {error:#}", chase.name);
        }
    })?;
    made.await.context("the source ended before its rate was known")?
}

type Ready = tokio::sync::oneshot::Sender<Result<SessionId>>;

struct Chase {
    server: TimecodeServer,
    name: String,
    source: Source,
}

/// The session that follows, once its rate is known.
struct Following {
    id: SessionId,
    rate: Rate,
}

impl Chase {
    fn run(&self, ready: Ready) -> Result<()> {
        // A recording is looked through for its rate first, so that its session stands from the first label on.
        let known = if self.source.is_live() { Ok(None) } else { self.look_ahead() };
        let mut ready = Some(ready);
        let mut following = match known.and_then(|rate| rate.map(|rate| self.make_session(rate)).transpose())
        {
            Ok(following) => following,
            Err(error) => {
                let _ = ready.take().map(|ready| ready.send(Err(error)));
                return Ok(());
            }
        };
        loop {
            if let (Some(following), Some(ready)) = (&following, ready.take_if(|_| following.is_some())) {
                let _ = ready.send(Ok(following.id));
            }
            self.play(&mut following, &mut ready)?;
            if !self.source.repeat || self.source.is_live() {
                break;
            }
        }
        if let Some(Following { id, .. }) = following {
            tracing::info!("{}: the source has ended, the session rests", self.name);
            // It may rest already.
            let _ = self.server.call(|machine, now| machine.stop(now, id));
        }
        Ok(())
    }

    fn look_ahead(&self) -> Result<Option<Rate>> {
        let mut wav = self.source.open()?;
        let sample_rate = u64::from(wav.sample_rate());
        let mut search = RateSearch::try_new(wav.sample_rate())?;
        let mut samples = 0;
        let mut rate = None;
        while samples < LOOK_AHEAD_S * sample_rate && rate.is_none() {
            let Some(piece) = wav.next_samples()? else { break };
            samples += piece.len() as u64;
            search.decoder.decode(piece, |word| rate = rate.or(search.rates.look(&word)));
        }
        search.decoder.finish(|word| rate = rate.or(search.rates.look(&word)));
        let rate = rate.or_else(|| search.rates.likeliest());
        rate.map(Some)
            .with_context(|| format!("{}: no LTC in its first {LOOK_AHEAD_S} s", self.source.name()))
    }

    fn make_session(&self, rate: Rate) -> Result<Following> {
        let framerate = rate.to_string();
        let spec = SessionSpec::new(&framerate).with_name(&self.name).pinned();
        let made = self.server.call(|machine, now| machine.create_session(now, spec));
        let id =
            made.with_context(|| format!("{}: LTC at {framerate} frames a second", self.source.name()))?;
        Ok(Following { id, rate })
    }

    /// Goes through the source once, in its own time.
    fn play(&self, following: &mut Option<Following>, ready: &mut Option<Ready>) -> Result<()> {
        let mut wav = self.source.open()?;
        let sample_rate = wav.sample_rate();
        let mut search = RateSearch::try_new(sample_rate)?;
        let mut timeline = Timeline::new(sample_rate, self.source.is_live());
        let mut read = 0;
        let mut heard: Option<u64> = None;
        let mut words = Vec::new();
        while let Some(piece) = wav.next_samples()? {
            if self.server.is_stopped() {
                return Ok(());
            }
            read += piece.len() as u64;
            search.decoder.decode(piece, |word| words.push(word));
            timeline.reached(read);
            for word in words.drain(..) {
                if following.is_none()
                    && let Some(rate) = search.rates.look(&word)
                {
                    let made = self.make_session(rate)?;
                    let _ = ready.take().map(|ready| ready.send(Ok(made.id)));
                    *following = Some(made);
                }
                heard = Some(read);
                if let Some(Following { id, rate }) = following {
                    self.steer(*id, *rate, &word, &timeline);
                }
            }
            if let (Some(last), Some(Following { id, .. })) = (heard, &following)
                && read - last > HOLDOVER_S * u64::from(sample_rate)
            {
                heard = None;
                let _ = self.server.call(|machine, now| machine.stop(now, *id));
            }
        }
        Ok(())
    }

    fn steer(&self, id: SessionId, rate: Rate, word: &DecodedWord, timeline: &Timeline) {
        // A label that the rate does not have, such as after a cut to a tape at another rate, steers nothing.
        let Ok(label) = word.timecode(rate) else { return };
        let at = timeline.at(word.start);
        let steered = self.server.call(|machine, now| machine.steer(now, id, label.text().as_str(), at));
        if let Err(error) = steered {
            tracing::debug!("{}: {error}", self.name);
        }
    }
}

/// Finds words, and the rate at which they count.
struct RateSearch {
    decoder: Decoder,
    rates: Rates,
}

struct Rates {
    estimator: RateEstimator,
    words: u32,
}

impl RateSearch {
    fn try_new(sample_rate: u32) -> Result<Self> {
        let decoder =
            Decoder::try_new(sample_rate).with_context(|| format!("{sample_rate} samples a second"))?;
        Ok(Self { decoder, rates: Rates { estimator: RateEstimator::new(sample_rate), words: 0 } })
    }
}

impl Rates {
    /// The rate, once it is sure.
    fn look(&mut self, word: &DecodedWord) -> Option<Rate> {
        self.estimator.push(word);
        self.words += 1;
        let estimate = self.estimator.estimate()?;
        let sure = estimate.is_measured && (estimate.is_counted || self.words >= WORDS_TO_TRUST);
        sure.then_some(estimate.rate)
    }

    fn likeliest(&self) -> Option<Rate> {
        self.estimator.estimate().map(|estimate| estimate.rate)
    }
}

/// Which instant a position in the source is.
struct Timeline {
    sample_rate: u32,
    live: bool,
    /// When sample 0 was.
    origin: Option<Instant>,
    updated: Instant,
}

impl Timeline {
    fn new(sample_rate: u32, live: bool) -> Self {
        Self { sample_rate, live, origin: None, updated: driver::now() }
    }

    /// So many samples have been read. A recording is held back here until they are over.
    fn reached(&mut self, samples: u64) {
        let length = Duration::from_nanos(self.nanos(i128::from(samples) * 256).unsigned_abs());
        let now = driver::now();
        if !self.live {
            let origin = *self.origin.get_or_insert(now);
            std::thread::sleep((origin + length).saturating_since(now));
            return;
        }
        // Samples of a live source come late and in lumps, but never early: the earliest arrival tells the origin,
        // and is given up slowly, as the source's clock is not ours.
        let latest = now.saturating_sub(length);
        let slack = now.saturating_since(self.updated) * CLOCK_PPM / 1_000_000;
        self.origin = Some(self.origin.map_or(latest, |origin| latest.min(origin + slack)));
        self.updated = now;
    }

    fn at(&self, position: Position) -> Instant {
        let origin = self.origin.unwrap_or_else(driver::now);
        let after = self.nanos(i128::from(position.in_256ths()));
        match u64::try_from(after) {
            Ok(after) => origin + Duration::from_nanos(after),
            Err(_) => origin.saturating_sub(Duration::from_nanos(after.unsigned_abs())),
        }
    }

    /// Nanoseconds of so many 1/256 samples.
    fn nanos(&self, position: i128) -> i64 {
        let nanos = position * 1_000_000_000 / (256 * i128::from(self.sample_rate));
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}
