//! Finds where an image ends among bytes that come piece by piece.

use super::ImageError;
use super::image::{EOI, SOI, SOS};

/// Walks the markers of one JPEG image and says where it ends. Thumbnails within application segments are passed
/// over, which a search for FF D9 would take for the end.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    /// How far the image was looked through.
    offset: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Markers,
    Scan,
}

impl Splitter {
    /// At the start of an image.
    pub const fn new() -> Self {
        Self { offset: 0, state: State::Start }
    }

    /// The length of the image that `data` begins with, its EOI included; `None` if more is needed. The next call
    /// has to give the same bytes and more.
    ///
    /// # Errors
    /// [`ImageError`] if it does not begin with SOI, or something stands where a marker should. Begin anew elsewhere.
    pub fn find_end(&mut self, data: &[u8]) -> Result<Option<usize>, ImageError> {
        loop {
            let rest = data.get(self.offset..).unwrap_or_default();
            match self.state {
                State::Start => match *rest {
                    [0xff, SOI, ..] => {
                        self.offset += 2;
                        self.state = State::Markers;
                    }
                    [] | [0xff] => return Ok(None),
                    _ => return Err(ImageError::NotJpeg),
                },
                State::Markers => match *rest {
                    [0xff, EOI, ..] => {
                        let end = self.offset + 2;
                        *self = Self::new();
                        return Ok(Some(end));
                    }
                    [0xff, 0xff, ..] => self.offset += 1,
                    [0xff, 0x01 | 0xd0..=0xd7, ..] => self.offset += 2,
                    [0xff, 0x00 | SOI, ..] => return Err(self.no_marker()),
                    [0xff, marker, l0, l1, ..] => {
                        let len = usize::from(u16::from_be_bytes([l0, l1]));
                        if len < 2 {
                            return Err(self.no_marker());
                        }
                        if rest.len() < 2 + len {
                            return Ok(None);
                        }
                        self.offset += 2 + len;
                        self.state = if marker == SOS { State::Scan } else { State::Markers };
                    }
                    [] | [0xff, ..] => return Ok(None),
                    _ => return Err(self.no_marker()),
                },
                State::Scan => {
                    let Some(found) = find_ff(rest) else {
                        self.offset += rest.len();
                        return Ok(None);
                    };
                    match rest.get(found + 1) {
                        // The FF is looked at again when its marker is there.
                        None => {
                            self.offset += found;
                            return Ok(None);
                        }
                        Some(0x00 | 0xd0..=0xd7) => self.offset += found + 2,
                        Some(0xff) => self.offset += found + 1,
                        Some(_) => {
                            self.offset += found;
                            self.state = State::Markers;
                        }
                    }
                }
            }
        }
    }

    fn no_marker(&self) -> ImageError {
        ImageError::NoMarker { offset: u32::try_from(self.offset).unwrap_or(u32::MAX) }
    }
}

/// The first FF. By blocks, which the compiler compares at once.
fn find_ff(data: &[u8]) -> Option<usize> {
    let mut blocks = data.chunks_exact(32);
    let mut at = 0;
    for block in &mut blocks {
        if block.iter().fold(false, |any, b| any | (*b == 0xff)) {
            break;
        }
        at += 32;
    }
    let found = data.get(at..)?.iter().position(|b| *b == 0xff)?;
    Some(at + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn image() -> Vec<u8> {
        let thumbnail = [0xff, 0xd8, 1, 2, 0xff, 0xd9];
        let app1 = [&[0xff, 0xe1, 0, 8][..], &thumbnail].concat();
        let sos = [0xff, 0xda, 0, 4, 1, 1];
        let scan = [&[5; 100][..], &[0xff, 0, 7, 0xff, 0xd3, 8, 0xff, 0xff], &[0xd9]].concat();
        [&[0xff, 0xd8][..], &app1, &sos, &scan].concat()
    }

    #[test]
    fn a_thumbnail_is_no_end() {
        let image = image();
        let both = [&image[..], &image].concat();
        let mut splitter = Splitter::new();
        assert_eq!(splitter.find_end(&both), Ok(Some(image.len())));
        assert_eq!(splitter.find_end(&both[image.len()..]), Ok(Some(image.len())));
    }

    #[test]
    fn however_it_comes() {
        let image = image();
        let mut splitter = Splitter::new();
        for len in 0..image.len() {
            assert_eq!(splitter.find_end(&image[..len]), Ok(None), "{len}");
        }
        assert_eq!(splitter.find_end(&image), Ok(Some(image.len())));
    }

    #[test]
    fn what_is_no_image_is_said() {
        assert_eq!(Splitter::new().find_end(b"GIF89a"), Err(ImageError::NotJpeg));
        let no_marker = Err(ImageError::NoMarker { offset: 2 });
        assert_eq!(Splitter::new().find_end(&[0xff, 0xd8, 5]), no_marker);
        assert_eq!(Splitter::new().find_end(&[0xff, 0xd8, 0xff, 0xe0, 0, 1]), no_marker);
    }
}
