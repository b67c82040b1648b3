//! The programs' arguments (sheet §8, order and text as the original's).

use camera_packet::settings::{SettingsBlock, Values};

use super::{Destination, PipelineConfig};

/// Arguments of the camera program. Floats are the shortest decimals that read back, as the original writes them.
pub fn camera_arguments(config: &PipelineConfig, settings: SettingsBlock) -> Vec<String> {
    let Values { shutter_us, gain, awb_red, awb_blue, contrast, brightness } = settings.values();
    let mut out: Vec<String> = ["-t", "0", "--width"].map(String::from).to_vec();
    out.extend([config.width.to_string(), "--height".into(), config.height.to_string()]);
    out.extend(["--framerate".into(), config.framerate.to_string(), "--codec".into(), config.codec.clone()]);
    out.extend(
        ["--inline", "--profile", "baseline", "--level", "4.2", "--vflip", "--nopreview"].map(String::from),
    );
    out.extend(["--shutter".into(), shutter_us.to_string(), "--gain".into(), gain.to_string()]);
    out.extend(["--awbgains".into(), format!("{awb_red:.2},{awb_blue:.2}")]);
    out.extend(["--contrast".into(), format!("{contrast:?}")]);
    out.extend(["--brightness".into(), format!("{brightness:?}")]);
    out.extend(config.camera_extra.iter().cloned());
    out.extend(["-o", "-"].map(String::from));
    out
}

/// Arguments of the publisher of H.264 that comes to its standard input.
pub fn publisher_arguments(config: &PipelineConfig, url: &str) -> Vec<String> {
    let rate = config.framerate.to_string();
    let head =
        ["-fflags", "nobuffer", "-flags", "low_delay", "-probesize", "32", "-analyzeduration", "0", "-r"];
    let middle = [rate.as_str(), "-f", "h264", "-i", "-", "-c:v", "copy"];
    output(config, head.into_iter().chain(middle), Destination::Publish(url))
}

/// Arguments of the publisher of raw pictures that come to its standard input.
pub(super) fn raw_publisher_arguments(config: &PipelineConfig, to: Destination<'_>) -> Vec<String> {
    let size = format!("{}x{}", config.width, config.height);
    let rate = config.framerate.to_string();
    let head = ["-loglevel", "warning", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size"];
    let middle = [size.as_str(), "-framerate", &rate, "-i", "-"];
    output(config, head.into_iter().chain(middle).chain(encoder(&rate).iter().map(String::as_str)), to)
}

/// Arguments of ffmpeg as source and publisher of its test picture. It listens to commands on its standard input.
pub(super) fn lavfi_arguments(
    config: &PipelineConfig,
    settings: SettingsBlock,
    to: Destination<'_>,
) -> Vec<String> {
    let rate = config.framerate.to_string();
    let picture = format!("testsrc2=size={}x{}:rate={rate}", config.width, config.height);
    let filters = filters(settings).map(|(filter, options)| {
        let options: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{filter}={}", options.join(":"))
    });
    let filters = format!("{},format=yuv420p", filters.join(","));
    let head = ["-loglevel", "warning", "-re", "-f", "lavfi", "-i", &picture, "-vf", &filters];
    output(config, head.into_iter().chain(encoder(&rate).iter().map(String::as_str)), to)
}

/// Arguments of ffmpeg as source and publisher of a V4L2 device.
pub(super) fn v4l2_arguments(config: &PipelineConfig, device: &str, to: Destination<'_>) -> Vec<String> {
    let size = format!("{}x{}", config.width, config.height);
    let rate = config.framerate.to_string();
    let head =
        ["-nostdin", "-loglevel", "warning", "-f", "v4l2", "-framerate", &rate, "-video_size", &size, "-i"];
    let middle = [device, "-pix_fmt", "yuv420p"];
    output(config, head.into_iter().chain(middle).chain(encoder(&rate).iter().map(String::as_str)), to)
}

/// The filters that show settings in ffmpeg, and their options. Exposure and gain have no likeness there.
pub(super) fn filters(settings: SettingsBlock) -> [(&'static str, [(&'static str, String); 2]); 2] {
    let v = settings.values();
    [
        ("eq", [("contrast", format!("{:?}", v.contrast)), ("brightness", format!("{:?}", v.brightness))]),
        (
            "colorchannelmixer",
            [("rr", format!("{:?}", v.awb_red.min(2.0))), ("bb", format!("{:?}", v.awb_blue.min(2.0)))],
        ),
    ]
}

/// Puts values in the place of `{shutter}` and its like; `None` if there is none of them.
pub(super) fn filled_in(words: &[String], settings: SettingsBlock) -> Option<Vec<String>> {
    let v = settings.values();
    let names = [
        ("{shutter}", v.shutter_us.to_string()),
        ("{gain}", v.gain.to_string()),
        ("{awb_red}", format!("{:.2}", v.awb_red)),
        ("{awb_blue}", format!("{:.2}", v.awb_blue)),
        ("{contrast}", format!("{:?}", v.contrast)),
        ("{brightness}", format!("{:?}", v.brightness)),
    ];
    let fill = |word: &String| names.iter().fold(word.clone(), |w, (name, value)| w.replace(name, value));
    let filled: Vec<String> = words.iter().map(fill).collect();
    (filled != words).then_some(filled)
}

fn output<'a>(
    config: &PipelineConfig,
    words: impl Iterator<Item = &'a str>,
    to: Destination<'_>,
) -> Vec<String> {
    let mut out: Vec<String> = words.map(String::from).collect();
    out.extend(config.publisher_extra.iter().cloned());
    let output: &[&str] = match to {
        Destination::Publish(url) => &["-f", "rtsp", url],
        Destination::Pipe => &["-flush_packets", "1", "-f", "h264", "-"],
    };
    out.extend(output.iter().map(|word| String::from(*word)));
    out
}

/// H.264 with a key frame each second and as little delay as can be.
fn encoder(rate: &str) -> Vec<String> {
    let keys = format!("keyint={rate}:repeat-headers=1");
    [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-profile:v",
        "baseline",
        "-level",
        "4.2",
    ]
    .into_iter()
    .chain(["-x264-params", &keys])
    .map(String::from)
    .collect()
}
