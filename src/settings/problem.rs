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
    /// In the file, or in the body of a request.
    Written(Spot),
    /// Nowhere: the setting by its key.
    Unset(String),
}

/// A place in the file, or in the body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Which of the two.
    pub origin: Origin,
    /// The pipeline it belongs to, as `pipeline "orders"` or `pipeline 2`.
    pub pipeline: Option<Arc<str>>,
    /// The key, dotted, relative to the pipeline; empty for a whole table.
    pub key: String,
}

/// What a text stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File {
        /// As the user named it.
        name: Arc<str>,
        /// From 1.
        line: usize,
        /// In characters from 1; `None` for the whole line.
        column: Option<usize>,
    },
    /// The body of a request, which describes one pipeline and has no lines that anybody sees.
    Body,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) | Self::Unset(name) => f.write_str(name),
            Self::Written(spot) => spot.fmt(f),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin::File { name, line, column } = &self.origin else {
            return f.write_str(if self.key.is_empty() { "the body" } else { &self.key });
        };
        write!(f, "{name}:{line}")?;
        if let Some(column) = column {
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

/// Problems that are told of one reading: more than anybody mends at a time.
const MOST_TOLD: usize = 100;

/// The longest word that is compared with known ones, in bytes; comparing takes its length times
/// theirs, and every known one is shorter.
const LONGEST_WORD: usize = 64;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in one line.
    pub what: String,
}

impl Problem {
    /// The key of a body that it is about; `None` if it is about something else, or about no key.
    pub fn field(&self) -> Option<String> {
        match &self.place {
            Place::Written(Spot { origin: Origin::Body, key, .. }) if !key.is_empty() => {
                Some(key.clone())
            }
            _ => None,
        }
    }

    /// What is wrong, and where if [`field`](Self::field) does not tell.
    pub fn told(&self) -> String {
        if self.field().is_some() { self.what.clone() } else { self.to_string() }
    }
}

/// One line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// All problems of one reading of the settings, in the order found, none twice.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem.
    pub(super) fn push(&mut self, place: &Place, what: impl Into<String>) {
        if self.is_full() {
            return;
        }
        let problem = Problem { place: place.clone(), what: what.into() };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
        if self.is_full() {
            let what = "there is more wrong than is told here".to_owned();
            self.0.push(Problem { place: place.clone(), what });
        }
    }

    /// Whether so much is wrong that no more of it is told. Somebody may send a megabyte of unknown
    /// keys, and each is compared with all known ones.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST_TOLD
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// One line a problem, without line ends.
    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(Problem::to_string).collect()
    }
}

/// The problems, one line each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
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

/// The candidate that `word` was probably meant to be: one that is spelt alike, or else the only one
/// that begins with it, or ends with it as its last words. `None` where nothing is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let alike =
        candidates.iter().filter_map(|candidate| Some((distance(word, candidate)?, candidate)));
    if let Some((_, candidate)) = alike.min_by_key(|(distance, _)| *distance) {
        return Some(candidate);
    }
    let only = |fits: &dyn Fn(&str) -> bool| {
        let mut found = candidates.iter().filter(|candidate| fits(candidate));
        found.next().filter(|_| found.next().is_none()).copied()
    };
    let begins = |candidate: &str| candidate.starts_with(word);
    let ends = |candidate: &str| {
        candidate.strip_suffix(word).is_some_and(|rest| rest.ends_with(SEPARATORS))
    };
    // Of fewer letters it is chance.
    let long = word.chars().count() >= 4;
    if long { only(&begins).or_else(|| only(&ends)) } else { None }
}

/// What parts the words of a name.
const SEPARATORS: [char; 2] = ['.', '_'];

/// How far a candidate is from a word, if it is near: by the words in which they differ, for that the
/// others are the same (`http.auth.`) is no likeness.
fn distance(word: &str, candidate: &str) -> Option<usize> {
    let (mine, its): (Vec<&str>, Vec<&str>) =
        (word.split(SEPARATORS).collect(), candidate.split(SEPARATORS).collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let first = mine.iter().zip(&its).take_while(same).count();
    let left = mine.len().min(its.len()) - first;
    let last = mine.iter().rev().zip(its.iter().rev()).take_while(same).count().min(left);
    let differs: usize =
        mine[first..mine.len() - last].iter().map(|word| word.chars().count()).sum();
    let distance = strsim::damerau_levenshtein(word, candidate);
    (distance <= (differs + 1) / 3).then_some(distance)
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
        let keys = ["name", "http.rate", "http.auth.kind", "http.auth.username", "http.breaker"];
        for (word, meant) in [
            ("rate", Some("http.rate")),
            ("http.auth.user", Some("http.auth.username")),
            ("http.auth.knid", Some("http.auth.kind")),
            ("htp.rate", Some("http.rate")),
            ("http.headers", None),
            ("http.auth.mode", None),
            ("me", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
        assert_eq!(nearest("timeout", ["a.timeout", "b_timeout"]), None, "it may be either");
    }

    #[test]
    fn of_very_much_that_is_wrong_a_part_is_told() {
        let mut problems = Problems::default();
        for at in 0..10 * MOST_TOLD {
            problems.push(&Place::Unset(format!("key{at}")), "unknown");
        }
        assert_eq!(problems.lines().len(), MOST_TOLD + 1);
        assert!(problems.to_string().ends_with("there is more wrong than is told here"));
        assert_eq!(nearest(&"senders".repeat(1000), ["senders"]), None);
    }

    #[test]
    fn a_problem_found_twice_is_told_once() {
        let mut problems = Problems::default();
        problems.push(&Place::Flag("--senders"), "bad");
        problems.push(&Place::Flag("--senders"), "bad");
        assert_eq!(problems.to_string(), "--senders: bad");
    }
}
