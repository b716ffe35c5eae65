//! Items that take several requests, to several destinations: what is sent when.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::core::destinations::Terms;
use crate::core::lanes::Entry;
use crate::core::retry::Action;

/// Where an item's requests go, one letter a destination; `-` filters it, `!` refuses it.
pub(super) type Way = &'static str;

pub(super) struct Routed {
    pub(super) desk: Desk<Rec>,
    pub(super) ways: Vec<Way>,
    pub(super) told: Vec<Told>,
    pub(super) letters: Vec<Letter<Rec>>,
    pub(super) now: Moment,
}

impl Routed {
    pub(super) fn new(terms: Terms, limit: usize, ways: &[(u64, Way)]) -> Self {
        let policy = RetryPolicy { on_rejected: Action::Drop, ..RetryPolicy::default() };
        let mut desk = Desk::with_terms(policy, terms, limit, Batch::ONE);
        for (number, (lane, _)) in ways.iter().enumerate() {
            assert_eq!(desk.accept(Rec { number, lane: *lane, epoch: 1 }), Ok(()));
        }
        let ways = ways.iter().map(|(_, way)| *way).collect();
        Self { desk, ways, told: Vec::new(), letters: Vec::new(), now: Moment::default() }
    }

    /// The next delivery, and what it is: the number of its item and the letter it goes to.
    pub(super) fn send(&mut self) -> Option<(Delivery<Rec>, usize, char)> {
        let ways = &self.ways;
        let delivery = self.desk.dispatch_by(
            self.now,
            u64::MAX,
            |entry| step(ways[entry.item().number], entry.request()),
            &mut tell(&mut self.told, &mut self.letters),
        )?;
        let [entry] = delivery.entries() else { panic!("one at a time") };
        let (number, request) = (entry.item().number, usize::from(entry.request()));
        let to = self.ways[number].chars().nth(request);
        Some((delivery, number, to.expect("it has that many requests")))
    }

    /// All that can be sent now, however many turns it takes to find it.
    fn send_all(&mut self) -> Vec<(Delivery<Rec>, usize, char)> {
        let mut all = Vec::new();
        loop {
            all.extend(std::iter::from_fn(|| self.send()));
            if self.desk.next_wake() != Some(Moment::default()) {
                return all;
            }
            self.wakes();
        }
    }

    fn ends(&mut self, delivery: Delivery<Rec>, outcome: Outcome) -> Vec<Told> {
        let mut tell = tell(&mut self.told, &mut self.letters);
        self.desk.conclude(delivery, outcome, self.now, u64::MAX, &mut tell);
        drop(tell);
        std::mem::take(&mut self.told)
    }

    pub(super) fn wakes(&mut self) {
        if let Some(due) = self.desk.next_wake() {
            self.now = self.now.max(due);
            self.desk.wake(self.now, &mut tell(&mut self.told, &mut self.letters));
        }
    }
}

fn step(way: Way, request: u16) -> Step {
    match way {
        "-" => Step::Filter,
        "!" => Step::Refuse { failure: Box::new(failure()), action: None },
        "?" => Step::Refuse { failure: Box::new(failure()), action: Some(Action::Stop) },
        way => {
            let to = way.chars().nth(usize::from(request)).expect("it has that many requests");
            let requests = u16::try_from(way.len()).expect("a short way");
            Step::Send { to: Some(Arc::from(to.to_string())), requests }
        }
    }
}

fn sent(all: &[(Delivery<Rec>, usize, char)]) -> Vec<(usize, char)> {
    all.iter().map(|(_, number, to)| (*number, *to)).collect()
}

pub(super) fn retry() -> Outcome {
    Outcome::retry(failure())
}

fn several() -> Terms {
    Terms { several: true, ..Terms::default() }
}

pub(super) fn at_most(max_in_flight: u32) -> Terms {
    Terms { max_in_flight: Some(max_in_flight), ..Terms::default() }
}

#[test]
fn requests_follow_each_other_and_the_last_settles() {
    let mut it = Routed::new(Terms::default(), 9, &[(1, "abc"), (1, "a")]);
    for to in ['a', 'b', 'c'] {
        let (delivery, number, at) = it.send().expect("the lane is ready");
        assert_eq!((number, at), (0, to));
        assert!(it.send().is_none(), "the lane is closed");
        let told = it.ends(delivery, Outcome::Delivered);
        let settled = vec![Told::Settled(0, 0, false)];
        assert_eq!(told, if to == 'c' { settled } else { vec![] });
    }
    assert_eq!(sent(&it.send_all()), [(1, 'a')]);
}

#[test]
fn what_is_begun_is_finished_before_anything_else_begins() {
    let ways: Vec<(u64, Way)> = (0..50).map(|lane| (lane, "aba")).collect();
    let mut it = Routed::new(Terms::default(), 4, &ways);
    let mut done = 0;
    let mut half_done = BTreeSet::new();
    let mut out: Vec<_> = std::iter::from_fn(|| it.send()).collect();
    while !out.is_empty() {
        let (delivery, number, _) = out.remove(0);
        half_done.insert(number);
        for told in it.ends(delivery, Outcome::Delivered) {
            assert_eq!(told, Told::Settled(number, 0, false));
            half_done.remove(&number);
            done += 1;
        }
        assert!(half_done.len() <= 4, "{half_done:?}");
        out.extend(it.send());
    }
    assert_eq!(done, 50);
}

#[test]
fn a_retry_goes_on_at_the_request_that_failed_and_counts_its_own_attempts() {
    let mut it = Routed::new(Terms::default(), 9, &[(1, "ab")]);
    let (delivery, ..) = it.send().expect("it is ready");
    assert_eq!(it.ends(delivery, retry()).len(), 1);
    it.wakes();
    let (delivery, _, to) = it.send().expect("its wait is over");
    assert_eq!((to, delivery.entries()[0].attempts()), ('a', 1));
    it.ends(delivery, Outcome::Delivered);
    for attempts in 0..3 {
        let (delivery, _, to) = it.send().expect("it is ready again");
        assert_eq!((to, delivery.entries()[0].attempts()), ('b', attempts));
        assert!(
            matches!(it.ends(delivery, retry())[..], [Told::Retry(0, at, ..)] if at == attempts + 1)
        );
        it.wakes();
    }
    let (delivery, ..) = it.send().expect("its wait is over");
    assert_eq!(it.ends(delivery, Outcome::Delivered), [Told::Settled(0, 0, false)]);
}

#[test]
fn a_rejected_request_ends_its_item() {
    let mut it = Routed::new(Terms::default(), 9, &[(1, "ab"), (1, "c")]);
    let (delivery, ..) = it.send().expect("it is ready");
    let rejected = Outcome::rejected(failure());
    assert_eq!(it.ends(delivery, rejected), [Told::Settled(0, 2, true)], "dropped");
    assert_eq!(sent(&it.send_all()), [(1, 'c')], "and what follows does not begin in its middle");
}

#[test]
fn what_is_filtered_or_refused_is_settled_without_a_sender() {
    let ways = [(1, "-"), (1, "a"), (2, "!"), (2, "a"), (3, "?"), (3, "a")];
    let mut it = Routed::new(Terms::default(), 9, &ways);
    let all = it.send_all();
    assert_eq!(sent(&all), [(1, 'a'), (3, 'a')]);
    let mut told = std::mem::take(&mut it.told);
    told.sort();
    assert_eq!(told, [Told::Settled(0, 3, false), Told::Settled(2, 2, true), Told::Stop(4, 0)]);
    assert_eq!(it.desk.counts().held, 1, "what is behind a stop is not sent");
}

#[test]
fn many_that_are_filtered_let_others_have_their_turn() {
    let ways: Vec<_> = std::iter::repeat_n((1, "-"), 1_000).chain([(1, "a")]).collect();
    let mut it = Routed::new(Terms::default(), 9, &ways);
    let mut turns = 0;
    let found = loop {
        if let Some((_, number, _)) = it.send() {
            break number;
        }
        assert_eq!(it.desk.next_wake(), Some(Moment::default()), "there is more");
        it.wakes();
        turns += 1;
    };
    assert_eq!((found, it.told.len()), (1_000, 1_000));
    assert!((10..=20).contains(&turns), "{turns}");
    assert_eq!(it.desk.next_wake(), None);
}

#[test]
fn a_full_destination_keeps_its_own_lanes_waiting_and_no_others() {
    let a = (0..20).map(|lane| (lane, "a"));
    let b = (20..25).map(|lane| (lane, "b"));
    let mut it = Routed::new(at_most(2), 9, &a.chain(b).collect::<Vec<_>>());
    let mut first = it.send_all();
    assert_eq!(sent(&first), [(0, 'a'), (1, 'a'), (20, 'b'), (21, 'b')]);
    let counts = it.desk.counts();
    assert_eq!((counts.blocked, counts.ready), (21, 0));
    let (delivery, ..) = first.remove(0);
    it.ends(delivery, Outcome::Delivered);
    assert_eq!(sent(&it.send_all()), [(2, 'a')], "the one that waited for longest");
}

#[test]
fn without_routes_lanes_that_wait_for_the_destination_count_as_ready_for_the_intake() {
    let mut it = Routed::new(at_most(1), 9, &[(1, "a"), (2, "a"), (3, "a")]);
    let _first = it.desk.dispatch(it.now).expect("it is ready");
    assert!(it.desk.dispatch(it.now).is_none());
    assert_eq!((it.desk.counts().blocked, it.desk.ready()), (2, 2));
}

/// A slow one would else keep the records of the others out.
#[test]
fn with_several_destinations_they_do_not() {
    let all: Vec<_> = (0..9).map(|lane| (lane, "a")).collect();
    let mut it = Routed::new(Terms { several: true, ..at_most(2) }, 9, &all);
    let mut first = it.send_all();
    it.ends(first.remove(0).0, Outcome::Delivered);
    let _next = it.send_all();
    assert_eq!((it.desk.counts().blocked, it.desk.ready()), (6, 0));
}

#[test]
fn one_destination_that_hangs_leaves_half_of_the_senders() {
    let a = (0..100).map(|lane| (lane, "a"));
    let b = (100..200).map(|lane| (lane, "b"));
    let all: Vec<_> = b.clone().take(1).chain(a).chain(b.skip(1)).collect();
    let mut it = Routed::new(several(), 64, &all);
    // Both are known.
    let (delivery, ..) = it.send().expect("it is ready");
    it.ends(delivery, Outcome::Delivered);
    let mut hanging = Vec::new();
    for _ in 0..500 {
        for (delivery, number, to) in it.send_all() {
            if to == 'a' {
                hanging.push(delivery);
            } else {
                assert!(number > 100);
                it.ends(delivery, Outcome::Delivered);
            }
        }
    }
    assert_eq!(hanging.len(), 32);
    assert_eq!(it.desk.counts().queued, 68, "all of the other's were sent");
}

/// The one that hangs may come first, before another is known.
#[test]
fn a_destination_gets_as_much_beside_one_that_hangs_as_alone() {
    for senders in [16, 64, 256] {
        let b: Vec<_> = (0..300).map(|lane| (lane, "b")).collect();
        let mut alone = Routed::new(several(), senders, &b);
        let most = alone.send_all().len();
        assert_eq!(most, senders / 2);
        let a = (300..600).map(|lane| (lane, "a"));
        let mut it = Routed::new(several(), senders, &a.chain(b).collect::<Vec<_>>());
        let all = it.send_all();
        let of = |name| all.iter().filter(|(_, _, to)| *to == name).count();
        assert_eq!(of('a'), senders / 2);
        assert!(of('b') * 10 >= most * 8, "{} of {most}", of('b'));
        assert!(senders < 64 || of('b') * 10 >= most * 9, "{} of {most}", of('b'));
    }
}

#[test]
fn whoever_comes_anew_finds_a_sender() {
    let ways = (0..100).map(|lane| (lane, "a")).chain((100..200).map(|lane| (lane, "b")));
    for terms in [several(), Terms { several: true, ..at_most(64) }] {
        let mut it = Routed::new(terms, 64, &ways.clone().collect::<Vec<_>>());
        let _hanging = it.send_all();
        it.ways.push("c");
        it.desk.accept(Rec { number: 200, lane: 200, epoch: 1 }).expect("a new lane");
        assert_eq!(sent(&it.send_all()), [(200, 'c')]);
    }
}

#[test]
fn a_small_pool_is_shared_too() {
    for (senders, has) in [(1, 1), (2, 1), (3, 2), (8, 4)] {
        let all: Vec<_> = (0..100).map(|lane| (lane, "a")).collect();
        assert_eq!(Routed::new(several(), senders, &all).send_all().len(), has);
    }
}

#[test]
fn the_one_destination_there_can_be_has_all_senders() {
    let all: Vec<_> = (0..100).map(|lane| (lane, "a")).collect();
    assert_eq!(Routed::new(Terms::default(), 64, &all).send_all().len(), 64);
}

/// The sender that ends a request at a full destination takes a lane for another one.
#[test]
fn a_place_that_nobody_takes_up_is_looked_at_again() {
    let ways: Vec<_> = (0..6).map(|lane| (lane, if lane < 4 { "a" } else { "b" })).collect();
    let mut it = Routed::new(at_most(1), 9, &ways);
    let mut first = it.send_all();
    assert_eq!(sent(&first), [(0, 'a'), (4, 'b')]);
    for _ in 0..2 {
        it.ends(first.remove(0).0, Outcome::Delivered);
    }
    let one = it.send().expect("two places are free");
    it.desk.look_again(it.now);
    assert_eq!(it.desk.next_wake(), Some(Moment::default()), "for the other place");
    it.wakes();
    let other = it.send().expect("the other place");
    it.desk.look_again(it.now);
    assert_eq!((it.desk.next_wake(), one.2 != other.2), (None, true));
}

#[test]
fn what_could_not_be_authorized_was_no_attempt() {
    let policy = RetryPolicy { max_attempts: 2, on_exhausted: Action::Drop, ..Default::default() };
    let mut desk = Desk::new(policy, 1, Batch::ONE);
    desk.accept(Rec { number: 0, lane: 0, epoch: 1 }).expect("no late arrival");
    let mut now = Moment::default();
    for _ in 0..5 {
        let delivery = desk.dispatch(now).expect("its wait is over");
        assert_eq!(delivery.entries()[0].attempts(), 0);
        let failure = Failure::new(FailureKind::Unauthorized, "no token");
        desk.conclude(delivery, Outcome::retry(failure), now, u64::MAX, &mut |_| {});
        now = desk.next_wake().expect("it waits");
        desk.wake(now, &mut |_| {});
    }
    assert_eq!(desk.counts().ready, 1);
}

#[test]
fn a_lane_that_waits_for_its_destination_goes_with_its_epoch() {
    let mut it = Routed::new(at_most(1), 9, &[(1, "a"), (2, "a"), (2, "b")]);
    let mut first = it.send_all();
    it.desk.accept(Rec { number: 3, lane: 2, epoch: 2 }).expect("a new stay");
    it.ways.push("a");
    it.desk.give_up(&[Epoch(1)], &mut tell(&mut it.told, &mut it.letters));
    assert_eq!(it.told, [Told::Returned(1), Told::Returned(2)]);
    assert!(it.send().is_none(), "its destination is still full");
    let (delivery, ..) = first.remove(0);
    it.ends(delivery, Outcome::Delivered);
    assert_eq!(sent(&it.send_all()), [(3, 'a')]);
}

#[test]
fn what_is_begun_when_its_epoch_is_given_up_is_finished() {
    let mut it = Routed::new(at_most(1), 9, &[(1, "ab"), (2, "ba"), (2, "a"), (3, "abc")]);
    let mut out = it.send_all();
    assert_eq!(sent(&out), [(0, 'a'), (1, 'b')]);
    it.ends(out.remove(0).0, Outcome::Delivered);
    it.desk.give_up(&[Epoch(1)], &mut tell(&mut it.told, &mut it.letters));
    assert_eq!(std::mem::take(&mut it.told), [Told::Returned(2), Told::Returned(3)]);
    assert_eq!(it.desk.under_way(&[Epoch(1)]), 2, "one waits for b, one is there");
    it.ends(out.remove(0).0, Outcome::Delivered);
    let mut out = it.send_all();
    assert_eq!(sent(&out), [(0, 'b'), (1, 'a')]);
    assert_eq!(it.ends(out.remove(0).0, Outcome::Delivered), [Told::Settled(0, 0, false)]);
    assert_eq!(it.ends(out.remove(0).0, retry()), [Told::Returned(1)], "it has failed");
    assert_eq!(it.desk.under_way(&[Epoch(1)]), 0);
    assert_eq!(it.desk.counts(), Counts::default());
}

#[test]
fn what_is_begun_and_failing_is_returned_with_its_epoch() {
    let mut it = Routed::new(several(), 9, &[(1, "ab")]);
    for outcome in [Outcome::Delivered, retry()] {
        let (delivery, ..) = it.send().expect("it is ready");
        it.ends(delivery, outcome);
    }
    it.desk.give_up(&[Epoch(1)], &mut tell(&mut it.told, &mut it.letters));
    assert_eq!((it.told, it.desk.under_way(&[Epoch(1)])), (vec![Told::Returned(0)], 0));
}

#[test]
fn of_what_is_cut_off_no_request_begins() {
    let mut it = Routed::new(at_most(1), 9, &[(1, "ab"), (2, "ba")]);
    let mut out = it.send_all();
    it.ends(out.remove(0).0, Outcome::Delivered);
    it.desk.give_up(&[Epoch(1)], &mut tell(&mut it.told, &mut it.letters));
    assert!(it.told.is_empty());
    it.desk.cut_off(&[Epoch(1)], &mut tell(&mut it.told, &mut it.letters));
    assert_eq!(std::mem::take(&mut it.told), [Told::Returned(0)]);
    assert_eq!(it.ends(out.remove(0).0, Outcome::Delivered), [Told::Returned(1)]);
    assert_eq!(it.desk.under_way(&[Epoch(1)]), 0);
}

#[test]
fn what_is_begun_and_then_filtered_leaves_with_its_epoch() {
    let mut it = Routed::new(at_most(1), 9, &[(1, "ab")]);
    let (delivery, ..) = it.send().expect("it is ready");
    it.ends(delivery, Outcome::Delivered);
    it.desk.give_up(&[Epoch(1)], &mut tell(&mut it.told, &mut it.letters));
    it.ways[0] = "-";
    assert!(it.send().is_none());
    assert_eq!(it.told, [Told::Settled(0, 3, false)]);
    assert_eq!(it.desk.under_way(&[Epoch(1)]), 0);
}

#[test]
fn a_desk_that_rests_waits_for_nothing_that_is_begun() {
    let mut it = Routed::new(several(), 9, &[(1, "ab"), (2, "ab")]);
    let mut out = it.send_all();
    it.ends(out.remove(0).0, Outcome::Delivered);
    it.desk.set_limit(0);
    it.desk.give_up(&[Epoch(1)], &mut tell(&mut it.told, &mut it.letters));
    assert_eq!(std::mem::take(&mut it.told), [Told::Returned(0)]);
    assert_eq!(it.ends(out.remove(0).0, Outcome::Delivered), [Told::Returned(1)]);
}

#[test]
fn what_waits_for_retry_after_of_its_destination_waits_together() {
    let terms = Terms {
        retry_after: crate::core::destinations::RetryAfter::Destination,
        ..Terms::default()
    };
    let mut it = Routed::new(terms, 1, &[(1, "a"), (2, "a"), (3, "b")]);
    let (delivery, ..) = it.send().expect("it is ready");
    let after = Some(Duration::from_secs(7));
    it.ends(delivery, Outcome::Retry { after, failure: Box::new(failure()) });
    let mut then = it.send_all();
    assert_eq!(sent(&then), [(2, 'b')]);
    let (delivery, ..) = then.remove(0);
    it.ends(delivery, Outcome::Delivered);
    assert!(it.send().is_none());
    it.wakes();
    assert_eq!(it.now, Moment(Duration::from_secs(7)));
    assert!(it.send().is_some());
}

/// An item that counts how often it was asked for and told to rest.
#[derive(Debug)]
struct Planned {
    lane: u64,
    made: bool,
}

impl Item for Planned {
    fn lane(&self) -> LaneId {
        LaneId(self.lane)
    }

    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn rest(&mut self) {
        self.made = false;
    }
}

#[test]
fn of_those_that_wait_no_more_keep_what_was_made_of_them_than_there_are_senders() {
    let mut desk = Desk::with_terms(RetryPolicy::default(), at_most(1), 3, Batch::ONE);
    for lane in 0..50 {
        desk.accept(Planned { lane, made: false }).expect("it is no late arrival");
    }
    let mut asked = 0;
    let mut send = |desk: &mut Desk<Planned>| {
        let route = |entry: &mut Entry<Planned>| {
            asked += usize::from(!entry.item().made);
            entry.item_mut().made = true;
            Step::Send { to: Some(Arc::from("a")), requests: 1 }
        };
        desk.dispatch_by(Moment::default(), 0, route, &mut |_| {})
    };
    let made = |desk: &Desk<Planned>| {
        let heads = desk.lanes().filter_map(|lane| lane.queued().next());
        heads.filter(|head| head.item().made).count()
    };
    let mut count = 0;
    let mut next = send(&mut desk);
    while let Some(delivery) = next {
        count += 1;
        assert!(send(&mut desk).is_none(), "one at a time");
        assert!(made(&desk) <= 3, "{}", made(&desk));
        desk.conclude(delivery, Outcome::Delivered, Moment::default(), 0, &mut |_| {});
        next = send(&mut desk);
    }
    assert_eq!(count, 50);
    assert!((50..=100).contains(&asked), "at most twice each: {asked}");
}

#[test]
fn a_route_that_changes_its_mind_is_followed() {
    let mut it = Routed::new(at_most(1), 9, &[(1, "a"), (2, "a")]);
    let mut first = it.send_all();
    assert_eq!(sent(&first), [(0, 'a')]);
    it.ways[1] = "b";
    it.ends(first.remove(0).0, Outcome::Delivered);
    assert_eq!(sent(&it.send_all()), [(1, 'b')]);
    it.ways.push("a");
    assert_eq!(it.desk.accept(Rec { number: 2, lane: 3, epoch: 1 }), Ok(()));
    assert_eq!(sent(&it.send_all()), [(2, 'a')], "and its former destination is free");
}
