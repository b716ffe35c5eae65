//! A real Apache Kafka broker (`KRaft`, one node), started by the tests and killed with them.
//!
//! [`Kafka::shared`] is one broker for all tests of a process, or the one that
//! `KEYWAY_TEST_BROKERS` names. A test that kills its broker starts its own. Needs Java and Maven;
//! without them the test fails and says what to install.

mod admin;
mod java;
mod log;
mod properties;

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;

pub use self::admin::Member;
pub use self::properties::GUEST;
use self::properties::{Ports, USER};
use super::child::{Folder, Guarded};
use super::cluster::{Access, Cluster};
use super::tls::{Authority, Issued};
use super::wait::wait_for;

/// A way into the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// No TLS, no login.
    Plain,
    /// SCRAM login without TLS.
    Scram,
    /// TLS without a login.
    Tls,
    /// TLS with a SCRAM login.
    ScramTls,
    /// TLS with a certificate on both sides.
    MutualTls,
}

impl Listener {
    const ALL: [Self; 5] = [Self::Plain, Self::Scram, Self::Tls, Self::ScramTls, Self::MutualTls];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram => "SCRAM",
            Self::Tls => "TLS",
            Self::ScramTls => "SCRAM_TLS",
            Self::MutualTls => "MUTUAL_TLS",
        }
    }

    fn protocol(self) -> &'static str {
        match (self.encrypted(), self.authenticated()) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SASL_PLAINTEXT",
            (true, false) => "SSL",
            (true, true) => "SASL_SSL",
        }
    }

    fn encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::ScramTls | Self::MutualTls)
    }

    fn authenticated(self) -> bool {
        matches!(self, Self::Scram | Self::ScramTls)
    }
}

/// A broker.
pub struct Kafka {
    place: Place,
}

enum Place {
    /// One that was there before the tests.
    Elsewhere { brokers: String },
    /// One of ours.
    Here(Box<Home>),
}

struct Home {
    // Before the folder: the broker is dead when its folder is removed.
    process: Mutex<Option<Guarded>>,
    folder: Folder,
    ports: Ports,
    client: Option<Issued>,
}

impl Kafka {
    /// The broker that all tests of this process share; started when first asked for.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("KEYWAY_TEST_BROKERS") {
            Ok(brokers) if !brokers.is_empty() => Self { place: Place::Elsewhere { brokers } },
            _ => Self::start(),
        })
    }

    /// Starts a broker of the test's own, with a plain listener.
    pub fn start() -> Self {
        Self::start_with(&[Listener::Plain])
    }

    /// Starts a broker of the test's own, with every kind of listener, where [`GUEST`] may do only
    /// what it was granted.
    pub fn start_secured() -> Self {
        Self::start_with(&Listener::ALL)
    }

    fn start_with(listeners: &[Listener]) -> Self {
        let folder = Folder::make("kafka-");
        let ports = Ports::take(listeners);
        let client =
            listeners.iter().any(|one| one.encrypted()).then(|| write_certificates(&folder));
        let text = properties::text(&ports, &folder.path().join("data"), folder.path());
        let home = Home { process: Mutex::new(None), folder, ports, client };
        std::fs::write(home.properties(), text).expect("server.properties can be written");
        home.format();
        let kafka = Self { place: Place::Here(Box::new(home)) };
        kafka.restart();
        kafka
    }

    /// Kills the broker with SIGKILL. What it had acknowledged is still there after a restart.
    pub fn kill(&self) {
        if let Some(mut process) = self.home().process().take() {
            process.kill();
        }
    }

    /// Stops the broker as an operator does, and waits until it is gone.
    pub fn stop(&self) {
        if let Some(mut process) = self.home().process().take() {
            process.signal(Signal::TERM);
            process.wait("the broker to stop");
        }
    }

    /// Starts the broker again on the same ports with the same data, and returns when it answers.
    pub fn restart(&self) {
        let home = self.home();
        let properties = home.properties().display().to_string();
        *home.process() = Some(java::start("kafka.Kafka", &[&properties], &home.log()));
        let probe: BaseConsumer = self.access().config().create().expect("a consumer can be made");
        wait_for("the broker to answer", || {
            if let Some(status) = home.process().as_mut().and_then(Guarded::ended) {
                let log = std::fs::read_to_string(home.log()).unwrap_or_default();
                panic!("the broker ended with {status}:\n{log}");
            }
            let metadata = probe.fetch_metadata(None, Duration::from_millis(500)).ok()?;
            (!metadata.brokers().is_empty()).then_some(())
        });
    }

    /// Halts the broker: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.home().signal(Signal::STOP);
    }

    /// Lets a halted broker go on.
    pub fn resume(&self) {
        self.home().signal(Signal::CONT);
    }

    /// How to connect by a listener, as a client is told: address, certificates, login. The files
    /// it names live as long as the broker.
    pub fn access_by(&self, listener: Listener) -> Access {
        let home = self.home();
        let brokers = home.ports.of(listener);
        let brokers = brokers.unwrap_or_else(|| panic!("this broker has no listener {listener:?}"));
        let mut properties = vec![("security.protocol", listener.protocol().to_lowercase())];
        if listener.encrypted() {
            properties.push(("ssl.ca.location", home.file("truststore.pem")));
        }
        if listener == Listener::MutualTls {
            properties.push(("ssl.certificate.location", home.file("client.pem")));
            properties.push(("ssl.key.location", home.file("client.key")));
        }
        if listener.authenticated() {
            properties.push(("sasl.mechanism", "SCRAM-SHA-512".to_owned()));
            properties.push(("sasl.username", USER.0.to_owned()));
            properties.push(("sasl.password", USER.1.to_owned()));
        }
        let named = properties.into_iter().map(|(name, value)| (name.to_owned(), value));
        Access { brokers, properties: named.collect(), idempotent: true }
    }

    /// What the broker wrote to its log (warnings and errors).
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home().log()).unwrap_or_default()
    }

    fn home(&self) -> &Home {
        match &self.place {
            Place::Here(home) => home,
            Place::Elsewhere { brokers } => {
                panic!("{brokers} is not the tests' own broker: use Kafka::start()")
            }
        }
    }
}

impl Cluster for Kafka {
    fn access(&self) -> Access {
        let brokers = match &self.place {
            Place::Elsewhere { brokers } => brokers.clone(),
            Place::Here(home) => home.ports.of(Listener::Plain).unwrap_or_default(),
        };
        Access { brokers, properties: Vec::new(), idempotent: true }
    }

    fn create_topic(&self, name: &str, partitions: i32) {
        admin::create_topic(&self.access(), name, partitions, &[]);
    }
}

impl Home {
    fn process(&self) -> std::sync::MutexGuard<'_, Option<Guarded>> {
        // A test that failed while it held this must not hide its reason behind another panic.
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        self.process().as_mut().expect("the broker runs").signal(signal);
    }

    fn properties(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("broker.log")
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Prepares the data folder, as a broker wants it before its first start.
    fn format(&self) {
        let properties = self.properties().display().to_string();
        let users = [USER, GUEST].into_iter().flat_map(|(name, password)| {
            let login = format!("[name={name},password={password}]");
            ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(|kind| format!("{kind}={login}"))
        });
        let users: Vec<String> = users.collect();
        let mut arguments =
            vec!["format", "--standalone", "-t", "S2V5d2F5VGVzdENsdXN0ZQ", "-c", &properties];
        if self.client.is_some() {
            for user in &users {
                arguments.extend(["--add-scram", user]);
            }
        }
        java::run("kafka.tools.StorageTool", &arguments);
    }
}

/// Writes what the TLS listeners and their clients read, and returns the client's certificate.
fn write_certificates(folder: &Folder) -> Issued {
    let authority = Authority::new();
    let server = authority.issue("broker");
    let client = authority.issue("client");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a certificate can be written");
    };
    write("keystore.pem", &format!("{}{}", server.key, server.certificate));
    write("truststore.pem", authority.certificate());
    write("client.pem", &client.certificate);
    write("client.key", &client.key);
    client
}
