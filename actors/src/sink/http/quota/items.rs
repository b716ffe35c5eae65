//! The part of Structured Field Values (RFC 9651) that rate limit fields are made of: a list of
//! items, each a string or a token with parameters. Inner lists and anything else are malformed
//! there, and so here.

/// The most digits of an Integer (RFC 9651, 3.3.1).
const DIGITS: usize = 15;

/// A value that is not what it is to be.
#[derive(Debug)]
pub(super) struct Malformed;

/// An item of the list. Its name, and the values of its parameters, are as they were written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) name: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Item<'a> {
    /// Of several of one name the last, as the RFC has it.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().rfind(|(it, _)| *it == name).map(|(_, value)| *value)
    }

    /// A parameter that is to be a non-negative Integer.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, Malformed> {
        match self.parameter(name) {
            None => Ok(None),
            Some(value) => {
                let plain = value.len() <= DIGITS && value.bytes().all(|it| it.is_ascii_digit());
                if plain { value.parse().map(Some).map_err(|_| Malformed) } else { Err(Malformed) }
            }
        }
    }
}

/// The items of a field; `None` if it is malformed.
pub(super) fn items(field: &str) -> Option<Vec<Item<'_>>> {
    let mut rest = Rest(field.trim_matches(' '));
    let mut items = Vec::new();
    while !rest.0.is_empty() {
        items.push(rest.item()?);
        rest.skip_blanks();
        if rest.0.is_empty() {
            break;
        }
        rest.skip(',')?;
        rest.skip_blanks();
        // A comma is followed by something.
        rest.0.chars().next()?;
    }
    Some(items)
}

/// What is left to read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn item(&mut self) -> Option<Item<'a>> {
        let name = match self.0.as_bytes().first()? {
            b'"' => self.string()?,
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => self.token()?,
            _ => return None,
        };
        let mut parameters = Vec::new();
        while self.skip(';').is_some() {
            self.0 = self.0.trim_start_matches(' ');
            let name = self.key()?;
            // A parameter without a value is true.
            let value = if self.skip('=').is_some() { self.bare_item()? } else { "?1" };
            parameters.push((name, value));
        }
        Some(Item { name, parameters })
    }

    fn bare_item(&mut self) -> Option<&'a str> {
        match self.0.as_bytes().first()? {
            b'"' => self.string(),
            b':' => {
                self.between(':', |byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
            }
            b'?' => self.take_if(2, |it| matches!(it, "?0" | "?1")),
            b'-' | b'0'..=b'9' => self.number(),
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => self.token(),
            _ => None,
        }
    }

    /// With its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let mut at = 1;
        loop {
            match bytes.get(at)? {
                b'"' => return self.take(at + 1),
                b'\\' if matches!(bytes.get(at + 1)?, b'"' | b'\\') => at += 2,
                b'\\' => return None,
                b' '..=b'~' => at += 1,
                _ => return None,
            }
        }
    }

    fn token(&mut self) -> Option<&'a str> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
        self.take_while(fits)
    }

    fn key(&mut self) -> Option<&'a str> {
        let begins = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'*';
        self.0.as_bytes().first().filter(|it| begins(it))?;
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        self.take_while(|byte| fits(byte) || b"_-.*".contains(&byte))
    }

    /// An Integer or a Decimal.
    fn number(&mut self) -> Option<&'a str> {
        let number = self.take_while(|byte| byte.is_ascii_digit() || b"-.".contains(&byte))?;
        let unsigned = number.strip_prefix('-').unwrap_or(number);
        let plain = |part: &str, most| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let fits = match unsigned.split_once('.') {
            None => plain(unsigned, DIGITS),
            Some((whole, fraction)) => plain(whole, 12) && plain(fraction, 3),
        };
        fits.then_some(number)
    }

    fn between(&mut self, mark: char, fits: impl Fn(u8) -> bool) -> Option<&'a str> {
        let end = 1 + self.0.get(1..)?.find(mark)?;
        let inside = self.0[1..end].bytes().all(fits);
        if inside { self.take(end + 1) } else { None }
    }

    fn take_if(&mut self, size: usize, fits: impl Fn(&str) -> bool) -> Option<&'a str> {
        if self.0.get(..size).is_some_and(fits) { self.take(size) } else { None }
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> Option<&'a str> {
        let end = self.0.bytes().position(|byte| !fits(byte)).unwrap_or(self.0.len());
        self.take(end)
    }

    fn take(&mut self, size: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        (!taken.is_empty()).then_some(taken)
    }

    fn skip(&mut self, mark: char) -> Option<()> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(())
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}
