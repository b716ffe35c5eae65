//! Numbers and lists in words.

use std::fmt::Write;

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

#[cfg(test)]
mod tests {
    use super::*;

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
