//! Commands typed one after the other, with the devices kept an eye on in between.

use anyhow::Result;
use clap::Parser;
use rustyline::DefaultEditor;
use tokio::sync::mpsc::unbounded_channel;

use super::command::{Action, Line};
use super::run::Desk;

pub(super) async fn run(desk: &Desk) -> Result<bool> {
    let (to, mut lines) = unbounded_channel::<String>();
    // The editor blocks, so it has a thread of its own; it asks for the next line when the last is done.
    let (next, asked) = std::sync::mpsc::channel::<()>();
    std::thread::Builder::new().name("shell".into()).spawn(move || {
        let Ok(mut editor) = DefaultEditor::new() else {
            return;
        };
        while asked.recv().is_ok() {
            // The end of the input and Ctrl-C leave the shell.
            let Ok(line) = editor.readline("multicam> ") else {
                return;
            };
            let _ = editor.add_history_entry(&line);
            if to.send(line).is_err() {
                return;
            }
        }
    })?;
    let mut ok = true;
    while next.send(()).is_ok() {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = desk.stop.cancelled() => None,
        };
        let Some(line) = line else {
            break;
        };
        if line.trim().is_empty() {
            continue;
        }
        match Line::try_parse_from(line.split_whitespace()) {
            Ok(Line { action: Action::Quit }) => break,
            Ok(Line { action }) => match desk.act(&action).await {
                Ok(well) => ok = well,
                Err(error) => {
                    ok = false;
                    eprintln!("error: {error:#}");
                }
            },
            Err(error) => {
                let _ = error.print();
            }
        }
    }
    Ok(ok)
}
