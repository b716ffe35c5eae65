//! `/metrics`: what Keyway counts, as Prometheus text.
//!
//! Made on each scrape from what the handles tell, so that it costs nothing while records flow. A
//! metric that says nothing yet (a partition without a commit, a sink without connections) is left
//! out. Labels hold names of pipelines, topics, partitions and destinations (scheme, host and port) and
//! fixed words, never a key or a whole URL.

use prometheus::proto::Metric;
use prometheus::{Error, TextEncoder};

use super::family::{Families, Label, counter, float, gauge, histogram};
use crate::core::Offset;
use crate::core::breaker::BreakerState;
use crate::core::destinations::Wait;
use crate::core::intake::Rest;
use crate::handle::{State, Status};
use crate::stats::{
    DURATION_BUCKETS, DestinationStatus, LATENCY_BUCKETS, PartitionStatus, REQUEST_CLASSES,
    RETRY_REASONS,
};

/// The content type of [`exposition`].
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric: its name, its help, and where its value is found.
type Figure<From, Value> = (&'static str, &'static str, fn(&From) -> Value);

/// Counters of a pipeline. Records add up at every scrape: received = delivered + dead-lettered
/// + filtered + dropped + returned + held.
const COUNTERS: [Figure<Status, u64>; 11] = [
    ("records_received_total", "Records taken in to be delivered.", |it| it.totals.received),
    ("records_delivered_total", "Records that the receiver has accepted.", |it| {
        it.totals.delivered
    }),
    (
        "records_dead_lettered_total",
        "Records whose dead letter the broker has acknowledged.",
        |it| it.totals.dead_lettered,
    ),
    ("records_filtered_total", "Records for which no request was to be made.", |it| {
        it.totals.filtered
    }),
    ("records_dropped_total", "Records given up on because a setting says so.", |it| {
        it.totals.dropped
    }),
    (
        "records_returned_total",
        "Records let go unsettled, with their partition or at the stop; they are taken in again by \
         whoever has the partition next.",
        |it| it.totals.returned,
    ),
    (
        "records_skipped_total",
        "Records fetched that were settled before, by the metadata of the commit; not sent again.",
        |it| it.totals.skipped,
    ),
    (
        "records_stale_total",
        "Records settled after their partition had left; they could not be committed and may be \
         sent again by its next owner.",
        |it| it.totals.stale,
    ),
    (
        "commit_metadata_ignored_total",
        "Partitions whose commit metadata could not be read when they came; records settled above \
         the committed offset are sent again.",
        |it| it.totals.metadata_ignored,
    ),
    ("retries_exhausted_total", "Records whose attempts, or time, were used up.", |it| {
        it.totals.exhausted
    }),
    (
        "breakers_opened_total",
        "How often the breaker of a destination opened, on any delivery thread.",
        |it| it.totals.breakers_opened,
    ),
];

/// Gauges of a pipeline.
const GAUGES: [Figure<Status, u64>; 12] = [
    (
        "joined",
        "1 while the pipeline is a member of its group, or has the partitions it was set to.",
        |it| u64::from(it.joined),
    ),
    (
        "cut_off",
        "1 while the coordinator of the group is out of reach, as of the last five seconds.",
        |it| u64::from(it.cut_off),
    ),
    ("assigned_partitions", "Partitions that the pipeline has.", |it| {
        it.partitions_assigned as u64
    }),
    ("in_flight", "Deliveries under way.", |it| it.totals.in_flight),
    (
        "held_records",
        "Records taken in that are neither settled nor let go, by the counters of these.",
        |it| it.totals.unsettled(),
    ),
    (
        "held_records_counted",
        "The same, counted record by record; differs from held_records only for a moment while \
         records move.",
        |it| it.totals.held_records,
    ),
    ("held_bytes", "Bytes of the buffer in use, with what it costs to keep a record.", |it| {
        it.totals.held_bytes
    }),
    ("lanes", "Lanes with a record in them.", |it| it.totals.lanes),
    ("lanes_ready", "Lanes that wait for a sender.", |it| it.totals.lanes_ready),
    (
        "lanes_blocked",
        "Lanes that wait for a destination that is full, ill or asked at its rate.",
        |it| it.totals.lanes_blocked,
    ),
    ("lanes_waiting", "Lanes that wait for a retry.", |it| it.totals.lanes_waiting),
    (
        "lanes_parked",
        "Lanes whose first record is refused and tried again at the longest delay.",
        |it| it.totals.lanes_parked,
    ),
];

/// Gauges of a partition, as of the last commit interval.
const OF_PARTITIONS: [Figure<PartitionStatus, Option<f64>>; 4] = [
    ("committed_offset", "The offset that the broker acknowledged last.", |it| {
        it.committed.map(offset)
    }),
    ("consumer_lag", "Offsets from the lowest that is not settled to the end of the log.", |it| {
        it.lag().map(float)
    }),
    (
        "oldest_unsettled_age_seconds",
        "How long the lowest offset that is not settled has been held; 0 while none is.",
        |it| Some(it.oldest_unsettled.unwrap_or_default().as_secs_f64()),
    ),
    (
        "uncovered_offsets",
        "Settled offsets that the metadata of the last commit had no room for; a crash now would \
         send their records again.",
        |it| Some(float(it.uncovered)),
    ),
];

/// Gauges of a destination, as of the last quarter second in which something happened.
const OF_DESTINATIONS: [Figure<DestinationStatus, Option<u64>>; 4] = [
    ("destination_in_flight", "Requests in flight.", |it| Some(it.in_flight)),
    (
        "destination_limit",
        "The most requests that may be in flight, where something says so: a setting, or how the \
         destination answers.",
        |it| it.limit,
    ),
    ("destination_lanes_blocked", "Lanes that wait for the destination.", |it| Some(it.waiting)),
    (
        "destination_breaker_state",
        "Its breaker: 0 closed, 1 half open, 2 open; the worst of all delivery threads.",
        |it| {
            it.breaker.map(|state| match state {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open { .. } => 2,
            })
        },
    ),
];

const STATES: [(State, &str); 6] = [
    (State::Starting, "starting"),
    (State::Running, "running"),
    (State::Paused, "paused"),
    (State::Draining, "draining"),
    (State::Stopped, "stopped"),
    (State::Failed, "failed"),
];

/// The text of a scrape.
///
/// # Errors
/// What the encoder refuses: a family without samples, or whose samples are not of its kind.
pub(super) fn exposition(families: &Families) -> Result<String, Error> {
    TextEncoder::new().encode_to_string(families.all())
}

/// Everything that is counted of pipelines, and what runs them.
pub(super) fn families(statuses: &[Status]) -> Families {
    let mut families = Families::default();
    of_build(&mut families);
    for (name, help, value) in COUNTERS {
        families.counters(name, help, each(statuses, |it, name| counter(&[name], value(it))));
    }
    for (name, help, value) in GAUGES {
        families.gauges(name, help, each(statuses, |it, name| gauge(&[name], float(value(it)))));
    }
    by_word(&mut families, statuses);
    of_time(&mut families, statuses);
    of_partitions(&mut families, statuses);
    of_destinations(&mut families, statuses);
    families
}

/// A sample of each pipeline.
fn each(statuses: &[Status], sample: impl Fn(&Status, Label<'_>) -> Metric) -> Vec<Metric> {
    statuses.iter().map(|status| sample(status, ("pipeline", &status.name))).collect()
}

fn of_build(families: &mut Families) {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    let build = [("version", env!("CARGO_PKG_VERSION")), ("librdkafka", &librdkafka)];
    families.gauges("build_info", "What runs; always 1.", vec![gauge(&build, 1.0)]);
}

/// Counters and states that a fixed word tells apart.
fn by_word(families: &mut Families, statuses: &[Status]) {
    let mut split =
        |name, help, label: &'static str, counts: fn(&Status) -> Vec<(&'static str, u64)>| {
            let samples = statuses.iter().flat_map(|status| {
                let pipeline = ("pipeline", status.name.as_str());
                counts(status)
                    .into_iter()
                    .map(move |(word, count)| counter(&[pipeline, (label, word)], count))
            });
            families.counters(name, help, samples.collect());
        };
    split("requests_total", "Delivery attempts that ended, by how.", "class", |it| {
        zip(&REQUEST_CLASSES, &it.totals.requests)
    });
    split("retries_total", "Attempts that are tried again, by why.", "reason", |it| {
        zip(&RETRY_REASONS, &it.totals.retries)
    });
    split(
        "commits_total",
        "Answers to commits, one for each partition, by result.",
        "result",
        |it| vec![("ok", it.totals.commits_ok), ("failed", it.totals.commits_failed)],
    );
    split("rebalances_total", "Rebalances, by what became of the partitions.", "event", |it| {
        let totals = &it.totals;
        vec![
            ("assigned", totals.rebalances_assigned),
            ("revoked", totals.rebalances_revoked),
            ("lost", totals.rebalances_lost),
        ]
    });
    split(
        "connections_total",
        "Connections to the receiver: opened for a request (reused=\"false\"), or used for one \
         after having carried another.",
        "reused",
        |it| match it.totals.connections {
            Some(counts) => vec![("false", counts.opened), ("true", counts.reused)],
            None => Vec::new(),
        },
    );
    let states = statuses.iter().flat_map(|status| {
        let pipeline = ("pipeline", status.name.as_str());
        let is = |state| float(u64::from(status.state == state));
        STATES.map(|(state, word)| gauge(&[pipeline, ("state", word)], is(state)))
    });
    families.gauges("pipeline_state", "1 for the state that the pipeline is in.", states.collect());
}

fn zip(words: &[&'static str], counts: &[u64]) -> Vec<(&'static str, u64)> {
    words.iter().copied().zip(counts.iter().copied()).collect()
}

fn of_time(families: &mut Families, statuses: &[Status]) {
    families.histograms(
        "request_duration_seconds",
        "Time of a delivery attempt, from its start to its outcome.",
        each(statuses, |it, pipeline| {
            let totals = &it.totals;
            let (counts, sum) = (&totals.durations, totals.duration_micros);
            histogram(&[pipeline], &DURATION_BUCKETS, counts, sum, 1e6)
        }),
    );
    families.histograms(
        "record_latency_seconds",
        "Time from a record's timestamp to its settlement; records without one are not counted.",
        each(statuses, |it, pipeline| {
            let totals = &it.totals;
            let (counts, sum) = (&totals.latencies, totals.latency_millis);
            histogram(&[pipeline], &LATENCY_BUCKETS, counts, sum, 1e3)
        }),
    );
}

fn of_partitions(families: &mut Families, statuses: &[Status]) {
    for (name, help, value) in OF_PARTITIONS {
        let samples = partitions(statuses, |partition, labels| {
            value(partition).map(|value| gauge(labels, value)).into_iter().collect()
        });
        families.gauges(name, help, samples);
    }
    let held = partitions(statuses, |partition, labels| {
        let held = |reason: Rest| {
            let labels = [labels, &[("reason", reason.label())][..]].concat();
            gauge(&labels, float(u64::from(partition.resting == Some(reason))))
        };
        vec![held(Rest::Buffer), held(Rest::Span)]
    });
    families.gauges("partition_held", "1 while the partition takes in nothing, by why.", held);
}

fn of_destinations(families: &mut Families, statuses: &[Status]) {
    for (name, help, value) in OF_DESTINATIONS {
        let samples = destinations(statuses, |destination, labels| {
            value(destination).map(|value| gauge(labels, float(value))).into_iter().collect()
        });
        families.gauges(name, help, samples);
    }
    let held = destinations(statuses, |destination, labels| {
        let held = |reason: &&'static str| {
            let is = destination.wait.is_some_and(|wait| wait.label() == *reason);
            gauge(&[labels, &[("reason", *reason)][..]].concat(), float(u64::from(is)))
        };
        Wait::LABELS.iter().map(held).collect()
    });
    families.gauges("destination_held", "1 while lanes wait for the destination, by why.", held);
}

/// The samples of all destinations.
fn destinations(
    statuses: &[Status],
    samples: impl Fn(&DestinationStatus, &[Label<'_>]) -> Vec<Metric>,
) -> Vec<Metric> {
    let of = |status: &Status| {
        let samples = |it: &DestinationStatus| {
            samples(it, &[("pipeline", status.name.as_str()), ("destination", &it.name)])
        };
        status.destinations.iter().flat_map(samples).collect::<Vec<_>>()
    };
    statuses.iter().flat_map(of).collect()
}

/// The samples of all partitions.
fn partitions(
    statuses: &[Status],
    samples: impl Fn(&PartitionStatus, &[Label<'_>]) -> Vec<Metric>,
) -> Vec<Metric> {
    let mut all = Vec::new();
    for status in statuses {
        for partition in &status.partitions {
            let number = partition.partition.to_string();
            let labels = [
                ("pipeline", status.name.as_str()),
                ("topic", partition.topic.as_str()),
                ("partition", number.as_str()),
            ];
            all.extend(samples(partition, &labels));
        }
    }
    all
}

/// Offsets are never negative.
fn offset(offset: Offset) -> f64 {
    float(u64::try_from(offset).unwrap_or(0))
}
