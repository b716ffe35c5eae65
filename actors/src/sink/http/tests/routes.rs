//! Records whose route makes other requests of them than the usual one.

use std::sync::Arc;

use awc::http::Method;

use super::*;
use crate::core::Moment;
use crate::core::desk::{Desk, Effect, Step};
use crate::core::lanes::Batch;
use crate::core::outcome::Settled;
use crate::core::retry::RetryPolicy;
use crate::route::{Plan, PlanContext, Refusal, Request as Planned, Route, Unmatched};
use crate::sink::Sink;
use crate::sink::http::{Auth, Secret};

/// A route of a function from the record.
struct By<F>(F);

impl<F> Route for By<F>
where
    F: Fn(&Record, &PlanContext<'_>) -> Result<Plan, Refusal> + Send + Sync + 'static,
{
    fn plan(&self, record: &Record, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
        (self.0)(record, context)
    }
}

fn routed(
    route: impl Fn(&Record, &PlanContext<'_>) -> Result<Plan, Refusal> + Send + Sync + 'static,
) -> HttpSink {
    HttpSettings::routed(By(route)).build(&context(8)).unwrap()
}

fn plan(requests: Vec<Planned>) -> Plan {
    Plan::try_from(requests).unwrap()
}

/// A desk with one record in it, and what becomes of that.
struct Way {
    desk: Desk<Record>,
    now: Moment,
    settled: Vec<Settled>,
}

impl Way {
    fn of(record: Record) -> Self {
        let mut desk = Desk::new(RetryPolicy::default(), 1, Batch::ONE);
        desk.accept(record).unwrap();
        Self { desk, now: Moment::default(), settled: Vec::new() }
    }

    /// One delivery, if there is one; its destination's step and its outcome.
    async fn goes_on(&mut self, sink: &HttpSink) -> bool {
        let settled = &mut self.settled;
        let mut note = |effect: Effect<'_, Record>| {
            if let Effect::Settled { how, .. } = effect {
                settled.push(how);
            }
        };
        let now = self.desk.next_wake().unwrap_or_default().max(self.now);
        self.desk.wake(now, &mut note);
        let step = |entry: &mut crate::core::lanes::Entry<Record>| {
            let (request, attempt) = (entry.request(), entry.attempts() + 1);
            sink.step(entry.item_mut(), request, attempt)
        };
        let Some(delivery) = self.desk.dispatch_by(now, 0, step, &mut note) else { return false };
        let outcomes = sink.deliver(&delivery).await;
        self.desk.conclude(delivery, outcomes, now, u64::MAX, &mut note);
        true
    }
}

#[actix_rt::test]
async fn a_plan_is_requested_one_after_the_other_and_each_request_has_a_key_of_its_own() {
    let (one, two) = (Server::start(|_| Answer::ok()), Server::start(|_| Answer::ok()));
    let urls = [one.url("/a"), two.url("/b?c=d")];
    let sink = routed(move |_, _| {
        let first = Planned::new(&urls[0]).unwrap().method(Method::PUT).unwrap();
        let second = Planned::new(&urls[1]).unwrap().body("own".into());
        Ok(plan(vec![first, second.header("X-Region", "eu").unwrap()]))
    });
    let mut way = Way::of(record());
    while way.goes_on(&sink).await {}
    assert_eq!(way.settled, [Settled::Delivered]);
    let (first, second) = (one.request(), two.request());
    assert_eq!(first.line, "PUT /a HTTP/1.1");
    assert_eq!(first.body, b"{\"id\":1}");
    assert_eq!(first.header("idempotency-key"), Some("keyway:orders:3:42:0"));
    assert_eq!(first.header("keyway-offset"), Some("42"));
    assert_eq!(first.header("host"), Some(one.address().to_string().as_str()));
    assert_eq!(second.line, "POST /b?c=d HTTP/1.1");
    assert_eq!((&*second.body, second.header("x-region")), (&b"own"[..], Some("eu")));
    assert_eq!(second.header("idempotency-key"), Some("keyway:orders:3:42:1"));
}

#[actix_rt::test]
async fn a_retry_goes_on_at_the_request_that_failed() {
    let one = Server::start(|_| Answer::ok());
    let two = Server::start(|request| match request.header("keyway-attempt") {
        Some("3") => Answer::ok(),
        _ => Answer::Bytes(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".into()),
    });
    let urls = [one.url("/"), two.url("/")];
    let sink = routed(move |_, context| {
        let body = format!("attempt {}", context.attempt());
        let second = Planned::new(&urls[1]).unwrap().body(body.into());
        Ok(plan(vec![Planned::new(&urls[0]).unwrap(), second]))
    });
    let mut way = Way::of(record());
    while way.goes_on(&sink).await {}
    assert_eq!(way.settled, [Settled::Delivered]);
    assert_eq!(one.requests().len(), 1);
    let requests = two.requests();
    let same_key = |it: &&Request| it.header("idempotency-key") == Some("keyway:orders:3:42:1");
    assert_eq!(requests.iter().filter(same_key).count(), 3);
    let bodies: Vec<_> = requests.into_iter().map(|it| it.body).collect();
    assert_eq!(bodies, [&b"attempt 1"[..], b"attempt 2", b"attempt 3"]);
}

#[actix_rt::test]
async fn every_destination_gets_the_credentials() {
    let servers = [Server::start(|_| Answer::ok()), Server::start(|_| Answer::ok())];
    let urls = [servers[0].url("/"), servers[1].url("/")];
    let route = By(move |_: &Record, _: &PlanContext<'_>| {
        Ok(plan(urls.iter().map(|url| Planned::new(url).unwrap()).collect()))
    });
    let auth = Auth::bearer(Secret::given("token")).unwrap();
    let sink = HttpSettings::routed(route).auth(auth).build(&context(8)).unwrap();
    let mut way = Way::of(record());
    while way.goes_on(&sink).await {}
    for server in &servers {
        assert_eq!(server.request().header("authorization"), Some("Bearer token"));
    }
}

#[actix_rt::test]
async fn one_request_has_the_key_of_its_record() {
    let server = Server::start(|_| Answer::ok());
    let url = server.url("/");
    let sink = routed(move |_, _| Ok(Plan::one(Planned::new(&url).unwrap())));
    Way::of(record()).goes_on(&sink).await;
    assert_eq!(server.request().header("idempotency-key"), Some("keyway:orders:3:42"));
}

#[actix_rt::test]
async fn a_body_of_its_own_does_not_have_the_records_content_type() {
    let server = Server::start(|_| Answer::ok());
    let url = server.url("/");
    let sink = routed(move |_, _| {
        let it = || Planned::new(&url).unwrap();
        let typed = it().header("Content-Type", "text/csv").unwrap().body("a,b".into());
        Ok(plan(vec![it(), it().body("{}".into()), typed]))
    });
    let record = Record::builder("orders", 0, 1).value("<a/>").header("content-type", "text/xml");
    let mut way = Way::of(record.build());
    while way.goes_on(&sink).await {}
    let requests = server.requests();
    let types: Vec<_> = requests.iter().map(|it| it.header("content-type").unwrap()).collect();
    assert_eq!(types, ["text/xml", "application/json", "text/csv"]);
}

#[actix_rt::test]
async fn a_plan_counts_against_the_budget_while_it_is_kept() {
    let server = Server::start(|_| Answer::ok());
    let url = server.url("/");
    let sink = routed(move |_, _| {
        Ok(Plan::one(Planned::new(&url).unwrap().body(vec![b'x'; 9_000].into())))
    });
    let mut record = record();
    let assignment = Arc::clone(record.assignment());
    let before = assignment.held_bytes();
    assert!(matches!(sink.step(&mut record, 0, 1), Step::Send { to: Some(_), requests: 1 }));
    assert!(assignment.held_bytes() >= before + 9_000);
    crate::core::lanes::Item::rest(&mut record);
    assert_eq!(assignment.held_bytes(), before);
    let _ = sink.step(&mut record, 0, 1);
    drop(record);
    assert_eq!((assignment.held_bytes(), assignment.held_records()), (0, 0));
}

#[actix_rt::test]
async fn a_record_without_a_request_is_filtered_or_refused() {
    let filtered = routed(|_, _| Ok(Plan::filtered()));
    assert!(matches!(filtered.step(&mut record(), 0, 1), Step::Filter));
    let unmatched = |unmatched| routed(move |_, _| Err(Refusal::Unmatched(unmatched)));
    assert!(matches!(unmatched(Unmatched::Filter).step(&mut record(), 0, 1), Step::Filter));
    for (how, wanted) in
        [(Unmatched::DeadLetter, crate::Action::DeadLetter), (Unmatched::Stop, crate::Action::Stop)]
    {
        let step = unmatched(how).step(&mut record(), 0, 1);
        assert!(matches!(step, Step::Refuse { action: Some(action), .. } if action == wanted));
    }
    let broken = || Failure::new(FailureKind::Unsendable, "no such field");
    let rejecting = routed(move |_, _| Err(broken().into()));
    let step = rejecting.step(&mut record(), 0, 1);
    let Step::Refuse { failure, action: None } = step else { panic!("{step:?}") };
    assert_eq!(failure.reason, "no such field");
}

#[actix_rt::test]
async fn a_route_that_forgets_requests_is_found_out() {
    let sink = routed(|_, _| Ok(Plan::one(Planned::new("http://h/").unwrap())));
    let step = sink.step(&mut record(), 1, 1);
    let Step::Refuse { failure, action: None } = step else { panic!("{step:?}") };
    assert!(failure.reason.contains("fewer requests"), "{failure}");
}

#[actix_rt::test]
async fn destinations_are_told_apart_by_scheme_host_and_port() {
    let names =
        ["http://h/a", "http://H:80/b", "https://h/", "http://h:81/", "http://g/"].map(|url| {
            let sink = routed(move |_, _| Ok(Plan::one(Planned::new(url).unwrap())));
            match sink.step(&mut record(), 0, 1) {
                Step::Send { to: Some(name), .. } => name.to_string(),
                step => panic!("{step:?}"),
            }
        });
    assert_eq!(
        names,
        ["http://h:80", "http://h:80", "https://h:443", "http://h:81", "http://g:80"]
    );
}

/// A route that has nothing to request of a record whose request failed: it is not settled by that.
#[actix_rt::test]
async fn a_record_that_was_attempted_is_not_filtered() {
    let sink = routed(|_, context| match context.attempt() {
        1 => Ok(Plan::one(Planned::new("http://h/").unwrap())),
        2 => Ok(Plan::filtered()),
        _ => Err(Refusal::Unmatched(Unmatched::Filter)),
    });
    assert!(matches!(sink.step(&mut record(), 0, 1), Step::Send { .. }));
    for attempt in [2, 3] {
        let step = sink.step(&mut record(), 0, attempt);
        assert!(matches!(step, Step::Refuse { action: None, .. }), "{step:?}");
    }
}

#[actix_rt::test]
async fn a_host_from_a_record_with_a_private_address_is_rejected() {
    let server = Server::start(|_| Answer::ok());
    let url = server.url("/");
    let plan = move |_: &Record, _: &PlanContext<'_>| {
        Ok(Plan::one(Planned::new(&url).unwrap().with_host_from_record()))
    };
    let sink = routed(plan);
    let mut record = record();
    assert!(matches!(sink.step(&mut record, 0, 1), Step::Send { .. }));
    let failure = rejected(sink.attempt(&record, 1).await);
    assert!(failure.reason.contains("allowed_networks"), "{failure}");
    assert_eq!(server.accepted(), 0);
}

/// What this machine lacks is not the record's fault: here, whatever is to verify a certificate.
#[test]
fn only_what_cannot_be_sent_is_rejected_unsent() {
    let error = crate::sink::SinkError("no certificate authorities".into());
    let outcome = super::super::not_made(super::super::not_reached(&error));
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    let unsendable = Failure::new(FailureKind::Unsendable, "no header");
    assert!(matches!(super::super::not_made(unsendable), Outcome::Rejected(_)));
}
