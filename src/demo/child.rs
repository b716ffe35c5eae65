//! `keyway run` as a process of its own, that the demo can kill, and that cannot outlive the demo.
//!
//! It is dropped dead: dropping it kills it. For the case that the demo itself is killed it is
//! started through a shell that leaves a watchdog behind before it becomes the process itself: the
//! watchdog reads from a pipe that only the demo holds, and kills when the pipe closes without a
//! word. That needs no unsafe code and nothing of Linux alone. Where there is no shell (an image
//! with nothing but the binary) the watchdog is left out.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_rt::task::JoinHandle;
use actix_rt::time::timeout;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

const SHELL: &str = "/bin/sh";

/// `$$` is the process to be: `exec` keeps the number.
const WATCHDOG: &str = r#"exec 3<&0 </dev/null
(read -r word <&3 || kill -KILL $$) >/dev/null 2>&1 &
exec 3<&-
exec "$@""#;

/// Lines of its log that are kept to be shown when it fails.
const KEPT: usize = 12;

/// Variables of the user's that the process gets: those that tune it. All others that begin with
/// `KEYWAY_` are kept from it; they belong to another pipeline.
const TUNING: [&str; 7] = [
    "KEYWAY_SENDERS",
    "KEYWAY_ARBITERS",
    "KEYWAY_BUFFER_BYTES",
    "KEYWAY_BUFFER_RECORDS",
    "KEYWAY_COMMIT_INTERVAL",
    "KEYWAY_REQUEST_TIMEOUT",
    "KEYWAY_DRAIN_DEADLINE",
];

/// How the process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Variables that the demo sets.
    pub variables: Vec<(&'static str, String)>,
    /// The command line.
    pub arguments: Vec<String>,
}

impl Launch {
    /// What a user would type for the same, in lines of about `width` with `indent` in front.
    pub fn typed(&self, width: usize, indent: &str) -> String {
        let set = self.variables.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let typed = self.arguments.iter().map(|argument| quoted(argument));
        let mut text = indent.to_owned();
        let mut line = 0;
        for word in set.chain(["keyway".to_owned()]).chain(typed) {
            if line > 0 && line + 1 + word.len() > width {
                text.push_str(" \\\n");
                text.push_str(indent);
                line = 0;
            } else if line > 0 {
                text.push(' ');
                line += 1;
            }
            text.push_str(&word);
            line += word.len();
        }
        text
    }

    fn command(&self) -> io::Result<Command> {
        let program = std::env::current_exe()?;
        let mut command = if Path::new(SHELL).exists() {
            let mut command = Command::new(SHELL);
            command.args(["-c", WATCHDOG, "watchdog"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_kept_away(name)) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // For the demo alone: its log is read, not shown, and its metrics are asked for.
        command.args(&self.arguments).args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        // A group of its own: an interrupt typed at the terminal is for the demo to answer.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(command)
    }
}

fn is_kept_away(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("KEYWAY_") && !TUNING.contains(&name))
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=%@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A `keyway run` that was started.
pub struct Process {
    child: Child,
    id: u32,
    leash: Option<ChildStdin>,
    log: Arc<Mutex<Log>>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    last: VecDeque<String>,
    api: Option<SocketAddr>,
}

#[derive(Deserialize)]
struct Line {
    msg: String,
    addr: Option<SocketAddr>,
}

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(launch: &Launch) -> io::Result<Self> {
        let mut child = launch.command()?.spawn()?;
        let log = Arc::new(Mutex::new(Log::default()));
        let stderr = child.stderr.take();
        let reader = stderr.map(|stderr| actix_rt::spawn(follow(stderr, Arc::clone(&log))));
        let leash = child.stdin.take();
        let id = child.id().unwrap_or_default();
        Ok(Self { child, id, leash, log, reader })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where its metrics are, once it has said so.
    pub fn api(&self) -> Option<SocketAddr> {
        locked(&self.log).api
    }

    /// The last lines of its log.
    pub fn last_lines(&self) -> Vec<String> {
        locked(&self.log).last.iter().cloned().collect()
    }

    /// How it ended, if it has. Its log is complete then.
    ///
    /// # Errors
    /// What the system says.
    pub async fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let ended = self.child.try_wait()?;
        if ended.is_some() {
            self.let_go().await;
            if let Some(reader) = self.reader.take() {
                // Only something that it has left behind could still hold the pipe.
                let _ = timeout(Duration::from_secs(1), reader).await;
            }
        }
        Ok(ended)
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// What the system says.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        self.let_go().await;
        Ok(())
    }

    /// Asks it to stop, as `kill` does.
    pub fn ask_to_stop(&self) {
        if let Some(id) = i32::try_from(self.id).ok().and_then(Pid::from_raw) {
            // It has not been waited for, so the number is its own; gone already, it needs nothing.
            let _ = kill_process(id, Signal::TERM);
        }
    }

    /// Waits until it has ended by itself, for at most so long.
    ///
    /// # Errors
    /// What the system says.
    pub async fn wait(&mut self, most: Duration) -> io::Result<Option<ExitStatus>> {
        let Ok(ended) = timeout(most, self.child.wait()).await else { return Ok(None) };
        self.let_go().await;
        ended.map(Some)
    }

    /// Tells the watchdog that there is nothing to watch: the number may soon be someone else's.
    async fn let_go(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            // A watchdog that was itself killed has closed the pipe, which is as good.
            let _ = leash.write_all(b"over\n").await;
        }
    }
}

/// Reads the log to its end: the process must not find its pipe full.
async fn follow(stderr: impl AsyncRead + Unpin, log: Arc<Mutex<Log>>) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let text = String::from_utf8_lossy(&line).into_owned();
        let mut log = locked(&log);
        if let Ok(Line { msg, addr: Some(addr) }) = serde_json::from_str(&text)
            && msg.contains("api listening")
        {
            log.api = Some(addr);
        }
        if log.last.len() == KEPT {
            log.last.pop_front();
        }
        log.last.push_back(text);
    }
}

fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_can_be_pasted_into_a_shell() {
        let launch = Launch {
            variables: vec![("KEYWAY_RETRY_MAX", "1s".to_owned())],
            arguments: ["run", "--url", "http://h/?a=1&b='2'"].map(str::to_owned).to_vec(),
        };
        let whole = r"KEYWAY_RETRY_MAX=1s keyway run --url 'http://h/?a=1&b='\''2'\'''";
        assert_eq!(launch.typed(80, ""), whole);
        let folded = launch.typed(24, "  ");
        assert_eq!(folded.replace(" \\\n  ", " "), format!("  {whole}"));
        assert_eq!(folded.lines().count(), 3, "{folded}");
    }

    #[test]
    fn the_users_tuning_reaches_the_process_and_the_users_pipeline_does_not() {
        for (name, away) in [
            ("KEYWAY_SENDERS", false),
            ("KEYWAY_COMMIT_INTERVAL", false),
            ("KEYWAY_BROKERS", true),
            ("KEYWAY_CONFIG", true),
            ("KEYWAY_KAFKA_SASL_PASSWORD", true),
            ("PATH", false),
        ] {
            assert_eq!(is_kept_away(&OsString::from(name)), away, "{name}");
        }
    }
}
