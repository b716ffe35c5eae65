//! What `${NAME}` stood for: each of it may be a secret, so that it is shown by its name.

use std::fmt;

use percent_encoding::percent_decode_str;

/// What is shorter is no secret, and would be found everywhere; in bytes.
const LEAST: usize = 4;

/// A word that is shorter may be a part of anything; in characters.
const WORD: usize = 3;

/// What `${NAME}` stood for in some texts, each of which may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filled(Vec<(String, String)>);

impl Filled {
    /// Adds what stands for a name.
    pub fn add(&mut self, name: &str, value: &str) {
        if !self.0.iter().any(|(known, _)| known == name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Adds what another text was filled with.
    pub fn join(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.add(name, value);
        }
    }

    /// The names and values that may be secrets, the longest value first: one may be a part of
    /// another.
    fn secrets(&self) -> Vec<(&str, &str)> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), value.trim()));
        let mut pairs: Vec<_> = pairs.filter(|(_, value)| value.len() >= LEAST).collect();
        pairs.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        pairs
    }

    /// A text with each value that stands in it as it is as the `${NAME}` that it came from.
    pub fn hide(&self, text: &str) -> String {
        self.secrets().iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(value, &format!("${{{name}}}"))
        })
    }

    /// Whether a value holds code of a template, of which something else may have come.
    pub fn holds_code(&self) -> bool {
        self.0.iter().any(|(_, value)| ["{{", "{%", "{#"].iter().any(|open| value.contains(open)))
    }

    /// Whether a value stands in a text that [`hide`](Self::hide) was asked to hide it in: in other
    /// letters, or as a URL has it.
    pub fn is_in(&self, hidden: &str) -> bool {
        // What it put there may itself hold the letters of a value.
        let names = |text: String| {
            let name = |text: String, (name, _): &(String, String)| {
                text.replace(&format!("${{{name}}}"), " ")
            };
            self.0.iter().fold(text, name).to_lowercase()
        };
        let decoded = percent_decode_str(hidden).decode_utf8_lossy().into_owned();
        let (text, decoded) = (names(hidden.to_owned()), names(decoded));
        self.secrets().iter().any(|(_, value)| {
            let value = value.to_lowercase();
            text.contains(&value) || decoded.contains(&value)
        })
    }

    /// What is wrong with a text, as a message may say it. The words of a language may quote a part
    /// of a value: then its place alone is told. What was `written` may be shown.
    pub fn reason(&self, what: &str, written: &str) -> String {
        let hidden = self.hide(what);
        let written = written.to_lowercase();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let values: Vec<_> = self.secrets().iter().map(|(_, value)| value.to_lowercase()).collect();
        let lower = hidden.to_lowercase();
        let mut words = lower.split(|c| !is_word(c)).filter(|word| word.chars().count() >= WORD);
        let quotes = words.any(|word| {
            let in_a_value = |value: &String| value.contains(word) || word.contains(value.as_str());
            !written.contains(word) && values.iter().any(in_a_value)
        });
        if !quotes {
            return hidden;
        }
        let place = hidden.split_once(": ").filter(|_| hidden.starts_with("line "));
        let place = place.map_or_else(String::new, |(place, _)| format!("{place}: "));
        format!("{place}what is wrong there is not shown, for it may hold a part of a ${{...}}")
    }
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pairs: &[(&str, &str)]) -> Filled {
        let mut filled = Filled::default();
        for (name, value) in pairs {
            filled.add(name, value);
        }
        filled
    }

    #[test]
    fn what_was_filled_in_is_shown_by_its_name() {
        let filled = filled(&[("SHORT", "eu"), ("PART", "hush"), ("WHOLE", "hush-hush")]);
        let shown = filled.hide("https://eu.example/?a=hush-hush&b=hush");
        assert_eq!(shown, "https://eu.example/?a=${WHOLE}&b=${PART}");
        assert!(!format!("{filled:?}").contains("hush"));
    }

    #[test]
    fn a_value_that_was_changed_is_found() {
        let filled = filled(&[("TOKEN", "token/EN v")]);
        for text in ["http://h/token%2FEN%20v", "TOKEN/en V"] {
            assert!(filled.is_in(&filled.hide(text)), "{text}");
        }
        assert!(!filled.is_in(&filled.hide("http://h/token/EN v")));
    }

    #[test]
    fn a_reason_does_not_quote_a_part_of_a_value() {
        let filled = filled(&[("TOKEN", "hunter-two")]);
        let written = "text == ${TOKEN}";
        for quoting in ["unknown variable \"hunter\"", "HUNTER", "it has two", "xhunter-twox"] {
            let told = filled.reason(&format!("line 1, column 9: {quoting}"), written);
            assert!(told.starts_with("line 1, column 9: "), "{told}");
            assert!(!told.to_lowercase().contains("hunter") && !told.contains("two"), "{told}");
        }
        let fine = "line 1, column 9: syntax error, near text";
        assert_eq!(filled.reason(fine, written), fine);
    }
}
