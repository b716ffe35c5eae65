//! Tries what a run of one pipeline would need, and says of each thing whether it works and, where
//! it does not, what to do.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix_rt::System;
use futures_util::future::join_all;
use keyway_actors::kafka::admin::{self, AdminError, Asked, PartitionOffsets, Topic};
use keyway_actors::route::Origin;
use keyway_actors::sink::http::{ConnectError, HttpSettings as Sink, probe, probe_destination};

use crate::commands::words::{count, first};
use crate::settings::{DeadLetterSettings, HttpSettings, PipelineSettings, SinkSettings, Way};
use crate::wiring::{self, SinkRefused};

/// Topics that are named where a pattern matches many.
const SHOWN: usize = 5;

/// What came of trying one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it works.
    pub verdict: Verdict,
    /// What was found, and where it failed what to do.
    pub what: String,
}

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Ok,
    /// It may, and there is something to know about it.
    Note,
    /// It does not.
    Failed,
}

impl Finding {
    /// Something works.
    pub fn ok(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what: what.into() }
    }

    /// Something is to be known.
    pub fn note(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, what: what.into() }
    }

    /// Something does not work.
    pub fn failed(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, what: what.into() }
    }
}

type Properties = BTreeMap<String, String>;

/// Tries the brokers, the topics, the group, the dead letters and the endpoints or the file of a
/// pipeline.
pub fn try_pipeline(pipeline: &PipelineSettings, patience: Duration) -> Vec<Finding> {
    let mut findings = try_kafka(pipeline, patience);
    match &pipeline.sink {
        SinkSettings::Http(http) => findings.extend(
            try_endpoints(http)
                .unwrap_or_else(|error| vec![Finding::failed(format!("endpoint: {error}"))]),
        ),
        SinkSettings::File(settings) => findings.push(file::try_file(&settings.path)),
    }
    findings
}

fn try_kafka(pipeline: &PipelineSettings, patience: Duration) -> Vec<Finding> {
    let kafka = wiring::kafka(&pipeline.kafka);
    let mut findings = Vec::new();
    match admin::topics(&kafka, &pipeline.topics, patience) {
        Err(error) => {
            findings.push(Finding::failed(error.to_string()));
            findings.push(Finding::note("topics and group were not tried"));
        }
        Ok(topics) => {
            findings.push(Finding::ok(format!(
                "the cluster answers: {}",
                count(topics.brokers, "broker")
            )));
            let fixed = pipeline.partitions.as_deref();
            findings.extend(topics.asked.iter().flat_map(|asked| of_topic(asked, fixed)));
            let group = try_group(&kafka, pipeline, &topics.asked, patience);
            findings.extend(group);
        }
    }
    findings.extend(pipeline.dead_letter.as_ref().map(|it| try_dead_letter(it, patience)));
    findings
}

fn of_topic(asked: &Asked, fixed: Option<&[i32]>) -> Vec<Finding> {
    let name = &asked.name;
    match &asked.found {
        Err(AdminError::UnknownTopic(_)) => vec![Finding::failed(format!(
            "there is no topic {name}; create it, or correct `topics` (a run would wait for it)"
        ))],
        Err(error @ AdminError::Pattern { .. }) => vec![Finding::note(error.to_string())],
        Err(error) if error.to_string().contains(name.as_str()) => {
            vec![Finding::failed(error.to_string())]
        }
        Err(error) => vec![Finding::failed(format!("topic {name}: {error}"))],
        Ok(topics) if name.starts_with('^') => of_pattern(name, topics),
        Ok(topics) => topics.iter().flat_map(|topic| of_partitions(topic, fixed)).collect(),
    }
}

fn of_pattern(pattern: &str, topics: &[Topic]) -> Vec<Finding> {
    if topics.is_empty() {
        let what = format!(
            "the pattern {pattern} matches no topic that this user may see; create one, or correct \
             `topics` (a run would wait for one)"
        );
        return vec![Finding::failed(what)];
    }
    let names = first(topics.iter().map(|topic| topic.name.clone()), SHOWN);
    let matched = count(topics.len(), "topic");
    let mut findings =
        vec![Finding::ok(format!("the pattern {pattern} matches {matched}: {names}"))];
    findings.extend(topics.iter().filter_map(without_leader));
    findings
}

fn of_partitions(topic: &Topic, fixed: Option<&[i32]>) -> Vec<Finding> {
    let name = &topic.name;
    let there = |id: &&i32| topic.partitions.iter().any(|partition| partition.id == **id);
    let missing: Vec<_> = fixed.unwrap_or_default().iter().filter(|id| !there(id)).collect();
    let partitions = count(topic.partitions.len(), "partition");
    let mut findings = vec![if missing.is_empty() {
        Finding::ok(format!("topic {name}: {partitions}"))
    } else {
        let missing = first(missing.into_iter().map(ToString::to_string), SHOWN);
        Finding::failed(format!(
            "topic {name} has {partitions}, counted from 0, and no partition {missing}; correct \
             `partitions`"
        ))
    }];
    findings.extend(without_leader(topic));
    findings
}

fn without_leader(topic: &Topic) -> Option<Finding> {
    let without: Vec<_> = topic.partitions.iter().filter(|it| it.leader.is_none()).collect();
    if without.is_empty() {
        return None;
    }
    let ids = first(without.iter().map(|partition| partition.id.to_string()), SHOWN);
    Some(Finding::failed(format!(
        "topic {}: no broker leads partition {ids}; those that hold it are down",
        topic.name
    )))
}

/// Asks for the committed offsets, which is as far as one comes without joining the group.
fn try_group(
    kafka: &Properties,
    pipeline: &PipelineSettings,
    asked: &[Asked],
    patience: Duration,
) -> Vec<Finding> {
    let group = &pipeline.group_id;
    let topics = asked.iter().filter_map(|asked| asked.found.as_ref().ok()).flatten();
    let places: Vec<_> = topics
        .flat_map(|topic| topic.partitions.iter().map(|it| (topic.name.clone(), it.id)))
        .filter(|(_, id)| pipeline.partitions.as_ref().is_none_or(|fixed| fixed.contains(id)))
        .collect();
    if places.is_empty() {
        return vec![Finding::note(format!("group {group}: not tried, for there is no partition"))];
    }
    match admin::group_offsets(kafka, group, &places, patience) {
        Ok(offsets) => of_group(group, &offsets),
        Err(error) => vec![Finding::failed(format!("group {group}: {error}"))],
    }
}

fn of_group(group: &str, offsets: &[PartitionOffsets]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for found in offsets {
        let place = format!("{}/{}", found.topic, found.partition);
        match &found.committed {
            Err(error) => {
                findings.push(Finding::failed(format!("group {group}, {place}: {error}")));
            }
            Ok(Some(commit)) => findings.extend(
                commit
                    .settled
                    .as_ref()
                    .err()
                    .map(|error| Finding::note(format!("group {group}, {place}: {error}"))),
            ),
            Ok(None) => {}
        }
    }
    let committed = offsets.iter().filter(|found| matches!(found.committed, Ok(Some(_)))).count();
    let of = count(offsets.len(), "partition");
    let answers = format!("group {group}: its coordinator answers; committed: {committed} of {of}");
    findings.insert(0, Finding::ok(answers));
    findings
}

fn try_dead_letter(letters: &DeadLetterSettings, patience: Duration) -> Finding {
    let (kafka, topic) = (wiring::kafka(&letters.kafka), &letters.topic);
    let found = admin::topics(&kafka, std::slice::from_ref(topic), patience);
    match found.and_then(|mut topics| topics.asked.remove(0).found) {
        Ok(found) => {
            let partitions = found.iter().map(|topic| topic.partitions.len()).sum();
            Finding::ok(format!("dead letters: topic {topic}: {}", count(partitions, "partition")))
        }
        Err(AdminError::UnknownTopic(_)) => missing_dead_letter(&kafka, topic, patience),
        Err(error) => Finding::failed(format!("dead letters: topic {topic}: {error}")),
    }
}

fn missing_dead_letter(kafka: &Properties, topic: &str, patience: Duration) -> Finding {
    let missing = format!("dead letters: there is no topic {topic}");
    match admin::makes_topics(kafka, patience) {
        Ok(Some(true)) => Finding::note(format!(
            "{missing}; the broker makes it at the first letter (auto.create.topics.enable)"
        )),
        Ok(Some(false)) => Finding::failed(format!(
            "{missing}, and the broker makes none by itself; create it, or undeliverable records \
             are held for ever"
        )),
        Ok(None) | Err(_) => Finding::note(format!(
            "{missing}; the broker would have to make it at the first letter, and does not say \
             whether it does: better create it"
        )),
    }
}

/// Connects to the endpoint, or to each that a route names itself, TLS included, and sends nothing.
fn try_endpoints(http: &HttpSettings) -> Result<Vec<Finding>, SinkRefused> {
    let sink = wiring::sink(http)?;
    Ok(match &http.way {
        Way::One(_) => {
            let tried = System::new().block_on(probe(&sink));
            let url = http.filled.hide(&sink.shown_url().unwrap_or_default());
            vec![of_endpoint(&url, tried, "`http.url`")]
        }
        Way::Routes(written) => try_destinations(&sink, &wiring::routes(written)?.origins()),
    })
}

/// Tries all of them at a time, since each may take as long as a connection may.
fn try_destinations(sink: &Sink, origins: &BTreeSet<Option<&Origin>>) -> Vec<Finding> {
    let tried = origins.iter().copied().flatten().map(async |origin| {
        of_endpoint(origin.as_str(), probe_destination(sink, origin).await, "its route's `url`")
    });
    let mut findings = System::new().block_on(join_all(tried));
    if origins.contains(&None) {
        findings.push(Finding::note("endpoints whose host a record says: not tried"));
    }
    findings
}

fn of_endpoint(url: &str, tried: Result<(), ConnectError>, setting: &str) -> Finding {
    match tried {
        Ok(()) => Finding::ok(format!("endpoint {url}: takes connections")),
        Err(error) => {
            Finding::failed(format!("endpoint {url}: {error}; start it, or correct {setting}"))
        }
    }
}
