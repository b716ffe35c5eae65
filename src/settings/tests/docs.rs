//! `docs/configuration.md` says of every setting what the table says, and its examples are valid.
//!
//! Its tables stand between `<!-- settings: GROUP -->` and `<!-- end -->`. To renew them:
//! `KEYWAY_TEST_RENEW_DOCS=1 cargo test -p keyway docs`.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::settings::table::{Entry, GROUPS, Standard, rows};

const END: &str = "<!-- end -->";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")
}

fn document() -> String {
    fs::read_to_string(path()).expect("the document is there")
}

/// The table of a group.
fn table(entries: &[Entry]) -> String {
    let mut text = "| key | variable | flag | allowed | default | what it sets |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for Entry { row, allowed } in entries {
        let code = |text: &str| match text {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        let default = match row.standard {
            Standard::Text(text) => code(text),
            // Explained below the help page's list and in the document.
            Standard::Described("*") => "see below".to_owned(),
            standard => standard.shown().to_owned(),
        };
        let list = if row.list { "a list: " } else { "" };
        let secret = if row.secret { " (secret)" } else { "" };
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {list}{}{secret} | {default} | {} |",
            code(row.key),
            row.variable,
            code(row.flag.unwrap_or_default()),
            allowed().replace('*', "\\*"),
            row.about
        );
    }
    text
}

/// The document with every table as it should be.
fn renewed(document: &str) -> String {
    let mut text = document.to_owned();
    for group in GROUPS {
        let begin = format!("<!-- settings: {} -->\n", group.name);
        let (before, rest) = text
            .split_once(&begin)
            .unwrap_or_else(|| panic!("the document has no {:?}", begin.trim()));
        let (_, after) = rest.split_once(END).expect("each table has its end");
        text = format!("{before}{begin}{}{END}{after}", table(group.entries));
    }
    text
}

#[test]
fn the_tables_of_the_document_are_those_of_the_code() {
    let document = document();
    let renewed = renewed(&document);
    if std::env::var_os("KEYWAY_TEST_RENEW_DOCS").is_some() {
        fs::write(path(), renewed).expect("the document is written");
        return;
    }
    let lines = document.lines().zip(renewed.lines());
    for (number, (found, expected)) in (1..).zip(lines) {
        assert_eq!(
            found, expected,
            "line {number} of docs/configuration.md; to renew it: \
             KEYWAY_TEST_RENEW_DOCS=1 cargo test -p keyway docs"
        );
    }
    assert_eq!(document, renewed, "docs/configuration.md has lines too many or too few");
    let tables = document.matches("<!-- settings: ").count();
    assert_eq!(tables, GROUPS.len(), "a table of the document is of no group");
}

#[test]
fn every_variable_that_the_document_names_exists() {
    let document = document();
    let named = document.match_indices("KEYWAY_").map(|(at, _)| {
        let rest = &document[at..];
        let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    });
    for name in named.filter(|name| *name != "KEYWAY_" && !name.starts_with("KEYWAY_KAFKA_")) {
        assert!(rows().any(|row| row.variable == name), "{name} is no variable");
    }
}

#[test]
fn every_example_of_the_document_is_valid() {
    let document = document();
    let examples: Vec<&str> = document
        .split("```toml\n")
        .skip(1)
        .filter_map(|part| part.split_once("```").map(|(example, _)| example))
        .collect();
    assert!(examples.len() >= 3, "{}", examples.len());
    for example in examples {
        // A part of a pipeline is shown without what every pipeline has.
        let needed = "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n[[pipeline]]\ntopics = [\"a\"]\n";
        let url = if example.contains("[[pipeline.route]]") || example.contains("[pipeline.file]") {
            ""
        } else {
            "http.url = \"http://a/\"\n"
        };
        let whole = if example.contains("[[pipeline]]") {
            example.to_owned()
        } else {
            format!("{needed}{url}{example}")
        };
        Typed::file(whole.leak())
            .beside("oauth-secret", "hush\n")
            .beside("api-token", "hush\n")
            .variable("SASL_PASSWORD", "hush")
            .variable("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .settings();
    }
}
