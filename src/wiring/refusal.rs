//! What librdkafka or the sink does not take of a pipeline's settings, and which key it is about.
//!
//! Each setting is right by itself then: what is wrong shows only when a client is made of all.

use keyway_actors::kafka::admin::AdminError;

use super::SinkRefused;
use crate::settings::{Body, refused_property};

/// Why a pipeline cannot be made of its settings.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The sink cannot be made.
    #[error(transparent)]
    Sink(#[from] SinkRefused),
    /// No client of librdkafka can be made.
    #[error(transparent)]
    Kafka(#[from] AdminError),
}

/// What librdkafka's refusal of the producer of dead letters begins with.
const LETTERS: &str = "dead_letter: ";

impl NotTaken {
    /// The key of a body that it is about, if that can be told. Of properties that do not go together
    /// it is one that the body gives: what it inherits is for others to change.
    pub fn field(&self, body: &Body) -> Option<String> {
        match self {
            Self::Kafka(AdminError::Properties(why)) => {
                let of_letters = why.starts_with(LETTERS);
                let named = refused_property(body, why, of_letters);
                Some(named.unwrap_or_else(|| "kafka".to_owned()))
            }
            // What a sink refuses was refused with its key before, but for files.
            Self::Sink(_) | Self::Kafka(_) => None,
        }
    }
}
