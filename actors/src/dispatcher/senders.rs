//! The senders of an arbiter: which are idle, what the others have in hand, and how that is
//! cancelled or asked about.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use smallvec::SmallVec;

use super::round::Round;
use crate::core::{Epoch, Moment};
use crate::message::Which;

#[derive(Default)]
pub(super) struct Senders {
    slots: Vec<Slot>,
    idle: Vec<usize>,
}

/// What a sender has in hand.
#[derive(Default)]
struct Slot {
    /// Of its delivery, from when that is given: one not yet begun can be cancelled too. Empty while
    /// it is idle.
    epochs: SmallVec<[Epoch; 1]>,
    since: Moment,
    call: Rc<Call>,
}

impl Senders {
    /// A new sender, which is idle.
    pub(super) fn add(&mut self) -> (usize, Rc<Call>) {
        let slot = Slot::default();
        let call = Rc::clone(&slot.call);
        self.slots.push(slot);
        self.idle.push(self.slots.len() - 1);
        (self.slots.len() - 1, call)
    }

    /// The one that has been idle for the shortest time: its connection is the freshest.
    pub(super) fn idle(&self) -> Option<usize> {
        self.idle.last().copied()
    }

    /// The one that [`idle`](Self::idle) named has work now.
    pub(super) fn busy(&mut self) {
        self.idle.pop();
    }

    pub(super) fn rests(&mut self, sender: usize) {
        self.idle.push(sender);
    }

    /// A sender is given a delivery with records of these stays, and begins with it.
    pub(super) fn give(&mut self, sender: usize, now: Moment, epochs: impl Iterator<Item = Epoch>) {
        let slot = &mut self.slots[sender];
        slot.since = now;
        slot.call.cancelled.set(false);
        for epoch in epochs {
            if slot.epochs.last() != Some(&epoch) {
                slot.epochs.push(epoch);
            }
        }
    }

    /// A sender is done with what it was given; how long it took.
    pub(super) fn done(&mut self, sender: usize, now: Moment) -> Duration {
        let slot = &mut self.slots[sender];
        slot.epochs.clear();
        now.since(slot.since)
    }

    /// Since when a sender has what it has in hand.
    pub(super) fn since(&self, sender: usize) -> Moment {
        self.slots[sender].since
    }

    /// Has whoever has something in hand tell of it.
    pub(super) fn ask(&self, round: &Rc<Round>) {
        for slot in self.slots.iter().filter(|slot| !slot.epochs.is_empty()) {
            slot.call.ask(Rc::clone(round));
        }
    }

    /// Has whoever has records of these stays in hand drop them.
    pub(super) fn cancel(&self, which: &Which) {
        for slot in &self.slots {
            let concerned = match which {
                Which::All => !slot.epochs.is_empty(),
                Which::Some(epochs) => slot.epochs.iter().any(|epoch| epochs.contains(epoch)),
            };
            if concerned {
                slot.call.cancel();
            }
        }
    }
}

/// Calls on a sender while it has something in hand: to drop it, or to tell of it. Both ends are on
/// the arbiter's thread.
#[derive(Default)]
pub(crate) struct Call {
    /// There is a call. While there is none, the sender looks at nothing else of this.
    called: Cell<bool>,
    cancelled: Cell<bool>,
    /// Asked, and not told yet: what came in since the sender last ran.
    rounds: RefCell<Vec<Rc<Round>>>,
    waker: Cell<Option<Waker>>,
}

impl Call {
    fn cancel(&self) {
        self.cancelled.set(true);
        self.wake();
    }

    fn ask(&self, round: Rc<Round>) {
        self.rounds.borrow_mut().push(round);
        self.wake();
    }

    fn wake(&self) {
        self.called.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Ready when the delivery that the sender was given last is to be dropped, begun or not.
    /// Meanwhile `tell` tells of it to who asks.
    pub(crate) async fn cancelled(&self, tell: impl Fn(&Round)) {
        poll_fn(|context| {
            if self.called.get() && self.answer(&tell) {
                return Poll::Ready(());
            }
            let waker = self.waker.take().filter(|known| known.will_wake(context.waker()));
            self.waker.set(waker.or_else(|| Some(context.waker().clone())));
            Poll::Pending
        })
        .await;
    }

    /// Answers what was asked; says whether the delivery is to be dropped.
    #[cold]
    fn answer(&self, tell: &impl Fn(&Round)) -> bool {
        for round in self.rounds.take() {
            tell(&round);
        }
        let cancelled = self.cancelled.get();
        self.called.set(cancelled);
        cancelled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;
    use crate::explain::{Inspect, Inspected, Wanted};

    const NOW: Moment = Moment(Duration::ZERO);

    #[test]
    fn a_delivery_that_is_given_and_not_begun_is_cancelled_too() {
        let mut senders = Senders::default();
        let (sender, cancellation) = senders.add();
        senders.give(sender, NOW, [Epoch(1)].into_iter());
        senders.cancel(&Which::Some(vec![Epoch(1)]));
        assert_eq!(cancellation.cancelled(|_| ()).now_or_never(), Some(()));
    }

    #[test]
    fn only_what_has_records_of_the_stay_is_cancelled() {
        let mut senders = Senders::default();
        let (first, of_first) = senders.add();
        let (second, of_second) = senders.add();
        senders.give(first, NOW, [Epoch(1), Epoch(2)].into_iter());
        senders.give(second, NOW, [Epoch(3)].into_iter());
        senders.cancel(&Which::Some(vec![Epoch(2)]));
        assert!(of_first.cancelled(|_| ()).now_or_never().is_some());
        assert!(of_second.cancelled(|_| ()).now_or_never().is_none());
    }

    #[test]
    fn a_cancelled_delivery_does_not_cancel_the_next() {
        let mut senders = Senders::default();
        let (sender, cancellation) = senders.add();
        senders.give(sender, NOW, [Epoch(1)].into_iter());
        senders.cancel(&Which::All);
        senders.done(sender, NOW);
        senders.give(sender, NOW, [Epoch(2)].into_iter());
        assert!(cancellation.cancelled(|_| ()).now_or_never().is_none());
    }

    #[test]
    fn an_idle_sender_is_not_cancelled() {
        let mut senders = Senders::default();
        let (sender, cancellation) = senders.add();
        senders.give(sender, NOW, [Epoch(1)].into_iter());
        senders.done(sender, NOW);
        senders.cancel(&Which::All);
        assert!(cancellation.cancelled(|_| ()).now_or_never().is_none());
    }

    /// A question, and where its answer comes.
    fn question() -> (Rc<Round>, oneshot::Receiver<Inspected>) {
        let (reply, answer) = oneshot::channel();
        let wanted = Arc::new(Wanted::Longest { state: None, limit: 1 });
        let inspect = Inspect { wanted, taken: Arc::default(), reply };
        (Rc::new(Round::new(inspect, NOW)), answer)
    }

    #[test]
    fn a_question_is_answered_when_all_that_have_something_in_hand_have_told() {
        let mut senders = Senders::default();
        let (first, of_first) = senders.add();
        let (second, of_second) = senders.add();
        let (_, of_idle) = senders.add();
        senders.give(first, NOW, [Epoch(1)].into_iter());
        senders.give(second, NOW, [Epoch(2)].into_iter());
        let (round, mut answer) = question();
        senders.ask(&round);
        drop(round);
        let told = Cell::new(0);
        let tell = |_: &Round| told.set(told.get() + 1);
        assert!(of_first.cancelled(tell).now_or_never().is_none(), "it goes on");
        assert!(answer.try_recv().is_err(), "the second has not told yet");
        assert!(of_idle.cancelled(tell).now_or_never().is_none());
        assert_eq!(told.get(), 1, "whoever is idle is not asked");
        assert!(of_second.cancelled(tell).now_or_never().is_none());
        assert!(answer.try_recv().is_ok());
        assert!(of_second.cancelled(tell).now_or_never().is_none());
        assert_eq!(told.get(), 2, "each is asked once");
    }

    #[test]
    fn who_is_cancelled_tells_first() {
        let mut senders = Senders::default();
        let (sender, call) = senders.add();
        senders.give(sender, NOW, [Epoch(1)].into_iter());
        let (round, mut answer) = question();
        senders.cancel(&Which::All);
        senders.ask(&round);
        drop(round);
        let told = Cell::new(false);
        assert!(call.cancelled(|_| told.set(true)).now_or_never().is_some());
        assert!(told.get() && answer.try_recv().is_ok());
        assert!(call.cancelled(|_| ()).now_or_never().is_some(), "still, until it is given more");
    }

    #[test]
    fn nobody_at_work_answers_at_once() {
        let mut senders = Senders::default();
        senders.add();
        let (round, mut answer) = question();
        senders.ask(&round);
        drop(round);
        assert!(answer.try_recv().is_ok());
    }
}
