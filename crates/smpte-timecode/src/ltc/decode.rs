//! Samples to words.
//!
//! Three ways of looking at the signal, of which one is in use at a time:
//!
//! * a search, while there is none: `search`;
//! * a tracker that reads bits out of noise: `soft`;
//! * run lengths, many times faster, for as long as the signal is clean: `run`.
//!
//! All work on the latest samples, kept in a ring of more than a second, so when the search finds a signal the tracker
//! starts at the beginning of it and nothing is lost.

use thiserror::Error;

use super::framer::{Found, Framer};
use super::history::{BLOCK, Fixed, History, ONE};
use super::run::{Run, RunStep};
use super::samples::Samples;
use super::search::Search;
use super::sequence::{DecodedWord, Sequence};
use super::soft::{Cell, Lock, Step, Tracker, fixed};
use super::word::Word;

/// What a decoder cannot be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecoderError {
    /// LTC at normal speed needs 4800 samples a second at 24 frames, 6000 at 30: 2.5 a bit.
    #[error("sample rate {found} is not from {min} to {max}")]
    SampleRate {
        /// The lowest.
        min: u32,
        /// The highest.
        max: u32,
        /// As asked for.
        found: u32,
    },
}

/// Finds LTC in a stream of samples.
///
/// Takes pieces of any size; what it finds does not depend on them. Works forwards and backwards, from 1/20 of
/// normal speed up to where a bit has 2.5 samples (at 48 kHz ten times normal speed at 24 frames a second, 8 times at
/// 30), at any level, on hum and direct voltage, and in noise as strong as the signal. Reports no label that
/// is not certain. Of a clean signal with 5 samples a bit or more every whole word is reported; with fewer the first or
/// last can be missed (seldom down to 3.1), and below 3 an only word is: see [`Continuity`] and [`DecodedWord::confidence`].
///
/// A word is reported some hundred samples after its end, the first one after a start or a jump a word later.
///
/// Allocates only when it is made: some 270 KiB at 48 kHz, in proportion to the sample rate.
///
/// [`Continuity`]: super::Continuity
///
/// ```
/// use smpte_timecode::ltc::{Decoder, Encoder, EncoderConfig};
/// use smpte_timecode::{Rate, Timecode};
///
/// let start = Timecode::parse("01:00:00;00", Rate::FPS_29_97_DF)?;
/// let mut encoder = Encoder::try_new(EncoderConfig::new(start, 48_000))?;
/// let mut samples = vec![0_i16; 4805];
/// encoder.fill_i16(&mut samples);
///
/// let mut decoder = Decoder::try_new(48_000)?;
/// let mut words = Vec::new();
/// for piece in samples.chunks(100) {
///     decoder.decode(piece, |word| words.push(word));
/// }
/// decoder.finish(|word| words.push(word));
///
/// let labels: Vec<_> = words.iter().map(|word| word.timecode(Rate::FPS_29_97_DF)).collect();
/// assert_eq!(labels, [Ok(start), Ok(start + 1), Ok(start + 2)]);
/// assert_eq!(words.iter().map(|word| word.start.sample()).collect::<Vec<_>>(), [0, 1602, 3203]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    history: History,
    /// Samples that do not make a block yet.
    rest: [f32; BLOCK],
    rest_len: usize,
    mode: Mode,
    run: Run,
    search: Search,
    framer: Framer,
    sequence: Sequence,
    /// The end of the last word, and the length of its cells.
    last_end: Fixed,
    word_period: Fixed,
    /// Words found since the search found a signal, and cells since the last of them.
    words: u32,
    wordless_cells: u32,
    /// Clean cells that the tracker must see before run lengths are used.
    wanted_clean: u32,
    /// What to go back to should run lengths not get as far as a word.
    before_run: Option<(Tracker, Framer)>,
    /// Words found by run lengths since they were last taken to.
    run_words: u32,
}

#[derive(Clone, Debug)]
enum Mode {
    Search,
    Soft(Tracker),
    Run,
}

/// Clean cells wanted at first, and at most after run lengths were used too soon.
const MIN_CLEAN: u32 = 16;
const MAX_CLEAN: u32 = 1024;
/// Fewer words than this by run lengths were too few for the change.
const LONG_RUN: u32 = 10;
/// A signal that had words and has had none for this many cells is none any more.
const MAX_WORDLESS: u32 = 250;
/// One that never had a word is none, or its speed is not what it seemed: this many cells have a whole word in them.
const MAX_WORDLESS_AT_FIRST: u32 = 2 * Word::BITS + 10;
/// Cells after which a signal without a word is looked at for weak ones: those of a word.
const FIRST_CHECK: u32 = Word::BITS;
/// Cells a second at the slowest: 80 bits at 24000/1001 words a second and 1/20 of normal speed.
const SLOWEST_CELLS: u32 = 95;
/// Cells that the history holds at the slowest: a word, and what the search needs.
const CELLS_KEPT: u32 = 100;

impl Decoder {
    /// The fewest samples a second: 2.5 a bit at 24 frames a second.
    pub const MIN_SAMPLE_RATE: u32 = 4800;
    /// The most samples a second.
    pub const MAX_SAMPLE_RATE: u32 = 3_072_000;

    /// For this many samples a second. It need not be exact: it only sets the slowest speed, how much is kept.
    ///
    /// # Errors
    ///
    /// If it is not from [`MIN_SAMPLE_RATE`](Self::MIN_SAMPLE_RATE) to [`MAX_SAMPLE_RATE`](Self::MAX_SAMPLE_RATE).
    pub fn try_new(sample_rate: u32) -> Result<Self, DecoderError> {
        let (min, max) = (Self::MIN_SAMPLE_RATE, Self::MAX_SAMPLE_RATE);
        if sample_rate < min || sample_rate > max {
            return Err(DecoderError::SampleRate { min, max, found: sample_rate });
        }
        let longest_cell = sample_rate.div_ceil(SLOWEST_CELLS);
        let history = History::new((longest_cell * CELLS_KEPT) as usize);
        Ok(Self {
            run: Run::new(history.block_count()),
            history,
            rest: [0.0; BLOCK],
            rest_len: 0,
            mode: Mode::Search,
            search: Search::new(longest_cell),
            framer: Framer::new(),
            sequence: Sequence::new(),
            last_end: 0,
            word_period: 0,
            words: 0,
            wordless_cells: 0,
            wanted_clean: MIN_CLEAN,
            before_run: None,
            run_words: 0,
        })
    }

    /// Reports clean words at once whatever their neighbours say, for streams whose labels have nothing to do with
    /// each other. Then a label can be wrong: where recordings were cut together inside a word.
    pub fn accept_unrelated_labels(&mut self, accept: bool) {
        self.sequence.accept_unrelated(accept);
    }

    /// Takes the next samples and reports the words that became certain, in order.
    pub fn decode<'a>(&mut self, samples: impl Into<Samples<'a>>, mut found: impl FnMut(DecodedWord)) {
        let mut samples = samples.into();
        if self.rest_len > 0 {
            let (now, later) = samples.split_at(BLOCK - self.rest_len);
            self.keep(now);
            if self.rest_len < BLOCK {
                return;
            }
            *self.history.next_block() = self.rest;
            self.rest_len = 0;
            self.take_block(&mut found);
            samples = later;
        }
        while samples.len() >= BLOCK {
            let (now, later) = samples.split_at(BLOCK);
            now.copy_to(self.history.next_block());
            self.take_block(&mut found);
            samples = later;
        }
        self.keep(samples);
    }

    /// The stream has ended: reports what was still held back, and is as new for another stream.
    pub fn finish(&mut self, mut found: impl FnMut(DecodedWord)) {
        let of_last_block = self.rest_len;
        if of_last_block > 0 {
            if let Some(padding) = self.rest.get_mut(of_last_block..) {
                padding.fill(0.0);
            }
            *self.history.next_block() = self.rest;
            self.rest_len = 0;
            self.history.commit();
        }
        self.history.end(of_last_block);
        if matches!(self.mode, Mode::Run) {
            self.leave_run();
        }
        self.advance(&mut found);
        // what the tracker followed to the end may have been no signal, and there another to be found
        while !matches!(self.mode, Mode::Search) {
            self.lose_signal(Fixed::MAX, &mut found);
            self.advance(&mut found);
        }
        self.history.clear();
        self.search.clear();
        self.sequence.clear();
        (self.last_end, self.word_period) = (0, 0);
        self.wanted_clean = MIN_CLEAN;
    }

    /// Adds samples to those that do not make a block yet.
    fn keep(&mut self, samples: Samples<'_>) {
        if let Some(free) = self.rest.get_mut(self.rest_len..) {
            let count = samples.len().min(free.len());
            samples.copy_to(free);
            self.rest_len += count;
        }
    }

    /// A block is in its place.
    #[inline]
    fn take_block(&mut self, found: &mut impl FnMut(DecodedWord)) {
        self.history.commit();
        if matches!(self.mode, Mode::Run) {
            self.run.add_block(&self.history, self.history.head() - BLOCK as u64);
        }
        self.advance(found);
    }

    /// Goes on as far as there are samples.
    fn advance(&mut self, found: &mut impl FnMut(DecodedWord)) {
        loop {
            match &mut self.mode {
                Mode::Run => match self.run.step(&self.history, &mut self.framer) {
                    RunStep::Wait => return,
                    RunStep::Word(word) => self.take_run_word(word, found),
                    RunStep::Irregular => self.leave_run(),
                },
                Mode::Soft(tracker) => match tracker.step(&self.history) {
                    Step::Wait => return,
                    Step::Lost(since) => self.lose_signal(since, found),
                    Step::Cell(cell) => self.take_soft_cell(cell, found),
                },
                Mode::Search => match self.search.find(&self.history) {
                    None => return,
                    Some(lock) => {
                        let lock = Tracker::settle(&self.history, lock);
                        let lock = Tracker::backtrack(&self.history, lock, self.search.floor());
                        self.framer.restart();
                        (self.words, self.wordless_cells) = (0, 0);
                        self.mode = Mode::Soft(Tracker::new(&self.history, lock));
                    }
                },
            }
        }
    }

    fn take_run_word(&mut self, mut word: Found, found: &mut impl FnMut(DecodedWord)) {
        self.before_run = None;
        self.run_words = self.run_words.saturating_add(1);
        let follows = (word.start - self.last_end).abs() < 2 * ONE;
        word.start = if follows { self.last_end } else { self.run.refine(&self.history, word.start) };
        word.end = self.run.refine(&self.history, word.end);
        self.take_word(&word, self.run.amplitude(), found);
    }

    fn take_soft_cell(&mut self, cell: Cell, found: &mut impl FnMut(DecodedWord)) {
        let Mode::Soft(tracker) = &self.mode else { return };
        let (amplitude, end) = (tracker.amplitude(), tracker.boundary());
        self.wordless_cells += 1;
        if let Some(word) = self.framer.push(cell) {
            self.take_word(&word, amplitude, found);
        } else if self.words > 0 && self.wordless_cells > MAX_WORDLESS
            || self.words == 0 && self.is_hopeless()
        {
            return self.lose_signal(end, found);
        }
        let Mode::Soft(tracker) = &self.mode else { return };
        let is_clean = tracker.clean_cells() >= self.wanted_clean && !self.history.has_ended();
        if is_clean && self.run.begin(&self.history, tracker) {
            self.before_run = Some((tracker.clone(), self.framer.clone()));
            self.run_words = 0;
            self.mode = Mode::Run;
        }
    }

    /// Whether what has had no word so far is not worth following: the search goes on from where it was, since the
    /// speed may be another one. All user bits equal look like a signal at other speeds.
    fn is_hopeless(&self) -> bool {
        self.wordless_cells > MAX_WORDLESS_AT_FIRST
            || self.wordless_cells == FIRST_CHECK && self.framer.is_all_weak()
    }

    fn take_word(&mut self, word: &Found, amplitude: f32, found: &mut impl FnMut(DecodedWord)) {
        self.last_end = word.end;
        self.word_period = (word.end - word.start) / Fixed::from(Word::BITS);
        if self.sequence.push(word, amplitude, found) {
            (self.words, self.wordless_cells) = (self.words.saturating_add(1), 0);
        }
    }

    /// The tracker goes on where run lengths cannot.
    fn leave_run(&mut self) {
        let was_short = self.run_words < LONG_RUN;
        self.wanted_clean = if was_short { (self.wanted_clean * 2).min(MAX_CLEAN) } else { MIN_CLEAN };
        if let Some((tracker, framer)) = self.before_run.take() {
            // it looked clean, but was noise that had let up: read these bits again with more care
            if tracker.boundary() - tracker.period() > fixed(self.history.tail()) {
                (self.mode, self.framer) = (Mode::Soft(tracker), framer);
                return;
            }
        }
        let (expected, crossing) = (self.run.expected(), self.run.refine(&self.history, self.run.boundary()));
        let boundary = if (crossing - expected).abs() < ONE { crossing } else { expected };
        // that of the last word is more exact, if the speed is still the same
        let (latest, amplitude) = (self.run.period(), self.run.amplitude());
        let period = if (latest - self.word_period).abs() < latest / 32 { self.word_period } else { latest };
        self.mode = Mode::Soft(Tracker::new(&self.history, Lock { boundary, period, amplitude }));
    }

    /// There is no signal from `position` on.
    fn lose_signal(&mut self, position: Fixed, found: &mut impl FnMut(DecodedWord)) {
        self.sequence.signal_lost(self.framer.cells(), found);
        if self.words > 0 {
            self.search.restart(position);
        }
        self.mode = Mode::Search;
    }
}
