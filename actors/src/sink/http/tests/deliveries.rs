//! Deliveries as the desk hands them out: attempts are counted on, and nothing overtakes.

use super::*;
use crate::core::Moment;
use crate::core::desk::Desk;
use crate::core::lanes::Batch;
use crate::core::retry::RetryPolicy;
use crate::sink::Sink;

/// Takes what is ready, has it delivered and tells the desk; the offsets it held.
async fn deliver(desk: &mut Desk<Record>, sink: &HttpSink, now: Moment) -> Vec<i64> {
    let delivery = desk.dispatch(Moment::default()).unwrap();
    let offsets = delivery.entries().iter().map(|entry| entry.item().offset()).collect();
    let outcomes = sink.deliver(&delivery).await;
    desk.conclude(delivery, outcomes, now, 0, &mut |_| {});
    offsets
}

#[actix_rt::test]
async fn each_attempt_says_which_it_is() {
    let server =
        Server::start(|_| Answer::Bytes(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".into()));
    let sink = sink(&server);
    let mut desk = Desk::new(RetryPolicy::default(), 1, Batch::ONE);
    desk.accept(record()).unwrap();
    for hours in 0..3 {
        let now = Moment(Duration::from_hours(hours));
        desk.wake(now, &mut |_| {});
        assert_eq!(deliver(&mut desk, &sink, now).await, [42]);
    }
    let requests = server.requests();
    let attempts: Vec<_> = requests.iter().map(|it| it.header("keyway-attempt").unwrap()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
}

#[actix_rt::test]
async fn records_of_one_delivery_go_one_by_one_and_stop_at_the_first_that_does_not_arrive() {
    let server = Server::start(|request| match request.header("keyway-offset") {
        Some("2") => Answer::Bytes(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".into()),
        _ => Answer::ok(),
    });
    let sink = sink(&server);
    let batch = Batch { lanes: 1, records: 4 };
    let mut desk = Desk::new(RetryPolicy::default(), 1, batch);
    for offset in 0..4 {
        let record = Record::builder("orders", 0, offset).key("k").value("x");
        desk.accept(record.build()).unwrap();
    }
    assert_eq!(deliver(&mut desk, &sink, Moment::default()).await, [0, 1, 2, 3]);
    let sent = |it: &Request| it.header("keyway-offset").map(str::to_owned);
    let sent: Vec<_> = server.requests().iter().filter_map(sent).collect();
    assert_eq!(sent, ["0", "1", "2"]);
}
