//! The forward proxy of the environment, which is the same for all pipelines and alerts.

use keyway_actors::sink::http::{Proxies, ProxyError};

use super::environment::Environment;
use super::problem::{Place, Problems};

/// What `HTTPS_PROXY` and `NO_PROXY` say; `None` where there is no proxy, or a problem with it.
pub fn read(environment: &Environment, problems: &mut Problems) -> Option<Proxies> {
    let get = |name: &str| environment.text(name).ok().map(str::to_owned);
    Proxies::from_env(get).unwrap_or_else(|error| {
        let (name, why) = match error {
            ProxyError::Variable { name, error } => (name, error.to_string()),
            other => ("HTTPS_PROXY", other.to_string()),
        };
        problems.push(&Place::Variable(name.to_owned()), why);
        None
    })
}
