//! Destinations without a desk: how many are known, and which are forgotten.

use super::*;

const NOW: Moment = Moment(Duration::ZERO);

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn name(number: usize) -> Arc<str> {
    format!("http://host-{number}:80").into()
}

/// As many as there may be, the first used first.
fn full() -> Destinations {
    let mut all = Destinations::new(Terms::default());
    for number in 0..MOST {
        assert!(all.find(&name(number), at(number as u64)).is_some());
    }
    all
}

#[test]
fn a_name_is_the_same_destination_until_it_is_forgotten() {
    let mut all = Destinations::new(Terms::default());
    let (one, other) = (all.find(&name(1), NOW), all.find(&name(2), NOW));
    assert_ne!(one, other);
    assert_eq!(one, all.find(&name(1), at(5)));
    assert_eq!(all.views(all.pool(9, 9), NOW).count(), 2);
}

#[test]
fn the_one_that_was_idle_for_longest_makes_room() {
    let mut all = full();
    let first = all.find(&name(0), NOW).expect("it is known");
    let _under_way = all.began(first, at(1));
    let new = all.find(&name(MOST), at(5_000)).expect("there is room");
    assert_eq!(all.views(all.pool(9, 9), NOW).count(), MOST);
    assert_eq!(all.name(new), &name(MOST));
    assert!(all.names.contains_key(&name(0)), "a request to it is under way");
    assert!(!all.names.contains_key(&name(1)));
}

#[test]
fn where_all_are_busy_a_lane_waits_for_a_place() {
    let mut all = full();
    let ids: Vec<_> = (0..MOST).map(|number| all.find(&name(number), NOW)).collect();
    let tickets: Vec<_> = ids.iter().flatten().map(|id| (*id, all.began(*id, NOW))).collect();
    assert_eq!(all.find(&name(MOST), NOW), None);
    all.queue_homeless(LaneId(7));
    assert_eq!((all.next_homeless(), all.waiting()), (None, 1));
    let (id, ticket) = tickets[3];
    let report = Report { health: Health::Well, answer: Answer::Answered, took: IDLE, rest: None };
    all.ended(id, ticket, report, all.pool(9, 9), NOW);
    assert_eq!(all.next_homeless(), Some(LaneId(7)));
    assert!(all.find(&name(MOST), NOW).is_some());
}

#[test]
fn what_is_idle_for_long_is_forgotten() {
    let mut all = Destinations::new(Terms::default());
    let busy = all.find(&name(1), NOW).expect("there is room");
    let _under_way = all.began(busy, NOW);
    all.find(&name(2), at(500));
    all.find(&name(3), NOW);
    all.sweep(NOW.after(IDLE));
    assert_eq!(all.names.len(), 3, "not before its time");
    all.sweep(NOW.after(IDLE + Duration::from_millis(1)));
    assert!(all.names.contains_key(&name(1)) && all.names.contains_key(&name(2)));
    assert_eq!(all.names.len(), 2);
}

#[test]
fn arbiters_share_the_rate_of_a_destination_and_forget_it_together() {
    let rates = Rates::default();
    let one = rates.of(&name(1));
    assert!(Arc::ptr_eq(&one, &rates.of(&name(1))));
    assert!(!Arc::ptr_eq(&one, &rates.of(&name(2))));
    one.rest_until(at(5));
    one.rest_until(at(3));
    assert_eq!(rates.of(&name(1)).rests_until(), at(5), "on every arbiter, and never sooner");
    drop(one);
    assert_eq!(rates.of(&name(1)).rests_until(), NOW);
}

/// What the adaptive limit of a destination comes to where so many senders work for it alone, and it
/// answers as fast however many there are.
fn settled(all: &mut Destinations, senders: usize) -> Option<u32> {
    let id = all.find(&name(1), NOW).expect("there is room");
    let mut tickets = VecDeque::new();
    for _ in 0..5_000 {
        let pool = |all: &Destinations, busy: usize| all.pool(senders, senders - busy);
        while tickets.len() < senders && all.admits(id, pool(all, tickets.len()), NOW) {
            tickets.push_back(all.began(id, NOW));
        }
        let ended = tickets.pop_front();
        answer(all, id, ended, pool(all, tickets.len()));
    }
    while let Some(ticket) = tickets.pop_front() {
        answer(all, id, Some(ticket), all.pool(0, 0));
    }
    all.all[id.index()].limit()
}

fn answer(all: &mut Destinations, id: DestinationId, ticket: Option<Ticket>, pool: Pool) {
    let took = Duration::from_millis(10);
    let report = Report { health: Health::Well, answer: Answer::Answered, took, rest: None };
    all.ended(id, ticket.expect("one is under way"), report, pool, NOW);
}

#[test]
fn an_adaptive_limit_follows_the_pool() {
    let adaptive = Terms { adaptive: true, ..Terms::default() };
    let mut all = Destinations::new(adaptive.clone());
    for senders in [20, 300, 50, 1, 20] {
        assert_eq!(settled(&mut all, senders), u32::try_from(senders).ok());
    }
    let shared = Terms { several: true, ..adaptive };
    let mut own = Destinations::new(Terms { max_in_flight: Some(30), ..shared.clone() });
    let mut shared = Destinations::new(shared);
    for (senders, half, own_or_all) in [(20, 10, 20), (300, 150, 30), (50, 25, 30)] {
        assert_eq!(settled(&mut shared, senders), Some(half));
        assert_eq!(settled(&mut own, senders), Some(own_or_all));
    }
}
