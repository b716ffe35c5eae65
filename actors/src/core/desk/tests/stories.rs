//! The rules of the desk, one story each.

use std::collections::VecDeque;

use super::*;
use crate::core::lanes::Standing;
use crate::core::retry::Action;

const SECOND: Duration = Duration::from_secs(1);

/// A desk of one policy with what it said, for stories.
struct Story {
    desk: Desk<Rec>,
    told: Vec<Told>,
    letters: Vec<Letter<Rec>>,
    now: Moment,
}

impl Story {
    fn new(policy: RetryPolicy) -> Self {
        let desk = Desk::new(policy, 10, Batch::ONE);
        Self { desk, told: Vec::new(), letters: Vec::new(), now: Moment::default() }
    }

    fn accept(&mut self, number: usize, lane: u64, epoch: u64) {
        assert_eq!(self.desk.accept(Rec { number, lane, epoch }), Ok(()));
    }

    /// The next delivery, which is to hold just this number.
    fn send(&mut self, number: usize) -> Delivery<Rec> {
        let Some(delivery) = self.desk.dispatch(self.now) else {
            panic!("{number} is not dispatched")
        };
        assert_eq!(numbers(&delivery), [number]);
        delivery
    }

    fn rests(&mut self) {
        assert!(self.desk.dispatch(self.now).is_none());
    }

    fn ends(&mut self, delivery: Delivery<Rec>, outcomes: impl Into<Outcomes>) -> Vec<Told> {
        let mut tell = tell(&mut self.told, &mut self.letters);
        self.desk.conclude(delivery, outcomes, self.now, u64::MAX, &mut tell);
        drop(tell);
        std::mem::take(&mut self.told)
    }

    fn letter_ends(&mut self, result: Result<(), Failure>) -> Vec<Told> {
        let Some(letter) = self.letters.pop() else { panic!("no letter") };
        let mut tell = tell(&mut self.told, &mut self.letters);
        self.desk.dead_letter_done(letter, result, self.now, u64::MAX, &mut tell);
        drop(tell);
        std::mem::take(&mut self.told)
    }

    fn gives_up(&mut self, epoch: u64) -> Vec<Told> {
        self.desk.give_up(&[Epoch(epoch)], &mut tell(&mut self.told, &mut self.letters));
        std::mem::take(&mut self.told)
    }

    /// Time passes until the next wait is over.
    fn wakes(&mut self) -> Vec<Told> {
        let Some(wake) = self.desk.next_wake() else { panic!("nothing waits") };
        self.now = wake;
        self.desk.wake(wake, &mut tell(&mut self.told, &mut self.letters));
        std::mem::take(&mut self.told)
    }
}

fn retry() -> Outcome {
    Outcome::retry(failure())
}

fn dead_lettering(max_attempts: u32) -> RetryPolicy {
    let (on_rejected, on_exhausted) = (Action::DeadLetter, Action::DeadLetter);
    RetryPolicy { max_attempts, on_rejected, on_exhausted, ..Default::default() }
}

#[test]
fn a_record_that_failed_goes_again_before_what_queued_behind_it() {
    let mut story = Story::new(RetryPolicy::default());
    story.accept(1, 7, 0);
    story.accept(2, 7, 0);
    let first = story.send(1);
    assert_eq!(first.entries()[0].attempts(), 0);
    let wait = Duration::from_millis(200);
    assert_eq!(story.ends(first, retry()), [Told::Retry(1, 1, wait, 0)]);
    story.rests();
    story.wakes();
    assert_eq!(story.now, Moment(wait));
    let again = story.send(1);
    assert_eq!(again.entries()[0].attempts(), 1);
    assert_eq!(again.entries()[0].trouble().map(Trouble::since), Some(Moment::default()));
    assert_eq!(story.ends(again, Outcome::Delivered), [Told::Settled(1, 0, false)]);
    let second = story.send(2);
    assert_eq!(second.entries()[0].attempts(), 0, "attempts are a record's, not a lane's");
}

#[test]
fn attempts_are_counted_through_all_waits() {
    let mut story = Story::new(RetryPolicy { max_attempts: 5, ..dead_lettering(5) });
    story.accept(1, 7, 0);
    for attempts in 0..4 {
        let delivery = story.send(1);
        assert_eq!(delivery.entries()[0].attempts(), attempts);
        let wait = Duration::from_millis(200 << attempts);
        assert_eq!(story.ends(delivery, retry()), [Told::Retry(1, attempts + 1, wait, 0)]);
        story.wakes();
    }
    let last = story.send(1);
    assert_eq!(story.ends(last, retry()), [Told::DeadLetter(1, 5)]);
}

#[test]
fn a_lane_that_waits_holds_no_sender_and_delays_no_other() {
    let mut story = Story::new(RetryPolicy::default());
    story.desk.set_limit(1);
    for number in 0..5 {
        story.accept(number, number as u64, 0);
    }
    let ill = story.send(0);
    story.ends(ill, retry());
    for number in 1..5 {
        let delivery = story.send(number);
        story.ends(delivery, Outcome::Delivered);
    }
    story.rests();
    assert_eq!(
        story.desk.counts(),
        Counts { lanes: 1, waiting: 1, queued: 1, ..Counts::default() }
    );
}

#[test]
fn a_lane_that_comes_back_waits_for_its_earlier_request() {
    let mut story = Story::new(RetryPolicy::default());
    story.accept(1, 7, 0);
    story.accept(2, 7, 0);
    let earlier = story.send(1);
    assert_eq!(story.gives_up(0), [Told::Returned(2)]);
    story.accept(1, 7, 1);
    story.accept(2, 7, 1);
    story.rests();
    assert_eq!(story.desk.under_way(&[Epoch(0)]), 1);
    assert_eq!(story.ends(earlier, retry()), [Told::Returned(1)], "its new epoch has it again");
    assert_eq!(story.desk.under_way(&[Epoch(0)]), 0);
    let again = story.send(1);
    assert_eq!(again.entries()[0].item().epoch, 1);
    story.rests();
}

#[test]
fn what_was_delivered_after_its_epoch_was_given_up_is_settled_all_the_same() {
    let mut story = Story::new(RetryPolicy::default());
    story.accept(1, 7, 0);
    let delivery = story.send(1);
    assert_eq!(story.gives_up(0), []);
    assert_eq!(story.ends(delivery, Outcome::Delivered), [Told::Settled(1, 0, false)]);
    assert_eq!(story.desk.counts(), Counts::default());
}

#[test]
fn what_arrives_late_is_refused() {
    let mut story = Story::new(RetryPolicy::default());
    assert_eq!(story.gives_up(3), []);
    let late = || Rec { number: 1, lane: 7, epoch: 3 };
    assert_eq!(story.desk.accept(late()), Err(late()));
    story.accept(2, 7, 2);
    story.accept(3, 7, 4);
}

#[test]
fn giving_up_what_a_lane_waits_for_frees_it_for_its_next_epoch() {
    for on_rejected in [Action::Retry, Action::Stop, Action::DeadLetter] {
        let mut story = Story::new(RetryPolicy { on_rejected, ..Default::default() });
        story.accept(1, 7, 0);
        let delivery = story.send(1);
        story.ends(delivery, Outcome::rejected(failure()));
        if on_rejected == Action::DeadLetter {
            story.letter_ends(Err(failure()));
        }
        story.accept(2, 7, 1);
        story.rests();
        assert_eq!(story.gives_up(0), [Told::Returned(1)], "{on_rejected:?}");
        assert_eq!(story.desk.next_wake(), None);
        let _ = story.send(2);
    }
}

#[test]
fn lanes_freed_together_are_served_in_an_order_of_their_own() {
    // Many, for the map's order to differ: a history must replay the same everywhere.
    const LANES: u64 = 100;
    let spread = |lane: u64| lane.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut story = Story::new(RetryPolicy::default());
    for lane in 0..LANES {
        story.accept(0, spread(lane), 0);
        let delivery = story.send(0);
        story.ends(delivery, retry());
        story.accept(1, spread(lane), 1);
    }
    story.gives_up(0);
    story.desk.set_limit(usize::MAX);
    let served: Vec<_> = (0..LANES).map(|_| story.send(1).entries()[0].lane()).collect();
    assert!(served.is_sorted());
}

#[test]
fn parking_begins_once_and_is_visible() {
    let mut story = Story::new(RetryPolicy { max_attempts: 2, ..Default::default() });
    story.accept(1, 7, 0);
    let longest = Duration::from_secs(30);
    for told in [
        Told::Retry(1, 1, Duration::from_millis(200), 0),
        Told::Retry(1, 2, longest, 1),
        Told::Retry(1, 3, longest, 2),
    ] {
        let delivery = story.send(1);
        assert_eq!(story.ends(delivery, retry()), [told]);
        if story.desk.counts().parked == 0 {
            story.wakes();
            continue;
        }
        let Some(lane) = story.desk.stuck().next() else { panic!("it is not visible") };
        let Standing::Waiting(trouble) = lane.standing() else { panic!("{lane:?}") };
        assert_eq!((lane.id(), trouble.next()), (LaneId(7), Next::Park));
        assert_eq!(trouble.failure(), &failure());
        assert_eq!(trouble.since(), Moment::default());
        story.wakes();
    }
}

#[test]
fn a_dead_letter_keeps_its_lane_closed_and_holds_no_sender() {
    let mut story = Story::new(dead_lettering(1));
    story.desk.set_limit(1);
    for (number, lane) in [(1, 7), (2, 7), (3, 8)] {
        story.accept(number, lane, 0);
    }
    let delivery = story.send(1);
    assert_eq!(story.ends(delivery, retry()), [Told::DeadLetter(1, 1)]);
    assert_eq!(story.letters[0].failure(), &failure());
    let other = story.send(3);
    story.ends(other, Outcome::Delivered);
    story.rests();
    assert_eq!(story.letter_ends(Ok(())), [Told::Settled(1, 1, true)]);
    let _ = story.send(2);
}

#[test]
fn a_dead_letter_that_cannot_be_written_is_written_later_and_nothing_is_sent_again() {
    let mut story = Story::new(dead_lettering(1));
    story.accept(1, 7, 0);
    story.accept(2, 7, 0);
    let delivery = story.send(1);
    story.ends(delivery, Outcome::rejected(failure()));
    for tries in 1..4_u32 {
        let gone = Failure::new(FailureKind::Other, "broker down");
        let wait = Duration::from_millis(100 << tries);
        assert_eq!(story.letter_ends(Err(gone.clone())), [Told::LetterWaits(1, tries, wait)]);
        story.rests();
        let Some(lane) = story.desk.lane(LaneId(7)) else { panic!("no lane") };
        let Standing::Waiting(trouble) = lane.standing() else { panic!("{lane:?}") };
        assert_eq!(trouble.letter_failure(), Some(&gone));
        assert_eq!(trouble.failure(), &failure(), "the letter still says what the receiver said");
        assert_eq!(story.wakes(), [Told::DeadLetter(1, 1)]);
    }
    assert_eq!(story.letter_ends(Ok(())), [Told::Settled(1, 1, true)]);
    let _ = story.send(2);
}

#[test]
fn a_drain_includes_the_dead_letters() {
    for (result, told) in [(Ok(()), Told::Settled(1, 1, true)), (Err(failure()), Told::Returned(1))]
    {
        let mut story = Story::new(dead_lettering(1));
        story.accept(1, 7, 0);
        let delivery = story.send(1);
        story.gives_up(0);
        assert_eq!(story.ends(delivery, retry()), [Told::DeadLetter(1, 1)]);
        assert_eq!(story.desk.under_way(&[Epoch(0)]), 1);
        assert_eq!(story.letter_ends(result), [told]);
        assert_eq!(story.desk.under_way(&[Epoch(0)]), 0);
        assert_eq!(story.desk.counts(), Counts::default());
    }
}

#[test]
fn the_policy_can_drop_and_can_stop() {
    let drop = RetryPolicy { on_rejected: Action::Drop, ..Default::default() };
    let mut story = Story::new(drop);
    story.accept(1, 7, 0);
    let delivery = story.send(1);
    let rejected = || Outcome::rejected(failure());
    assert_eq!(story.ends(delivery, rejected()), [Told::Settled(1, 2, true)]);

    let stop = RetryPolicy { on_rejected: Action::Stop, ..Default::default() };
    let mut story = Story::new(stop);
    story.accept(1, 7, 0);
    story.accept(2, 7, 0);
    let delivery = story.send(1);
    assert_eq!(story.ends(delivery, rejected()), [Told::Stop(1, 1)]);
    story.now = story.now.after(SECOND * 1_000_000);
    story.desk.wake(story.now, &mut |effect| panic!("{effect:?}"));
    story.rests();
    assert_eq!(story.desk.counts().held, 1);
    assert_eq!(story.gives_up(0), [Told::Returned(1), Told::Returned(2)]);
}

#[test]
fn a_cancelled_record_is_returned_or_first_in_its_lane_again() {
    let mut story = Story::new(RetryPolicy::default());
    for (number, lane, epoch) in [(1, 7, 0), (2, 7, 0), (3, 8, 1)] {
        story.accept(number, lane, epoch);
    }
    let (kept, gone) = (story.send(1), story.send(3));
    story.gives_up(1);
    for delivery in [kept, gone] {
        let mut tell = tell(&mut story.told, &mut story.letters);
        story.desk.abandon(delivery, story.now, &mut tell);
    }
    assert_eq!(story.told, [Told::Returned(3)]);
    let again = story.send(1);
    assert_eq!(again.entries()[0].attempts(), 1);
    assert_eq!(story.desk.counts().lanes, 1);
}

#[test]
fn a_smaller_pool_interrupts_nothing_and_a_larger_one_starts_at_once() {
    let mut story = Story::new(RetryPolicy::default());
    for number in 0..9 {
        story.accept(number, number as u64, 0);
    }
    story.desk.set_limit(3);
    let mut under_way: VecDeque<_> = (0..3).map(|number| story.send(number)).collect();
    story.rests();
    story.desk.set_limit(1);
    for _ in 0..2 {
        let Some(delivery) = under_way.pop_front() else { panic!("two are under way") };
        story.ends(delivery, Outcome::Delivered);
        story.rests();
    }
    story.desk.set_limit(4);
    under_way.extend((3..6).map(|number| story.send(number)));
    story.rests();
    assert_eq!(story.desk.sending(), 4);
    story.desk.set_limit(0);
    for delivery in under_way {
        story.ends(delivery, Outcome::Delivered);
    }
    story.rests();
    assert_eq!((story.desk.sending(), story.desk.ready()), (0, 3));
}

#[test]
fn of_a_batch_only_what_failed_goes_again_in_order() {
    let mut story = Story::new(RetryPolicy::default());
    story.desk = Desk::new(RetryPolicy::default(), 10, Batch { lanes: 3, records: 10 });
    for (number, lane) in [(1, 7), (2, 7), (3, 7), (4, 8), (5, 9), (6, 6)] {
        story.accept(number, lane, 0);
    }
    let Some(delivery) = story.desk.dispatch(story.now) else { panic!("nothing is ready") };
    assert_eq!(numbers(&delivery), [1, 2, 3, 4, 5]);
    story.accept(7, 7, 0);
    story.accept(8, 8, 0);
    let outcomes = vec![retry(), Outcome::Delivered, retry(), Outcome::Delivered];
    let wait = Duration::from_millis(200);
    assert_eq!(
        story.ends(delivery, outcomes),
        [
            Told::Retry(1, 1, wait, 0),
            Told::Settled(2, 0, false),
            Told::Retry(3, 1, wait, 0),
            Told::Settled(4, 0, false),
            Told::Retry(5, 1, wait, 0),
        ],
        "the fifth has no outcome of its own: it is tried again"
    );
    let Some(lane) = story.desk.lane(LaneId(9)) else { panic!("no lane") };
    let Standing::Waiting(trouble) = lane.standing() else { panic!("{lane:?}") };
    assert!(trouble.failure().reason.contains("no outcome"), "{}", trouble.failure());
    let Some(others) = story.desk.dispatch(story.now) else { panic!("other lanes are ready") };
    assert_eq!(numbers(&others), [8, 6]);
    story.wakes();
    let Some(again) = story.desk.dispatch(story.now) else { panic!("the waits are over") };
    assert_eq!(numbers(&again), [1, 3, 7, 5]);
    let attempts: Vec<_> = again.entries().iter().map(Entry::attempts).collect();
    assert_eq!(attempts, [1, 1, 0, 1]);
}

#[test]
fn a_longer_wait_is_not_cut_short_by_the_record_before() {
    let mut story = Story::new(RetryPolicy::default());
    story.desk = Desk::new(RetryPolicy::default(), 10, Batch { lanes: 1, records: 2 });
    story.accept(1, 7, 0);
    story.accept(2, 7, 0);
    let Some(delivery) = story.desk.dispatch(story.now) else { panic!("nothing is ready") };
    let after = |wait| Outcome::Retry { after: Some(wait), failure: Box::new(failure()) };
    story.ends(delivery, vec![after(SECOND), after(SECOND * 60)]);
    story.wakes();
    let first = story.send(1);
    story.ends(first, Outcome::Delivered);
    story.rests();
    story.wakes();
    assert_eq!(story.now, Moment(SECOND * 60));
    let _ = story.send(2);
}
