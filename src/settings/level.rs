//! The two levels of the file, which keys each has, and what a misspelt key was meant to be.

use super::problem::nearest;
use super::table::{self, Row, Scope};

/// A level of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The process.
    Top,
    /// A `[[pipeline]]`.
    Pipeline,
}

impl Level {
    /// The rows whose keys belong here. Those of `[kafka]` are librdkafka's.
    pub fn rows(self) -> impl Iterator<Item = &'static Row> + use<> {
        table::rows()
            .filter(|row| !row.key.is_empty() && !row.key.starts_with("kafka."))
            .filter(move |row| (row.scope == Scope::Process) == (self == Self::Top))
    }

    fn sections(self) -> &'static [&'static str] {
        match self {
            Self::Top => &["alert", "api", "api.tls", "log", "kafka", "pipeline"],
            Self::Pipeline => &[
                "http",
                "http.auth",
                "http.breaker",
                "http.cloudevents",
                "http.signature",
                "http.tls",
                "retry",
                "dead_letter",
                "file",
                "kafka",
                "route",
            ],
        }
    }

    /// The header under which a section of this level stands.
    fn header(self, section: &str) -> String {
        match (self, section) {
            (Self::Top, section) => format!("[{section}]"),
            (Self::Pipeline, "") => "[[pipeline]]".to_owned(),
            (Self::Pipeline, section) => format!("[pipeline.{section}]"),
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Top => Self::Pipeline,
            Self::Pipeline => Self::Top,
        }
    }
}

/// What an unknown key was probably meant to be: one spelt alike here, one of the same name in
/// another section, one of the same name on the other level.
pub fn meant(key: &str, level: Level) -> Option<String> {
    let (section, last) = parts(key);
    if matches!(last, "brokers" | "bootstrap" | "bootstrap_servers") {
        return Some("\"bootstrap.servers\" in [kafka]".to_owned());
    }
    let keys = level.rows().map(|row| row.key);
    if let Some(near) = nearest(key, keys.chain(level.sections().iter().copied())) {
        return Some(spelt(near, section, level));
    }
    let same_name = |level: Level| level.rows().map(|row| row.key).find(|key| parts(key).1 == last);
    let elsewhere = |level: Level| same_name(level).map(|key| spelt(key, "elsewhere", level));
    // Who is in a section of this level means what belongs there.
    let may_be_elsewhere = !level.sections().contains(&section);
    same_name(level)
        .map(|key| spelt(key, section, level))
        .or_else(|| may_be_elsewhere.then(|| elsewhere(level.other())).flatten())
}

/// A key as one would type it who is in the section `from`: there its last part will do.
fn spelt(key: &str, from: &str, level: Level) -> String {
    let (section, last) = parts(key);
    if section == from { last.to_owned() } else { format!("{last} in {}", level.header(section)) }
}

fn parts(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// A dotted key from its parts.
pub fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}
