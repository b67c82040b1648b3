//! The machines that recordings are of.

use machine::record::{Fields, Played, Player, Problem, Recordable, Unreadable};

/// A machine that is played.
pub(crate) trait Play {
    fn line(&mut self, line: &str) -> Result<(), Problem>;
    fn played(&self) -> Played;
    fn name(&self) -> &'static str;
}

impl<M: Recordable> Play for Player<M> {
    fn line(&mut self, line: &str) -> Result<(), Problem> {
        self.line(line)
    }

    fn played(&self) -> Played {
        self.played()
    }

    fn name(&self) -> &'static str {
        M::NAME
    }
}

/// The machine that a line `machine` describes; `line` is what follows that word.
pub(crate) fn open(line: &str) -> Result<Box<dyn Play>, Unreadable> {
    let mut fields = Fields::new(line);
    let name = fields.word()?;
    OPENERS.iter().find(|(known, _)| *known == name).ok_or(Unreadable::Machine)?.1(fields)
}

type Open = fn(Fields<'_>) -> Result<Box<dyn Play>, Unreadable>;

/// All that there are.
const OPENERS: &[(&str, Open)] = &[
    opener::<camera_packet::server::Server>(),
    opener::<dvb_css::server::TvServer>(),
    opener::<dvb_css::server::WcServer>(),
    opener::<multicam_common::server::Device>(),
    opener::<rtp_rtsp::server::Server>(),
    opener::<smpte_timecode::server::Server>(),
];

const fn opener<M: Recordable + 'static>() -> (&'static str, Open) {
    (M::NAME, |fields| Ok(Box::new(Player::<M>::open(fields)?)))
}
