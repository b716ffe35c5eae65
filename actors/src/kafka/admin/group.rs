//! How far a group has come: what it committed, what it has settled above that, and where the logs
//! begin and end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::AdminError;
use super::client::{Client, advice, ask};
use super::topics::{metadata, named};
use crate::core::Offset;
use crate::core::codec::{self, DecodeError};
use crate::kafka::{config, native};

/// How far a group has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What the group committed; `None`: nothing.
    pub committed: Result<Option<Commit>, AdminError>,
    /// From the first offset that is there to the one that the next record gets. With the usual
    /// `isolation.level` (`read_committed`) that is before the first record of a transaction that
    /// is still open.
    pub log: Result<Range<Offset>, AdminError>,
}

impl PartitionOffsets {
    /// How many offsets there are from the committed one to the end of the log, settled or not.
    /// `None` where one of the two is not known.
    pub fn lag(&self) -> Option<u64> {
        let committed = self.committed.as_ref().ok()?.as_ref()?;
        let log = self.log.as_ref().ok()?;
        Some(u64::try_from(log.end - committed.offset).unwrap_or(0))
    }
}

/// A committed offset and its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The committed offset: the lowest that is not settled.
    pub offset: Offset,
    /// The metadata, byte for byte.
    pub metadata: Vec<u8>,
    /// What the metadata calls settled above the offset: sorted ranges, apart from each other.
    pub settled: Result<Vec<Range<Offset>>, DecodeError>,
}

impl Commit {
    fn new(offset: Offset, metadata: Vec<u8>) -> Self {
        let settled = match str::from_utf8(&metadata) {
            Ok(text) => codec::decode(offset, text),
            Err(_) => Err(DecodeError::NotBase64),
        };
        Self { offset, metadata, settled }
    }

    /// What is not settled below the highest settled offset: the committed offset and the gaps.
    /// Empty where nothing is settled above the committed one, or that is not known.
    pub fn unsettled(&self) -> Vec<Range<Offset>> {
        let mut from = self.offset;
        let mut gaps = Vec::new();
        for settled in self.settled.iter().flatten() {
            gaps.push(from..settled.start);
            from = settled.end;
        }
        gaps
    }

    /// How the metadata is written, by the name of that encoding. `None` for metadata that is
    /// empty, or in none of them.
    pub fn encoding(&self) -> Option<&'static str> {
        const START: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        let start = self.metadata.get(..4).unwrap_or(&self.metadata);
        Some(match START.decode(start).ok()?.first()? {
            b'l' => "BitSet",
            b'a' => "BitSetCompressed",
            b'o' => "BitSetV2",
            b's' => "BitSetV2Compressed",
            b'n' => "RunLength",
            b'J' => "RunLengthCompressed",
            b'e' => "RunLengthV2",
            b'p' => "RunLengthV2Compressed",
            _ => return None,
        })
    }
}

/// Asks how far a group has come in these partitions; the answer is in their order.
///
/// # Errors
/// Why the cluster or the group's coordinator could not be asked, or that this user may not know.
/// What is wrong with one partition is said with that partition.
pub fn group_offsets(
    kafka: &BTreeMap<String, String>,
    group_id: &str,
    partitions: &[(String, i32)],
    timeout: Duration,
) -> Result<Vec<PartitionOffsets>, AdminError> {
    ask(kafka, &config::group(kafka, group_id), timeout, |client| {
        let mut committed = committed(client, group_id, partitions)?;
        let mut logs = logs(client, partitions)?;
        let offsets = partitions.iter().map(|place| PartitionOffsets {
            topic: place.0.clone(),
            partition: place.1,
            committed: committed.remove(place).unwrap_or(Ok(None)),
            log: logs.remove(place).unwrap_or_else(|| Err(no_such(place))),
        });
        Ok(offsets.collect())
    })
}

type Place = (String, i32);
type PerPlace<T> = BTreeMap<Place, Result<T, AdminError>>;

fn committed(
    client: &Client<'_>,
    group_id: &str,
    partitions: &[Place],
) -> Result<PerPlace<Option<Commit>>, AdminError> {
    let who = format!("the coordinator of the group {group_id} at {}", client.brokers());
    let answer = client.request(&who, |consumer, timeout| {
        consumer.committed_offsets(list(partitions, KafkaOffset::Invalid)?, timeout)
    })?;
    let metadata = native::metadata(&answer);
    let elements = answer.elements().into_iter().zip(metadata);
    let commits = elements.map(|(element, metadata)| {
        let commit = match (element.error(), element.offset()) {
            (Err(error), _) => Err(AdminError::Kafka(advice(&error))),
            (Ok(()), KafkaOffset::Offset(offset)) => Ok(Some(Commit::new(offset, metadata))),
            (Ok(()), _) => Ok(None),
        };
        ((element.topic().to_owned(), element.partition()), commit)
    });
    Ok(commits.collect())
}

/// Where the logs begin and end. Asked only of partitions that have a leader: for one without,
/// librdkafka would let all the others wait.
fn logs(client: &Client<'_>, partitions: &[Place]) -> Result<PerPlace<Range<Offset>>, AdminError> {
    let mut found = PerPlace::new();
    let mut led = Vec::new();
    for topic in partitions.iter().map(|(topic, _)| topic).collect::<BTreeSet<_>>() {
        let known = named(topic, &metadata(client, Some(topic))?);
        for place in partitions.iter().filter(|(name, _)| name == topic) {
            let partition = known.as_ref().map_err(Clone::clone).and_then(|known| {
                let found = known.partitions.iter().find(|found| found.id == place.1);
                found.ok_or_else(|| no_such(place))
            });
            match partition.map(|partition| partition.leader) {
                Ok(Some(_)) => led.push(place.clone()),
                Ok(None) => {
                    let reason = "the partition has no leader: the brokers that hold it are down";
                    found.insert(place.clone(), Err(AdminError::Kafka(reason.to_owned())));
                }
                Err(error) => {
                    found.insert(place.clone(), Err(error));
                }
            }
        }
    }
    if led.is_empty() {
        return Ok(found);
    }
    let mut starts = edge(client, &led, KafkaOffset::Beginning);
    let mut ends = edge(client, &led, KafkaOffset::End);
    for place in led {
        let of = |edges: &mut PerPlace<Offset>| {
            edges.remove(&place).unwrap_or_else(|| Err(no_such(&place)))
        };
        let log = of(&mut starts).and_then(|start| Ok(start..of(&mut ends)?));
        found.insert(place, log);
    }
    Ok(found)
}

/// One end of each log.
fn edge(client: &Client<'_>, partitions: &[Place], which: KafkaOffset) -> PerPlace<Offset> {
    let who = format!("a broker that leads partitions, of the cluster at {},", client.brokers());
    let answer = client.request(&who, |consumer, timeout| {
        // Where a time is asked for, the two ends stand for the earliest and the latest.
        consumer.offsets_for_times(list(partitions, which)?, timeout)
    });
    match answer {
        Err(error) => partitions.iter().map(|place| (place.clone(), Err(error.clone()))).collect(),
        Ok(answer) => answer
            .elements()
            .iter()
            .map(|element| {
                let offset = match (element.error(), element.offset()) {
                    (Err(error), _) => Err(AdminError::Kafka(advice(&error))),
                    (Ok(()), KafkaOffset::Offset(offset)) => Ok(offset),
                    (Ok(()), _) => {
                        Err(AdminError::Kafka("the broker did not say where its log is".to_owned()))
                    }
                };
                ((element.topic().to_owned(), element.partition()), offset)
            })
            .collect(),
    }
}

fn list(partitions: &[Place], offset: KafkaOffset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition_offset(topic, *partition, offset)?;
    }
    Ok(list)
}

fn no_such((topic, partition): &Place) -> AdminError {
    AdminError::Kafka(format!("the topic {topic} has no partition {partition}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::codec::encode;

    fn commit(offset: Offset, settled: &[Range<Offset>]) -> Commit {
        Commit::new(offset, encode(offset, settled, 4096).metadata.into_bytes())
    }

    #[test]
    fn the_committed_offset_and_the_gaps_above_it_are_unsettled() {
        assert_eq!(commit(100, &[103..106, 110..111]).unsettled(), [100..103, 106..110]);
        assert_eq!(commit(100, &[]).unsettled(), []);
    }

    #[test]
    fn an_encoding_goes_by_its_name() {
        let of = |text: &str| Commit::new(100, text.as_bytes().to_vec()).encoding();
        assert_eq!(of("bgAA"), Some("RunLength"));
        assert_eq!(of("bAAGKAA="), Some("BitSet"));
        assert_eq!(of(""), None);
        assert_eq!(of("AQ=="), None);
        assert_eq!(of("{\"at\":1}"), None);
    }

    #[test]
    fn metadata_that_is_no_text_is_another_programs() {
        let commit = Commit::new(5, vec![0xff, 0xfe]);
        assert!(commit.settled.as_ref().is_err_and(|error| error.is_foreign()));
        assert_eq!(commit.unsettled(), []);
    }

    #[test]
    fn a_log_that_is_shorter_than_what_is_committed_has_no_lag() {
        let mut offsets = PartitionOffsets {
            topic: "t".into(),
            partition: 0,
            committed: Ok(Some(commit(10, &[]))),
            log: Ok(0..25),
        };
        assert_eq!(offsets.lag(), Some(15));
        offsets.log = Ok(0..5);
        assert_eq!(offsets.lag(), Some(0));
        offsets.committed = Ok(None);
        assert_eq!(offsets.lag(), None);
    }
}
