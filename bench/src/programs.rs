//! The programs that are compared, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::case::{Arm, Case};

/// Where the programs are.
pub struct Programs {
    /// The folder of `keyway` and of this program.
    pub binaries: PathBuf,
    /// The jars of the Parallel Consumer arm, if they are there.
    pub parallel_consumer: Option<PathBuf>,
}

impl Programs {
    /// Why an arm cannot be run here, if it cannot.
    pub fn missing(&self, arm: Arm) -> Option<&'static str> {
        let java = matches!(arm, Arm::PcStock | Arm::PcTuned);
        (java && self.parallel_consumer.is_none())
            .then_some("its jars were not built (Maven and a JDK, 17 or later)")
    }

    /// What starts an arm.
    pub fn command(
        &self,
        arm: Arm,
        case: &Case,
        brokers: &str,
        topic: &str,
        group: &str,
        endpoint: &str,
    ) -> Command {
        let binary = |name: &str| Command::new(self.binaries.join(name));
        let in_flight = case.in_flight.to_string();
        let url = format!("http://{endpoint}/");
        match arm {
            Arm::Awc => {
                let mut command = binary("keyway-bench");
                command.args(["awc", "--url", &url, "--in-flight", &in_flight]);
                command.args(["--requests", &case.records.to_string()]);
                command.args(["--size", &case.size.to_string()]);
                command
            }
            Arm::Keyway => {
                let mut command = binary("keyway");
                command.args(["run", "--brokers", brokers, "--topic", topic, "--group-id", group]);
                command.args(["--url", &url, "--senders", &in_flight, "--listen", "off"]);
                command.args(["--arbiters", &case.arbiters.to_string()]);
                command
            }
            Arm::PcStock | Arm::PcTuned => {
                let jars = self.parallel_consumer.as_deref().unwrap_or(Path::new("."));
                let mut command = Command::new("java");
                command.arg("-cp").arg(jars.join("*")).arg("keyway.bench.ParallelConsumer");
                command.args([brokers, topic, group, endpoint, &in_flight]);
                command.arg(if arm == Arm::PcTuned { "tuned" } else { "stock" });
                command
            }
        }
    }
}
