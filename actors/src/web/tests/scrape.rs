//! Prometheus text read back, with the rules of the format checked on the way.

use std::collections::BTreeMap;

/// What a scrape holds.
#[derive(Debug)]
pub struct Scrape(Vec<Family>);

/// A metric with its samples.
#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub help: String,
    pub kind: String,
    pub samples: Vec<Sample>,
}

/// A line: its name may be longer than the family's (`_bucket`, `_sum`, `_count`).
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Scrape {
    /// Reads a scrape; panics where it breaks a rule.
    pub fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut families: Vec<Family> = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help has a text");
                assert!(families.iter().all(|it| it.name != name), "{name} comes twice");
                families.push(Family {
                    name: name.into(),
                    help: help.into(),
                    kind: String::new(),
                    samples: Vec::new(),
                });
                continue;
            }
            let family = families.last_mut().unwrap_or_else(|| panic!("before any help: {line}"));
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a kind");
                assert_eq!(name, family.name, "the type follows the help");
                family.kind = kind.into();
                continue;
            }
            let sample = sample(line);
            assert!(belongs(&sample.name, family), "{line} is not of {}", family.name);
            family.samples.push(sample);
        }
        families.iter().for_each(check);
        Self(families)
    }

    pub fn families(&self) -> &[Family] {
        &self.0
    }

    pub fn family(&self, name: &str) -> Option<&Family> {
        self.0.iter().find(|it| it.name == name)
    }

    /// The sum of the samples of that name that have these labels; panics if there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.0.iter().flat_map(|it| &it.samples).filter(|it| it.name == name);
        let matching: Vec<f64> = samples
            .filter(|it| labels.iter().all(|(name, value)| it.labels[*name] == *value))
            .map(|it| it.value)
            .collect();
        assert!(!matching.is_empty(), "no {name} with {labels:?}");
        matching.iter().sum()
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line}"));
    let mut labels = BTreeMap::new();
    let mut rest = &line[end..];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
            assert!(labels.insert(name.to_owned(), value).is_none(), "{name} twice: {line}");
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').unwrap_or_else(|| panic!("{line}"));
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    Sample { name: line[..end].to_owned(), labels, value }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut letters) = (String::new(), text.char_indices());
    loop {
        match letters.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(match letters.next()?.1 {
                'n' => '\n',
                letter @ ('"' | '\\') => letter,
                other => panic!("no such escape: {other}"),
            }),
            (_, letter) => value.push(letter),
        }
    }
}

fn belongs(name: &str, family: &Family) -> bool {
    let Some(ending) = name.strip_prefix(family.name.as_str()) else { return false };
    match family.kind.as_str() {
        "histogram" => ["_bucket", "_sum", "_count"].contains(&ending),
        _ => ending.is_empty(),
    }
}

fn check(family: &Family) {
    let name = &family.name;
    let is_word = |word: &str| {
        word.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
    };
    assert!(is_word(name), "{name}");
    assert!(["counter", "gauge", "histogram"].contains(&family.kind.as_str()), "{family:?}");
    assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name}");
    assert!(family.help.ends_with('.') && family.help.len() > 10, "{name}: {}", family.help);
    assert!(!family.samples.is_empty(), "{name} has no samples");
    let mut seen = Vec::new();
    for sample in &family.samples {
        let key = (&sample.name, &sample.labels);
        assert!(!seen.contains(&key), "twice: {key:?}");
        seen.push(key);
        assert!(sample.labels.keys().all(|it| is_word(it)), "{sample:?}");
        assert!(sample.value.is_finite(), "{sample:?}");
        assert!(family.kind == "gauge" || sample.value >= 0.0, "{sample:?}");
    }
    if family.kind == "histogram" {
        check_histogram(family);
    }
}

/// The buckets of each series rise in bound and count, the last is `+Inf` and equals the count.
fn check_histogram(family: &Family) {
    let ending = |sample: &&Sample, end: &str| sample.name == format!("{}{end}", family.name);
    let counts = family.samples.iter().filter(|it| ending(it, "_count"));
    for count in counts {
        let is_of = |it: &&Sample| {
            let mut labels = it.labels.clone();
            labels.remove("le");
            labels == count.labels
        };
        let buckets = family.samples.iter().filter(|it| ending(it, "_bucket")).filter(is_of);
        let buckets: Vec<(f64, f64)> =
            buckets.map(|it| (it.labels["le"].parse().unwrap(), it.value)).collect();
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, count.value)));
        let sums = family.samples.iter().filter(|it| ending(it, "_sum")).filter(is_of);
        assert_eq!(sums.count(), 1, "{count:?}");
    }
}
