//! What would be run, in plain lines.

mod file;
mod http;

use std::fmt::Write;

use keyway_actors::core::retry::{Jitter, RetryPolicy, Trigger};
use keyway_actors::{Action, OffsetOverflow, Ordering};

pub use self::http::{shown_url, written_url};
use crate::alerts::AlertSettings;
use crate::commands::words::{count, grouped, size};
use crate::settings::value::in_words;
use crate::settings::{
    ApiSettings, KafkaProperties, Listen, LogFormat, LogSettings, PipelineSettings, RetrySettings,
    Settings, SinkSettings,
};

/// All of it: each pipeline, and the process.
pub fn of(settings: &Settings) -> String {
    let pipelines = count(settings.pipelines.len(), "pipeline");
    let mut text = format!("the configuration is valid: {pipelines}\n");
    for pipeline in &settings.pipelines {
        let _ = writeln!(text, "\npipeline {}", pipeline.name);
        for (what, how) in lines(pipeline) {
            let _ = writeln!(text, "  {what:<13}{how}");
        }
    }
    let _ = writeln!(text, "\nthe process");
    let _ = writeln!(text, "  {:<13}{}", "serves", serves(&settings.api));
    let _ = writeln!(text, "  {:<13}{}", "logs", logs(&settings.log));
    for alert in &settings.alerts {
        let _ = writeln!(text, "  {:<13}{}", "alerts", alerts(alert));
    }
    text
}

/// What a line is about, and what it says; nothing where it goes on with the line before.
type Line = (&'static str, String);

fn lines(pipeline: &PipelineSettings) -> Vec<Line> {
    let mut lines = vec![
        ("topics", topics(pipeline)),
        ("group", pipeline.group_id.clone()),
        ("brokers", pipeline.kafka.get("bootstrap.servers").unwrap_or_default().to_owned()),
    ];
    lines.extend(properties(&pipeline.kafka));
    lines.extend(match &pipeline.sink {
        SinkSettings::Http(http) => http::lines(http),
        SinkSettings::File(file) => file::lines(file),
    });
    lines.extend([
        ("order", order(pipeline.ordering).to_owned()),
        ("in flight", in_flight(pipeline)),
        ("buffer", buffer(pipeline)),
        ("commits", commits(pipeline)),
        ("deadlines", deadlines(pipeline)),
        ("retries", retries(&pipeline.retry)),
        ("rejected", on_failure(pipeline.retry.on_rejected).to_owned()),
    ]);
    if pipeline.retry.max_attempts.is_some() || pipeline.retry.max_age.is_some() {
        lines.push(("exhausted", on_failure(pipeline.retry.on_exhausted).to_owned()));
    }
    lines.push(match &pipeline.dead_letter {
        Some(letters) => ("dead letters", letters.topic.clone()),
        None => ("dead letters", "none".to_owned()),
    });
    lines
}

fn topics(pipeline: &PipelineSettings) -> String {
    let topics = pipeline.topics.join(", ");
    let Some(partitions) = &pipeline.partitions else { return topics };
    let partitions: Vec<_> = partitions.iter().map(ToString::to_string).collect();
    format!("{topics}; only partitions {}, which nobody else takes over", partitions.join(", "))
}

/// The other properties, a line each: what would end the line in a value is escaped.
fn properties(kafka: &KafkaProperties) -> Vec<Line> {
    let others = kafka.shown().filter(|(name, _)| *name != "bootstrap.servers");
    let mut head = "librdkafka";
    let line = |(name, value): (&str, &str)| {
        (std::mem::take(&mut head), format!("{name} = {}", value.escape_debug()))
    };
    others.map(line).collect()
}

fn order(ordering: Ordering) -> &'static str {
    match ordering {
        Ordering::Key => "key: records of one topic, partition and key one after the other",
        Ordering::Partition => "partition: records of one partition one after the other",
        Ordering::Unordered => "unordered: no record waits for another",
    }
}

fn in_flight(pipeline: &PipelineSettings) -> String {
    let arbiters = count(pipeline.arbiters.get(), "thread");
    let what = match pipeline.sink {
        SinkSettings::Http(_) => "request",
        SinkSettings::File(_) => "write",
    };
    format!("at most {}, on {arbiters}", count(pipeline.senders.get(), what))
}

fn buffer(pipeline: &PipelineSettings) -> String {
    let records = grouped(pipeline.buffer_records.get() as u64);
    format!("at most {records} records and {}", size(pipeline.buffer_bytes))
}

fn commits(pipeline: &PipelineSettings) -> String {
    let full = match pipeline.offset_overflow {
        OffsetOverflow::Hold => "hold: no new records until there is room",
        OffsetOverflow::Replay => "replay: what does not fit may be sent again after a crash",
    };
    let most = grouped(pipeline.offset_metadata_max_bytes as u64);
    format!("every {:?}; where {most} bytes of metadata are full, {full}", pipeline.commit_interval)
}

fn deadlines(pipeline: &PipelineSettings) -> String {
    let (stop, revoke) = (pipeline.drain_deadline, pipeline.revoke_deadline);
    format!("what is under way gets {stop:?} when it stops, {revoke:?} when partitions leave")
}

fn retries(retry: &RetrySettings) -> String {
    let RetrySettings { initial, factor, max, .. } = retry;
    let mut text = format!("after {initial:?}, each wait {factor} times the last, at most {max:?}");
    match retry.jitter {
        Jitter::Full => {}
        Jitter::Half => text.push_str(", half of it by chance"),
        Jitter::None => text.push_str(", none of it by chance"),
    }
    if retry.retry_after_cap != RetryPolicy::default().retry_after_cap {
        let _ = write!(text, ", at most {:?} where asked for", retry.retry_after_cap);
    }
    match (retry.max_attempts, retry.max_age) {
        (None, None) => text.push_str("; for ever"),
        (Some(most), None) => _ = write!(text, "; {most} attempts"),
        (None, Some(age)) => _ = write!(text, "; until a record is {} old", in_words(age)),
        (Some(most), Some(age)) => {
            _ = write!(text, "; {most} attempts, until a record is {} old", in_words(age));
        }
    }
    for (list, what) in [(&retry.retry_on, "tried again"), (&retry.reject_on, "rejected")] {
        if !list.is_empty() {
            let kinds: Vec<_> = list.iter().map(Trigger::to_string).collect();
            let _ = write!(text, "; {what}: {}", kinds.join(", "));
        }
    }
    text
}

fn on_failure(on_failure: Action) -> &'static str {
    match on_failure {
        Action::DeadLetter => "dead_letter: goes to the dead-letter topic",
        Action::Drop => "drop: given up",
        Action::Retry => "retry: tried again at the longest wait, others of its key behind it",
        Action::Stop => "stop: the pipeline stops",
    }
}

/// Without the path of the webhook, which is a secret.
fn alerts(alert: &AlertSettings) -> String {
    let kinds: Vec<_> = alert.on.iter().map(|kind| kind.name()).collect();
    let every = in_words(alert.every);
    format!("{}, at most one of a kind and pipeline in {every}: {}", alert.url, kinds.join(", "))
}

fn serves(api: &ApiSettings) -> String {
    let Listen::At(address) = api.listen else { return "nothing".to_owned() };
    let asks = match &api.token {
        Some(token) => format!(", to whoever knows the token ({}), but for health", token.shown()),
        None if api.insecure => ", to whoever can reach it".to_owned(),
        None => String::new(),
    };
    let files = api.file_root.as_ref();
    let files = files.map_or_else(String::new, |root| {
        format!("; files of pipelines made there stay in {}", root.display())
    });
    let scheme = if api.tls.is_some() { "https" } else { "http" };
    let kept = api.state_dir.as_ref();
    let kept = kept.map_or_else(String::new, |folder| {
        format!("; pipelines made there are kept in {}", folder.display())
    });
    format!("/livez, /readyz, /metrics and /v1 at {scheme}://{address}{asks}{files}{kept}")
}

fn logs(log: &LogSettings) -> String {
    let format = match log.format {
        LogFormat::Term => "text",
        LogFormat::Json => "JSON",
    };
    let mut text =
        format!("{} and worse, as {format}, to stderr", log.level.as_str().to_lowercase());
    if let Some(file) = &log.file {
        let most = usize::try_from(log.file_max_size).unwrap_or(usize::MAX);
        let kept = log.file_keep;
        let _ = write!(text, " and {} ({kept} older files of {})", file.display(), size(most));
    }
    match log.stats_interval {
        Some(every) => format!("{text}; counts every {every:?}"),
        None => text,
    }
}
