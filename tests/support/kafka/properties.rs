//! `server.properties` of the test broker: one node that is broker and controller, quick to start,
//! quick to notice what tests do to it.

use std::fmt::Write as _;
use std::path::Path;

use super::Listener;
use crate::support::ports::HeldPort;

/// The name and password that the SASL listeners know.
pub(super) const USER: (&str, &str) = ("keyway", "keyway-secret");

/// A name and password that the SASL listeners know, too, and that may do nothing.
pub const GUEST: (&str, &str) = ("guest", "guest-secret");

/// Whoever may do all: everybody who comes by a listener without a login, the client with a
/// certificate, the user.
const ACCESS: &str = "\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN=client;User:keyway
";

/// The ports of a broker, kept for its whole life, so that it comes back where it was.
pub(super) struct Ports {
    controller: HeldPort,
    listeners: Vec<(Listener, HeldPort)>,
}

impl Ports {
    pub(super) fn take(listeners: &[Listener]) -> Self {
        Self {
            controller: HeldPort::take(),
            listeners: listeners.iter().map(|&one| (one, HeldPort::take())).collect(),
        }
    }

    /// The address of a listener; `None` when the broker was started without it.
    pub(super) fn of(&self, listener: Listener) -> Option<String> {
        let found = self.listeners.iter().find(|(one, _)| *one == listener)?;
        Some(found.1.address().to_string())
    }
}

/// What does not depend on the test. Low limits, because tests wait for what they guard: a session
/// that ends, a segment that rolls, a log that is compacted.
const FIXED: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
num.network.threads=2
num.io.threads=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
offsets.topic.segment.bytes=10485760
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.backoff.ms=100
log.cleaner.dedupe.buffer.size=10485760
log.segment.delete.delay.ms=0
log.retention.check.interval.ms=1000
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.truststore.type=PEM
";

/// The whole file. `tls` holds `keystore.pem` and `truststore.pem` when a TLS listener is there.
pub(super) fn text(ports: &Ports, data: &Path, tls: &Path) -> String {
    let mut text = FIXED.to_owned();
    if ports.listeners.iter().any(|(one, _)| one.authenticated()) {
        text += ACCESS;
    }
    let mut listeners = Vec::new();
    let mut protocols = vec!["CONTROLLER:PLAINTEXT".to_owned()];
    for (listener, port) in &ports.listeners {
        listeners.push(format!("{}://{}", listener.name(), port.address()));
        protocols.push(format!("{}:{}", listener.name(), listener.protocol()));
    }
    let controller = ports.controller.address();
    let advertised = listeners.join(",");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}={value}");
    };
    line("listeners", &format!("{advertised},CONTROLLER://{controller}"));
    line("advertised.listeners", &advertised);
    line("listener.security.protocol.map", &protocols.join(","));
    line("controller.quorum.bootstrap.servers", &controller.to_string());
    line("log.dirs", &data.display().to_string());
    if ports.listeners.iter().any(|(one, _)| one.encrypted()) {
        line("ssl.keystore.location", &tls.join("keystore.pem").display().to_string());
        line("ssl.truststore.location", &tls.join("truststore.pem").display().to_string());
    }
    for (listener, _) in &ports.listeners {
        for (mechanism, login) in [
            ("scram-sha-256", "org.apache.kafka.common.security.scram.ScramLoginModule"),
            ("scram-sha-512", "org.apache.kafka.common.security.scram.ScramLoginModule"),
        ] {
            if listener.authenticated() {
                let name = listener.name().to_lowercase();
                line(
                    &format!("listener.name.{name}.{mechanism}.sasl.jaas.config"),
                    &format!("{login} required;"),
                );
            }
        }
        if *listener == Listener::MutualTls {
            line("listener.name.mutual_tls.ssl.client.auth", "required");
        }
    }
    text
}
