//! What holds of an alert whatever happens: nothing is told too often, and nothing forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use keyway_actors::core::Moment;
use keyway_actors::core::breaker::BreakerState;
use keyway_actors::{PipelineError, Status};
use proptest::prelude::*;

use super::super::alert::Alert;
use super::super::kind::AlertKind;
use super::super::settings::{AlertSettings, WebhookUrl};
use super::super::text::Message;
use super::{OPEN, at, destination, partition, status};

const EVERY: Duration = Duration::from_mins(1);

fn settings() -> AlertSettings {
    AlertSettings::new(WebhookUrl::parse("http://h/").unwrap())
}

fn alert() -> Alert {
    Alert::new(&settings(), "h1".into())
}

/// What happens to one of two pipelines, or to a message, and how many milliseconds later.
#[derive(Clone, Debug)]
enum Step {
    Exhausted(usize, u64),
    DeadLettered(usize, u64),
    /// A breaker opened so often, and is open or not.
    Breaker(usize, u64, bool),
    Parked(usize, Option<u64>),
    /// The log is longer, and delivered to so many before its end.
    Log(usize, i64, i64),
    Fails(usize),
    /// The message under way, if there is one.
    Told(bool),
}

fn step() -> impl Strategy<Value = (Step, u64)> {
    let which = 0..2_usize;
    let step = prop_oneof![
        (which.clone(), 1..9_u64).prop_map(|(it, count)| Step::Exhausted(it, count)),
        (which.clone(), 1..9_u64).prop_map(|(it, count)| Step::DeadLettered(it, count)),
        (which.clone(), 0..3_u64, any::<bool>()).prop_map(|(a, b, c)| Step::Breaker(a, b, c)),
        (which.clone(), proptest::option::of(0..2_000_u64)).prop_map(|(a, b)| Step::Parked(a, b)),
        (which.clone(), 0..9_i64, 0..9_i64).prop_map(|(a, b, c)| Step::Log(a, b, c)),
        which.prop_map(Step::Fails),
    ];
    // Messages go often, so that the same topic has its turn soon, and time mostly goes slowly, so
    // that it then is too soon.
    let told = prop_oneof![3 => Just(Step::Told(true)), 1 => Just(Step::Told(false))];
    (prop_oneof![step, told], prop_oneof![6 => 0..3_000_u64, 1 => 0..200_000_u64])
}

fn apply(step: &Step, all: &mut [Status]) {
    match *step {
        Step::Exhausted(it, count) => all[it].totals.exhausted += count,
        Step::DeadLettered(it, count) => all[it].totals.dead_lettered += count,
        Step::Breaker(it, count, is_open) => {
            all[it].totals.breakers_opened += count;
            let state = if is_open { OPEN } else { BreakerState::Closed };
            all[it].destinations = vec![destination("x", state)];
        }
        Step::Parked(it, seconds) => all[it].parked_for = seconds.map(Duration::from_secs),
        Step::Log(it, longer, behind) => {
            let end = all[it].partitions.first().and_then(|it| it.log_end).unwrap_or(0) + longer;
            all[it].partitions = vec![partition(0, (end - behind).max(0), end)];
        }
        Step::Fails(it) => all[it].failure = Some(PipelineError::Kafka("gone".to_owned())),
        Step::Told(_) => {}
    }
}

/// What arrived.
#[derive(Default)]
struct Told {
    counts: BTreeMap<(AlertKind, String), u64>,
    last: BTreeMap<(AlertKind, String), Moment>,
}

impl Told {
    fn take(&mut self, message: &Message, now: Moment) -> Option<Moment> {
        let topic = (message.kind, message.pipeline.to_string());
        *self.counts.entry(topic.clone()).or_default() += message.count;
        self.last.insert(topic, now)
    }

    fn count(&self, kind: AlertKind, pipeline: &str) -> u64 {
        self.counts.get(&(kind, pipeline.to_owned())).copied().unwrap_or(0)
    }
}

proptest! {
    #[test]
    fn nothing_is_told_too_often_and_nothing_is_forgotten(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let (mut alert, mut told) = (alert(), Told::default());
        let mut all = [status("a"), status("b")];
        let mut now = at(0);
        let mut under_way: Option<Message> = None;
        for (step, millis) in &steps {
            now = now.after(Duration::from_millis(*millis));
            apply(step, &mut all);
            alert.look(&all, now);
            if let (Step::Told(arrives), Some(message)) = (step, under_way.take_if(|_| matches!(step, Step::Told(_)))) {
                if *arrives {
                    alert.arrived(now);
                    if let Some(before) = told.take(&message, now) {
                        prop_assert!(now >= before.after(EVERY), "{message:?} after {before:?}");
                    }
                } else {
                    alert.failed(None, now);
                }
            }
            if let Some(message) = alert.next(now) {
                prop_assert!(under_way.is_none(), "two under way");
                prop_assert!(message.count > 0 || message.kind.lasts(), "{message:?}");
                prop_assert!(!message.text.contains(['\n', '"']));
                under_way = Some(message);
            }
        }
        if under_way.is_some() {
            alert.failed(None, now);
        }
        while let Some(message) = alert.last(now) {
            told.take(&message, now);
            alert.arrived(now);
        }
        prop_assert_eq!(alert.untold(), 0);
        for it in &all {
            let totals = &it.totals;
            prop_assert_eq!(told.count(AlertKind::Exhausted, &it.name), totals.exhausted);
            prop_assert_eq!(told.count(AlertKind::DeadLettered, &it.name), totals.dead_lettered);
            prop_assert_eq!(told.count(AlertKind::BreakerOpened, &it.name), totals.breakers_opened);
            let ended = u64::from(it.failure.is_some());
            prop_assert_eq!(told.count(AlertKind::Stopped, &it.name), ended);
        }
    }
}

#[test]
fn only_what_was_asked_for_is_told() {
    let mut settings = settings();
    settings.on = vec![AlertKind::DeadLettered];
    let mut alert = Alert::new(&settings, "h1".into());
    let mut all = [status("a")];
    all[0].totals.exhausted = 1;
    all[0].totals.dead_lettered = 2;
    alert.look(&all, at(0));
    assert_eq!(alert.untold(), 1);
    let message = alert.next(at(1)).unwrap();
    assert_eq!((message.kind, message.count), (AlertKind::DeadLettered, 2));
}

/// It was named in the first message alone.
#[test]
fn a_breaker_that_opens_again_is_told_of_with_its_destination() {
    let (mut alert, mut all) = (alert(), [status("orders")]);
    all[0].totals.breakers_opened = 1;
    all[0].destinations = vec![destination("https://a:443", OPEN)];
    alert.look(&all, at(10));
    assert!(alert.next(at(11)).is_some());
    alert.arrived(at(11));
    for second in [20, 30] {
        all[0].totals.breakers_opened += 1;
        alert.look(&all, at(second));
    }
    let again = alert.last(at(36)).unwrap();
    assert_eq!((again.count, again.destination.as_deref()), (2, Some("https://a:443")));
    assert!(again.text.ends_with(": https://a:443"), "{}", again.text);
    alert.arrived(at(36));
    // Of two that are ill it cannot be told which.
    all[0].destinations.push(destination("https://b:443", OPEN));
    all[0].totals.breakers_opened += 2;
    alert.look(&all, at(40));
    let both = alert.last(at(41)).unwrap();
    assert_eq!((both.count, both.destination), (2, None));
    assert!(both.text.ends_with(": https://a:443, https://b:443"), "{}", both.text);
}

#[test]
fn a_breaker_is_told_of_with_its_destination_and_again_when_it_closed() {
    let (mut alert, mut all) = (alert(), [status("orders")]);
    all[0].totals.breakers_opened = 1;
    alert.look(&all, at(10));
    // What the destination looks like is known a moment after its breaker was counted.
    all[0].destinations = vec![destination("https://a:443", OPEN)];
    alert.look(&all, at(11));
    let opened = alert.next(at(11)).unwrap();
    assert_eq!(opened.kind, AlertKind::BreakerOpened);
    assert_eq!(opened.destination.as_deref(), Some("https://a:443"));
    alert.arrived(at(11));
    all[0].destinations[0].breaker = Some(BreakerState::Closed);
    alert.look(&all, at(71));
    let closed = alert.next(at(72)).unwrap();
    assert_eq!(
        closed.text,
        "keyway on h1, pipeline orders: breaker closed, having opened 1m 1s ago: https://a:443"
    );
}
