//! A known capacity: so many workers, and requests that wait for them in turn.

use std::cell::Cell;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Workers, first come, first served. Their number may change while requests wait.
pub struct Workers {
    /// Wakes in the order of asking.
    free: Semaphore,
    count: Cell<usize>,
    /// Workers that leave when they are done.
    leaving: Cell<usize>,
}

impl Workers {
    pub fn new(count: usize) -> Self {
        Self { free: Semaphore::new(count), count: Cell::new(count), leaving: Cell::new(0) }
    }

    /// So many from now on; those too many finish what they are at.
    pub fn set(&self, count: usize) {
        let had = self.count.replace(count);
        let leaving = self.leaving.get();
        if count >= had {
            let stay = leaving.min(count - had);
            self.leaving.set(leaving - stay);
            self.free.add_permits(count - had - stay);
        } else {
            let idle = self.free.forget_permits(had - count);
            self.leaving.set(leaving + had - count - idle);
        }
    }

    /// Waits for a worker; none once there is no such thing any more.
    pub async fn one(&self) -> Option<Worker<'_>> {
        let permit = self.free.acquire().await.ok()?;
        Some(Worker { workers: self, permit: Some(permit) })
    }
}

/// A worker at work, until it is dropped.
pub struct Worker<'a> {
    workers: &'a Workers,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let leaving = self.workers.leaving.get();
        if leaving > 0
            && let Some(permit) = self.permit.take()
        {
            self.workers.leaving.set(leaving - 1);
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Takes all that are free.
    fn take(workers: &Workers) -> Vec<Worker<'_>> {
        let mut taken = Vec::new();
        while let Poll::Ready(Some(worker)) =
            Box::pin(workers.one()).as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            taken.push(worker);
        }
        taken
    }

    #[test]
    fn those_too_many_finish_and_leave() {
        let workers = Workers::new(4);
        let mut busy = take(&workers);
        assert_eq!(busy.len(), 4);
        workers.set(1);
        busy.truncate(1);
        assert_eq!(take(&workers).len(), 0, "three left, one is busy");
        busy.clear();
        assert_eq!(take(&workers).len(), 1);
    }

    #[test]
    fn those_that_were_to_leave_stay_when_more_are_wanted() {
        let workers = Workers::new(4);
        let busy = take(&workers);
        workers.set(1);
        workers.set(6);
        assert_eq!(take(&workers).len(), 2);
        drop(busy);
        assert_eq!(take(&workers).len(), 6);
    }

    #[test]
    fn idle_ones_leave_at_once() {
        let workers = Workers::new(4);
        let busy = take(&workers).into_iter().take(1).collect::<Vec<_>>();
        workers.set(2);
        assert_eq!(take(&workers).len(), 1);
        drop(busy);
        assert_eq!(take(&workers).len(), 2);
    }
}
