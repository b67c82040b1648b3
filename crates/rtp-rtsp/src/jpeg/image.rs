//! A JPEG file, as far as RFC 2435 needs to know it.

use super::ImageError;
use super::tables::standard;

/// A JPEG image that RFC 2435 can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Pixels across, from 1.
    pub width: u16,
    /// Pixels down, from 1.
    pub height: u16,
    /// How chroma is sampled.
    pub sampling: Sampling,
    /// MCUs between restart markers; 0 where there are none.
    pub restart_interval: u16,
    /// The quantization tables.
    pub tables: Tables<'a>,
    /// Entropy-coded data, without EOI.
    pub scan: &'a [u8],
}

/// How chroma is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// 4:2:2: half across. RFC 2435 type 0.
    S422,
    /// 4:2:0: half across and down. RFC 2435 type 1.
    S420,
}

/// Quantization tables as in DQT segments, in zigzag order: 64 bytes, or 128 with 16 bits a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables<'a> {
    /// Of luma.
    pub luma: &'a [u8],
    /// Of both chroma components; the same as luma's where the file has one for all.
    pub chroma: &'a [u8],
}

impl Sampling {
    /// The type of RFC 2435 without restart markers.
    pub const fn kind(self) -> u8 {
        match self {
            Self::S422 => 0,
            Self::S420 => 1,
        }
    }

    /// The sampling of a type of RFC 2435, with or without restart markers.
    pub const fn from_kind(kind: u8) -> Option<Self> {
        match kind {
            0 | 64 => Some(Self::S422),
            1 | 65 => Some(Self::S420),
            _ => None,
        }
    }
}

impl<'a> Image<'a> {
    /// Reads a file by its marker segments; thumbnails and the like in application segments are passed over. What
    /// follows the last EOI is left out.
    ///
    /// # Errors
    /// [`ImageError`] says what of it RFC 2435 cannot carry, or where it is damaged.
    pub fn parse(data: &'a [u8]) -> Result<Self, ImageError> {
        let mut walk =
            Walk { data, offset: 2, quantization: [None; 4], huffman: [None; 8], restart: 0, frame: None };
        if data.get(..2) != Some(&[0xff, SOI]) {
            return Err(ImageError::NotJpeg);
        }
        loop {
            let (marker, offset, segment) = walk.next_segment()?;
            match marker {
                DQT => walk.quantization(segment, offset)?,
                DHT => walk.huffman(segment, offset)?,
                DRI => {
                    let interval = segment.first_chunk().ok_or(ImageError::Segment { marker, offset })?;
                    walk.restart = u16::from_be_bytes(*interval);
                }
                SOF0 => walk.frame = Some(Frame::parse(segment, offset)?),
                // SOF1 to SOF15 but for DHT, JPG and DAC.
                0xc1..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    return Err(ImageError::NotBaseline { marker });
                }
                // Adobe: the colour transform is its 12th byte, 0 with three components is RGB.
                APP14 if segment.starts_with(b"Adobe") && segment.get(11) == Some(&0) => {
                    return Err(ImageError::Rgb);
                }
                SOS => return walk.scan(segment, offset),
                _ => {}
            }
        }
    }
}

struct Walk<'a> {
    data: &'a [u8],
    offset: usize,
    quantization: [Option<&'a [u8]>; 4],
    /// DC 0 to 3, then AC 0 to 3.
    huffman: [Option<&'a [u8]>; 8],
    restart: u16,
    frame: Option<Frame>,
}

#[derive(Clone, Copy)]
struct Frame {
    width: u16,
    height: u16,
    sampling: Sampling,
    /// Identifier and quantization table of each component.
    components: [(u8, u8); 3],
}

impl<'a> Walk<'a> {
    /// The next marker with a segment: its second byte, where it stands, and its content.
    fn next_segment(&mut self) -> Result<(u8, u32, &'a [u8]), ImageError> {
        loop {
            let at = self.offset;
            let truncated = ImageError::Truncated { offset: u32_of(self.data.len()) };
            let rest = self.data.get(at..).unwrap_or_default();
            let [0xff, marker, ..] = *rest else {
                return Err(if rest.len() < 2 {
                    truncated
                } else {
                    ImageError::NoMarker { offset: u32_of(at) }
                });
            };
            match marker {
                // Fill bytes before a marker.
                0xff => self.offset += 1,
                // Without a segment.
                0x01 | 0xd0..=0xd8 => self.offset += 2,
                // No image at all, or the end before a scan.
                0x00 | EOI => return Err(ImageError::NoMarker { offset: u32_of(at) }),
                _ => {
                    let Some((&[_, _, l0, l1], after)) = rest.split_first_chunk() else {
                        return Err(truncated);
                    };
                    let len = usize::from(u16::from_be_bytes([l0, l1]));
                    let wrong = ImageError::Segment { marker, offset: u32_of(at) };
                    let content = after.get(..len.checked_sub(2).ok_or(wrong)?).ok_or(truncated)?;
                    self.offset += 2 + len;
                    return Ok((marker, u32_of(at), content));
                }
            }
        }
    }

    fn quantization(&mut self, mut segment: &'a [u8], offset: u32) -> Result<(), ImageError> {
        let wrong = ImageError::Segment { marker: DQT, offset };
        while let Some((&first, rest)) = segment.split_first() {
            let len = match first >> 4 {
                0 => 64,
                1 => 128,
                _ => return Err(wrong),
            };
            let (table, rest) = rest.split_at_checked(len).ok_or(wrong)?;
            *self.quantization.get_mut(usize::from(first & 0x0f)).ok_or(wrong)? = Some(table);
            segment = rest;
        }
        Ok(())
    }

    fn huffman(&mut self, mut segment: &'a [u8], offset: u32) -> Result<(), ImageError> {
        let wrong = ImageError::Segment { marker: DHT, offset };
        while let Some((&first, rest)) = segment.split_first() {
            let counts = rest.get(..16).ok_or(wrong)?;
            let values: usize = counts.iter().map(|c| usize::from(*c)).sum();
            let (table, rest) = rest.split_at_checked(16 + values).ok_or(wrong)?;
            let (class, number) = (first >> 4, first & 0x0f);
            if class > 1 || number > 3 {
                return Err(wrong);
            }
            *self.huffman.get_mut(usize::from(4 * class + number)).ok_or(wrong)? = Some(table);
            segment = rest;
        }
        Ok(())
    }

    /// At SOS all is known.
    fn scan(&self, segment: &[u8], offset: u32) -> Result<Image<'a>, ImageError> {
        let wrong = ImageError::Segment { marker: SOS, offset };
        let frame = self.frame.ok_or(ImageError::NoFrame)?;
        let [count, rest @ ..] = segment else { return Err(wrong) };
        if *count != 3 {
            return Err(ImageError::Scans);
        }
        let &[c0, t0, c1, t1, c2, t2, ..] = rest else { return Err(wrong) };
        for (i, (component, tables)) in [(c0, t0), (c1, t1), (c2, t2)].into_iter().enumerate() {
            if frame.components.get(i).is_none_or(|c| c.0 != component) {
                return Err(wrong);
            }
            for (class, number) in [(0, tables >> 4), (1, tables & 0x0f)] {
                self.check_huffman(class, number, i > 0)?;
            }
        }
        let [luma, blue, red] = frame.components.map(|(_, table)| {
            let found = self.quantization.get(usize::from(table)).copied().flatten();
            found.ok_or(ImageError::NoQuantization { table })
        });
        let (luma, chroma) = (luma?, blue?);
        if red? != chroma {
            return Err(ImageError::ChromaTables);
        }
        let scan = without_end(self.data.get(self.offset..).unwrap_or_default());
        if scan.len() >= 1 << 24 {
            return Err(ImageError::TooLong { bytes: u32_of(scan.len()) });
        }
        if scan.is_empty() {
            return Err(ImageError::Truncated { offset: u32_of(self.data.len()) });
        }
        Ok(Image {
            width: frame.width,
            height: frame.height,
            sampling: frame.sampling,
            restart_interval: self.restart,
            tables: Tables { luma, chroma },
            scan,
        })
    }

    fn check_huffman(&self, class: u8, number: u8, chroma: bool) -> Result<(), ImageError> {
        let standard = standard(class, chroma);
        let own = self.huffman.get(usize::from(4 * class + (number & 3))).copied().flatten();
        // Without a table (as many cameras' MJPEG) the standard ones are meant, luma's as 0 and chroma's as 1.
        let fits = match own {
            Some(table) => table == standard,
            None => number == u8::from(chroma),
        };
        if fits && number < 4 { Ok(()) } else { Err(ImageError::Huffman { class, chroma }) }
    }
}

impl Frame {
    fn parse(segment: &[u8], offset: u32) -> Result<Self, ImageError> {
        let wrong = ImageError::Segment { marker: SOF0, offset };
        let Some((&[bits, h0, h1, w0, w1, count], rest)) = segment.split_first_chunk() else {
            return Err(wrong);
        };
        if bits != 8 {
            return Err(ImageError::Precision { bits });
        }
        if count != 3 {
            return Err(ImageError::Components { found: count });
        }
        let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
        if width == 0 || height == 0 {
            return Err(ImageError::Dimensions { width, height });
        }
        let &[i0, s0, q0, i1, s1, q1, i2, s2, q2, ..] = rest else { return Err(wrong) };
        let sampling = match [s0, s1, s2] {
            [0x21, 0x11, 0x11] => Sampling::S422,
            [0x22, 0x11, 0x11] => Sampling::S420,
            factors => return Err(ImageError::Sampling { factors }),
        };
        Ok(Self { width, height, sampling, components: [(i0, q0), (i1, q1), (i2, q2)] })
    }
}

/// Entropy-coded data up to EOI. In nearly all files that is the end; in others something follows it.
fn without_end(scan: &[u8]) -> &[u8] {
    let mut coded = scan;
    // A second image may follow the first, whose EOI is then not the last: entropy-coded data has no FF but before 0 and
    // restart markers, so the first other marker ends it. Files with more than one are walked by `Splitter` before they
    // come here; looking again would cost more than sending.
    if !scan.ends_with(&[0xff, EOI])
        && let Some(end) = scan.windows(2).rposition(|w| w == [0xff, EOI])
    {
        coded = scan.get(..end).unwrap_or(scan);
    }
    // Who puts the picture together again adds an EOI where there is none: with one left over it would be another file.
    while let Some(before) = coded.strip_suffix(&[0xff, EOI]) {
        coded = before;
    }
    coded
}

fn u32_of(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(super) const SOI: u8 = 0xd8;
pub(super) const EOI: u8 = 0xd9;
pub(super) const SOF0: u8 = 0xc0;
pub(super) const DHT: u8 = 0xc4;
pub(super) const SOS: u8 = 0xda;
pub(super) const DQT: u8 = 0xdb;
pub(super) const DRI: u8 = 0xdd;
pub(super) const APP14: u8 = 0xee;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let len = (content.len() + 2) as u16;
        [&[0xff, marker][..], &len.to_be_bytes(), content].concat()
    }

    /// A file of which each part can be another.
    struct Parts {
        sof: (u8, Vec<u8>),
        tables: Vec<u8>,
        more: Vec<u8>,
        sos: Vec<u8>,
    }

    impl Default for Parts {
        fn default() -> Self {
            let frame = [8, 0, 48, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
            Self {
                sof: (SOF0, frame.to_vec()),
                tables: segment(DQT, &[&[0][..], &[2; 64], &[1], &[3; 64]].concat()),
                more: Vec::new(),
                sos: alloc::vec![3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0],
            }
        }
    }

    impl Parts {
        fn file(&self) -> Vec<u8> {
            let sof = segment(self.sof.0, &self.sof.1);
            let sos = segment(SOS, &self.sos);
            [&[0xff, SOI][..], &self.tables, &sof, &self.more, &sos, &[1, 2, 3, 0xff, EOI]].concat()
        }

        fn error(&self) -> ImageError {
            Image::parse(&self.file()).unwrap_err()
        }
    }

    fn with_frame(at: usize, value: u8) -> Parts {
        let mut parts = Parts::default();
        parts.sof.1[at] = value;
        parts
    }

    #[test]
    fn all_is_found() {
        let thumbnail = segment(0xe1, &[0xff, 0xd8, 0xff, 0xd9]);
        let more = [&thumbnail[..], &segment(DRI, &[0, 4]), &segment(0xfe, b"by hand")].concat();
        let parts = Parts { more, ..Parts::default() };
        let mut file = parts.file();
        file.extend([0, 0, 0]);
        let image = Image::parse(&file).unwrap();
        assert_eq!((image.width, image.height, image.sampling), (64, 48, Sampling::S420));
        assert_eq!((image.restart_interval, image.scan), (4, &[1, 2, 3][..]));
        assert_eq!((image.tables.luma, image.tables.chroma), (&[2; 64][..], &[3; 64][..]));
    }

    #[test]
    fn each_refusal_says_why() {
        let text = |e: ImageError| alloc::format!("{e}");
        assert_eq!(Image::parse(b"GIF"), Err(ImageError::NotJpeg));
        let progressive = Parts { sof: (0xc2, Parts::default().sof.1), ..Parts::default() }.error();
        assert_eq!(text(progressive), "progressive JPEG (FF C2) cannot be carried, only baseline");
        let yuv444 = with_frame(7, 0x11).error();
        assert!(text(yuv444).starts_with("JPEG sampled 1x1,1x1,1x1 (4:4:4) cannot be carried"), "{yuv444}");
        assert!(text(with_frame(7, 0x12).error()).contains("(4:4:0)"));
        // ffmpeg's yuvj422p: its luma factors alone look like 4:2:0.
        let mut parts = with_frame(10, 0x12);
        parts.sof.1[13] = 0x12;
        assert_eq!(parts.error(), ImageError::Sampling { factors: [0x22, 0x12, 0x12] });
        assert_eq!(with_frame(0, 12).error(), ImageError::Precision { bits: 12 });
        assert_eq!(with_frame(5, 1).error(), ImageError::Components { found: 1 });
        assert_eq!(with_frame(2, 0).error(), ImageError::Dimensions { width: 64, height: 0 });
        assert_eq!(with_frame(8, 2).error(), ImageError::NoQuantization { table: 2 });
        assert_eq!(with_frame(14, 0).error(), ImageError::ChromaTables);
        let sos = alloc::vec![1, 1, 0, 0, 63, 0];
        assert_eq!(Parts { sos, ..Parts::default() }.error(), ImageError::Scans);
        let more = segment(APP14, &[&b"Adobe"[..], &[0; 7]].concat());
        assert_eq!(Parts { more, ..Parts::default() }.error(), ImageError::Rgb);
        let own = [&[0x10][..], &[0; 15], &[1, 9]].concat();
        let more = segment(DHT, &own);
        assert_eq!(
            Parts { more, ..Parts::default() }.error(),
            ImageError::Huffman { class: 1, chroma: false }
        );
    }

    #[test]
    fn standard_tables_under_any_number() {
        // Chroma's tables as number 0 and luma's as 1.
        let dht = |number, chroma| segment(DHT, &[&[number][..], standard(number >> 4, chroma)].concat());
        let more = [dht(0x00, true), dht(0x10, true), dht(0x01, false), dht(0x11, false)].concat();
        let sos = alloc::vec![3, 1, 0x11, 2, 0, 3, 0, 0, 63, 0];
        let parts = Parts { more: more.clone(), sos, ..Parts::default() };
        assert!(Image::parse(&parts.file()).is_ok());
        let exchanged = Parts { more, ..Parts::default() };
        assert!(matches!(exchanged.error(), ImageError::Huffman { .. }));
    }

    #[test]
    fn all_ends_are_left_out() {
        let file = Parts::default().file();
        for more in [&[][..], &[0xff, EOI], &[0xff, EOI, 0xff, EOI], &[0xff, EOI, 7]] {
            let file = [&file[..], more].concat();
            assert_eq!(Image::parse(&file).unwrap().scan, [1, 2, 3], "{more:?}");
        }
    }

    #[test]
    fn every_prefix_is_refused_cleanly() {
        let file = Parts::default().file();
        // Up to the first byte of the scan.
        for len in 0..file.len() - 5 {
            assert!(Image::parse(&file[..len]).is_err(), "{len}");
        }
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0..230_usize, value: u8, cut in 0..230_usize) {
            let mut file = Parts::default().file();
            let len = file.len();
            file[at % len] = value;
            let _ = Image::parse(&file);
            file.truncate(cut);
            let _ = Image::parse(&file);
        }
    }
}
