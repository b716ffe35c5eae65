//! The table of settings: for each its key in the file, its variable, its flag, its default and how
//! it is read. The reader, the help page, the suggestions for misspelt names and the tables of
//! `docs/configuration.md` all come from here.
//!
//! A variable is named by one rule: `KEYWAY_` and the key, upper case, `_` for `.`. The exceptions
//! are the five short names that existed before the rule: `KEYWAY_BROKERS`, `KEYWAY_URL`,
//! `KEYWAY_REQUEST_TIMEOUT`, `KEYWAY_MAX_ATTEMPTS` and `KEYWAY_LISTEN`.

use super::value::Refused;

mod api;
mod destination;
mod file;
mod groups;
mod http;
mod retry;
mod rows;
mod security;

pub use api::*;
pub use destination::*;
pub use file::*;
pub use groups::GROUPS;
pub use http::*;
pub use retry::*;
pub use rows::*;
pub use security::*;

/// What a flag, a variable and a key of the file have in common.
#[derive(Debug)]
pub struct Row {
    /// In the file: dotted from the top for the process, from the pipeline for a pipeline. Empty
    /// for what cannot be in the file.
    pub key: &'static str,
    /// In the environment.
    pub variable: &'static str,
    /// On the command line.
    pub flag: Option<&'static str>,
    /// What it belongs to.
    pub scope: Scope,
    /// Without it.
    pub standard: Standard,
    /// For the help page: what it sets, in a few words.
    pub about: &'static str,
    /// Whether it takes several values: commas in a variable, an array in the file.
    pub list: bool,
    /// Whether its value is a secret, which no message may show.
    pub secret: bool,
    /// Whether the help page leaves it to `docs/configuration.md`.
    pub rare: bool,
}

/// Settings that belong together, as the document groups them.
pub struct Group {
    /// What it is called, in one word.
    #[cfg(test)]
    pub name: &'static str,
    /// The settings.
    pub entries: &'static [Entry],
}

/// A setting in its group.
pub struct Entry {
    /// The setting.
    pub row: &'static Row,
    /// What is allowed, in the words of a refusal.
    pub allowed: fn() -> String,
}

/// All settings, in the order of the help page.
pub fn rows() -> impl Iterator<Item = &'static Row> + Clone {
    GROUPS.iter().flat_map(|group| group.entries).map(|entry| entry.row)
}

/// What a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process.
    Process,
    /// One pipeline, which it tells from others: no flag or variable can set it for several.
    Identity,
    /// Any pipeline: a flag or variable sets it for all.
    Tuning,
}

/// What holds where a setting is not given.
#[derive(Clone, Copy, Debug)]
pub enum Standard {
    /// This text.
    Text(&'static str),
    /// What the words say, worked out from the machine or from other settings.
    Described(&'static str),
    /// Nothing: it is refused.
    Required,
    /// Nothing: it is left out.
    Nothing,
}

impl Standard {
    /// For the help page.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Text(text) | Self::Described(text) => text,
            Self::Required => "required",
            Self::Nothing => "none",
        }
    }
}

/// A row and how its text is read.
pub struct Knob<T> {
    /// Its names.
    pub row: Row,
    /// From one text to the value.
    pub parse: fn(&str) -> Result<T, Refused>,
}

impl Row {
    const fn new(
        scope: Scope,
        key: &'static str,
        variable: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            key,
            variable,
            flag: None,
            scope,
            standard: Standard::Nothing,
            about,
            list: false,
            secret: false,
            rare: false,
        }
    }

    const fn process(key: &'static str, variable: &'static str, about: &'static str) -> Self {
        Self::new(Scope::Process, key, variable, about)
    }

    const fn identity(key: &'static str, variable: &'static str, about: &'static str) -> Self {
        Self::new(Scope::Identity, key, variable, about)
    }

    const fn tuning(key: &'static str, variable: &'static str, about: &'static str) -> Self {
        Self::new(Scope::Tuning, key, variable, about)
    }

    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    const fn list(mut self) -> Self {
        self.list = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn rare(mut self) -> Self {
        self.rare = true;
        self
    }

    const fn required(mut self) -> Self {
        self.standard = Standard::Required;
        self
    }

    const fn or(mut self, text: &'static str) -> Self {
        self.standard = Standard::Text(text);
        self
    }

    const fn or_as_described(mut self, words: &'static str) -> Self {
        self.standard = Standard::Described(words);
        self
    }

    const fn read<T>(self, parse: fn(&str) -> Result<T, Refused>) -> Knob<T> {
        Knob { row: self, parse }
    }
}
