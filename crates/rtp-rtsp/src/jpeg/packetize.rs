//! From an image to packets.

use super::image::{Image, SOF0};
use super::{MAX_HEADER_SIZE, MainHeader, RestartHeader, Sampling, TableHeader};
use crate::rtp::{HEADER_LEN, Outgoing, Packets, PacketsBuilder};

/// Puts an image into packets, all but the last of the same length, so that they leave in one call.
///
/// The quantization tables go with every frame (Q 255), always two of them: GStreamer paints wrong colours with one.
/// An image wider or higher than [`MAX_HEADER_SIZE`] is sent with dimensions 0, which the description has to give
/// (`a=x-dimensions`), and besides with its frame header in a header extension (ONVIF Streaming Specification
/// §5.1.4).
pub fn packetize(image: &Image<'_>, timestamp: u32, out: &mut Outgoing) -> Packets {
    let large = image.width > MAX_HEADER_SIZE || image.height > MAX_HEADER_SIZE;
    let eighths = |pixels: u16| if large { 0 } else { u8::try_from(pixels.div_ceil(8)).unwrap_or(0) };
    let mut main = MainHeader {
        type_specific: 0,
        offset: 0,
        kind: image.sampling.kind(),
        q: 255,
        width_8: eighths(image.width),
        height_8: eighths(image.height),
    };
    let restart = RestartHeader::whole_frames(image.restart_interval).to_bytes();
    let restart: &[u8] = if image.restart_interval > 0 { &restart } else { &[] };
    main.kind += if restart.is_empty() { 0 } else { 64 };

    let (luma, chroma) = (image.tables.luma, image.tables.chroma);
    let precision = u8::from(luma.len() > 64) | u8::from(chroma.len() > 64) << 1;
    let length = u16::try_from(luma.len() + chroma.len()).unwrap_or(0);
    let table_header = TableHeader { precision, length }.to_bytes();
    let extension = if large { frame_header(image) } else { [0; EXTENSION_LEN] };
    let mut first =
        FirstParts { extension: if large { &extension } else { &[] }, tables: [&table_header, luma, chroma] };

    let headers = HEADER_LEN + MainHeader::LEN + restart.len();
    let room = usize::from(out.max_packet()) - headers;
    let count = (image.scan.len() + first.len()) / room + 1;
    let mut packets = PacketsBuilder::with_capacity(image.scan.len() + first.len() + count * headers);
    let mut rest = image.scan;
    loop {
        let (data, after) = rest.split_at_checked(room - first.len()).unwrap_or((rest, &[]));
        let mut rtp = out.next_header(after.is_empty(), timestamp);
        if !first.extension.is_empty() {
            let [v, ..] = &mut rtp;
            *v |= 0x10;
        }
        let [a, b, c] = first.tables;
        packets.push(&[&rtp, first.extension, &main.to_bytes(), restart, a, b, c, data]);
        // Below 2^24.
        main.offset += u32::try_from(data.len()).unwrap_or(0);
        rest = after;
        first = FirstParts { extension: &[], tables: [&[]; 3] };
        if rest.is_empty() {
            break;
        }
    }
    packets.finish_some(true)
}

/// What only the first packet has.
struct FirstParts<'a> {
    extension: &'a [u8],
    tables: [&'a [u8]; 3],
}

impl FirstParts<'_> {
    fn len(&self) -> usize {
        self.extension.len() + self.tables.iter().map(|t| t.len()).sum::<usize>()
    }
}

/// A header extension with the SOF0 segment.
fn frame_header(image: &Image<'_>) -> [u8; EXTENSION_LEN] {
    let [h0, h1] = image.height.to_be_bytes();
    let [w0, w1] = image.width.to_be_bytes();
    let luma = match image.sampling {
        Sampling::S422 => 0x21,
        Sampling::S420 => 0x22,
    };
    #[rustfmt::skip]
    let extension = [
        0xff, 0xd8, 0, 5,
        // One fill byte makes whole words.
        0xff, 0xff, SOF0, 0, 17, 8, h0, h1, w0, w1, 3, 1, luma, 0, 2, 0x11, 1, 3, 0x11, 1,
    ];
    extension
}

const EXTENSION_LEN: usize = 24;
