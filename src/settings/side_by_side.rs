//! Pipelines of one process that contradict each other: two of a name, two that would take each
//! other's records, or two that would write one file.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::kafka::{BOOTSTRAP, KafkaProperties};
use super::pipeline::Draft;
use super::problem::{Place, Problems};
use super::types::{GroupSettings, PipelineSettings};
use super::value::brokers::Cluster;

/// What two pipelines of one process must not share.
pub fn check(drafts: &[Draft], problems: &mut Problems) {
    for (at, draft) in drafts.iter().enumerate() {
        let claim = draft.group.as_ref().zip(draft.spot.as_ref());
        let claim = claim.map(|(own, spot)| (Claim::of(own.into()), Place::Written(spot.clone())));
        for earlier in &drafts[..at] {
            same_name(earlier, draft, problems);
            same_file(earlier, draft, problems);
            if let (Some(earlier), Some((claim, place))) = (&earlier.group, &claim) {
                for what in claim.against(&earlier.into()) {
                    problems.push(place, what);
                }
            }
        }
    }
}

/// Why a pipeline cannot run beside others, if it cannot. With each comes whether the two may share
/// a group, where each record reaching one of them is what is wanted.
pub fn contradiction<'a>(
    own: &PipelineSettings,
    others: impl IntoIterator<Item = (&'a PipelineSettings, bool)>,
) -> Option<String> {
    let file = own.file().map(|mine| (real(&mine.path), mine.path.display()));
    let claim = Claim::of(own.into());
    others.into_iter().find_map(|(other, may_share_a_group)| {
        if let (Some((mine, shown)), Some(its)) = (&file, other.file())
            && *mine == real(&its.path)
        {
            return Some(format!("pipeline {:?} writes {shown} too", other.name));
        }
        let against = (!may_share_a_group).then(|| claim.against(&other.into()));
        against.into_iter().flatten().next()
    })
}

fn same_name(earlier: &Draft, draft: &Draft, problems: &mut Problems) {
    if let (Some(one), Some(other)) = (&earlier.name, &draft.name)
        && one.value == other.value
    {
        let what = format!("{:?} is the name of another pipeline too: {}", other.value, one.place);
        problems.push(&other.place, what);
    }
}

fn same_file(earlier: &Draft, draft: &Draft, problems: &mut Problems) {
    if let (Some(one), Some(other)) = (&earlier.file, &draft.file)
        && real(&one.value) == real(&other.value)
    {
        let what = format!("it is the file of another pipeline too: {}", one.place);
        problems.push(&other.place, what);
    }
}

/// Where a file is, by whatever name; one that is not there yet by its folder.
pub(super) fn real(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
        Some(folder.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

/// A pipeline as a member of its group.
struct Member<'a> {
    name: &'a str,
    topics: &'a [String],
    partitions: Option<&'a [i32]>,
    group_id: &'a str,
    kafka: &'a KafkaProperties,
}

impl<'a> From<&'a GroupSettings> for Member<'a> {
    fn from(group: &'a GroupSettings) -> Self {
        Self {
            name: &group.name,
            topics: &group.topics,
            partitions: group.partitions.as_deref(),
            group_id: &group.group_id,
            kafka: &group.kafka,
        }
    }
}

impl<'a> From<&'a PipelineSettings> for Member<'a> {
    fn from(pipeline: &'a PipelineSettings) -> Self {
        Self {
            name: &pipeline.name,
            topics: &pipeline.topics,
            partitions: pipeline.partitions.as_deref(),
            group_id: &pipeline.group_id,
            kafka: &pipeline.kafka,
        }
    }
}

impl<'a> Member<'a> {
    /// Its brokers; none where they are missing, which is told by itself.
    fn brokers(&self) -> &'a str {
        self.kafka.get(BOOTSTRAP).unwrap_or_default()
    }

    /// The id by which its group knows it again, where it joins.
    fn instance(&self) -> Option<&'a str> {
        self.kafka.get("group.instance.id").filter(|_| self.partitions.is_none())
    }
}

/// What a pipeline takes of its group, for others to be compared with, each in as many steps as that
/// one has topics and partitions: a body of a request has room for a hundred thousand.
struct Claim<'a> {
    own: Member<'a>,
    cluster: Cluster,
    topics: HashSet<&'a str>,
    partitions: Option<HashSet<i32>>,
}

impl<'a> Claim<'a> {
    fn of(own: Member<'a>) -> Self {
        Self {
            cluster: Cluster::of(own.brokers()),
            topics: own.topics.iter().map(String::as_str).collect(),
            partitions: own.partitions.map(|it| it.iter().copied().collect()),
            own,
        }
    }

    /// What speaks against a pipeline that was there earlier. Patterns are compared as they are
    /// written: which topics two of them have in common depends on what the brokers have.
    fn against(&self, earlier: &Member<'_>) -> impl Iterator<Item = String> + use<> {
        let group = earlier.group_id;
        let together = self.own.group_id == group && self.cluster.has_one_of(earlier.brokers());
        let topic = earlier.topics.iter().find(|it| together && self.topics.contains(it.as_str()));
        let topic = topic.filter(|_| self.shares_a_partition_with(earlier)).map(|topic| {
            format!(
                "pipeline {:?} consumes {topic:?} in group {group:?} too: \
                 each record would reach only one of them",
                earlier.name
            )
        });
        let instance = earlier.instance().filter(|it| together && self.own.instance() == Some(it));
        let instance = instance.map(|id| {
            format!(
                "pipeline {:?} has group.instance.id {id:?} in group {group:?} too: \
                 the brokers would let only one of them in",
                earlier.name
            )
        });
        topic.into_iter().chain(instance)
    }

    /// Whether a topic that both have would be shared.
    fn shares_a_partition_with(&self, earlier: &Member<'_>) -> bool {
        match (&self.partitions, earlier.partitions) {
            (Some(own), Some(its)) => its.iter().any(|partition| own.contains(partition)),
            _ => true,
        }
    }
}
