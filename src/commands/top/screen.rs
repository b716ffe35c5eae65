//! The terminal: an alternate screen, and what is typed. However `top` ends, the terminal is left as
//! it was.

use std::io::{self, Stdout, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use tokio::sync::mpsc;

use super::layout::{Line, Looks, Room};

/// How much that was typed may wait to be heeded; more waits in the terminal.
const WAITING: usize = 16;

/// Whether the terminal is taken. A panic gives it back before the screen is dropped, and the second
/// time would take the cursor back to where it was, over what the panic wrote.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What the terminal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants it to end.
    End,
    /// Its size is another, or it was asked for a fresh picture.
    Resized,
}

/// What the terminal says from now on; nothing more where it is gone.
pub type Inputs = mpsc::Receiver<Input>;

/// How large the terminal is.
///
/// # Errors
/// What the system says.
pub fn size() -> io::Result<Room> {
    let (width, height) = terminal::size()?;
    Ok(Room { width: width.into(), height: height.into(), rows: usize::MAX })
}

/// The terminal, while `top` has it; given back when this is dropped.
pub struct Screen(Stdout);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// What the system says.
    pub fn open() -> io::Result<(Self, Inputs)> {
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::Relaxed);
        // From here on it is given back, whatever happens next.
        let mut screen = Self(io::stdout());
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            // First, so that what the hook writes is not lost with the alternate screen.
            give_back();
            before(panicked);
        }));
        execute!(screen.0, EnterAlternateScreen, Hide)?;
        let (tell, inputs) = mpsc::channel(WAITING);
        thread::Builder::new().name("keyboard".to_owned()).spawn(move || listen(&tell))?;
        Ok((screen, inputs))
    }

    /// Draws these lines over the last.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, lines: &[Line], room: Room) -> io::Result<()> {
        let out = &mut self.0;
        queue!(out, BeginSynchronizedUpdate)?;
        for (at, line) in (0..).zip(lines.iter().take(room.height)) {
            // Before it is written: after a line that is as wide as the terminal, the cursor is still
            // on its last character, which would go too.
            queue!(out, MoveTo(0, at), Clear(ClearType::UntilNewLine))?;
            match line.look {
                Looks::Plain => {}
                Looks::Heading => queue!(out, SetAttribute(Attribute::Bold))?,
                Looks::Wrong => queue!(out, SetForegroundColor(Color::Red))?,
            }
            queue!(out, Print(&line.text), SetAttribute(Attribute::Reset), ResetColor)?;
        }
        if lines.len() < room.height {
            let below = u16::try_from(lines.len()).unwrap_or(u16::MAX);
            queue!(out, MoveTo(0, below), Clear(ClearType::FromCursorDown))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Leaves the terminal as it was. Nobody is left to tell where it is gone.
fn give_back() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    let _ = execute!(io::stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, Show);
    let _ = terminal::disable_raw_mode();
}

/// Hands on what is typed, until nobody takes it or the terminal is gone. Ends with the process.
fn listen(tell: &mpsc::Sender<Input>) {
    while let Ok(event) = event::read() {
        if let Some(input) = meant(&event)
            && tell.blocking_send(input).is_err()
        {
            return;
        }
    }
}

/// What an event means: `q`, Escape and Ctrl-C, which is no signal here, end it.
fn meant(event: &Event) -> Option<Input> {
    match event {
        Event::Resize(..) => Some(Input::Resized),
        Event::Key(key) if key.kind == KeyEventKind::Press => {
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            match key.code {
                KeyCode::Char('q' | 'Q') | KeyCode::Esc => Some(Input::End),
                KeyCode::Char('c' | 'd') if control => Some(Input::End),
                KeyCode::Char('l') if control => Some(Input::Resized),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    fn typed(code: KeyCode, modifiers: KeyModifiers) -> Option<Input> {
        meant(&Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn it_ends_as_people_end_things() {
        let none = KeyModifiers::NONE;
        for (code, modifiers) in [
            (KeyCode::Char('q'), none),
            (KeyCode::Esc, none),
            (KeyCode::Char('c'), KeyModifiers::CONTROL),
        ] {
            assert_eq!(typed(code, modifiers), Some(Input::End), "{code:?}");
        }
        assert_eq!(typed(KeyCode::Char('c'), none), None);
        assert_eq!(meant(&Event::Resize(1, 1)), Some(Input::Resized));
    }
}
