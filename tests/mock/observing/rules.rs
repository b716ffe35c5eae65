//! `deploy/prometheus/rules.yml`, as Prometheus reads it.

use yaml_rust2::{Yaml, YamlLoader};

/// An alert.
#[derive(Debug)]
pub struct Rule {
    pub name: String,
    pub query: String,
    pub severity: String,
    /// Names and texts.
    pub annotations: Vec<(String, String)>,
}

impl Rule {
    /// The text of an annotation.
    pub fn annotation(&self, name: &str) -> &str {
        let found = self.annotations.iter().find(|(it, _)| it == name);
        found.map_or_else(|| panic!("{}: no {name}", self.name), |(_, text)| text.as_str())
    }
}

/// All alerts; there are no other rules.
pub fn all() -> Vec<Rule> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/rules.yml");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let documents = YamlLoader::load_from_str(&text).expect("it is YAML");
    let groups = documents[0]["groups"].as_vec().expect("groups");
    let rules = groups.iter().flat_map(|group| group["rules"].as_vec().expect("rules"));
    rules.map(rule).collect()
}

fn rule(yaml: &Yaml) -> Rule {
    let text = |yaml: &Yaml| yaml.as_str().map(str::to_owned);
    let annotations = yaml["annotations"].as_hash().expect("annotations");
    Rule {
        name: text(&yaml["alert"]).unwrap_or_else(|| panic!("no alert: {yaml:?}")),
        query: text(&yaml["expr"]).unwrap_or_else(|| panic!("no query: {yaml:?}")),
        severity: text(&yaml["labels"]["severity"]).unwrap_or_default(),
        annotations: annotations
            .iter()
            .map(|(name, value)| (text(name).expect("a name"), text(value).expect("a text")))
            .collect(),
    }
}
