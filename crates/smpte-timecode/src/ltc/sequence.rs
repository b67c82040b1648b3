//! Words in their order: a label is reported once its neighbours agree with it.
//!
//! A word can be whole and clean and its label still wrong: where one recording was cut into another in the middle of
//! a word, half of the label is from either. Parity does not show it. What shows it is that such a label follows on
//! nothing and nothing follows on it. So a word is reported at once if it follows on the last one reported, and one
//! that does not waits for the next word to follow on it; in noise, for the next three. A word that is alone in its
//! stream is reported if it is clean.

use super::framer::Found;
use super::history::Fixed;
use super::word::Word;
use crate::address::{Address, AddressError};
use crate::{Fields, Rate, Timecode};

/// A position in a stream in 1/256 of a sample: see [`ltc`](super#positions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(i64);

impl Position {
    /// From 1/256 of a sample.
    pub const fn from_256ths(position: i64) -> Self {
        Self(position)
    }

    /// In 1/256 of a sample.
    pub const fn in_256ths(self) -> i64 {
        self.0
    }

    /// The nearest whole sample, floor(p + 1/2): the first sample after the transition there.
    pub const fn sample(self) -> i64 {
        (self.0 + 128) >> 8
    }
}

/// How a word stands to the one reported before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// It is the first of its stream.
    First,
    /// The next label in the direction of play, right after it.
    Contiguous,
    /// The same label again, right after it: a generator that stands still.
    Repeated,
    /// The label is what it should be after so many words that could not be read.
    Gap {
        /// Words missing.
        missing: u32,
    },
    /// Another label, speed or direction than would follow.
    Jump,
}

/// A word of LTC as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DecodedWord {
    /// The 80 bits. Its label is in range: 23:59:59:29 at most.
    pub word: Word,
    /// Where it starts; in reverse play too the lower position.
    pub start: Position,
    /// Where it ends: where the next one starts.
    pub end: Position,
    /// Whether it was played backwards.
    pub reverse: bool,
    /// 100 for a perfect signal, less the nearer its worst cell was to being misread; 0 if one or more of the checks
    /// on its cells failed, so that only the neighbours vouch for it.
    pub confidence: u8,
    /// Level of the plateaus: 32 768 is full scale.
    pub level: u16,
    /// How it stands to the word reported before it.
    pub continuity: Continuity,
}

impl DecodedWord {
    /// The four numbers of the label as coded: at 48, 50 and 60 frames a second pairs of frames are counted.
    pub fn fields(&self) -> Fields {
        // was read before it was reported
        self.word.address().fields().unwrap_or_default()
    }

    /// The label at this rate.
    ///
    /// # Errors
    ///
    /// If the rate has no such label, or the drop-frame flag says otherwise than the rate.
    pub fn timecode(&self, rate: Rate) -> Result<Timecode, AddressError> {
        self.word.timecode(rate)
    }

    /// The eight binary groups, group 1 in bits 0 to 3.
    pub fn user_bits(&self) -> u32 {
        self.word.address().user_bits()
    }

    /// Whether the sender set the polarity correction right.
    pub fn parity_is_even(&self) -> bool {
        self.word.has_even_parity()
    }

    /// Whether only its neighbours vouch for it.
    fn is_doubtful(&self) -> bool {
        self.confidence == 0
    }

    /// Samples from start to end, in 1/256 of a sample.
    pub fn length_in_256ths(&self) -> u64 {
        u64::try_from(self.end.in_256ths() - self.start.in_256ths()).unwrap_or(0)
    }

    /// The speed of play in thousandths of that at which `rate` would be 1000; a reverse word's is negative.
    pub fn speed_in_thousandths(&self, rate: Rate, sample_rate: u32) -> i32 {
        let words = u128::from(rate.numerator());
        let frames = if matches!(rate.nominal(), 48 | 50 | 60) { 2 } else { 1 };
        // 256 * sample_rate * denominator * frames / numerator is the length at speed 1
        let nominal = 256_000 * u128::from(sample_rate) * u128::from(rate.denominator()) * frames;
        let speed = nominal / (words * u128::from(self.length_in_256ths().max(1)));
        let speed = i32::try_from(speed).unwrap_or(i32::MAX);
        if self.reverse { -speed } else { speed }
    }
}

/// Puts words in order and holds back those that nothing vouches for yet.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// The word reported last.
    last: Option<DecodedWord>,
    /// Words that follow on each other but not on the last one reported, oldest first.
    held: [Option<DecodedWord>; IN_DOUBT],
    /// Cells up to the end of the first of them.
    held_cells: u64,
    /// Frames in a second, once the words reported have passed from one to the next.
    nominal: Option<u16>,
    /// Whether a clean word is reported whatever its neighbours say.
    accepts_unrelated: bool,
}

/// Words that must follow on each other, and how many if one or more of them are doubtful.
const CLEAN: usize = 2;
const IN_DOUBT: usize = 4;

impl Sequence {
    pub(super) const fn new() -> Self {
        Self { last: None, held: [None; IN_DOUBT], held_cells: 0, nominal: None, accepts_unrelated: false }
    }

    /// Begins a new stream.
    pub(super) fn clear(&mut self) {
        (self.last, self.held, self.nominal) = (None, [None; IN_DOUBT], None);
    }

    pub(super) fn accept_unrelated(&mut self, accept: bool) {
        self.accepts_unrelated = accept;
    }

    /// Takes what may be a word; reports those that are certain now. Whether it is one as far as can be told from it
    /// alone.
    pub(super) fn push(
        &mut self,
        found: &Found,
        amplitude: f32,
        report: &mut impl FnMut(DecodedWord),
    ) -> bool {
        let Some(mut word) = candidate(found, amplitude) else { return false };
        if let Some(continuity) = self.last.and_then(|last| follows(&last, &word, self.rates(&last, &word))) {
            word.continuity = continuity;
            self.held = [None; IN_DOUBT];
            self.report(word, report);
            return true;
        }
        let before = self.held.iter().flatten().last();
        match before.and_then(|before| follows(before, &word, self.rates(before, &word))) {
            Some(continuity @ (Continuity::Contiguous | Continuity::Repeated)) => {
                word.continuity = continuity
            }
            _ => {
                self.held = [None; IN_DOUBT];
                self.held_cells = found.cells;
            }
        }
        if let Some(free) = self.held.iter_mut().find(|place| place.is_none()) {
            *free = Some(word);
        }
        let count = self.held.iter().flatten().count();
        let in_doubt = self.held.iter().flatten().any(|word| word.is_doubtful());
        let is_enough = count >= if in_doubt { IN_DOUBT } else { CLEAN };
        if is_enough || self.accepts_unrelated && !in_doubt {
            self.report_held(report);
        }
        true
    }

    /// The signal is gone after this many cells: no word will follow right on the last one. The only word of the
    /// stream so far, with less than another before and after it, is reported if it is clean and not too short.
    pub(super) fn signal_lost(&mut self, cells: u64, report: &mut impl FnMut(DecodedWord)) {
        if let [Some(held), None, ..] = self.held {
            let is_alone = self.held_cells < 2 * WORD_CELLS && cells - self.held_cells < WORD_CELLS;
            let is_sure = !held.is_doubtful() && held.length_in_256ths() >= 256 * MIN_ALONE;
            if is_alone && self.last.is_none() && is_sure {
                self.report_held(report);
            }
        }
        self.held = [None; IN_DOUBT];
    }

    /// Reports the words held, which now vouch for each other.
    fn report_held(&mut self, report: &mut impl FnMut(DecodedWord)) {
        let mut held = core::mem::take(&mut self.held);
        if let [Some(first), ..] = &mut held {
            first.continuity = match self.last {
                None => Continuity::First,
                Some(last) => follows(&last, first, ALL_RATES).unwrap_or(Continuity::Jump),
            };
        }
        held.into_iter().flatten().for_each(|word| self.report(word, report));
    }

    fn report(&mut self, word: DecodedWord, report: &mut impl FnMut(DecodedWord)) {
        match (word.continuity, self.last) {
            (Continuity::Contiguous, Some(last)) if last.fields().seconds != word.fields().seconds => {
                self.nominal = Some(if word.reverse { &word } else { &last }.fields().frames + 1);
            }
            (Continuity::First | Continuity::Jump, _) => self.nominal = None,
            _ => {}
        }
        self.last = Some(word);
        report(word);
    }

    /// The rates at which one word may follow on the other: if one of them is doubtful, only where it is known how
    /// many frames the second had that ended between them.
    fn rates(&self, before: &DecodedWord, word: &DecodedWord) -> &'static [Rate] {
        let is_doubtful = before.is_doubtful() || word.is_doubtful();
        match self.nominal {
            Some(24) => &[Rate::FPS_24],
            Some(25) => &[Rate::FPS_25],
            Some(30) => &[Rate::FPS_30],
            _ if is_doubtful && before.fields().seconds != word.fields().seconds => &[],
            _ => ALL_RATES,
        }
    }
}

/// The word, if its label is one at all.
fn candidate(found: &Found, amplitude: f32) -> Option<DecodedWord> {
    let word = Word::new(Address::from_bits(found.bits));
    word.address().fields().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` stops at the ends of the range"
    )]
    let level = (amplitude * 32_768.0) as u16;
    Some(DecodedWord {
        word,
        start: position(found.start),
        end: position(found.end),
        reverse: found.reverse,
        confidence: if found.weak == 0 { found.quality.max(1) } else { 0 },
        level,
        continuity: Continuity::First,
    })
}

/// To the nearest 1/256.
fn position(fixed: Fixed) -> Position {
    Position((fixed + 128) >> 8)
}

/// Cells of a word.
const WORD_CELLS: u64 = Word::BITS as u64;
/// Samples that an only word must have, three a bit: in fewer a wrong bit can look clean, and it takes neighbours to
/// show it.
const MIN_ALONE: u64 = 3 * WORD_CELLS;
/// Gaps are bridged up to this many words: beyond, a small error of speed makes a whole word.
const MAX_GAP: i64 = 500;

/// User bits and flags, without those that may be the polarity correction.
const STEADY_BITS: u64 = 0xf0f0_f8f0_f0f0_fcf0 | 1 << 58;

/// The rates that differ in their labels, without drop-frame.
const ALL_RATES: &[Rate] = &[Rate::FPS_30, Rate::FPS_25, Rate::FPS_24];

/// How `word` follows on `before`, if it does at one of these rates, or with drop-frame.
fn follows(before: &DecodedWord, word: &DecodedWord, rates: &[Rate]) -> Option<Continuity> {
    if before.reverse != word.reverse {
        return None;
    }
    // what cannot be read well must agree in what does not change from word to word, too
    let is_doubtful = before.is_doubtful() || word.is_doubtful();
    let differing = before.word.address().bits() ^ word.word.address().bits();
    if is_doubtful && differing & STEADY_BITS != 0 {
        return None;
    }
    let length = i64::try_from(before.length_in_256ths()).ok()?.max(1);
    let gap = word.start.0 - before.end.0;
    // an eighth of a word, ten bits, is too much for one to be left out
    if gap.abs() < length / 8 {
        if is_step(before, word, 1, rates) {
            return Some(Continuity::Contiguous);
        }
        let is_same = before.word.address() == word.word.address() && !is_doubtful;
        return is_same.then_some(Continuity::Repeated);
    }
    let missing = (gap + length / 2) / length;
    let is_on_grid = (gap - missing * length).abs() < length / 8;
    let is_gap = (1..=MAX_GAP).contains(&missing) && is_on_grid && is_step(before, word, missing + 1, rates);
    is_gap.then(|| Continuity::Gap { missing: u32::try_from(missing).unwrap_or(u32::MAX) })
}

/// Whether `word` is `steps` labels after `before` at one of these rates, in the direction of play.
fn is_step(before: &DecodedWord, word: &DecodedWord, steps: i64, rates: &[Rate]) -> bool {
    let (first, second) = (before.word.address(), word.word.address());
    if first.drop_frame() != second.drop_frame() {
        return false;
    }
    let rates = if first.drop_frame() { &[Rate::FPS_29_97_DF] } else { rates };
    let steps = if word.reverse { -steps } else { steps };
    rates.iter().any(|&rate| {
        let labels =
            (Timecode::from_fields(rate, before.fields()), Timecode::from_fields(rate, word.fields()));
        matches!(labels, (Ok(before), Ok(word)) if before + steps == word)
    })
}
