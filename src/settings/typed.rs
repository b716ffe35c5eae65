//! What was typed: texts with their places, one layer a source.

use std::collections::BTreeMap;

use super::problem::{Place, shown};
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
}

impl Text {
    /// A text in which nothing was filled in.
    pub fn plain(value: impl Into<String>) -> Self {
        let value = value.into();
        Self { written: value.clone(), value, filled: Filled::default() }
    }

    /// As a message may show it.
    pub fn shown(&self) -> String {
        shown(&self.written)
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
