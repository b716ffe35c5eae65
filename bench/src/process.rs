//! What a process uses, as Linux says in `/proc`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

/// A process that is measured; killed when dropped.
pub struct Measured {
    child: Child,
    errors: NamedTempFile,
}

/// CPU time of a process and all its threads, user and system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub cpu: Duration,
    /// The most memory that was resident, in bytes.
    pub peak: u64,
    /// What is resident now, in bytes.
    pub resident: u64,
}

impl Measured {
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let errors = NamedTempFile::new()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.reopen()?)
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self { child, errors })
    }

    /// The last that it wrote to its standard error.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(self.errors.path()).unwrap_or_default();
        text.lines().next_back().unwrap_or("it said nothing").to_owned()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    pub fn usage(&self) -> anyhow::Result<Usage> {
        let id = self.child.id();
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The second field is the name, in brackets, and may hold anything.
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|it| it.parse::<u64>().ok());
        let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
        let ticks = ticks.context("/proc/PID/stat is not as expected")?;
        let cpu =
            Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let kibibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let bytes = |name| kibibytes(name).unwrap_or(0) * 1024;
        Ok(Usage { cpu, peak: bytes("VmHWM"), resident: bytes("VmRSS") })
    }

    /// Asks it to stop, waits a while, and kills it if it has not.
    pub fn stop(mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
