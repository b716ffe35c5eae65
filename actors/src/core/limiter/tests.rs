use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn rate(requests: u32, per: Duration, burst: u32) -> Rate {
    Rate::new(NonZeroU32::new(requests).unwrap(), per, NonZeroU32::new(burst).unwrap())
}

fn limiter(requests: u32, per: Duration, burst: u32) -> Limiter {
    Limiter::new(rate(requests, per, burst), Arc::default())
}

fn at(millis: u64) -> Moment {
    Moment(MS(millis))
}

/// Takes all there is at `now`; where it ended.
fn drain(limiter: &Limiter, now: Moment) -> (u32, Moment) {
    let mut taken = 0;
    loop {
        match limiter.take(now) {
            Ok(()) => taken += 1,
            Err(again) => return (taken, again),
        }
    }
}

#[test]
fn after_a_rest_a_burst_begins_and_the_rest_evenly() {
    let limiter = limiter(10, MS(1_000), 4);
    assert_eq!(drain(&limiter, at(0)), (4, at(100)));
    assert_eq!(drain(&limiter, at(99)), (0, at(100)));
    assert_eq!(drain(&limiter, at(100)), (1, at(200)));
    assert_eq!(drain(&limiter, at(350)), (2, at(400)), "what was due meanwhile is made up for");
    assert_eq!(drain(&limiter, at(60_000)), (4, at(60_100)), "and no more than the burst");
}

#[test]
fn to_ask_takes_nothing() {
    let limiter = limiter(1, MS(1_000), 1);
    assert_eq!(limiter.next(at(0)), at(0));
    assert_eq!(limiter.next(at(0)), at(0));
    assert_eq!(limiter.take(at(0)), Ok(()));
    assert_eq!(limiter.next(at(0)), at(997));
    assert_eq!(limiter.next(at(998)), at(998));
    assert_eq!(limiter.take(at(5)), Err(at(997)), "of the interval, 3 ms are for being late");
    assert_eq!(limiter.take(at(997)), Ok(()));
}

#[test]
fn the_interval_is_rounded_up() {
    assert_eq!(rate(3, MS(1), 1).interval, 333_334);
    assert_eq!(rate(4, MS(1), 1).interval, 250_000);
    assert_eq!(rate(u32::MAX, MS(0), 1).interval, 1);
}

#[test]
fn wake_ups_that_come_late_cost_no_rate() {
    // The thread sleeps on a timer of 1 ms resolution and comes up to 2 ms late.
    for requests in [10, 100, 500, 5_000, 50_000] {
        let limiter = limiter(requests, MS(1_000), 1);
        let (mut now, mut taken, mut late) = (at(0), 0, 0_u64);
        while now < at(20_000) {
            let (more, again) = drain(&limiter, now);
            taken += more;
            late = (late * 7 + 1_301) % 2_001;
            let tick = again.0.as_nanos().div_ceil(1_000_000);
            now = at(u64::try_from(tick).unwrap()).after(Duration::from_micros(late));
        }
        assert!(taken >= requests * 20 * 99 / 100, "{taken} of {}", requests * 20);
        assert!(taken <= requests * 20 + requests / 300 + 1, "{taken} of {}", requests * 20);
    }
}

#[test]
fn a_hold_is_kept_to_and_followed_by_the_rate() {
    let limiter = limiter(10, MS(1_000), 5);
    let other = limiter.clone();
    assert_eq!(limiter.take(at(0)), Ok(()));
    other.hold_until(at(5_000));
    assert_eq!(limiter.take(at(4_999)), Err(at(5_000)));
    limiter.hold_until(at(2_000));
    assert_eq!(limiter.next(at(0)), at(5_000), "a shorter one changes nothing");
    assert_eq!(drain(&limiter, at(5_000)), (1, at(5_100)), "no burst");
    assert_eq!(drain(&limiter, at(9_000)).0, 5, "until it has rested again");
}

#[test]
fn threads_share_the_rate() {
    let limiter = limiter(1_000, MS(1_000), 50);
    let taken: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let limiter = limiter.clone();
                scope.spawn(move || (0..=2_000).map(|ms| drain(&limiter, at(ms)).0).sum::<u32>())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // A thread that is behind comes with an earlier time, and takes nothing that was not due.
    assert_eq!(taken, 2_050);
}

#[test]
fn the_far_end_of_time_is_no_harm() {
    let longest = limiter(1, Duration::MAX, u32::MAX);
    assert_eq!(longest.take(Moment(Duration::MAX)), Ok(()));
    let limiter = limiter(1, MS(1_000), 1);
    limiter.hold_until(Moment(Duration::MAX));
    assert_eq!(
        limiter.take(at(u64::from(u32::MAX))).map_err(|again| again > at(1 << 40)),
        Err(true)
    );
}

proptest! {
    #[test]
    fn no_window_has_more_than_burst_and_rate(
        requests in 1_u32..20_000, per in 1_u64..5_000, burst in 1_u32..200,
        steps in prop::collection::vec((0_u64..20_000, any::<bool>(), any::<bool>()), 1..300),
    ) {
        let one = limiter(requests, MS(per), burst);
        let other = one.clone();
        let Rate { interval, tolerance } = one.rate;
        let (mut now, mut begun) = (Moment::default(), Vec::new());
        for (step, to_the_moment, which) in steps {
            let limiter = if which { &one } else { &other };
            now = now.after(Duration::from_micros(step));
            if to_the_moment {
                now = limiter.next(now);
                prop_assert_eq!(limiter.take(now), Ok(()), "who comes when told may begin");
                begun.push(nanos(now));
            }
            while begun.len() < 2_000 {
                let next = limiter.next(now);
                match limiter.take(now) {
                    Ok(()) => begun.push(nanos(now)),
                    Err(again) => {
                        prop_assert!(again > now && again == next);
                        break;
                    }
                }
            }
        }
        for (from, start) in begun.iter().enumerate().step_by(7) {
            for (to, end) in begun.iter().enumerate().skip(from) {
                let most = 1 + (tolerance + end - start) / interval;
                prop_assert!(u64::try_from(to - from + 1).unwrap() <= most);
            }
        }
    }

    #[test]
    fn whoever_always_comes_when_told_gets_the_rate(
        requests in 1_u32..50_000, per in 1_u64..5_000, burst in 1_u32..50,
    ) {
        let limiter = limiter(requests, MS(per), burst);
        let mut now = Moment::default();
        for _ in 0..1_000 {
            now = limiter.next(now);
            prop_assert_eq!(limiter.take(now), Ok(()));
        }
        let due = Duration::from_nanos(limiter.rate.interval * 999);
        prop_assert!(now.0 <= due, "{:?} for what takes {:?}", now.0, due);
    }

    #[test]
    fn a_hold_holds_back_everything(until in 0_u64..1_000_000, now in 0_u64..1_000_000, burst in 1_u32..100) {
        let limiter = limiter(7, MS(1_000), burst);
        limiter.hold_until(at(until));
        prop_assert_eq!(limiter.take(at(now)).is_ok(), now >= until);
    }

    #[test]
    fn any_numbers_are_taken_without_harm(
        requests: u32, per: Duration, burst: u32, moments: Vec<(Duration, bool)>,
    ) {
        let limiter = limiter(requests.max(1), per, burst.max(1));
        for (moment, hold) in moments {
            if hold {
                limiter.hold_until(Moment(moment));
            }
            let _ = limiter.take(Moment(moment));
            prop_assert!(limiter.next(Moment(moment)) >= Moment(moment));
        }
    }
}
