//! Java programs of Apache Kafka: the jars, and how they are run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::child::Guarded;

/// Small and quick to start; a test broker does little.
const OPTIONS: [&str; 6] = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
];

/// The folder of jars; fetched with Maven when it is not there. Panics with what to install when
/// that is not possible: a test that needs a broker never passes without one.
fn jars() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // CARGO_TARGET_TMPDIR is the folder `tmp` in the target folder.
        let target =
            Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder in the target folder");
        let folder = target.join("kafka/libs");
        std::fs::create_dir_all(target.join("kafka")).expect("the target folder can be written");
        // Test processes that start together fetch once.
        let lock =
            File::create(target.join("kafka/lock")).expect("the target folder can be written");
        lock.lock().expect("a file can be locked");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kafka/fetch");
        let output = Command::new(script)
            .arg(&folder)
            .stdin(Stdio::null())
            .output()
            .expect("tests/support/kafka/fetch can be run");
        assert!(
            output.status.success(),
            "the jars of Apache Kafka cannot be fetched:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        folder
    })
}

fn arguments(class: &str, rest: &[&str]) -> Vec<String> {
    let path = jars().join("*").display().to_string();
    let head = OPTIONS.iter().copied().chain(["-cp", &path, class]);
    head.chain(rest.iter().copied()).map(str::to_owned).collect()
}

/// Runs a Java program of Kafka to its end; panics with its output when it fails.
pub(super) fn run(class: &str, rest: &[&str]) {
    let output = Command::new("java")
        .args(arguments(class, rest))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("java cannot be started ({error}): install a Java runtime, 17 or later")
        });
    assert!(
        output.status.success(),
        "{class} {rest:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Starts a Java program of Kafka; what it writes is appended to `log`.
pub(super) fn start(class: &str, rest: &[&str], log: &Path) -> Guarded {
    let arguments = arguments(class, rest);
    Guarded::start(Path::new("java"), arguments, |command| {
        let file = File::options().append(true).create(true).open(log);
        let file = file.expect("the broker's log can be written");
        let twin = file.try_clone().expect("a file can be opened twice");
        command.stdout(file).stderr(twin);
    })
}
