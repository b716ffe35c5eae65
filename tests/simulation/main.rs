//! Whole schedules of members, a broker and a receiver under a virtual clock, each from a seed.
//!
//! The real core decides: `book`, `ledger`, `codec`, `desk`, `lanes`, `retry`, `intake`, `stopping`.
//! The actors around it are thin, and are re-played here with their mailboxes, so that every order of
//! events that threads could have can come up. The promises are checked at every step.
//!
//! `KEYWAY_SIM_RUNS=1000000` runs more schedules, `KEYWAY_SIM_FROM=…` begins at another seed,
//! `KEYWAY_SIM_SEED=…` runs one, and `KEYWAY_SIM_TRACE=1` prints what happens in it.
#![allow(missing_docs, reason = "a test target has no readers of its documentation")]

mod arbiter;
mod broker;
mod bus;
mod check;
mod client;
mod counts;
mod endpoint;
mod env;
mod event;
mod faults;
mod group;
mod leader;
mod mail;
mod member;
mod offsets;
mod plan;
mod poll;
mod random;
mod runner;
mod sabotage;
mod stay;
mod trace;
mod watch;
mod way;
mod world;

use crate::sabotage::Sabotage;

/// Schedules that are run when nothing else is said.
const RUNS: u64 = 2_500;

/// Schedules within which a broken rule has to be noticed.
const NOTICED_WITHIN: u64 = 10_000;

#[test]
fn schedules_keep_the_promises() {
    let from = runner::number("KEYWAY_SIM_FROM").unwrap_or(1);
    let runs = runner::number("KEYWAY_SIM_RUNS").unwrap_or(RUNS);
    let seeds = match runner::number("KEYWAY_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => from..from + runs,
    };
    let (counts, broken) = runner::run(seeds, None);
    if let Some(broken) = broken {
        panic!("{}", runner::report(&broken));
    }
    runner::print(&counts);
    if counts.schedules >= RUNS {
        let never: Vec<_> = counts.named().into_iter().filter(|(_, count)| *count == 0).collect();
        assert!(never.is_empty(), "these never happened, so nothing is proven of them: {never:?}");
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    let only = std::env::var("KEYWAY_SIM_SABOTAGE").ok();
    let mut unnoticed = Vec::new();
    for sabotage in Sabotage::ALL {
        if only.as_ref().is_some_and(|only| !only.is_empty() && *only != format!("{sabotage:?}")) {
            continue;
        }
        let seeds = match runner::number("KEYWAY_SIM_SEED") {
            Some(seed) => seed..seed + 1,
            None => 1..1 + runner::number("KEYWAY_SIM_RUNS").unwrap_or(NOTICED_WITHIN),
        };
        match runner::run(seeds, Some(sabotage)).1 {
            Some(broken) => {
                let (promise, seed) = (broken.violation.promise, broken.seed);
                println!(
                    "{sabotage:?} is noticed after {seed} schedules, as a breach of {promise}"
                );
            }
            None => unnoticed.push(sabotage),
        }
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}
