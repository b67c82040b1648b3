//! What a controller tells its program.

use alloc::boxed::Box;
use core::net::SocketAddr;

use machine::Service;
use thiserror::Error;

use crate::codec::Reply;
use crate::{CommandType, DecodeError, UnixTime};

/// A device, by the number that a controller gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(pub u16);

/// A request, by the number that a controller gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something for the program to do or to know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Connect there and bring the connection to the machine under this service; if that fails, say
    /// [`connect_failed`](super::Controller::connect_failed).
    Connect {
        /// For this device.
        device: DeviceKey,
        /// Where it is.
        address: SocketAddr,
        /// The door that its connection comes through.
        service: Service,
    },
    /// A device has answered, well or badly.
    Answer {
        /// Which.
        device: DeviceKey,
        /// To this.
        request: RequestId,
        /// Which was of this kind.
        command: CommandType,
        /// Its words.
        reply: Box<Reply>,
    },
    /// There is no answer, and there will be none.
    Failed {
        /// From this device.
        device: DeviceKey,
        /// To this.
        request: RequestId,
        /// Which was of this kind.
        command: CommandType,
        /// Why.
        why: Failure,
    },
    /// A planned start is on its way to a device.
    StartSent {
        /// Which.
        device: DeviceKey,
        /// The instant on our clock.
        target: UnixTime,
        /// What the device was told.
        timestamp: UnixTime,
        /// The device may be off by this, in nanoseconds; `None`: nothing is known of its clock.
        error_ns: Option<u64>,
    },
    /// Something that is known of a device has changed.
    Changed {
        /// Which.
        device: DeviceKey,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection could be had.
    #[error("no connection")]
    Connect,
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It closed the connection instead.
    #[error("the device closed the connection instead of answering")]
    Closed,
    /// What it said could not be read.
    #[error("the answer cannot be read: {0}")]
    BadReply(DecodeError),
    /// There is nothing to stop.
    #[error("not recording")]
    NotRecording,
    /// The instant of a start has passed.
    #[error("too late for the start")]
    TooLate,
    /// The device was taken from the fleet.
    #[error("the device was removed")]
    Gone,
}

/// Something that cannot be asked of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// No device has that number.
    #[error("no such device")]
    NoSuchDevice,
    /// Too much waits for it already.
    #[error("too many requests wait for this device")]
    QueueFull,
    /// GET_VIDEO is for a [`Fetch`](super::Fetch) on a connection of its own.
    #[error("files are not fetched through the controller's machine")]
    FileCommand,
    /// There are as many as can be numbered.
    #[error("too many devices")]
    TooManyDevices,
}
