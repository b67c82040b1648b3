//! Four buttons below the picture: where they are, when they can be pressed, and that they were.

use super::super::commands::Command;
use super::Phase;

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Rect {
    fn contains(&self, (x, y): (usize, usize)) -> bool {
        (self.x..self.x + self.width).contains(&x) && (self.y..self.y + self.height).contains(&y)
    }
}

/// One of the buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Button {
    Setup,
    Play,
    Pause,
    Teardown,
}

impl Button {
    pub(super) const ALL: [Self; 4] = [Self::Setup, Self::Play, Self::Pause, Self::Teardown];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Pause => "PAUSE",
            Self::Teardown => "TEARDOWN",
        }
    }

    /// The button of a key.
    pub(super) fn of_key(key: char) -> Option<Self> {
        Some(match key.to_ascii_lowercase() {
            's' => Self::Setup,
            'p' => Self::Play,
            ' ' => Self::Pause,
            't' | 'q' => Self::Teardown,
            _ => return None,
        })
    }

    /// Whether it can be pressed now.
    pub(super) const fn is_enabled(self, phase: Phase) -> bool {
        match self {
            Self::Setup => matches!(phase, Phase::Described),
            Self::Play => matches!(phase, Phase::Described | Phase::Ready | Phase::Over),
            Self::Pause => matches!(phase, Phase::Playing),
            Self::Teardown => !matches!(phase, Phase::Connecting),
        }
    }

    pub(super) const fn command(self) -> Command {
        match self {
            Self::Setup => Command::Setup,
            Self::Play => Command::Play,
            Self::Pause => Command::Pause,
            Self::Teardown => Command::Teardown,
        }
    }
}

/// Where everything is in a window of some size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// For the picture, which keeps its proportions in it.
    pub(super) view: Rect,
    buttons: [Rect; 4],
    /// For one line of text.
    pub(super) line: Rect,
}

impl Layout {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let view = Rect { x: 0, y: 0, width, height: height.saturating_sub(BAR) };
        let mut x = GAP;
        let buttons = Button::ALL.map(|button| {
            let width = button.label().len() * LETTER + 2 * PADDING;
            let rect = Rect { x, y: view.height + GAP, width, height: BUTTON };
            x += width + GAP;
            rect
        });
        let y = view.height + BUTTON + 2 * GAP;
        let line = Rect { x: GAP, y, width: width.saturating_sub(2 * GAP), height: LINE };
        Self { view, buttons, line }
    }

    pub(super) fn rect(&self, button: Button) -> Rect {
        let [setup, play, pause, teardown] = self.buttons;
        match button {
            Button::Setup => setup,
            Button::Play => play,
            Button::Pause => pause,
            Button::Teardown => teardown,
        }
    }

    /// The button at a place.
    pub(super) fn button_at(&self, place: (usize, usize)) -> Option<Button> {
        Button::ALL.into_iter().find(|button| self.rect(*button).contains(place))
    }

    /// Where in the view a picture of this size is shown: as large as fits, in the middle.
    pub(super) fn fit(&self, (width, height): (usize, usize)) -> Rect {
        let view = self.view;
        let (width, height) = (width.max(1), height.max(1));
        let (shown_width, shown_height) = if view.width * height <= view.height * width {
            (view.width, view.width * height / width)
        } else {
            (view.height * width / height, view.height)
        };
        Rect {
            x: view.x + (view.width - shown_width) / 2,
            y: view.y + (view.height - shown_height) / 2,
            width: shown_width,
            height: shown_height,
        }
    }
}

/// The size of a window for a picture of this size: large pictures are made smaller, small ones have a border.
pub(super) fn window_size((width, height): (usize, usize)) -> (usize, usize) {
    let (mut width, mut height) = (width.max(1), height.max(1));
    if width > MAX_VIEW.0 {
        (width, height) = (MAX_VIEW.0, height * MAX_VIEW.0 / width);
    }
    if height > MAX_VIEW.1 {
        (width, height) = (width * MAX_VIEW.1 / height, MAX_VIEW.1);
    }
    (width.max(MIN_WIDTH), height.max(MIN_HEIGHT) + BAR)
}

/// Notices when the mouse presses a button.
#[derive(Debug, Default)]
pub(super) struct Mouse {
    is_down: bool,
    was_pressed: bool,
}

impl Mouse {
    /// The button that it is on and whether it is held down, each time; gives what was pressed. The place is that of a
    /// moment earlier than the state, so that a press counts the next time.
    pub(super) fn turn(&mut self, on: Option<Button>, is_down: bool) -> Option<Button> {
        let pressed = std::mem::replace(&mut self.was_pressed, is_down && !self.is_down);
        self.is_down = is_down;
        on.filter(|_| pressed)
    }
}

/// Pixels from one letter to the next, at the size of the buttons' text.
pub(super) const LETTER: usize = 12;
pub(super) const PADDING: usize = 12;
const GAP: usize = 8;
const BUTTON: usize = 30;
const LINE: usize = 18;
/// Below the picture.
const BAR: usize = BUTTON + LINE + 3 * GAP;
const MAX_VIEW: (usize, usize) = (1280, 720);
const MIN_WIDTH: usize = 424;
const MIN_HEIGHT: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_are_found_where_they_are_drawn() {
        let layout = Layout::new(640, 480 + BAR);
        assert_eq!((layout.view.width, layout.view.height), (640, 480));
        for button in Button::ALL {
            let Rect { x, y, width, height } = layout.rect(button);
            assert!(y >= 480 && x + width <= MIN_WIDTH && y + height < layout.line.y);
            for place in [(x, y), (x + width - 1, y + height - 1)] {
                assert_eq!(layout.button_at(place), Some(button));
            }
            for place in [(x - 1, y), (x, y - 1), (x + width, y), (x, y + height)] {
                assert_eq!(layout.button_at(place), None);
            }
        }
        // A window that is too small for any of it.
        let layout = Layout::new(1, 1);
        assert_eq!((layout.view.height, layout.line.width), (0, 0));
        assert_eq!(layout.fit((640, 480)).width, 0);
    }

    #[test]
    fn pictures_keep_their_proportions() {
        let layout = Layout::new(800, 600 + BAR);
        assert_eq!(layout.fit((800, 600)), Rect { x: 0, y: 0, width: 800, height: 600 });
        assert_eq!(layout.fit((1600, 600)), Rect { x: 0, y: 150, width: 800, height: 300 });
        assert_eq!(layout.fit((100, 200)), Rect { x: 250, y: 0, width: 300, height: 600 });
        assert_eq!(window_size((640, 480)), (640, 480 + BAR));
        assert_eq!(window_size((3840, 2160)), (1280, 720 + BAR));
        assert_eq!(window_size((1080, 1920)), (424, 720 + BAR));
        assert_eq!(window_size((0, 0)), (MIN_WIDTH, MIN_HEIGHT + BAR));
    }

    #[test]
    fn buttons_can_be_pressed_when_they_mean_something() {
        let enabled = |phase| Button::ALL.map(|button| button.is_enabled(phase));
        assert_eq!(enabled(Phase::Connecting), [false; 4]);
        assert_eq!(enabled(Phase::Described), [true, true, false, true]);
        assert_eq!(enabled(Phase::Ready), [false, true, false, true]);
        assert_eq!(enabled(Phase::Playing), [false, false, true, true]);
        assert_eq!(enabled(Phase::Over), [false, true, false, true]);
        assert_eq!(enabled(Phase::Ended), [false, false, false, true]);
    }

    #[test]
    fn each_button_has_a_key() {
        for (key, button) in "sp t".chars().zip(Button::ALL) {
            assert_eq!(Button::of_key(key), Some(button));
        }
        assert_eq!(Button::of_key('S'), Some(Button::Setup));
        assert_eq!(Button::of_key('x'), None);
    }

    #[test]
    fn a_press_counts_once_and_where_the_mouse_is() {
        let mut mouse = Mouse::default();
        assert_eq!(mouse.turn(Some(Button::Play), false), None);
        // It had moved before it was pressed.
        assert_eq!(mouse.turn(Some(Button::Play), true), None);
        assert_eq!(mouse.turn(Some(Button::Pause), true), Some(Button::Pause));
        assert_eq!(mouse.turn(Some(Button::Pause), true), None);
        assert_eq!(mouse.turn(Some(Button::Pause), false), None);
        assert_eq!(mouse.turn(None, true), None);
        assert_eq!(mouse.turn(None, false), None);
        // Moved there while held down.
        mouse.turn(None, true);
        mouse.turn(None, true);
        assert_eq!(mouse.turn(Some(Button::Setup), true), None);
    }
}
