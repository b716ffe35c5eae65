//! What the desk says of its lanes and items: in random histories against the model, and in
//! stories of what a destination does.

use super::model::{Lane, Model, State};
use super::*;
use crate::core::breaker::BreakerPolicy;
use crate::core::destinations::{Terms, Wait};

/// Checks what is told of a lane against the model's.
fn check_lane(desk: &Desk<Rec>, plain: &Lane, now: Moment) {
    let Some(view) = desk.lane(LaneId(plain.id)) else { panic!("no lane {plain:?}") };
    let next = plain.queue.first().map(|head| head.next);
    match (desk.doing(&view, now), &plain.state) {
        (Doing::Ready, State::Ready)
        | (Doing::Sending, State::Sending(_))
        | (Doing::Lettering, State::Lettering(_)) => {}
        (Doing::Waiting(_), State::Waiting) => assert_eq!(next, Some(Next::Send)),
        (Doing::Parked(_), State::Waiting) => assert_eq!(next, Some(Next::Park)),
        (Doing::LetterWaits(_), State::Waiting) => assert_eq!(next, Some(Next::Letter)),
        (Doing::Stopped(_), State::Held) => assert_eq!(next, Some(Next::Hold)),
        (told, plain) => panic!("{told:?} against {plain:?}"),
    }
}

/// Checks that of each item one thing is told, and that it is what the model says; `records` are
/// the lanes of all there ever were, and whether they are still inside.
pub(super) fn check(desk: &Desk<Rec>, model: &Model, records: &[(u64, bool)], now: Moment) {
    model.lanes.iter().for_each(|plain| check_lane(desk, plain, now));
    let queued: usize = model.lanes.iter().map(|plain| plain.queue.len()).sum();
    assert_eq!(desk.queued().count(), queued);
    for (number, &(lane, inside)) in records.iter().enumerate() {
        let plain = model.lanes.iter().find(|plain| plain.id == lane);
        let under_way: Vec<usize> = match plain.map(|plain| &plain.state) {
            Some(State::Sending(part)) => part.iter().map(|entry| entry.number).collect(),
            Some(State::Lettering(entry)) => vec![entry.number],
            _ => Vec::new(),
        };
        let queue = plain.map_or(&[][..], |plain| &plain.queue);
        let before = queue.iter().position(|entry| entry.number == number);
        let told = desk.position(LaneId(lane), |item| item.number == number);
        assert_eq!(told.as_ref().map(|it| it.behind), before.map(|it| it + under_way.len()));
        assert!(told.is_none_or(|it| it.entry.item().number == number));
        let here = u8::from(before.is_some()) + u8::from(under_way.contains(&number));
        assert_eq!(here, u8::from(inside), "{number} is in one place while it is inside");
    }
}

/// A desk with an item in each of so many lanes.
fn desk(terms: Terms, lanes: usize) -> Desk<Rec> {
    let mut desk = Desk::with_terms(RetryPolicy::default(), terms, 4, Batch::ONE);
    for number in 0..lanes {
        assert_eq!(desk.accept(Rec { number, lane: number as u64, epoch: 0 }), Ok(()));
    }
    desk
}

fn doing(desk: &Desk<Rec>, lane: u64, now: Moment) -> Doing<'_> {
    let Some(view) = desk.lane(LaneId(lane)) else { panic!("no lane {lane}") };
    desk.doing(&view, now)
}

#[test]
fn a_full_destination_is_named_with_what_it_bears() {
    let terms = Terms { only: "http://h:80".into(), max_in_flight: Some(1), ..Terms::default() };
    let mut desk = desk(terms, 3);
    let now = Moment::default();
    let Some(delivery) = desk.dispatch(now) else { panic!("one may go") };
    assert!(desk.dispatch(now).is_none());
    assert_eq!(&**desk.destination_of(&delivery), "http://h:80");
    for lane in [1, 2] {
        let told = doing(&desk, lane, now);
        let Doing::Destination(Some(name), Some(Wait::Full(1))) = told else { panic!("{told:?}") };
        assert_eq!(&**name, "http://h:80");
    }
    assert!(matches!(doing(&desk, 0, now), Doing::Sending));
    desk.conclude(delivery, Outcome::Delivered, now, 0, &mut |_| {});
    let told = doing(&desk, 1, now);
    assert!(matches!(told, Doing::Destination(Some(_), None)), "it may go now: {told:?}");
}

#[test]
fn an_open_breaker_is_told_with_its_end() {
    let breaker = BreakerPolicy { min_requests: 1, ..BreakerPolicy::default() };
    let mut desk = desk(Terms { breaker: Some(breaker), ..Terms::default() }, 2);
    let now = Moment::default();
    let Some(delivery) = desk.dispatch(now) else { panic!("one may go") };
    desk.conclude(delivery, Outcome::retry(failure()), now, u64::MAX, &mut |_| {});
    assert!(desk.dispatch(now).is_none());
    let told = doing(&desk, 1, now);
    let Doing::Destination(Some(_), Some(Wait::Breaker(until))) = told else { panic!("{told:?}") };
    assert!(until > now);
    assert!(matches!(doing(&desk, 0, now), Doing::Waiting(_)), "its own wait comes first");
}
