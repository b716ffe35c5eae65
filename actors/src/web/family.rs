//! Builds what Prometheus calls a family: a name, its help, and a sample for each set of labels.
//!
//! A program that shows more than its pipelines adds to [`Families`] what it counts itself, or all
//! that a registry of its own has gathered.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

/// A label: its name and its value.
pub type Label<'a> = (&'static str, &'a str);

/// The families of one scrape, in the order in which they are shown. Each name may be there once.
#[derive(Debug, Default)]
pub struct Families(Vec<MetricFamily>);

impl Families {
    /// A family of counters; `keyway_` comes before its name. One without samples is left out.
    pub fn counters(&mut self, name: &str, help: &str, samples: Vec<Metric>) {
        self.add(MetricType::COUNTER, name, help, samples);
    }

    /// A family of gauges, named in the same way.
    pub fn gauges(&mut self, name: &str, help: &str, samples: Vec<Metric>) {
        self.add(MetricType::GAUGE, name, help, samples);
    }

    /// A family of histograms, named in the same way.
    pub(super) fn histograms(&mut self, name: &str, help: &str, samples: Vec<Metric>) {
        self.add(MetricType::HISTOGRAM, name, help, samples);
    }

    fn add(&mut self, kind: MetricType, name: &str, help: &str, samples: Vec<Metric>) {
        if samples.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(format!("keyway_{name}"));
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(samples);
        self.0.push(family);
    }

    /// All of them.
    pub(super) fn all(&self) -> &[MetricFamily] {
        &self.0
    }
}

/// Families that others made keep their names.
impl Extend<MetricFamily> for Families {
    fn extend<I: IntoIterator<Item = MetricFamily>>(&mut self, families: I) {
        self.0.extend(families);
    }
}

/// A sample of a counter.
pub fn counter(labels: &[Label<'_>], value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(float(value));
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

/// A sample of a gauge.
pub fn gauge(labels: &[Label<'_>], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

/// A sample of a histogram: `counts` per bucket, the last for what is beyond all `bounds`; bounds
/// and `sum` are in units of which `per_unit` make one of what is shown.
pub(super) fn histogram(
    labels: &[Label<'_>],
    bounds: &[u64],
    counts: &[u64],
    sum: u64,
    per_unit: f64,
) -> Metric {
    let mut total = 0;
    let mut buckets = Vec::with_capacity(bounds.len());
    for (&bound, &count) in bounds.iter().zip(counts) {
        total += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(float(bound) / per_unit);
        bucket.set_cumulative_count(total);
        buckets.push(bucket);
    }
    let mut histogram = Histogram::default();
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(float(sum) / per_unit);
    histogram.set_bucket(buckets);
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}

fn labelled(labels: &[Label<'_>]) -> Metric {
    let pair = |&(name, value): &Label<'_>| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

/// Prometheus knows no other numbers; beyond 2^53 they are no longer exact.
#[allow(clippy::cast_precision_loss, reason = "a count of nine quadrillion may be off by one")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}
