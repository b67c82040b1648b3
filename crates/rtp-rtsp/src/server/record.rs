//! The server in recordings ([`machine::record`]).

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use machine::Instant;
use machine::record::{Field, Fields, Line, Unreadable, Written, write_word};

use super::{Clip, FileRefusal, MemoryClip, MountId, Server, UdpPorts};
use crate::auth::Credentials;
use crate::codec::Limits;
use crate::config::{Publish, ServerConfig};
use crate::error::UsageError;
use crate::lab::Fragments;
use crate::media::{Codec, Packets};
use crate::sdp::{Attribute, Media};

machine::recordable! {
    /// What programs do with a [`Server`] that is recorded.
    ///
    /// Files up to 8 MiB are in recordings; those of servers that were asked for a longer one can be played up
    /// to there.
    pub trait ServerCalls for Server = "rtsp" of ServerConfig {
        /// See [`Server::set_udp`].
        fn set_udp(ports: Option<UdpPorts>) -> ();
        /// See [`Server::add_live`].
        fn add_live(
            path: &str as String => &path,
            title: &str as String => &title,
            media: Vec<Media>,
        ) -> Result<MountId, UsageError>;
        /// See [`Server::remove`].
        fn remove[now](mount: MountId) -> Result<(), UsageError>;
        /// See [`Server::describe_anew`].
        fn describe_anew(mount: MountId, track: usize, media: Media) -> Result<(), UsageError>;
        /// See [`Server::push`].
        fn push[now](
            mount: MountId,
            track: usize,
            packets: &Packets as Packets => &packets,
            jpeg: Option<&Bytes> as Option<Bytes> => jpeg.as_ref(),
        ) -> Result<(), UsageError>;
        /// See [`Server::push_sampled`].
        fn push_sampled[now](
            sampled: Instant,
            mount: MountId,
            track: usize,
            packets: &Packets as Packets => &packets,
            jpeg: Option<&Bytes> as Option<Bytes> => jpeg.as_ref(),
        ) -> Result<(), UsageError>;
        /// See [`Server::offer`].
        fn offer[now](path: &str as String => &path, file: Offered) -> ();
    }
}

/// A file that is offered, or why there is none.
#[derive(Clone, Debug)]
pub struct Offered(pub Result<Arc<dyn Clip>, FileRefusal>);

impl Server {
    /// As [`offer_file`](Self::offer_file).
    pub fn offer(&mut self, now: Instant, path: &str, file: Offered) {
        self.offer_file(now, path, file.0);
    }
}

/// `file` and what is in it, `elsewhere`, or `refused` and why.
impl Written for Offered {
    fn write(&self, line: &mut Line) {
        match &self.0 {
            Ok(clip) => match clip.in_memory().filter(|clip| clip.len_bytes() <= MAX_KEPT) {
                Some(clip) => {
                    write_word(line, "file");
                    clip.write(line);
                }
                None => write_word(line, "elsewhere"),
            },
            Err(refusal) => {
                write_word(line, "refused");
                refusal.write(line);
            }
        }
    }
}

impl Field for Offered {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        match fields.word()? {
            "file" => Ok(Self(Ok(Arc::new(MemoryClip::read(fields)?)))),
            "refused" => Ok(Self(Err(FileRefusal::read(fields)?))),
            "elsewhere" => Err(Unreadable::NotRecorded),
            _ => Err(Unreadable::Word),
        }
    }
}

machine::record_struct!(ServerConfig {
    rng_seed,
    name,
    readers,
    publishers,
    publish,
    files,
    loop_files,
    max_files,
    max_sessions,
    max_sessions_per_connection,
    max_published,
    session_timeout,
    publisher_gap,
    head_timeout,
    play_wait,
    limits,
    lab_fragments,
    multicast,
    multicast_ttl,
});
machine::record_struct!(Credentials { user, password });
machine::record_enum!(Publish { Nowhere, Anywhere, At(paths) });
machine::record_struct!(Limits { max_head, max_body });
machine::record_enum!(Fragments { Same, PerFragment, Whole });
machine::record_struct!(UdpPorts { rtp, rtcp, ports });
machine::record_tuple!(MountId(number));
machine::record_enum!(FileRefusal { Missing, Unsupported, Failed });
machine::record_enum!(Codec { Jpeg, H264, H265, Other });
machine::record_struct!(Media { kind, port, protocol, formats, lines, attributes });
machine::record_struct!(Attribute { name, value });

/// Bytes of the longest file that a recording keeps.
const MAX_KEPT: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Packetizer;
    use crate::rtp::Outgoing;
    use alloc::{format, vec};
    use bytes::BytesMut;

    const KEY: &[u8] = &[0, 0, 0, 1, 0x67, 66, 0xc0, 30, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x88, 9];

    fn line_of(value: &impl Written) -> Line {
        let mut line = Line::new();
        value.write(&mut line);
        line
    }

    #[test]
    fn files_packets_and_configurations_come_back() {
        let clip = MemoryClip::from_annex_b(BytesMut::from(KEY), (25, 1)).unwrap();
        let offered = Offered(Ok(Arc::new(clip)));
        let line = line_of(&offered);
        let read = Offered::read(&mut Fields::new(&line)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{offered:?}"));

        let mut packetizer = Packetizer::new(Codec::H264, Outgoing::new(96, 2, 3, 1200));
        let packets = packetizer.packetize(&[KEY, &[7; 5000]].concat(), 90_000).unwrap();
        let line = line_of(&packets);
        assert_eq!(Packets::read(&mut Fields::new(&line)), Ok(packets));

        let mut config = ServerConfig::new([1; 32]);
        config.readers = Some(Credentials::new("a", "b c"));
        config.publish = Publish::At(vec!["x".into(), "y z".into()]);
        config.multicast = Some(([239, 0, 0, 1].into(), 5000));
        let line = line_of(&config);
        assert_eq!(line_of(&ServerConfig::read(&mut Fields::new(&line)).unwrap()), line);
    }

    #[test]
    fn long_files_are_named_and_not_kept() {
        let long = [KEY, &vec![7; MAX_KEPT]].concat();
        let clip = MemoryClip::from_annex_b(BytesMut::from(&long[..]), (25, 1)).unwrap();
        let line = line_of(&Offered(Ok(Arc::new(clip))));
        assert_eq!(Offered::read(&mut Fields::new(&line)).unwrap_err(), Unreadable::NotRecorded);
        let line = line_of(&Offered(Err(FileRefusal::Missing)));
        assert!(matches!(Offered::read(&mut Fields::new(&line)), Ok(Offered(Err(FileRefusal::Missing)))));
    }
}
