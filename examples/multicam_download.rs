//! cargo run --example multicam_download -- 127.0.0.1:8080 video_1729000000.mp4
//!
//! Downloads one file from a device of any generation into the working directory. The codec alone; for resume, hashes and
//! many devices there is `multicam-controller collect`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use multicam_common::codec::{FileDecoder, FileFrame};
use multicam_common::constants::DOWNLOAD_STALL_TIMEOUT;
use multicam_common::message::CommandMessage;
use multicam_common::{FileName, Form, UnixTime};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (device, name) =
        arguments.next().zip(arguments.next()).context("give a device and the name of a file")?;
    let mut stream = TcpStream::connect(&device).with_context(|| format!("cannot connect to {device}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DOWNLOAD_STALL_TIMEOUT))?;
    let command = CommandMessage::get_video(&name).sent_at(UnixTime::from_nanos(driver::unix_now()));
    stream.write_all(command.to_text(Form::BOTH).as_bytes())?;

    let (mut decoder, mut unread) = (FileDecoder::new(), BytesMut::new());
    let mut buffer = vec![0; 64 << 10];
    let mut file: Option<(File, FileName)> = None;
    loop {
        match decoder.decode(&mut unread)? {
            Some(FileFrame::Header(header)) => {
                // A stranger's text becomes a name of ours only if it is a plain name.
                let name = FileName::parse(&header.file_name)?;
                println!("{name}: {} bytes", header.file_size);
                file = Some((File::create_new(format!("{name}.part"))?, name));
            }
            Some(FileFrame::Body(bytes)) => {
                if let Some((file, _)) = &mut file {
                    file.write_all(&bytes)?;
                }
            }
            Some(FileFrame::End) => break,
            Some(FileFrame::Refused(reply)) => bail!("{name}: {}", reply.status()),
            None => {
                let n = stream.read(&mut buffer)?;
                ensure!(n > 0, "the connection ended before the file did");
                unread.extend_from_slice(&buffer[..n]);
            }
        }
    }
    let (file, name) = file.context("no header")?;
    // Some devices delete what they have sent as the connection ends: it has to be safe before.
    file.sync_all()?;
    std::fs::rename(format!("{name}.part"), name.as_str())?;
    drop(stream);
    Ok(())
}
