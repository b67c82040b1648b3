//! Our VITC lines read by ffmpeg's `readvitc` filter.

use std::io::Write;
use std::process::{Command, Stdio};

use e2e::{peer, runs};
use smpte_timecode::address::Address;
use smpte_timecode::vitc::{LineShape, Vitc};
use smpte_timecode::{Rate, Timecode};

const HEIGHT: usize = 32;
/// The line of the picture that holds the code.
const LINE: usize = 10;

/// What the filter says of each picture: its label, or `None` if it finds no code.
fn readvitc(width: usize, pictures: &[Vec<u8>]) -> Vec<Option<String>> {
    let size = format!("{width}x{HEIGHT}");
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", "25", "-i", "-"])
        .args(["-vf", "format=yuv420p,readvitc=scan_max=32,metadata=print:file=-", "-f", "null", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut stdin = ffmpeg.stdin.take().unwrap();
    let pictures = pictures.concat();
    let writer = std::thread::spawn(move || stdin.write_all(&pictures));
    let output = ffmpeg.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut found = Vec::new();
    for line in said.lines() {
        if line.starts_with("frame:") {
            found.push(None);
        } else if let (Some(label), Some(last)) =
            (line.strip_prefix("lavfi.readvitc.tc_str="), found.last_mut())
        {
            *last = Some(label.to_owned());
        }
    }
    found
}

#[test]
fn ffmpeg_reads_our_lines() {
    if !peer("ffmpeg with readvitc", || {
        runs(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "color=s=64x32:d=0.04",
                "-vf",
                "readvitc",
                "-f",
                "null",
                "-",
            ],
        )
    }) {
        return;
    }
    let labels = [
        ("01:02:03:04", Rate::FPS_30),
        ("23:59:59:29", Rate::FPS_30),
        ("23:59:59:24", Rate::FPS_25),
        ("00:00:00:00", Rate::FPS_25),
        ("00:00:59;29", Rate::FPS_29_97_DF),
        ("00:01:00;02", Rate::FPS_29_97_DF),
        ("12:34:56;17", Rate::FPS_29_97_DF),
        ("10:20:30:12", Rate::FPS_24),
    ];
    for width in [720, 1920] {
        for user_bits in [0, 0x89ab_cdef, 0xffff_ffff] {
            let pictures: Vec<Vec<u8>> = labels
                .iter()
                .map(|(label, rate)| {
                    let label = Timecode::parse(label, *rate).unwrap();
                    let vitc = Vitc::new(Address::from_timecode(label).unwrap().with_user_bits(user_bits));
                    let mut picture = vec![16; width * HEIGHT];
                    let shape = LineShape::for_width(u32::try_from(width).unwrap());
                    vitc.draw(shape, &mut picture[LINE * width..(LINE + 1) * width]);
                    picture
                })
                .collect();
            let read = readvitc(width, &pictures);
            let expected: Vec<_> = labels.iter().map(|(label, _)| Some((*label).to_owned())).collect();
            assert_eq!(read, expected, "{width} pixels, user bits {user_bits:08x}");
        }
    }
    // A picture without a code has none: the check above can fail.
    assert_eq!(readvitc(720, &[vec![16; 720 * HEIGHT]]), [None]);
}
