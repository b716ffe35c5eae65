//! How connections are used, as the endpoint sees them.

use super::stage::Stage;
use crate::support::*;

#[test]
fn a_connection_can_be_used_for_one_request_or_for_some() {
    for (name, value, connections) in [
        ("KEYWAY_HTTP_CONNECTION", "per_request", 12),
        ("KEYWAY_HTTP_CONNECTION_MAX_REQUESTS", "5", 3),
        ("KEYWAY_HTTP_CONNECTION_MAX_REQUESTS", "0", 1),
    ] {
        let stage = Stage::new(1);
        let sent = stage.produce(numbered(12, 1));
        let mut keyway = stage.keyway().env(name, value).start();
        stage.finish(&mut keyway, &sent);
        stage.endpoint.verdict(&sent).assert_exact();
        assert_eq!(stage.endpoint.look(Ledger::connections), connections, "{name}={value}");
    }
}

/// The endpoint closes each connection when the second request has come over it, as a server does
/// whose idle timeout ran out while that was on its way.
#[test]
fn a_connection_closed_while_idle_is_no_failed_attempt() {
    let stage = Stage::new(1);
    let mut served = std::collections::HashMap::<usize, u32>::new();
    stage.endpoint.script(move |request| {
        let served = served.entry(request.connection).or_default();
        *served += 1;
        if *served > 1 { Reply::close() } else { Reply::ok() }
    });
    let sent = stage.produce(numbered(20, 1));
    let mut keyway = stage.keyway().start();
    stage.finish(&mut keyway, &sent);
    let verdict = stage.endpoint.verdict(&sent);
    verdict.assert_kept();
    let attempts = stage.endpoint.look(|ledger| {
        ledger.requests().iter().filter_map(|one| one.attempt).max().expect("there were some")
    });
    assert_eq!(attempts, 1, "each request was the first attempt at its record");
    assert_eq!(stage.endpoint.look(Ledger::count), 39);
}
