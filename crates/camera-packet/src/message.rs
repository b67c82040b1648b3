//! Typed messages (sheet §2 and, extended, §10).

use bytes::{BufMut, BytesMut};

use crate::checksum;
use crate::error::{EncodeError, MessageError};
use crate::extension::{ExtendedSettings, ExtendedTelemetry, Subscribe};
use crate::packet::{self, Frame, Kind};
use crate::secret::{Secret, Token};
use crate::settings::SettingsBlock;

/// Everything that a frame can say.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// 01/00, 5000, server to client.
    Telemetry(Telemetry),
    /// 02/01 empty, 5001, client to server: what are the settings?
    SettingsQuery,
    /// 02/01 of six bytes, 5001, client to server: apply these. Never answered.
    SettingsUpdate(SettingsBlock),
    /// 02/00, 5001, server to client.
    SettingsReply(SettingsBlock),
    /// 00/01, 5002, client to server: 1 to 1024 raw bytes.
    Password(Secret<'a>),
    /// 00/00 `ready`, 5002, server to client.
    Ready,
    /// 00/02, 5002, server to client: empty from the original; a reason byte and text after a SCRAM exchange.
    AuthFailed(&'a [u8]),
    /// 00/10 to 00/13, 5002: a SCRAM message and which of the four it is.
    Scram(ScramStep, &'a [u8]),
    /// 03/01, 5000 and 5001, client to server: a token, as the first frame.
    Attach(Token),
    /// 03/00: it was accepted.
    Attached,
    /// 03/02: it was refused.
    AttachRefused,
    /// 01/10, 5000, client to server.
    Subscribe(Subscribe),
    /// 01/11, 5000, server to client.
    ExtendedTelemetry(ExtendedTelemetry),
    /// 02/10 empty, 5001, client to server.
    ExtendedQuery,
    /// 02/10, 5001, client to server.
    ExtendedUpdate(ExtendedSettings),
    /// 02/11, 5001, server to client.
    ExtendedReply(ExtendedSettings),
}

/// Which message of the four of a SCRAM exchange (RFC 5802 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramStep {
    /// Client to server.
    ClientFirst,
    /// Server to client.
    ServerFirst,
    /// Client to server, with the proof.
    ClientFinal,
    /// Server to client, with the server's signature and the access token.
    ServerFinal,
}

/// One value and when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// 0 to 10 from the original, 0 to 255 by the format.
    pub value: u8,
    /// Unix time in milliseconds.
    pub timestamp_ms: u64,
}

impl Telemetry {
    /// Bytes of its frame.
    pub const FRAME_LEN: usize = 16;

    /// The whole frame.
    #[inline]
    pub const fn to_frame(self) -> [u8; Self::FRAME_LEN] {
        let [a, b, c, d, e, f, g, h] = self.timestamp_ms.to_be_bytes();
        // 00 ^ FF ^ 01 ^ 00 ^ 00 ^ 09 is F7.
        let sum = 0xf7 ^ self.value ^ checksum::fold(self.timestamp_ms);
        [0x00, 0xff, 0x01, 0x00, 0x00, 0x09, self.value, a, b, c, d, e, f, g, h, sum]
    }

    /// Appends the frame.
    #[inline]
    pub fn encode(self, out: &mut BytesMut) {
        out.put_slice(&self.to_frame());
    }
}

impl<'a> Message<'a> {
    /// The message of a frame.
    ///
    /// # Errors
    /// All of [`MessageError`]; peers that get one ignore the frame.
    #[inline]
    pub fn parse(frame: &Frame<'a>) -> Result<Self, MessageError> {
        let (kind, payload) = (frame.kind, frame.payload);
        let wrong_length = MessageError::Length { kind, len: payload.len() };
        Ok(match (kind, payload) {
            (Kind::DATA, &[value, a, b, c, d, e, f, g, h]) => {
                let timestamp_ms = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                Self::Telemetry(Telemetry { value, timestamp_ms })
            }
            (Kind::SETTINGS_REQUEST, []) => Self::SettingsQuery,
            (Kind::SETTINGS_REQUEST, &[a, b, c, d, e, f]) => {
                Self::SettingsUpdate(SettingsBlock([a, b, c, d, e, f]))
            }
            // The last three bytes mean nothing.
            (Kind::SETTINGS_REPLY, &[a, b, c, d, e, f, _, _, _]) => {
                Self::SettingsReply(SettingsBlock([a, b, c, d, e, f]))
            }
            (Kind::AUTH_PASSWORD, [_, ..]) => Self::Password(Secret(payload)),
            (Kind::AUTH_READY, b"ready") => Self::Ready,
            (Kind::AUTH_READY, &[_, _, _, _, _]) => {
                let offset = payload.iter().zip(READY).position(|(a, b)| a != b).unwrap_or(0);
                return Err(MessageError::Content { kind, offset });
            }
            (Kind::AUTH_FAILED, _) => Self::AuthFailed(payload),
            (Kind::SCRAM_CLIENT_FIRST, [_, ..]) => Self::Scram(ScramStep::ClientFirst, payload),
            (Kind::SCRAM_SERVER_FIRST, [_, ..]) => Self::Scram(ScramStep::ServerFirst, payload),
            (Kind::SCRAM_CLIENT_FINAL, [_, ..]) => Self::Scram(ScramStep::ClientFinal, payload),
            (Kind::SCRAM_SERVER_FINAL, [_, ..]) => Self::Scram(ScramStep::ServerFinal, payload),
            (Kind::ATTACH, _) => Self::Attach(Token(payload.try_into().map_err(|_| wrong_length)?)),
            (Kind::ATTACHED, []) => Self::Attached,
            (Kind::ATTACH_REFUSED, []) => Self::AttachRefused,
            (Kind::SUBSCRIBE, _) => Self::Subscribe(Subscribe::parse(payload)?),
            (Kind::EXTENDED_DATA, _) => Self::ExtendedTelemetry(ExtendedTelemetry::parse(payload)?),
            (Kind::EXTENDED_SETTINGS, []) => Self::ExtendedQuery,
            (Kind::EXTENDED_SETTINGS, _) => Self::ExtendedUpdate(ExtendedSettings::parse(kind, payload)?),
            (Kind::EXTENDED_REPLY, _) => Self::ExtendedReply(ExtendedSettings::parse(kind, payload)?),
            _ if crate::codec::is_known(kind) => return Err(wrong_length),
            _ => return Err(MessageError::UnknownKind { kind }),
        })
    }

    /// ID and TYPE of its frame.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Telemetry(_) => Kind::DATA,
            Self::SettingsQuery | Self::SettingsUpdate(_) => Kind::SETTINGS_REQUEST,
            Self::SettingsReply(_) => Kind::SETTINGS_REPLY,
            Self::Password(_) => Kind::AUTH_PASSWORD,
            Self::Ready => Kind::AUTH_READY,
            Self::AuthFailed(_) => Kind::AUTH_FAILED,
            Self::Scram(ScramStep::ClientFirst, _) => Kind::SCRAM_CLIENT_FIRST,
            Self::Scram(ScramStep::ServerFirst, _) => Kind::SCRAM_SERVER_FIRST,
            Self::Scram(ScramStep::ClientFinal, _) => Kind::SCRAM_CLIENT_FINAL,
            Self::Scram(ScramStep::ServerFinal, _) => Kind::SCRAM_SERVER_FINAL,
            Self::Attach(_) => Kind::ATTACH,
            Self::Attached => Kind::ATTACHED,
            Self::AttachRefused => Kind::ATTACH_REFUSED,
            Self::Subscribe(_) => Kind::SUBSCRIBE,
            Self::ExtendedTelemetry(_) => Kind::EXTENDED_DATA,
            Self::ExtendedQuery | Self::ExtendedUpdate(_) => Kind::EXTENDED_SETTINGS,
            Self::ExtendedReply(_) => Kind::EXTENDED_REPLY,
        }
    }

    /// Bytes of its payload.
    pub const fn payload_len(&self) -> usize {
        match self {
            Self::Telemetry(_) | Self::SettingsReply(_) => 9,
            Self::SettingsUpdate(_) => 6,
            Self::Password(Secret(bytes)) | Self::AuthFailed(bytes) | Self::Scram(_, bytes) => bytes.len(),
            Self::Ready => READY.len(),
            Self::Attach(_) => 16,
            Self::Subscribe(_) => Subscribe::LEN,
            Self::ExtendedTelemetry(_) => ExtendedTelemetry::LEN,
            Self::ExtendedUpdate(_) | Self::ExtendedReply(_) => ExtendedSettings::LEN,
            Self::SettingsQuery | Self::Attached | Self::AttachRefused | Self::ExtendedQuery => 0,
        }
    }

    /// Appends its frame: 7 + [`payload_len`](Self::payload_len) bytes.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`]; only a password, a failure text or a SCRAM message can be.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Telemetry(telemetry) => {
                telemetry.encode(out);
                Ok(())
            }
            Self::Password(Secret(bytes)) | Self::AuthFailed(bytes) | Self::Scram(_, bytes) => {
                packet::encode(self.kind(), bytes, out)
            }
            _ => {
                let len = self.payload_len();
                let short = u16::try_from(len).map_err(|_| EncodeError::TooLong { len })?;
                packet::encode_with(self.kind(), short, out, |out| self.encode_payload(out));
                Ok(())
            }
        }
    }

    fn encode_payload(&self, out: &mut BytesMut) {
        match self {
            Self::SettingsUpdate(block) => out.put_slice(&block.0),
            Self::SettingsReply(block) => {
                out.put_slice(&block.0);
                out.put_bytes(0, 3);
            }
            Self::Ready => out.put_slice(READY),
            Self::Attach(token) => out.put_slice(&token.0),
            Self::Subscribe(subscribe) => {
                out.put_u16(subscribe.rate_hz);
                out.put_u16(subscribe.fields);
            }
            Self::ExtendedTelemetry(telemetry) => telemetry.encode_payload(out),
            Self::ExtendedUpdate(settings) | Self::ExtendedReply(settings) => settings.encode_payload(out),
            Self::SettingsQuery | Self::Attached | Self::AttachRefused | Self::ExtendedQuery => {}
            // These are encoded without a copy.
            Self::Telemetry(_) | Self::Password(_) | Self::AuthFailed(_) | Self::Scram(..) => {}
        }
    }
}

const READY: &[u8; 5] = b"ready";
