//! A Kafka broker of the bench's own: one node, gone with the run.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

/// See the head of this file.
pub struct Broker {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Broker {
    /// Starts a broker from a folder of jars.
    pub fn start(jars: &Path) -> anyhow::Result<Self> {
        ensure!(
            jars.join("pom.xml").exists(),
            "no jars of Apache Kafka in {}: tests/support/kafka/fetch gets them",
            jars.display()
        );
        let folder = tempfile::Builder::new().prefix("keyway-bench-").tempdir()?;
        let (port, controller) = (free_port()?, free_port()?);
        let address = format!("127.0.0.1:{port}");
        let file = folder.path().join("server.properties");
        fs::write(&file, properties(&address, controller, &folder.path().join("data")))?;
        let file = file.display().to_string();
        let format = ["format", "--standalone", "--cluster-id", "a2V5d2F5LWJlbmNoLTAwMQ", "-c"];
        let formatted = java(jars, "kafka.tools.StorageTool")
            .args(format)
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("java cannot be started: install a Java runtime, 17 or later")?;
        ensure!(formatted.success(), "the broker's storage cannot be formatted");
        let log = fs::File::create(folder.path().join("broker.log"))?;
        let process =
            java(jars, "kafka.Kafka").arg(&file).stdout(log.try_clone()?).stderr(log).spawn()?;
        let broker = Self { process, address, _folder: folder };
        broker.wait()?;
        Ok(broker)
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn wait(&self) -> anyhow::Result<()> {
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.address).create()?;
        let began = Instant::now();
        while began.elapsed() < Duration::from_mins(1) {
            if client.fetch_metadata(None, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
        }
        bail!("the broker does not answer")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn java(jars: &Path, class: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xmx1g", "-XX:+UseSerialGC", "-Djava.awt.headless=true"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .arg("-cp")
        .arg(jars.join("*"))
        .arg(class)
        .stdin(Stdio::null());
    command
}

pub fn free_address() -> anyhow::Result<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn properties(address: &str, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
        node.id=1\n\
        listeners=PLAIN://{address},CONTROLLER://127.0.0.1:{controller}\n\
        advertised.listeners=PLAIN://{address}\n\
        listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
        controller.listener.names=CONTROLLER\n\
        inter.broker.listener.name=PLAIN\n\
        controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
        auto.create.topics.enable=false\n\
        group.initial.rebalance.delay.ms=0\n\
        offsets.topic.replication.factor=1\n\
        offsets.topic.num.partitions=4\n\
        transaction.state.log.replication.factor=1\n\
        transaction.state.log.min.isr=1\n\
        message.max.bytes=10000000\n\
        log.segment.delete.delay.ms=1000\n\
        log.dirs={}\n",
        data.display()
    )
}
