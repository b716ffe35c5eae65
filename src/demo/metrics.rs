//! What `/metrics` of the process says, for the lines of the demo. The verdict does not use it,
//! except where the endpoint is the user's and there is nothing else to ask.

use std::net::SocketAddr;
use std::time::Duration;

use awc::Client;

/// Longest wait for an answer; a line of the demo would come late.
const PATIENCE: Duration = Duration::from_millis(800);

/// Records that the process has delivered.
pub const DELIVERED: &str = "keyway_records_delivered_total";

/// One look at `/metrics`.
#[derive(Debug, Default)]
pub struct Metrics(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Metrics {
    /// Asks; `None` where nobody answers in time, as while the process starts or ends.
    pub async fn ask(client: &Client, api: SocketAddr) -> Option<Self> {
        let request = client.get(format!("http://{api}/metrics")).timeout(PATIENCE);
        let mut response =
            request.send().await.ok().filter(|answer| answer.status().is_success())?;
        let text = actix_rt::time::timeout(PATIENCE, response.body()).await.ok()?.ok()?;
        Some(Self::read(&String::from_utf8_lossy(&text)))
    }

    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(sample).collect())
    }

    /// Whether nobody has answered yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of all samples of a name; 0 where there are none.
    pub fn sum(&self, name: &str) -> u64 {
        self.0.iter().filter(|sample| sample.name == name).map(|sample| whole(sample.value)).sum()
    }

    /// The samples of a name that are not 0, by one label.
    pub fn by(&self, name: &str, label: &str) -> Vec<(String, u64)> {
        let found = self.0.iter().filter(|sample| sample.name == name && sample.value > 0.0);
        let named = |sample: &Sample| Some((value_of(&sample.labels, label)?, whole(sample.value)));
        found.filter_map(named).collect()
    }

    /// The bound of the bucket that the given share of a histogram is in or below; `None` for an
    /// empty one, and above the highest bound.
    pub fn quantile(&self, name: &str, percent: u64) -> Option<Duration> {
        let name = format!("{name}_bucket");
        let buckets = self.0.iter().filter(|sample| sample.name == name);
        let buckets = buckets.filter_map(|sample| {
            let bound = value_of(&sample.labels, "le")?.parse::<f64>().ok()?;
            Some((bound, whole(sample.value)))
        });
        let mut buckets: Vec<(f64, u64)> = buckets.collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let all = buckets.last().map_or(0, |(_, count)| *count);
        let wanted = (all * percent).div_ceil(100);
        let (bound, _) = buckets.iter().find(|(_, count)| all > 0 && *count >= wanted)?;
        Duration::try_from_secs_f64(*bound).ok()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some(Sample { name: name.to_owned(), labels: labels.to_owned(), value: value.parse().ok()? })
}

fn value_of(labels: &str, label: &str) -> Option<String> {
    let (_, rest) = labels.split_once(&format!("{label}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts, exact in a float far beyond what a demo can reach"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP keyway_lanes Lanes with something in them.
keyway_lanes{pipeline="default"} 287
keyway_retries_total{pipeline="default",reason="status_5xx"} 41
keyway_retries_total{pipeline="default",reason="disconnected"} 12
keyway_retries_total{pipeline="default",reason="timeout"} 0
keyway_request_duration_seconds_bucket{pipeline="default",le="0.025"} 90
keyway_request_duration_seconds_bucket{pipeline="default",le="0.05"} 99
keyway_request_duration_seconds_bucket{pipeline="default",le="+Inf"} 100
keyway_request_duration_seconds_sum{pipeline="default"} 2.5
"#;

    #[test]
    fn samples_are_summed_and_told_apart_by_a_label() {
        let metrics = Metrics::read(TEXT);
        assert_eq!(metrics.sum("keyway_lanes"), 287);
        assert_eq!(metrics.sum("keyway_retries_total"), 53);
        assert_eq!(metrics.sum("keyway_nothing"), 0);
        let by_reason = metrics.by("keyway_retries_total", "reason");
        assert_eq!(by_reason, [("status_5xx".to_owned(), 41), ("disconnected".to_owned(), 12)]);
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let metrics = Metrics::read(TEXT);
        let quantile = |percent| metrics.quantile("keyway_request_duration_seconds", percent);
        assert_eq!(quantile(50), Some(Duration::from_millis(25)));
        assert_eq!(quantile(99), Some(Duration::from_millis(50)));
        assert_eq!(quantile(100), None);
        assert_eq!(Metrics::read("").quantile("keyway_request_duration_seconds", 50), None);
    }
}
