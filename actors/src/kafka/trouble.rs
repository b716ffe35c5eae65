//! Which of Kafka's errors end a pipeline, and which are said and waited out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::say::Sparingly;

/// An error that goes on is said this often: librdkafka reports a broker that is away many times a
/// second.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What to do about an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Waiting does not mend it.
    Final(String),
    /// To be said: it may pass. So many of the kind were left out since the last time.
    Passing { reason: String, suppressed: u64 },
    /// The same was said a moment ago.
    Said,
}

/// Remembers what was said.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    said: BTreeMap<(i32, String), Sparingly>,
}

impl Troubles {
    /// Judges an error; `fatal` is what librdkafka says if it has given up on the client.
    pub(crate) fn judge(
        &mut self,
        error: &KafkaError,
        fatal: Option<(RDKafkaErrorCode, String)>,
        now: Instant,
    ) -> Trouble {
        self.judge_about("", error, fatal, now)
    }

    /// The same for an error of which is known what it is about.
    pub(crate) fn judge_about(
        &mut self,
        about: &str,
        error: &KafkaError,
        fatal: Option<(RDKafkaErrorCode, String)>,
        now: Instant,
    ) -> Trouble {
        if let Some((code, reason)) = fatal {
            return Trouble::Final(format!("{reason} ({code:?})"));
        }
        let Some(code) = error.rdkafka_error_code() else {
            return Trouble::Final(error.to_string());
        };
        if let Some(remedy) = remedy(code) {
            let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
            return Trouble::Final(format!("{code}: {remedy}{about}"));
        }
        // One topic that is missing must not hide another; that a broker is away, each says anew.
        let about = if is_missing(code) { about } else { "" };
        let said = self.said.entry((code as i32, about.to_owned()));
        match said.or_insert(Sparingly::new(1, SAY_EVERY)).say(now) {
            Some(suppressed) => Trouble::Passing { reason: describe(code), suppressed },
            None => Trouble::Said,
        }
    }
}

/// For an error that waiting does not mend: what to do about it.
fn remedy(code: RDKafkaErrorCode) -> Option<&'static str> {
    Some(match code {
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            "grant this user READ and DESCRIBE on the topic"
        }
        RDKafkaErrorCode::GroupAuthorizationFailed => "grant this user READ on the group",
        RDKafkaErrorCode::ClusterAuthorizationFailed => "grant this user access to the cluster",
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
            "check sasl.username, sasl.password, sasl.mechanism and security.protocol under [kafka]"
        }
        RDKafkaErrorCode::InvalidTopic => "correct the topic's name",
        RDKafkaErrorCode::InconsistentGroupProtocol => {
            "the group's members use another partition.assignment.strategy; use the same, or \
             another group_id"
        }
        RDKafkaErrorCode::AutoOffsetReset => {
            "there is no committed offset, or it is out of range, and auto.offset.reset says to \
             stop then; set it to earliest or latest, or commit an offset for the group"
        }
        RDKafkaErrorCode::Fatal => "librdkafka gave up on the consumer",
        _ => return None,
    })
}

/// What an error that passes says of the connection to the brokers, with what it is `about`, and
/// whether that is no more than that none is left; `None` if it says nothing of it.
pub(crate) fn of_connection(error: &KafkaError, about: &str) -> Option<(String, bool)> {
    let code = error.rdkafka_error_code()?;
    if is_missing(code) || code == RDKafkaErrorCode::PollExceeded {
        return None;
    }
    let about = if about.is_empty() { String::new() } else { format!(": {about}") };
    Some((format!("{}{about}", describe(code)), code == RDKafkaErrorCode::AllBrokersDown))
}

fn is_missing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    matches!(code, UnknownPartition | UnknownTopic | UnknownTopicOrPartition)
}

fn describe(code: RDKafkaErrorCode) -> String {
    match code {
        code if is_missing(code) => format!("{code}: waiting for the topic to be made"),
        RDKafkaErrorCode::AllBrokersDown
        | RDKafkaErrorCode::BrokerTransportFailure
        | RDKafkaErrorCode::Resolve => format!("{code}: waiting for a broker"),
        RDKafkaErrorCode::PollExceeded => {
            format!("{code}: the group has given the partitions to others; joining again")
        }
        _ => code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumption(code: RDKafkaErrorCode) -> KafkaError {
        KafkaError::MessageConsumption(code)
    }

    #[test]
    fn a_broker_that_is_away_is_said_once_in_a_while_and_waited_for() {
        let (mut troubles, start) = (Troubles::default(), Instant::now());
        let mut judge = |after| {
            let down = consumption(RDKafkaErrorCode::AllBrokersDown);
            troubles.judge(&down, None, start + Duration::from_secs(after))
        };
        assert!(matches!(judge(0), Trouble::Passing { suppressed: 0, .. }));
        assert_eq!(judge(1), Trouble::Said);
        assert_eq!(judge(2), Trouble::Said);
        assert!(matches!(judge(11), Trouble::Passing { suppressed: 2, .. }));
    }

    #[test]
    fn what_waiting_does_not_mend_ends_the_pipeline_and_says_what_to_do() {
        let denied = consumption(RDKafkaErrorCode::TopicAuthorizationFailed);
        let judged = Troubles::default().judge(&denied, None, Instant::now());
        assert!(matches!(judged, Trouble::Final(reason) if reason.contains("grant")));
    }

    #[test]
    fn what_is_said_of_the_connection_is_told_apart() {
        use RDKafkaErrorCode::{
            AllBrokersDown, BrokerTransportFailure, PollExceeded, UnknownTopic,
        };
        let told = |code| of_connection(&consumption(code), "a:1: refused");
        let (what, vague) = told(BrokerTransportFailure).unwrap();
        assert!(what.ends_with(": waiting for a broker: a:1: refused") && !vague, "{what}");
        assert!(told(AllBrokersDown).is_some_and(|(_, vague)| vague));
        assert_eq!([told(PollExceeded), told(UnknownTopic)], [None, None]);
    }

    #[test]
    fn each_missing_topic_is_said() {
        use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        for code in [UnknownPartition, UnknownTopic, UnknownTopicOrPartition] {
            let missing = consumption(code);
            let mut judge = |about| troubles.judge_about(about, &missing, None, now);
            assert!(matches!(judge("one"), Trouble::Passing { suppressed: 0, .. }));
            assert!(matches!(judge("two"), Trouble::Passing { suppressed: 0, .. }));
            assert_eq!(judge("one"), Trouble::Said);
        }
    }

    #[test]
    fn a_client_that_librdkafka_gave_up_on_ends_whatever_the_error() {
        let down = consumption(RDKafkaErrorCode::AllBrokersDown);
        let fenced = Some((RDKafkaErrorCode::FencedInstanceId, "fenced by another".to_owned()));
        let judged = Troubles::default().judge(&down, fenced, Instant::now());
        assert!(matches!(judged, Trouble::Final(reason) if reason.contains("fenced by another")));
    }
}
