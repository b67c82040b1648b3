//! Commands from standard input.

use std::io::BufRead;

use anyhow::Result;
use camera_packet::dialect::Dialect;

use super::{Line, Session, get, log_in, set, watch};

/// Does what the lines of standard input say, until there are no more or one says `quit`. What goes wrong is told on
/// standard error, and the next line is read.
///
/// # Errors
/// When standard input cannot be read.
pub async fn shell(
    session: &mut Session,
    dialect: Dialect,
    password: Option<&str>,
    json: bool,
) -> Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    while let Some(line) = tokio::task::block_in_place(|| lines.next()) {
        let done = match line?.parse() {
            Ok(Line::Empty) => Ok(()),
            Ok(Line::Quit) => return Ok(()),
            Ok(Line::Get) => get(session).await.map(|settings| settings.print(json)),
            Ok(Line::Set(changes)) => {
                set(session, dialect, &changes, false).await.map(|settings| settings.print(json))
            }
            Ok(Line::Watch(items)) => watch(session, Some(items), json).await,
            Ok(Line::Login(given)) => log_in(session, given.as_deref().or(password))
                .await
                .map(|()| println!("{}", if json { super::LOGGED_IN } else { "ready" })),
            Err(error) => Err(anyhow::Error::from(error)),
        };
        if let Err(error) = done {
            eprintln!("error: {error:#}");
        }
    }
    Ok(())
}
