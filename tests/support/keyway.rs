//! The `keyway` binary as a child process: started with exactly the arguments, variables and file
//! that a test gives it, watched through its log, its metrics and its exit code.

mod http;
mod metrics;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::process::Signal;
use serde_json::Value;

pub use self::http::{Answer, ask, ask_raw};
pub use self::metrics::Metrics;
use super::child::{Guarded, code};
use super::cluster::{Access, Cluster};
use super::wait::wait_for;

/// A `keyway` command to be run. The environment is empty but for what is set here.
#[derive(Debug)]
pub struct Keyway {
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; 128 + the signal when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Keyway {
    /// `keyway` with these arguments and nothing else.
    pub fn command<A: Into<String>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_keyway").into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// `keyway run` on a cluster, with the JSON log and a free port that the other methods need.
    pub fn run(cluster: &impl Cluster) -> Self {
        Self::run_with(&cluster.access())
    }

    /// `keyway serve` on a cluster, in the same way.
    pub fn serve(cluster: &impl Cluster) -> Self {
        Self::on("serve", &cluster.access())
    }

    /// The same, reaching the cluster as said: its properties become `KEYWAY_KAFKA_…` variables.
    pub fn run_with(access: &Access) -> Self {
        Self::on("run", access)
    }

    fn on(command: &str, access: &Access) -> Self {
        let fixed = [command, "--log-format", "json", "--listen", "127.0.0.1:0", "--brokers"];
        let mut keyway = Self::command(fixed).flag_value(&access.brokers);
        for (name, value) in &access.properties {
            keyway = keyway.kafka(name, value);
        }
        keyway
    }

    /// Another program in place of the binary: for the tests of this language.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    fn flag_value(mut self, value: &str) -> Self {
        self.arguments.push(value.to_owned());
        self
    }

    /// One more flag with its value.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "numbers are given as they are")]
    pub fn flag(self, name: &str, value: impl ToString) -> Self {
        self.flag_value(name).flag_value(&value.to_string())
    }

    /// `--topic`; may be given several times.
    #[must_use]
    pub fn topic(self, topic: &str) -> Self {
        self.flag("--topic", topic)
    }

    /// `--group-id`.
    #[must_use]
    pub fn group(self, group: &str) -> Self {
        self.flag("--group-id", group)
    }

    /// `--url`.
    #[must_use]
    pub fn url(self, url: &str) -> Self {
        self.flag("--url", url)
    }

    /// One more environment variable.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "numbers are given as they are")]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// A librdkafka property, by its `KEYWAY_KAFKA_…` variable.
    #[must_use]
    pub fn kafka(self, property: &str, value: &str) -> Self {
        let name = format!("KEYWAY_KAFKA_{}", property.replace('.', "_").to_uppercase());
        self.env(&name, value)
    }

    /// Writes a file next to the configuration; returns its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Writes a configuration file and gives its path with `--config`.
    #[must_use]
    pub fn config(self, toml: &str) -> Self {
        let path = self.write("keyway.toml", toml);
        self.flag("--config", path.display())
    }

    /// Runs it to its end.
    pub fn output(self) -> Output {
        let mut running = self.start();
        let code = running.wait_exit();
        Output { code, stdout: running.stdout(), stderr: running.stderr() }
    }

    /// Starts it.
    pub fn start(self) -> Running {
        let mut child = Guarded::start(&self.program, &self.arguments, |command| {
            command.env_clear().env("RUST_BACKTRACE", "1");
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
            command.current_dir(self.folder.path());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        });
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let readers = vec![
            stdout.read(child.take_stdout().expect("a pipe")),
            stderr.read(child.take_stderr().expect("a pipe")),
        ];
        let name = self.arguments.join(" ");
        Running { child, stdout, stderr, readers, name, _folder: self.folder }
    }
}

/// Lines that a thread reads from a pipe.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn read(&self, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                lines.all().push(text);
                line.clear();
            }
        })
    }

    fn all(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A `keyway` that was started; killed when dropped. When a test fails, its log is printed.
#[derive(Debug)]
pub struct Running {
    child: Guarded,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<JoinHandle<()>>,
    name: String,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.all().join("\n")
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.all().join("\n")
    }

    /// Its log lines so far: what is JSON in either stream.
    pub fn log(&self) -> Vec<Value> {
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let lines = stdout.iter().chain(stderr.iter());
        lines.filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// Waits for a log line whose message contains `text`, also among those that came before.
    pub fn wait_for_log(&mut self, text: &str) -> Value {
        self.wait_for_logs(text, 1).remove(0)
    }

    /// Waits until so many log lines have a message that contains `text`; returns them all.
    pub fn wait_for_logs(&mut self, text: &str, count: usize) -> Vec<Value> {
        self.wait(&format!("{count} log lines with {text:?}"), |running| {
            let mut found = running.log();
            found.retain(|line| line["msg"].as_str().is_some_and(|msg| msg.contains(text)));
            (found.len() >= count).then_some(found)
        })
    }

    /// The names of its threads, in order.
    pub fn threads(&self) -> Vec<String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(folder).expect("it runs");
        // One may end meanwhile.
        let names = tasks.filter_map(|task| {
            let name = std::fs::read_to_string(task.ok()?.path().join("comm")).ok()?;
            Some(name.trim_end().to_owned())
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).expect("it runs").count()
    }

    /// Where its API listens, once it said so.
    pub fn api(&mut self) -> SocketAddr {
        let line = self.wait_for_log("api listening");
        let address = line["addr"].as_str().and_then(|text| text.parse().ok());
        address.unwrap_or_else(|| panic!("no address in {line}"))
    }

    /// The status and body of a GET to its API; `None` when it does not answer.
    pub fn get(&mut self, path: &str) -> Option<(u16, String)> {
        http::get(self.api(), path)
    }

    /// What its API answers to a request with this body; none where there is no text.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        http::ask(self.api(), method, path, &[], body).expect("it answers")
    }

    /// Waits until `/readyz` says 200: it has joined its group.
    pub fn wait_ready(&mut self) {
        let api = self.api();
        self.wait("/readyz to say 200", |_| {
            http::get(api, "/readyz").filter(|(status, _)| *status == 200).map(drop)
        });
    }

    /// Its metrics now.
    pub fn metrics(&mut self) -> Metrics {
        let (status, text) = self.get("/metrics").expect("/metrics answers");
        assert_eq!(status, 200, "{text}");
        Metrics::parse(&text)
    }

    /// Waits until its metrics are as `enough` wants them; returns them.
    pub fn wait_for_metrics(&mut self, what: &str, enough: impl Fn(&Metrics) -> bool) -> Metrics {
        let api = self.api();
        self.wait(what, |_| {
            let (_, text) = http::get(api, "/metrics")?;
            Some(Metrics::parse(&text)).filter(&enough)
        })
    }

    /// Waits for something that can only come while it runs.
    fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        wait_for(what, || {
            let ended = self.child.ended();
            if ended.is_some() {
                // Its last lines may still be in the pipe.
                self.readers.drain(..).for_each(|reader| drop(reader.join()));
            }
            let found = look(self);
            if let (Some(status), None) = (ended, &found) {
                panic!("keyway ended with {status} before: {what}");
            }
            found
        })
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Halts it (SIGSTOP), as a machine that hangs does.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Its exit code if it has ended; 128 + the signal when a signal ended it.
    pub fn exited(&mut self) -> Option<i32> {
        self.child.ended().map(code)
    }

    /// Waits until it has ended by itself; returns the exit code. Its output is then complete.
    pub fn wait_exit(&mut self) -> i32 {
        let status = self.child.wait("keyway to end");
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        code(status)
    }

    /// Stops it with SIGTERM; panics unless it ends with 0.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let code = self.wait_exit();
        assert_eq!(code, 0, "keyway did not stop cleanly");
    }

    /// How much memory it holds now, in bytes (resident set).
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill();
        if std::thread::panicking() {
            print_tail(&self.name, "stdout", &self.stdout.all());
            print_tail(&self.name, "stderr", &self.stderr.all());
        }
    }
}

fn print_tail(name: &str, stream: &str, lines: &[String]) {
    const MOST: usize = 200;
    let left_out = lines.len().saturating_sub(MOST);
    eprintln!("--- {stream} of keyway {name} ({left_out} earlier lines left out)");
    for line in &lines[left_out..] {
        eprintln!("{line}");
    }
}
