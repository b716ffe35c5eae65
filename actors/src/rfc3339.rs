//! Times as RFC 3339 writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last millisecond of the year 9999: the year has four digits.
const LAST: i64 = 253_402_300_799_999;

/// Milliseconds since 1970 in UTC, to the millisecond; none before 1970 or after 9999.
pub(crate) fn rfc3339(millis: i64) -> Option<String> {
    (0..=LAST).contains(&millis).then(|| written(millis))
}

/// What a clock shows, in UTC, to the millisecond: `2026-03-01T12:00:00.250Z`. One before 1970
/// shows as 1970, one after 9999 as its end.
pub(crate) fn of_clock(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    written(i64::try_from(since.as_millis()).map_or(LAST, |millis| millis.min(LAST)))
}

/// Milliseconds from 0 to [`LAST`].
fn written(millis: i64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (mut days, seconds) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970 + days / 366;
    days -= days_before(year);
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let date = format!("{year:04}-{month:02}-{:02}", days + 1);
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Days from the beginning of 1970 to that of a year after it.
fn days_before(year: i64) -> i64 {
    let leap_years = |year: i64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leap_years(year - 1) - leap_years(1969)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether a text is a `date-time` (RFC 3339, 5.6), of a day and a time of day that there are.
pub(crate) fn is_rfc3339(text: &str) -> bool {
    is_date_time(text.as_bytes()).unwrap_or(false)
}

/// `None` where it is too short.
fn is_date_time(text: &[u8]) -> Option<bool> {
    let (head, tail) = text.split_at_checked(19)?;
    let number = |from: usize, to: usize| number(&head[from..to]);
    let marks = [(4, "-"), (7, "-"), (10, "Tt"), (13, ":"), (16, ":")];
    let marked = marks.iter().all(|(at, mark)| mark.as_bytes().contains(&head[*at]));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let zone = match tail.strip_prefix(b".") {
        None => tail,
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return Some(false);
            }
            &rest[digits..]
        }
    };
    Some(
        marked
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            // 60 is a leap second.
            && hour < 24 && minute < 60 && second <= 60
            && is_zone(zone),
    )
}

fn is_zone(zone: &[u8]) -> bool {
    match zone {
        b"Z" | b"z" => true,
        [b'+' | b'-', hour @ .., b':', tens, ones] if hour.len() == 2 => {
            number(hour).is_some_and(|it| it < 24)
                && number(&[*tens, *ones]).is_some_and(|it| it < 60)
        }
        _ => false,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written() {
        assert_eq!(rfc3339(0).unwrap(), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_826_154_321).unwrap(), "2000-02-29T12:09:14.321Z");
        assert_eq!(rfc3339(LAST).unwrap(), "9999-12-31T23:59:59.999Z");
        assert_eq!((rfc3339(-1), rfc3339(LAST + 1), rfc3339(i64::MAX)), (None, None, None));
    }

    #[test]
    fn a_clock_shows_what_there_is() {
        let at = |millis| of_clock(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_005), "2000-02-29T00:00:00.005Z");
        assert_eq!(at(951_868_799_999), "2000-02-29T23:59:59.999Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(of_clock(UNIX_EPOCH - Duration::from_secs(1)), at(0));
        assert_eq!(at(LAST.unsigned_abs() + 1), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_are_told_from_what_is_none() {
        for good in [
            // The examples of RFC 3339, 5.8.
            "1985-04-12T23:20:50.52Z",
            "1996-12-19T16:39:57-08:00",
            "1990-12-31T23:59:60Z",
            "1990-12-31T15:59:60-08:00",
            "1937-01-01T12:00:27.87+00:20",
            "2024-02-29t00:00:00z",
            "0000-01-01T00:00:00+23:59",
        ] {
            assert!(is_rfc3339(good), "{good}");
        }
        for bad in [
            "",
            "now",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.5",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+01:60",
            "2024-01-01T00:00:00ZZ",
            "2024-01-01",
            "24-01-01T00:00:00Z",
            "2024-01-01T00:00:00+1:00",
            "2024/01/01T00:00:00Z",
            "1704067200000",
            "+024-01-01T00:00:00Z",
        ] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
    }

    proptest! {
        /// Against the dates of HTTP, which another has written: the same day, month, year and time.
        #[test]
        fn every_time_is_right(millis in 0..=LAST) {
            let text = rfc3339(millis).unwrap();
            prop_assert!(is_rfc3339(&text), "{}", text);
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis.unsigned_abs());
            let date = httpdate::fmt_http_date(time);
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month: usize = text[5..7].parse().unwrap();
            let same = format!("{} {} {} {} GMT", &text[8..10], months[month - 1], &text[..4], &text[11..19]);
            prop_assert_eq!(&date[5..], same);
            let fraction = format!(".{:03}Z", millis % 1000);
            prop_assert_eq!(&text[19..], fraction.as_str());
        }

        #[test]
        fn nothing_is_too_odd(text in "[0-9TZ:.+ \u{e9}-]{0,40}") {
            let _ = is_rfc3339(&text);
        }
    }
}
