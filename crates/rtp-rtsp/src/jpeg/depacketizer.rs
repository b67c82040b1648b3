//! From packets to files.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::image::{DQT, SOF0};
use super::rebuild::{END, FrameHeader, frame_size, put_header, segments};
use super::{MainHeader, PayloadError, RestartHeader, Sampling, TableHeader, quantization};
use crate::rtp::Packet;

/// Makes JPEG files of RTP packets, which have to come in order (see [`crate::rtp::ReorderBuffer`]). A frame of which
/// a part is missing is given up whole.
#[derive(Debug)]
pub struct Depacketizer {
    max_frame: usize,
    /// From the description, for frames whose headers do not say it.
    described_size: Option<(u16, u16)>,
    /// From the last frame header in an extension.
    last_size: Option<(u16, u16)>,
    /// In-band tables by their Q, 128 to 254.
    known: Vec<(u8, u8, Vec<u8>)>,
    state: State,
    last_len: usize,
    given_up: u64,
}

#[derive(Debug)]
enum State {
    /// Before the first packet of a frame.
    Idle,
    /// The headers are known, of the scan nothing yet.
    Headers {
        timestamp: u32,
        main: MainHeader,
        restart: u16,
        tables: Vec<u8>,
        precision: u8,
        extension: Vec<u8>,
    },
    /// The scan is coming in.
    Scan { timestamp: u32, next: u32, file: BytesMut },
    /// Of this frame nothing more is wanted.
    GivenUp { timestamp: u32 },
}

impl Depacketizer {
    /// A depacketizer that gives up frames of more than `max_frame` bytes.
    pub const fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            described_size: None,
            last_size: None,
            known: Vec::new(),
            state: State::Idle,
            last_len: 0,
            given_up: 0,
        }
    }

    /// Width and height as the description has them (`a=x-dimensions`), for frames above 2040 pixels.
    pub fn set_dimensions(&mut self, width: u16, height: u16) {
        self.described_size = Some((width, height)).filter(|s| s.0 > 0 && s.1 > 0);
    }

    /// Frames given up so far, of which at least one packet came.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes the next packet; gives the file when this was the last of its frame.
    ///
    /// # Errors
    /// [`PayloadError`] says why the frame is given up; what follows is taken as if nothing had been.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<Option<Bytes>, PayloadError> {
        let result = self.take(packet);
        if result.is_err() {
            if !matches!(self.state, State::GivenUp { .. }) {
                self.given_up += 1;
            }
            self.state = if packet.header.marker {
                State::Idle
            } else {
                State::GivenUp { timestamp: packet.header.timestamp }
            };
        }
        result
    }

    fn take(&mut self, packet: &Packet<'_>) -> Result<Option<Bytes>, PayloadError> {
        let timestamp = packet.header.timestamp;
        match self.state {
            State::GivenUp { timestamp: t } if t == timestamp => return Err(PayloadError::GivenUp),
            // The end of the frame before is missing.
            State::Headers { timestamp: t, .. } | State::Scan { timestamp: t, .. } if t != timestamp => {
                self.given_up += 1;
                self.state = State::Idle;
            }
            State::GivenUp { .. } => self.state = State::Idle,
            _ => {}
        }
        let extension = packet.extension.filter(|e| matches!(e.profile, INITIAL | FOLLOWING));
        let short =
            PayloadError::TooShort { length: u32::try_from(packet.payload.len()).unwrap_or(u32::MAX) };
        let mut data: &[u8] = &[];
        match MainHeader::parse(packet.payload) {
            Some((main, rest)) => data = self.headers(main, rest, timestamp, short)?,
            // A packet of extensions alone.
            None if packet.payload.is_empty() && extension.is_some() => {}
            None => return Err(short),
        }
        if let Some(e) = extension {
            self.extension(e.data)?;
        }
        self.scan(data, timestamp)?;
        if !packet.header.marker {
            return Ok(None);
        }
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Scan { mut file, .. } => {
                if !file.ends_with(&END) {
                    file.extend_from_slice(&END);
                }
                self.last_len = file.len();
                Ok(Some(file.freeze()))
            }
            _ => Err(short),
        }
    }

    /// Takes the headers of a payload; gives the data behind them.
    fn headers<'a>(
        &mut self,
        main: MainHeader,
        mut rest: &'a [u8],
        timestamp: u32,
        short: PayloadError,
    ) -> Result<&'a [u8], PayloadError> {
        if Sampling::from_kind(main.kind).is_none() {
            return Err(PayloadError::Type { found: main.kind });
        }
        let mut restart = 0;
        if main.has_restart() {
            let header;
            (header, rest) = RestartHeader::parse(rest).ok_or(short)?;
            restart = header.interval;
        }
        let mut in_band = None;
        if main.has_tables() {
            let (header, tables, after) = TableHeader::parse(rest)?;
            rest = after;
            in_band = Some((header.precision, tables));
        }
        if !matches!(self.state, State::Idle) {
            let expected = match self.state {
                State::Scan { next, .. } => next,
                _ => 0,
            };
            let fits = main.offset == expected || rest.is_empty();
            return fits.then_some(rest).ok_or(PayloadError::Gap { found: main.offset, expected });
        }
        if main.offset != 0 {
            return Err(PayloadError::Gap { found: main.offset, expected: 0 });
        }
        let (precision, tables) = self.tables(main.q, in_band)?;
        let extension = Vec::new();
        self.state = State::Headers { timestamp, main, restart, tables, precision, extension };
        Ok(rest)
    }

    fn tables(&mut self, q: u8, in_band: Option<(u8, &[u8])>) -> Result<(u8, Vec<u8>), PayloadError> {
        if let Some(computed) = quantization(q) {
            return Ok((0, computed.to_vec()));
        }
        let Some((precision, tables)) = in_band else {
            // 0 is for frames whose tables come in an extension.
            return if q == 0 { Ok((0, Vec::new())) } else { Err(PayloadError::Quality { found: q }) };
        };
        if tables.is_empty() {
            let known = self.known.iter().find(|(known, ..)| *known == q);
            let (_, precision, tables) = known.ok_or(PayloadError::NoTables { q })?;
            return Ok((*precision, tables.clone()));
        }
        let mut len = 0;
        let fits = (0..4).any(|i| {
            len += if precision >> i & 1 == 1 { 128 } else { 64 };
            len == tables.len()
        });
        if !fits {
            return Err(PayloadError::Tables { length: u16::try_from(tables.len()).unwrap_or(u16::MAX) });
        }
        if q < 255 {
            self.known.retain(|(known, ..)| *known != q);
            self.known.push((q, precision, tables.to_vec()));
        }
        Ok((precision, tables.to_vec()))
    }

    fn extension(&mut self, data: &[u8]) -> Result<(), PayloadError> {
        match &mut self.state {
            State::Headers { extension, .. } => {
                if extension.len() + data.len() > MAX_EXTENSION {
                    return Err(PayloadError::Extension);
                }
                extension.extend_from_slice(data);
                Ok(())
            }
            // Within the scan they go where they stand.
            State::Scan { .. } => self.append(data),
            State::Idle | State::GivenUp { .. } => Err(PayloadError::Extension),
        }
    }

    fn scan(&mut self, data: &[u8], timestamp: u32) -> Result<(), PayloadError> {
        if data.is_empty() {
            return Ok(());
        }
        if let State::Headers { .. } = self.state {
            self.begin_file(timestamp)?;
        }
        self.append(data)?;
        if let State::Scan { next, .. } = &mut self.state {
            *next = next.saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    fn begin_file(&mut self, timestamp: u32) -> Result<(), PayloadError> {
        let State::Headers { main, restart, tables, precision, extension, .. } =
            core::mem::replace(&mut self.state, State::Idle)
        else {
            return Ok(());
        };
        if tables.is_empty() && !segments(&extension).any(|(m, _)| m == DQT) {
            return Err(PayloadError::Quality { found: main.q });
        }
        let own = segments(&extension).find(|(m, _)| *m == SOF0).and_then(|(_, s)| frame_size(s));
        let in_header = (main.width_8 > 0 && main.height_8 > 0)
            .then(|| (8 * u16::from(main.width_8), 8 * u16::from(main.height_8)));
        let size = own.or(in_header).or(self.described_size).or(self.last_size);
        self.last_size = own.or(self.last_size);
        let size = size.ok_or(PayloadError::NoDimensions)?;
        let sampling = Sampling::from_kind(main.kind).ok_or(PayloadError::Type { found: main.kind })?;
        // The same again, and a little more, saves growing.
        let mut file = BytesMut::with_capacity(
            (self.last_len + self.last_len / 8).clamp(2048, self.max_frame.max(2048)),
        );
        let size = if own.is_some() { None } else { Some(size) };
        let header = FrameHeader {
            sampling,
            size,
            restart_interval: restart,
            tables: &tables,
            precision,
            extension: &extension,
        };
        put_header(&header, &mut file);
        self.state = State::Scan { timestamp, next: 0, file };
        Ok(())
    }

    fn append(&mut self, data: &[u8]) -> Result<(), PayloadError> {
        if let State::Scan { file, .. } = &mut self.state {
            if file.len() + data.len() + END.len() > self.max_frame {
                return Err(PayloadError::TooLong {
                    limit: u32::try_from(self.max_frame).unwrap_or(u32::MAX),
                });
            }
            file.extend_from_slice(data);
        }
        Ok(())
    }
}

/// Profiles of the header extensions with JPEG segments: in the first packet of a frame and in others (ONVIF
/// Streaming Specification §5.1.4).
const INITIAL: u16 = 0xffd8;
const FOLLOWING: u16 = 0xffff;
/// Most bytes of segments from extensions in a frame.
const MAX_EXTENSION: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::super::{Image, packetize};
    use super::*;
    use crate::rtp::{Extension, Header, Outgoing, Packets};
    use alloc::vec;
    use proptest::prelude::*;

    /// A file like a camera's: two tables, standard Huffman tables, any scan.
    fn file(width: u16, height: u16, sampling: Sampling, restart: u16, scan: &[u8]) -> Vec<u8> {
        let tables = quantization(60).unwrap();
        let header = FrameHeader {
            sampling,
            size: Some((width, height)),
            restart_interval: restart,
            tables: &tables,
            precision: 0,
            extension: &[],
        };
        let mut out = BytesMut::new();
        put_header(&header, &mut out);
        [&out[..], scan, &END].concat()
    }

    fn scan(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    fn receive(
        depacketizer: &mut Depacketizer,
        packets: &Packets,
    ) -> Vec<Result<Option<Bytes>, PayloadError>> {
        packets.iter().map(|p| depacketizer.push(&Packet::parse(p).unwrap())).collect()
    }

    fn outgoing() -> Outgoing {
        Outgoing::new(26, 7, 65_530, 1400)
    }

    #[test]
    fn a_file_comes_back_byte_for_byte() {
        for sampling in [Sampling::S422, Sampling::S420] {
            for restart in [0, 4] {
                let file = file(640, 480, sampling, restart, &scan(40_000));
                let image = Image::parse(&file).unwrap();
                let packets = packetize(&image, 9, &mut outgoing());
                assert_eq!(packets.runs().count(), 1, "all leave in one call");
                let mut depacketizer = Depacketizer::new(1 << 20);
                let mut said = receive(&mut depacketizer, &packets);
                assert_eq!(said.pop().unwrap().unwrap().unwrap(), file);
                assert!(said.iter().all(|s| *s == Ok(None)));
            }
        }
    }

    #[test]
    fn large_images_carry_their_frame_header() {
        let file = file(2560, 1440, Sampling::S420, 0, &scan(9000));
        let packets = packetize(&Image::parse(&file).unwrap(), 9, &mut outgoing());
        assert_eq!(packets.runs().count(), 1);
        let first = Packet::parse(packets.iter().next().unwrap()).unwrap();
        assert_eq!(first.extension.unwrap().profile, 0xffd8);
        assert_eq!(first.payload[6..8], [0, 0]);
        // By the extension alone.
        let mut depacketizer = Depacketizer::new(1 << 20);
        let made = receive(&mut depacketizer, &packets).pop().unwrap().unwrap().unwrap();
        let (made, sent) = (Image::parse(&made).unwrap(), Image::parse(&file).unwrap());
        assert_eq!((made.width, made.height, made.scan), (2560, 1440, sent.scan));
        assert_eq!(made.tables, sent.tables);
        // By the description alone, as GStreamer sends it.
        let plain: Vec<Vec<u8>> = packets
            .iter()
            .map(|p| {
                let p = Packet::parse(p).unwrap();
                [&p.header.to_bytes(), p.payload].concat()
            })
            .collect();
        let mut without = Depacketizer::new(1 << 20);
        assert_eq!(without.push(&Packet::parse(&plain[0]).unwrap()), Err(PayloadError::NoDimensions));
        let mut described = Depacketizer::new(1 << 20);
        described.set_dimensions(2560, 1440);
        let made = plain.iter().fold(None, |_, p| described.push(&Packet::parse(p).unwrap()).unwrap());
        assert_eq!(made.unwrap(), file);
    }

    #[test]
    fn onvif_segments_may_come_before_any_scan() {
        // Frame header in the second packet, which has no payload; Huffman tables of its own before it.
        let header = |marker| Header { marker, payload_type: 26, sequence: 1, timestamp: 5, ssrc: 0 };
        let own = [&[0xff, 0xc4, 0, 20, 0][..], &[0, 1, 0, 0], &[0; 12], &[7, 0xff, 0xff]].concat();
        let sof = [0xff, 0xc0, 0, 17, 8, 0x08, 0, 0x10, 0, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff];
        let main = MainHeader { type_specific: 0, offset: 0, kind: 1, q: 50, width_8: 0, height_8: 0 };
        fn packet<'a>(header: Header, profile: u16, data: &'a [u8], payload: &'a [u8]) -> Packet<'a> {
            let mut packet = Packet::parse(&[0x80, 26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
            packet.header = header;
            packet.extension = Some(Extension { profile, data });
            packet.payload = payload;
            packet
        }
        let mut d = Depacketizer::new(1 << 20);
        let first = main.to_bytes();
        assert_eq!(d.push(&packet(header(false), 0xffd8, &own, &first)), Ok(None));
        assert_eq!(d.push(&packet(header(false), 0xffff, &sof, &[])), Ok(None));
        let last = [&main.to_bytes()[..], &[1, 2, 3]].concat();
        let made = d.push(&packet(header(true), 0xffff, &[], &last)).unwrap().unwrap();
        assert!(made.windows(own.len()).any(|w| w == own));
        assert!(matches!(Image::parse(&made), Err(super::super::ImageError::Huffman { .. })));
    }

    #[test]
    fn tables_are_remembered_by_their_q() {
        let scan = [1, 2, 3];
        let payload = |q, tables: &[u8]| {
            let main = MainHeader { type_specific: 0, offset: 0, kind: 1, q, width_8: 2, height_8: 2 };
            let header = TableHeader { precision: 0, length: tables.len() as u16 };
            [&main.to_bytes()[..], &header.to_bytes(), tables, &scan].concat()
        };
        let mut d = Depacketizer::new(1 << 20);
        let mut push = |q, tables: &[u8], t: u8| {
            let packet = [&[0x80, 0x9a, 0, t, 0, 0, 0, t, 0, 0, 0, 0][..], &payload(q, tables)].concat();
            d.push(&Packet::parse(&packet).unwrap())
        };
        assert_eq!(push(200, &[], 1), Err(PayloadError::NoTables { q: 200 }));
        let first = push(200, &[9; 128], 2).unwrap().unwrap();
        assert_eq!(push(200, &[], 3).unwrap().unwrap(), first);
        assert_eq!(push(255, &[], 4), Err(PayloadError::NoTables { q: 255 }));
        assert_eq!(push(255, &[9; 128], 5).unwrap().unwrap(), first);
        assert_eq!(push(255, &[], 6), Err(PayloadError::NoTables { q: 255 }));
        assert_eq!(push(255, &[9; 100], 7), Err(PayloadError::Tables { length: 100 }));
        // One table for all components, and one for each.
        let one = push(255, &[9; 64], 8).unwrap().unwrap();
        let image = Image::parse(&one).unwrap();
        assert_eq!((image.tables.luma, image.tables.chroma), (&[9; 64][..], &[9; 64][..]));
        assert!(push(255, &[9; 192], 9).unwrap().is_some());
    }

    #[test]
    fn a_lost_packet_costs_its_frame_alone() {
        let file = file(640, 480, Sampling::S420, 0, &scan(5000));
        let image = Image::parse(&file).unwrap();
        let mut out = outgoing();
        for missing in 0..4 {
            let mut d = Depacketizer::new(1 << 20);
            let (a, b) = (packetize(&image, 1, &mut out), packetize(&image, 2, &mut out));
            assert_eq!(a.count(), 4);
            let mut whole = 0;
            for (_, p) in a.iter().chain(b.iter()).enumerate().filter(|(i, _)| *i != missing) {
                if let Ok(Some(f)) = d.push(&Packet::parse(p).unwrap()) {
                    assert_eq!(f, file);
                    whole += 1;
                }
            }
            assert_eq!((whole, d.given_up()), (1, 1), "packet {missing}");
        }
    }

    #[test]
    fn a_frame_is_bounded() {
        let file = file(640, 480, Sampling::S420, 0, &scan(5000));
        let packets = packetize(&Image::parse(&file).unwrap(), 1, &mut outgoing());
        let said = receive(&mut Depacketizer::new(3000), &packets);
        assert_eq!(said[3], Err(PayloadError::GivenUp));
        assert!(said.contains(&Err(PayloadError::TooLong { limit: 3000 })));
    }

    proptest! {
        #[test]
        fn any_payloads_are_taken_or_refused(
            packets in proptest::collection::vec((any::<bool>(), 0..3_u32, any::<Vec<u8>>(), 0..4_u8), 1..20),
        ) {
            let mut d = Depacketizer::new(4096);
            for (marker, timestamp, mut payload, kind) in packets {
                // Headers that may fit.
                if payload.len() > 12 {
                    payload[1] = 0;
                    payload[2] = 0;
                    payload[3] = if kind & 2 == 0 { 0 } else { payload[3] };
                    payload[4] = if kind & 1 == 0 { 1 } else { 65 };
                }
                let header = Header { marker, payload_type: 26, sequence: 0, timestamp, ssrc: 0 }.to_bytes();
                let data = [&header[..], &payload].concat();
                if let Ok(Some(file)) = d.push(&Packet::parse(&data).unwrap()) {
                    prop_assert!(file.len() <= 4096 + 2);
                    prop_assert!(Image::parse(&file).is_ok());
                }
            }
        }

        #[test]
        fn scans_of_any_length_make_one_run(len in 1..9000_usize, max in 400..3000_u16) {
            let file = file(64, 48, Sampling::S422, 0, &vec![3; len]);
            let mut out = Outgoing::new(26, 7, 0, max);
            let packets = packetize(&Image::parse(&file).unwrap(), 1, &mut out);
            prop_assert_eq!(packets.runs().count(), 1);
            prop_assert!(packets.iter().all(|p| p.len() <= usize::from(max)));
            let made = receive(&mut Depacketizer::new(1 << 20), &packets).pop().unwrap();
            prop_assert_eq!(made.unwrap().unwrap(), file);
        }
    }
}
