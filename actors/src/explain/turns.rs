//! When a question may be asked: observing must not harm.
//!
//! Questions are answered on the threads that deliver, between records. So few are on their way at a
//! time, and after each the next waits in proportion to what it cost those threads: however many ask,
//! questions take a tenth of their time, as long as one costs some milliseconds. Who waits costs them
//! nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Questions that are on their way at a time: some people who look, while a thread is stuck and none
/// of them is answered soon.
pub(super) const AT_A_TIME: usize = 4;

/// How long nobody asks after a question, in times of what it cost: so questions one after the other
/// take a tenth of a thread's time.
const REST: u32 = 9;

/// The longest that a question waits for its turn, and the longest that all rest. Where those on
/// their way at a time cost a thread more than a ninth of it together, they take a larger part.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whose turn it is to ask.
#[derive(Debug)]
pub(crate) struct Turns {
    places: Semaphore,
    /// Locked by whoever asks, for some instructions; by no thread that delivers.
    rests_until: Mutex<Instant>,
}

/// Somebody's turn, over when it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    _place: SemaphorePermit<'a>,
    /// When threads were asked that have not said yet what it cost them.
    asked: Option<Instant>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_A_TIME), rests_until: Instant::now().into() }
    }
}

impl Turns {
    /// Waits for a turn; none if too many ask to get one soon.
    pub(super) async fn take(&self) -> Option<Turn<'_>> {
        let patience = Instant::now() + PATIENCE;
        let place = timeout_at(patience, self.places.acquire()).await.ok()?.ok()?;
        let turn = Turn { turns: self, _place: place, asked: None };
        loop {
            // Who has a place is not sent away for what others cost.
            let until = self.rests_until().min(patience);
            if until <= Instant::now() {
                return Some(turn);
            }
            sleep_until(until).await;
        }
    }

    fn rests_until(&self) -> Instant {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody asks for a while: a thread that delivers had this much to do.
    fn rest(&self, took: Duration) {
        let now = Instant::now();
        let mut until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = took.saturating_mul(REST).min(PATIENCE);
        *until = (*until).max(now).checked_add(rest).map_or(now, |it| it.min(now + PATIENCE));
    }
}

impl Turn<'_> {
    /// Threads that deliver are asked.
    pub(super) fn asks(&mut self) {
        self.asked = Some(Instant::now());
    }

    /// They have answered: this much had the one to do that had most.
    pub(super) fn cost(&mut self, took: Duration) {
        self.asked = None;
        self.turns.rest(took);
    }
}

impl Drop for Turn<'_> {
    /// Who goes before the answer comes may have cost as much as one who waits for it.
    fn drop(&mut self) {
        if let Some(asked) = self.asked {
            self.turns.rest(asked.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::FutureExt;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// With a clock that goes on when everybody waits.
    fn run(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
    }

    /// How long somebody waits for a turn that they get.
    async fn wait(turns: &Turns) -> Option<Duration> {
        let began = Instant::now();
        turns.take().await.map(|_| began.elapsed())
    }

    #[test]
    fn a_few_ask_at_a_time_and_the_others_wait_until_one_is_answered() {
        run(async {
            let turns = Turns::default();
            let mut asked = Vec::new();
            for _ in 0..AT_A_TIME {
                asked.push(turns.take().now_or_never().flatten().unwrap());
            }
            let mut next = Box::pin(turns.take());
            assert!(next.as_mut().now_or_never().is_none());
            asked.pop();
            assert!(next.await.is_some());
        });
    }

    #[test]
    fn who_gets_no_turn_in_time_is_told_so() {
        run(async {
            let turns = Turns::default();
            let mut asked = Vec::new();
            for _ in 0..AT_A_TIME {
                asked.push(turns.take().await.unwrap());
            }
            let began = Instant::now();
            assert!(turns.take().await.is_none());
            assert!((PATIENCE..PATIENCE + 2 * MILLISECOND).contains(&began.elapsed()));
        });
    }

    #[test]
    fn after_a_question_all_rest_for_longer_the_more_it_cost() {
        run(async {
            let turns = Turns::default();
            assert_eq!(wait(&turns).await, Some(Duration::ZERO), "nothing was asked yet");
            turns.take().await.unwrap().cost(10 * MILLISECOND);
            assert_eq!(wait(&turns).await, Some(10 * REST * MILLISECOND));
            assert_eq!(wait(&turns).await, Some(Duration::ZERO), "that one cost nothing");
            let mut turn = turns.take().await.unwrap();
            turn.cost(MILLISECOND);
            turn.cost(2 * MILLISECOND);
            drop(turn);
            assert_eq!(wait(&turns).await, Some(3 * REST * MILLISECOND));
        });
    }

    #[test]
    fn who_leaves_before_the_answer_is_taken_to_have_cost_as_long_as_it_waited() {
        run(async {
            let turns = Turns::default();
            let mut turn = turns.take().await.unwrap();
            turn.asks();
            sleep_until(Instant::now() + 10 * MILLISECOND).await;
            drop(turn);
            assert_eq!(wait(&turns).await, Some(10 * REST * MILLISECOND));
            let mut turn = turns.take().await.unwrap();
            turn.asks();
            sleep_until(Instant::now() + 10 * MILLISECOND).await;
            turn.cost(MILLISECOND);
            drop(turn);
            assert_eq!(wait(&turns).await, Some(REST * MILLISECOND), "it was told what it cost");
        });
    }

    #[test]
    fn who_waits_while_others_cost_much_gets_a_turn_all_the_same() {
        run(async {
            let turns = Turns::default();
            let mut asked = turns.take().await.unwrap();
            asked.cost(PATIENCE);
            let cost = async {
                sleep_until(Instant::now() + PATIENCE / 2).await;
                asked.cost(PATIENCE);
            };
            let (waited, ()) = futures_util::future::join(wait(&turns), cost).await;
            assert_eq!(waited, Some(PATIENCE));
            assert_eq!(wait(&turns).await, Some(PATIENCE / 2));
        });
    }

    #[test]
    fn a_question_that_cost_very_much_keeps_nobody_from_the_next_for_good() {
        run(async {
            let turns = Turns::default();
            for _ in 0..3 {
                turns.take().await.unwrap().cost(Duration::MAX);
            }
            assert_eq!(wait(&turns).await, Some(PATIENCE));
        });
    }
}
