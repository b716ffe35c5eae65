//! Numbers and lists in words.

use std::fmt::Write;

use keyway_actors::State;

/// A number in groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size, in the largest unit that leaves a whole number.
pub fn size(bytes: usize) -> String {
    const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = UNITS.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match whole {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{} bytes", grouped(bytes as u64)),
    }
}

/// `1 topic`, `2 topics`.
pub fn count(number: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(number as u64), if number == 1 { "" } else { "s" })
}

/// The first few of many, and how many more there are.
pub fn first(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    let mut text = items.take(most).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, ", +{} more", grouped(more as u64));
    }
    text
}

/// What a pipeline does, in a word.
pub fn state(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Running => "running",
        State::Paused => "paused",
        State::Draining => "draining",
        State::Stopped => "stopped",
        State::Failed => "failed",
    }
}

/// A time as a person reads it: `350 ms`, `1.5 s`, `42 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`. Less
/// than nothing is nothing.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a floating point number stops at the bounds, and what is no number is 0"
)]
pub fn lasting(seconds: f64) -> String {
    let millis = (seconds * 1_000.0).round() as u64;
    let rounded = (seconds.round() as u64).max(1);
    let (minutes, hours, days) = (rounded / 60, rounded / 3_600, rounded / 86_400);
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..9_950 => format!("{}.{} s", (millis + 50) / 1_000, (millis + 50) % 1_000 / 100),
        _ if minutes == 0 => format!("{rounded} s"),
        _ if hours == 0 => format!("{minutes} m {} s", rounded % 60),
        _ if days == 0 => format!("{hours} h {} m", minutes % 60),
        _ => format!("{} d {} h", grouped(days), hours % 24),
    }
}

/// A text that another program sent, for a terminal: what would steer the terminal, or turn the
/// direction of what follows, is written out.
pub fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_that_matter() {
        for (seconds, text) in [
            (-1.0, "0 ms"),
            (f64::NAN, "0 ms"),
            (0.000_4, "0 ms"),
            (0.35, "350 ms"),
            (0.999_6, "1.0 s"),
            (1.5, "1.5 s"),
            (9.949, "9.9 s"),
            (9.95, "10 s"),
            (59.4, "59 s"),
            (59.5, "1 m 0 s"),
            (200.0, "3 m 20 s"),
            (3_599.6, "1 h 0 m"),
            (7_500.0, "2 h 5 m"),
            (86_400.0 * 3.0 + 4.0 * 3_600.0, "3 d 4 h"),
        ] {
            assert_eq!(lasting(seconds), text, "{seconds}");
        }
        assert!(lasting(f64::INFINITY).ends_with(" h"));
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[2J\r\n\u{9b}\u{202e}é"), "a\\u{1b}[2J\\r\\n\\u{9b}\\u{202e}é");
    }

    #[test]
    fn digits_stand_in_threes() {
        let groups = [0, 999, 1_000, 200_000, 12_345_678].map(grouped);
        assert_eq!(groups, ["0", "999", "1,000", "200,000", "12,345,678"]);
    }

    #[test]
    fn a_size_is_exact() {
        let sizes = [128 << 20, 2 << 30, 1536, 1 << 10, 4097].map(size);
        assert_eq!(sizes, ["128 MiB", "2 GiB", "1,536 bytes", "1 KiB", "4,097 bytes"]);
    }

    #[test]
    fn a_long_list_says_how_much_it_leaves_out() {
        let of = |count: u32| {
            first((0..count).map(|it| it.to_string()).collect::<Vec<_>>().into_iter(), 2)
        };
        assert_eq!([of(0), of(2), of(5)], ["", "0, 1", "0, 1, +3 more"]);
    }
}
