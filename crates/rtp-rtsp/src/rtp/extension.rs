//! Header extensions: the one block of RFC 3550 §5.3.1, and the elements of RFC 8285 in it.

/// Profile of the one-byte form (RFC 8285 §4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xbede;

/// The header extension of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// What it is: `0xbede` and `0x1000` to `0x100f` for elements, others by the profile in use.
    pub profile: u16,
    /// Its content, whole 32-bit words as read.
    pub data: &'a [u8],
}

/// One element of an RFC 8285 extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier that the description maps (`a=extmap`), from 1.
    pub id: u8,
    /// Its value.
    pub data: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The elements of an RFC 8285 extension; of another profile none. Ends at the first that does not fit.
    pub fn elements(&self) -> Elements<'a> {
        let form = match self.profile {
            ONE_BYTE_PROFILE => Form::OneByte,
            p if p & 0xfff0 == 0x1000 => Form::TwoBytes,
            _ => return Elements { form: Form::OneByte, rest: &[] },
        };
        Elements { form, rest: self.data }
    }
}

/// Iterator of [`Extension::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Form {
    OneByte,
    TwoBytes,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            self.rest = rest;
            // Padding between elements.
            if first == 0 {
                continue;
            }
            let (id, len, rest) = match self.form {
                // 15: nothing behind it may be read.
                Form::OneByte if first >> 4 == 15 => (15, usize::MAX, rest),
                Form::OneByte => (first >> 4, usize::from(first & 0x0f) + 1, rest),
                Form::TwoBytes => {
                    let (&len, rest) = rest.split_first()?;
                    (first, usize::from(len), rest)
                }
            };
            let Some((data, rest)) = rest.split_at_checked(len) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            // One byte with identifier 0 and a length is padding as well.
            if id != 0 {
                return Some(Element { id, data });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn elements(profile: u16, data: &[u8]) -> Vec<(u8, &[u8])> {
        Extension { profile, data }.elements().map(|e| (e.id, e.data)).collect()
    }

    #[test]
    fn one_byte_form() {
        // As in RFC 8285 §4.2: lengths are one less, zeros are padding.
        let data = [0x10, 0xaa, 0x21, 1, 2, 0, 0, 0x33, 1, 2, 3, 4];
        assert_eq!(elements(0xbede, &data), [(1, &[0xaa][..]), (2, &[1, 2]), (3, &[1, 2, 3, 4])]);
        assert_eq!(elements(0xbede, &[0x10, 1, 0xf0, 0x10]), [(1, &[1][..])]);
        assert_eq!(elements(0xbede, &[0x13, 1, 2]), []);
    }

    #[test]
    fn two_byte_form() {
        assert_eq!(elements(0x1000, &[1, 0, 0, 200, 2, 7, 8]), [(1, &[][..]), (200, &[7, 8])]);
        assert_eq!(elements(0x1003, &[1, 2, 0]), []);
        assert_eq!(elements(0xabac, &[1, 0, 0, 0]), []);
    }
}
