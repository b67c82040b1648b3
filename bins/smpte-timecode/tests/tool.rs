//! `smpte-tool` as a script sees it: output, exit codes, error lines.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use smpte_timecode::Timecode;

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smpte-tool"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    tool(arguments).output().expect("smpte-tool runs")
}

/// What a command prints that goes well.
fn prints(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exit code and the one line of error of a command that goes wrong.
fn fails(arguments: &[&str]) -> (i32, String) {
    let output = run(arguments);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    (output.status.code().unwrap(), line.trim_end().to_owned())
}

/// A file in a directory of its own, which goes when the test ends.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        path.into_os_string().into_string().unwrap()
    }
}

#[test]
fn info_of_a_label() {
    let info = json_lines(&prints(&["info", "01:00:00;00", "--rate", "29.97df", "--json"]));
    let expected = serde_json::json!({
        "label": "01:00:00;00", "rate": "29.97df", "frame": 107_892, "seconds": "8999991/2500",
        "samples_48000": 172_799_827, "samples_44100": 158_759_841, "feet_frames": "6743+04",
    });
    assert_eq!(info, [expected]);
    let whole = json_lines(&prints(&["info", "01:00:00:00", "--rate", "25", "--json"]));
    assert_eq!(whole[0]["seconds"], "3600/1");
    let text = prints(&["info", "01:00:00:00", "--rate", "23.98"]);
    assert!(text.contains("rate               23.976 (24000/1001)"), "{text}");
    assert!(text.contains("seconds            18018/5"), "{text}");
}

#[test]
fn every_rate_is_known() {
    let rates = [
        "23.976", "24", "25", "29.97", "29.97df", "30", "47.952", "48", "50", "59.94", "59.94df", "60",
        "100", "119.88", "119.88df", "120",
    ];
    for rate in rates {
        let info = json_lines(&prints(&["info", "10:00:00:00", "--rate", rate, "--json"]));
        assert_eq!(info[0]["rate"], rate);
    }
    assert_eq!(prints(&["label", "1800", "--rate", "30000/1001df"]), "00:01:00;02\n");
    assert_eq!(prints(&["label", "1800", "--rate", "30/1"]), "00:01:00:00\n");
}

#[test]
fn labels_of_frames() {
    assert_eq!(prints(&["label", "17982", "--rate", "29.97df"]), "00:10:00;00\n");
    assert_eq!(prints(&["label", "7200", "--rate", "119.88df"]), "00:01:00;008\n");
    assert_eq!(prints(&["label", "-1", "--rate", "25"]), "23:59:59:24\n");
    assert_eq!(prints(&["label", "2589408", "--rate", "29.97df"]), "00:00:00;00\n");
}

#[test]
fn conversions() {
    let convert = |label, rate, to, keep: &[&str]| {
        prints(&[&["convert", label, "--rate", rate, "--to", to], keep].concat())
    };
    assert_eq!(convert("01:00:00:00", "25", "24", &[]), "01:00:00:00\n");
    assert_eq!(convert("01:00:00:00", "25", "29.97df", &[]), "01:00:00;00\n");
    assert_eq!(convert("01:00:00:00", "23.976", "25", &[]), "01:00:03:15\n");
    assert_eq!(convert("00:00:00:13", "25", "24", &["--keep", "time"]), "00:00:00:12\n");
    assert_eq!(convert("01:00:00:00", "25", "24", &["--keep", "frame"]), "01:02:30:00\n");
    assert_eq!(convert("01:02:03:04", "25", "29.97df", &["--keep", "label"]), "01:02:03;04\n");
    let (code, line) =
        fails(&["convert", "00:01:00:00", "--rate", "25", "--to", "29.97df", "--keep", "label"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("error: LABEL: '00:01:00:00' does not exist at 29.97df"), "{line}");
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, expected) in [
        (
            &["info", "24:00:00:00", "--rate", "25"][..],
            "error: LABEL: '24:00:00:00': hours 24 out of range 0 to 23 at 25",
        ),
        (
            &["info", "00:00:00:25", "--rate", "25"],
            "error: LABEL: '00:00:00:25': frames 25 out of range 0 to 24 at 25",
        ),
        (
            &["info", "00:00:00;00", "--rate", "29.97"],
            "error: LABEL: '00:00:00;00': drop-frame separator at a rate without drop-frame (drop-frame is --rate 29.97df)",
        ),
        (
            &["info", "1:2:3", "--rate", "25"],
            "error: LABEL: '1:2:3': label cannot be read at character 2, it should be HH:MM:SS:FF",
        ),
        (
            &["info", "00:00:00:00", "--rate", "fast"],
            "error: --rate: 'fast': rate cannot be read at character 1",
        ),
        (
            &["convert", "00:00:00:00", "--rate", "25", "--to", "25df"],
            "error: --to: '25df': drop-frame is not defined at 25 frames per second, only at 30, 60 and 120",
        ),
        (&["label", "1.5", "--rate", "25"], "error: FRAME: '1.5': not a whole number"),
        (
            &["mtc", "encode", "00:00:00:00", "--rate", "50"],
            "error: --rate: 50: MIDI timecode has only 24, 25, 29.97df and 30 frames per second",
        ),
        (&["mtc", "decode", "F1 0"], "error: HEX: not pairs of hexadecimal digits"),
        (
            &["mtc", "decode", "F1 04"],
            "error: HEX: no whole label: eight quarter frames or a full frame are needed",
        ),
        (
            &["artnet", "send", "00:00:00:00", "--rate", "25", "--to", "x:0"],
            "error: --to: 'x:0': the port is not a number from 1 to 65535",
        ),
    ] {
        assert_eq!(fails(arguments), (2, expected.to_owned()));
    }
    let (code, line) = fails(&["info", "00:00:00:00"]);
    assert_eq!(code, 2);
    assert!(line.contains("--rate"), "{line}");
    let (code, line) = fails(&["sing"]);
    assert_eq!(code, 2);
    assert!(line.contains("sing"), "{line}");
}

#[test]
fn help_shows_examples() {
    let help = prints(&["--help"]);
    assert!(help.contains("smpte-tool convert 01:00:00:00 --rate 25 --to 24"), "{help}");
    assert!(help.contains("119.88df"), "{help}");
}

#[test]
fn midi_both_ways() {
    let quarters = prints(&["mtc", "encode", "01:02:03:04", "--rate", "25"]);
    assert_eq!(quarters, "F1 04 F1 10 F1 23 F1 30 F1 42 F1 50 F1 61 F1 72\n");
    assert_eq!(prints(&["mtc", "decode", &quarters]), "01:02:03:04\n");
    let full = prints(&["mtc", "encode", "00:59:59;28", "--rate", "29.97df", "--full"]);
    assert_eq!(full, "F0 7F 7F 01 01 40 3B 3B 1C F7\n");
    let words: Vec<_> = ["mtc", "decode"].into_iter().chain(full.split_whitespace()).collect();
    assert_eq!(prints(&words), "00:59:59;28\n");
    assert_eq!(prints(&["mtc", "decode", "0410233042506172"]), "01:02:03:04\n");
    let json = json_lines(&prints(&["mtc", "decode", "06112e314d526171", "--rate", "23.976", "--json"]));
    let expected = serde_json::json!({"label": "17:45:30:22", "rate": "23.976", "message": "quarter_frames"});
    assert_eq!(json, [expected]);
    let (code, line) = fails(&["mtc", "decode", "F07F7F01013900 00 00F7"]);
    assert_eq!((code, line.as_str()), (2, "error: HEX: no such label: hours 25 out of range 0 to 23"));
}

#[test]
fn vitc_both_ways() {
    for (label, rate, more, bits) in [
        (
            "01:02:03:04",
            "30",
            &[][..],
            "100010000010000000001011000000100000000010010000001000000000101000000010000000001001100110",
        ),
        (
            "00:00:59;29",
            "29.97df",
            &[],
            "101001000010011000001010010000101010000010000000001000000000100000000010000000001000000001",
        ),
        (
            "23:59:59;29",
            "29.97df",
            &["--user-bits", "89abcdef"],
            "101001111110011001111010011011101010001110100111011010100101101100100110010000011000011110",
        ),
        (
            "23:59:59:24",
            "25",
            &["--field", "2", "--user-bits", "12345678"],
            "100010000110010011101010010110101010101010100100101010101100101100010010010110001011100111",
        ),
        (
            "10:20:30:12",
            "30",
            &["--field", "2", "--colour-frame"],
            "100100000010100100001000000000101101000010000000001001000000100000000010100000001000110111",
        ),
    ] {
        assert_eq!(prints(&[&["vitc", "encode", label, "--rate", rate], more].concat()), format!("{bits}\n"));
        let plain = prints(&["vitc", "decode", bits]);
        assert!(plain.starts_with(&format!("{label}  user bits ")), "{plain}");
        let json = json_lines(&prints(&["vitc", "decode", bits, "--rate", rate, "--json"]));
        assert_eq!((&json[0]["label"], &json[0]["rate"]), (&label.into(), &rate.into()));
        assert_eq!(json[0]["field"], if more.contains(&"2") { 2 } else { 1 });
        assert_eq!(json[0]["colour_frame"], more.contains(&"--colour-frame"));
    }
    // pairs of frames: the field tells them apart
    let bits = prints(&["vitc", "encode", "10:00:00:49", "--rate", "50"]);
    assert_eq!(
        prints(&["vitc", "decode", &bits, "--rate", "50"]),
        "10:00:00:49  user bits 00000000  field 2\n"
    );
    assert_eq!(prints(&["vitc", "decode", &bits]), "10:00:00:24  user bits 00000000\n");
    let wrong = bits.replacen("10", "11", 1);
    assert_eq!(fails(&["vitc", "decode", &wrong]).0, 2);
    for (arguments, expected) in [
        (&["vitc", "decode", "101"][..], "error: BITS: not 90 digits 0 or 1: wrong at character 4"),
        (
            &["vitc", "encode", "10:00:00:49", "--rate", "50", "--field", "1"],
            "error: --field: 10:00:00:49 at 50 is in the other field",
        ),
        (
            &["vitc", "encode", "10:00:00:00", "--rate", "120"],
            "error: --rate: frames at 120 a second cannot be numbered in a time address",
        ),
    ] {
        assert_eq!(fails(arguments), (2, expected.to_owned()));
    }
    assert_eq!(fails(&["vitc", "encode", "10:00:00:00", "--rate", "25", "--field", "3"]).0, 2);
}

#[test]
fn art_net_over_loopback() {
    let mut listener =
        tool(&["artnet", "listen", "--host", "127.0.0.1", "--port", "0", "--count", "2", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut line = String::new();
    BufReader::new(listener.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address =
        line.strip_prefix("listening on ").and_then(|rest| rest.strip_suffix(" (artnet)\n")).unwrap();
    // lights do not count, nor does what is broken
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"Art-Net\0\0\x50\0\x0e", address).unwrap();
    for (label, rate, stream) in [("01:02:03:04", "25", "0"), ("00:01:00;02", "29.97df", "3")] {
        let sent = prints(&["artnet", "send", label, "--rate", rate, "--to", address, "--stream", stream]);
        assert_eq!(sent, format!("sent {label} to {address}\n"));
    }
    let output = listener.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let heard = json_lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(heard.len(), 2);
    assert_eq!(
        (&heard[0]["label"], &heard[0]["rate"], &heard[0]["stream"]),
        (&"01:02:03:04".into(), &"25".into(), &0.into())
    );
    assert_eq!(
        (&heard[1]["label"], &heard[1]["rate"], &heard[1]["stream"]),
        (&"00:01:00;02".into(), &"29.97df".into(), &3.into())
    );
}

#[test]
fn ltc_both_ways() {
    let scratch = Scratch::new();
    for (rate, start, sample_rate, words) in [
        ("25", "09:59:59:00", "48000", 50),
        ("29.97df", "00:00:59;20", "44100", 59),
        ("29.97", "00:00:59:20", "48000", 59),
        ("23.976", "00:59:59:12", "48000", 47),
        ("30", "23:59:59:10", "96000", 60),
        ("24", "23:59:59:10", "44100", 48),
    ] {
        let file = scratch.path("ltc.wav");
        let encode = ["ltc", "encode", &file, "--rate", rate, "--start", start, "--duration", "2"];
        prints(&[&encode[..], &["--sample-rate", sample_rate, "--user-bits", "89abcdef"]].concat());
        let decoded = json_lines(&prints(&["ltc", "decode", &file, "--json"]));
        // the last one is cut off where a word does not end with the file
        assert!((words - 1..=words).contains(&decoded.len()), "{rate}: {} words", decoded.len());
        let mut label = Timecode::parse(start, rate.parse().unwrap()).unwrap();
        let mut at = Value::from(0);
        for word in decoded {
            assert_eq!((&word["label"], &word["rate"]), (&label.to_string().into(), &rate.into()));
            assert_eq!((&word["user_bits"], &word["reverse"]), (&"89abcdef".into(), &false.into()));
            assert_eq!(word["start_sample"], at);
            assert!(word["confidence"].as_u64().unwrap() > 50);
            at = word["end_sample"].clone();
            label.increment();
        }
    }
}

#[test]
fn ltc_through_a_pipe() {
    let wav =
        run(&["ltc", "encode", "-", "--rate", "25", "--start", "01:00:00:00", "--duration", "1"]).stdout;
    assert_eq!(wav.len(), 44 + 2 * 48_000);
    let mut decoder =
        tool(&["ltc", "decode", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    decoder.stdin.take().unwrap().write_all(&wav).unwrap();
    let output = decoder.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() >= 24, "{text}");
    assert!(text.starts_with("00000000   01:00:00:00 |        0     1920  25\n"), "{text}");
}

#[test]
fn ltc_of_other_formats() {
    let scratch = Scratch::new();
    let wav =
        run(&["ltc", "encode", "-", "--rate", "25", "--start", "01:00:00:00", "--duration", "1"]).stdout;
    let samples: Vec<_> =
        wav[44..].chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]]))).collect();
    let file = scratch.path("other.wav");
    for (bits, sample_format) in [
        (16, hound::SampleFormat::Int),
        (24, hound::SampleFormat::Int),
        (32, hound::SampleFormat::Int),
        (32, hound::SampleFormat::Float),
    ] {
        let spec = hound::WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: bits, sample_format };
        let mut writer = hound::WavWriter::create(&file, spec).unwrap();
        for &sample in &samples {
            // programme sound on the left, LTC on the right
            if sample_format == hound::SampleFormat::Float {
                writer.write_sample(0.0_f32).unwrap();
                writer.write_sample(sample as f32 / 32_768.0).unwrap();
            } else {
                writer.write_sample(0).unwrap();
                writer.write_sample(sample << (bits - 16)).unwrap();
            }
        }
        writer.finalize().unwrap();
        let words = json_lines(&prints(&["ltc", "decode", &file, "--json", "--channel", "2"]));
        assert!(words.len() >= 24, "{bits} bits: {}", words.len());
        assert_eq!(words[0]["label"], "01:00:00:00");
        let silence = run(&["ltc", "decode", &file]);
        assert_eq!((silence.status.code(), silence.stdout.len()), (Some(0), 0));
    }
    let (code, line) = fails(&["ltc", "decode", &file, "--channel", "3"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("error: --channel: "), "{line}");
}

#[test]
fn ltc_files_that_are_broken_or_missing() {
    let scratch = Scratch::new();
    let missing = scratch.path("missing.wav");
    let (code, line) = fails(&["ltc", "decode", &missing]);
    assert_eq!(code, 1);
    assert!(line.contains("missing.wav"), "{line}");

    let broken = scratch.path("broken.wav");
    for (bytes, expected) in [
        (&b""[..], "not a WAV file"),
        (b"this is a text and no sound", "not a WAV file"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0", "fmt chunk"),
        (b"RIFF\0\0\0\0WAVEdata\x04\0\0\0\0\0\0\0", "data chunk"),
        (
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x02\0\x01\0\x80\xbb\0\0\0\0\0\0\x02\0\x10\0data\0\0\0\0",
            "format tag",
        ),
        (
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x01\0\0\0\0\0\0\0\x02\0\x10\0data\0\0\0\0",
            "sample rate",
        ),
    ] {
        std::fs::write(&broken, bytes).unwrap();
        let (code, line) = fails(&["ltc", "decode", &broken]);
        assert_eq!(code, 2, "{line}");
        assert!(line.contains("broken.wav") && line.contains(expected), "{line}");
    }

    // cut short: what is there is printed, and that it is not all
    let wav =
        run(&["ltc", "encode", "-", "--rate", "25", "--start", "01:00:00:00", "--duration", "1"]).stdout;
    std::fs::write(&broken, &wav[..wav.len() / 2]).unwrap();
    let output = run(&["ltc", "decode", &broken]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() >= 11);
    assert!(String::from_utf8_lossy(&output.stderr).contains("data chunk: cut short"));
}

#[test]
fn ltc_arguments_are_named() {
    let scratch = Scratch::new();
    let out = scratch.path("out.wav");
    let encode = |arguments: &[&str]| {
        let all = ["ltc", "encode", &out, "--rate", "25", "--start", "00:00:00:00", "--duration", "1"];
        fails(&[&all[..all.len() - 2 * usize::from(arguments[0] == "--duration")], arguments].concat())
    };
    for (arguments, expected) in [
        (&["--duration", "0"], "error: --duration: '0': not a number of seconds above 0"),
        (&["--duration", "-1"], "error: --duration: '-1': not a number of seconds above 0"),
        (&["--duration", "long"], "error: --duration: 'long': not a number of seconds above 0"),
        (&["--duration", "100000"], "error: --duration: too long for a WAV file"),
        (&["--level", "3"], "error: --level: '3': not 0 to -96 dBFS in tenths"),
        (&["--user-bits", "xyz"], "error: --user-bits: 'xyz': not 1 to 8 hexadecimal digits"),
    ] {
        assert_eq!(encode(arguments), (2, expected.to_owned()));
    }
    let (code, line) = encode(&["--sample-rate", "100"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("error: --sample-rate: sample rate 100 is not from"), "{line}");
    let (code, line) =
        fails(&["ltc", "encode", &out, "--rate", "100", "--start", "00:00:00:00", "--duration", "1"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("error: --rate: "), "{line}");
    let (code, line) =
        fails(&["ltc", "encode", &out, "--rate", "50", "--start", "00:00:00:01", "--duration", "1"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("error: --start: "), "{line}");
    assert!(!std::path::Path::new(&out).exists());
}
