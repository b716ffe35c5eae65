//! The load: a thread that writes records, a little ahead of what is delivered.
//!
//! That way it finds out by itself how much the machine can do, and the time from written to
//! delivered is not that of a queue that only grows. While no process delivers it goes on at the
//! pace it had, up to a limit far below what the broker keeps.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use super::chance::Chance;
use super::record::{Record, TOPIC, key_text};

/// The most records that may wait to be delivered. All of them in one partition are 2 MB, of the
/// 5 MiB that the broker keeps of each.
const MOST_WAITING: u64 = 20_000;

/// Records written between two looks at what is allowed.
const SLICE: u64 = 500;

const FLUSHING: Duration = Duration::from_secs(10);

/// What is to be written.
#[derive(Clone, Debug)]
pub struct Order {
    /// The broker.
    pub address: String,
    /// How many keys.
    pub keys: u32,
    /// How many records; `None`: until told to stop.
    pub records: Option<u64>,
    /// Records ahead of what is delivered.
    pub ahead: u64,
    /// When the demo began.
    pub opened: Instant,
    /// What is delivered, kept up to date by whoever knows.
    pub delivered: Arc<AtomicU64>,
}

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// Records of each key.
    pub by_key: HashMap<u32, u32>,
    /// Records in all.
    pub count: u64,
}

/// A running load; the thread ends when this is dropped.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Written, KafkaError>>>,
}

struct Shared {
    order: Order,
    stop: AtomicBool,
    written: AtomicU64,
    blind: Mutex<Option<Blind>>,
}

/// Nobody delivers: records go on being written at a pace.
#[derive(Clone, Copy)]
struct Blind {
    since: Instant,
    from: u64,
    per_second: u64,
}

impl Load {
    /// Starts writing.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(order: Order) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            order,
            stop: AtomicBool::new(false),
            written: AtomicU64::new(0),
            blind: Mutex::new(None),
        });
        let own = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("demo-load".to_owned()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Records written so far.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Whether the thread has ended: all is written, or it failed.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Nobody delivers from now on: go on writing so many a second.
    pub fn go_on_blind(&self, per_second: u64) {
        let blind = Blind { since: Instant::now(), from: self.written(), per_second };
        *self.shared.blind() = Some(blind);
    }

    /// Somebody delivers again.
    pub fn follow(&self) {
        *self.shared.blind() = None;
    }

    /// Stops writing and waits until the broker has everything. Blocks, for about 10 s at most.
    ///
    /// # Errors
    /// A record could not be written.
    pub fn finish(mut self) -> Result<Written, KafkaError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let died = Err(KafkaError::MessageProduction(RDKafkaErrorCode::Fail));
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(died)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn blind(&self) -> std::sync::MutexGuard<'_, Option<Blind>> {
        self.blind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> Result<Written, KafkaError> {
        let order = &self.order;
        let answers = Answers::default();
        let producer: BaseProducer<Answers> = ClientConfig::new()
            .set("bootstrap.servers", &order.address)
            .set("linger.ms", "2")
            // With more a retried batch could overtake the next one, and the load itself would
            // break the order that it is there to show.
            .set("max.in.flight.requests.per.connection", "1")
            .set("message.timeout.ms", "10000")
            .create_with_context(answers.clone())?;
        let mut written = Written::default();
        let mut chance = Chance::new(2);
        while !self.stop.load(Ordering::Relaxed) && !self.complete(written.count) {
            let room = self.allowed().saturating_sub(written.count).min(SLICE);
            for _ in 0..room {
                self.write(&producer, chance.below(order.keys), &mut written)?;
            }
            producer.poll(Duration::from_millis(if room == 0 { 2 } else { 0 }));
            answers.check()?;
        }
        producer.flush(FLUSHING)?;
        answers.check()?;
        Ok(written)
    }

    fn complete(&self, written: u64) -> bool {
        self.order.records.is_some_and(|records| written >= records)
    }

    /// Up to how many records may be written by now.
    fn allowed(&self) -> u64 {
        let delivered = self.order.delivered.load(Ordering::Relaxed);
        let allowed = match *self.blind() {
            None => delivered + self.order.ahead,
            Some(blind) => {
                let millis = u64::try_from(blind.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                let more = blind.per_second.saturating_mul(millis) / 1000;
                blind.from.saturating_add(more).min(delivered + MOST_WAITING)
            }
        };
        self.order.records.map_or(allowed, |records| allowed.min(records))
    }

    fn write(
        &self,
        producer: &BaseProducer<Answers>,
        key: u32,
        written: &mut Written,
    ) -> Result<(), KafkaError> {
        let number = written.by_key.entry(key).or_default();
        let record = Record { key, number: *number, written: self.order.opened.elapsed() };
        let key = key_text(key);
        let value = record.value(&key);
        let mut message = BaseRecord::to(TOPIC).key(&key).payload(&value);
        while let Err((error, same)) = producer.send(message) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            message = same;
            producer.poll(Duration::from_millis(10));
        }
        *number += 1;
        written.count += 1;
        self.written.store(written.count, Ordering::Relaxed);
        Ok(())
    }
}

/// The first record that the broker did not take.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Option<KafkaError>>>);

impl Answers {
    fn check(&self) -> Result<(), KafkaError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.clone());
        }
    }
}
