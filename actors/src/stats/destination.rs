//! How a pipeline's destinations stand, over all arbiters.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::breaker::BreakerState;
use crate::core::destinations::{DestinationView, Wait};

/// One destination, over all arbiters of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationStatus {
    /// Its name: scheme, host and port.
    pub name: Arc<str>,
    /// Requests in flight.
    pub in_flight: u64,
    /// The most that may be in flight, where something says so.
    pub limit: Option<u64>,
    /// Lanes that wait for it.
    pub waiting: u64,
    /// What they wait for, on one of the arbiters where they do.
    pub wait: Option<Wait>,
    /// The breaker that is worst off, where there are breakers: each arbiter has its own.
    pub breaker: Option<BreakerState>,
}

/// Puts together what the arbiters know; by name.
pub(crate) fn merge(views: impl IntoIterator<Item = DestinationView>) -> Vec<DestinationStatus> {
    let mut all = BTreeMap::<Arc<str>, DestinationStatus>::new();
    for view in views {
        let it = all.entry(Arc::clone(&view.name)).or_insert_with(|| DestinationStatus {
            name: view.name,
            in_flight: 0,
            limit: None,
            waiting: 0,
            wait: None,
            breaker: None,
        });
        it.in_flight += u64::from(view.in_flight);
        if let Some(limit) = view.limit {
            *it.limit.get_or_insert(0) += u64::from(limit);
        }
        it.waiting += view.waiting as u64;
        it.wait = it.wait.or(view.wait);
        it.breaker = [it.breaker, view.breaker].into_iter().flatten().max_by_key(gravity);
    }
    all.into_values().collect()
}

fn gravity(state: &BreakerState) -> u8 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open { .. } => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Moment;

    fn view(name: &str, breaker: BreakerState, wait: Option<Wait>) -> DestinationView {
        DestinationView {
            name: name.into(),
            in_flight: 3,
            limit: Some(4),
            waiting: 5,
            wait,
            breaker: Some(breaker),
        }
    }

    #[test]
    fn what_several_arbiters_know_of_a_destination_is_one() {
        let open = BreakerState::Open { since: Moment::default(), until: Moment::default() };
        let all = merge([
            view("b", BreakerState::HalfOpen, None),
            view("a", BreakerState::Closed, None),
            view("b", open, Some(Wait::Probe)),
            view("b", BreakerState::Closed, None),
        ]);
        let names: Vec<_> = all.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["a", "b"]);
        let both = &all[1];
        assert_eq!((both.in_flight, both.limit, both.waiting), (9, Some(12), 15));
        assert_eq!((both.wait, both.breaker), (Some(Wait::Probe), Some(open)));
    }
}
