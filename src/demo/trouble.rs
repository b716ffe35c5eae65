//! Why the demo ends without a verdict.

use std::fmt::Write as _;
use std::io;
use std::process::ExitStatus;

use rdkafka::error::KafkaError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The broker could not be started.
    #[error("the built-in broker cannot be started: {0}")]
    Broker(KafkaError),
    /// The endpoint could not be started.
    #[error("the built-in endpoint cannot be started: {0}")]
    Endpoint(io::Error),
    /// The load could not be started.
    #[error("the load cannot be started: {0}")]
    Load(io::Error),
    /// A record could not be written.
    #[error("the load could not write its records: {0}")]
    Write(KafkaError),
    /// The broker does not say what is on record.
    #[error("the broker does not say what is on record: {0}")]
    Record(String),
    /// The process could not be started, killed or waited for.
    #[error("keyway run cannot be started or watched: {0}")]
    Process(io::Error),
    /// The process ended by itself.
    #[error("keyway run ended by itself ({status}){}", told(last))]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said last.
        last: Vec<String>,
    },
    /// Nothing was delivered for a long time.
    #[error("nothing was delivered for {seconds} s{}", told(last))]
    Stalled {
        /// How long.
        seconds: u64,
        /// What is known about why.
        last: Vec<String>,
    },
    /// A signal came.
    #[error("ended by {0}; keyway run is stopped, nothing was verified")]
    Signal(&'static str),
    /// Signals cannot be caught.
    #[error("signals cannot be caught: {0}")]
    Signals(io::Error),
    /// Nobody reads what the demo says.
    #[error("nobody reads the output any more")]
    Unread,
    /// A thread of the demo ended before its time.
    #[error("a part of the demo itself failed")]
    Own,
}

fn told(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = write!(text, "\n  {line}");
        text
    })
}
