use smpte_timecode::ltc::*;
use smpte_timecode::{Rate, Timecode};
use smpte_timecode::vitc::*;
use smpte_timecode::address::Address;
fn main() {
    for rate in [Rate::FPS_24, Rate::FPS_25, Rate::FPS_30] {
        for sr in [4000u32, 4800, 5000, 6000, 7000, 8000, 9000, 10000, 12000, 16000, 22050, 44100, 48000, 96000] {
            let (mut runs, mut missing, mut wrongs) = (0, 0, 0);
            for count in [1u64, 2, 3, 5] { for lead in [0usize, 1, 7, 33, 100] { for frame in [0i64, 12345, 777_777, 99_999] {
                let start = Timecode::from_frame(rate, frame);
                let mut c = EncoderConfig::new(start, sr); c.user_bits = (frame as u32).wrapping_mul(0x9e3779b9);
                let Ok(mut e) = Encoder::try_new(c) else { continue };
                let n = e.start_of_word(count) as usize;
                let mut s = vec![0f32; n + lead]; e.fill_f32(&mut s[lead..]);
                let mut w = vec![]; let mut d = Decoder::try_new(sr).unwrap();
                d.decode(&s[..], |x| w.push(x)); d.finish(|x| w.push(x));
                runs += count; if std::env::var_os("V").is_some() && (w.len() as u64) < count && sr > 7000 && sr >= 4800 { println!("  {rate} {sr} count {count} lead {lead} frame {frame}: {:?}", w.iter().map(|x| (x.fields(), x.start.sample(), x.end.sample(), x.reverse, x.confidence)).collect::<Vec<_>>()); }
                let good = w.iter().filter(|x| (0..count as i64).any(|k| x.timecode(rate) == Ok(start + k))).count() as u64;
                missing += count - good; wrongs += w.len() as u64 - good;
            }}}
            if runs > 0 { println!("{rate} {sr} cell {:.2}: {missing} missing, {wrongs} wrong of {runs}", sr as f64 / 80.0 / rate.nominal() as f64); }
        }
    }
    for contrast in [32u8, 40, 64, 100, 175] { for width in [512u32, 520, 540, 576, 600, 640, 768, 1024, 1920, 2304] {
        let (mut ok, mut all) = (0, 0);
        for start in (0..4000).step_by(37) { for a in [0x2564504205010410u64, 0, u64::MAX, 0x8000000000000001] {
            if start + 90 * width > 256 * 880 { continue; }
            let v = Vitc::new(Address::from_bits(a)); let mut line = vec![0; 880];
            v.draw(LineShape { start, bit_width: width, low: 16, high: 16 + contrast }, &mut line);
            all += 1; ok += (Vitc::read(&line) == Ok(v)) as u32;
        }}
        if ok != all { println!("vitc contrast {contrast} width {:.2}: {ok} of {all}", width as f64 / 256.0); }
    }}
}
