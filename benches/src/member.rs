//! A client of the timecode session protocol that costs little: plain messages, read as they come.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One connection to a session server, without extensions.
#[derive(Debug)]
pub struct Member {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Member {
    /// Connects and waits for the greeting.
    ///
    /// # Errors
    /// When the server cannot be reached, or sends something else.
    pub async fn connect(server: &str) -> Result<Self> {
        let stream =
            TcpStream::connect(server).await.with_context(|| format!("cannot connect to {server}"))?;
        stream.set_nodelay(true)?;
        let mut member = Self { stream: BufReader::with_capacity(2048, stream), line: Vec::new() };
        member.expect("welcome").await?;
        Ok(member)
    }

    /// Says something.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send(&mut self, message: &Value) -> Result<()> {
        Ok(self.stream.get_mut().write_all(format!("{message}\n").as_bytes()).await?)
    }

    /// Says something and reads on to the answer.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub async fn ask(&mut self, message: &Value, answer: &str) -> Result<Value> {
        self.send(message).await?;
        self.expect(answer).await
    }

    /// Reads on to a message of this type.
    ///
    /// # Errors
    /// When the server says an error or closes the connection.
    pub async fn expect(&mut self, kind: &str) -> Result<Value> {
        loop {
            ensure!(self.next_line().await?, "the server closed the connection instead of '{kind}'");
            let message: Value = serde_json::from_slice(&self.line)?;
            if message["type"] == kind {
                return Ok(message);
            }
            ensure!(message["type"] != "error", "the server says {}", message["message"]);
        }
    }

    /// Reads one line; `false`: there are no more.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn next_line(&mut self) -> Result<bool> {
        self.line.clear();
        Ok(self.stream.read_until(b'\n', &mut self.line).await? > 0)
    }

    /// The label of the line that was read, if it is an update; without the cost of reading it as JSON.
    pub fn update(&self) -> Option<&str> {
        let line = std::str::from_utf8(&self.line).ok()?;
        if !line.contains("\"timecode_update\"") {
            return None;
        }
        line.split_once("\"timecode\": \"")?.1.split('"').next()
    }

    /// The connection, for those that misbehave.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}
