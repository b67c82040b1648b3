//! Why an image cannot be sent, and why a payload cannot be used.

use thiserror::Error;

/// A JPEG image that RFC 2435 cannot carry, or no JPEG image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It does not begin with SOI.
    #[error("not a JPEG image: it does not begin with FF D8")]
    NotJpeg,
    /// It ends within a segment or before its scan.
    #[error("the JPEG image ends at byte {offset}, within its headers")]
    Truncated {
        /// Where it ends.
        offset: u32,
    },
    /// Not a marker where one has to be.
    #[error("no JPEG marker at byte {offset}")]
    NoMarker {
        /// Where it should be.
        offset: u32,
    },
    /// A segment whose content is not what its marker says.
    #[error("JPEG segment FF {marker:02X} at byte {offset} is damaged")]
    Segment {
        /// Second byte of its marker.
        marker: u8,
        /// Where it begins.
        offset: u32,
    },
    /// Progressive, lossless, hierarchical or arithmetic coding.
    #[error("{} JPEG (FF {marker:02X}) cannot be carried, only baseline", process(*marker))]
    NotBaseline {
        /// Second byte of its frame header's marker.
        marker: u8,
    },
    /// More than 8 bits a sample.
    #[error("JPEG with {bits} bits a sample cannot be carried, only 8")]
    Precision {
        /// Its bits.
        bits: u8,
    },
    /// Greyscale, CMYK.
    #[error("JPEG with {found} component{} cannot be carried, only 3", if *found == 1 { " (greyscale)" } else { "s" })]
    Components {
        /// How many it has.
        found: u8,
    },
    /// Red, green and blue instead of luma and chroma.
    #[error("JPEG in RGB cannot be carried, only YCbCr")]
    Rgb,
    /// Sampling factors other than 4:2:0 and 4:2:2.
    #[error(
        "JPEG sampled {}x{},{}x{},{}x{}{} cannot be carried, only 4:2:0 (2x2,1x1,1x1) and 4:2:2 (2x1,1x1,1x1)",
        factors[0] >> 4, factors[0] & 15, factors[1] >> 4, factors[1] & 15, factors[2] >> 4, factors[2] & 15,
        sampling(*factors)
    )]
    Sampling {
        /// Of each component, horizontal in the upper four bits.
        factors: [u8; 3],
    },
    /// Huffman tables of its own.
    #[error("JPEG with its own Huffman tables cannot be carried (ffmpeg: -huffman default)")]
    Huffman {
        /// 0: DC, 1: AC.
        class: u8,
        /// Of the chroma components.
        chroma: bool,
    },
    /// A quantization table is used that was not given.
    #[error("JPEG without its quantization table {table}")]
    NoQuantization {
        /// Its number.
        table: u8,
    },
    /// The chroma components have different quantization tables.
    #[error("JPEG with different quantization tables for Cb and Cr cannot be carried")]
    ChromaTables,
    /// Width or height of zero, or said only after the scan.
    #[error("JPEG of {width}x{height} pixels")]
    Dimensions {
        /// Its width.
        width: u16,
        /// Its height.
        height: u16,
    },
    /// Components in scans of their own.
    #[error("JPEG in several scans cannot be carried, only interleaved components")]
    Scans,
    /// More than the 24 bits of the fragment offset.
    #[error("JPEG of {bytes} bytes cannot be carried, only up to 16777215")]
    TooLong {
        /// Bytes of its scan.
        bytes: u32,
    },
    /// No frame header before the scan.
    #[error("JPEG without a frame header")]
    NoFrame,
}

/// A payload that is not what RFC 2435 says, or does not go with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// It ends within its headers or tables.
    #[error("JPEG payload of {length} bytes ends within its headers")]
    TooShort {
        /// How many there are.
        length: u32,
    },
    /// A type that is not defined.
    #[error("JPEG payload of type {found}; 0, 1, 64 and 65 are known")]
    Type {
        /// Its type.
        found: u8,
    },
    /// A Q that says nothing.
    #[error("JPEG payload with reserved Q {found}")]
    Quality {
        /// Its Q.
        found: u8,
    },
    /// Tables of another length than one or two (or three) tables have.
    #[error("JPEG payload with {length} bytes of quantization tables")]
    Tables {
        /// How many.
        length: u16,
    },
    /// It refers to tables that did not come yet.
    #[error("JPEG payload refers to tables of Q {q} that did not come yet")]
    NoTables {
        /// Its Q.
        q: u8,
    },
    /// Width or height of 0, and nothing else that says them.
    #[error("JPEG payload without dimensions")]
    NoDimensions,
    /// A part of the frame is missing before this one.
    #[error("JPEG fragment at {found} where {expected} is next")]
    Gap {
        /// Its offset.
        found: u32,
        /// The offset that was next.
        expected: u32,
    },
    /// The rest of a frame of which something was refused or lost.
    #[error("a fragment of a JPEG frame that is given up")]
    GivenUp,
    /// A frame beyond the limit.
    #[error("JPEG frame of more than {limit} bytes")]
    TooLong {
        /// The most it may have.
        limit: u32,
    },
    /// Header segments in an extension that are damaged.
    #[error("damaged JPEG segments in a header extension")]
    Extension,
}

const fn process(marker: u8) -> &'static str {
    match marker {
        0xc1 => "extended sequential",
        0xc2 => "progressive",
        0xc3 => "lossless",
        0xc9..=0xcb => "arithmetic-coded",
        _ => "hierarchical",
    }
}

const fn sampling(factors: [u8; 3]) -> &'static str {
    match factors {
        [0x11, 0x11, 0x11] => " (4:4:4)",
        [0x12, 0x11, 0x11] => " (4:4:0)",
        [0x41, 0x11, 0x11] => " (4:1:1)",
        _ => "",
    }
}
