//! `keyway top`: a table of what a running Keyway does, drawn anew at each look.
//!
//! What is shown is computed from two looks (`view`) and laid out as lines (`layout`) without a
//! terminal; the same lines go to one (`screen`) and into a pipe.

mod layout;
mod look;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use actix_rt::System;
use actix_rt::time::sleep;

use self::layout::{Room, lines};
use self::look::{Look, look};
use self::screen::{Input, Screen};
use self::view::View;
use super::asking::{Api, AskError};
use super::words::{lasting, plain};
use crate::cli::{TopArgs, exit};
use crate::signals::Endings;

/// How long an answer may take; Keyway asks its parts for two seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// The most rows of a table where no terminal bounds them.
const ROWS_ONCE: usize = 20;

/// Shows what there is; gives the code to exit with.
pub fn run(args: &TopArgs) -> u8 {
    let live = io::stdout().is_terminal() && !args.once;
    let ended = System::new().block_on(async {
        let api = Api::new(&args.api, PATIENCE)?;
        if live { watch(&api, args.interval).await } else { once(&api, args.interval).await }
    });
    match ended {
        Ok(()) => exit::CLEAN,
        Err(error) => {
            eprintln!("keyway: {}", plain(&error.to_string()));
            exit::FAILED
        }
    }
}

/// Why nothing is shown any more.
#[derive(Debug, thiserror::Error)]
enum TopError {
    #[error(transparent)]
    Unasked(#[from] AskError),
    #[error("cannot write to the terminal: {0}; --once writes one table and needs none")]
    Terminal(#[from] io::Error),
}

/// One table: of two looks, so that there are rates.
async fn once(api: &Api, interval: Duration) -> Result<(), TopError> {
    let begun = Instant::now();
    let before = look(api, begun, None).await?;
    sleep(interval).await;
    let now = look(api, begun, None).await?;
    let view = View::of(Some(&before), &now);
    let width = if io::stdout().is_terminal() { screen::size()?.width } else { usize::MAX };
    let room = Room { width, height: usize::MAX, rows: ROWS_ONCE };
    let mut text = String::new();
    for line in lines(&[], &view, room) {
        text.push_str(&line.text);
        text.push('\n');
    }
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// What the last attempts to look have come to.
struct Watched<'a> {
    api: &'a Api,
    interval: Duration,
    shown: Option<(View, Instant)>,
    trouble: Option<String>,
}

impl Watched<'_> {
    /// Above the tables: who is asked and how that goes.
    fn head(&self) -> Vec<String> {
        let every = lasting(self.interval.as_secs_f64());
        let mut head = vec![format!("keyway top: {}, every {every}; q ends", self.api.base())];
        if let Some(trouble) = &self.trouble {
            let since = self.shown.as_ref().map_or_else(String::new, |(_, at)| {
                format!("what is below is of {} ago. ", lasting(at.elapsed().as_secs_f64()))
            });
            head.push(format!("NO ANSWER: {since}{trouble}"));
        }
        head
    }

    fn draw(&self, screen: &mut Screen) -> io::Result<()> {
        let nothing = View::default();
        let view = self.shown.as_ref().map_or(&nothing, |(view, _)| view);
        let size = screen::size()?;
        screen.draw(&lines(&self.head(), view, size), size)
    }
}

/// Looks and draws until somebody ends it. A Keyway that does not answer is asked again.
async fn watch(api: &Api, interval: Duration) -> Result<(), TopError> {
    let mut endings = Endings::new()?;
    let (mut screen, mut input) = Screen::open()?;
    let begun = Instant::now();
    let mut before: Option<Look> = None;
    let mut watched = Watched { api, interval, shown: None, trouble: None };
    watched.draw(&mut screen)?;
    loop {
        let next = Instant::now() + interval;
        let ends = {
            let looking = look(api, begun, before.as_ref());
            let mut looked = None;
            let meanwhile = until(
                async { looked = Some(looking.await) },
                &watched,
                &mut screen,
                (&mut input, &mut endings),
            );
            let ends = meanwhile.await?;
            match looked {
                Some(Ok(now)) => {
                    watched.shown = Some((View::of(before.as_ref(), &now), Instant::now()));
                    watched.trouble = None;
                    before = Some(now);
                }
                Some(Err(error)) => watched.trouble = Some(error.to_string()),
                None => {}
            }
            ends
        };
        if ends {
            return Ok(());
        }
        watched.draw(&mut screen)?;
        let rest = sleep(next.saturating_duration_since(Instant::now()));
        if until(rest, &watched, &mut screen, (&mut input, &mut endings)).await? {
            return Ok(());
        }
    }
}

/// Waits for something, and draws anew where the terminal changes meanwhile; whether it is to end.
async fn until(
    what: impl Future<Output = ()>,
    watched: &Watched<'_>,
    screen: &mut Screen,
    (input, endings): (&mut screen::Inputs, &mut Endings),
) -> io::Result<bool> {
    let mut what = std::pin::pin!(what);
    loop {
        tokio::select! {
            () = &mut what => return Ok(false),
            _ = endings.next() => return Ok(true),
            input = input.recv() => match input {
                Some(Input::Resized) => watched.draw(screen)?,
                Some(Input::End) | None => return Ok(true),
            },
        }
    }
}
