//! When a breaker opens, for how long, and what closes it.

use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// It opens when at least this share of the window's requests failed; above 0, at most 1.
    pub failure_ratio: f64,
    /// It does not open below so many requests in the window; at least 1.
    pub min_requests: u32,
    /// Requests that ended within this time count; above zero.
    pub window: Duration,
    /// How long it is open at first; above zero.
    pub open_for: Duration,
    /// How long at most, after openings in a row; at least `open_for`.
    pub max_open_for: Duration,
    /// So many probes in a row have to go well to close it; at least 1.
    pub probes: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            min_requests: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            max_open_for: Duration::from_mins(1),
            probes: 1,
        }
    }
}

/// What is wrong with a policy.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BreakerPolicyError {
    /// Not a share, or one that is always reached.
    #[error("failure_ratio is {0}: it must be above 0 and at most 1")]
    FailureRatio(f64),
    /// Without a single request there is no ratio.
    #[error("min_requests is 0: it must be at least 1")]
    MinRequests,
    /// Nothing would count.
    #[error("window is zero: it must be longer")]
    Window,
    /// It would never be open.
    #[error("open_for is zero: it must be longer")]
    OpenFor,
    /// The longest is shorter than the first.
    #[error("max_open_for is {max:?}: it must be at least open_for, {first:?}")]
    MaxOpenFor {
        /// `max_open_for`
        max: Duration,
        /// `open_for`
        first: Duration,
    },
    /// It would close unasked.
    #[error("probes is 0: it must be at least 1")]
    Probes,
}

impl BreakerPolicy {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// The first field that does not, and what it may be.
    pub fn check(&self) -> Result<(), BreakerPolicyError> {
        // Written so that NaN is refused.
        if !(self.failure_ratio > 0.0 && self.failure_ratio <= 1.0) {
            return Err(BreakerPolicyError::FailureRatio(self.failure_ratio));
        }
        if self.min_requests == 0 {
            return Err(BreakerPolicyError::MinRequests);
        }
        if self.window.is_zero() {
            return Err(BreakerPolicyError::Window);
        }
        if self.open_for.is_zero() {
            return Err(BreakerPolicyError::OpenFor);
        }
        if self.max_open_for < self.open_for {
            let (max, first) = (self.max_open_for, self.open_for);
            return Err(BreakerPolicyError::MaxOpenFor { max, first });
        }
        if self.probes == 0 {
            return Err(BreakerPolicyError::Probes);
        }
        Ok(())
    }
}
