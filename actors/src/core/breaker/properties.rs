use proptest::prelude::*;

use super::tests::{SECS, at, request};
use super::*;

/// A step of a schedule: time passes, and a request begins or one of those under way ends.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Force,
    End(usize, Health),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let health = prop_oneof![Just(Health::Well), Just(Health::Ill), Just(Health::Unknown)];
    let step = prop_oneof![
        4 => Just(Step::Begin),
        1 => Just(Step::Force),
        4 => (0_usize..8, health).prop_map(|(which, health)| Step::End(which, health)),
    ];
    (0_u64..3_000, step)
}

proptest! {
    #[test]
    fn any_schedule_keeps_the_rules_and_comes_back(
        failure_ratio in 0.01_f64..1.0, min_requests in 1_u32..6, window in 1_u64..20, probes in 1_u32..4,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let window = SECS(window);
        let policy = BreakerPolicy { failure_ratio, min_requests, window, probes, ..BreakerPolicy::default() };
        let mut breaker = Breaker::new(policy);
        let (mut now, mut under_way, mut ended, mut probe) = (at(0), Vec::new(), Vec::new(), None);
        for (wait, step) in steps {
            now = now.after(Duration::from_millis(wait));
            let before = breaker.state(now);
            match step {
                Step::Begin | Step::Force => {
                    let may = breaker.may_begin(now);
                    if may == Permission::Go && before != BreakerState::Closed {
                        prop_assert_eq!(probe, None, "one probe at a time");
                    }
                    if may == Permission::Go || matches!(step, Step::Force) {
                        let ticket = breaker.began(now);
                        if may == Permission::Go && before != BreakerState::Closed {
                            probe = Some(ticket);
                        }
                        under_way.push((ticket, before == BreakerState::Closed));
                    }
                    prop_assert!(probe.is_none() || breaker.may_begin(now) == Permission::AfterProbe);
                }
                Step::End(..) if under_way.is_empty() => {}
                Step::End(which, health) => {
                    let (ticket, closed) = under_way.remove(which % under_way.len());
                    if before == BreakerState::Closed && closed && health != Health::Unknown {
                        ended.push((now, health));
                    }
                    let change = breaker.ended(ticket, health, now);
                    if probe == Some(ticket) {
                        probe = None;
                    } else if before != BreakerState::Closed {
                        prop_assert_eq!(change, None, "only a probe changes what is not closed");
                    }
                    if let (BreakerState::Closed, Some(Change::Opened { failures, requests, .. })) = (before, change) {
                        prop_assert!(requests >= min_requests);
                        prop_assert!(f64::from(failures) >= failure_ratio * f64::from(requests) - 1e-9);
                        let within = ended.iter().filter(|(then, _)| now.since(*then) < window);
                        prop_assert!(usize::try_from(requests).unwrap() <= within.count());
                    }
                    if change.is_some() {
                        ended.clear();
                    }
                }
            }
        }
        // Whatever is under way ends some time; then time and good answers close it.
        for (ticket, _) in under_way {
            breaker.ended(ticket, Health::Unknown, now);
        }
        for _ in 0..u64::from(probes) * 2 + u64::from(min_requests) * 200 {
            now = now.after(SECS(1));
            if breaker.may_begin(now) == Permission::Go {
                let ticket = breaker.began(now);
                breaker.ended(ticket, Health::Well, now);
            }
        }
        prop_assert_eq!(breaker.state(now), BreakerState::Closed);
        prop_assert_eq!(breaker.may_begin(now), Permission::Go);
    }

    #[test]
    fn it_opens_as_soon_as_the_share_of_the_window_is_reached(
        failure_ratio in 0.05_f64..1.0, min_requests in 1_u32..30,
        answers in prop::collection::vec(any::<bool>(), 1..100),
    ) {
        let mut breaker = Breaker::new(BreakerPolicy { failure_ratio, min_requests, ..BreakerPolicy::default() });
        let (mut failures, mut requests) = (0, 0);
        for failed in answers {
            requests += 1;
            failures += u32::from(failed);
            let health = if failed { Health::Ill } else { Health::Well };
            let change = request(&mut breaker, health, at(77));
            let due = requests >= min_requests
                && f64::from(failures) / f64::from(requests) >= failure_ratio;
            let opened = Change::Opened { until: at(5_077), failures, requests };
            prop_assert_eq!(change, due.then_some(opened));
            if due {
                break;
            }
        }
    }

    #[test]
    fn any_numbers_are_taken_without_harm(
        failure_ratio in prop::num::f64::ANY, min_requests: u32, window: Duration, open_for: Duration,
        max_open_for: Duration, probes: u32, moments: Vec<(Duration, bool)>,
    ) {
        let policy = BreakerPolicy { failure_ratio, min_requests, window, open_for, max_open_for, probes };
        let _ = policy.check();
        let mut breaker = Breaker::new(policy);
        for (moment, well) in moments {
            let ticket = breaker.began(Moment(moment));
            let health = if well { Health::Well } else { Health::Ill };
            breaker.ended(ticket, health, Moment(moment));
            let _ = breaker.state(Moment(moment));
        }
    }
}
