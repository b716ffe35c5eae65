//! The settings as a user meets them: flags, variables and a file in, settings or problems out.

mod alerts;
mod api;
mod bad_input;
mod delivery;
mod docs;
mod each_row;
mod file;
mod posted;
mod precedence;
mod routes;
mod schema;
mod several;

use std::fs;
use std::path::PathBuf;

use keyway_actors::{Action, OffsetOverflow, Ordering};

use super::environment::Environment;
use super::*;

/// What a user typed.
#[derive(Default)]
struct Typed {
    flags: Vec<(&'static str, &'static str)>,
    variables: Vec<(&'static str, &'static str)>,
    file: Option<&'static str>,
    /// Files beside the configuration.
    beside: Vec<(&'static str, &'static str)>,
}

/// The least that a pipeline needs, as variables.
const NEEDED: [(&str, &str); 3] = [
    ("KEYWAY_BROKERS", "localhost:9092"),
    ("KEYWAY_TOPICS", "orders"),
    ("KEYWAY_URL", "http://localhost:8080/"),
];

/// The least that a pipeline needs, as a file.
const FILE: &str = r#"[kafka]
"bootstrap.servers" = "localhost:9092"
[[pipeline]]
name = "orders"
topics = ["orders"]
[pipeline.http]
url = "http://localhost:8080/"
"#;

impl Typed {
    /// With [`NEEDED`].
    fn needed() -> Self {
        Self { variables: NEEDED.to_vec(), ..Self::default() }
    }

    fn file(text: &'static str) -> Self {
        Self { file: Some(text), ..Self::default() }
    }

    fn flag(mut self, flag: &'static str, value: &'static str) -> Self {
        self.flags.push((flag, value));
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    fn beside(mut self, name: &'static str, content: &'static str) -> Self {
        self.beside.push((name, content));
        self
    }

    fn with<T>(&self, read: impl FnOnce(&Sources) -> T) -> T {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, content) in &self.beside {
            fs::write(folder.path().join(name), content).expect("the file is written");
        }
        let mut flags = Flags::default();
        for (flag, value) in &self.flags {
            flags.values.entry(flag).or_default().push((*value).to_owned());
        }
        if let Some(text) = self.file {
            let path: PathBuf = folder.path().join("keyway.toml");
            fs::write(&path, text).expect("the file is written");
            flags.config = Some(path);
        }
        let environment = self.variables.iter().copied().collect::<Environment>();
        read(&Sources { flags, environment, cores: 4 })
    }

    fn settings(&self) -> Settings {
        self.with(|sources| load(sources).unwrap_or_else(|problems| panic!("refused:\n{problems}")))
    }

    /// The only pipeline.
    fn pipeline(&self) -> PipelineSettings {
        let mut pipelines = self.settings().pipelines;
        assert_eq!(pipelines.len(), 1);
        pipelines.remove(0)
    }

    /// Its requests.
    fn http(&self) -> HttpSettings {
        self.pipeline().http().cloned().expect("its records go into requests")
    }

    /// The problems, with the folder of the file cut off.
    fn problems(&self) -> Vec<String> {
        self.with(|sources| {
            let problems = load(sources).expect_err("nothing is wrong with it");
            let folder = sources.flags.config.as_ref().and_then(|path| path.parent());
            let folder = folder.map(|folder| format!("{}/", folder.display()));
            let cut = |line: &String| match &folder {
                Some(folder) => line.replace(folder.as_str(), ""),
                None => line.clone(),
            };
            problems.lines().iter().map(cut).collect()
        })
    }
}
