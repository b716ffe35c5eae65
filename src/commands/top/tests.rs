use std::collections::BTreeMap;

use keyway_actors::State;
use keyway_actors::explain::{Lane, LaneState, Lanes};
use keyway_actors::web::{Breaker, Destination, Partition, PartitionHold, Pipeline, Totals};
use unicode_width::UnicodeWidthStr;

use super::layout::{Line, Looks};
use super::look::Seen;
use super::*;

const NO_BOUNDS: Room = Room { width: usize::MAX, height: usize::MAX, rows: usize::MAX };

fn totals(delivered: u64, retries: u64) -> Totals {
    Totals {
        received: delivered + 3,
        delivered,
        held_records: 3,
        retries: BTreeMap::from([("timeout".to_owned(), retries)]),
        ..Totals::default()
    }
}

fn seen(name: &str, totals: Totals) -> Seen {
    let pipeline = Pipeline { state: State::Running, totals, ..Pipeline::without_counts(name) };
    Seen { pipeline, partitions: Vec::new(), lanes: None }
}

fn at(seconds: u64, pipelines: Vec<Seen>) -> Look {
    Look { at: Duration::from_secs(seconds), pipelines }
}

fn partition(number: i32, lag: u64, oldest: f64) -> Partition {
    Partition {
        topic: "orders".into(),
        partition: number,
        committed_offset: Some(5),
        lowest_unsettled_offset: Some(7),
        log_end_offset: None,
        lag: Some(lag),
        held_records: u64::from(oldest > 0.0),
        held_bytes: 0,
        oldest_unsettled_age_seconds: (oldest > 0.0).then_some(oldest),
        held: None,
        uncovered_offsets: 0,
    }
}

fn lane(head_offset: i64, waited_seconds: Option<f64>) -> Lane {
    Lane {
        topic: "orders".into(),
        partition: 0,
        key: Some("k".into()),
        state: LaneState::Waiting,
        head_offset,
        queued: 2,
        attempts: 3,
        waited_seconds,
        sending_seconds: None,
        failing_seconds: None,
        retry_in_seconds: Some(1.5),
        failure: Some("503 Service Unavailable".into()),
        destination: None,
        url: None,
        reason: None,
    }
}

fn with_lanes(name: &str, lanes: Vec<Lane>) -> Seen {
    let lanes = Lanes { lanes, matching: 0, unanswered: Vec::new() };
    Seen { lanes: Some((Duration::ZERO, lanes)), ..seen(name, totals(0, 0)) }
}

/// The rows of the table that begins with this heading.
fn rows(view: &View, heading: &str) -> Vec<Vec<String>> {
    let table = view.tables.iter().find(|table| table.columns[0].heading == heading);
    table.map_or_else(Vec::new, |table| table.rows.clone())
}

/// The first cells of it.
fn firsts(view: &View, heading: &str) -> Vec<String> {
    rows(view, heading).into_iter().map(|mut row| row.remove(0)).collect()
}

fn cell(view: &View, heading: &str, column: &str) -> String {
    let table = view.tables.iter().find(|table| table.columns[0].heading == heading).unwrap();
    let at = table.columns.iter().position(|it| it.heading == column).unwrap();
    table.rows[0][at].clone()
}

fn rates(was: &Look, is: &Look) -> (String, String) {
    let view = View::of(Some(was), is);
    (cell(&view, "PIPELINE", "DELIVERED/S"), cell(&view, "PIPELINE", "RETRIES/S"))
}

#[test]
fn a_rate_is_what_two_looks_differ_by() {
    let was = &at(10, vec![seen("other", totals(9_000, 0)), seen("orders", totals(1_000, 7))]);
    let is = || vec![seen("orders", totals(5_000, 10))];
    assert_eq!(rates(was, &at(12, is())), ("2,000".into(), "1.5".into()));
    assert_eq!(rates(was, &at(10, is())), ("-".into(), "-".into()), "no time between them");
    let first = View::of(None, &at(12, is()));
    assert_eq!(cell(&first, "PIPELINE", "DELIVERED/S"), "-");
    let new = vec![seen("new", totals(5_000, 10))];
    assert_eq!(rates(was, &at(12, new)).0, "-", "it was not there before");
}

#[test]
fn a_pipeline_that_counts_anew_has_no_rate() {
    let was = at(10, vec![seen("orders", totals(5_000, 10))]);
    let anew = |totals| rates(&was, &at(11, vec![seen("orders", totals)]));
    assert_eq!(anew(totals(0, 0)), ("-".into(), "-".into()));
    assert_eq!(anew(totals(40, 900)), ("-".into(), "-".into()), "retries have grown, it seems");
    assert_eq!(anew(totals(5_000, 10)), ("0".into(), "0".into()));
}

#[test]
fn the_worst_partitions_by_lag_and_by_age_come_first() {
    let partitions = vec![
        partition(0, 10, 1.0),
        partition(1, 500, 2.0),
        partition(2, 400, 1.5),
        partition(3, 1, 900.0),
        partition(4, 0, 0.0),
    ];
    let look = at(0, vec![Seen { partitions, ..seen("orders", totals(0, 0)) }]);
    let view = View::of(None, &look);
    // 1 has the largest lag, 3 the oldest record; 4 has nothing to wait for.
    assert_eq!(firsts(&view, "PARTITION"), ["orders/1", "orders/3", "orders/2", "orders/0"]);
    assert_eq!(cell(&view, "PIPELINE", "LAG"), "911");
    assert_eq!(cell(&view, "PARTITION", "OLDEST"), "2.0 s");
}

#[test]
fn the_slowest_lanes_of_all_pipelines_come_first() {
    let orders = with_lanes("orders", vec![lane(1, Some(5.0)), lane(2, None)]);
    let returns = with_lanes("returns", vec![lane(3, Some(8.0)), lane(4, Some(2.0))]);
    let view = View::of(None, &at(0, vec![orders, returns]));
    let order = ["orders/0@3", "orders/0@1", "orders/0@4", "orders/0@2"];
    assert_eq!(firsts(&view, "LANE'S FIRST"), order);
    assert_eq!(cell(&view, "LANE'S FIRST", "PIPELINE"), "returns");
    let why = cell(&view, "LANE'S FIRST", "WHY");
    assert_eq!(why, "503 Service Unavailable, again in 1.5 s");
}

#[test]
fn what_is_wrong_is_said() {
    let fine = seen("fine", totals(0, 0));
    let mut ill = with_lanes("ill", Vec::new());
    ill.pipeline.cut_off = true;
    ill.pipeline.failure = Some("no \u{1b}[2J".to_owned());
    ill.pipeline.totals.lanes_parked = 2;
    ill.pipeline.parked_for_seconds = Some(12.0);
    let destination = |breaker| Destination {
        name: "http://a:1".into(),
        in_flight: 0,
        limit: None,
        lanes_blocked: 4,
        held: None,
        breaker: Some(breaker),
    };
    ill.pipeline.destinations = vec![destination(Breaker::Closed), destination(Breaker::Open)];
    let was = at(0, vec![fine.clone(), ill.clone()]);
    ill.pipeline.totals.commits.failed = 3;
    ill.partitions = vec![
        Partition { held: Some(PartitionHold::Buffer), ..partition(0, 1, 1.0) },
        Partition { held: Some(PartitionHold::Buffer), ..partition(1, 1, 1.0) },
    ];
    if let Some((_, lanes)) = &mut ill.lanes {
        lanes.unanswered = vec!["arbiter 1".into()];
    }
    let view = View::of(Some(&was), &at(1, vec![fine, ill]));
    let said = rows(&view, "WRONG WITH");
    assert!(said.iter().all(|row| row[0] == "ill"), "{said:?}");
    let said: Vec<&str> = said.iter().map(|row| &*row[1]).collect();
    assert_eq!(
        said,
        [
            "running: no \\u{1b}[2J",
            "the group's coordinator is out of reach",
            "the breaker of http://a:1 is open, 4 lanes blocked",
            "commits failed: 3 since the last look",
            "2 lanes parked: refused, failing for up to 12 s",
            "2 partitions held, the buffer, or their share of it, is full: orders/0, orders/1",
            "no answer of its lanes from arbiter 1",
        ]
    );
    let well = View::of(None, &at(0, vec![seen("fine", totals(0, 0))]));
    assert_eq!(well.tables.len(), 1, "nothing is wrong, and nothing waits: {well:?}");
}

/// A view with many rows everywhere.
fn crowded() -> View {
    let lanes = (0..30).map(|n| lane(n, Some(1.0))).collect();
    let mut orders = with_lanes("orders", lanes);
    orders.partitions = (0..30).map(|n| partition(n, 10, 1.0)).collect();
    View::of(None, &at(0, vec![orders, seen("returns", totals(1, 0))]))
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn nothing_is_larger_than_the_terminal() {
    let view = crowded();
    let head = ["keyway top: \u{1b}ü".to_owned(), "NO ANSWER".to_owned()];
    for width in 0..140 {
        for height in 0..40 {
            let all = lines(&head, &view, Room { width, height, rows: usize::MAX });
            assert!(all.len() <= height, "{width}x{height}: {all:?}");
            assert!(all.iter().all(|it| it.text.width() <= width), "{width}x{height}: {all:?}");
            assert!(all.iter().all(|it| !it.text.contains(char::is_control)));
        }
    }
    let wide = lines(&head, &view, NO_BOUNDS);
    assert_eq!((wide[0].look, wide[1].look), (Looks::Heading, Looks::Wrong));
}

#[test]
fn tables_share_the_lines_that_there_are() {
    let view = crowded();
    let all = lines(&["head".into()], &view, Room { width: 200, height: 20, rows: usize::MAX });
    let all = texts(&all);
    assert_eq!(all.len(), 20, "{all:#?}");
    let shown = |start: &str| all.iter().filter(|line| line.starts_with(start)).count();
    let of_lanes = all.iter().filter(|line| line.contains('@')).count();
    // 7 lines are taken by the head, headings and gaps: two for the pipelines, the rest in turn.
    assert_eq!((shown("returns"), shown("orders/") - of_lanes, of_lanes), (1, 6, 5), "{all:#?}");
    assert!(all.iter().any(|line| line.ends_with("(+24 more)")), "{all:#?}");
    let few = lines(&[], &view, Room { rows: 3, ..NO_BOUNDS });
    assert_eq!(texts(&few).len(), 2 + 1 + 2 * (1 + 1 + 3), "{few:#?}");
}

#[test]
fn texts_give_way_before_numbers_do() {
    let mut long = seen("a-pipeline-with-a-long-name", totals(1_234_567, 0));
    long.pipeline.totals.in_flight = 4_711;
    let view = View::of(None, &at(0, vec![long]));
    let narrow = lines(&[], &view, Room { width: 84, ..NO_BOUNDS });
    assert!(narrow[1].text.contains('…') && narrow[1].text.contains("4,711"), "{narrow:?}");
    let wide = lines(&[], &view, NO_BOUNDS);
    let mut many = seen("a-pipeline-with-a-long-name", totals(0, 0));
    many.pipeline.totals.in_flight = u64::MAX;
    let many = lines(&[], &View::of(None, &at(0, vec![many])), Room { width: 94, ..NO_BOUNDS });
    assert!(many[1].text.contains("18,446,744,073,709,551,615"), "{many:?}");
    assert_eq!(
        texts(&wide),
        [
            "PIPELINE                     STATE    DELIVERED/S  IN FLIGHT  HELD  LAG  RETRIES/S  \
             PARKED",
            "a-pipeline-with-a-long-name  running            -      4,711     3    -          -  \
             \u{20}    0",
        ]
    );
}
