//! What librdkafka or the sink does not take of a pipeline's settings, and which key it is about.
//!
//! Each setting is right by itself then: what is wrong shows only when a client is made of all.

use keyway_actors::kafka::admin::AdminError;

use super::SinkRefused;
use crate::settings::PipelineSettings;

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
    /// The key that it is about, as a body has it, if that can be told.
    pub fn field(&self, settings: &PipelineSettings) -> Option<String> {
        match self {
            Self::Kafka(AdminError::Properties(why)) => Some(property(why, settings)),
            // What a sink refuses was refused with its key before, but for files.
            Self::Sink(_) | Self::Kafka(_) => None,
        }
    }
}

/// The property that is refused: of those that do not go together, one that was set.
fn property(why: &str, settings: &PipelineSettings) -> String {
    let own = &settings.kafka;
    let letters = settings.dead_letter.as_ref().filter(|_| why.starts_with(LETTERS));
    let of_letters = letters.and_then(|letters| {
        // Those of the pipeline are among its own.
        let mut named = letters.kafka.named_in(why);
        named.find(|name| letters.kafka.get(name) != own.get(name))
    });
    if let Some(name) = of_letters {
        return format!("dead_letter.kafka.{name}");
    }
    own.named_in(why).next().map_or_else(|| "kafka".to_owned(), |name| format!("kafka.{name}"))
}
