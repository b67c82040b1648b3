//! What the user bits hold: the three binary group flags (ST 12-1 clause 8.4, table 1).
//!
//! ```text
//! BGF2 BGF1 BGF0   user bits               label
//!  0    0    0     unspecified             unspecified
//!  0    0    1     8-bit characters        unspecified
//!  1    0    0     date and time zone      unspecified
//!  1    0    1     page/line (ST 262)      unspecified
//!  0    1    0     unspecified             time of day
//!  0    1    1     reserved                reserved
//!  1    1    0     date and time zone      time of day
//!  1    1    1     page/line (ST 262)      time of day
//! ```

/// The three flags as a number: BGF0 is bit 0, BGF2 is bit 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct BinaryGroups(u8);

/// What the 32 user bits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupFormat {
    /// Not said.
    Unspecified,
    /// Four 8-bit characters of ISO/IEC 646 or 2022: see [`characters`].
    Characters,
    /// A date and a time zone (ST 309): see [`Date`](super::Date).
    DateTimeZone,
    /// The page/line multiplex of ST 262.
    PageLine,
    /// Flags 011, which have no meaning.
    Reserved,
}

impl BinaryGroups {
    /// 000: neither is said.
    pub const UNSPECIFIED: Self = Self(0b000);
    /// 001: characters.
    pub const CHARACTERS: Self = Self(0b001);
    /// 010: the label is the time of day.
    pub const CLOCK: Self = Self(0b010);
    /// 100: date and time zone.
    pub const DATE_TIME_ZONE: Self = Self(0b100);
    /// 101: page/line.
    pub const PAGE_LINE: Self = Self(0b101);
    /// 110: date and time zone, and the label is the time of day.
    pub const DATE_TIME_ZONE_CLOCK: Self = Self(0b110);
    /// 111: page/line, and the label is the time of day.
    pub const PAGE_LINE_CLOCK: Self = Self(0b111);

    /// From the number BGF2 BGF1 BGF0; its upper bits are not looked at.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b111)
    }

    /// From the flags.
    pub const fn from_flags(bgf0: bool, bgf1: bool, bgf2: bool) -> Self {
        Self(bgf0 as u8 | (bgf1 as u8) << 1 | (bgf2 as u8) << 2)
    }

    /// The number BGF2 BGF1 BGF0, 0 to 7.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// BGF0.
    pub const fn bgf0(self) -> bool {
        self.0 & 0b001 != 0
    }

    /// BGF1.
    pub const fn bgf1(self) -> bool {
        self.0 & 0b010 != 0
    }

    /// BGF2.
    pub const fn bgf2(self) -> bool {
        self.0 & 0b100 != 0
    }

    /// What the user bits are said to be. Many senders leave the flags clear whatever the user bits hold.
    pub const fn format(self) -> GroupFormat {
        match self.0 {
            0b001 => GroupFormat::Characters,
            0b100 | 0b110 => GroupFormat::DateTimeZone,
            0b101 | 0b111 => GroupFormat::PageLine,
            0b011 => GroupFormat::Reserved,
            _ => GroupFormat::Unspecified,
        }
    }

    /// Whether the label is said to be the time of day.
    pub const fn is_clock(self) -> bool {
        matches!(self.0, 0b010 | 0b110 | 0b111)
    }
}

/// The four characters in user bits: the first is in groups 7 and 8, low nibble in 7; the last in groups 1 and 2.
pub const fn characters(user_bits: u32) -> [u8; 4] {
    user_bits.to_be_bytes()
}

/// User bits that hold four characters; a seven-bit code has its eighth bit clear.
pub const fn user_bits_from_characters(characters: [u8; 4]) -> u32 {
    u32::from_be_bytes(characters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Address, FlagLayout};

    #[test]
    fn every_combination_has_its_meaning() {
        let all = [0, 1, 2, 3, 4, 5, 6, 7].map(BinaryGroups::from_bits).map(|g| (g.format(), g.is_clock()));
        use GroupFormat::*;
        assert_eq!(
            all,
            [
                (Unspecified, false),
                (Characters, false),
                (Unspecified, true),
                (Reserved, false),
                (DateTimeZone, false),
                (PageLine, false),
                (DateTimeZone, true),
                (PageLine, true),
            ]
        );
    }

    #[test]
    fn flags_move_with_the_layout() {
        for (layout, positions) in
            [(FlagLayout::Lines525, [43, 58, 59]), (FlagLayout::Lines625, [27, 58, 43])]
        {
            for bits in 0..8 {
                let groups = BinaryGroups::from_bits(bits);
                let address = Address::default().with_binary_groups(layout, groups);
                let expected = (0..3).map(|i| u64::from(bits >> i & 1) << positions[i]).sum::<u64>();
                assert_eq!(address.bits(), expected);
                assert_eq!(address.binary_groups(layout), groups);
            }
        }
    }

    #[test]
    fn first_character_is_in_groups_7_and_8() {
        assert_eq!(user_bits_from_characters(*b"DCBA"), 0x4443_4241);
        assert_eq!(characters(0x4443_4241), *b"DCBA");
        assert_eq!(Address::default().with_user_bits(0x4443_4241).to_bytes()[6..], [0x40, 0x40]);
    }
}
