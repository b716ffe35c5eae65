//! Reads one knob after another from the layers of typed texts, the highest layer last.
//!
//! Every layer's text is checked, also where a higher one wins: a typo does not lie in wait until
//! the flag that hid it is gone.

use std::path::{Path, PathBuf};

use super::problem::{Place, Problems, Spot};
use super::table::{Knob, Row, Scope, Standard};
use super::typed::{Layer, Text, What};
use super::value::Refused;

/// A value and where it was typed.
#[derive(Debug)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// The layers of one pipeline, or of the process.
pub struct Reader<'a> {
    /// The lowest first.
    pub layers: Vec<&'a Layer>,
    /// Where the pipeline begins in the file, if it does.
    pub spot: Option<&'a Spot>,
    /// Whether flags and variables can name this pipeline: it is the only one.
    pub alone: bool,
    /// Where problems go.
    pub problems: &'a mut Problems,
}

impl Reader<'_> {
    /// The value given for `knob`; `None` where none is, or a bad one.
    pub fn find<T>(&mut self, knob: &Knob<T>) -> Option<Found<T>> {
        self.each(&knob.row, |what| match what {
            What::One(text) => Some(parse(knob, text)),
            What::Several(_) => Some(Err("expected one value, got a list".to_owned())),
            What::Broken => None,
        })
    }

    /// The values given for `knob`, at least one.
    pub fn list<T>(&mut self, knob: &Knob<T>) -> Option<Found<Vec<T>>> {
        self.each(&knob.row, |what| match what {
            What::One(text) => Some(parse(knob, text).map(|value| vec![value])),
            What::Several(texts) if texts.is_empty() => {
                Some(Err("expected at least one, got an empty list".to_owned()))
            }
            What::Several(texts) => Some(texts.iter().map(|text| parse(knob, text)).collect()),
            What::Broken => None,
        })
    }

    /// The value given for `knob`, or its default.
    pub fn get<T>(&mut self, knob: &Knob<T>) -> T {
        self.find(knob).map_or_else(|| standard(knob), |found| found.value)
    }

    /// Whether any layer gives `row`, well or badly.
    pub fn is_given(&self, row: &Row) -> bool {
        self.layers.iter().any(|layer| layer.contains_key(row.key))
    }

    /// The path given for `knob`; a relative one in the file counts from `folder`.
    pub fn path(&mut self, knob: &Knob<PathBuf>, folder: Option<&Path>) -> Option<PathBuf> {
        let Found { value, place } = self.find(knob)?;
        Some(match (place, folder) {
            (Place::File(_), Some(folder)) => folder.join(value),
            _ => value,
        })
    }

    /// Says that a required setting is missing, unless it was given badly.
    pub fn missing(&mut self, row: &Row) {
        if self.is_given(row) {
            return;
        }
        let outside = match row.flag {
            Some(flag) => format!("{flag} or {}", row.variable),
            None => row.variable.to_owned(),
        };
        let key = row.key.to_owned();
        let (place, what) = if let Some(spot) = self.spot {
            let reachable = self.alone || row.scope == Scope::Tuning;
            let or = if reachable { format!(", or use {outside}") } else { String::new() };
            (Place::File(Spot { key, ..spot.clone() }), format!("missing; set it there{or}"))
        } else {
            let what = format!("missing; use {outside}, or set it in a file (--config)");
            (Place::Unset(key), what)
        };
        self.problems.push(&place, what);
    }

    fn each<V>(
        &mut self,
        row: &Row,
        read: impl Fn(&What) -> Option<Result<V, String>>,
    ) -> Option<Found<V>> {
        let mut found = None;
        for given in self.layers.iter().filter_map(|layer| layer.get(row.key)) {
            match read(&given.what) {
                Some(Ok(value)) => found = Some(Found { value, place: given.place.clone() }),
                Some(Err(what)) => self.problems.push(&given.place, what),
                None => {}
            }
        }
        found
    }
}

fn parse<T>(knob: &Knob<T>, text: &Text) -> Result<T, String> {
    (knob.parse)(&text.value).map_err(|Refused { expected, because }| {
        let because = because.map_or_else(String::new, |why| format!(": {why}"));
        format!("expected {expected}, got {}{because}", text.shown())
    })
}

/// The default of a knob that has one as a text.
pub fn standard<T>(knob: &Knob<T>) -> T {
    let value = match knob.row.standard {
        Standard::Text(text) => (knob.parse)(text).ok(),
        _ => None,
    };
    let Some(value) = value else { unreachable!("a test reads the default of every such knob") };
    value
}
