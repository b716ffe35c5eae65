//! End to end on librdkafka's mock cluster: `keyway run` as a process, an endpoint that keeps books
//! of its own, one story a test.
//!
//! Nothing here looks into Keyway: what it does is seen at the endpoint, in the offsets that its
//! group has committed, in its metrics and its log, and by its exit code. What the mock cluster
//! cannot do (deleted topics, transactions, limits on metadata) is told in the stories of the real
//! broker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::unchecked_time_subtraction,
    clippy::unnecessary_wraps,
    reason = "a failed step of a test is a panic that names the step; metrics count whole numbers"
)]

mod support;

mod mock {
    mod access;
    mod alerts;
    mod asking;
    mod connections;
    mod conservation;
    mod control;
    mod dead_letters;
    mod destinations;
    mod events;
    mod explaining;
    mod files;
    mod flow;
    mod observing;
    mod order;
    mod outages;
    mod overflow;
    mod parallel;
    mod rebalance;
    mod records;
    mod requests;
    mod resume;
    mod retries;
    mod routes;
    mod settled;
    mod stage;
    mod stopping;
    mod topics;
}
