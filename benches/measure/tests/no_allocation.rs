//! That the work of every frame and every sample allocates nothing.

mod heap;

use std::fmt::Write;
use std::hint::black_box;

use heap::allocated;
use smpte_timecode::ltc::{Decoder, Encoder, EncoderConfig};
use smpte_timecode::{Rate, Timecode};

const RATES: [Rate; 4] = [Rate::FPS_25, Rate::FPS_29_97_DF, Rate::FPS_59_94_DF, Rate::FPS_119_88_DF];

#[test]
fn labels_and_signals_allocate_nothing() {
    assert!(allocated(|| drop(black_box(vec![0_u8; 100]))) >= 100, "allocations are counted");

    for rate in RATES {
        let labels: Vec<Timecode> = (0..500).map(|k| Timecode::from_frame(rate, k * 1789)).collect();
        let texts: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let to_text = allocated(|| labels.iter().for_each(|label| _ = black_box(label.text().as_str())));
        assert_eq!(to_text, 0, "text at {rate}");
        let mut out = [0; Timecode::MAX_LEN];
        let to_ascii =
            allocated(|| labels.iter().for_each(|label| _ = black_box(label.write_ascii(&mut out))));
        assert_eq!(to_ascii, 0, "ASCII at {rate}");
        let mut shown = String::with_capacity(64);
        let display = allocated(|| {
            for label in &labels {
                shown.clear();
                let _ = write!(shown, "{label:>20} {rate}");
            }
        });
        assert_eq!(display, 0, "Display at {rate}");
        let parse = allocated(|| texts.iter().for_each(|text| _ = black_box(Timecode::parse(text, rate))));
        assert_eq!(parse, 0, "parsing at {rate}");
        let refuse =
            allocated(|| texts.iter().for_each(|text| _ = black_box(Timecode::parse(&text[1..], rate))));
        assert_eq!(refuse, 0, "parsing what is no label at {rate}");
        let read_rate = allocated(|| _ = black_box("29.97df".parse::<Rate>()));
        assert_eq!(read_rate, 0, "reading a rate");
        let add = allocated(|| labels.iter().for_each(|&label| _ = black_box((label + 1789).fields())));
        assert_eq!(add, 0, "adding at {rate}");
    }

    let config = EncoderConfig::new(Timecode::midnight(Rate::FPS_29_97_DF), 48_000);
    let (mut encoder, mut decoder) = (Encoder::try_new(config).unwrap(), Decoder::try_new(48_000).unwrap());
    let (mut samples, mut words) = (vec![0.0_f32; 4800], 0);
    let carried = allocated(|| {
        encoder.fill_f32(&mut samples);
        decoder.decode(&samples[..], |word| words += usize::from(black_box(word).confidence > 0));
        // noise, in which the decoder searches
        samples
            .iter_mut()
            .enumerate()
            .for_each(|(at, sample)| *sample = (at * at % 977) as f32 / 977.0 - 0.5);
        decoder.decode(&samples[..], |word| _ = black_box(word));
    });
    assert_eq!(carried, 0, "LTC");
    assert!(words >= 8, "words were decoded: {words}");
}
