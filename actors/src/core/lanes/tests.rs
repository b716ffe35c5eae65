//! Lanes without a desk: who is served when, what goes together, and what memory is kept.

use super::*;

struct Num(u64, u64);

impl Item for Num {
    fn lane(&self) -> LaneId {
        LaneId(self.0)
    }
    fn epoch(&self) -> Epoch {
        Epoch(self.1)
    }
}

const NOW: Moment = Moment(std::time::Duration::ZERO);

fn lanes(items: impl IntoIterator<Item = u64>) -> Lanes<Num> {
    let mut lanes = Lanes::default();
    items.into_iter().for_each(|lane| lanes.push(Num(lane, 1)));
    lanes
}

/// Takes the head of the lane whose turn it is; says which.
fn take(lanes: &mut Lanes<Num>) -> Option<u64> {
    let id = lanes.next()?;
    assert_eq!(lanes.take(id).lane(), id);
    Some(id.0)
}

#[test]
fn a_lane_that_goes_on_takes_turns_with_those_that_came() {
    let hot = std::iter::repeat_n(0, 50);
    let mut lanes = lanes(hot.chain(1..=9));
    let mut served = Vec::new();
    while let Some(lane) = take(&mut lanes) {
        served.push(lane);
        assert!(lanes.open(LaneId(lane), NOW).is_none());
    }
    assert_eq!(served[..10], [0, 0, 1, 0, 2, 0, 3, 0, 4, 0]);
    assert_eq!(served.len(), 59);
    assert_eq!(lanes.counts(), Counts::default());
}

#[test]
fn a_ready_lane_waits_for_no_more_than_twice_those_before_it() {
    let mut lanes = lanes((0..40).flat_map(|lane| [lane; 3]));
    let mut under_way = Vec::new();
    // By lane, the turn it is to get at the latest: two for each lane that was ready before it.
    let mut latest: HashMap<u64, usize> = (0..40).zip((1..).step_by(2)).collect();
    for turn in 0..120 {
        let Some(lane) = take(&mut lanes) else { panic!("nothing is ready") };
        assert!(turn <= latest[&lane], "lane {lane}: {turn} > {}", latest[&lane]);
        under_way.push(lane);
        // The newest ends first: when a lane ends must not matter to who is served before it.
        let ends = if lanes.ready() == 0 { under_way.len() } else { usize::from(turn % 3 > 0) };
        for lane in under_way.drain(under_way.len() - ends..) {
            latest.insert(lane, turn + 2 + 2 * lanes.ready());
            assert!(lanes.open(LaneId(lane), NOW).is_none());
        }
    }
    assert_eq!(lanes.counts(), Counts::default());
}

#[test]
fn a_closed_lane_hands_out_nothing() {
    let mut lanes = lanes([7, 7, 7]);
    assert_eq!(take(&mut lanes), Some(7));
    lanes.push(Num(7, 2));
    assert_eq!(take(&mut lanes), None);
    assert_eq!(lanes.ready(), 0);
    let _ = lanes.open(LaneId(7), NOW);
    assert_eq!(take(&mut lanes), Some(7));
}

#[test]
fn memory_of_a_burst_is_given_back() {
    const MANY: u64 = 50_000;
    let mut lanes = lanes((0..MANY).chain(std::iter::repeat_n(MANY, 50_000)));
    let burst = (lanes.all.capacity(), lanes.queued.slots(), lanes.ready.capacity());
    for lane in 0..MANY {
        assert_eq!(take(&mut lanes), Some(lane));
        let _ = lanes.open(LaneId(lane), NOW);
    }
    // What is left is one long queue: only the lanes' own memory is not needed any more.
    assert_eq!(lanes.queued.len(), 50_000);
    assert!(lanes.all.capacity() < burst.0 / 20, "{} of {}", lanes.all.capacity(), burst.0);
    for left in (0..50_000).rev() {
        assert_eq!(take(&mut lanes), Some(MANY));
        let _ = lanes.open(LaneId(MANY), NOW);
        assert_eq!(lanes.queued.len(), left);
    }
    assert!(lanes.queued.slots() < burst.1 / 20, "{} of {}", lanes.queued.slots(), burst.1);
    assert!(lanes.ready.capacity() < burst.2 / 20);
}

#[test]
fn packing_keeps_every_queue_in_order() {
    let mut lanes = Lanes::default();
    for at in 0..30_000 {
        lanes.push(Num(at % 300, at));
    }
    let keep = |epoch: u64| epoch.is_multiple_of(10) && epoch >= 20_000;
    lanes.retain(|entry| keep(entry.item.epoch().0), drop);
    assert_eq!(lanes.queued.slots(), 1_000, "packed");
    assert_eq!(lanes.counts().lanes, 30);
    for lane in lanes.views() {
        let epochs: Vec<_> = lane.queued().map(|entry| entry.item().1).collect();
        assert_eq!(epochs.len(), 33 + usize::from(lane.id().0 >= 200), "{epochs:?}");
        assert!(epochs.is_sorted());
    }
}
