//! DeadLetterActor: writes what cannot be delivered to the dead-letter topic.
//!
//! A record is settled only when the broker has acknowledged its letter with all replicas. Until
//! then it is held: a broker that is away, or a full queue, costs time and never a record.

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use slog::Logger;
use tokio::sync::mpsc;

use crate::config::{DeadLetterConfig, PipelineConfig};
use crate::core::desk::Letter;
use crate::core::outcome::{Failure, FailureKind};
use crate::ending::{Failures, Watch};
use crate::error::PipelineError;
use crate::kafka::config::{producer, refusal};
use crate::kafka::context::log_librdkafka;
use crate::message::{DeadLetter, DeadLettered, Shutdown};
use crate::record::Record;

/// How much of the receiver's answer a letter tells.
const RESPONSE_LIMIT: usize = 1024;

/// See the head of this file.
pub struct DeadLetterActor {
    producer: ThreadedProducer<Letters>,
    topic: String,
    group_id: String,
    url: Option<String>,
    failures: Failures,
    watch: Watch,
}

/// librdkafka's callbacks: on the producer's own thread.
struct Letters {
    log: Logger,
    answers: mpsc::UnboundedSender<Answer>,
}

/// A letter that the broker has answered. Unbounded on its way back, like every return edge: there
/// are never more than records held.
#[derive(Message)]
#[rtype(result = "()")]
struct Answer {
    letter: Box<DeadLetter>,
    result: Result<(), KafkaError>,
}

impl ClientContext for Letters {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_librdkafka(&self.log, level, facility, message);
    }
}

impl ProducerContext for Letters {
    type DeliveryOpaque = Box<DeadLetter>;

    fn delivery(&self, result: &DeliveryResult<'_>, letter: Box<DeadLetter>) {
        let result = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        // Nobody listens: the pipeline has ended, and the record with it, unsettled.
        let _ = self.answers.send(Answer { letter, result });
    }
}

impl DeadLetterActor {
    /// Makes the producer; connects to nobody yet.
    pub(crate) fn start(
        config: &PipelineConfig,
        letters: &DeadLetterConfig,
        url: Option<String>,
        failures: &Failures,
        log: &Logger,
    ) -> Result<actix::Addr<Self>, PipelineError> {
        let (answers, answered) = mpsc::unbounded_channel();
        let context = Letters { log: log.clone(), answers };
        let producer =
            ThreadedProducer::from_config_and_context(&producer(config, &letters.kafka), context)
                .map_err(|error| {
                PipelineError::KafkaConfig(format!("dead_letter: {}", refusal(&error)))
            })?;
        let actor = Self {
            producer,
            topic: letters.topic.clone(),
            group_id: config.group_id.clone(),
            url,
            failures: failures.clone(),
            watch: failures.watch("the DeadLetterActor"),
        };
        Ok(Self::create(|context| {
            context
                .add_message_stream(futures_util::stream::unfold(answered, |mut answered| async {
                    answered.recv().await.map(|answer| (answer, answered))
                }));
            actor
        }))
    }

    fn headers(&self, letter: &Letter<Record>) -> OwnedHeaders {
        let (record, failure) = (letter.item(), letter.failure());
        let mut headers = OwnedHeaders::new();
        for (key, value) in record.headers() {
            headers = headers.insert(Header { key, value });
        }
        let mut add = |name: &str, value: &[u8]| {
            let key = format!("keyway.dead-letter.{name}");
            let with = std::mem::replace(&mut headers, OwnedHeaders::new_with_capacity(0));
            headers = with.insert(Header { key: &key, value: Some(value) });
        };
        let response = &failure.response[..failure.response.len().min(RESPONSE_LIMIT)];
        add("reason", failure.reason.as_bytes());
        if let Some(status) = failure.status() {
            add("status", status.to_string().as_bytes());
        }
        add("attempts", letter.attempts().to_string().as_bytes());
        add("topic", record.topic().as_bytes());
        add("partition", record.partition().to_string().as_bytes());
        add("offset", record.offset().to_string().as_bytes());
        if let Some(timestamp) = record.timestamp() {
            add("timestamp", timestamp.to_string().as_bytes());
        }
        add("group", self.group_id.as_bytes());
        if let Some(url) = failure.url.as_deref().or(self.url.as_deref()) {
            add("url", url.as_bytes());
        }
        add("response", response);
        headers
    }

    fn produce(&self, letter: Box<DeadLetter>) {
        let record = letter.letter.item();
        let (key, value) = (record.key().map(<[u8]>::to_vec), record.value());
        let headers = self.headers(&letter.letter);
        let timestamp = record.timestamp();
        let mut new: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(&self.topic, letter).headers(headers);
        if let Some(key) = &key {
            new = new.key(key);
        }
        if let Some(value) = &value {
            new = new.payload(value);
        }
        if let Some(timestamp) = timestamp {
            new = new.timestamp(timestamp);
        }
        if let Err((error, refused)) = self.producer.send(new) {
            answer(*refused.delivery_opaque, Err(error));
        }
    }
}

fn answer(letter: DeadLetter, result: Result<(), KafkaError>) {
    let result = result.map_err(|error| {
        Failure::new(FailureKind::Other, format!("dead letter not written: {error}"))
    });
    letter.reply.do_send(DeadLettered { letter: letter.letter, result });
}

impl Actor for DeadLetterActor {
    type Context = Context<Self>;
}

impl Handler<DeadLetter> for DeadLetterActor {
    type Result = ();

    fn handle(&mut self, letter: DeadLetter, _: &mut Context<Self>) {
        self.produce(Box::new(letter));
    }
}

impl Handler<Answer> for DeadLetterActor {
    type Result = ();

    fn handle(&mut self, done: Answer, _: &mut Context<Self>) {
        if let Err(error) = &done.result
            && let Some((code, reason)) = self.producer.client().fatal_error()
        {
            self.failures.fail(PipelineError::DeadLetters(format!("{reason} ({code:?}); {error}")));
        }
        answer(*done.letter, done.result);
    }
}

impl Handler<Shutdown> for DeadLetterActor {
    type Result = ();

    fn handle(&mut self, _: Shutdown, context: &mut Context<Self>) {
        self.watch.relieve();
        context.stop();
    }
}
