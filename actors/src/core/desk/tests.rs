//! The desk's tests: its rules one by one, and random histories against a naive model.

use std::time::Duration;

use super::*;
use crate::core::lanes::Next;
use crate::core::outcome::{FailureKind, Outcome};
use crate::core::retry::Verdict;

mod batches;
mod explain;
mod history;
mod model;
mod plans;
mod routes;
mod stories;

/// An item that is told from all others by its number. The model copies it, the desk moves it.
#[derive(Debug, PartialEq, Eq)]
struct Rec {
    number: usize,
    lane: u64,
    epoch: u64,
}

impl Item for Rec {
    fn lane(&self) -> LaneId {
        LaneId(self.lane)
    }

    fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }
}

/// An effect, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Settled(usize, u8, bool),
    Retry(usize, u32, Duration, u8),
    DeadLetter(usize, u32),
    LetterWaits(usize, u32, Duration),
    Stop(usize, u32),
    Returned(usize),
}

fn how(how: Settled) -> u8 {
    match how {
        Settled::Delivered => 0,
        Settled::DeadLettered => 1,
        Settled::Dropped => 2,
        Settled::Filtered => 3,
    }
}

fn parking(parking: Parking) -> u8 {
    match parking {
        Parking::No => 0,
        Parking::Begins => 1,
        Parking::GoesOn => 2,
    }
}

fn failure() -> Failure {
    Failure::new(FailureKind::Status(503), "503 Service Unavailable")
}

fn numbers(delivery: &Delivery<Rec>) -> Vec<usize> {
    delivery.entries().iter().map(|entry| entry.item().number).collect()
}

fn tell<'a>(
    told: &'a mut Vec<Told>,
    letters: &'a mut Vec<Letter<Rec>>,
) -> impl FnMut(Effect<'_, Rec>) + 'a {
    |effect| {
        told.push(match effect {
            Effect::Settled { item, how: settled, failure } => {
                Told::Settled(item.number, how(settled), failure.is_some())
            }
            Effect::Retry { item, attempts, wait, parking: park, .. } => {
                Told::Retry(item.number, attempts, wait, parking(park))
            }
            Effect::DeadLetter(letter) => {
                letters.push(letter);
                let Some(letter) = letters.last() else { unreachable!() };
                Told::DeadLetter(letter.item().number, letter.attempts())
            }
            Effect::LetterWaits { item, attempts, wait, .. } => {
                Told::LetterWaits(item.number, attempts, wait)
            }
            Effect::Stop { item, attempts, .. } => Told::Stop(item.number, attempts),
            Effect::Returned { item } => Told::Returned(item.number),
            Effect::Exhausted { .. } => return,
            Effect::Breaker { change, .. } => panic!("no breaker here: {change:?}"),
        });
    }
}
