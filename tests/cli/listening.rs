//! `--listen`: health and metrics, and how it says that it cannot serve them.

use std::net::TcpListener;

use super::trap::Trap;
use crate::stage::{Counts, Stage};
use crate::support::*;

#[test]
fn a_taken_port_is_said_before_anything_is_connected() {
    let trap = Trap::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let output = trap.without_listen("run").flag("--listen", address).output();
    assert_eq!(output.code, 1);
    let line = format!("api.listen: {address} is taken by another program");
    assert!(output.stderr.contains(&line) && output.stderr.contains("--listen"), "{output:?}");
    trap.assert_untouched();
}

#[test]
fn off_listens_nowhere() {
    let stage = Stage::new(1);
    let sent = stage.produce(numbered(10, 5));
    let mut keyway = Keyway::command(["run", "--log-format", "json", "--listen", "off"])
        .flag("--brokers", stage.mock.brokers())
        .topic(&stage.topic)
        .group(&stage.group)
        .url(&stage.endpoint.url())
        .start();
    stage.endpoint.wait_for_all(&sent);
    let listens = std::fs::read_to_string(format!("/proc/{}/net/tcp", keyway.id())).map(|table| {
        // State 0A is LISTEN; the sockets of the process are those whose inode it has open.
        let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", keyway.id()))
            .expect("its descriptors")
            .filter_map(|fd| Some(std::fs::read_link(fd.ok()?.path()).ok()?.display().to_string()))
            .collect();
        let columns = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        columns
            .filter(|it| it[3] == "0A" && inodes.contains(&format!("socket:[{}]", it[9])))
            .count()
    });
    // Not every system has the table.
    assert_eq!(listens.unwrap_or(0), 0);
    keyway.stop();
    let said = keyway.log().iter().any(|line| line["msg"] == "api listening");
    assert!(!said, "{:?}", keyway.log());
}

#[test]
fn metrics_have_the_names_that_dashboards_rely_on() {
    let stage = Stage::new(2);
    let sent = stage.produce(numbered(100, 10));
    let mut keyway = stage.keyway().start();
    stage.endpoint.wait_for_all(&sent);
    stage.wait_all_committed();
    let metrics = keyway.wait_for_metrics("the last commit to be shown", |metrics| {
        metrics.count("consumer_lag", &[]) == 0 && metrics.count("committed_offset", &[]) == 100
    });
    for name in [
        "records_received_total",
        "records_delivered_total",
        "records_dead_lettered_total",
        "records_dropped_total",
        "requests_total",
        "request_duration_seconds_bucket",
        "record_latency_seconds_bucket",
        "retries_total",
        "in_flight",
        "held_records",
        "held_bytes",
        "lanes",
        "lanes_parked",
        "committed_offset",
        "consumer_lag",
        "oldest_unsettled_age_seconds",
        "commits_total",
        "rebalances_total",
        "partition_held",
        "connections_total",
        "build_info",
    ] {
        assert!(metrics.has(&format!("keyway_{name}")), "{name}: {:?}", metrics.names());
    }
    assert!(metrics.names().iter().all(|name| name.starts_with("keyway_")));
    assert_eq!(metrics.count("requests_total", &[("class", "2xx")]), 100);
    assert_eq!(metrics.count("request_duration_seconds_count", &[]), 100);
    assert_eq!(metrics.count("oldest_unsettled_age_seconds", &[]), 0);
    keyway.stop();
}

#[test]
fn probes_and_other_paths() {
    let stage = Stage::new(1);
    let mut keyway = stage.keyway().start();
    keyway.wait_ready();
    let mut get = |path: &str| keyway.get(path).expect("it answers");
    assert_eq!(get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz"), (200, "ok\n".to_owned()));
    let (status, text) = get("/nothing");
    assert_eq!((status, text.contains("/metrics")), (404, true));
    keyway.stop();
}
