//! Asked while records move: a record is in one place at a time, and never goes back.

use keyway_actors::Ordering;

use super::*;

/// How far a record is on its way.
fn progress(place: &Place) -> u8 {
    match place {
        Place::NotAssigned | Place::NotFetched { .. } => 0,
        Place::HeldBySpan { .. } => 1,
        Place::InTransit => 2,
        Place::Queued { .. }
        | Place::InFlight { .. }
        | Place::Retry(_)
        | Place::Parked(_)
        | Place::Destination { .. }
        | Place::DeadLettering(_)
        | Place::Stopped(_) => 3,
        Place::Settled { .. } => 4,
    }
}

#[test]
fn a_record_is_never_told_to_be_where_it_was_before() {
    let stage = Asked::new(1);
    stage.endpoint.script(script::slow(
        Duration::from_millis(1),
        Duration::from_millis(4),
        1,
        script::fail_share(7, 0.2, 503),
    ));
    let mut config = stage.config();
    config.senders = 8.try_into().unwrap();
    config.retry.initial = Duration::from_millis(1);
    let pipeline = stage.start(config);
    let keys: Vec<String> = (0..4_000).map(|n| format!("k{}", n % 60)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let sent = stage.produce(&keys);
    let (mut rng, mut reached) = (Rng::new(3), vec![0; sent.len()]);
    let mut seen = [0; 5];
    wait_for("all to be settled", || {
        for _ in 0..50 {
            let index = usize::try_from(rng.below(sent.len() as u64)).unwrap();
            let offset = sent[index].id.offset;
            let asked = stage.endpoint.look(|ledger| ledger.attempts(&sent[index].id) > 0);
            let record = stage.try_record(&pipeline, 0, offset).ok()?;
            let now = progress(&record.place);
            assert!(!asked || now >= 3, "{offset} was sent, and is told to be {:?}", record.place);
            let so_far = &mut reached[index];
            assert!(now >= *so_far, "{offset} was {so_far}, and is {:?}", record.place);
            *so_far = now;
            seen[usize::from(now)] += 1;
        }
        (stage.endpoint.look(Ledger::delivered) == sent.len()).then_some(())
    });
    assert!(seen[3] > 0 && seen[4] > 0, "{seen:?}");
    for one in &sent {
        stage.wait_for(&pipeline, one.id.offset, "settled", |it| {
            matches!(it, Place::Settled { .. })
        });
    }
    wait_for("no lanes", || (stage.lanes(&pipeline, None, 10).matching == 0).then_some(()));
    assert!(stage.key(&pipeline, "k1").partitions.is_empty());
    stage.stop(&pipeline);
}

#[test]
fn a_key_is_found_whatever_makes_the_lanes() {
    for (ordering, behind) in [(Ordering::Partition, 1), (Ordering::Unordered, 0)] {
        let stage = Asked::new(1);
        stage.endpoint.script(by_key);
        stage.produce(&["hangs", "fails", "fails"]);
        let mut config = stage.config();
        config.ordering = ordering;
        let pipeline = stage.start(config);
        let count = || stage.key(&pipeline, "fails").partitions.pop();
        let told = wait_for("both of them", || {
            // In lanes of their own they fail, one after the other.
            let told = count()?;
            let place = &told.first.as_ref()?.place;
            let settled = match ordering {
                Ordering::Unordered => matches!(place, Place::Retry(_)),
                _ => *place == Place::Queued { behind },
            };
            (told.in_lanes == 2 && settled).then_some(told)
        });
        assert_eq!(told.first.map(|first| first.offset), Some(1));
        stage.stop(&pipeline);
    }
}
