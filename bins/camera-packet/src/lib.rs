//! What camera-server, camera-client and camera-tool are made of, for programs that embed them.
//!
//! * [`serve`]: a camera server with its pipeline in this process;
//! * [`pipeline`]: the supervisor that keeps a camera's video running;
//! * [`options`], [`config_file`], [`settings_file`], [`logging`]: configuration in layers;
//! * [`client`]: the commands of camera-client;
//! * [`video`]: a streaming server for the camera's video in this process;
//! * [`tool`]: decoding captures, and the original server's behaviour for testing clients.

pub mod client;
pub mod config_file;
pub mod logging;
pub mod options;
pub mod pipeline;
pub mod serve;
pub mod settings_file;
pub mod tool;
pub mod video;
