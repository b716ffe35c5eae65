//! Topic patterns, matched as a subscription matches them.
//!
//! librdkafka hands them to the C library as POSIX extended regular expressions, in which `\d` is
//! the letter d, and takes a name in which one is found anywhere. So a crate that reads another
//! syntax would call patterns right that never match. Whether a pattern is one at all, librdkafka
//! itself is asked; what cannot be matched here (back references, word boundaries) is refused
//! rather than guessed.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

/// Whose rules a pattern goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// librdkafka's: POSIX, found anywhere in the name.
    Posix,
    /// A broker's, in the group protocol of KIP-848: RE2, the whole of the name.
    Broker,
}

/// A pattern, ready to match.
#[derive(Debug)]
pub(super) struct Pattern {
    root: Node,
    dialect: Dialect,
}

/// A part of a pattern.
#[derive(Debug)]
enum Node {
    /// One of these bytes.
    One(Set),
    /// The beginning of the name.
    Start,
    /// Its end.
    End,
    /// All, one after the other.
    All(Vec<Node>),
    /// Any of them.
    Any(Vec<Node>),
    /// One so many times; without a second number, for ever.
    Times(Box<Node>, u32, Option<u32>),
}

/// A set of bytes.
#[derive(Clone, Debug)]
struct Set(Box<[bool; 256]>);

/// Where in a name a part may begin or end: one place before each byte, and one at the end.
type Places = Vec<bool>;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What librdkafka says is wrong with it, or what cannot be matched here.
    pub(super) fn new(text: &str, dialect: Dialect) -> Result<Self, String> {
        accepted(text)?;
        let mut reader = Reader { rest: text.as_bytes(), dialect, depth: 0 };
        let root = reader.any()?;
        Ok(Self { root, dialect })
    }

    /// Whether a subscription with this pattern takes the topic of this name.
    pub(super) fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let mut from = vec![self.dialect == Dialect::Posix; name.len() + 1];
        from[0] = true;
        let to = self.root.reach(name, &from);
        match self.dialect {
            Dialect::Posix => to.contains(&true),
            Dialect::Broker => to.last() == Some(&true),
        }
    }
}

/// The patterns of librdkafka's `topic.blacklist`, split as it splits them: an empty one, which hides
/// everything, counts unless it is the last.
pub(super) fn blacklist(list: &str) -> Result<Vec<Pattern>, String> {
    let list = list.strip_suffix(',').unwrap_or(list);
    list.split(',').map(|text| Pattern::new(text, Dialect::Posix)).collect()
}

/// Asks librdkafka whether it can read a pattern: it tries those of this property when it is set.
fn accepted(text: &str) -> Result<(), String> {
    let mut config = ClientConfig::new();
    config.set("topic.blacklist", without_commas(text));
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(_, words, ..)) => {
            Err(words.rsplit("\": ").next().unwrap_or(&words).trim().to_owned())
        }
        Err(other) => Err(other.to_string()),
    }
}

/// The property separates patterns by commas, so one cannot be asked about with them. It is as good
/// or bad without: an interval loses its upper end, and no topic's name has a comma.
fn without_commas(text: &str) -> String {
    let mut parts = text.split('{');
    let mut plain = parts.next().unwrap_or_default().replace(',', "");
    for part in parts {
        let (numbers, rest) = part.split_at(part.find('}').unwrap_or(0));
        let least =
            numbers.split(',').next().filter(|least| !least.is_empty() || numbers.is_empty());
        plain.push('{');
        plain.push_str(least.unwrap_or("0"));
        plain.push_str(&rest.replace(',', ""));
    }
    plain
}

impl Node {
    /// Where this part may end, when it may begin at `from`.
    fn reach(&self, name: &[u8], from: &Places) -> Places {
        let nowhere = || vec![false; name.len() + 1];
        match self {
            Self::One(set) => {
                let mut to = nowhere();
                for (at, &byte) in name.iter().enumerate() {
                    to[at + 1] = from[at] && set.0[usize::from(byte)];
                }
                to
            }
            Self::Start => {
                let mut to = nowhere();
                to[0] = from[0];
                to
            }
            Self::End => {
                let mut to = nowhere();
                to[name.len()] = from[name.len()];
                to
            }
            Self::All(parts) => {
                parts.iter().fold(from.clone(), |places, part| part.reach(name, &places))
            }
            Self::Any(parts) => {
                parts.iter().fold(nowhere(), |to, part| join(&to, &part.reach(name, from)))
            }
            Self::Times(part, least, most) => repeat(part, *least, *most, name, from),
        }
    }
}

/// A round either moves every place on, so that there is none left after as many as the name has
/// bytes, or keeps those it had: it comes to rest soon, whatever the numbers are.
fn repeat(part: &Node, least: u32, most: Option<u32>, name: &[u8], from: &Places) -> Places {
    let mut places = from.clone();
    for _ in 0..least {
        let next = part.reach(name, &places);
        if next == places {
            break;
        }
        places = next;
    }
    let mut to = places.clone();
    for _ in least..most.unwrap_or(u32::MAX) {
        places = part.reach(name, &places);
        let more = join(&to, &places);
        if more == to {
            break;
        }
        to = more;
    }
    to
}

fn join(one: &Places, other: &Places) -> Places {
    one.iter().zip(other).map(|(one, other)| *one || *other).collect()
}

/// Groups within groups at the most: the reader calls itself for each.
const DEEPEST: u32 = 100;

/// Reads a pattern that librdkafka has accepted.
struct Reader<'a> {
    rest: &'a [u8],
    dialect: Dialect,
    depth: u32,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn take(&mut self, wanted: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Alternatives, up to the end of the group.
    fn any(&mut self) -> Result<Node, String> {
        let mut parts = vec![self.all()?];
        while self.take(b"|") {
            parts.push(self.all()?);
        }
        Ok(Node::Any(parts))
    }

    /// Parts in a row.
    fn all(&mut self) -> Result<Node, String> {
        let mut parts = Vec::new();
        loop {
            match self.rest.first() {
                None | Some(b'|') => break,
                Some(b')') if self.depth > 0 => break,
                Some(_) => {
                    let part = self.one()?;
                    parts.push(self.times(part)?);
                }
            }
        }
        Ok(Node::All(parts))
    }

    /// A part without what says how often.
    fn one(&mut self) -> Result<Node, String> {
        Ok(match self.next() {
            Some(b'(') => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(format!("more than {DEEPEST} groups within each other"));
                }
                let group = self.any()?;
                self.next();
                self.depth -= 1;
                group
            }
            Some(b'^') => Node::Start,
            Some(b'$') => Node::End,
            Some(b'.') => Node::One(Set::where_(|_| true)),
            Some(b'[') => Node::One(self.bracket()?),
            Some(b'\\') => Node::One(self.escaped()?),
            Some(byte) => Node::One(Set::of(byte)),
            None => Node::All(Vec::new()),
        })
    }

    /// What follows a part and says how often it comes.
    fn times(&mut self, mut part: Node) -> Result<Node, String> {
        loop {
            let (least, most) = match self.rest.first() {
                Some(b'*') => (0, None),
                Some(b'+') => (1, None),
                Some(b'?') => (0, Some(1)),
                Some(b'{') => {
                    let end = self.rest.iter().position(|&byte| byte == b'}');
                    let numbers = &self.rest[1..end.ok_or("a { without its }")?];
                    let interval =
                        interval(numbers).ok_or("the numbers of an interval are wrong")?;
                    self.rest = &self.rest[numbers.len() + 1..];
                    interval
                }
                _ => return Ok(part),
            };
            self.next();
            part = Node::Times(Box::new(part), least, most);
            if self.dialect == Dialect::Broker {
                // As little as possible: the same names match.
                self.take(b"?");
            }
        }
    }

    fn escaped(&mut self) -> Result<Set, String> {
        let byte = self.next().ok_or("a backslash at its end")?;
        Ok(match (byte, self.dialect) {
            (b'w', _) => Set::word(),
            (b'W', _) => Set::word().inverse(),
            (b's', _) => Set::where_(|byte| byte.is_ascii_whitespace()),
            (b'S', _) => Set::where_(|byte| byte.is_ascii_whitespace()).inverse(),
            (b'd', Dialect::Broker) => Set::where_(|byte| byte.is_ascii_digit()),
            (b'D', Dialect::Broker) => Set::where_(|byte| byte.is_ascii_digit()).inverse(),
            (b'1'..=b'9' | b'b' | b'B' | b'<' | b'>' | b'`' | b'\'', _) => {
                return Err(format!("\\{} is not known here", char::from(byte)));
            }
            (byte, Dialect::Broker) if byte.is_ascii_alphanumeric() => {
                return Err(format!("\\{} is not known here", char::from(byte)));
            }
            (byte, _) => Set::of(byte),
        })
    }

    /// A set in brackets; the first is taken already.
    fn bracket(&mut self) -> Result<Set, String> {
        let inverse = self.take(b"^");
        let mut set = Set::where_(|_| false);
        let mut first = true;
        while first || !self.take(b"]") {
            first = false;
            if self.take(b"[:") {
                set.add(&self.class()?);
                continue;
            }
            let low = self.member()?;
            // A dash is one before the closing bracket, and otherwise makes a range.
            if self.rest.starts_with(b"-") && !self.rest.starts_with(b"-]") {
                self.next();
                let high = self.member()?;
                set.add(&Set::where_(|byte| (low..=high).contains(&byte)));
            } else {
                set.add(&Set::of(low));
            }
        }
        Ok(if inverse { set.inverse() } else { set })
    }

    /// One byte of a set; to POSIX a backslash is one, too.
    fn member(&mut self) -> Result<u8, String> {
        const OPEN: &str = "a [ without its ]";
        if self.rest.starts_with(b"[.") || self.rest.starts_with(b"[=") {
            return Err("[. and [= are not known here".to_owned());
        }
        match self.next().ok_or(OPEN)? {
            b'\\' if self.dialect == Dialect::Broker => match self.next().ok_or(OPEN)? {
                byte if byte.is_ascii_alphanumeric() => {
                    Err(format!("\\{} in brackets is not known here", char::from(byte)))
                }
                byte => Ok(byte),
            },
            byte => Ok(byte),
        }
    }

    /// The rest of `[:name:]`.
    fn class(&mut self) -> Result<Set, String> {
        type Class = (&'static [u8], fn(u8) -> bool);
        const CLASSES: [Class; 12] = [
            (b"alnum:]", |byte| byte.is_ascii_alphanumeric()),
            (b"alpha:]", |byte| byte.is_ascii_alphabetic()),
            (b"blank:]", |byte| matches!(byte, b' ' | b'\t')),
            (b"cntrl:]", |byte| byte.is_ascii_control()),
            (b"digit:]", |byte| byte.is_ascii_digit()),
            (b"graph:]", |byte| byte.is_ascii_graphic()),
            (b"lower:]", |byte| byte.is_ascii_lowercase()),
            (b"print:]", |byte| byte == b' ' || byte.is_ascii_graphic()),
            (b"punct:]", |byte| byte.is_ascii_punctuation()),
            (b"space:]", |byte| byte.is_ascii_whitespace() || byte == 0x0b),
            (b"upper:]", |byte| byte.is_ascii_uppercase()),
            (b"xdigit:]", |byte| byte.is_ascii_hexdigit()),
        ];
        let found = CLASSES.into_iter().find(|(name, _)| self.take(name));
        found.map(|(_, holds)| Set::where_(holds)).ok_or_else(|| "an unknown [:class:]".to_owned())
    }
}

/// `m`, `m,`, `m,n` or `,n`, in order.
fn interval(numbers: &[u8]) -> Option<(u32, Option<u32>)> {
    let numbers = str::from_utf8(numbers).ok()?;
    let Some((least, most)) = numbers.split_once(',') else {
        let exactly = numbers.parse().ok()?;
        return Some((exactly, Some(exactly)));
    };
    let least = if least.is_empty() { 0 } else { least.parse().ok()? };
    let most = if most.is_empty() { None } else { Some(most.parse().ok()?) };
    most.is_none_or(|most| least <= most).then_some((least, most))
}

impl Set {
    fn of(byte: u8) -> Self {
        Self::where_(|other| other == byte)
    }

    fn word() -> Self {
        Self::where_(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    fn where_(holds: impl Fn(u8) -> bool) -> Self {
        let mut set = Box::new([false; 256]);
        for byte in u8::MIN..=u8::MAX {
            set[usize::from(byte)] = holds(byte);
        }
        Self(set)
    }

    fn inverse(&self) -> Self {
        Self::where_(|byte| !self.0[usize::from(byte)])
    }

    fn add(&mut self, other: &Self) {
        for (holds, other) in self.0.iter_mut().zip(other.0.iter()) {
            *holds |= *other;
        }
    }
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
            // No class, but the letter.
            (r"^orders-\d+$", &["orders-d", "orders-ddd"], &["orders-1"]),
            (r"^a\.b", &["a.b", "a.bc"], &["a-b"]),
            ("^(eu|us)\\.orders$", &["eu.orders", "us.orders"], &["eu.orders.x", "de.orders"]),
            // The second alternative is not bound to the beginning.
            ("^eu|orders", &["eu-x", "my-orders"], &["us-x"]),
            ("^[^_].*", &["orders"], &["__consumer_offsets", "_"]),
            ("^[[:alpha:]_-]{2,3}$", &["ab", "a_c"], &["a", "abcd", "a1"]),
            ("^[]a]x", &["ax"], &["bx"]),
            ("^[a-]$", &["a", "-"], &["b"]),
            (r"^[a\]+$", &["aa"], &["b"]),
            ("^(a?){5}b{0}(xy)*$", &["", "aaa", "aaxyxy"], &["aaaaaa", "b", "axyx"]),
            ("^a+?$", &["", "aa"], &["b"]),
            ("^a{,2}$", &["", "aa"], &["aaa"]),
            ("^a{2,}$", &["aa", "aaaaa"], &["a"]),
            ("^((a|b)*c)+$", &["c", "abcc", "aacbc"], &["ab", ""]),
            ("^$", &[""], &["a"]),
            ("^", &["", "anything"], &[]),
            (r"^\w+\.\S$", &["a_1.x"], &["a-1.x"]),
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
        assert!(!matches("^a+?$", ""));
        assert!(matches(r"^[\.a]+", "a.a"));
    }

    #[test]
    fn what_librdkafka_does_not_take_is_refused_in_its_words() {
        for pattern in ["^(a", "^[a", "^a{2", "^a{2,", "^a{3,2}", "^*", "^(?:a)"] {
            let refused = Pattern::new(pattern, Dialect::Posix).expect_err(pattern);
            assert!(!refused.is_empty() && !refused.contains(pattern), "{pattern}: {refused}");
        }
    }

    #[test]
    fn what_cannot_be_matched_here_is_refused_not_guessed() {
        for pattern in [r"^(a)\1", r"^a\b", "^[[.a.]]", "^[[=a=]]"] {
            assert!(Pattern::new(pattern, Dialect::Posix).is_err(), "{pattern}");
        }
        assert!(Pattern::new(&"(".repeat(101).replace('(', "(a)("), Dialect::Posix).is_err());
        let deep = format!("^{}a{}", "(".repeat(101), ")".repeat(101));
        assert!(Pattern::new(&deep, Dialect::Posix).is_err());
    }

    #[test]
    fn a_blacklist_is_split_at_commas() {
        let hides = |list, name| {
            let patterns = blacklist(list).expect(list);
            patterns.iter().any(|pattern| pattern.matches(name))
        };
        assert!(hides("^a,b$,", "ax") && hides("^a,b$,", "xb") && !hides("^a,b$,", "xa"));
        assert!(hides("^a,,b$", "xa"));
    }

    #[test]
    fn large_numbers_take_no_long_time() {
        let pattern = Pattern::new("^((a{0,200}){0,200}){0,200}$", Dialect::Posix);
        assert!(pattern.is_ok_and(|it| it.matches(&"a".repeat(249))));
    }
}
