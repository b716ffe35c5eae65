//! Whom the process answers.

use super::*;
use crate::settings::types::{Listen, SecretSource};

fn listening(address: &'static str) -> Typed {
    Typed::needed().flag("--listen", address)
}

#[test]
fn what_other_machines_can_reach_needs_a_token_or_a_word() {
    for address in ["0.0.0.0:8000", "[::]:8000", "192.0.2.1:8000"] {
        let problems = listening(address).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let start = format!("--listen: {address} can be reached from other machines");
        assert!(problems[0].starts_with(&start) && problems[0].contains("--insecure"));
        for (variable, value) in [("KEYWAY_API_TOKEN", "hush"), ("KEYWAY_API_INSECURE", "true")] {
            let api = listening(address).variable(variable, value).settings().api;
            assert_eq!(api.listen, Listen::At(address.parse().unwrap()));
        }
        listening(address).flag("--insecure", "true").settings();
    }
    for address in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1", "off"] {
        assert_eq!(listening(address).settings().api.token, None);
    }
}

/// The one problem is enough: with a token that is right nothing else would be wrong.
#[test]
fn a_token_that_is_refused_is_the_only_problem() {
    let problems = listening("0.0.0.0:8000").variable("KEYWAY_API_TOKEN", "two words").problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("KEYWAY_API_TOKEN: ") && !problems[0].contains("two words"));
}

#[test]
fn a_token_can_be_in_a_file() {
    let mut typed =
        Typed::file("[api]\ntoken_file = \"token\"\n").variable("KEYWAY_URL", "http://a/");
    typed.variables.extend(&NEEDED[..2]);
    typed.beside.push(("token", "hush\n"));
    let token = typed.settings().api.token;
    assert!(
        matches!(&token, Some(SecretSource::File(path)) if path.ends_with("token")),
        "{token:?}"
    );
}
