//! What an answer says of the quota that is left: the header fields of
//! draft-ietf-httpapi-ratelimit-headers as it is now (`RateLimit`, `RateLimit-Policy`; revision 11)
//! and as it was, and those that were in use before it.
//!
//! They are hints. What is malformed says nothing, as the draft asks; nothing here is trusted to be
//! sensible, so a caller puts a limit of its own to the time.

use std::time::{Duration, SystemTime};

use awc::http::header::HeaderMap;

use self::items::{Item, Malformed, items};

mod items;
#[cfg(test)]
mod tests;

/// Far longer than a field with any sensible number of policies.
const FIELD_LIMIT: usize = 4096;

/// A reset from this on is a date, not a wait: 10^9 seconds are 31 years from now, or the year 2001.
const EPOCH_SECONDS: f64 = 1e9;

/// A reset from this on is a date in milliseconds: as seconds it would be the year 33658.
const EPOCH_MILLIS: f64 = 1e12;

/// What is left until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// Requests that may be sent until then.
    pub(super) remaining: u64,
    /// How long that holds, from the answer on; of any length.
    pub(super) resets_in: Duration,
}

/// Whether an answer may speak of a quota. Few do, and a look at the names costs less than asking for
/// each that it could be.
pub(super) fn is_told(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().contains("rate"))
}

/// The quota that an answer speaks of; of several the one that leaves the fewest requests for the
/// time. Of the kinds of fields the newest that says something counts.
pub(super) fn quota(headers: &HeaderMap, now: SystemTime) -> Option<Quota> {
    structured(headers)
        .or_else(|| as_dictionary(headers))
        .or_else(|| separate(headers, "ratelimit-remaining", "ratelimit-reset", now))
        .or_else(|| separate(headers, "x-ratelimit-remaining", "x-ratelimit-reset", now))
        .or_else(|| separate(headers, "x-rate-limit-remaining", "x-rate-limit-reset", now))
}

/// `RateLimit: "default";r=50;t=30`, since revision 8.
fn structured(headers: &HeaderMap) -> Option<Quota> {
    let limits = field(headers, "ratelimit")?;
    let policies = field(headers, "ratelimit-policy").unwrap_or_default();
    // A malformed policy field is ignored, and no reason to ignore the other.
    let policies = items(&policies).unwrap_or_default();
    let limits = items(&limits)?;
    let quotas = limits.iter().map(|limit| limit_of(limit, &policies));
    // One that breaks the rules makes the field malformed, so it is ignored as a whole.
    let quotas: Vec<_> = quotas.collect::<Result<_, _>>().ok()?;
    quotas.into_iter().flatten().reduce(stricter)
}

/// What an item comes to; nothing where it does not limit requests within a time.
fn limit_of(limit: &Item<'_>, policies: &[Item<'_>]) -> Result<Option<Quota>, Malformed> {
    let remaining = limit.count("r")?.ok_or(Malformed)?;
    let policy = policies.iter().find(|policy| policy.name == limit.name);
    let counts_requests = policy
        .and_then(|policy| policy.parameter("qu"))
        .is_none_or(|unit| matches!(unit, "\"requests\"" | "requests"));
    // Without a window of its own, that of its policy is the longest that it can be.
    let seconds = match limit.count("t")? {
        Some(seconds) => Some(seconds),
        None => policy.and_then(|policy| policy.count("w").ok().flatten()),
    };
    let quota = seconds
        .filter(|_| counts_requests)
        .map(|seconds| Quota { remaining, resets_in: Duration::from_secs(seconds) });
    Ok(quota)
}

/// `RateLimit: limit=100, remaining=50, reset=30`, as it was in revision 7.
fn as_dictionary(headers: &HeaderMap) -> Option<Quota> {
    let (mut remaining, mut reset) = (None, None);
    for member in field(headers, "ratelimit")?.split(',') {
        let (name, value) = member.trim_matches([' ', '\t']).split_once('=')?;
        match name {
            "remaining" => remaining = Some(digits(value)?),
            "reset" => reset = Some(digits(value)?),
            _ => {}
        }
    }
    Some(Quota { remaining: remaining?, resets_in: Duration::from_secs(reset?) })
}

/// A field each. The reset is a wait in seconds, as revisions up to 6 had it, or a date in seconds
/// or milliseconds since 1970, as many services have it; which, its size tells. Either number may
/// have a fraction. A field that comes more than once, or lists values, is not understood.
fn separate(headers: &HeaderMap, remaining: &str, reset: &str, now: SystemTime) -> Option<Quota> {
    let number = |name| decimal(&field(headers, name)?);
    let (remaining, reset) = (number(remaining)?, number(reset)?);
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let resets_in = if reset < EPOCH_SECONDS {
        Duration::from_secs_f64(reset)
    } else {
        let seconds = if reset < EPOCH_MILLIS { reset } else { reset / 1000.0 };
        Duration::try_from_secs_f64(seconds).ok()?.saturating_sub(since_1970)
    };
    // Rounded to whole requests and milliseconds, to the safe side.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let remaining = remaining.floor() as u64;
    let millis = u64::try_from(resets_in.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
    Some(Quota { remaining, resets_in: Duration::from_millis(millis) })
}

/// All lines of a field as one, as they may be split.
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Option<Vec<_>> = headers.get_all(name).map(|line| line.to_str().ok()).collect();
    let joined = lines?.join(", ");
    (!joined.is_empty() && joined.len() <= FIELD_LIMIT).then_some(joined)
}

/// Digits only; no sign and no blank.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Digits, and a fraction if there is one.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t']);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if plain(whole) && plain(fraction) { text.parse().ok() } else { None }
}

/// That of two which leaves fewer requests for the time; of two that leave none, the longer.
fn stricter(one: Quota, other: Quota) -> Quota {
    let left = |it: Quota, time: Duration| u128::from(it.remaining) * time.as_millis();
    // Requests over time, compared without a division. No time left is no limit.
    let key = (left(one, other.resets_in), other.resets_in);
    let other_key = (left(other, one.resets_in), one.resets_in);
    match (one.resets_in.is_zero(), other.resets_in.is_zero()) {
        (true, false) => other,
        (false, true) => one,
        _ if key <= other_key => one,
        _ => other,
    }
}
