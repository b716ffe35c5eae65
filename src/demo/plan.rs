//! What a run of the demo is to be: how much, how long, and with which settings.

use std::time::Duration;

use awc::http::Uri;

use super::broker::GROUP;
use super::child::Launch;
use super::endpoint::Manner;
use super::record::TOPIC;
use crate::cli::DemoArgs;

/// How long the group waits for a member that says nothing. Short, so that the demo need not wait
/// long for what a real broker does after 45 s by default; long enough for a busy machine.
pub const SESSION: Duration = Duration::from_secs(2);

/// How often the broker looks for members whose session is over. It then waits for another second
/// before it lets a group form.
pub const SESSION_CHECK: Duration = Duration::from_secs(1);

/// How long records are delivered before the kill, and again after it.
pub const PART: Duration = Duration::from_secs(5);

/// The slowest endpoint: records that wait for three answers must not make the demo endless.
const SLOWEST: Duration = Duration::from_secs(10);

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where records are delivered to.
    pub target: Target,
    /// How many keys.
    pub keys: u32,
    /// How many records; `None`: as many as go in [`PART`] and [`PART`] again.
    pub records: Option<u64>,
}

/// Where records are delivered to.
#[derive(Clone, Debug)]
pub enum Target {
    /// The endpoint of the demo.
    Own(Manner),
    /// The user's.
    Yours(Uri),
}

impl Plan {
    /// From the command line.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub fn new(args: &DemoArgs) -> Result<Self, String> {
        if args.fail >= 1.0 {
            return Err("--fail: with every request failing nothing is ever delivered, and there \
                is nothing to verify; give less than 100%"
                .to_owned());
        }
        if args.latency > SLOWEST {
            return Err("--latency: at most 10s, or the demo takes for ever".to_owned());
        }
        let manner = Manner { latency: args.latency, fail: args.fail };
        Ok(Self {
            target: args.url.clone().map_or(Target::Own(manner), Target::Yours),
            keys: args.keys.get(),
            records: args.records.map(std::num::NonZeroU64::get),
        })
    }

    /// How many records the load is ahead of what is delivered: enough to keep most keys busy while
    /// some wait for a retry and pile up, few enough for the time from written to delivered to say
    /// something. What a foreign endpoint has
    /// got is known only some times a second, so there it takes more.
    pub fn ahead(&self) -> u64 {
        let keys = u64::from(self.keys);
        match self.target {
            Target::Own(_) => (keys * 5).clamp(200, 8_000),
            Target::Yours(_) => (keys * 4).clamp(2_000, 10_000),
        }
    }

    /// How `keyway run` is started.
    pub fn launch(broker: &str, url: &str) -> Launch {
        let session = SESSION.as_millis();
        let variables = vec![
            ("KEYWAY_KAFKA_SESSION_TIMEOUT_MS", session.to_string()),
            ("KEYWAY_KAFKA_HEARTBEAT_INTERVAL_MS", (session / 8).to_string()),
            // A real broker answers a fetch as soon as there is a record. The built-in one looks
            // only once this time is over, by default half a second.
            ("KEYWAY_KAFKA_FETCH_WAIT_MAX_MS", "5".to_owned()),
            ("KEYWAY_RETRY_MAX", "1s".to_owned()),
        ];
        let arguments =
            ["run", "--brokers", broker, "--topic", TOPIC, "--group-id", GROUP, "--url", url];
        Launch { variables, arguments: arguments.map(str::to_owned).to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64};

    use super::*;

    fn args() -> DemoArgs {
        DemoArgs {
            records: NonZeroU64::new(10),
            keys: NonZeroU32::MIN,
            latency: Duration::from_millis(20),
            fail: 0.05,
            url: None,
        }
    }

    #[test]
    fn what_could_never_end_is_refused() {
        assert!(Plan::new(&args()).is_ok());
        let never = Plan::new(&DemoArgs { fail: 1.0, ..args() });
        assert!(never.is_err_and(|why| why.contains("--fail")));
        let slow = Plan::new(&DemoArgs { latency: Duration::from_secs(11), ..args() });
        assert!(slow.is_err_and(|why| why.contains("--latency")));
    }

    #[test]
    fn the_load_is_never_far_ahead_and_never_starves() {
        for keys in [1, 300, u32::MAX] {
            let plan = Plan { keys, ..Plan::new(&args()).unwrap() };
            assert!((200..=8_000).contains(&plan.ahead()), "{keys}");
        }
    }
}
