//! The grid: every load at every delay, size and number of requests at once, each for about a
//! second, or for fifty requests where those take longer.

use std::fmt::Write as _;
use std::time::Duration;

use crate::case::{Arm, Case, ZIPF_MILD, ZIPF_STEEP};
use crate::load::Keys;
use crate::report;
use crate::suite::Outcome;

const KEYS: [Keys; 4] = [Keys::Distinct, ZIPF_MILD, ZIPF_STEEP, Keys::Hot];

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
    (rate as usize).max(50)
}

/// The part of the records that has the commonest key.
fn share(keys: Keys) -> f64 {
    const SAMPLE: usize = 10_000;
    keys.commonest(SAMPLE) as f64 / SAMPLE as f64
}

/// The head of the table.
///
/// `of awc`: of awc on one thread, also where Keyway has two. `of the bound`: of that, or of what the
/// commonest key allows, one request after the other, where that is less.
pub const HEAD: &str = "\
| record | delay | in flight | keys | arbiters | requests/s | of awc | of the bound | CPU a record | of awc | peak memory | duplicates | disordered |
|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// The row of a case, of which the outcomes so far hold what awc did.
pub fn row(so_far: &[Outcome], outcome: &Outcome) -> String {
    let case = &outcome.case;
    let mut row = format!(
        "| {} B | {} ms | {} | {} | {} |",
        case.size,
        case.delay.as_millis(),
        case.in_flight,
        case.keys,
        case.arbiters,
    );
    let awc = |in_flight| {
        let same =
            |it: &Case| (it.size, it.delay, it.in_flight) == (case.size, case.delay, in_flight);
        so_far.iter().filter(|it| same(&it.case)).find_map(|it| report::summary(it, Arm::Awc))
    };
    let (Some(keyway), Some(awc), Some(alone)) =
        (report::summary(outcome, Arm::Keyway), awc(case.in_flight), awc(1))
    else {
        let why = outcome.left_out.iter().map(|(arm, why)| format!("{arm}: {why}"));
        let _ = write!(row, " left out: {} |", why.collect::<Vec<_>>().join("; "));
        return row;
    };
    let part = case.keys.commonest(case.records) as f64 / case.records as f64;
    let bound = awc.throughput.min(alone.throughput / part);
    let _ = write!(
        row,
        " {:.0} | {:.2} | {:.2} | {:.1} µs | {:.2} | {:.0} MB | {} | {} |",
        keyway.throughput,
        keyway.throughput / awc.throughput,
        keyway.throughput / bound,
        keyway.cpu,
        keyway.cpu / awc.cpu,
        keyway.peak_memory as f64 / 1e6,
        keyway.duplicates,
        keyway.disordered,
    );
    row
}
