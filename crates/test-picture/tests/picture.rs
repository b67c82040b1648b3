//! The picture at many sizes, and what is left of it after damage.

use test_picture::{Frame, Marks, Picture, RowError, SizeError, crc8, read};

fn marks(n: u32) -> Marks {
    Marks {
        time_ns: 1_735_689_600_000_000_000 + u64::from(n) * 41_666_667,
        frame: n,
        timecode: 0x0123_4512,
        settings: [0x64, 0x40, 0x0f, n.to_le_bytes()[0], 0x0a, 0x7f],
        rate_hundredths: 2397,
    }
}

#[test]
fn every_size_reads_back() {
    for (width, height) in
        [(640, 96), (640, 480), (720, 576), (1280, 720), (1920, 1080), (2560, 96), (3840, 2160)]
    {
        let mut frame = Frame::new(Picture::try_new(width, height).unwrap());
        for n in [0, 1, 255, 256, u32::MAX] {
            frame.draw(&marks(n));
            assert_eq!(read(frame.luma(), width, width).marks(), Ok(marks(n)), "{width}x{height}");
            assert_eq!(frame.planes().len(), width * height * 3 / 2);
        }
    }
}

#[test]
fn sizes_that_cannot_be() {
    for (width, height) in [(0, 0), (638, 480), (641, 480), (640, 94), (640, 97), (3200, 96), (20_000, 1000)]
    {
        assert_eq!(Picture::try_new(width, height), Err(SizeError { width, height }));
    }
}

#[test]
fn frames_depend_on_their_marks_alone() {
    let picture = Picture::try_new(640, 480).unwrap();
    let (mut a, mut b) = (Frame::new(picture), Frame::new(picture));
    a.draw(&marks(3));
    a.draw(&marks(9));
    b.draw(&marks(9));
    assert_eq!(a, b);
    b.draw(&marks(10));
    assert_ne!(a.luma()[640 * 100..], b.luma()[640 * 100..], "it moves");
    // Settings show in the picture, not only in the strip.
    b.draw(&Marks { settings: [0x64, 0x40, 0x0f, 9, 0x0a, 0xff], ..marks(9) });
    assert_ne!(a.luma()[640 * 300..], b.luma()[640 * 300..]);
}

#[test]
fn noise_below_the_threshold_and_one_broken_cell() {
    let mut frame = Frame::new(Picture::try_new(640, 480).unwrap());
    frame.draw(&marks(77));
    let mut noise = 1_u32;
    let mut luma: Vec<u8> = frame
        .luma()
        .iter()
        .map(|y| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wobble = i16::from((noise >> 24).to_le_bytes()[0]) * 100 / 255 - 50;
            u8::try_from((i16::from(*y) + wobble).clamp(0, 255)).unwrap()
        })
        .collect();
    assert_eq!(read(&luma, 640, 640).marks(), Ok(marks(77)));
    // A wrong cell of row 1 spoils that row and no other.
    for y in 8..16 {
        for x in 20 * 8..21 * 8 {
            luma[y * 640 + x] = 251 - luma[y * 640 + x].clamp(16, 235);
        }
    }
    let reading = read(&luma, 640, 640);
    assert_eq!(reading.label, Err(RowError::Crc));
    assert_eq!((reading.time_ns.is_ok(), reading.settings.is_ok()), (true, true));
    assert_eq!(reading.marks(), Err(RowError::Crc));
}

#[test]
fn the_sheets_vector() {
    assert_eq!(crc8(&[1, 2, 3, 4, 5, 6, 7, 8]), 0x3e);
}
