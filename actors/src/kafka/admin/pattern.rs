//! Topic patterns, matched as a subscription matches them.
//!
//! librdkafka hands them to the C library as POSIX extended expressions, a broker (KIP-848) reads
//! them as RE2, and the crate used here reads a third syntax. So only what means the same to all is
//! matched: for anything else it is said that it cannot be told, and never guessed.

use regex_lite::Regex;

/// Whose rules a pattern goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// librdkafka's: POSIX, found anywhere in the name.
    Posix,
    /// A broker's, in the group protocol of KIP-848: RE2, the whole of the name.
    Broker,
}

/// What means the same to all, part by part. Names of topics hold letters, digits, dots, dashes and
/// underscores, so that no other character is needed. Left out is what differs: back references and
/// escaped letters (`\d` is the letter d to POSIX), `(?`, a second sign of how often (`a+?`), `{,2}`,
/// a backslash, `]` or a further dash in brackets, a `*` after an anchor.
const PLAIN: &str = r"(?x) ^(?:
    [(|^$]
  | (?: [\w.-] | \\[.-] | \)
      | \[ \^? -? (?: \[:(?:CLASSES):\] | [\w.](?:-[\w.])? )+ -? \]
    ) (?: [*+?] | \{\d{1,3}(?:,\d{0,3})?\} )?
)*$";

const CLASSES: &str = "alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit";

const ALIKE: &str = "alike everywhere are only letters, digits, . - _ ^ $ ( | ) \\., sets like \
    [a-z] or [^[:digit:]], and one * + ? or {m,n} after a part; write [0-9] for \\d";

/// A pattern, ready to match.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Why it cannot be told what it matches.
    pub(super) fn new(text: &str, dialect: Dialect) -> Result<Self, String> {
        // A broker knows the classes of Perl as the crate does.
        let known = match dialect {
            Dialect::Posix => PLAIN.to_owned(),
            Dialect::Broker => PLAIN.replace(r"\\[.-]", r"\\[.dDsSwW-]"),
        };
        let read = |text: &str| Regex::new(text).map_err(|error| error.to_string());
        if !read(&known.replace("CLASSES", CLASSES))?.is_match(text) {
            return Err(ALIKE.to_owned());
        }
        // Alone first: within the group a bracket too many would close that.
        let pattern = read(text)?;
        match dialect {
            Dialect::Posix => Ok(Self(pattern)),
            Dialect::Broker => read(&format!("^(?:{text})$")).map(Self),
        }
    }

    /// Whether a subscription with this pattern takes the topic of this name.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// The patterns of librdkafka's `topic.blacklist`, split as it splits them: an empty one, which hides
/// everything, counts unless it is the last.
pub(super) fn blacklist(list: &str) -> Result<Vec<Pattern>, String> {
    let list = list.strip_suffix(',').unwrap_or(list);
    let read = |text| {
        Pattern::new(text, Dialect::Posix)
            .map_err(|why| format!("topic.blacklist hides {text}, and {why}"))
    };
    list.split(',').map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patterns that people write, and what librdkafka takes by them.
    #[test]
    fn names_match_as_in_a_subscription() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("^orders-", &["orders-eu", "orders-"], &["my-orders-eu", "orders"]),
            ("^orders-[0-9]+$", &["orders-1", "orders-12"], &["orders-", "orders-1a"]),
            (r"^a\.b", &["a.b", "a.bc"], &["a-b"]),
            ("^(eu|us)\\.orders$", &["eu.orders", "us.orders"], &["eu.orders.x", "de.orders"]),
            // The second alternative is not bound to the beginning.
            ("^eu|orders", &["eu-x", "my-orders"], &["us-x"]),
            ("^[^_].*", &["orders"], &["__consumer_offsets", "_"]),
            ("^[[:alpha:]_-]{2,3}$", &["ab", "a_c"], &["a", "abcd", "a1"]),
            ("^[a-]$", &["a", "-"], &["b"]),
            ("^[^-a]$", &["b"], &["-", "a"]),
            ("^(a?){5}b{0}(xy)*$", &["", "aaa", "aaxyxy"], &["aaaaaa", "b", "axyx"]),
            ("^a{2,}$", &["aa", "aaaaa"], &["a"]),
            ("^((a|b)*c)+$", &["c", "abcc", "aacbc"], &["ab", ""]),
            ("^$", &[""], &["a"]),
            ("^", &["", "anything"], &[]),
        ];
        for (pattern, those, not_those) in cases {
            let read = Pattern::new(pattern, Dialect::Posix).expect(pattern);
            let all = those.iter().map(|name| (name, true));
            for (name, expected) in all.chain(not_those.iter().map(|name| (name, false))) {
                assert_eq!(read.matches(name), expected, "{pattern} {name:?}");
            }
        }
    }

    #[test]
    fn a_broker_matches_the_whole_name_and_knows_digits() {
        let matches =
            |pattern, name| Pattern::new(pattern, Dialect::Broker).expect(pattern).matches(name);
        assert!(!matches("^orders-", "orders-eu"));
        assert!(matches("^orders-.*", "orders-eu"));
        assert!(matches(r"^orders-\d+", "orders-17"));
        assert!(!matches("^eu|us", "us-x") && matches("^eu|us", "us"));
        assert!(Pattern::new("^a)|(b", Dialect::Broker).is_err());
    }

    /// Each of them means something else to the C library than to the crate, or to one of them
    /// nothing.
    #[test]
    fn what_is_not_read_alike_everywhere_is_refused_not_guessed() {
        for pattern in [
            r"^orders-\d",
            r"^a\w",
            r"^(a)\1",
            r"^a\b",
            r"^a\<",
            r"^a\`",
            "^(?:a)",
            "^(?i)a",
            "^a+?$",
            "^a**",
            "^a{2}{3}",
            "^a{,2}",
            "^*",
            "^(*a)",
            "^a|*b",
            "^a$*",
            "^[]a]x",
            "^[]a[b]",
            "^[^]a]",
            r"^[a\]+$",
            "^[[.a.]]",
            "^[[=a=]]",
            "^[[:word:]]",
            "^[[a]]",
            "^[a-c-e]",
            "^[a&&b]",
            "^[a--b]",
            "^(a",
            "^a)",
            "^[a",
            "^a{2",
            "^a{2,",
            "^a{3,2}",
            "^a{1000}",
            "^[z-a]",
            "^[]",
            "^a b",
        ] {
            let refused = Pattern::new(pattern, Dialect::Posix).expect_err(pattern);
            assert!(!refused.is_empty(), "{pattern}");
        }
    }

    /// What this file calls plain, the C library takes too: librdkafka reads the patterns of this
    /// property when it is set.
    #[test]
    fn what_is_matched_here_is_a_pattern_to_librdkafka() {
        const PARTS: [&str; 16] = [
            "a",
            ".",
            r"\.",
            "^",
            "$",
            "(",
            ")",
            "|",
            "[a-c_-]",
            "[^-[:digit:]]",
            "*",
            "+",
            "?",
            "{2}",
            "{0,}",
            "-",
        ];
        let mut matched = 0;
        for number in 0..PARTS.len().pow(3) {
            let digits = (0..3).map(|place| number / PARTS.len().pow(place) % PARTS.len());
            let text = digits.fold("^".to_owned(), |text, part| text + PARTS[part]);
            if Pattern::new(&text, Dialect::Posix).is_err() {
                continue;
            }
            matched += 1;
            let mut config = rdkafka::ClientConfig::new();
            config.set("topic.blacklist", text.replace("{0,}", "{0}"));
            assert!(config.create_native_config().is_ok(), "{text}");
        }
        assert!(matched > 1_000, "{matched}");
    }

    #[test]
    fn a_blacklist_is_split_at_commas() {
        let hides = |list, name| {
            let patterns = blacklist(list).expect(list);
            patterns.iter().any(|pattern| pattern.matches(name))
        };
        assert!(hides("^a,b$,", "ax") && hides("^a,b$,", "xb") && !hides("^a,b$,", "xa"));
        assert!(hides("^a,,b$", "xa"));
        assert!(blacklist(r"^a,\d").is_err_and(|why| why.contains(r"hides \d")));
    }

    #[test]
    fn large_numbers_take_no_long_time() {
        let pattern = Pattern::new("^((a{0,200}){0,200}){0,200}$", Dialect::Posix);
        assert!(pattern.is_err(), "{pattern:?}");
    }
}
