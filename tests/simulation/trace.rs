//! What happens in a schedule, line by line, for whoever has to understand it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::plan::Micros;

/// Writes a line of the trace, if one is wanted.
macro_rules! trace {
    ($env:expr, $($text:tt)*) => {
        if $env.trace.is_on() {
            let line = format!($($text)*);
            $env.trace.line($env.now, &line);
        }
    };
}
pub(crate) use trace;

/// What is written down of a run, for whoever has to understand it.
#[derive(Debug, Default)]
pub enum Trace {
    #[default]
    Off,
    /// To standard error, as it happens.
    Print,
    /// The last lines, to be shown with the violation.
    Last(VecDeque<String>),
}

impl Trace {
    const KEPT: usize = 60;

    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    pub fn line(&mut self, now: Micros, line: &str) {
        let line = format!("{:>12.6}  {line}", Duration::from_micros(now).as_secs_f64());
        match self {
            Self::Off => {}
            Self::Print => eprintln!("{line}"),
            Self::Last(lines) => {
                if lines.len() == Self::KEPT {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }
}
