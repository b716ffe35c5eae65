//! `${NAME}` in the strings of the file, taken from the environment.

use std::collections::BTreeSet;

use super::environment::Environment;
use super::typed::Text;
use super::types::Filled;

/// Fills in every `${NAME}`; `$${` stands for a plain `${`, any other `$` for itself. The names
/// used are added to `referenced`.
///
/// # Errors
/// What is wrong with the first one that cannot be filled in.
pub fn fill(
    written: &str,
    environment: &Environment,
    referenced: &mut BTreeSet<String>,
) -> Result<Text, String> {
    let mut value = String::with_capacity(written.len());
    let (mut rest, mut filled) = (written, Filled::default());
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            value.push_str(before);
            value.push_str("${");
            rest = &from[2..];
            continue;
        }
        value.push_str(before);
        let (name, after) = from[2..].split_once('}').ok_or("${ is never closed by }")?;
        if !is_name(name) {
            return Err("${...} holds no name of a variable; write $${ for a plain ${".to_owned());
        }
        referenced.insert(name.to_owned());
        let text = environment.text(name)?;
        filled.add(name, text);
        value.push_str(text);
        rest = after;
    }
    value.push_str(rest);
    Ok(Text { value, written: written.to_owned(), filled, verbatim: None })
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(written: &str) -> Result<String, String> {
        let environment = Environment::from_iter([("HOST", "example"), ("PW", "${HOST}")]);
        fill(written, &environment, &mut BTreeSet::new()).map(|text| text.value)
    }

    #[test]
    fn names_are_filled_in_once_and_only_where_meant() {
        assert_eq!(filled("http://${HOST}:80/${HOST}"), Ok("http://example:80/example".into()));
        assert_eq!(filled("${PW}"), Ok("${HOST}".into()), "a value is never filled in again");
        assert_eq!(filled("^a$ $x $$ $${HOST}"), Ok("^a$ $x $$ ${HOST}".into()));
        assert_eq!(filled("ä$ö"), Ok("ä$ö".into()));
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        assert_eq!(filled("a ${NOPE}"), Err("the variable NOPE is not set".into()));
        assert!(filled("${HOST").is_err_and(|why| why.contains("never closed")));
        assert!(filled("${A B}").is_err() && filled("${}").is_err() && filled("${1}").is_err());
    }

    #[test]
    fn what_is_shown_keeps_the_name_and_not_the_value() {
        let environment = Environment::from_iter([("PW", "hunter2")]);
        let mut referenced = BTreeSet::new();
        let text = fill("x${PW}", &environment, &mut referenced).expect("it is set");
        assert_eq!(text.shown(), r#""x${PW}""#);
        assert!(referenced.contains("PW"));
    }
}
