//! Labels: as numbers, as text, moved on. At 29.97 drop-frame, the hardest rate of those in use.

use std::fmt::Write;
use std::hint::black_box;

use smpte_timecode::{Fields, Rate, Timecode};

use super::OURS;
use crate::contest::{Contest, Unit};
use crate::random::Random;

const SMPTE_TIMECODE: &str = "smpte-timecode 0.1.1";
const VTC: &str = "vtc 0.1.14";

/// Labels in a pass, from all over the day and in no order: neither branches nor divisions are foreseen.
const LABELS: usize = 1000;

const RATE: Rate = Rate::FPS_29_97_DF;
const PEER_RATE: peer_timecode::FrameRate = peer_timecode::FrameRate::FPS_29_97_DF;

/// Text, parsing, adding, and both ways between label and frame number.
pub fn labels() -> Vec<Contest> {
    let mut random = Random::new(1);
    let labels: Vec<Timecode> =
        (0..LABELS).map(|_| Timecode::from_frame(RATE, random.below(RATE.frames_per_day()).into())).collect();
    let steps: Vec<i64> = (0..LABELS).map(|_| i64::from(random.below(200_000)) - 100_000).collect();
    vec![to_text(&labels), parse(&labels), add(&labels, steps), to_fields(&labels), from_fields(&labels)]
}

fn to_text(labels: &[Timecode]) -> Contest {
    let (ours, peers, vtcs) = forms(labels);
    contest("frame to text")
        .entrant(OURS, move || {
            for label in &ours {
                black_box(black_box(label).text().as_str());
            }
        })
        .entrant(SMPTE_TIMECODE, move || {
            let mut text = String::with_capacity(16);
            for label in &peers {
                text.clear();
                // fails for no String
                let _ = write!(text, "{}", black_box(label));
                black_box(text.as_str());
            }
        })
        .entrant(VTC, move || {
            for label in &vtcs {
                black_box(black_box(label).timecode());
            }
        })
}

fn parse(labels: &[Timecode]) -> Contest {
    let texts: Vec<String> = labels.iter().map(ToString::to_string).collect();
    let (for_peer, for_vtc) = (texts.clone(), texts.clone());
    contest("parse")
        .entrant(OURS, move || {
            for text in &texts {
                _ = black_box(Timecode::parse(black_box(text), black_box(RATE)));
            }
        })
        .entrant(SMPTE_TIMECODE, move || {
            for text in &for_peer {
                _ = black_box(peer_timecode::Timecode::parse(black_box(text), black_box(PEER_RATE)));
            }
        })
        .entrant(VTC, move || {
            for text in &for_vtc {
                _ = black_box(vtc::Timecode::with_frames(black_box(text.as_str()), black_box(VTC_RATE)));
            }
        })
}

fn add(labels: &[Timecode], steps: Vec<i64>) -> Contest {
    let (ours, peers, vtcs) = forms(labels);
    let for_peer = steps.clone();
    let vtc_steps: Vec<_> =
        steps.iter().filter_map(|&step| vtc::Timecode::with_frames(step, VTC_RATE).ok()).collect();
    contest("add frames")
        .entrant(OURS, move || {
            for (label, step) in ours.iter().zip(&steps) {
                black_box(*black_box(label) + *black_box(step));
            }
        })
        .entrant(SMPTE_TIMECODE, move || {
            for (label, step) in peers.iter().zip(&for_peer) {
                black_box(black_box(label).wrapping_add_frames(*black_box(step)));
            }
        })
        .entrant(VTC, move || {
            for (label, step) in vtcs.iter().zip(&vtc_steps) {
                black_box(*black_box(label) + *black_box(step));
            }
        })
}

fn to_fields(labels: &[Timecode]) -> Contest {
    let (ours, peers, vtcs) = forms(labels);
    let (wrong, all) = wrong_labels_of_vtc();
    contest("frame to label's numbers")
        .entrant(OURS, move || {
            for label in &ours {
                black_box(black_box(label).fields());
            }
        })
        .entrant(SMPTE_TIMECODE, move || {
            for label in &peers {
                black_box(black_box(label).fields());
            }
        })
        .entrant(VTC, move || {
            for label in &vtcs {
                black_box(black_box(label).sections());
            }
        })
        .note(format!("wrong for {wrong} of {all}"))
}

fn from_fields(labels: &[Timecode]) -> Contest {
    let ours: Vec<Fields> = labels.iter().map(|label| label.fields()).collect();
    let peers: Vec<_> = ours.iter().map(|&fields| peer_fields(fields)).collect();
    contest("label's numbers to frame")
        .entrant(OURS, move || {
            for fields in &ours {
                _ = black_box(Timecode::from_fields(black_box(RATE), *black_box(fields)));
            }
        })
        .entrant(SMPTE_TIMECODE, move || {
            for fields in &peers {
                _ = black_box(peer_timecode::Timecode::from_fields(*black_box(fields), black_box(PEER_RATE)));
            }
        })
}

fn contest(what: &str) -> Contest {
    Contest::new(format!("{what}, {RATE}"), Unit::Nanoseconds, LABELS)
}

/// The same labels as each crate holds them.
///
/// # Panics
/// If they are not the same: then there is nothing to compare.
fn forms(labels: &[Timecode]) -> (Vec<Timecode>, Vec<peer_timecode::Timecode>, Vec<vtc::Timecode>) {
    let peer = |label: &Timecode| peer_timecode::Timecode::from_frames(label.frame(), PEER_RATE).ok();
    let vtc = |label: &Timecode| vtc::Timecode::with_frames(i64::from(label.frame()), VTC_RATE).ok();
    let peers: Vec<_> = labels.iter().filter_map(peer).collect();
    let vtcs: Vec<_> = labels.iter().filter_map(vtc).collect();
    assert_eq!((labels.len(), labels.len()), (peers.len(), vtcs.len()));
    for ((ours, peer), vtc) in labels.iter().zip(&peers).zip(&vtcs) {
        assert_eq!((ours.to_string(), peer_fields(ours.fields())), (peer.to_string(), peer.fields()));
        assert_eq!(i64::from(ours.frame()), vtc.frames());
    }
    (labels.to_vec(), peers, vtcs)
}

fn peer_fields(fields: Fields) -> peer_timecode::Fields {
    let Fields { hours, minutes, seconds, frames } = fields;
    // below 30
    peer_timecode::Fields { hours, minutes, seconds, frames: frames as u8 }
}

/// Frames of the first ten minutes for which `vtc` gives another label than there is, of how many.
// QUIRK(vtc): opencinemac/vtc-rs#14, #19
fn wrong_labels_of_vtc() -> (usize, u32) {
    let frames = RATE.frames_per_ten_minutes();
    let is_wrong = |frame: &u32| {
        let theirs = vtc::Timecode::with_frames(i64::from(*frame), VTC_RATE).map(|label| label.timecode());
        theirs.ok() != Some(Timecode::from_frame(RATE, (*frame).into()).to_string())
    };
    ((0..frames).filter(is_wrong).count(), frames)
}

const VTC_RATE: vtc::Framerate = vtc::rates::F29_97_DF;
