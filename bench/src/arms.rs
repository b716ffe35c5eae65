//! The arms: ways of doing the same work.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde::Serialize;

use crate::case::Case;

/// One way of doing the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
pub enum Arm {
    /// `keyway run`.
    Keyway,
    /// awc alone, without Kafka and without order: the ceiling.
    Awc,
    /// Confluent Parallel Consumer's Vert.x module as its documentation shows it.
    PcStock,
    /// The same with 8 event loops and a buffer of 20,000 records.
    PcTuned,
}

/// Where the programs are.
pub struct Programs {
    /// The folder of `keyway` and of this program.
    pub binaries: PathBuf,
    /// The jars of the Parallel Consumer arm, if they are there.
    pub parallel_consumer: Option<PathBuf>,
}

impl Arm {
    /// Why it cannot be run here, if it cannot.
    pub fn missing(self, programs: &Programs) -> Option<&'static str> {
        let java = matches!(self, Self::PcStock | Self::PcTuned);
        (java && programs.parallel_consumer.is_none())
            .then_some("its jars were not built (Maven and a JDK, 17 or later)")
    }

    /// How many of a case's records it delivers before it is stopped. An arm that is many times
    /// slower does a part of the work, which is to its advantage: it is spared the end, where the
    /// commonest key alone is left.
    pub fn records(self, case: &Case) -> usize {
        match self {
            Self::Keyway | Self::Awc => case.records,
            Self::PcStock | Self::PcTuned => case.records / 10,
        }
    }

    /// Whether it keeps the order of a key.
    pub fn orders(self) -> bool {
        self != Self::Awc
    }

    pub fn command(
        self,
        programs: &Programs,
        case: &Case,
        brokers: &str,
        topic: &str,
        group: &str,
        endpoint: &str,
    ) -> Command {
        let binary = |name: &str| Command::new(programs.binaries.join(name));
        let in_flight = case.in_flight.to_string();
        let url = format!("http://{endpoint}/");
        match self {
            Self::Awc => {
                let mut command = binary("keyway-bench");
                command.args(["awc", "--url", &url, "--in-flight", &in_flight]);
                command.args(["--requests", &case.records.to_string()]);
                command.args(["--size", &case.size.to_string()]);
                command
            }
            Self::Keyway => {
                let mut command = binary("keyway");
                command.args(["run", "--brokers", brokers, "--topic", topic, "--group-id", group]);
                command.args(["--url", &url, "--senders", &in_flight, "--listen", "off"]);
                command.args(["--arbiters", &case.arbiters.to_string()]);
                command
            }
            Self::PcStock | Self::PcTuned => {
                let jars = programs.parallel_consumer.as_deref().unwrap_or(Path::new("."));
                let mut command = Command::new("java");
                command.arg("-cp").arg(jars.join("*")).arg("keyway.bench.ParallelConsumer");
                command.args([brokers, topic, group, endpoint, &in_flight]);
                command.arg(if self == Self::PcTuned { "tuned" } else { "stock" });
                command
            }
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keyway => "keyway",
            Self::Awc => "awc",
            Self::PcStock => "parallel-consumer",
            Self::PcTuned => "parallel-consumer, tuned",
        })
    }
}
