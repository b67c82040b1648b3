//! RTP payloads both ways with GStreamer and ffmpeg: what we packetize they decode to the same pixels, what they
//! packetize we put together to the same frames.
//!
//! With GStreamer packets pass through files (RFC 4571 framing), so that nothing depends on time; with ffmpeg they go
//! over UDP, described by an SDP file.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use e2e::{peer, runs, unused_port};

use rtp_rtsp::files::MjpegReader;
use rtp_rtsp::h264::{self, AccessUnits, Nal, nal_units};
use rtp_rtsp::jpeg::Image;
use rtp_rtsp::media::{Codec, Packetizer, Packets};
use rtp_rtsp::receiver::{Config, Event, Receiver};
use rtp_rtsp::rtp::{DEFAULT_MAX_PACKET, Outgoing};

/// Nothing takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn gstreamer() -> bool {
    let elements = ["rtpstreamdepay", "rtpjpegpay", "jpegenc", "x264enc", "avdec_h264"];
    peer("GStreamer with its good, ugly and libav plug-ins", || {
        elements.iter().all(|e| runs("gst-inspect-1.0", &[e]))
    })
}

fn ffmpeg() -> bool {
    peer("ffmpeg", || runs("ffmpeg", &["-version"]))
}

fn launch(folder: &Path, pipeline: &str) {
    let status = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(pipeline.split_whitespace())
        .current_dir(folder)
        .status()
        .expect("gst-launch-1.0 runs");
    assert!(status.success(), "{pipeline}");
}

fn run_ffmpeg(folder: &Path, arguments: &str) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .status()
        .expect("ffmpeg runs");
    assert!(status.success(), "{arguments}");
}

/// The JPEG files in a file of them.
fn images(path: &Path) -> Vec<Vec<u8>> {
    let mut data = BytesMut::from(&std::fs::read(path).unwrap()[..]);
    let mut reader = MjpegReader::new(1 << 24);
    std::iter::from_fn(|| reader.next(&mut data).unwrap()).map(|f| f.to_vec()).collect()
}

/// The access units of an Annex B file.
fn access_units(path: &Path) -> Vec<Vec<u8>> {
    let mut data = BytesMut::from(&std::fs::read(path).unwrap()[..]);
    let mut cutter = AccessUnits::new(1 << 24);
    let mut units: Vec<Vec<u8>> =
        std::iter::from_fn(|| cutter.next(&mut data).unwrap()).map(|u| u.to_vec()).collect();
    units.extend(cutter.finish(&mut data).map(|u| u.to_vec()));
    units
}

fn packetize(codec: Codec, payload_type: u8, units: &[Vec<u8>]) -> Vec<Packets> {
    let out = Outgoing::new(payload_type, 0x1234_5678, 65_530, DEFAULT_MAX_PACKET);
    let mut packetizer = Packetizer::new(codec, out);
    let step = 90_000 / 25;
    (0..).zip(units).map(|(i, u)| packetizer.packetize(u, i * step).unwrap()).collect()
}

/// Packets behind their lengths (RFC 4571 §2).
fn framed(packets: &[Packets]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets.iter().flat_map(Packets::iter) {
        out.extend(u16::try_from(packet.len()).unwrap().to_be_bytes());
        out.extend(packet);
    }
    out
}

fn receiver(codec: Codec) -> Receiver {
    let mut config = Config::new(codec, 90_000);
    config.reports = false;
    Receiver::new(config)
}

fn frames(receiver: &mut Receiver) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    while let Some(event) = receiver.poll() {
        if let Event::Frame(f) = event {
            assert!(!f.frame.damaged);
            out.push(f.frame.data.to_vec());
        }
    }
    out
}

/// The frames in a file of framed packets.
fn unframe(path: &Path, receiver: &mut Receiver) -> Vec<Vec<u8>> {
    let data = std::fs::read(path).unwrap();
    let mut rest = &data[..];
    while let Some((len, after)) = rest.split_first_chunk() {
        let (packet, after) = after.split_at(usize::from(u16::from_be_bytes(*len)));
        receiver.rtp(machine::Instant::default(), packet);
        rest = after;
    }
    receiver.finish(machine::Instant::default());
    let statistics = receiver.statistics();
    assert_eq!((statistics.refused, statistics.lost, statistics.incomplete_frames), (0, 0, 0));
    frames(receiver)
}

/// What both files say of the picture, and its entropy-coded data.
fn assert_same_image(sent: &[u8], received: &[u8]) {
    let (sent, received) = (Image::parse(sent).unwrap(), Image::parse(received).unwrap());
    // The main header has units of 8 pixels.
    let rounded = |image: &Image<'_>| (image.width.next_multiple_of(8), image.height.next_multiple_of(8));
    assert_eq!(rounded(&sent), rounded(&received));
    assert_eq!((sent.sampling, sent.tables), (received.sampling, received.tables));
    assert!(sent.scan == received.scan);
}

fn nal_list(unit: &[u8]) -> Vec<&[u8]> {
    nal_units(unit).filter(|n| Nal::of(n) != Some(Nal::DELIMITER)).collect()
}

#[test]
fn gstreamer_paints_our_jpeg_packets_as_it_paints_the_files() {
    if !gstreamer() {
        return;
    }
    // 4:2:0, 4:2:2, a size that is no multiple of 8, and one beyond 2040 pixels.
    for (format, width, height) in
        [("I420", 640, 480), ("Y42B", 640, 480), ("I420", 324, 244), ("I420", 2560, 1440)]
    {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        launch(
            folder,
            &format!(
                "videotestsrc num-buffers=5 ! video/x-raw,width={width},height={height},format={format} ! \
                 jpegenc ! filesink location=in.mjpeg"
            ),
        );
        let images = images(&folder.join("in.mjpeg"));
        assert_eq!(images.len(), 5);
        let packets = packetize(Codec::Jpeg, 26, &images);
        std::fs::write(folder.join("out.rtp"), framed(&packets)).unwrap();
        let dimensions =
            if width > 2040 { format!(",x-dimensions=(string){width},{height}") } else { String::new() };
        let dimensions = dimensions.replace(&format!("{width},{height}"), &format!("\"{width},{height}\""));
        // Without dimensions in units of 8 both are the same; otherwise the receiver's picture is a little larger.
        launch(
            folder,
            &format!(
                "filesrc location=out.rtp ! application/x-rtp-stream,media=video,clock-rate=90000,\
                 encoding-name=JPEG,payload=26{dimensions} ! rtpstreamdepay ! rtpjpegdepay ! jpegdec ! \
                 video/x-raw,format=I420 ! filesink location=packets.yuv"
            ),
        );
        launch(
            folder,
            "filesrc location=in.mjpeg ! jpegparse ! jpegdec ! video/x-raw,format=I420 ! filesink location=files.yuv",
        );
        let (a, b) = (folder.join("packets.yuv"), folder.join("files.yuv"));
        let (a, b) = (std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
        if width % 8 == 0 {
            assert!(a == b, "{width}x{height} {format}: {} and {} bytes", a.len(), b.len());
        } else {
            assert!(a.len() > b.len() && a.len() % 5 == 0, "{} and {} bytes", a.len(), b.len());
        }
    }
}

#[test]
fn we_read_gstreamers_jpeg_packets() {
    if !gstreamer() {
        return;
    }
    for (format, width, height) in [("I420", 640, 480), ("Y42B", 640, 480), ("I420", 2560, 1440)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        launch(
            folder,
            &format!(
                "videotestsrc num-buffers=5 ! video/x-raw,width={width},height={height},format={format} ! \
                 jpegenc ! tee name=t t. ! queue ! filesink location=in.mjpeg \
                 t. ! queue ! rtpjpegpay pt=26 ! rtpstreampay ! filesink location=in.rtp"
            ),
        );
        let sent = images(&folder.join("in.mjpeg"));
        let mut config = Config::new(Codec::Jpeg, 90_000);
        config.dimensions = Some((width, height));
        config.reports = false;
        let received = unframe(&folder.join("in.rtp"), &mut Receiver::new(config));
        assert_eq!(received.len(), 5);
        sent.iter().zip(&received).for_each(|(s, r)| assert_same_image(s, r));
    }
}

#[test]
fn gstreamer_and_we_read_each_others_h264_packets() {
    if !gstreamer() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    launch(
        folder,
        "videotestsrc num-buffers=30 ! video/x-raw,width=640,height=480,framerate=25/1,format=I420 ! \
         x264enc tune=zerolatency key-int-max=10 bitrate=4000 ! video/x-h264,stream-format=byte-stream,alignment=au ! \
         tee name=t t. ! queue ! filesink location=in.h264 \
         t. ! queue ! rtph264pay pt=96 config-interval=-1 ! rtpstreampay ! filesink location=in.rtp",
    );
    let units = access_units(&folder.join("in.h264"));
    assert_eq!(units.len(), 30);

    // Theirs: the same NAL units, but for what their payloader puts in or leaves out at key frames.
    let received = unframe(&folder.join("in.rtp"), &mut receiver(Codec::H264));
    assert_eq!(received.len(), 30);
    let slices = |unit: &[u8]| -> Vec<Vec<u8>> {
        let nals = nal_list(unit).into_iter();
        nals.filter(|n| Nal::of(n).is_some_and(Nal::is_slice)).map(<[u8]>::to_vec).collect()
    };
    units.iter().zip(&received).for_each(|(s, r)| assert!(slices(s) == slices(r)));
    let sets = h264::ParameterSets::find(&received[0]).expect("parameter sets are in band");
    let sps = sets.parse_sps().unwrap();
    assert_eq!((sps.width, sps.height), (640, 480));

    // Ours: the same pixels.
    std::fs::write(folder.join("out.rtp"), framed(&packetize(Codec::H264, 96, &units))).unwrap();
    launch(
        folder,
        "filesrc location=out.rtp ! application/x-rtp-stream,media=video,clock-rate=90000,encoding-name=H264,\
         payload=96 ! rtpstreamdepay ! rtph264depay ! avdec_h264 ! video/x-raw,format=I420 ! \
         filesink location=packets.yuv",
    );
    launch(
        folder,
        "filesrc location=in.h264 ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! filesink location=files.yuv",
    );
    let (a, b) = (folder.join("packets.yuv"), folder.join("files.yuv"));
    let (a, b) = (std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    assert_eq!(b.len(), 30 * 640 * 480 * 3 / 2);
    assert!(a == b, "{} and {} bytes", a.len(), b.len());
}

/// Material of ffmpeg's own making.
fn ffmpeg_material(folder: &Path) {
    run_ffmpeg(
        folder,
        "-f lavfi -i testsrc2=s=320x240:r=25 -frames:v 20 -c:v mjpeg -huffman default -pix_fmt yuvj420p -q:v 6 -f mjpeg \
         in.mjpeg",
    );
    run_ffmpeg(
        folder,
        "-f lavfi -i testsrc2=s=320x240:r=25 -frames:v 20 -c:v libx264 -profile:v baseline -pix_fmt yuv420p -g 10 -bf 0 \
         -f h264 in.h264",
    );
}

#[test]
fn we_read_what_ffmpeg_sends_over_udp() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ffmpeg_material(folder);
    for (codec, input) in [(Codec::Jpeg, "in.mjpeg"), (Codec::H264, "in.h264")] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // RTCP of ffmpeg goes to the next port, where nobody needs to be.
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut sender = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-re", "-r", "100", "-i", input, "-c:v", "copy", "-f", "rtp"])
            .arg(format!("rtp://127.0.0.1:{port}?pkt_size=1400"))
            .current_dir(folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut receiver = receiver(codec);
        let (mut buffer, start) = ([0; 2048], Instant::now());
        let mut ended = false;
        loop {
            match socket.recv(&mut buffer) {
                Ok(n) => receiver.rtp(machine::Instant::from_nanos(1), &buffer[..n]),
                // Nothing more in the socket after its end.
                Err(_) if ended => break,
                Err(_) => ended = sender.try_wait().unwrap().is_some(),
            }
            assert!(start.elapsed() < PATIENCE, "ffmpeg does not end");
        }
        assert!(sender.wait().unwrap().success());
        receiver.finish(machine::Instant::from_nanos(2));
        let received = frames(&mut receiver);
        assert_eq!((received.len(), receiver.statistics().lost, receiver.statistics().refused), (20, 0, 0));
        if codec == Codec::Jpeg {
            let sent = images(&folder.join(input));
            sent.iter().zip(&received).for_each(|(s, r)| assert_same_image(s, r));
        } else {
            let sent = access_units(&folder.join(input));
            sent.iter().zip(&received).for_each(|(s, r)| assert!(nal_list(s) == nal_list(r)));
        }
    }
}

#[test]
fn ffmpeg_decodes_what_we_send_over_udp() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ffmpeg_material(folder);
    for (codec, input, payload_type, lines) in [
        (Codec::Jpeg, "in.mjpeg", 26, ""),
        (Codec::H264, "in.h264", 96, "a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1\n"),
    ] {
        let units = match codec {
            Codec::Jpeg => images(&folder.join(input)),
            _ => access_units(&folder.join(input)),
        };
        // ffmpeg takes the next one too.
        let port = unused_port();
        let sdp = format!(
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP {payload_type}\n{lines}"
        );
        std::fs::write(folder.join("in.sdp"), sdp).unwrap();
        let mut reader = Command::new("ffmpeg")
            .args(
                "-v error -nostdin -y -protocol_whitelist file,udp,rtp -i in.sdp -frames:v 20 -f null -"
                    .split(' '),
            )
            .current_dir(folder)
            .spawn()
            .unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let out = Outgoing::new(payload_type, 7, 65_530, DEFAULT_MAX_PACKET);
        let mut packetizer = Packetizer::new(codec, out);
        // Over and over at 100 frames a second, until ffmpeg has decoded 20: it may come late to its socket.
        let (start, mut timestamp) = (Instant::now(), 0);
        'sending: loop {
            for unit in &units {
                if let Some(status) = reader.try_wait().unwrap() {
                    assert!(status.success(), "{input}");
                    break 'sending;
                }
                for packet in packetizer.packetize(unit, timestamp).unwrap().iter() {
                    let _ = socket.send_to(packet, ("127.0.0.1", port));
                }
                timestamp += 3600;
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(start.elapsed() < PATIENCE, "ffmpeg does not get its frames");
        }
    }
}
