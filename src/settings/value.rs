//! Texts to plain values: numbers, sizes, durations, shares, words.
//!
//! Each function takes what was typed and answers with the value, or with what is allowed. Names and
//! URLs are in [`names`], brokers in [`brokers`], what only the delivery over HTTP knows is in [`http`].

pub mod brokers;
pub mod http;
pub mod names;

use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use keyway_actors::route::ExpressionError;

/// The longest duration that any setting takes, but for the age of a record.
pub const LONGEST: Duration = Duration::from_hours(24);

/// The oldest record: longer than brokers usually keep one.
const OLDEST: Duration = Duration::from_hours(10_000);

/// Why a text is no value.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is allowed, to follow the word "expected".
    pub expected: String,
    /// What is wrong, where the expectation does not say it.
    pub because: Option<String>,
    /// What is wrong within a template or condition, and where; then nothing else needs to be said.
    pub faults: Vec<ExpressionError>,
}

impl Refused {
    /// Refused, with only the expectation to say.
    pub fn expected(what: impl Into<String>) -> Self {
        Self { expected: what.into(), because: None, faults: Vec::new() }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.because = Some(why.into());
        self
    }
}

/// A whole number in a range.
pub fn whole<T>(text: &str, allowed: RangeInclusive<T>) -> Result<T, Refused>
where
    T: FromStr + PartialOrd + Display,
{
    let number = text.parse::<T>().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| {
        let (low, high) = allowed.into_inner();
        Refused::expected(format!("a whole number from {low} to {high}"))
    })
}

/// A whole number from 1 to `most`.
pub fn positive(text: &str, most: usize) -> Result<NonZeroUsize, Refused> {
    let number = whole(text, 1..=most)?;
    NonZeroUsize::new(number).ok_or_else(|| Refused::expected("a whole number from 1"))
}

/// The same as a count of 32 bits.
pub fn counted(text: &str, most: u32) -> Result<NonZeroU32, Refused> {
    let number = whole(text, 1..=most)?;
    NonZeroU32::new(number).ok_or_else(|| Refused::expected("a whole number from 1"))
}

/// A number of attempts, 0 standing for no limit.
pub fn attempts(text: &str) -> Result<Option<NonZeroU32>, Refused> {
    const MOST: u32 = 1_000_000;
    whole(text, 0..=MOST).map(NonZeroU32::new).map_err(|_| {
        Refused::expected(format!("a whole number from 1 to {MOST}, or 0 for no limit"))
    })
}

/// A decimal number in a range.
pub fn decimal(text: &str, allowed: RangeInclusive<f64>) -> Result<f64, Refused> {
    let number = text.parse::<f64>().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| {
        let (low, high) = allowed.into_inner();
        Refused::expected(format!("a number from {low} to {high}"))
    })
}

/// A share of all, as `0.05` or `5%`.
pub fn share(text: &str) -> Result<f64, Refused> {
    let (digits, whole) = match text.strip_suffix('%') {
        Some(digits) => (digits, 100.0),
        None => (text, 1.0),
    };
    decimal(digits, 0.0..=whole)
        .map(|number| number / whole)
        .map_err(|_| Refused::expected("a share from 0 to 1, like 0.05 or 5%"))
}

/// The same without zero.
pub fn share_above_zero(text: &str) -> Result<f64, Refused> {
    share(text)
        .ok()
        .filter(|share| *share > 0.0)
        .ok_or_else(|| Refused::expected("a share above 0 and up to 1, like 0.5 or 50%"))
}

/// A duration of at least `least` and at most [`LONGEST`].
pub fn duration(text: &str, least: Duration) -> Result<Duration, Refused> {
    duration_within(text, least..=LONGEST)
}

/// A duration, or `off` for none.
pub fn duration_or_off(text: &str, least: Duration) -> Result<Option<Duration>, Refused> {
    or_off(text, least..=LONGEST)
}

/// The age of a record, or `off` for none.
pub fn age_or_off(text: &str) -> Result<Option<Duration>, Refused> {
    or_off(text, Duration::from_millis(1)..=OLDEST)
}

/// How old a file may become before a new one is begun, or `off` for no limit.
pub fn rotation_age_or_off(text: &str) -> Result<Option<Duration>, Refused> {
    or_off(text, Duration::from_secs(1)..=OLDEST)
}

fn or_off(text: &str, allowed: RangeInclusive<Duration>) -> Result<Option<Duration>, Refused> {
    if text == "off" {
        return Ok(None);
    }
    duration_within(text, allowed).map(Some).map_err(|mut refused| {
        refused.expected.push_str(", or off");
        refused
    })
}

fn duration_within(text: &str, allowed: RangeInclusive<Duration>) -> Result<Duration, Refused> {
    parse_duration(text).filter(|duration| allowed.contains(duration)).ok_or_else(|| {
        let (least, most) = allowed.into_inner();
        Refused::expected(format!(
            "a duration from {} to {}, like 500ms, 5s, 2m or 1h",
            in_words(least),
            in_words(most)
        ))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = digits_and_unit(text);
    let number: u64 = digits.parse().ok()?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// A duration as a person would type it.
pub fn in_words(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// A number of bytes in a range.
pub fn size(text: &str, allowed: RangeInclusive<u64>) -> Result<u64, Refused> {
    let size = parse_size(text).filter(|size| allowed.contains(size));
    size.ok_or_else(|| {
        let (low, high) = allowed.into_inner();
        Refused::expected(format!(
            "a size from {} to {}, like 64MiB, 10MB or 4096",
            size_in_words(low),
            size_in_words(high)
        ))
    })
}

/// How large a file may become before a new one is begun, or `off` for no limit.
pub fn rotation_size_or_off(text: &str) -> Result<Option<u64>, Refused> {
    if text == "off" {
        return Ok(None);
    }
    size(text, 1 << 10..=1 << 40).map(Some).map_err(|mut refused| {
        refused.expected.push_str(", or off");
        refused
    })
}

/// A number of bytes of memory, in a range.
pub fn memory(text: &str, allowed: RangeInclusive<u64>) -> Result<usize, Refused> {
    let bytes = size(text, allowed)?;
    usize::try_from(bytes).map_err(|_| Refused::expected("a size that this machine can address"))
}

fn parse_size(text: &str) -> Option<u64> {
    let (digits, unit) = digits_and_unit(text);
    let number: u64 = digits.parse().ok()?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn size_in_words(bytes: u64) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

fn digits_and_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// One of a few words.
pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Refused> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Refused::expected(format!("one of {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_stay_in_their_range() {
        let second = Duration::from_secs(1);
        assert_eq!(duration("1500ms", second), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m", second), Ok(Duration::from_mins(2)));
        assert_eq!(duration("24h", second), Ok(LONGEST));
        for bad in ["", "5", "s", "5 s", "-5s", "1.5s", "5d", "999ms", "25h", "99999999999999999h"]
        {
            assert!(duration(bad, second).is_err(), "{bad}");
        }
        assert_eq!(
            duration("5", second).map_err(|refused| refused.expected),
            Err("a duration from 1s to 24h, like 500ms, 5s, 2m or 1h".into())
        );
        assert_eq!(duration_or_off("off", second), Ok(None));
        assert_eq!(age_or_off("168h"), Ok(Some(Duration::from_hours(168))));
        assert_eq!(age_or_off("off"), Ok(None));
        assert!(age_or_off("10001h").is_err() && age_or_off("0s").is_err());
    }

    #[test]
    fn sizes_know_both_kinds_of_thousand() {
        let any = 0..=u64::MAX;
        assert_eq!(size("64MiB", any.clone()), Ok(67_108_864));
        assert_eq!(size("10MB", any.clone()), Ok(10_000_000));
        assert_eq!(size("10mb", any.clone()), Ok(10_000_000));
        assert_eq!(size("4096", any.clone()), Ok(4096));
        for bad in ["", "MiB", "1M", "1.5MiB", "-1", "1 MiB", "20000000000GiB"] {
            assert!(size(bad, any.clone()).is_err(), "{bad}");
        }
        assert_eq!(
            size("1", 1024..=1 << 30).map_err(|refused| refused.expected),
            Err("a size from 1KiB to 1GiB, like 64MiB, 10MB or 4096".into())
        );
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(whole("7", 1..=9), Ok(7));
        for bad in ["", "0", "10", "-1", "7.0", "7 ", "99999999999999999999"] {
            assert!(whole(bad, 1..=9).is_err(), "{bad}");
        }
        assert_eq!(counted("9", 9).map(NonZeroU32::get), Ok(9));
        assert!(counted("0", 9).is_err() && counted("10", 9).is_err());
        assert_eq!(attempts("0"), Ok(None));
        assert_eq!(attempts("3"), Ok(NonZeroU32::new(3)));
        for bad in ["NaN", "inf", "0.5", "x"] {
            assert!(decimal(bad, 1.0..=100.0).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_a_fraction_or_a_percentage() {
        assert_eq!(share("0.05"), Ok(0.05));
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("100%"), Ok(1.0));
        for bad in ["", "%", "1.1", "101%", "-1%", "five"] {
            assert!(share(bad).is_err(), "{bad}");
            assert!(share_above_zero(bad).is_err(), "{bad}");
        }
        assert_eq!((share("0"), share_above_zero("1%")), (Ok(0.0), Ok(0.01)));
        assert!(share_above_zero("0").is_err());
    }

    #[test]
    fn what_is_said_in_words_is_read_back() {
        for millis in [1, 999, 1_000, 60_000, 61_000, 3_600_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&in_words(duration)), Some(duration));
        }
        for bytes in [0, 1, 1024, 1025, 3 << 20, 5 << 30] {
            assert_eq!(parse_size(&size_in_words(bytes)), Some(bytes));
        }
    }
}
