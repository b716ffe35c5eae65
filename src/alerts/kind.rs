//! What an alert can be about.

use std::fmt;

/// What an alert can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// A pipeline ended for a reason of its own. The first, so that it is told first.
    Stopped,
    /// Records used up their attempts, or their time.
    Exhausted,
    /// Records went to the dead-letter topic.
    DeadLettered,
    /// A lane has been parked for longer than is allowed; and no longer is.
    Parked,
    /// A destination's breaker opened.
    BreakerOpened,
    /// A destination's breaker closed.
    BreakerClosed,
    /// Records have waited for longer than is allowed; and no longer do.
    Lag,
}

impl AlertKind {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Stopped,
        Self::Exhausted,
        Self::DeadLettered,
        Self::Parked,
        Self::BreakerOpened,
        Self::BreakerClosed,
        Self::Lag,
    ];

    /// Its name, in settings and in templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Exhausted => "exhausted",
            Self::DeadLettered => "dead_lettered",
            Self::Parked => "parked",
            Self::BreakerOpened => "breaker_opened",
            Self::BreakerClosed => "breaker_closed",
            Self::Lag => "lag",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it is about something that lasts: what is told of it is how it stands now, not how
    /// often it happened.
    pub fn lasts(self) -> bool {
        matches!(self, Self::Parked | Self::Lag)
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::named(kind.name()), Some(kind));
        }
        assert_eq!(AlertKind::named("Lag"), None);
    }
}
