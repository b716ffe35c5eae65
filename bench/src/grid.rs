//! The grid: every load at every delay, size and number of requests at once, each for about a
//! second.

use std::fmt::Write as _;
use std::time::Duration;

use crate::case::{Arm, Case};
use crate::load::Keys;
use crate::suite::{Outcome, Run};

const KEYS: [Keys; 4] =
    [Keys::Distinct, Keys::Zipf(100_000, 0.7), Keys::Zipf(10_000, 1.0), Keys::Hot];

/// A record's size in bytes, and about how many of them a second one core delivers.
const SIZES: [(usize, f64); 2] = [(200, 100_000.0), (10_000, 35_000.0)];

const DELAYS_MS: [u64; 4] = [0, 2, 10, 50];
const IN_FLIGHT: [usize; 5] = [1, 64, 100, 1000, 4000];
const ARBITERS: [usize; 2] = [1, 2];

/// About what a request takes beside the endpoint's delay, in seconds.
const REQUEST: f64 = 80e-6;

/// Everything with everything. awc knows neither keys nor arbiters, so it runs once for all of them.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (size, most) in SIZES {
        for delay in DELAYS_MS {
            for in_flight in IN_FLIGHT {
                for (n, (keys, arbiters)) in loads(in_flight).enumerate() {
                    let mut case = Case::plain(records(keys, delay, in_flight, most));
                    case.keys = keys;
                    case.size = size;
                    case.delay = Duration::from_millis(delay);
                    case.in_flight = in_flight;
                    case.arbiters = arbiters;
                    case.arms.retain(|arm| *arm == Arm::Keyway || n == 0);
                    cases.push(case);
                }
            }
        }
    }
    cases
}

/// An arbiter has at least one request at a time.
fn loads(in_flight: usize) -> impl Iterator<Item = (Keys, usize)> {
    let all = KEYS.into_iter().flat_map(|keys| ARBITERS.map(|arbiters| (keys, arbiters)));
    all.filter(move |&(_, arbiters)| arbiters <= in_flight)
}

/// What takes about a second.
fn records(keys: Keys, delay: u64, in_flight: usize, most: f64) -> usize {
    let took = Duration::from_millis(delay).as_secs_f64() + REQUEST;
    let rate = (in_flight as f64 / took).min(most);
    let rate = if keys == Keys::Distinct { rate } else { rate.min(1.0 / (share(keys) * took)) };
    (rate as usize).max(100)
}

/// The part of the records that has the commonest key.
fn share(keys: Keys) -> f64 {
    const SAMPLE: usize = 10_000;
    keys.commonest(SAMPLE) as f64 / SAMPLE as f64
}

/// A row for each case. `of the bound`: of what awc does with as many requests at once, or of what
/// the commonest key allows, one request after the other, where that is less.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text =
        "| record | delay | in flight | keys | arbiters | keyway, requests/s | of awc | \
        of the bound | CPU a record | of awc | peak memory | duplicates | disordered |\n\
        |--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for outcome in outcomes {
        let case = &outcome.case;
        let of = |arm, in_flight| run(outcomes, arm, case, in_flight);
        let keyway = outcome.runs.iter().find(|run| run.arm == Arm::Keyway);
        let (Some(keyway), Some(awc), Some(alone)) =
            (keyway, of(Arm::Awc, case.in_flight), of(Arm::Awc, 1))
        else {
            let why = outcome.left_out.first().map_or("no run of awc", |(_, why)| why);
            let _ = writeln!(
                text,
                "| {} B | {:?} | {} | {} | {} | left out: {why} |",
                case.size, case.delay, case.in_flight, case.keys, case.arbiters
            );
            continue;
        };
        let part = case.keys.commonest(case.records) as f64 / case.records as f64;
        let bound = awc.throughput.min(alone.throughput / part);
        let _ = writeln!(
            text,
            "| {} B | {} ms | {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.1} µs | {:.2} | {:.0} MB | {} | {} |",
            case.size,
            case.delay.as_millis(),
            case.in_flight,
            case.keys,
            case.arbiters,
            keyway.throughput,
            keyway.throughput / awc.throughput,
            keyway.throughput / bound,
            keyway.cpu,
            keyway.cpu / awc.cpu,
            keyway.peak_memory as f64 / 1e6,
            keyway.endpoint.duplicates,
            keyway.endpoint.disordered,
        );
    }
    text
}

/// What an arm did with records and a delay as those of `like`.
fn run<'a>(outcomes: &'a [Outcome], arm: Arm, like: &Case, in_flight: usize) -> Option<&'a Run> {
    let same =
        |case: &Case| (case.size, case.delay, case.in_flight) == (like.size, like.delay, in_flight);
    let runs = outcomes.iter().filter(|it| same(&it.case)).flat_map(|it| &it.runs);
    runs.into_iter().find(|run| run.arm == arm)
}
