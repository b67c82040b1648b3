//! The window itself: draws what is due, and passes on what is pressed.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use minifb::{InputCallback, MouseButton, MouseMode, WindowOptions};
use tokio::sync::mpsc;

use super::super::commands::Command;
use super::Phase;
use super::buttons::{Button, Layout, Mouse, window_size};
use super::canvas::{Canvas, Scene};
use super::shared::Shared;

/// How long a press of a button may wait to be noticed.
const TURN: Duration = Duration::from_millis(8);
/// Drawn at least so often, as nobody says when another window has lain upon this one.
const REDRAW: Duration = Duration::from_millis(250);
/// How often the title is changed.
const TITLE: Duration = Duration::from_secs(1);

/// Whether there can be a window at all.
///
/// # Errors
/// With one line, when there is no display.
pub(super) fn check() -> Result<()> {
    #[cfg(all(unix, not(target_os = "macos")))]
    anyhow::ensure!(
        std::env::var_os("DISPLAY").is_some_and(|display| !display.is_empty()),
        "--window: there is no display to open a window on (DISPLAY is not set)"
    );
    Ok(())
}

/// Opens the window when it is known what is played, and stays until it is closed or all is over.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn show(shared: &Shared, title: &str, commands: &mpsc::Sender<Command>) -> Result<()> {
    let Some(size) = shared.wait_for_size() else { return Ok(()) };
    let (width, height) = window_size(size);
    let options = WindowOptions { resize: true, ..WindowOptions::default() };
    let opened = minifb::Window::new(title, width, height, options);
    // Its error says more when it is debugged.
    let mut window =
        opened.map_err(|e| anyhow::anyhow!("{e:?}")).context("--window: no window can be opened")?;
    // We wait ourselves, until a picture is due.
    window.set_target_fps(0);
    let (typed, keys) = channel();
    window.set_input_callback(Box::new(Keys(typed)));

    let (mut canvas, mut mouse, mut picture) = (Canvas::default(), Mouse::default(), None);
    let (mut drawn, mut titled) = (None, None);
    let mut shown: Option<(Phase, Option<Button>, (usize, usize))> = None;
    while window.is_open() {
        let Some(look) = shared.look(driver::now()) else { break };
        let size = window.get_size();
        let layout = Layout::new(size.0, size.1);
        let place = window.get_mouse_pos(MouseMode::Discard).map(|(x, y)| (x as usize, y as usize));
        let under_mouse = place.and_then(|place| layout.button_at(place));
        let pressed = mouse.turn(under_mouse, window.get_mouse_down(MouseButton::Left));
        let typed = keys.try_iter().filter_map(Button::of_key);
        for button in pressed.into_iter().chain(typed).filter(|button| button.is_enabled(look.phase)) {
            // One that presses faster than anything can be done is not listened to.
            let _ = commands.try_send(button.command());
        }

        let is_new = look.picture.is_some();
        picture = look.picture.or(picture);
        let looks = Some((look.phase, under_mouse, size));
        if is_new || looks != shown || drawn.is_none_or(|at: Instant| at.elapsed() >= REDRAW) {
            canvas.resize(size.0, size.1);
            let message = message(look.phase);
            let (line, phase) = (line(look.phase, &look.line), look.phase);
            canvas.draw(&layout, &Scene { picture: picture.as_ref(), phase, under_mouse, line, message });
            window
                .update_with_buffer(canvas.pixels(), size.0, size.1)
                .map_err(|e| anyhow::anyhow!("{e:?}"))?;
            (shown, drawn) = (looks, Some(Instant::now()));
        } else {
            window.update();
        }
        if !look.line.is_empty() && titled.is_none_or(|at: Instant| at.elapsed() >= TITLE) {
            window.set_title(&format!("{title} - {}", look.line));
            titled = Some(Instant::now());
        }
        std::thread::sleep(look.next.map_or(TURN, |next| next.min(TURN)));
    }
    Ok(())
}

const fn message(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "CONNECTING",
        Phase::Described => "PRESS SETUP, THEN PLAY",
        Phase::Ready => "PRESS PLAY",
        Phase::Playing => "BUFFERING",
        Phase::Over | Phase::Ended => "THE END",
    }
}

/// How it goes, or what could be done.
fn line(phase: Phase, numbers: &str) -> &str {
    match (phase, numbers) {
        (Phase::Over, _) => "The end: Play shows it again",
        (Phase::Ended, _) => "The end",
        (Phase::Connecting | Phase::Described, _) | (_, "") => {
            "Keys: S setup, P play, space pause, T teardown"
        }
        (_, numbers) => numbers,
    }
}

/// Passes on what is typed, as characters: a key that is pressed and let go between two turns is not lost so.
struct Keys(Sender<char>);

impl InputCallback for Keys {
    fn add_char(&mut self, code: u32) {
        if let Some(character) = char::from_u32(code) {
            // Nobody reads them any more once the window is closed.
            let _ = self.0.send(character);
        }
    }
}
