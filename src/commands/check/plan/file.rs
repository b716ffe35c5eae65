//! What is particular about the file of a pipeline.

use keyway_actors::sink::file::{FileSettings, Format, SyncPolicy};

use super::Line;
use crate::commands::words::size;
use crate::settings::value::in_words;

/// Where records go, and how.
pub fn lines(file: &FileSettings) -> Vec<Line> {
    let mut lines = vec![
        ("file", file.path.display().to_string()),
        ("line", format(file.format).to_owned()),
        ("delivered", delivered(file.sync)),
    ];
    lines.extend(rotation(file).map(|when| ("rotated", when)));
    lines
}

fn format(format: Format) -> &'static str {
    match format {
        Format::Raw => "raw: the record's value and a newline",
        Format::Ndjson => "ndjson: the whole record as a JSON object; none twice after a crash",
    }
}

fn delivered(sync: SyncPolicy) -> String {
    match sync {
        SyncPolicy::Interval(longest) => {
            format!("when it is on the disk, at the latest {} after", in_words(longest))
        }
        SyncPolicy::Always => "when it is on the disk, which is asked for at once".to_owned(),
        SyncPolicy::Never => {
            "when it is written: a crash of the machine may lose what is not on the disk".to_owned()
        }
    }
}

fn rotation(file: &FileSettings) -> Option<String> {
    let most = file.rotation.size.map(|most| {
        let most = size(usize::try_from(most).unwrap_or(usize::MAX));
        format!("before it has {most}")
    });
    let oldest = file.rotation.age.map(|age| format!("when it is {} old", in_words(age)));
    let when: Vec<String> = most.into_iter().chain(oldest).collect();
    (!when.is_empty()).then(|| when.join(", or "))
}
