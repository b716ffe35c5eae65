//! Where the records of a pipeline go.

use keyway_actors::sink::file::FileSettings;

use super::{HttpSettings, PipelineSettings};

/// Where the records of a pipeline go.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkSettings {
    /// Into requests.
    Http(Box<HttpSettings>),
    /// Into a file, whose path does not depend on the configuration file's folder any more.
    File(FileSettings),
}

impl PipelineSettings {
    /// Its requests, where its records go into some.
    pub fn http(&self) -> Option<&HttpSettings> {
        match &self.sink {
            SinkSettings::Http(http) => Some(http),
            SinkSettings::File(_) => None,
        }
    }

    /// Its file, where its records go into one.
    pub fn file(&self) -> Option<&FileSettings> {
        match &self.sink {
            SinkSettings::Http(_) => None,
            SinkSettings::File(file) => Some(file),
        }
    }
}

/// When a record that is written counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSync {
    /// When it is on the disk, at the latest after an interval.
    Interval,
    /// When it is on the disk, as soon as may be.
    Always,
    /// When it is written.
    None,
}
