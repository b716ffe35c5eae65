//! What a destination's limits learn of an answer.

use std::time::Duration;

use super::{Desk, Effect, Outcomes};
use crate::core::Moment;
use crate::core::breaker::Health;
use crate::core::concurrency::Answer;
use crate::core::destinations::{Report, RetryAfter};
use crate::core::lanes::{Course, Item};
use crate::core::outcome::{FailureKind, Outcome};

impl Report {
    /// Nothing is to be learned.
    pub(super) fn nothing(took: Duration) -> Self {
        Self { health: Health::Unknown, answer: Answer::Ignored, took, rest: None }
    }
}

impl<T: Item> Desk<T> {
    /// What the outcomes of a delivery say of its destination; the worst of them counts.
    pub(super) fn report(&self, outcomes: &Outcomes, took: Duration) -> Report {
        let mut report = Report { rest: outcomes.exhausted(), ..Report::nothing(took) };
        for outcome in outcomes.iter() {
            let (health, answer) = lesson(outcome);
            report.health = worse(report.health, health);
            report.answer = graver(report.answer, answer);
            if let Outcome::Retry { after, .. } = outcome {
                report.rest = report.rest.max(*after);
            }
        }
        if self.destinations.retry_after() == RetryAfter::Lane {
            report.rest = None;
        }
        report.rest = report.rest.map(|rest| rest.min(self.policy.retry_after_cap));
        report
    }

    /// Tells the destination that a request to it has ended.
    #[inline]
    pub(super) fn ended(
        &mut self,
        course: Course,
        report: Report,
        now: Moment,
        effects: &mut impl FnMut(Effect<'_, T>),
    ) {
        let Course { to, ticket, .. } = course;
        let pool = self.pool();
        if let Some(change) = self.destinations.ended(to, ticket, report, pool, now) {
            effects(Effect::Breaker { destination: self.destinations.name(to), change });
        }
    }
}

/// What one outcome says of whoever answered. A 4xx is the record's fault, or a wish to be asked less
/// often, and no illness; 429 and the statuses of an endpoint that is too busy, or of a gateway in
/// front of one, say that there were too many requests at a time.
fn lesson(outcome: &Outcome) -> (Health, Answer) {
    let Some(failure) = outcome.failure() else { return (Health::Well, Answer::Answered) };
    match failure.kind {
        FailureKind::Status(429) => (Health::Well, Answer::Refused),
        FailureKind::Status(408 | 425) => (Health::Well, Answer::Ignored),
        FailureKind::Status(502..=504) => (Health::Ill, Answer::Refused),
        FailureKind::Status(500..=599) => (Health::Ill, Answer::Ignored),
        FailureKind::Status(_) => (Health::Well, Answer::Answered),
        FailureKind::Connect | FailureKind::Timeout | FailureKind::Disconnected => {
            (Health::Ill, Answer::Refused)
        }
        FailureKind::Unsendable | FailureKind::Unauthorized => (Health::Unknown, Answer::Ignored),
        FailureKind::Other if matches!(outcome, Outcome::Rejected(_)) => {
            (Health::Well, Answer::Answered)
        }
        FailureKind::Other => (Health::Ill, Answer::Ignored),
    }
}

fn worse(one: Health, other: Health) -> Health {
    match (one, other) {
        (Health::Ill, _) | (_, Health::Ill) => Health::Ill,
        (Health::Well, _) | (_, Health::Well) => Health::Well,
        (Health::Unknown, Health::Unknown) => Health::Unknown,
    }
}

fn graver(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Answer::Refused, _) | (_, Answer::Refused) => Answer::Refused,
        (Answer::Answered, _) | (_, Answer::Answered) => Answer::Answered,
        (Answer::Ignored, Answer::Ignored) => Answer::Ignored,
    }
}
