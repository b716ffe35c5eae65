//! What an arbiter answers, beside what a list of all records it holds says.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use actix::{Actor, Addr};
use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use slog::{Discard, Logger, o};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::assignment::{Assignment, Room};
use crate::config::{Ordering, PipelineConfig};
use crate::core::Offset;
use crate::core::destinations::Terms;
use crate::core::intake::Intake as Limits;
use crate::core::lanes::Batch;
use crate::core::outcome::{Failure, FailureKind, Outcome};
use crate::core::retry::RetryPolicy;
use crate::dispatcher::{Call, Intake, Parts};
use crate::ending::Failures;
use crate::explain::Inspected;
use crate::kafka::lane_names::LaneNames;
use crate::offsets::OffsetActor;
use crate::record::RecordParts;
use crate::wiring::Wiring;

const SENDERS: usize = 3;

/// Partitions, each in its second stay: of the first, records may still be held.
const PARTITIONS: i32 = 3;

/// Of lanes, one delivery may hold some, and of each more than one record.
const BATCH: Batch = Batch { lanes: 2, records: 3 };

/// A record that the arbiter holds, in the order in which they were taken in.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    epoch: Epoch,
    offset: Offset,
    key: Option<Vec<u8>>,
    lane: LaneId,
}

#[derive(Clone, Debug)]
enum Step {
    /// A record of a stay is taken in.
    Take(usize, Option<Vec<u8>>),
    /// An idle sender is given what is next, if there is either.
    Begin,
    /// One of those at work is done, and delivered what it had, or failed.
    End(usize, bool),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![b"".to_vec(), b"a".to_vec(), b"b".to_vec()])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..stays().len(), prop::option::weighted(0.8, key()))
            .prop_map(|(stay, key)| Step::Take(stay, key)),
        2 => Just(Step::Begin),
        1 => (0..SENDERS, any::<bool>()).prop_map(|(which, taken)| Step::End(which, taken)),
    ]
}

fn stays() -> Vec<Arc<Assignment>> {
    let room = Room::new(Limits { records: 1, bytes: 1, span: None }, Arc::default());
    let room = Arc::new(room);
    let stay = |(epoch, partition)| {
        Arc::new(Assignment::new("t".into(), partition, Epoch(epoch), 0, Arc::clone(&room)))
    };
    (1..).zip((0..PARTITIONS).chain(0..PARTITIONS)).map(stay).collect()
}

/// An arbiter, what its senders have in hand, and the list.
struct Stage {
    dispatcher: Dispatcher,
    names: LaneNames,
    stays: Vec<Arc<Assignment>>,
    calls: Vec<Rc<Call>>,
    in_hand: Vec<(usize, Delivery<Record>)>,
    held: Vec<Held>,
    next: Offset,
}

impl Stage {
    fn new(ordering: Ordering, offsets: Addr<OffsetActor>) -> Self {
        let parts = Parts {
            policy: RetryPolicy::default(),
            terms: Terms::default(),
            started: Instant::now(),
            senders: SENDERS,
            share: (1_000_000, u64::MAX),
            offsets,
            letters: None,
            failures: Failures::channel().0,
            stats: Arc::default(),
            log: Logger::root(Discard, o!()),
        };
        let hungry = Arc::new(AtomicBool::new(false));
        let intake = Intake { records: mpsc::channel(1).1, hungry, bell: Arc::default() };
        let no_routes = (None, Box::new(|_: &Record, _| None) as _);
        let mut dispatcher = Dispatcher::new(parts, intake, no_routes, BATCH);
        let calls = (0..SENDERS).map(|_| dispatcher.add_sender().1).collect();
        let (names, stays) = (LaneNames::new(ordering), stays());
        Self { dispatcher, names, stays, calls, in_hand: Vec::new(), held: Vec::new(), next: 0 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Take(stay, key) => self.take(stay, key),
            Step::Begin => self.in_hand.extend(self.dispatcher.next_for_idle()),
            Step::End(which, taken) if which < self.in_hand.len() => self.end(which, taken),
            Step::End(..) => {}
        }
    }

    fn take(&mut self, stay: usize, key: Option<Vec<u8>>) {
        let (stay, offset) = (&self.stays[stay], self.next);
        let partition = self.names.of_partition("t", stay.partition());
        let lane = self.names.lane(partition, key.as_deref(), offset);
        let (value, headers) = (None, &[][..]);
        let parts = RecordParts { offset, timestamp: 0, lane, key: key.as_deref(), value, headers };
        self.dispatcher.accept(vec![parts.into_record(stay)]);
        self.held.push(Held { epoch: stay.epoch(), offset, key, lane });
        self.next += 1;
    }

    fn end(&mut self, which: usize, taken: bool) {
        let (sender, delivery) = self.in_hand.remove(which);
        let outcome = if taken {
            let is_done = |held: &Held| delivery.entries().iter().any(|it| is(held, it.item()));
            self.held.retain(|held| !is_done(held));
            Outcome::Delivered
        } else {
            let failure = Failure::new(FailureKind::Timeout, "nobody answered");
            Outcome::retry(failure)
        };
        let next = self.dispatcher.conclude(sender, delivery, outcome.into());
        self.in_hand.extend(next.map(|delivery| (sender, delivery)));
    }

    /// Asks the arbiter and each sender at work, as the actors do.
    fn ask(&self, wanted: Wanted) -> Inspected {
        let (reply, mut answer) = oneshot::channel();
        let (wanted, taken) = (Arc::new(wanted), Arc::default());
        self.dispatcher.inspect(Inspect { wanted, taken, reply });
        for (sender, delivery) in &self.in_hand {
            let tell = |round: &Round| self.dispatcher.tell(round, *sender, delivery);
            assert_eq!(self.calls[*sender].cancelled(tell).now_or_never(), None);
        }
        answer.try_recv().unwrap()
    }

    fn is_in_hand(&self, held: &Held) -> bool {
        let mut entries = self.in_hand.iter().flat_map(|(_, delivery)| delivery.entries());
        entries.any(|entry| is(held, entry.item()))
    }

    /// The records of a lane that are held.
    fn of_lane(&self, lane: LaneId) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(move |held| held.lane == lane)
    }

    /// What was found of a stay is what the list has of it.
    fn check(&self, found: Option<&Found>, wanted: &[&Held]) -> Result<(), TestCaseError> {
        let (Some(found), Some(first)) = (found, wanted.first()) else {
            prop_assert!(found.is_none() && wanted.is_empty(), "{:?}, {:?}", found, wanted);
            return Ok(());
        };
        prop_assert_eq!((found.records, found.offset), (wanted.len() as u64, first.offset));
        let before = self.of_lane(first.lane).take_while(|it| it.offset < first.offset);
        match (before.count() as u64, &found.place) {
            (_, Place::InFlight { .. }) => prop_assert!(self.is_in_hand(first)),
            (before, Place::Queued { behind }) => {
                prop_assert_eq!(*behind, before);
                prop_assert!(!self.is_in_hand(first));
            }
            (before, place) => {
                prop_assert!(before == 0 && matches!(place, Place::Retry(_)), "{:?}", place);
            }
        }
        let Some(lane) = &found.lane else { panic!("its lane is known once all have told") };
        prop_assert_eq!(
            Some(lane.head_offset),
            self.of_lane(first.lane).next().map(|it| it.offset)
        );
        prop_assert_eq!(lane.queued + 1, self.of_lane(first.lane).count() as u64);
        Ok(())
    }

    fn check_key(&self, key: &[u8], asked: &[bool]) -> Result<(), TestCaseError> {
        let asked = self.stays.iter().zip(asked).filter(|(_, asked)| **asked);
        let stays: HashMap<_, _> = asked
            .map(|(stay, _)| {
                let partition = self.names.of_partition("t", stay.partition());
                (stay.epoch(), self.names.of_key(partition, key))
            })
            .collect();
        let inspected = self.ask(Wanted::Key { key: key.to_vec(), stays: stays.clone() });
        prop_assert!(inspected.found.keys().all(|epoch| stays.contains_key(epoch)));
        for epoch in stays.keys() {
            let is = |it: &&Held| it.epoch == *epoch && it.key.as_deref() == Some(key);
            let wanted: Vec<_> = self.held.iter().filter(is).collect();
            self.check(inspected.found.get(epoch), &wanted)?;
        }
        Ok(())
    }

    fn check_record(&self, epoch: Epoch, offset: Offset) -> Result<(), TestCaseError> {
        let inspected = self.ask(Wanted::Record { epoch, offset });
        let is = |it: &&Held| it.epoch == epoch && it.offset == offset;
        let wanted: Vec<_> = self.held.iter().filter(is).collect();
        prop_assert_eq!(inspected.found.len(), wanted.len());
        self.check(inspected.found.get(&epoch), &wanted)
    }

    fn check_lanes(&self, state: Option<LaneState>, limit: usize) -> Result<(), TestCaseError> {
        let inspected = self.ask(Wanted::Longest { state, limit });
        let is_head = |it: &&Held| self.of_lane(it.lane).next() == Some(*it);
        let sends = |it: &&Held| state.is_none() || self.is_in_hand(it);
        // None was entered in a ledger: the list has them in the order of their offsets.
        let heads: Vec<_> = self.held.iter().filter(is_head).filter(sends).collect();
        prop_assert_eq!(inspected.matching, heads.len() as u64);
        let told: Vec<_> =
            inspected.lanes.iter().map(|(_, it)| (it.head_offset, it.queued + 1)).collect();
        let longest = heads.into_iter().take(limit);
        let longest = longest.map(|it| (it.offset, self.of_lane(it.lane).count() as u64));
        prop_assert_eq!(told, longest.collect::<Vec<_>>());
        Ok(())
    }
}

fn is(held: &Held, record: &Record) -> bool {
    (held.epoch, held.offset) == (record.assignment().epoch(), record.offset())
}

#[actix_rt::test]
async fn what_is_told_is_what_is_held() {
    let config = PipelineConfig::new("localhost:1", "t", "group");
    let (wiring, _endings) = Wiring::new(config, Logger::root(Discard, o!())).unwrap();
    let offsets = wiring.offsets().start();
    // An actor that has not begun cannot end.
    actix_rt::task::yield_now().await;
    let ordering =
        prop::sample::select(vec![Ordering::Key, Ordering::Partition, Ordering::Unordered]);
    let steps = prop::collection::vec(step(), 0..80);
    let asked = prop::collection::vec(any::<bool>(), stays().len());
    let question = (key(), asked, 0..40_i64, 0..8_usize);
    let run = |(ordering, steps, (key, asked, offset, limit)): (_, Vec<Step>, _)| {
        let (key, asked): (Vec<u8>, Vec<bool>) = (key, asked);
        let mut stage = Stage::new(ordering, offsets.clone());
        for step in steps {
            stage.step(step);
        }
        stage.check_key(&key, &asked)?;
        for stay in &stage.stays {
            stage.check_record(stay.epoch(), offset)?;
        }
        stage.check_lanes(None, limit)?;
        stage.check_lanes(Some(LaneState::Sending), limit)
    };
    TestRunner::default().run(&(ordering, steps, question), run).unwrap();
}
