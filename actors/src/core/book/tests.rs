// A list of one range is what is meant, not the offsets in it.
#![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::core::codec;

const A: Epoch = Epoch(1);
const B: Epoch = Epoch(2);

const OK: Result<(), ()> = Ok(());
const REFUSED: Result<(), ()> = Err(());

/// A book with A and B open at 0, ten records of each delivered.
fn book() -> Book {
    let mut book = Book::new(4096);
    for epoch in [A, B] {
        assert!(book.open(epoch, from(0)));
        assert!(book.take_run(epoch, 0..10, |_, taken| assert_eq!(taken, Taken::Deliver)));
    }
    book
}

fn from(base: Offset) -> Start {
    Start::At { base, settled: Vec::new() }
}

fn commit(begun: Begun) -> Commit {
    match begun {
        Begun::Commit(commit) => commit,
        other => panic!("no commit: {other:?}"),
    }
}

/// What a commit says, without what only the ledger understands.
fn said(commit: &Commit) -> Vec<(Epoch, Offset, Vec<Range<Offset>>)> {
    let said = |(epoch, snapshot): &(Epoch, Snapshot)| {
        (*epoch, snapshot.offset, codec::decode(snapshot.offset, &snapshot.metadata).unwrap())
    };
    commit.snapshots.iter().map(said).collect()
}

mod committing {
    use super::*;

    #[test]
    fn only_what_changed_is_committed() {
        let mut book = book();
        assert_eq!(book.begin_commit(), Begun::Clean);
        assert!(book.settle(B, 0) && book.settle(B, 2));
        assert_eq!(said(&commit(book.begin_commit())), [(B, 1, vec![2..3])]);
    }

    #[test]
    fn one_commit_is_under_way_at_a_time() {
        let mut book = book();
        assert!(book.settle(A, 0));
        let first = commit(book.begin_commit());
        assert!(book.settle(B, 0));
        assert_eq!(book.begin_commit(), Begun::Busy);
        assert_eq!(book.begin_commit_of(&[B]), Begun::Busy);
        assert_eq!(book.under_way(), Some(first.id));
        assert!(book.answered(first.id, [(A, OK)]));
        assert_eq!(said(&commit(book.begin_commit())), [(B, 1, vec![])]);
    }

    #[test]
    fn a_commit_is_clean_when_the_broker_says_so_and_not_when_it_is_sent() {
        let mut book = book();
        assert!(book.settle(A, 0));
        let sent = commit(book.begin_commit());
        assert!(book.standing(A).unwrap().dirty);
        assert_eq!(book.standing(A).unwrap().committed, Some(0));
        assert!(book.answered(sent.id, [(A, OK)]));
        let standing = book.standing(A).unwrap();
        assert_eq!((standing.dirty, standing.committed), (false, Some(1)));
        assert_eq!(book.begin_commit(), Begun::Clean);
    }

    #[test]
    fn what_settles_while_a_commit_is_under_way_is_in_the_next() {
        let mut book = book();
        assert!(book.settle(A, 0));
        let first = commit(book.begin_commit());
        assert!(book.settle(A, 1));
        assert!(book.answered(first.id, [(A, OK)]));
        assert_eq!(book.standing(A).unwrap().committed, Some(1));
        assert_eq!(said(&commit(book.begin_commit())), [(A, 2, vec![])]);
    }

    #[test]
    fn a_partition_that_was_refused_or_not_answered_is_tried_again() {
        let mut book = book();
        let c = Epoch(3);
        assert!(book.open(c, Start::Unknown) && book.skip_to(c, 7));
        assert!(book.settle(A, 0) && book.settle(B, 0));
        let first = commit(book.begin_commit());
        assert_eq!(first.snapshots.len(), 3);
        assert!(book.answered(first.id, [(B, REFUSED), (A, OK)]));
        assert_eq!(said(&commit(book.begin_commit())), [(B, 1, vec![]), (c, 7, vec![])]);
    }

    #[test]
    fn a_commit_that_failed_as_a_whole_is_tried_again() {
        let mut book = book();
        assert!(book.settle(A, 0));
        let first = commit(book.begin_commit());
        assert!(book.fail_commit(first.id));
        let second = commit(book.begin_commit());
        assert_eq!(said(&first), said(&second));
        assert_ne!(first.id, second.id);
    }

    #[test]
    fn the_answer_to_a_commit_that_was_given_up_is_not_taken_for_the_next_ones() {
        let mut book = book();
        assert!(book.settle(A, 0));
        let first = commit(book.begin_commit());
        assert!(book.fail_commit(first.id));
        assert!(book.settle(A, 1));
        let second = commit(book.begin_commit());
        assert!(!book.answered(first.id, [(A, OK)]));
        assert!(!book.fail_commit(first.id));
        assert_eq!((book.under_way(), book.standing(A).unwrap().dirty), (Some(second.id), true));
        assert!(book.answered(second.id, [(A, OK)]));
        assert!(!book.answered(second.id, [(A, OK)]));
    }

    #[test]
    fn an_answer_for_what_was_not_sent_cleans_nothing() {
        let mut book = book();
        assert!(book.settle(A, 0));
        let sent = commit(book.begin_commit());
        assert!(book.settle(B, 0));
        assert!(book.answered(sent.id, [(B, OK), (Epoch(99), OK)]));
        assert!(book.standing(A).unwrap().dirty && book.standing(B).unwrap().dirty);
        assert_eq!(book.standing(B).unwrap().committed, Some(0));
    }

    #[test]
    fn a_new_partition_commits_where_it_began() {
        let mut book = Book::new(4096);
        assert!(book.open(A, Start::Unknown));
        assert_eq!(book.begin_commit(), Begun::Clean);
        assert_eq!(book.standing(A).unwrap().committed, None);
        assert_eq!(book.take(A, 42), Some(Taken::Deliver));
        assert_eq!(said(&commit(book.begin_commit())), [(A, 42, vec![])]);
    }

    #[test]
    fn what_the_limit_leaves_out_is_told_once_it_is_committed() {
        let mut book = Book::new(0);
        assert!(book.open(A, from(0)) && book.take_run(A, 0..10, |_, _| ()));
        assert_eq!(book.settle_run(A, 5..8), 0);
        let sent = commit(book.begin_commit());
        assert_eq!((said(&sent), book.standing(A).unwrap().uncovered), (vec![(A, 0, vec![])], 0));
        assert!(book.answered(sent.id, [(A, OK)]));
        assert_eq!(book.standing(A).unwrap().uncovered, 3);
    }
}

mod leaving {
    use super::*;

    #[test]
    fn a_revoke_commits_what_is_revoked_and_nothing_else() {
        let mut book = book();
        assert!(book.settle(A, 0) && book.settle(B, 0));
        assert_eq!(said(&commit(book.begin_commit_of(&[B, B, Epoch(99)]))), [(B, 1, vec![])]);
    }

    #[test]
    fn a_revoke_of_what_is_clean_has_nothing_to_do() {
        let mut book = book();
        assert!(book.settle(A, 0));
        assert_eq!(book.begin_commit_of(&[B]), Begun::Clean);
        assert_eq!(book.begin_commit_of(&[]), Begun::Clean);
        assert_eq!(book.under_way(), None);
    }

    #[test]
    fn outcomes_of_a_stay_that_ended_touch_nothing() {
        let mut book = book();
        let left = book.close(A).unwrap();
        assert_eq!(left.pending(), 10);
        assert!(book.close(A).is_none());
        let again = Epoch(3);
        assert!(book.open(again, from(0)));
        assert_eq!(book.take(again, 0), Some(Taken::Deliver));
        assert!(!book.settle(A, 0));
        assert_eq!(book.settle_run(A, 0..10), 10);
        assert_eq!((book.take(A, 10), book.take_run(A, 10..12, |_, _| ())), (None, false));
        assert_eq!((book.skip_to(A, 99), book.forget_from(A, 0)), (false, 0));
        assert_eq!(book.standing(again).unwrap().pending, 1);
        assert_eq!(book.begin_commit(), Begun::Clean);
    }

    #[test]
    fn an_answer_for_a_stay_that_ended_ends_the_commit_and_touches_nothing() {
        let mut book = book();
        assert!(book.settle(A, 0) && book.settle(B, 0));
        let sent = commit(book.begin_commit());
        assert!(book.close(A).is_some());
        assert!(book.open(Epoch(3), from(0)));
        assert_eq!(book.take(Epoch(3), 5), Some(Taken::Deliver));
        assert!(book.answered(sent.id, [(A, OK), (B, OK)]));
        assert_eq!(said(&commit(book.begin_commit())), [(Epoch(3), 5, vec![])]);
    }

    #[test]
    fn an_open_epoch_is_not_opened_over() {
        let mut book = book();
        assert!(!book.open(A, from(500)));
        assert_eq!(book.standing(A).unwrap().pending, 10);
    }
}

#[test]
fn a_run_ends_where_the_log_goes_backwards() {
    let mut book = book();
    let mut seen = Vec::new();
    let each = |offset, taken| seen.push((offset, taken));
    assert!(book.take_run(A, [10, 12, 0, 13], each));
    assert_eq!(seen, [(10, Taken::Deliver), (12, Taken::Deliver), (0, Taken::Behind)]);
    assert_eq!(book.ledger(A).unwrap().next(), Some(13));
}

#[test]
fn a_run_of_outcomes_says_how_many_were_strays() {
    let mut book = book();
    assert_eq!(book.settle_run(A, [3, 3, 4, 77]), 2);
    assert_eq!(book.standing(A).unwrap().pending, 8);
}

/// One stay, offset by offset; without gaps, so that what is not pending below `next` is settled.
#[derive(Clone, Default)]
struct Stay {
    base: Offset,
    next: Offset,
    pending: BTreeSet<Offset>,
    /// What the broker has of this stay.
    committed: (Offset, Vec<Offset>),
}

impl Stay {
    fn state(&self) -> (Offset, Vec<Offset>) {
        let base = self.pending.first().copied().unwrap_or(self.next);
        (base, (base..self.next).filter(|offset| !self.pending.contains(offset)).collect())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Close(Index),
    Take(Index, i64),
    /// Which of all epochs that ever were, and which offset of those it was ever given.
    Settle(Index, Index),
    Begin,
    BeginOf(u8),
    /// Which commit of those that were ever begun, and whose parts of it the broker took.
    Answer(Index, u8),
    AnswerLast(u8),
    Fail(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        1 => Just(Step::Open),
        1 => index().prop_map(Step::Close),
        5 => (index(), 1..6i64).prop_map(|(epoch, count)| Step::Take(epoch, count)),
        12 => (index(), index()).prop_map(|(epoch, offset)| Step::Settle(epoch, offset)),
        2 => Just(Step::Begin),
        1 => any::<u8>().prop_map(Step::BeginOf),
        1 => (index(), any::<u8>()).prop_map(|(commit, which)| Step::Answer(commit, which)),
        2 => any::<u8>().prop_map(Step::AnswerLast),
        1 => index().prop_map(Step::Fail),
    ]
}

/// Whether bit `epoch % 8` is set.
fn picked(which: u8, epoch: Epoch) -> bool {
    which >> (epoch.0 % 8) & 1 == 1
}

/// What a commit said of each epoch.
type States = BTreeMap<Epoch, (Offset, Vec<Offset>)>;

/// The book beside a naive set, with everything that can come late coming late.
struct Pair {
    book: Book,
    stays: BTreeMap<Epoch, Stay>,
    epochs: u64,
    sent: Vec<(CommitId, States)>,
    busy: Option<CommitId>,
}

impl Pair {
    fn new() -> Self {
        let book = Book::new(4096);
        Self { book, stays: BTreeMap::new(), epochs: 0, sent: Vec::new(), busy: None }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Open => self.open(),
            Step::Close(index) => {
                if let Some(epoch) = self.any_epoch(*index) {
                    assert_eq!(
                        self.book.close(epoch).is_some(),
                        self.stays.remove(&epoch).is_some()
                    );
                }
            }
            Step::Take(index, count) => self.take(*index, *count),
            Step::Settle(index, offset) => self.settle(*index, *offset),
            Step::Begin => self.begin(u8::MAX, true),
            Step::BeginOf(which) => self.begin(*which, false),
            Step::Answer(index, which) => {
                let begun: Vec<CommitId> = self.sent.iter().map(|(id, _)| *id).collect();
                if !begun.is_empty() {
                    self.answer(*index.get(&begun), *which);
                }
            }
            Step::AnswerLast(which) => {
                if let Some(id) = self.busy {
                    self.answer(id, *which);
                }
            }
            Step::Fail(index) => {
                let begun: Vec<CommitId> = self.sent.iter().map(|(id, _)| *id).collect();
                if !begun.is_empty() {
                    let id = *index.get(&begun);
                    assert_eq!(self.book.fail_commit(id), self.busy == Some(id));
                    self.busy = self.busy.filter(|&busy| busy != id);
                }
            }
        }
    }

    /// Any epoch that ever was, the older the less likely to be open.
    fn any_epoch(&self, index: Index) -> Option<Epoch> {
        (self.epochs > 0)
            .then(|| Epoch(index.index(usize::try_from(self.epochs).unwrap()) as u64 + 1))
    }

    fn open(&mut self) {
        self.epochs += 1;
        let (epoch, base) = (Epoch(self.epochs), i64::try_from(self.epochs * 37 % 100).unwrap());
        assert!(self.book.open(epoch, from(base)));
        self.stays
            .insert(epoch, Stay { base, next: base, committed: (base, vec![]), ..Stay::default() });
    }

    fn take(&mut self, index: Index, count: i64) {
        let Some(epoch) = self.any_epoch(index) else {
            return;
        };
        let stay = self.stays.get_mut(&epoch);
        let run = stay.as_ref().map_or(0..count, |stay| stay.next..stay.next + count);
        assert_eq!(self.book.take_run(epoch, run.clone(), |_, _| ()), stay.is_some());
        if let Some(stay) = stay {
            stay.pending.extend(run.clone());
            stay.next = run.end;
        }
    }

    fn settle(&mut self, index: Index, offset: Index) {
        let Some(epoch) = self.any_epoch(index) else {
            return;
        };
        let stay = self.stays.get_mut(&epoch);
        let given = stay.as_ref().map_or(0..100, |stay| stay.base..stay.next + 1);
        let offset = given.start + i64::try_from(offset.index(given.count())).unwrap();
        let expected = stay.is_some_and(|stay| stay.pending.remove(&offset));
        assert_eq!(self.book.settle(epoch, offset), expected);
    }

    fn begin(&mut self, which: u8, all: bool) {
        let named: Vec<Epoch> =
            (1..=self.epochs).rev().map(Epoch).filter(|epoch| picked(which, *epoch)).collect();
        let begun = if all { self.book.begin_commit() } else { self.book.begin_commit_of(&named) };
        let expected: States = self
            .stays
            .iter()
            .filter(|(epoch, stay)| named.contains(epoch) && stay.state() != stay.committed)
            .map(|(&epoch, stay)| (epoch, stay.state()))
            .collect();
        match begun {
            Begun::Busy => assert!(self.busy.is_some()),
            Begun::Clean => assert!(self.busy.is_none() && expected.is_empty()),
            Begun::Commit(commit) => {
                assert!(self.busy.is_none());
                let said = said(&commit).into_iter();
                let said = said.map(|(epoch, offset, above)| {
                    (epoch, (offset, above.into_iter().flatten().collect()))
                });
                assert_eq!(said.collect::<BTreeMap<_, _>>(), expected);
                self.busy = Some(commit.id);
                self.sent.push((commit.id, expected));
            }
        }
    }

    fn answer(&mut self, id: CommitId, which: u8) {
        let results = (1..=self.epochs).map(Epoch);
        let results = results.map(|epoch| (epoch, if picked(which, epoch) { OK } else { REFUSED }));
        assert_eq!(self.book.answered(id, results), self.busy == Some(id));
        if self.busy.take_if(|busy| *busy == id).is_none() {
            return;
        }
        let (_, states) = self.sent.iter().find(|(sent, _)| *sent == id).unwrap();
        for (epoch, state) in states.iter().filter(|(epoch, _)| picked(which, **epoch)) {
            if let Some(stay) = self.stays.get_mut(epoch) {
                stay.committed = state.clone();
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.book.under_way(), self.busy);
        let expected = self.stays.iter().map(|(&epoch, stay)| {
            let standing = Standing {
                base: Some(stay.state().0),
                committed: Some(stay.committed.0),
                next: Some(stay.next),
                lowest_pending: stay.pending.first().copied(),
                pending: stay.pending.len(),
                uncovered: 0,
                dirty: stay.state() != stay.committed,
            };
            (epoch, standing)
        });
        assert_eq!(self.book.standings().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn it_agrees_with_a_naive_set_whatever_comes_late(steps in prop::collection::vec(step(), 1..200)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
            pair.check();
        }
    }
}
