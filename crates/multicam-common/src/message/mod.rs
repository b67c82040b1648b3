//! The messages, data only (sheet §5). How they are read and written is in [`codec`](crate::codec).

mod command;
mod reply;

pub use command::{CommandMessage, Secret, Upload};
pub use reply::{
    ClockReport, ErrorResponse, FileMetadata, FileResponse, ListFilesResponse, SchedulesOn, StatusResponse,
    StopRecordingResponse, TakeTimes, UploadItem, UploadStatusResponse,
};
