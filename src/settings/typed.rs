//! What was typed: texts with their places, one layer a source.

use std::collections::BTreeMap;

use keyway_actors::route::ExpressionError;

use super::problem::{Origin, Place, Spot, shown};
use super::types::Filled;

/// One text as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// With `${NAME}` filled in.
    pub value: String,
    /// As written, for messages: a `${NAME}` stays one, so that no secret shows.
    pub written: String,
    /// What was filled in.
    pub filled: Filled,
    /// Line and column of its first character, where it stands in the file as it is.
    pub verbatim: Option<(usize, usize)>,
}

impl Text {
    /// A text in which nothing was filled in.
    pub fn plain(value: impl Into<String>) -> Self {
        let value = value.into();
        Self { written: value.clone(), value, filled: Filled::default(), verbatim: None }
    }

    /// As a message may show it.
    pub fn shown(&self) -> String {
        shown(&self.written)
    }

    /// Where an error in a template or condition is, and what is left to say, in one line without
    /// what was filled in. `place` is that of the setting.
    ///
    /// A text that stands in the file as it is has the language's line and column there; of another
    /// one they can only be counted in the text itself.
    pub fn locate(&self, place: &Place, error: &ExpressionError) -> (Place, String) {
        let said = self.filled.reason(&error.message, &self.written).replace('\n', " ");
        let (line, column) = (error.line, error.column);
        let Place::Written(spot) = place else {
            return (place.clone(), format!("line {line}, column {column}: {said}"));
        };
        match (&spot.origin, self.verbatim) {
            (Origin::File { name, .. }, Some((first, indent))) => {
                let column = if line == 1 { indent + column - 1 } else { column };
                let (name, line, column) = (name.clone(), first + line - 1, Some(column));
                let origin = Origin::File { name, line, column };
                (Place::Written(Spot { origin, ..spot.clone() }), said)
            }
            (Origin::File { .. }, None) => {
                let counted = "counted with what its escapes and ${...} stand for";
                let what = format!("line {line}, column {column} of the text, {counted}: {said}");
                (place.clone(), what)
            }
            (Origin::Body, _) => (place.clone(), format!("line {line}, column {column}: {said}")),
        }
    }
}

/// One setting as one source gives it.
#[derive(Clone, Debug)]
pub struct Given {
    /// What was typed.
    pub what: What,
    /// Where.
    pub place: Place,
}

/// What was typed for one setting.
#[derive(Clone, Debug)]
pub enum What {
    /// One value.
    One(Text),
    /// Several: a list in the file, parts between commas, a repeated flag.
    Several(Vec<Text>),
    /// Something whose problem is already told.
    Broken,
}

/// What one source gives: by the key of the setting, as the file spells it.
pub type Layer = BTreeMap<&'static str, Given>;

/// One librdkafka property as one source gives it.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its value.
    pub text: Text,
    /// Where.
    pub place: Place,
}

/// The properties that one source gives, each under librdkafka's main name for it.
pub type Properties = BTreeMap<String, Property>;
