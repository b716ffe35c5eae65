//! An HTTP endpoint on a thread of its own, with a script for what it answers and books of its own
//! about what it was asked: the independent witness of what Keyway promises.
//!
//! HTTP/1.1, plain or TLS. Its clock is read when the first byte of a request is there and when the
//! last byte of its answer was handed to the system.

mod connection;
mod ledger;
mod reply;
mod request;
mod server;
mod socket;
mod verdict;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::mpsc::UnboundedSender;
use tokio_rustls::TlsAcceptor;

pub use self::ledger::{Ending, Entry, Incident, Lanes, Ledger, RequestId};
pub use self::reply::{Gate, Reply, Script, script};
pub use self::request::Request;
use self::server::{Command, Connections, Server, Shared, listen};
pub use self::verdict::{Again, Disorder, Overlap, Verdict};
use super::ports::HeldPort;
use super::records::Sent;
use super::tls::Authority;
use super::wait::LIMIT;

/// An endpoint that listens; stops when dropped.
pub struct Endpoint {
    port: HeldPort,
    scheme: &'static str,
    shared: Arc<Shared>,
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// An endpoint to be.
#[derive(Default)]
pub struct EndpointBuilder {
    lanes: Lanes,
    drops_bodies: bool,
    script: Option<Script>,
    tls: Option<TlsAcceptor>,
}

impl EndpointBuilder {
    /// What is in order with what; by key unless said.
    #[must_use]
    pub fn lanes(mut self, lanes: Lanes) -> Self {
        self.lanes = lanes;
        self
    }

    /// Keeps a hash of each body instead of the body and the headers: for loads of many records.
    #[must_use]
    pub fn hashes_only(mut self) -> Self {
        self.drops_bodies = true;
        self
    }

    /// What it answers; 200 at once unless said.
    #[must_use]
    pub fn script(mut self, script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        self.script = Some(Box::new(script));
        self
    }

    /// TLS with a certificate of that authority.
    #[must_use]
    pub fn tls(mut self, authority: &Authority) -> Self {
        self.tls = Some(acceptor(authority, false));
        self
    }

    /// TLS where the client, too, must show a certificate of that authority.
    #[must_use]
    pub fn mutual_tls(mut self, authority: &Authority) -> Self {
        self.tls = Some(acceptor(authority, true));
        self
    }

    /// Starts it; it listens when this returns.
    pub fn start(self) -> Endpoint {
        let port = HeldPort::take();
        let shared = Arc::new(Shared {
            ledger: Mutex::new(Ledger::new(self.lanes, !self.drops_bodies)),
            script: Mutex::new(self.script.unwrap_or_else(script::ok)),
        });
        let listener = listen(port.address());
        let (commands, told) = tokio::sync::mpsc::unbounded_channel();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let (address, share, tls) = (port.address(), shared.clone(), self.tls);
        let thread = std::thread::Builder::new().name("endpoint".to_owned()).spawn(move || {
            let connections = Rc::new(Connections::default());
            let server = Server { address, tls, shared: share, connections };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            tokio::task::LocalSet::new().block_on(&runtime, server.run(listener, told));
        });
        let thread = Some(thread.expect("a thread"));
        Endpoint { port, scheme, shared, commands: Some(commands), thread }
    }
}

impl Endpoint {
    /// An endpoint that answers 200 to everything at once, until told otherwise.
    pub fn start() -> Self {
        EndpointBuilder::default().start()
    }

    /// An endpoint to be.
    pub fn builder() -> EndpointBuilder {
        EndpointBuilder::default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its URL, with the path `/`.
    pub fn url(&self) -> String {
        self.url_of("/")
    }

    /// Its URL with that path.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.port.address())
    }

    /// Answers by another script, from the next request on.
    pub fn script(&self, script: impl FnMut(&Request) -> Reply + Send + 'static) {
        let mut place = self.shared.script.lock().expect("no script has panicked");
        *place = Box::new(script);
    }

    /// Stops listening and cuts all connections; what was in flight ends without an answer.
    pub fn down(&self) {
        self.tell(Command::Down);
    }

    /// Listens again on the same port.
    pub fn up(&self) {
        self.tell(Command::Up);
    }

    /// Notes something that explains why records come again from further back (a kill, a member
    /// that was thrown out). To be called after it happened and before anything new is started: it
    /// first reads all that had been sent.
    pub fn incident(&self, what: &str) {
        self.tell(|done| Command::Incident(what.to_owned(), done));
    }

    /// Looks into the books.
    pub fn look<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.shared.ledger())
    }

    /// All findings, for records of which each must be delivered.
    pub fn verdict(&self, sent: &[Sent]) -> Verdict {
        self.look(|ledger| ledger.verdict(sent))
    }

    /// Waits until the books are as `enough` wants them; panics with how they stand when that takes
    /// too long. `enough` is called often, with the endpoint waiting: it should be quick.
    pub fn wait_until(&self, what: &str, enough: impl Fn(&Ledger) -> bool) {
        let begun = Instant::now();
        loop {
            let looked = Instant::now();
            let summary = {
                let ledger = self.shared.ledger();
                if enough(&ledger) {
                    return;
                }
                ledger.summary()
            };
            assert!(begun.elapsed() < LIMIT, "waited {LIMIT:?} in vain for: {what}; {summary}");
            // Under load the books change all the time: looking takes a small share of it.
            std::thread::sleep((looked.elapsed() * 4).max(Duration::from_millis(1)));
        }
    }

    /// Waits until so many different records were delivered.
    pub fn wait_for_delivered(&self, count: usize) {
        self.wait_until(&format!("{count} records delivered"), |ledger| {
            ledger.delivered() >= count
        });
    }

    /// Waits until all these records were delivered.
    pub fn wait_for_all(&self, sent: &[Sent]) {
        let done = |ledger: &Ledger| {
            ledger.delivered() >= sent.len() && sent.iter().all(|one| ledger.has_delivered(&one.id))
        };
        self.wait_until(&format!("all of {} records delivered", sent.len()), done);
    }

    fn tell(&self, command: impl FnOnce(mpsc::Sender<()>) -> Command) {
        let (done, answer) = mpsc::channel();
        let commands = self.commands.as_ref().expect("kept until the drop");
        let told = commands.send(command(done)).is_ok();
        assert!(told && answer.recv().is_ok(), "the endpoint's thread has panicked");
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.commands = None;
        let ended = self.thread.take().map(JoinHandle::join);
        if let Some(Err(_)) = ended
            && !std::thread::panicking()
        {
            panic!("the endpoint's thread has panicked");
        }
    }
}

fn acceptor(authority: &Authority, mutual: bool) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let issued = authority.issue("endpoint");
    let pem = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().expect("protocol versions");
    let config = if mutual {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem(authority.certificate())).expect("an authority");
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        config.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        config.with_no_client_auth()
    };
    let config = config
        .with_single_cert(vec![pem(&issued.certificate)], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}
