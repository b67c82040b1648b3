//! Wall clock messages to bytes and back. Nothing here allocates.

use crate::DecodeError;
use crate::message::{MaxFreqError, MessageType, Precision, TimeValue, WcMessage};

impl WcMessage {
    /// Reads a datagram, or the first 32 bytes of a longer one.
    ///
    /// # Errors
    /// [`DecodeError::Short`] below 32 bytes, [`DecodeError::Version`] for any but 0, [`DecodeError::MessageType`]
    /// above 3. The other fields have no bad values.
    pub fn parse(datagram: &[u8]) -> Result<Self, DecodeError> {
        let (words, _) = datagram.as_chunks::<4>();
        let [head, error, times @ ..] = words else {
            return Err(short(datagram));
        };
        let [a, b, c, d, e, f, ..] = times else {
            return Err(short(datagram));
        };
        let [version, kind, precision, _reserved] = *head;
        if version != 0 {
            return Err(DecodeError::Version { found: version });
        }
        let message_type = match kind {
            0 => MessageType::Request,
            1 => MessageType::Response,
            2 => MessageType::ResponseBeforeFollowUp,
            3 => MessageType::FollowUp,
            found => return Err(DecodeError::MessageType { found }),
        };
        let time = |seconds: &[u8; 4], nanoseconds: &[u8; 4]| TimeValue {
            seconds: u32::from_be_bytes(*seconds),
            nanoseconds: u32::from_be_bytes(*nanoseconds),
        };
        Ok(Self {
            message_type,
            precision: Precision(i8::from_be_bytes([precision])),
            max_freq_error: MaxFreqError(u32::from_be_bytes(*error)),
            originate: time(a, b),
            receive: time(c, d),
            transmit: time(e, f),
        })
    }

    /// The 32 bytes of the message.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let kind = match self.message_type {
            MessageType::Request => 0,
            MessageType::Response => 1,
            MessageType::ResponseBeforeFollowUp => 2,
            MessageType::FollowUp => 3,
        };
        let [precision] = self.precision.0.to_be_bytes();
        let head = u32::from_be_bytes([0, kind, precision, 0]);
        let first = u64::from(head) << 32 | u64::from(self.max_freq_error.0);
        let words = [first, self.originate.to_bits(), self.receive.to_bits(), self.transmit.to_bits()];
        let mut bytes = [0; Self::LEN];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_be_bytes();
        }
        bytes
    }
}

fn short(datagram: &[u8]) -> DecodeError {
    DecodeError::Short { found: u32::try_from(datagram.len()).unwrap_or(u32::MAX) }
}
