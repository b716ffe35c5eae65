//! What goes into one delivery.

use super::*;

fn desk(lanes: impl IntoIterator<Item = (u64, u64)>, batch: Batch) -> Desk<Rec> {
    let mut desk = Desk::new(RetryPolicy::default(), 9, batch);
    for (number, (lane, epoch)) in lanes.into_iter().enumerate() {
        assert_eq!(desk.accept(Rec { number, lane, epoch }), Ok(()));
    }
    desk
}

/// The lanes of the next delivery, one number an entry.
fn take(desk: &mut Desk<Rec>) -> Vec<u64> {
    let delivery = desk.dispatch(Moment::default());
    delivery.iter().flat_map(Delivery::entries).map(|entry| entry.item().lane).collect()
}

#[test]
fn a_batch_fills_from_the_oldest_lanes_within_both_bounds() {
    let items = || [1, 2, 2, 2, 3, 3, 4].map(|lane| (lane, 1));
    let of = |lanes, records| take(&mut desk(items(), Batch { lanes, records }));
    assert_eq!(of(9, 9), [1, 2, 2, 2, 3, 3, 4]);
    assert_eq!(of(9, 3), [1, 2, 2]);
    assert_eq!(of(2, 9), [1, 2, 2, 2]);
    assert_eq!(of(1, 9), [1]);
    assert_eq!(of(0, 0), [1]);
    let mut some = desk(items(), Batch { lanes: 9, records: 5 });
    assert_eq!(some.counts().under_way, 0);
    assert_eq!(take(&mut some).len(), 5);
    assert_eq!((some.counts().under_way, some.counts().queued), (5, 2));
}

#[test]
fn a_batch_never_mixes_epochs_within_a_lane() {
    let mut desk = desk([1, 1, 2, 1].map(|epoch| (5, epoch)), Batch { lanes: 4, records: 8 });
    for records in [2, 1, 1] {
        let Some(delivery) = desk.dispatch(Moment::default()) else { panic!("the lane is ready") };
        assert_eq!(delivery.entries().len(), records);
        desk.conclude(delivery, Outcome::Delivered, Moment::default(), 0, &mut |_| {});
    }
}
