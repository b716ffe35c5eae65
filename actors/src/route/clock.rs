//! The time as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// Days from 0000-03-01 to the Unix epoch in the Gregorian calendar carried back; counted from
/// March, because the leap day is then the last of its year.
const DAYS_TO_EPOCH: u64 = 719_468;

/// A time as RFC 3339 writes it, in UTC with milliseconds: `2026-03-01T12:00:00.250Z`. A clock
/// before 1970 shows as 1970.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day, so many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Four hundred years repeat; a century and four years are short of a leap day or have one.
    let (cycles, rest) = ((days + DAYS_TO_EPOCH) / 146_097, (days + DAYS_TO_EPOCH) % 146_097);
    let centuries = (rest / 36_524).min(3);
    let rest = rest - centuries * 36_524;
    let (fours, rest) = (rest / 1461, rest % 1461);
    let years = (rest / 365).min(3);
    let mut day = rest - years * 365;
    let year = cycles * 400 + centuries * 100 + fours * 4 + years;
    let mut month = 3;
    for length in [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    if month > 12 { (year + 1, month - 12, day + 1) } else { (year, month, day + 1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> String {
        rfc3339(UNIX_EPOCH + Duration::from_millis(millis))
    }

    #[test]
    fn times_are_written_as_the_standard_says() {
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_005), "2000-02-29T00:00:00.005Z");
        assert_eq!(at(951_868_799_999), "2000-02-29T23:59:59.999Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), at(0));
    }

    proptest! {
        /// The other writer of dates in the build agrees.
        #[test]
        fn dates_agree_with_http_dates(seconds in 0_u64..253_402_300_800) {
            const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
                "Sep", "Oct", "Nov", "Dec"];
            let text = at(seconds * 1000);
            let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            let words: Vec<&str> = http.split(' ').collect();
            let month = 1 + MONTHS.iter().position(|it| *it == words[2]).unwrap();
            let expected = format!("{}-{month:02}-{}T{}.000Z", words[3], words[1], words[4]);
            prop_assert_eq!(text, expected);
        }
    }
}
