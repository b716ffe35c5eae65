//! What is wrong with the settings: where, and what.
//!
//! A problem is one line. It never holds a secret: values are shown through [`shown`], values of
//! secret settings not at all.

use std::fmt;
use std::sync::Arc;

/// Where a setting was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the command line.
    Flag(&'static str),
    /// In the environment.
    Variable(String),
    /// In the file.
    File(Spot),
    /// Nowhere: the setting by its key.
    Unset(String),
}

/// A place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// In characters from 1; `None` for the whole line.
    pub column: Option<usize>,
    /// The pipeline it belongs to, as `pipeline "orders"` or `pipeline 2`.
    pub pipeline: Option<Arc<str>>,
    /// The key, dotted, relative to the pipeline; empty for a whole table.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) | Self::Unset(name) => f.write_str(name),
            Self::File(spot) => spot.fmt(f),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        if let Some(pipeline) = &self.pipeline {
            write!(f, ": {pipeline}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        Ok(())
    }
}

/// All problems of one reading of the settings, in the order found, none twice.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Adds a problem.
    pub(super) fn push(&mut self, place: &Place, what: impl fmt::Display) {
        let line = format!("{place}: {what}");
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line a problem, without line ends.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

/// The problems, one line each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// A value as a message may show it: quoted, control characters escaped, at most 80 characters, and
/// without what looks like credentials: the user part and the query of a URL.
pub fn shown(value: &str) -> String {
    const MOST: usize = 80;
    let value = without_credentials(value);
    if value.chars().count() > MOST {
        let head: String = value.chars().take(MOST).collect();
        return format!("{head:?}...");
    }
    format!("{value:?}")
}

fn without_credentials(value: &str) -> String {
    let start = value.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = value.split_at(start);
    let rest = match rest.rfind('@') {
        Some(at) => format!("***{}", &rest[at..]),
        None => rest.to_owned(),
    };
    let rest = match rest.split_once('?') {
        Some((head, _)) if start > 0 => format!("{head}?***"),
        _ => rest,
    };
    format!("{scheme}{rest}")
}

/// The candidate that `word` was probably meant to be; `None` where nothing is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let furthest = 1 + word.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= furthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?`, or nothing.
pub fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        assert_eq!(shown("http://me:hunter2@host/x"), r#""http://***@host/x""#);
        assert_eq!(shown("me:hunter2@host"), r#""***@host""#);
        assert_eq!(shown("http://host/x?token=hunter2"), r#""http://host/x?***""#);
        assert_eq!(shown("http://me:p@ss@host"), r#""http://***@host""#);
    }

    #[test]
    fn long_and_binary_values_stay_one_short_line() {
        let text = shown(&"a\n".repeat(500));
        assert!(text.len() < 200 && !text.contains('\n'), "{text}");
        assert_eq!(shown("\u{1b}[31m"), r#""\u{1b}[31m""#);
    }

    #[test]
    fn the_nearest_name_is_found_and_far_ones_are_not() {
        let names = ["senders", "arbiters", "ordering"];
        assert_eq!(nearest("sender", names), Some("senders"));
        assert_eq!(nearest("oredring", names), Some("ordering"));
        assert_eq!(nearest("colour", names), None);
    }

    #[test]
    fn a_problem_found_twice_is_told_once() {
        let mut problems = Problems::default();
        problems.push(&Place::Flag("--senders"), "bad");
        problems.push(&Place::Flag("--senders"), "bad");
        assert_eq!(problems.to_string(), "--senders: bad");
    }
}
