use super::*;

pub(super) const SECS: fn(u64) -> Duration = Duration::from_secs;

pub(super) fn at(millis: u64) -> Moment {
    Moment(Duration::from_millis(millis))
}

fn policy() -> BreakerPolicy {
    BreakerPolicy { min_requests: 4, ..BreakerPolicy::default() }
}

/// A request that begins and ends at once.
pub(super) fn request(breaker: &mut Breaker, health: Health, now: Moment) -> Option<Change> {
    assert_eq!(breaker.may_begin(now), Permission::Go);
    let ticket = breaker.began(now);
    breaker.ended(ticket, health, now)
}

/// A breaker that opened at 1 s, until 6 s.
fn opened() -> Breaker {
    let mut breaker = Breaker::new(policy());
    for _ in 0..3 {
        assert_eq!(request(&mut breaker, Health::Ill, at(1_000)), None);
    }
    let opened = Change::Opened { until: at(6_000), failures: 4, requests: 4 };
    assert_eq!(request(&mut breaker, Health::Ill, at(1_000)), Some(opened));
    breaker
}

#[test]
fn it_opens_at_the_ratio_and_not_below_it() {
    let mut breaker = Breaker::new(BreakerPolicy { failure_ratio: 0.6, ..policy() });
    for health in [Health::Ill, Health::Ill, Health::Well, Health::Well] {
        assert_eq!(request(&mut breaker, health, at(1)), None);
    }
    let opened = Change::Opened { until: at(5_001), failures: 3, requests: 5 };
    assert_eq!(request(&mut breaker, Health::Ill, at(1)), Some(opened));
}

#[test]
fn it_opens_on_a_success_that_makes_up_the_number() {
    let mut breaker = Breaker::new(policy());
    for _ in 0..3 {
        assert_eq!(request(&mut breaker, Health::Ill, at(1)), None);
    }
    let opened = Change::Opened { until: at(5_001), failures: 3, requests: 4 };
    assert_eq!(request(&mut breaker, Health::Well, at(1)), Some(opened));
}

#[test]
fn what_left_the_window_does_not_count() {
    let mut breaker = Breaker::new(policy());
    for second in 0..20 {
        assert_eq!(request(&mut breaker, Health::Ill, at(second * 4_000)), None, "three in 10 s");
    }
    let mut breaker = Breaker::new(policy());
    for _ in 0..3 {
        request(&mut breaker, Health::Ill, at(0));
    }
    assert_eq!(breaker.clone().ended(Ticket(1), Health::Ill, at(10_000)), None);
    assert!(breaker.ended(Ticket(1), Health::Ill, at(9_999)).is_some());
}

#[test]
fn an_end_that_comes_with_an_earlier_time_disturbs_nothing() {
    let mut breaker = Breaker::new(policy());
    for millis in [10_000, 10_000, 5_000] {
        assert_eq!(request(&mut breaker, Health::Ill, at(millis)), None);
    }
    assert!(request(&mut breaker, Health::Ill, at(10_000)).is_some());
}

#[test]
fn the_shortest_window_is_a_window() {
    let window = Duration::from_nanos(1);
    let mut breaker = Breaker::new(BreakerPolicy { window, ..policy() });
    for _ in 0..3 {
        assert_eq!(request(&mut breaker, Health::Ill, at(1)), None);
    }
    assert!(request(&mut breaker, Health::Ill, at(1)).is_some());
}

#[test]
fn while_open_nothing_begins_until_its_time() {
    let mut breaker = opened();
    assert_eq!(breaker.may_begin(at(5_999)), Permission::At(at(6_000)));
    let state = BreakerState::Open { since: at(1_000), until: at(6_000) };
    assert_eq!(breaker.state(at(5_999)), state);
    assert_eq!(breaker.began(at(5_999)), STRAY);
    assert_eq!(breaker.state(at(5_999)), state);
    assert_eq!(breaker.state(at(6_000)), BreakerState::HalfOpen);
    assert_eq!(breaker.may_begin(at(6_000)), Permission::Go);
}

#[test]
fn one_probe_at_a_time_and_its_success_closes() {
    let mut breaker = opened();
    let probe = breaker.began(at(6_000));
    assert_eq!(breaker.may_begin(at(90_000)), Permission::AfterProbe);
    assert_eq!(
        breaker.ended(probe, Health::Well, at(7_000)),
        Some(Change::Closed { open_for: SECS(6) })
    );
    assert_eq!(breaker.state(at(7_000)), BreakerState::Closed);
    for _ in 0..3 {
        assert_eq!(
            request(&mut breaker, Health::Ill, at(7_000)),
            None,
            "the window is empty again"
        );
    }
}

#[test]
fn a_failed_probe_opens_it_for_twice_as_long_up_to_the_limit() {
    let mut breaker = opened();
    let mut now = at(6_000);
    for open_for in [10, 20, 40, 60, 60] {
        let until = now.after(SECS(open_for));
        let opened = Change::Opened { until, failures: 1, requests: 1 };
        assert_eq!(request(&mut breaker, Health::Ill, now), Some(opened));
        assert_eq!(breaker.state(now), BreakerState::Open { since: at(1_000), until });
        now = until;
    }
    assert!(matches!(request(&mut breaker, Health::Well, now), Some(Change::Closed { .. })));
    for _ in 0..3 {
        request(&mut breaker, Health::Ill, now);
    }
    let opened = Change::Opened { until: now.after(SECS(5)), failures: 4, requests: 4 };
    assert_eq!(request(&mut breaker, Health::Ill, now), Some(opened), "from the beginning again");
}

#[test]
fn several_probes_have_to_go_well_in_a_row() {
    let mut breaker = Breaker::new(BreakerPolicy { probes: 3, min_requests: 1, ..policy() });
    request(&mut breaker, Health::Ill, at(0));
    assert_eq!(request(&mut breaker, Health::Well, at(5_000)), None);
    assert_eq!(request(&mut breaker, Health::Well, at(5_000)), None);
    let opened = Change::Opened { until: at(15_000), failures: 1, requests: 3 };
    assert_eq!(request(&mut breaker, Health::Ill, at(5_000)), Some(opened));
    for _ in 0..2 {
        assert_eq!(request(&mut breaker, Health::Well, at(15_000)), None);
    }
    assert_eq!(
        request(&mut breaker, Health::Well, at(15_000)),
        Some(Change::Closed { open_for: SECS(15) })
    );
}

#[test]
fn an_abandoned_probe_lets_the_next_one_go() {
    let mut breaker = opened();
    for _ in 0..3 {
        assert_eq!(request(&mut breaker, Health::Unknown, at(6_000)), None);
        assert_eq!(breaker.state(at(6_000)), BreakerState::HalfOpen);
    }
    let probe = breaker.began(at(6_000));
    assert_eq!(breaker.ended(probe, Health::Unknown, at(6_000)), None);
    assert_eq!(breaker.ended(probe, Health::Well, at(6_000)), None, "it ends once");
    assert!(request(&mut breaker, Health::Well, at(6_000)).is_some());
}

#[test]
fn requests_from_before_are_no_probes() {
    let mut breaker = Breaker::new(policy());
    let old = breaker.began(at(0));
    for _ in 0..4 {
        request(&mut breaker, Health::Ill, at(0));
    }
    assert_eq!(breaker.ended(old, Health::Well, at(1)), None);
    assert_eq!(breaker.may_begin(at(1)), Permission::At(at(5_000)));
    let stray = breaker.began(at(1));
    let probe = breaker.began(at(5_000));
    let second = breaker.began(at(5_000));
    for ticket in [old, stray, second] {
        for health in [Health::Well, Health::Ill, Health::Unknown] {
            assert_eq!(breaker.ended(ticket, health, at(5_000)), None);
            assert_eq!(breaker.may_begin(at(5_000)), Permission::AfterProbe);
        }
    }
    assert!(breaker.ended(probe, Health::Ill, at(5_000)).is_some());
    let next = breaker.began(at(15_000));
    assert_eq!(breaker.ended(probe, Health::Well, at(15_000)), None, "the probe before last");
    assert!(breaker.ended(next, Health::Well, at(15_000)).is_some());
    assert_eq!(breaker.ended(next, Health::Ill, at(15_000)), None);
}

#[test]
fn a_policy_is_refused_with_what_is_allowed() {
    let fine = BreakerPolicy::default();
    assert_eq!(fine.check(), Ok(()));
    assert_eq!(BreakerPolicy { failure_ratio: 1.0, ..fine }.check(), Ok(()));
    for ratio in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY] {
        let refused = BreakerPolicy { failure_ratio: ratio, ..fine }.check().unwrap_err();
        assert!(matches!(refused, BreakerPolicyError::FailureRatio(_)), "{ratio}");
    }
    let refused = [
        (BreakerPolicy { min_requests: 0, ..fine }, "min_requests is 0: it must be at least 1"),
        (BreakerPolicy { window: SECS(0), ..fine }, "window is zero: it must be longer"),
        (BreakerPolicy { open_for: SECS(0), ..fine }, "open_for is zero: it must be longer"),
        (
            BreakerPolicy { max_open_for: SECS(4), ..fine },
            "max_open_for is 4s: it must be at least open_for, 5s",
        ),
        (BreakerPolicy { probes: 0, ..fine }, "probes is 0: it must be at least 1"),
    ];
    for (policy, says) in refused {
        assert_eq!(policy.check().unwrap_err().to_string(), says);
    }
}
