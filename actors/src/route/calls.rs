//! Calls of what cannot be called.
//!
//! What a record brings has no methods, and only functions can be called. The language says so when
//! it comes to the call, for each record; here it is said at the start.

use std::ops::Range;

use minijinja::{Environment, Value};

use super::fault::ExpressionError;
use super::tags::tokens;

/// The methods there are: those of a loop, in a body.
const LOOP_METHODS: [&str; 2] = ["cycle", "changed"];

/// What stands for methods of other languages, where it is no filter or test of the same name.
const INSTEAD: [(&str, &str); 9] = [
    ("startswith", "is startingwith(...)"),
    ("endswith", "is endingwith(...)"),
    ("strip", "| trim"),
    ("lstrip", "| trim"),
    ("rstrip", "| trim"),
    ("get", "[...], with | default(...) for what may be missing"),
    ("keys", "| list"),
    ("contains", "... in"),
    ("len", "| length"),
];

/// The calls in the code of a tag that cannot be made.
pub(super) fn impossible_calls(
    environment: &Environment<'_>,
    source: &str,
    code: Range<usize>,
    variables: &[&str],
) -> Vec<ExpressionError> {
    let all: Vec<_> = tokens(source, code).collect();
    let mut faults = Vec::new();
    for index in (1..all.len()).filter(|index| all[*index].1 == "(") {
        let before = |steps: usize| index.checked_sub(steps).map_or("", |at| all[at].1);
        let (name, dot) = (before(1), before(2));
        let of_loop = before(3) == "loop" && before(4) != "." && LOOP_METHODS.contains(&name);
        let no_function = || "only functions can be called".to_owned();
        let (at, message) = match (dot, name) {
            (".", _) if of_loop => continue,
            (".", _) => (index - 1, no_method(environment, name)),
            // The arguments of a filter or test, whatever its name.
            ("|" | "is", _) => continue,
            (_, "]" | ")") => (index, no_function()),
            _ if variables.contains(&name) => (index - 1, no_function()),
            _ => continue,
        };
        faults.push(ExpressionError::at(source, all[at].0, message));
    }
    faults
}

fn no_method(environment: &Environment<'_>, name: &str) -> String {
    let exists = |kind: &str| {
        let known = environment.empty_state().perform_test(kind, &[Value::from(name)]);
        known.unwrap_or(false)
    };
    let known = INSTEAD.iter().find(|(method, _)| *method == name);
    let instead = match known {
        Some((_, instead)) => Some((*instead).to_owned()),
        None if exists("filter") => Some(format!("| {name}")),
        None if exists("test") => Some(format!("is {name}")),
        None => None,
    };
    let instead = instead.map(|it| format!("; write {it} instead of .{name}(...)"));
    format!("a value has no methods{}", instead.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::language::TEXTS;
    use super::*;

    fn said(code: &str) -> Vec<String> {
        let faults = impossible_calls(&TEXTS, code, 0..code.len(), &["value", "count"]);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_method_is_refused_with_what_stands_for_it() {
        for (code, column, instead) in [
            ("value.get('type')", 7, "[...], with | default(...) for what may be missing"),
            ("value.a.startswith ('x')", 9, "is startingwith(...)"),
            ("value.a.upper()", 9, "| upper"),
            ("for k, v in value.items()", 19, "| items"),
            ("'a'.odd()", 5, "is odd"),
            ("loop.cycle('a').upper()", 17, "| upper"),
            ("value.loop.cycle('a')", 12, ""),
        ] {
            let name = code[column - 1..].split([' ', '(']).next().unwrap();
            let instead = match instead {
                "" => String::new(),
                _ => format!("; write {instead} instead of .{name}(...)"),
            };
            let expected = format!("line 1, column {column}: a value has no methods{instead}");
            assert_eq!(said(code), [expected], "{code}");
        }
        assert_eq!(said("value.a() + value.b()").len(), 2);
    }

    #[test]
    fn what_is_no_function_is_not_called() {
        for (code, column) in [("not value(1)", 5), ("value['get']('x')", 13), ("now()()", 6)] {
            let expected = format!("line 1, column {column}: only functions can be called");
            assert_eq!(said(code), [expected], "{code}");
        }
    }

    #[test]
    fn functions_filters_tests_and_methods_of_loops_can_be_called() {
        for code in [
            "merge(value, {'a': now()})",
            "value.a | replace('a', 'b') | count()",
            "value.a is startingwith('x') and not (value.b in ('c', 'd'))",
            "loop.cycle('a', 'b') if loop.changed(value.a) else '.upper()'",
            "(value.a) + (count)",
        ] {
            assert_eq!(said(code), Vec::<String>::new(), "{code}");
        }
    }
}
