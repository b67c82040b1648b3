//! Values in lines: what configurations and local calls are made of.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::text::{Fields, Unreadable, write_data, write_word};
use crate::{ConnId, FileToken, Instant, SendTag, Service, SocketId};

/// A value that can be written into a line of a recording.
pub trait Written {
    /// Writes it as words, each after a space.
    fn write(&self, line: &mut String);
}

/// A value that can be read back.
pub trait Field: Written + Sized {
    /// Reads what [`write`](Written::write) wrote.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable>;
}

impl<T: Written + ?Sized> Written for &T {
    fn write(&self, line: &mut String) {
        (**self).write(line);
    }
}

macro_rules! displayed {
    ($($type:ty),* $(,)?) => { $(
        impl Written for $type {
            fn write(&self, line: &mut String) {
                write_word(line, self);
            }
        }

        impl Field for $type {
            fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
                fields.parse()
            }
        }
    )* };
}

displayed!(char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, bool, SocketAddr, IpAddr, Ipv4Addr);

crate::record_tuple!(ConnId(number));
crate::record_tuple!(FileToken(number));
crate::record_tuple!(SendTag(number));
crate::record_tuple!(Service(number));
crate::record_tuple!(SocketId(number));

impl Written for Instant {
    fn write(&self, line: &mut String) {
        write_word(line, self.as_nanos());
    }
}

impl Field for Instant {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        fields.parse().map(Self::from_nanos)
    }
}

/// In seconds and nanoseconds.
impl Written for Duration {
    fn write(&self, line: &mut String) {
        write_word(line, self.as_secs());
        write_word(line, self.subsec_nanos());
    }
}

impl Field for Duration {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        let (secs, nanos) = (fields.parse()?, fields.parse()?);
        // More than a second of them could be too long in all.
        if nanos < 1_000_000_000 { Ok(Self::new(secs, nanos)) } else { Err(Unreadable::Word) }
    }
}

impl Written for () {
    fn write(&self, _: &mut String) {}
}

impl Field for () {
    fn read(_: &mut Fields<'_>) -> Result<Self, Unreadable> {
        Ok(())
    }
}

impl Written for str {
    fn write(&self, line: &mut String) {
        write_data(line, self.as_bytes());
    }
}

impl Written for String {
    fn write(&self, line: &mut String) {
        self.as_str().write(line);
    }
}

impl Field for String {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        Self::from_utf8(fields.data()?).map_err(|_| Unreadable::Data)
    }
}

impl<T: Written + ToOwned + ?Sized> Written for Cow<'_, T> {
    fn write(&self, line: &mut String) {
        (**self).write(line);
    }
}

impl Field for Cow<'static, str> {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        String::read(fields).map(Cow::Owned)
    }
}

impl Written for Bytes {
    fn write(&self, line: &mut String) {
        write_data(line, self);
    }
}

impl Field for Bytes {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        fields.data().map(Self::from)
    }
}

impl Written for Box<[u8]> {
    fn write(&self, line: &mut String) {
        write_data(line, self);
    }
}

impl Field for Box<[u8]> {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        fields.data().map(Vec::into_boxed_slice)
    }
}

impl<const N: usize> Written for [u8; N] {
    fn write(&self, line: &mut String) {
        write_data(line, self);
    }
}

impl<const N: usize> Field for [u8; N] {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        fields.data()?.try_into().map_err(|_| Unreadable::Data)
    }
}

/// How many, and each.
impl<T: Written> Written for Vec<T> {
    fn write(&self, line: &mut String) {
        write_word(line, self.len());
        self.iter().for_each(|item| item.write(line));
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        let count: usize = fields.parse()?;
        // Room is made for what is there, not for what a number says.
        (0..count).map(|_| T::read(fields)).collect()
    }
}

/// `-`, or `+` and the value.
impl<T: Written> Written for Option<T> {
    fn write(&self, line: &mut String) {
        match self {
            None => write_word(line, '-'),
            Some(value) => {
                write_word(line, '+');
                value.write(line);
            }
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        match fields.word()? {
            "-" => Ok(None),
            "+" => T::read(fields).map(Some),
            _ => Err(Unreadable::Word),
        }
    }
}

/// `ok` or `err`, and the value.
impl<T: Written, E: Written> Written for Result<T, E> {
    fn write(&self, line: &mut String) {
        match self {
            Ok(value) => {
                write_word(line, "ok");
                value.write(line);
            }
            Err(error) => {
                write_word(line, "err");
                error.write(line);
            }
        }
    }
}

impl<T: Field, E: Field> Field for Result<T, E> {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        match fields.word()? {
            "ok" => T::read(fields).map(Ok),
            "err" => E::read(fields).map(Err),
            _ => Err(Unreadable::Word),
        }
    }
}

impl<A: Written, B: Written> Written for (A, B) {
    fn write(&self, line: &mut String) {
        self.0.write(line);
        self.1.write(line);
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        Ok((A::read(fields)?, B::read(fields)?))
    }
}

/// Makes a struct a [`Field`](crate::record::Field): one after the other all fields that are named, which have to be all that it has.
///
/// ```
/// struct Config { seed: [u8; 4], name: Option<String> }
/// machine::record_struct!(Config { seed, name });
/// ```
#[macro_export]
macro_rules! record_struct {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::record::Written for $type {
            fn write(&self, line: &mut $crate::record::Line) {
                $( $crate::record::Written::write(&self.$field, line); )*
            }
        }

        impl $crate::record::Field for $type {
            fn read(
                fields: &mut $crate::record::Fields<'_>,
            ) -> ::core::result::Result<Self, $crate::record::Unreadable> {
                ::core::result::Result::Ok(Self { $( $field: $crate::record::Field::read(fields)?, )* })
            }
        }
    };
}

/// Makes a struct whose fields have no names a [`Field`](crate::record::Field); they are named here.
///
/// ```
/// struct Ticks(u64);
/// machine::record_tuple!(Ticks(count));
/// ```
#[macro_export]
macro_rules! record_tuple {
    ($type:ident($($value:ident),* $(,)?)) => {
        impl $crate::record::Written for $type {
            fn write(&self, line: &mut $crate::record::Line) {
                let Self($($value),*) = self;
                $( $crate::record::Written::write($value, line); )*
            }
        }

        impl $crate::record::Field for $type {
            fn read(
                fields: &mut $crate::record::Fields<'_>,
            ) -> ::core::result::Result<Self, $crate::record::Unreadable> {
                $( let $value = $crate::record::Field::read(fields)?; )*
                ::core::result::Result::Ok(Self($($value),*))
            }
        }
    };
}

/// Makes an enum a [`Field`](crate::record::Field): the name of the variant, and what is in it, which is named here.
///
/// ```
/// enum Access { Open, Only(String), Between { least: u8, most: u8 } }
/// machine::record_enum!(Access { Open, Only(who), Between { least, most } });
/// ```
#[macro_export]
macro_rules! record_enum {
    ($type:ty { $(
        $variant:ident $(($($value:ident),* $(,)?))? $({ $($field:ident),* $(,)? })?
    ),* $(,)? }) => {
        impl $crate::record::Written for $type {
            fn write(&self, line: &mut $crate::record::Line) {
                match self {
                    $( Self::$variant $(($($value),*))? $({ $($field),* })? => {
                        $crate::record::write_word(line, ::core::stringify!($variant));
                        $( $( $crate::record::Written::write($value, line); )* )?
                        $( $( $crate::record::Written::write($field, line); )* )?
                    } )*
                }
            }
        }

        impl $crate::record::Field for $type {
            fn read(
                fields: &mut $crate::record::Fields<'_>,
            ) -> ::core::result::Result<Self, $crate::record::Unreadable> {
                match fields.word()? {
                    $( ::core::stringify!($variant) => {
                        $( $( let $value = $crate::record::Field::read(fields)?; )* )?
                        $( $( let $field = $crate::record::Field::read(fields)?; )* )?
                        ::core::result::Result::Ok(Self::$variant $(($($value),*))? $({ $($field),* })?)
                    } )*
                    _ => ::core::result::Result::Err($crate::record::Unreadable::Word),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::fmt::Debug;

    #[derive(Debug, PartialEq)]
    struct Mixed {
        seed: [u8; 3],
        name: Cow<'static, str>,
        rate: Option<(u32, i128)>,
        doors: Vec<Door>,
        wait: Duration,
    }

    #[derive(Debug, PartialEq)]
    enum Door {
        Shut,
        Ajar { by: u8, why: String },
        Open(Result<SocketAddr, bool>),
    }

    crate::record_struct!(Mixed { seed, name, rate, doors, wait });
    crate::record_enum!(Door { Shut, Ajar { by, why }, Open(at) });

    fn comes_back<T: Field + Debug + PartialEq>(value: &T) -> String {
        let mut line = String::new();
        value.write(&mut line);
        let mut fields = Fields::new(&line);
        assert_eq!(T::read(&mut fields).as_ref(), Ok(value), "{line}");
        assert_eq!(fields.end(), Ok(()), "{line}");
        // What is cut off is noticed, not guessed, unless a number or word is cut.
        for (at, _) in line.match_indices(' ') {
            assert!(T::read(&mut Fields::new(&line[..at])).is_err(), "{}", &line[..at]);
        }
        line
    }

    #[test]
    fn values_come_back() {
        let mixed = Mixed {
            seed: [0, 255, 7],
            name: "two words".into(),
            rate: Some((25, -1)),
            doors: vec![
                Door::Shut,
                Door::Ajar { by: 3, why: "\u{fc}\n".into() },
                Door::Open(Ok("[::1]:80".parse().unwrap())),
                Door::Open(Err(true)),
            ],
            wait: Duration::new(u64::MAX, 999_999_999),
        };
        let line = comes_back(&mixed);
        assert!(
            line.starts_with(" x00ff07 \"two words\" + 25 -1 4 Shut Ajar 3 xc3bc0a Open ok [::1]:80 "),
            "{line}"
        );
        comes_back(&(Instant::from_nanos(u64::MAX), ConnId(1 << 32)));
        comes_back(&(Box::<[u8]>::from(&b"1111"[..]), Bytes::from_static(b"\x80")));
        comes_back(&None::<Vec<()>>);
        assert_eq!(Duration::read(&mut Fields::new(" 1 1000000000")), Err(Unreadable::Word));
        assert!(Vec::<u8>::read(&mut Fields::new(" 99999999999 1")).is_err());
        assert!(Door::read(&mut Fields::new(" Window")).is_err());
    }
}
