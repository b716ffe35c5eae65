//! `/verify`: whether every record of every pipeline is accounted for.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::handle::Handle;
use crate::stats::Conservation;

/// How long it is looked for a moment at which the numbers add up. They always do between two
/// records: of the many moments in this time one is such, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(2);

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(1);

/// The records of all pipelines.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// Whether those of each pipeline add up.
    pub adds_up: bool,
    /// Each pipeline.
    pub pipelines: Vec<Account>,
}

/// The records of a pipeline.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// The pipeline's name.
    pub pipeline: String,
    /// Whether they add up.
    pub adds_up: bool,
    /// How many were taken in of which nobody knows; below zero where more became something than
    /// were taken in. Null where no moment was found at which to count.
    #[schema(required)]
    pub missing: Option<i64>,
    /// What became of them; null likewise.
    #[schema(required)]
    pub records: Option<Conservation>,
}

/// Counts the records of all pipelines.
pub async fn verify(pipelines: &[Handle]) -> Verification {
    let accounts = pipelines.iter().map(async |handle| {
        let records = count(|| handle.conservation(), PATIENCE).await;
        account(handle.name().to_owned(), records)
    });
    let pipelines = futures_util::future::join_all(accounts).await;
    Verification { adds_up: pipelines.iter().all(|it| it.adds_up), pipelines }
}

fn account(pipeline: String, records: Option<Conservation>) -> Account {
    let missing = records.map(|records| {
        let missing = records.missing();
        i64::try_from(missing).unwrap_or(if missing < 0 { i64::MIN } else { i64::MAX })
    });
    Account { pipeline, adds_up: missing == Some(0), missing, records }
}

/// The first numbers that add up; after `patience` the last that did not.
async fn count(
    mut take: impl FnMut() -> Option<Conservation>,
    patience: Duration,
) -> Option<Conservation> {
    let begun = Instant::now();
    let mut last = None;
    loop {
        match take() {
            Some(records) if records.adds_up() => return Some(records),
            taken => last = taken.or(last),
        }
        if begun.elapsed() >= patience {
            return last;
        }
        actix_rt::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Conservation = Conservation {
        received: 3,
        delivered: 2,
        dead_lettered: 0,
        filtered: 0,
        dropped: 0,
        returned: 0,
        held: 1,
    };

    #[actix_rt::test]
    async fn a_moment_at_which_the_numbers_add_up_is_looked_for() {
        let mut looks =
            [None, Some(Conservation { received: 4, ..SOUND }), None, Some(SOUND)].into_iter();
        let found = count(|| looks.next().flatten(), Duration::from_mins(1)).await;
        assert_eq!(
            account("orders".into(), found),
            Account {
                pipeline: "orders".into(),
                adds_up: true,
                missing: Some(0),
                records: Some(SOUND),
            }
        );
    }

    #[actix_rt::test]
    async fn what_never_adds_up_is_told() {
        let broken = Conservation { received: 4, ..SOUND };
        let mut looks = [Some(broken), None].into_iter();
        let found = count(|| looks.next().flatten(), Duration::from_millis(20)).await;
        let account = account("orders".into(), found);
        assert_eq!((account.adds_up, account.missing), (false, Some(1)));
        assert_eq!(account.records, Some(broken));
    }

    #[actix_rt::test]
    async fn where_nothing_can_be_counted_nothing_is_claimed() {
        let found = count(|| None, Duration::ZERO).await;
        let account = account("orders".into(), found);
        assert_eq!((account.adds_up, account.missing, account.records), (false, None, None));
    }
}
