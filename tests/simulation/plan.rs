//! What one schedule is like: sizes, settings, and how often what goes wrong.
//!
//! Each schedule has some kinds of faults only: with all of them at once the rarer encounters
//! drown, and a fault that is left out lets others run their whole course.

use std::time::Duration;

use keyway_actors::core::codec;
use keyway_actors::core::intake::{Intake, SpanLimit};
use keyway_actors::core::lanes::Batch;
use keyway_actors::core::retry::{Action, RetryPolicy};

use crate::random::Random;
use crate::way::Ways;

/// Times in the simulation are microseconds since its start.
pub type Micros = u64;

pub const MILLIS: Micros = 1_000;
pub const SECOND: Micros = 1_000_000;

/// What makes two records wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    Key,
    Partition,
    Unordered,
}

/// What can go wrong from outside, each as a share of all faults of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A member vanishes with all its memory and is started again after a while.
    Crash,
    /// A member is stopped in order and started again.
    Stop,
    /// The group moves partitions between members.
    Rebalance,
    /// A partition is asked back and given to the same member at once.
    Bounce,
    /// The group goes on without a member that does not know yet.
    Evict,
    /// One thread of a member stands still.
    Stall,
    /// The broker answers nothing for a while.
    BrokerDown,
    /// Commits are refused, wholly or in part, or their answers come late or never.
    CommitTrouble,
    /// The receiver fails everybody, or some keys, for a while.
    Outage,
    Resize,
    Pause,
    /// Dead letters are refused for a while.
    LettersDown,
    /// The topic is deleted and made again.
    Recreate,
    /// The end of a log is cut off, as by an unclean election.
    Truncate,
}

impl Fault {
    pub const ALL: [Self; 14] = [
        Self::Crash,
        Self::Stop,
        Self::Rebalance,
        Self::Bounce,
        Self::Evict,
        Self::Stall,
        Self::BrokerDown,
        Self::CommitTrouble,
        Self::Outage,
        Self::Resize,
        Self::Pause,
        Self::LettersDown,
        Self::Recreate,
        Self::Truncate,
    ];
}

/// How the receiver behaves when nothing in particular is wrong, in per cent of requests.
#[derive(Clone, Copy, Debug)]
pub struct Temper {
    pub fails: u64,
    pub rejects: u64,
    pub hangs: u64,
    /// The connection breaks, before or after the receiver saw the request.
    pub breaks: u64,
    /// Of the failures, so many come with a `Retry-After`.
    pub asks: u64,
    pub latency: Micros,
}

#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub partitions: usize,
    pub members: usize,
    pub arbiters: usize,
    pub senders: usize,
    pub batch: Batch,
    /// Batches that the channel from the poll thread to an arbiter takes.
    pub channel: usize,
    pub ordering: Ordering,
    /// Records produced in all, so many of them before the start.
    pub records: u64,
    pub backlog: u64,
    pub keys: u64,
    pub zipf: bool,
    pub null_keys: u64,
    pub gaps: u64,
    pub longest_gap: u64,
    /// Whether members are told where a log ends.
    pub ends_known: bool,
    pub record_bytes: u64,
    pub intake: Intake,
    pub metadata_limit: usize,
    pub hold: bool,
    pub policy: RetryPolicy,
    pub ways: Ways,
    pub commit_interval: Micros,
    pub revoke_deadline: Micros,
    pub drain_deadline: Micros,
    pub session_timeout: Micros,
    pub request_timeout: Micros,
    pub eager: bool,
    pub static_members: bool,
    pub faults: Vec<(Fault, u64)>,
    pub fault_every: Micros,
    /// How long things go wrong; then everything heals.
    pub trouble: Micros,
    pub temper: Temper,
    /// Nothing goes wrong but that some keys are never taken; everybody else's records have to be
    /// delivered within [`PROMPT`].
    pub calm: bool,
    /// Records that are never taken in a calm schedule, at the most.
    pub poison: u64,
    /// They are all there is in one partition; otherwise those of two keys.
    pub poison_partition: bool,
}

/// What a record takes of the budget beside its own bytes.
pub const OVERHEAD: u64 = 320;

/// How soon a record with a healthy key is delivered in a calm schedule, whatever other keys do.
pub const PROMPT: Micros = 3 * SECOND;

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let mut plan = Self::with_faults(seed, random);
        if random.percent(12) {
            plan.calm_down(random);
        }
        plan
    }

    fn with_faults(seed: u64, random: &mut Random) -> Self {
        let arbiters = random.pick(&[1, 1, 2, 2, 3]);
        let metadata_limit = random.pick(&[4, 16, 64, 64, 64, 200, 200, 1000, 4096, 4096]);
        let hold = random.percent(75);
        let records = match metadata_limit {
            4 => random.between(10, 40),
            16 => random.between(20, 100),
            _ => random.between(20, 250),
        };
        Self {
            seed,
            partitions: random.pick(&[1, 2, 2, 3, 4]),
            members: random.pick(&[1, 2, 2, 3]),
            arbiters,
            senders: arbiters.max(random.pick(&[1, 2, 3, 6, 12])),
            batch: batch(random),
            channel: random.pick(&[1, 2, 4]),
            ordering: ordering(random),
            records,
            backlog: records * random.pick(&[0, 30, 60, 100]) / 100,
            keys: random.pick(&[1, 2, 5, 20, 100]),
            zipf: random.percent(50),
            null_keys: random.pick(&[0, 0, 10, 40]),
            gaps: random.pick(&[0, 0, 5, 30, 60]),
            longest_gap: random.pick(&[1, 5, 200, 5_000]),
            ends_known: random.percent(85),
            record_bytes: random.pick(&[50, 500, 4_000]),
            intake: intake(random, metadata_limit, hold),
            metadata_limit,
            hold,
            policy: policy(random),
            ways: Ways::of(seed),
            commit_interval: random.pick(&[50, 200, 1_000, 3_000]) * MILLIS,
            revoke_deadline: random.pick(&[200, 1_000, 5_000]) * MILLIS,
            drain_deadline: random.pick(&[200, 1_000, 5_000]) * MILLIS,
            session_timeout: random.pick(&[1, 3, 6]) * SECOND,
            request_timeout: random.pick(&[300, 1_000, 3_000]) * MILLIS,
            eager: random.percent(25),
            static_members: random.percent(25),
            faults: faults(random),
            fault_every: random.pick(&[150, 500, 1_500]) * MILLIS,
            trouble: random.between(2, 12) * SECOND,
            temper: Temper {
                fails: random.pick(&[0, 5, 20, 50]),
                rejects: random.pick(&[0, 0, 5, 20]),
                hangs: random.pick(&[0, 0, 2, 10]),
                breaks: random.pick(&[0, 0, 5]),
                asks: random.pick(&[0, 20]),
                latency: random.pick(&[2, 20, 100]) * MILLIS,
            },
            calm: false,
            poison: 0,
            poison_partition: false,
        }
    }

    /// Makes it a schedule in which only some records fail: those of some keys, few enough that
    /// neither the buffer nor the span is theirs alone, or all of one partition.
    fn calm_down(&mut self, random: &mut Random) {
        self.calm = true;
        self.faults.clear();
        self.senders = self.senders.max(2 * self.arbiters);
        self.ordering = Ordering::Key;
        self.null_keys = 0;
        self.keys = random.between(4, 40);
        self.metadata_limit = random.pick(&[200, 4096]);
        self.record_bytes = 100;
        self.batch = Batch::ONE;
        self.intake = Intake {
            records: random.pick(&[64, 300]),
            bytes: 1 << 20,
            span: span(self.metadata_limit, self.hold),
        };
        self.policy.on_rejected = Action::Retry;
        self.policy.on_exhausted = Action::Retry;
        self.temper =
            Temper { fails: 0, rejects: 0, hangs: 0, breaks: 0, asks: 0, latency: 10 * MILLIS };
        self.backlog = 0;
        self.ways = Ways { destinations: self.ways.destinations, ..Ways::PLAIN };
        let unsettled = self.intake.span.map_or(u64::MAX, |it| it.unsettled);
        let share = self.intake.records / (4 * self.partitions as u64);
        self.poison = random.between(0, unsettled.min(share) / 2);
        if self.partitions > 1 && random.percent(50) {
            self.poison_partition = true;
            self.poison = u64::MAX;
            self.members = 1;
            self.records = 250;
            self.intake.records = random.pick(&[16, 40]);
        }
    }

    /// The most that a record takes of the budget.
    pub fn largest_record(&self) -> u64 {
        OVERHEAD + 4 * self.record_bytes
    }

    /// When everything has to be final at the latest, counted from the heal.
    pub fn patience(&self) -> Micros {
        let waits = self.policy.max.max(self.policy.retry_after_cap);
        let waits = u64::try_from(waits.as_micros()).unwrap_or(u64::MAX);
        // One record at a time goes through a commit's worth of bookkeeping where nothing fits
        // into the metadata.
        let one_by_one = self.records * 400 * MILLIS;
        let paced = self.ways.patience(self.records);
        60 * SECOND
            + paced
            + 2 * waits
            + 2 * self.session_timeout
            + 2 * self.request_timeout
            + one_by_one
    }
}

fn batch(random: &mut Random) -> Batch {
    if random.percent(75) {
        return Batch::ONE;
    }
    let lanes = random.pick(&[1, 2, 4]);
    Batch { lanes, records: random.pick(&[2, 5, 8]) }
}

fn ordering(random: &mut Random) -> Ordering {
    match random.below(20) {
        0..=1 => Ordering::Partition,
        2 => Ordering::Unordered,
        _ => Ordering::Key,
    }
}

fn span(metadata_limit: usize, hold: bool) -> Option<SpanLimit> {
    hold.then(|| SpanLimit {
        span: codec::guaranteed_span(metadata_limit),
        unsettled: codec::guaranteed_unsettled(metadata_limit),
    })
}

fn intake(random: &mut Random, metadata_limit: usize, hold: bool) -> Intake {
    Intake {
        records: random.pick(&[1, 4, 16, 64, 64, 256, 1_000]),
        bytes: random.pick(&[1_000, 10_000, 100_000, 1 << 20, 1 << 20]),
        span: span(metadata_limit, hold),
    }
}

fn policy(random: &mut Random) -> RetryPolicy {
    let ends = [Action::Retry, Action::Retry, Action::DeadLetter, Action::DeadLetter, Action::Drop];
    let end = |random: &mut Random| {
        if random.percent(3) { Action::Stop } else { random.pick(&ends) }
    };
    RetryPolicy {
        initial: Duration::from_millis(random.pick(&[10, 50, 200])),
        max: Duration::from_millis(random.pick(&[500, 2_000, 5_000])),
        retry_after_cap: Duration::from_millis(random.pick(&[1_000, 4_000])),
        max_attempts: random.pick(&[0, 0, 0, 1, 3]),
        on_rejected: end(random),
        on_exhausted: end(random),
        ..RetryPolicy::default()
    }
}

fn faults(random: &mut Random) -> Vec<(Fault, u64)> {
    let mut faults = Vec::new();
    for fault in Fault::ALL {
        let rare = matches!(fault, Fault::Recreate | Fault::Truncate);
        if random.percent(if rare { 20 } else { 55 }) {
            faults.push((fault, random.between(1, if rare { 2 } else { 6 })));
        }
    }
    faults
}
