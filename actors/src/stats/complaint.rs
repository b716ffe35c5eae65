//! What a client last said of its connection to the brokers.

use std::sync::{Mutex, PoisonError};

/// The latest complaint, until it is withdrawn. Made and withdrawn when librdkafka reports, which is
/// many times a second at the worst, and never for a record.
#[derive(Debug, Default)]
pub(crate) struct Complaint(Mutex<Option<String>>);

impl Complaint {
    /// What is wrong, in place of what was said before. What is `vague` (that no broker is left)
    /// stands only where nothing more exact was said: librdkafka says that more often than why.
    pub(crate) fn make(&self, what: String, vague: bool) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !vague || said.is_none() {
            *said = Some(what);
        }
    }

    /// The connection is there.
    pub(crate) fn withdraw(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// What it is, if it was not withdrawn.
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_the_exact_ones_stands_until_it_is_withdrawn() {
        let complaint = Complaint::default();
        let stands = |what: &str, vague| {
            complaint.make(what.to_owned(), vague);
            complaint.get().unwrap()
        };
        assert_eq!(stands("all are down", true), "all are down");
        assert_eq!(stands("refused", false), "refused");
        assert_eq!(stands("all are down", true), "refused");
        assert_eq!(stands("timed out", false), "timed out");
        complaint.withdraw();
        assert_eq!(complaint.get(), None);
    }
}
