//! Lines from a person or a pipe, and the terminal that they share with what is printed.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;

use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

/// Prints without getting into what is being typed.
pub(super) type Printer = Box<dyn FnMut(String) + Send>;

/// Where lines come from.
pub(super) struct Lines {
    lines: mpsc::Receiver<String>,
    /// A prompt asks for the next line; none is needed where nobody sees it.
    prompts: Option<std_mpsc::Sender<String>>,
}

impl Lines {
    /// Reads standard input: with editing and history where it is a terminal, plainly elsewhere.
    pub(super) fn open() -> io::Result<(Self, Printer)> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Self::edited();
        }
        let (sender, lines) = mpsc::channel(16);
        std::thread::Builder::new().name("input".into()).spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok((Self { lines, prompts: None }, Self::plain_printer()))
    }

    /// No lines at all.
    pub(super) fn none() -> (Self, Printer) {
        let (sender, lines) = mpsc::channel(1);
        // Kept open for ever: a script ends by its own end, not by the end of lines.
        std::mem::forget(sender);
        (Self { lines, prompts: None }, Self::plain_printer())
    }

    fn plain_printer() -> Printer {
        Box::new(|text| {
            let mut out = io::stdout().lock();
            // A reader that has gone away is noticed where it matters: the connection goes on.
            let _ = writeln!(out, "{text}").and_then(|()| out.flush());
        })
    }

    fn edited() -> io::Result<(Self, Printer)> {
        let mut editor = DefaultEditor::new().map_err(io::Error::other)?;
        let mut printer = editor.create_external_printer().map_err(io::Error::other)?;
        let history = history_file();
        if let Some(file) = &history {
            // There is none before the first time.
            let _ = editor.load_history(file);
        }
        let (sender, lines) = mpsc::channel(16);
        let (prompts, asked) = std_mpsc::channel::<String>();
        std::thread::Builder::new().name("input".into()).spawn(move || {
            while let Ok(prompt) = asked.recv() {
                let line = match editor.readline(&prompt) {
                    Ok(line) => line,
                    Err(ReadlineError::Interrupted | ReadlineError::Eof) => "quit".into(),
                    Err(_) => return,
                };
                if !line.trim().is_empty() {
                    let _ = editor.add_history_entry(line.trim());
                    if let Some(file) = &history {
                        let _ = file.parent().map(std::fs::create_dir_all);
                        let _ = editor.save_history(file);
                    }
                }
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        let print = move |text: String| {
            let _ = printer.print(text + "\n");
        };
        Ok((Self { lines, prompts: Some(prompts) }, Box::new(print)))
    }

    /// Whether a person types at a terminal.
    pub(super) fn is_interactive(&self) -> bool {
        self.prompts.is_some()
    }

    /// Asks for the next line.
    pub(super) fn prompt(&self, prompt: String) {
        if let Some(prompts) = &self.prompts {
            let _ = prompts.send(prompt);
        }
    }

    /// The next line; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.lines.recv().await
    }
}

/// `$XDG_STATE_HOME/genlock/smpte-client.history`, as the base directory specification has it.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("genlock/smpte-client.history"))
}
