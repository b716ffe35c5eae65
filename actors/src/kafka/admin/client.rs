//! A client that asks: its thread serves librdkafka's events meanwhile, so that a request that goes
//! unanswered can be explained, and one that never will be answered is not waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};

use super::{AdminError, brokers};
use crate::kafka::config;
use crate::kafka::trouble::{Trouble, Troubles};

/// What is refused (a login, a certificate, the group) is known within this time; then no more time
/// is spent on it.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// The rest before a request that got no answer is made again.
const AGAIN: Duration = Duration::from_millis(100);

/// How often the thread that serves events looks whether it may end.
const SERVE: Duration = Duration::from_millis(20);

/// Asks one cluster, until a deadline.
pub(super) struct Client<'a> {
    consumer: &'a BaseConsumer<Noting>,
    noted: Arc<Mutex<Notes>>,
    brokers: String,
    within: Duration,
    deadline: Instant,
}

/// What librdkafka complained about.
#[derive(Debug, Default)]
struct Notes {
    last: Option<String>,
    refused: Option<Refused>,
}

/// What does not pass by waiting.
#[derive(Clone, Debug)]
enum Refused {
    /// The connection, for this reason.
    Connection(String),
    /// Something else; with what to do.
    Request(String),
}

/// The context that takes the notes.
pub(super) struct Noting(Arc<Mutex<Notes>>);

impl ClientContext for Noting {
    fn error(&self, error: KafkaError, reason: &str) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error.rdkafka_error_code() {
            // How many are down says nothing about why.
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            Some(
                RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::SSL,
            ) => notes.refused = Some(Refused::Connection(reason.to_owned())),
            _ => match Troubles::default().judge(&error, None, Instant::now()) {
                Trouble::Final(advice) => notes.refused = Some(Refused::Request(advice)),
                _ => notes.last = Some(reason.to_owned()),
            },
        }
    }

    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {
        // The same comes as an error, and is told to the caller.
    }
}

impl ConsumerContext for Noting {}

/// Makes a client, has `question` ask it, and lets go of it. All requests of the question share
/// the time.
pub(super) fn ask<T>(
    kafka: &BTreeMap<String, String>,
    client: &ClientConfig,
    within: Duration,
    question: impl FnOnce(&Client<'_>) -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    let noted = Arc::new(Mutex::new(Notes::default()));
    let deadline = Instant::now() + within;
    let made = BaseConsumer::from_config_and_context(client, Noting(Arc::clone(&noted)));
    let consumer = made.map_err(|error| AdminError::Properties(config::refusal(&error)))?;
    let client = Client { consumer: &consumer, noted, brokers: brokers(kafka), within, deadline };
    let asked = AtomicBool::new(false);
    thread::scope(|scope| {
        let serve = || {
            while !asked.load(Ordering::Relaxed) {
                // Nothing is subscribed to: only events come, and go to the context.
                let _ = consumer.poll(SERVE);
            }
        };
        let started = thread::Builder::new().name("keyway-admin".into()).spawn_scoped(scope, serve);
        started.map_err(|error| AdminError::Thread(error.to_string()))?;
        let _ended = Ended(&asked);
        question(&client)
    })
}

/// Ends the serving thread, also when the question panics: the scope waits for it.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Client<'_> {
    /// Makes a request of librdkafka's that takes a timeout, again and again while nobody answers;
    /// `who` is asked.
    pub(super) fn request<T>(
        &self,
        who: &str,
        make: impl Fn(&BaseConsumer<Noting>, Duration) -> Result<T, KafkaError>,
    ) -> Result<T, AdminError> {
        let mut most = REFUSED_WITHIN;
        loop {
            let error = match make(self.consumer, self.left().min(most)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let hopeless = !is_no_answer(&error) || self.noted().refused.is_some();
            if hopeless || self.left() <= AGAIN {
                return Err(self.explain(who, &error));
            }
            thread::sleep(AGAIN);
            most = Duration::MAX;
        }
    }

    /// Those who are asked when it does not matter who answers.
    pub(super) fn any_broker(&self) -> String {
        format!("the cluster at {}", self.brokers)
    }

    /// The brokers as configured.
    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// What is left of the time; never quite nothing, which librdkafka would take for "no wait".
    pub(super) fn left(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left.max(Duration::from_millis(1))
    }

    fn explain(&self, who: &str, error: &KafkaError) -> AdminError {
        let notes = self.noted();
        match &notes.refused {
            _ if !is_no_answer(error) => AdminError::Kafka(advice(error)),
            Some(Refused::Request(advice)) => AdminError::Kafka(advice.clone()),
            Some(Refused::Connection(reason)) => {
                AdminError::NotLetIn { brokers: self.brokers.clone(), reason: reason.clone() }
            }
            None => {
                let reason = notes.last.clone();
                AdminError::NoAnswer { who: who.to_owned(), within: self.within, reason }
            }
        }
    }

    fn noted(&self) -> MutexGuard<'_, Notes> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether more time might have brought an answer.
fn is_no_answer(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::TimedOutQueue
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
        )
    )
}

/// An error in Kafka's words, with what to do about it where the pipeline would end for it.
pub(super) fn advice(error: &KafkaError) -> String {
    match Troubles::default().judge(error, None, Instant::now()) {
        Trouble::Final(advice) => advice,
        _ => error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What a request comes to whose tries end in this way, one after the other, and in how many.
    fn tries(within: Duration, ends: &[RDKafkaErrorCode]) -> (Result<(), AdminError>, usize) {
        let kafka = BTreeMap::new();
        let made = Cell::new(0);
        let result = ask(&kafka, &config::admin(&kafka), within, |client| {
            client.request("nobody", |_, timeout| {
                assert!(timeout <= within);
                let end = ends.get(made.replace(made.get() + 1));
                end.map_or(Ok(()), |code| Err(KafkaError::MetadataFetch(*code)))
            })
        });
        (result, made.get())
    }

    #[test]
    fn a_request_that_nobody_answered_is_made_again_while_there_is_time() {
        let (down, away) =
            (RDKafkaErrorCode::AllBrokersDown, RDKafkaErrorCode::WaitingForCoordinator);
        assert_eq!(tries(Duration::from_secs(30), &[down, away, down]), (Ok(()), 4));
        let (result, made) = tries(Duration::from_millis(250), &[down; 100]);
        assert!(matches!(result, Err(AdminError::NoAnswer { .. })), "{result:?}");
        assert!(made < 5, "{made}");
    }

    #[test]
    fn a_request_that_was_answered_is_made_once() {
        let denied = RDKafkaErrorCode::GroupAuthorizationFailed;
        let (result, made) = tries(Duration::from_secs(30), &[denied]);
        assert!(matches!(result, Err(AdminError::Kafka(_))) && made == 1, "{result:?}");
    }
}
