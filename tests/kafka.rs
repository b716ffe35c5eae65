//! Keyway from end to end: the process `keyway run` between a real Apache Kafka and an endpoint
//! that keeps books of its own.
//!
//! Each story owns its topic, its group and its endpoint. Most share one broker, those that kill
//! theirs start their own. What a story found out (how many records were sent again, and why that
//! many) is printed: `cargo test --test kafka -- --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a failed step of a test is a panic that names the step; metrics count whole numbers"
)]

mod support;

mod kafka {
    mod control;
    mod crashes;
    mod cut;
    mod files;
    mod gaps;
    mod keys;
    mod limits;
    mod members;
    mod outages;
    mod plain;
    mod policy;
    mod resume;
    mod security;
    mod settled;
    mod stage;
    mod stopped;
    mod topics;
    mod volume;
}
