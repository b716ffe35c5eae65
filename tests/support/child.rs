//! Child processes that cannot outlive the test process, however it ends (a panic, SIGKILL).
//!
//! The child is started through a shell that first leaves a watchdog behind and then becomes the
//! program itself, so that the process id and the exit code are the program's. The watchdog reads
//! from a pipe whose other end only this process holds: when the pipe closes without a word, it
//! kills the program. This needs no unsafe code and, unlike a parent-death signal, does not depend
//! on the thread that started the child.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::wait::wait_for;

const WATCHDOG: &str = r#"exec 3<&0 </dev/null
(if ! read -r word <&3; then kill -9 $$; fi) >/dev/null 2>&1 &
exec 3<&-
exec "$@""#;

/// A running child process; killed when dropped, and when this process ends in any way.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    leash: Option<ChildStdin>,
    ended: Option<ExitStatus>,
}

impl Guarded {
    /// Starts `program` with `arguments`; `set_up` sets environment, folder, stdout and stderr
    /// (stdin is taken by the watchdog; the program reads an empty one).
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        set_up: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHDOG, "watchdog"]).arg(program).args(arguments);
        set_up(&mut command);
        // A group of its own: an interrupt typed at the terminal ends the test, and the closing
        // pipe then ends the child, instead of both racing.
        command.stdin(Stdio::piped()).process_group(0);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let leash = child.stdin.take();
        Self { child, leash, ended: None }
    }

    /// The program's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program writes to standard output, when it was set up as a pipe; once.
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// What the program writes to standard error, when it was set up as a pipe; once.
    pub fn take_stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// Sends a signal; a program that has already ended is left alone.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.expect("a process id is a positive number");
        kill_process(id, signal).expect("a child that was not waited for can be signalled");
    }

    /// How the program ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait().expect("a child can be waited for")
        {
            self.remember(status);
        }
        self.ended
    }

    /// Kills the program with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            // Fails only for a program that has just ended by itself.
            let _ = self.child.kill();
            let status = self.child.wait().expect("a child can be waited for");
            self.remember(status);
        }
    }

    /// Waits until the program has ended by itself.
    pub fn wait(&mut self, what: &str) -> ExitStatus {
        wait_for(what, || self.ended())
    }

    fn remember(&mut self, status: ExitStatus) {
        self.ended = Some(status);
        // The word tells the watchdog to let go: the process id may soon be someone else's. A
        // watchdog that was itself killed has closed the pipe, which is as good.
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.write_all(b"ended\n");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The exit code as a shell shows it: 128 + the signal for a program that a signal ended.
pub fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// A folder that is removed when the value is dropped and when this process ends in any way, a
/// moment later, so that a killed child can no longer write to it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    // Its end of the pipe closes when this is dropped.
    _remover: Child,
}

const REMOVER: &str = r#"read -r word
for try in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.2
  rm -rf -- "$1" && [ ! -e "$1" ] && exit 0
done"#;

impl Folder {
    /// Makes an empty folder under Cargo's folder for the files of tests.
    pub fn make(stem: &str) -> Self {
        let path = tempfile::Builder::new()
            .prefix(stem)
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a folder can be made under the target folder")
            .keep();
        let remover = Command::new("/bin/sh")
            .args(["-c", REMOVER, "remover"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("/bin/sh can be started");
        Self { path, _remover: remover }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
