//! Random histories: the desk against its model, step by step, with a watcher of the order that
//! knows neither and sees only what goes in and comes out.

use proptest::prelude::*;

use super::model::{Lane, Model, State};
use super::*;
use crate::core::lanes::Standing;
use crate::core::retry::Action;

const PARTITIONS: usize = 3;
const KEYS: u64 = 4;

/// Lanes of all partitions, spread over the hash's range.
fn lane_of(partition: usize, key: u64) -> u64 {
    (partition as u64 * KEYS + key).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn outcome(kind: u8) -> Outcome {
    match kind {
        0..=3 => Outcome::Delivered,
        4..=6 => Outcome::retry(failure()),
        7 => Outcome::Retry { after: Some(Duration::from_secs(3)), failure: Box::new(failure()) },
        _ => Outcome::rejected(failure()),
    }
}

#[derive(Clone, Debug)]
enum Op {
    Accept {
        partition: usize,
        key: u64,
        count: u64,
    },
    AcceptLate {
        partition: usize,
        key: u64,
    },
    Dispatch(u8),
    ConcludeAll {
        which: usize,
        kind: u8,
        random: u64,
    },
    ConcludeEach {
        which: usize,
        kinds: Vec<u8>,
        random: u64,
    },
    Abandon {
        which: usize,
    },
    Letter {
        which: usize,
        written: bool,
        random: u64,
    },
    Pass {
        millis: u64,
    },
    Wake,
    /// The partition gets a new epoch before the desk hears that the old one is gone.
    Bounce {
        partition: usize,
    },
    GiveUp {
        partitions: Vec<usize>,
    },
    Limit(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let (partition, key) = (0..PARTITIONS, 0..KEYS);
    prop_oneof![
        8 => (partition.clone(), key.clone(), 1..4_u64)
            .prop_map(|(partition, key, count)| Op::Accept { partition, key, count }),
        1 => (partition.clone(), key).prop_map(|(partition, key)| Op::AcceptLate { partition, key }),
        8 => (1..4_u8).prop_map(Op::Dispatch),
        6 => (any::<usize>(), 0..9_u8, any::<u64>())
            .prop_map(|(which, kind, random)| Op::ConcludeAll { which, kind, random }),
        4 => (any::<usize>(), prop::collection::vec(0..9_u8, 0..7), any::<u64>())
            .prop_map(|(which, kinds, random)| Op::ConcludeEach { which, kinds, random }),
        1 => any::<usize>().prop_map(|which| Op::Abandon { which }),
        3 => (any::<usize>(), any::<bool>(), any::<u64>())
            .prop_map(|(which, written, random)| Op::Letter { which, written, random }),
        3 => (0..20_000_u64).prop_map(|millis| Op::Pass { millis }),
        3 => Just(Op::Wake),
        2 => partition.clone().prop_map(|partition| Op::Bounce { partition }),
        1 => prop::collection::vec(partition, 1..3).prop_map(|partitions| Op::GiveUp { partitions }),
        1 => (0..6_usize).prop_map(Op::Limit),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![Action::DeadLetter, Action::Drop, Action::Retry, Action::Stop])
}

prop_compose! {
    fn policy()(max_attempts in 0..4_u32, on_rejected in action(), on_exhausted in action())
        -> RetryPolicy {
        RetryPolicy { max_attempts, on_rejected, on_exhausted, ..Default::default() }
    }
}

prop_compose! {
    fn batch()(lanes in 0..4_usize, records in 0..6_usize, one: bool) -> Batch {
        if one { Batch::ONE } else { Batch { lanes, records } }
    }
}

/// Where a record is, as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Inside,
    UnderWay,
    Gone,
}

/// Watches the order of each lane, from nothing but what goes in and comes out.
#[derive(Default)]
struct Watcher {
    /// By number: the lane and where it is.
    records: Vec<(u64, Fate)>,
}

impl Watcher {
    fn set(&mut self, number: usize, fate: Fate) {
        let record = &mut self.records[number];
        assert_ne!(record.1, Fate::Gone, "record {number} was gone already");
        record.1 = fate;
    }

    /// `numbers` are back; what is told then says where they are.
    fn came_back(&mut self, numbers: &[usize]) {
        for number in numbers {
            self.set(*number, Fate::Inside);
        }
    }

    /// `numbers` set out together: nothing of their lanes may be under way, and nothing earlier of
    /// their lanes may be left behind.
    fn sets_out(&mut self, numbers: &[usize]) {
        for number in numbers {
            let lane = self.records[*number].0;
            for (other, (of, fate)) in self.records.iter().enumerate() {
                if *of == lane && !numbers.contains(&other) {
                    assert_ne!(*fate, Fate::UnderWay, "{other} is under way, {number} sets out");
                    assert!(other > *number || *fate == Fate::Gone, "{number} overtook {other}");
                }
            }
        }
        for number in numbers {
            self.set(*number, Fate::UnderWay);
        }
    }
}

/// The desk, its model and its watcher, fed with the same.
struct World {
    desk: Desk<Rec>,
    model: Model,
    watcher: Watcher,
    out: Vec<Delivery<Rec>>,
    letters: Vec<Letter<Rec>>,
    told: Vec<Told>,
    epochs: [u64; PARTITIONS],
    /// Epochs that are over, of which the desk was not told yet.
    stale: Vec<(usize, u64)>,
    next_epoch: u64,
    now: Moment,
}

impl World {
    fn new(policy: RetryPolicy, limit: usize, batch: Batch) -> Self {
        Self {
            desk: Desk::new(policy.clone(), limit, batch),
            model: Model::new(policy, limit, batch),
            watcher: Watcher::default(),
            out: Vec::new(),
            letters: Vec::new(),
            told: Vec::new(),
            epochs: [0, 1, 2],
            stale: Vec::new(),
            next_epoch: 3,
            now: Moment::default(),
        }
    }

    fn accept(&mut self, partition: usize, key: u64, epoch: u64) {
        let (number, lane) = (self.watcher.records.len(), lane_of(partition, key));
        let taken = self.model.accept(&Rec { number, lane, epoch });
        let answer = self.desk.accept(Rec { number, lane, epoch });
        assert_eq!(answer.is_ok(), taken);
        let fate = if taken { Fate::Inside } else { Fate::Gone };
        self.watcher.records.push((lane, fate));
    }

    fn dispatch(&mut self) -> bool {
        let delivery = self.desk.dispatch(self.now);
        let numbers: Vec<usize> = delivery.iter().flat_map(numbers).collect();
        assert_eq!(numbers, self.model.dispatch());
        self.watcher.sets_out(&numbers);
        let dispatched = delivery.is_some();
        self.out.extend(delivery);
        dispatched
    }

    fn conclude(&mut self, which: usize, outcomes: Outcomes, random: u64) {
        let Some(which) = which.checked_rem(self.out.len()) else {
            return;
        };
        let delivery = self.out.swap_remove(which);
        self.watcher.came_back(&numbers(&delivery));
        self.model.conclude(&numbers(&delivery), &outcomes, self.now, random);
        let mut tell = tell(&mut self.told, &mut self.letters);
        self.desk.conclude(delivery, outcomes, self.now, random, &mut tell);
    }

    fn abandon(&mut self, which: usize) {
        let Some(which) = which.checked_rem(self.out.len()) else {
            return;
        };
        let delivery = self.out.swap_remove(which);
        self.watcher.came_back(&numbers(&delivery));
        self.model.abandon(&numbers(&delivery), self.now);
        self.desk.abandon(delivery, self.now, &mut tell(&mut self.told, &mut self.letters));
    }

    fn letter(&mut self, which: usize, written: bool, random: u64) {
        let Some(which) = which.checked_rem(self.letters.len()) else {
            return;
        };
        let letter = self.letters.swap_remove(which);
        self.model.letter_done(letter.item().number, written, self.now, random);
        let result = if written { Ok(()) } else { Err(failure()) };
        let mut tell = tell(&mut self.told, &mut self.letters);
        self.desk.dead_letter_done(letter, result, self.now, random, &mut tell);
    }

    fn wake(&mut self) {
        self.model.wake(self.now);
        self.desk.wake(self.now, &mut tell(&mut self.told, &mut self.letters));
    }

    fn bounce(&mut self, partition: usize) {
        let epoch = &mut self.epochs[partition];
        self.stale.push((partition, *epoch));
        *epoch = self.next_epoch;
        self.next_epoch += 1;
    }

    fn give_up(&mut self, partitions: &[usize]) {
        for partition in partitions {
            self.bounce(*partition);
        }
        let gone =
            |(partition, epoch): (usize, u64)| partitions.contains(&partition).then_some(epoch);
        let gone: Vec<u64> = self.stale.iter().copied().filter_map(gone).collect();
        self.stale.retain(|(partition, _)| !partitions.contains(partition));
        self.model.give_up(&gone);
        let epochs: Vec<_> = gone.into_iter().map(Epoch).collect();
        self.desk.give_up(&epochs, &mut tell(&mut self.told, &mut self.letters));
        // Lanes are visited in no order; within a lane, numbers rise.
        self.model.told.sort();
        let of = |told: &Told| match told {
            Told::Returned(number) => self.watcher.records[*number].0,
            _ => panic!("{told:?}"),
        };
        let rises = |pair: &[Told]| of(&pair[0]) != of(&pair[1]) || pair[0] < pair[1];
        assert!(self.told.windows(2).all(rises));
        self.told.sort();
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Accept { partition, key, count } => {
                let epoch = self.epochs[partition];
                (0..count).for_each(|_| self.accept(partition, key, epoch));
            }
            Op::AcceptLate { partition, key } => {
                let given_up = self.model.given_up.iter().next_back().copied();
                if let Some(epoch) = given_up {
                    self.accept(partition, key, epoch);
                }
            }
            Op::Dispatch(times) => (0..times).for_each(|_| _ = self.dispatch()),
            Op::ConcludeAll { which, kind, random } => {
                self.conclude(which, outcome(kind).into(), random);
            }
            Op::ConcludeEach { which, kinds, random } => {
                let outcomes: Vec<_> = kinds.into_iter().map(outcome).collect();
                self.conclude(which, outcomes.into(), random);
            }
            Op::Abandon { which } => self.abandon(which),
            Op::Letter { which, written, random } => self.letter(which, written, random),
            Op::Pass { millis } => self.now = self.now.after(Duration::from_millis(millis)),
            Op::Wake => self.wake(),
            Op::Bounce { partition } => self.bounce(partition),
            Op::GiveUp { partitions } => self.give_up(&partitions),
            Op::Limit(limit) => {
                self.desk.set_limit(limit);
                self.model.limit = limit;
            }
        }
        self.check();
    }

    /// Both said the same, and both look the same.
    fn check(&mut self) {
        assert_eq!(self.told, self.model.told);
        self.model.told.clear();
        for told in std::mem::take(&mut self.told) {
            match told {
                Told::Settled(number, ..) | Told::Returned(number) => {
                    self.watcher.set(number, Fate::Gone);
                }
                Told::Retry(number, ..) | Told::LetterWaits(number, ..) | Told::Stop(number, _) => {
                    self.watcher.set(number, Fate::Inside);
                }
                Told::DeadLetter(number, _) => {
                    self.watcher.set(number, Fate::Inside);
                    self.watcher.sets_out(&[number]);
                }
            }
        }
        let counts = self.desk.counts();
        assert_eq!(counts, self.model.counts());
        assert_eq!(self.desk.sending(), self.model.sending);
        assert_eq!(self.desk.sending(), self.out.len());
        assert_eq!(self.desk.ready(), self.model.ready.len());
        assert_eq!(self.desk.next_wake(), self.model.waits().iter().map(|(until, _)| *until).min());
        let inside = self.watcher.records.iter().filter(|(_, fate)| *fate != Fate::Gone).count();
        assert_eq!(counts.queued + counts.under_way, inside);
        for epoch in 0..self.next_epoch {
            let under_way = self.desk.under_way(&[Epoch(epoch)]);
            assert_eq!(under_way, self.model.under_way(epoch), "epoch {epoch}");
        }
        self.check_views();
    }

    fn check_views(&self) {
        let inside = |&(lane, fate): &(u64, Fate)| (lane, fate != Fate::Gone);
        let records: Vec<_> = self.watcher.records.iter().map(inside).collect();
        super::explain::check(&self.desk, &self.model, &records, self.now);
        assert_eq!(self.desk.lanes().count(), self.model.lanes.len());
        let stuck = |lane: &&Lane| matches!(lane.state, State::Waiting | State::Held);
        assert_eq!(self.desk.stuck().count(), self.model.lanes.iter().filter(stuck).count());
        for lane in &self.model.lanes {
            let Some(view) = self.desk.lane(LaneId(lane.id)) else { panic!("no lane {lane:?}") };
            let queued: Vec<usize> = view.queued().map(|entry| entry.item().number).collect();
            assert_eq!(queued, lane.queue.iter().map(|it| it.number).collect::<Vec<_>>());
            match (view.standing(), &lane.state) {
                (Standing::Ready, State::Ready) | (Standing::Lettering(_), State::Lettering(_)) => {
                }
                (Standing::Sending(_, records), State::Sending(part)) => {
                    assert_eq!(records as usize, part.len());
                }
                (Standing::Waiting(trouble), State::Waiting)
                | (Standing::Held(trouble), State::Held) => {
                    assert_eq!(Some(trouble.since()), lane.queue[0].since);
                    assert_eq!(trouble.until(), lane.queue[0].until);
                    assert_eq!(trouble.next(), lane.queue[0].next);
                }
                (real, plain) => panic!("{real:?} against {plain:?}"),
            }
        }
    }

    /// Lets everything end: nothing fails any more, and what the policy holds is given up.
    fn finish(&mut self) {
        self.step(Op::Limit(2));
        for _ in 0..20 * (self.watcher.records.len() + 1) {
            while self.dispatch() {}
            self.step(Op::ConcludeAll { which: 0, kind: 0, random: 1 });
            self.step(Op::Letter { which: 0, written: true, random: 1 });
            if self.out.is_empty() && self.letters.is_empty() && self.desk.ready() == 0 {
                let Some(wake) = self.desk.next_wake() else {
                    break;
                };
                self.now = self.now.max(wake);
                self.step(Op::Wake);
            }
        }
        if self.desk.counts().held > 0 {
            self.step(Op::GiveUp { partitions: (0..PARTITIONS).collect() });
        }
        assert_eq!(self.desk.counts(), Counts::default(), "nothing is left behind");
        assert!(self.watcher.records.iter().all(|(_, fate)| *fate == Fate::Gone));
        assert!(self.desk.leaving.is_empty());
    }
}

proptest! {
    #[test]
    fn any_history_is_as_the_model_has_it(
        policy in policy(), batch in batch(), limit in 0..6_usize,
        ops in prop::collection::vec(op(), 0..160),
    ) {
        let mut world = World::new(policy, limit, batch);
        for op in ops {
            world.step(op);
        }
        world.finish();
    }
}
