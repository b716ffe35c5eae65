//! Pipelines of one process that contradict each other: two of a name, two that would take each
//! other's records, or two that would write one file.

use std::fs;
use std::path::{Path, PathBuf};

use super::kafka::BOOTSTRAP;
use super::pipeline::Draft;
use super::problem::{Place, Problems};
use super::types::{GroupSettings, PipelineSettings};

/// What two pipelines of one process must not share.
pub fn check(drafts: &[Draft], problems: &mut Problems) {
    for (at, draft) in drafts.iter().enumerate() {
        for earlier in &drafts[..at] {
            same_name(earlier, draft, problems);
            same_file(earlier, draft, problems);
            if let (Some(one), Some(other), Some(spot)) =
                (&earlier.group, &draft.group, &draft.spot)
            {
                same_group(one, other, &Place::Written(spot.clone()), problems);
            }
        }
    }
}

/// Why two pipelines cannot run side by side, if they cannot. Where they `may_share_a_group`, each
/// record reaching one of them is what is wanted.
pub fn contradiction(
    one: &PipelineSettings,
    other: &PipelineSettings,
    may_share_a_group: bool,
) -> Option<String> {
    if let (Some(mine), Some(its)) = (one.file(), other.file())
        && real(&mine.path) == real(&its.path)
    {
        return Some(format!("pipeline {:?} writes {} too", one.name, mine.path.display()));
    }
    if may_share_a_group {
        return None;
    }
    let group = |it: &PipelineSettings| GroupSettings {
        name: it.name.clone(),
        topics: it.topics.clone(),
        partitions: it.partitions.clone(),
        group_id: it.group_id.clone(),
        kafka: it.kafka.clone(),
    };
    let mut problems = Problems::default();
    same_group(&group(one), &group(other), &Place::Unset(String::new()), &mut problems);
    problems.iter().next().map(|problem| problem.what.clone())
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

fn same_group(one: &GroupSettings, other: &GroupSettings, place: &Place, problems: &mut Problems) {
    let brokers = |group: &GroupSettings| group.kafka.get(BOOTSTRAP).map(str::to_owned);
    if one.group_id != other.group_id || brokers(one) != brokers(other) {
        return;
    }
    let (earlier, group) = (&one.name, &one.group_id);
    let apart = match (&one.partitions, &other.partitions) {
        (Some(one), Some(other)) => !one.iter().any(|partition| other.contains(partition)),
        _ => false,
    };
    if let Some(topic) = other.topics.iter().find(|topic| !apart && one.topics.contains(topic)) {
        let what = format!(
            "pipeline {earlier:?} consumes {topic:?} in group {group:?} too: \
             each record would reach only one of them"
        );
        problems.push(place, what);
    }
    let subscribed = one.partitions.is_none() && other.partitions.is_none();
    let id = |group: &GroupSettings| group.kafka.get("group.instance.id").map(str::to_owned);
    if let Some(id) = id(other).filter(|mine| subscribed && id(one).as_ref() == Some(mine)) {
        let what = format!(
            "pipeline {earlier:?} has group.instance.id {id:?} in group {group:?} too: \
             the brokers would let only one of them in"
        );
        problems.push(place, what);
    }
}
