use proptest::prelude::*;

use super::model::{Discipline, Figures, Limit, Load, Scatter, World};
use super::*;

const SCATTERS: [Scatter; 3] = [Scatter::Tenth, Scatter::Exponential, Scatter::LogNormal];
const DISCIPLINES: [Discipline; 2] = [Discipline::Fifo, Discipline::Sharing];

/// Every kind of endpoint under an adaptive limit.
fn kinds(servers: u32, service: f64) -> impl Iterator<Item = World> {
    DISCIPLINES.into_iter().flat_map(move |discipline| {
        SCATTERS.into_iter().map(move |scatter| {
            let mut world = World::adaptive(servers, service);
            (world.discipline, world.scatter) = (discipline, scatter);
            world
        })
    })
}

/// The same endpoint under a fixed limit.
fn fixed(world: &World, limit: u32) -> Figures {
    let mut fixed = World::new(world.servers, world.service, Limit::Fixed(limit));
    (fixed.discipline, fixed.scatter) = (world.discipline, world.scatter);
    fixed.run(5_000)
}

fn name(world: &World) -> String {
    let World { servers, service, scatter, discipline, .. } = world;
    format!("{discipline:?}, {scatter:?}, {servers} servers, {service} s")
}

#[test]
fn under_saturation_the_rate_is_the_endpoint_s_and_nothing_queues_for_long() {
    for service in [0.001, 0.01, 0.1] {
        for servers in [1, 4, 16, 64, 200] {
            for mut world in kinds(servers, service) {
                let best = fixed(&world, servers * 2).rate;
                let unloaded = fixed(&world, 1).p99;
                world.run(8_000);
                let found = world.run(8_000);
                let (rate, p99) = (found.rate / best, found.p99 / unloaded);
                println!("{}: {rate:.2} of the rate, {p99:.2} of p99, {found:?}", name(&world));
                assert!(rate > 0.85, "{}: {rate} of the rate", name(&world));
                // One server is found by trying two requests at a time, which take twice as long.
                assert!(p99 < 2.005, "{}: {p99} times the unloaded p99", name(&world));
            }
        }
    }
}

#[test]
fn a_fixed_limit_makes_the_same_endpoints_queue() {
    for world in kinds(16, 0.01) {
        let times = fixed(&world, 256).p99 / fixed(&world, 1).p99;
        assert!(times > 3.0, "{}: {times}", name(&world));
    }
}

#[test]
fn from_the_start_it_finds_200_within_8_000_answers() {
    for mut world in kinds(200, 0.01) {
        let found = world.run_until(10_000, |limit| limit >= 170);
        assert!(found.rate * found.seconds < 8_000.0, "{}: {found:?}", name(&world));
    }
}

#[test]
fn a_loss_of_capacity_is_found_within_1_500_answers() {
    for seed in 1..4 {
        for mut world in kinds(64, 0.01) {
            world.seed = seed;
            world.run(10_000);
            world.servers = 8;
            let found = world.run_until(10_000, |limit| limit <= 12);
            println!(
                "{}: {:.0} answers, {:.2} s",
                name(&world),
                found.rate * found.seconds,
                found.seconds
            );
            assert!(found.rate * found.seconds < 1_500.0, "{}: {found:?}", name(&world));
            let settling = world.run(3_000);
            assert!(settling.highest <= 90, "{}: {settling:?}", name(&world));
            let after = world.run(5_000);
            assert!(after.rate > 0.8 * 800.0, "{}: {after:?}", name(&world));
            assert!(after.mean_limit < 14.0, "{}: {after:?}", name(&world));
        }
    }
}

#[test]
fn a_gain_of_capacity_is_found_within_5_000_answers() {
    for seed in 1..4 {
        for mut world in kinds(8, 0.01) {
            world.seed = seed;
            world.run(10_000);
            world.servers = 64;
            let found = world.run_until(10_000, |limit| limit >= 56);
            println!(
                "{}: {:.0} answers, {:.2} s",
                name(&world),
                found.rate * found.seconds,
                found.seconds
            );
            assert!(found.rate * found.seconds < 5_000.0, "{}: {found:?}", name(&world));
            let after = world.run(10_000);
            assert!(after.rate > 0.85 * 6_400.0, "{}: {after:?}", name(&world));
        }
    }
}

#[test]
fn a_baseline_that_changes_for_good_is_learned_again() {
    // Long enough for a probe that comes by the clock: one that became faster may wait for it.
    for mut world in kinds(16, 0.1) {
        world.run(5_000);
        for service in [0.3, 0.1, 0.13] {
            world.service = service;
            world.run(4_000);
            let found = world.run(6_000);
            let rate = found.rate / fixed(&world, 32).rate;
            let p99 = found.p99 / fixed(&world, 1).p99;
            println!("{}: {rate:.2} of the rate, {p99:.2} of p99, {found:?}", name(&world));
            assert!(rate > 0.85, "{}: {rate} of the rate", name(&world));
            assert!(p99 < 2.0, "{}: {p99} times the unloaded p99", name(&world));
        }
    }
}

#[test]
fn one_that_became_slower_is_known_within_4_000_answers() {
    for seed in 1..3 {
        for mut world in kinds(64, 0.01) {
            world.seed = seed;
            world.run(10_000);
            world.service = 0.03;
            let settling = world.run(4_000);
            assert!(settling.seconds < 5.0, "{}: {settling:?}: before the clock's", name(&world));
            let found = world.run(4_000);
            assert!(found.rate > 0.85 * 64.0 / 0.03, "{}: {found:?}", name(&world));
        }
    }
}

#[test]
fn one_that_became_a_little_faster_is_known_by_the_next_probe() {
    let mut world = World::adaptive(16, 0.1);
    world.run(2_000);
    world.service = 0.07;
    let settling = world.run(3_000);
    assert!(settling.seconds > 12.0, "the clock's probe is due");
    let found = world.run(2_000);
    assert!(found.mean_limit < 20.0, "{found:?}");
}

#[test]
fn a_load_below_the_limit_moves_it_neither_up_nor_down() {
    for mut world in kinds(64, 0.01) {
        // 20 requests at a time on average.
        world.load = Load::Arriving(2_000.0);
        let first = world.run(10_000);
        let later = world.run(10_000);
        assert!(
            later.lowest >= 20 && later.highest <= first.highest,
            "{}: {later:?}",
            name(&world)
        );
        assert!(first.highest <= 128, "{}: {first:?}", name(&world));
        assert!(later.rate > 0.97 * 2_000.0, "{}: {later:?}", name(&world));
        let limit = world.limit();
        world.load = Load::Arriving(100.0);
        world.run(200);
        let idle = world.run(10_000);
        assert_eq!((idle.lowest, idle.highest), (limit, limit), "{}: {idle:?}", name(&world));
    }
}

#[test]
fn refusals_keep_it_at_what_the_endpoint_takes() {
    for queue in [0, 4, 16] {
        for servers in [4, 16, 64] {
            for scatter in SCATTERS {
                let mut world = World::adaptive(servers, 0.01);
                (world.scatter, world.discipline) = (scatter, Discipline::Refusing(queue));
                world.run(5_000);
                let found = world.run(10_000);
                let best = f64::from(servers) / 0.01;
                println!("{}: {:.2} {found:?}", name(&world), found.rate / best);
                assert!(found.rate > 0.85 * best, "{}: {found:?}", name(&world));
                assert!(found.refused < 0.15, "{}: {found:?}", name(&world));
            }
        }
    }
}

/// A limit that has just seen `answers`, each after 10 ms and with all in flight; and the time.
fn after(answers: u32) -> (AdaptiveLimit, Moment) {
    let mut limit = AdaptiveLimit::new(1, 100);
    let mut now = Moment(Duration::from_secs(1));
    for _ in 0..answers {
        now = now.after(Duration::from_millis(1));
        limit.ended(sample(&limit, Answer::Answered), now);
    }
    (limit, now)
}

fn sample(limit: &AdaptiveLimit, answer: Answer) -> Sample {
    Sample { took: Duration::from_millis(10), in_flight: limit.limit(), answer }
}

#[test]
fn one_overload_cuts_once() {
    let (mut limit, now) = after(2_000);
    assert_eq!(limit.limit(), 100);
    for _ in 0..60 {
        limit.ended(sample(&limit, Answer::Refused), now);
    }
    assert_eq!(limit.limit(), 85, "the others began before the cut");
    for _ in 0..3 {
        limit.ended(sample(&limit, Answer::Refused), now.after(Duration::from_millis(10)));
    }
    assert_eq!(limit.limit(), 72);
}

#[test]
fn a_refusal_now_and_then_is_no_overload() {
    let (mut limit, mut now) = after(2_000);
    for request in 0..10_000 {
        now = now.after(Duration::from_millis(1));
        let answer = if request % 20 == 0 { Answer::Refused } else { Answer::Answered };
        limit.ended(sample(&limit, answer), now);
        assert!(limit.limit() >= 50, "but for probes: {}", limit.limit());
    }
}

#[test]
fn an_endpoint_that_refuses_everything_gets_the_least_and_comes_back() {
    let (mut limit, mut now) = after(2_000);
    for _ in 0..1_000 {
        now = now.after(Duration::from_millis(11));
        limit.ended(sample(&limit, Answer::Refused), now);
    }
    assert_eq!(limit.limit(), 1);
    for _ in 0..5_000 {
        now = now.after(Duration::from_millis(1));
        limit.ended(sample(&limit, Answer::Answered), now);
    }
    assert_eq!(limit.limit(), 100);
}

#[test]
fn answers_in_no_time_are_taken_without_harm() {
    let mut limit = AdaptiveLimit::new(1, 100);
    for millis in 0..30_000 {
        let sample = Sample { took: Duration::ZERO, ..sample(&limit, Answer::Answered) };
        limit.ended(sample, Moment(Duration::from_millis(millis)));
        assert!(millis < 2_000 || limit.limit() >= 50, "{} at {millis}", limit.limit());
    }
}

#[test]
fn what_is_ignored_changes_nothing() {
    let (mut limit, now) = after(100);
    let before = limit.limit();
    for _ in 0..10_000 {
        let took = Duration::from_mins(1);
        limit.ended(Sample { took, in_flight: before, answer: Answer::Ignored }, now);
    }
    assert_eq!(limit.limit(), before);
}

#[test]
fn a_smaller_pool_is_as_well_watched_as_the_larger_one_was() {
    for mut world in kinds(200, 0.01) {
        world.run(10_000);
        let in_flight = world.limit();
        let Limit::Adaptive(limit) = &mut world.limit else { panic!("it is adaptive") };
        limit.within(100, in_flight);
        assert_eq!(limit.limit(), 100);
        world.run(5_000);
        world.servers = 8;
        let found = world.run_until(10_000, |limit| limit <= 12);
        assert!(found.rate * found.seconds < 1_500.0, "{}: {found:?}", name(&world));
    }
}

#[test]
fn a_limit_of_one_value_stays_there() {
    for (min, max, only) in [(7, 7, 7), (0, 0, 1), (9, 3, 9)] {
        let mut limit = AdaptiveLimit::new(min, max);
        for millis in 0..5_000 {
            assert_eq!(limit.limit(), only);
            let answer = if millis % 5 == 0 { Answer::Refused } else { Answer::Answered };
            let sample =
                Sample { took: Duration::from_millis(millis % 70), in_flight: only, answer };
            limit.ended(sample, Moment(Duration::from_millis(millis)));
        }
    }
}

proptest! {
    #[test]
    fn no_sample_drives_it_out_of_its_bounds(
        min in 1_u32..20, more in 0_u32..500, in_flight: u32, times: [Duration; 4],
        steps in prop::collection::vec((0_usize..4, 0_u8..8, any::<bool>()), 0..2_000),
    ) {
        let mut limit = AdaptiveLimit::new(min, min + more);
        let mut now = Moment::default();
        for (took, answer, full) in steps {
            let answer = match answer {
                0 => Answer::Refused,
                1 => Answer::Ignored,
                _ => Answer::Answered,
            };
            let in_flight = if full { limit.limit() } else { in_flight };
            now = now.after(times[took]);
            limit.ended(Sample { took: times[(took + 1) % 4], in_flight, answer }, now);
            prop_assert!((min..=min + more).contains(&limit.limit()));
        }
    }
}
