//! Timecode in the metadata of files: [BWF](bext) and [iXML](ixml) of sound files, [`tmcd`] of QuickTime.

pub mod bext;
pub mod ixml;
pub mod tmcd;
