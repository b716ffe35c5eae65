//! Many records: each is delivered once.

use super::stage::{Stage, distinct, wait_until_shared};
use crate::support::{Cluster, Endpoint};

#[test]
fn a_thousand_requests_at_once_from_one_partition() {
    let mut stage = Stage::new("volume", 1);
    stage.endpoint = Endpoint::builder().hashes_only().start();
    let sent = stage.produce(distinct(40_000));
    let mut keyway = stage.keyway().flag("--senders", 1_000).start();
    let verdict = stage.finish(&sent);
    keyway.stop();
    verdict.assert_exact();
    assert_eq!(stage.endpoint.look(crate::support::Ledger::count), 40_000);
}

#[test]
fn three_members_share_a_backlog() {
    let mut stage = Stage::new("backlog", 12);
    stage.endpoint = Endpoint::builder().hashes_only().start();
    let sent = stage.produce(distinct(24_000));
    let start = || stage.keyway().start();
    let (mut one, mut two, mut three) = (start(), start(), start());
    wait_until_shared(&mut [&mut one, &mut two, &mut three], 12);
    let verdict = stage.finish(&sent);
    one.stop();
    two.stop();
    three.stop();
    verdict.assert_exact();
    assert_eq!(stage.kafka.committed_total(&stage.group, &stage.topic), 24_000);
}
