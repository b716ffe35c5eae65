//! How the poll thread is woken: which partitions have something for it, and what else is to do.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wakes the poll thread.
///
/// It is rung by librdkafka (a queue is no longer empty), by arbiters (there is room again) and by
/// actors (a command). Ringing only notes what to look at; the lock is held for some instructions,
/// and nobody rings it for a single record.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    wake: Condvar,
}

/// What there is to look at.
#[derive(Debug, Default)]
pub(crate) struct Rung {
    /// Partitions, by slot, whose queue has something or that have room again; each once.
    pub(crate) partitions: VecDeque<usize>,
    /// The main queue has events.
    pub(crate) main: bool,
    /// The buffer has room again: every partition is worth a look.
    pub(crate) room: bool,
    /// Something else is to do: a command waits, or a router has room.
    pub(crate) other: bool,
}

impl Rung {
    fn is_silent(&self) -> bool {
        self.partitions.is_empty() && !self.main && !self.room && !self.other
    }
}

impl Bell {
    pub(crate) fn partition_ready(&self, slot: usize) {
        let mut rung = self.lock();
        if !rung.partitions.contains(&slot) {
            rung.partitions.push_back(slot);
            self.wake.notify_one();
        }
    }

    pub(crate) fn main_ready(&self) {
        self.lock().main = true;
        self.wake.notify_one();
    }

    pub(crate) fn room_again(&self) {
        self.lock().room = true;
        self.wake.notify_one();
    }

    pub(crate) fn ring(&self) {
        self.lock().other = true;
        self.wake.notify_one();
    }

    /// Waits until something is rung, `longest` at the most, and takes what was.
    pub(crate) fn wait(&self, longest: Duration) -> Rung {
        let rung = self.lock();
        let (mut rung, _) = self
            .wake
            .wait_timeout_while(rung, longest, |rung| rung.is_silent())
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }

    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
