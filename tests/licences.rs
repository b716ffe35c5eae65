//! Everything that is built into Keyway, or into its tests, has a licence that `deny.toml` allows
//! and comes from the one public registry.
//!
//! It reads what Cargo itself knows, so that the check needs no further tool.
#![allow(clippy::expect_used, reason = "a failed step of a test is a panic that names the step")]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The crates of the build on this machine, each as Cargo describes it.
fn crates() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let run = |arguments: &[&str]| {
        let output = Command::new(&cargo).args(arguments).output().expect("cargo can be run");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "cargo {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("text")
    };
    let version = run(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = run(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        host,
        "--manifest-path",
        manifest,
    ]);
    let metadata: Value = serde_json::from_str(&text).expect("JSON");
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a resolved build");
    let used: BTreeSet<&str> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
    let packages = metadata["packages"].as_array().expect("packages");
    let built =
        packages.iter().filter(|one| one["id"].as_str().is_some_and(|id| used.contains(id)));
    built.cloned().collect()
}

fn allowed() -> BTreeSet<String> {
    let text = include_str!("../deny.toml");
    let table = toml::de::DeTable::parse(text).expect("deny.toml is TOML");
    let licenses = table.get_ref().get("licenses").and_then(|one| one.get_ref().as_table());
    let allow = licenses.and_then(|one| one.get("allow")).and_then(|one| one.get_ref().as_array());
    let names = allow.expect("licenses.allow").iter().filter_map(|one| one.get_ref().as_str());
    names.map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met with the licences allowed. `/`, the older form, is `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest, allowed);
    assert!(rest.is_empty(), "not an SPDX expression: {expression}");
    met
}

fn any(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = all(rest, allowed);
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        met |= all(rest, allowed);
    }
    met
}

fn all(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = one(rest, allowed);
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        met &= one(rest, allowed);
    }
    met
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let met = any(rest, allowed);
            assert_eq!(rest.first(), Some(&")"), "a bracket that is closed");
            *rest = &rest[1..];
            met
        }
        [name, "WITH", exception, tail @ ..] => {
            *rest = tail;
            allowed.contains(&format!("{name} WITH {exception}"))
        }
        [name, tail @ ..] => {
            *rest = tail;
            allowed.contains(*name)
        }
        [] => panic!("an expression that ends too early"),
    }
}

#[test]
fn every_crate_has_a_licence_that_is_allowed() {
    let allowed = allowed();
    let crates = crates();
    assert!(crates.len() > 100, "the whole build was looked at: {}", crates.len());
    let refused: Vec<String> = crates
        .iter()
        .filter(|one| !one["license"].as_str().is_some_and(|text| is_met(text, &allowed)))
        .map(|one| format!("{} {}: {}", one["name"], one["version"], one["license"]))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}

#[test]
fn every_crate_comes_from_the_same_registry_or_from_here() {
    let sources: BTreeSet<String> =
        crates().iter().filter_map(|one| one["source"].as_str()).map(str::to_owned).collect();
    assert!(
        sources.len() == 1 && sources.iter().all(|one| one.starts_with("registry+")),
        "{sources:?}"
    );
}

#[test]
fn licence_expressions_are_read_as_spdx_says() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for met in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(GPL-3.0 OR MIT) AND ISC",
        "GPL-3.0 OR MIT AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0 OR BSL-1.0)", "Apache-2.0"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}
