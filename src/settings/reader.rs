//! Reads one knob after another from the layers of typed texts, the highest layer last.
//!
//! Every layer's text is checked, also where a higher one wins: a typo does not lie in wait until
//! the flag that hid it is gone.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::paths::Paths;
use super::problem::{Origin, Place, Problems, Spot};
use super::table::{Knob, Row, Scope, Standard};
use super::text_file::read_secret;
use super::typed::{Layer, Text, What};
use super::types::SecretSource;
use super::value::Refused;

/// A value and where it was typed.
#[derive(Debug)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
}

impl<T> Found<T> {
    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        Found { value: change(self.value), place: self.place }
    }
}

/// The layers of one pipeline, or of the process.
pub struct Reader<'a> {
    /// The lowest first.
    pub layers: Vec<&'a Layer>,
    /// How a path in the file is found.
    pub paths: Paths<'a>,
    /// Where the pipeline begins in the file, if it does.
    pub spot: Option<&'a Spot>,
    /// Whether flags and variables can name this pipeline: it is the only one.
    pub alone: bool,
    /// Where problems go.
    pub problems: &'a mut Problems,
    /// The keys of what some layer gives badly; no more than there are rows.
    pub broken: BTreeSet<&'static str>,
}

impl Reader<'_> {
    /// The value given for `knob`; `None` where none is, or a bad one.
    pub fn find<T>(&mut self, knob: &Knob<T>) -> Option<Found<T>> {
        self.find_written(knob).map(|found| found.map(|(value, _)| value))
    }

    /// The same, with the text as it was typed.
    pub fn find_written<T>(&mut self, knob: &Knob<T>) -> Option<Found<(T, Text)>> {
        self.each(&knob.row, |what, place| match what {
            What::One(text) => Some(parse(knob, text, place).map(|value| (value, text.clone()))),
            What::Several(_) => Some(Err(one(place, "expected one value, got a list"))),
            What::Broken => None,
        })
    }

    /// The values given for `knob`, at least one.
    pub fn list<T>(&mut self, knob: &Knob<T>) -> Option<Found<Vec<T>>> {
        self.each(&knob.row, |what, place| match what {
            What::One(text) => Some(parse(knob, text, place).map(|value| vec![value])),
            What::Several(texts) if texts.is_empty() => {
                Some(Err(one(place, "expected at least one, got an empty list")))
            }
            What::Several(texts) => {
                Some(texts.iter().map(|text| parse(knob, text, place)).collect())
            }
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

    /// Where the highest layer gives `row`, well or badly.
    pub fn place_of(&self, row: &Row) -> Option<Place> {
        self.layers.iter().rev().find_map(|layer| layer.get(row.key)).map(|it| it.place.clone())
    }

    /// Whether none of what was read of `rows` is given badly. What is has its default meanwhile, and
    /// to say that this contradicts something else would be false.
    pub fn is_sound(&self, rows: &[&Row]) -> bool {
        rows.iter().all(|row| !self.broken.contains(row.key))
    }

    /// The path given for `knob`; a relative one in the file counts from the file's folder.
    pub fn path(&mut self, knob: &Knob<PathBuf>) -> Option<Found<PathBuf>> {
        let Found { value, place } = self.find(knob)?;
        let value = self.locate(value, &place)?;
        Some(Found { value, place })
    }

    /// The path given for `knob`, of a file that is written.
    pub fn path_to_write(&mut self, knob: &Knob<PathBuf>) -> Option<Found<PathBuf>> {
        let Found { value, place } = self.find(knob)?;
        let Place::Written(_) = place else { return Some(Found { value, place }) };
        let found = self.paths.to_write(&value);
        let value = found.map_err(|why| self.problems.push(&place, why)).ok()?;
        Some(Found { value, place })
    }

    /// The secret given for `knob`, or by the file that its `twin` names.
    pub fn secret(
        &mut self,
        knob: &Knob<String>,
        twin: &Knob<PathBuf>,
    ) -> Option<Found<SecretSource>> {
        let mut found = self.secrets(knob, twin, |reader| {
            let given = reader.find(knob).map(|found| found.map(|value| vec![value]));
            (given, reader.find(twin).map(|found| found.map(|path| vec![path])))
        })?;
        let value = found.value.pop()?;
        Some(Found { value, place: found.place })
    }

    /// The secrets given for `knob`, or by the files that its `twin` names.
    pub fn secret_list(
        &mut self,
        knob: &Knob<String>,
        twin: &Knob<PathBuf>,
    ) -> Option<Found<Vec<SecretSource>>> {
        self.secrets(knob, twin, |reader| (reader.list(knob), reader.list(twin)))
    }

    /// What the highest layer gives that gives either. Both in one layer contradict each other.
    fn secrets(
        &mut self,
        knob: &Knob<String>,
        twin: &Knob<PathBuf>,
        read: impl FnOnce(&mut Self) -> (Option<Found<Vec<String>>>, Option<Found<Vec<PathBuf>>>),
    ) -> Option<Found<Vec<SecretSource>>> {
        let (key, file) = (knob.row.key, twin.row.key);
        for layer in &self.layers {
            if let (Some(_), Some(given)) = (layer.get(key), layer.get(file)) {
                let what = format!("{key} and {file} are both given; keep one of them");
                self.problems.push(&given.place, what);
            }
        }
        let rank = |key| self.layers.iter().rposition(|layer| layer.contains_key(key));
        let by_file = rank(file) > rank(key);
        let (given, files) = read(self);
        if !by_file {
            return given.map(|found| {
                found.map(|values| values.into_iter().map(SecretSource::Given).collect())
            });
        }
        let Found { value, place } = files?;
        let sources = value.into_iter().map(|path| self.secret_in(path, knob, &place));
        Some(Found { value: sources.collect::<Option<_>>()?, place })
    }

    /// The file of a secret, if what it holds is one.
    fn secret_in(
        &mut self,
        path: PathBuf,
        knob: &Knob<String>,
        place: &Place,
    ) -> Option<SecretSource> {
        let path = self.locate(path, place)?;
        let refused = match read_secret(&path) {
            Ok(secret) => (knob.parse)(&secret).err().map(|refused| {
                let file = path.display();
                format!("{file} holds no such secret: expected {}", of_secret(refused))
            }),
            Err(why) => Some(format!("cannot read {}: {why}", path.display())),
        };
        match refused {
            None => Some(SecretSource::File(path)),
            Some(what) => {
                self.problems.push(place, what);
                None
            }
        }
    }

    /// Where a path leads; `None`, with a problem told, where it may not lead.
    fn locate(&mut self, path: PathBuf, place: &Place) -> Option<PathBuf> {
        let Place::Written(_) = place else { return Some(path) };
        self.paths.find(&path).map_err(|why| self.problems.push(place, why)).ok()
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
            let in_file = matches!(spot.origin, Origin::File { .. });
            let reachable = in_file && (self.alone || row.scope == Scope::Tuning);
            let or = if reachable { format!(", or use {outside}") } else { String::new() };
            let what =
                if in_file { format!("missing; set it there{or}") } else { "missing".to_owned() };
            (Place::Written(Spot { key, ..spot.clone() }), what)
        } else {
            let what = format!("missing; use {outside}, or set it in a file (--config)");
            (Place::Unset(key), what)
        };
        self.problems.push(&place, what);
    }

    /// Says, wherever it is given, that `row` is of no account here.
    pub fn unwanted(&mut self, row: &Row, why: &str) {
        let given = self.layers.iter().filter_map(|layer| layer.get(row.key));
        for given in given.filter(|given| !matches!(given.what, What::Broken)) {
            self.problems.push(&given.place, why);
        }
    }

    fn each<V>(
        &mut self,
        row: &Row,
        read: impl Fn(&What, &Place) -> Option<Result<V, Wrong>>,
    ) -> Option<Found<V>> {
        let mut found = None;
        for given in self.layers.iter().filter_map(|layer| layer.get(row.key)) {
            match read(&given.what, &given.place) {
                Some(Ok(value)) => found = Some(Found { value, place: given.place.clone() }),
                Some(Err(wrong)) => {
                    self.broken.insert(row.key);
                    for (place, what) in wrong {
                        self.problems.push(&place, what);
                    }
                }
                None => _ = self.broken.insert(row.key),
            }
        }
        found
    }
}

/// What is wrong with what was given, and where.
type Wrong = Vec<(Place, String)>;

fn one(place: &Place, what: impl Into<String>) -> Wrong {
    vec![(place.clone(), what.into())]
}

fn parse<T>(knob: &Knob<T>, text: &Text, place: &Place) -> Result<T, Wrong> {
    (knob.parse)(&text.value).map_err(|refused| {
        if knob.row.secret {
            let expected = of_secret(refused);
            return one(place, format!("expected {expected}; what was given is not shown"));
        }
        let Refused { expected, because, faults } = refused;
        if !faults.is_empty() {
            return faults.iter().map(|fault| text.locate(place, fault)).collect();
        }
        let because = because.map_or_else(String::new, |why| {
            format!(": {}", text.filled.reason(&why, &text.written))
        });
        one(place, format!("expected {expected}, got {}{because}", text.shown()))
    })
}

/// What a secret is to be, and why this one is not: whoever reads a secret says that without it.
fn of_secret(Refused { expected, because, .. }: Refused) -> String {
    because.map_or_else(|| expected.clone(), |why| format!("{expected}, but {why}"))
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
