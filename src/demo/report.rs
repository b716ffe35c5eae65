//! The words before and after the run.

use std::fmt::Write as _;
use std::time::Duration;

use super::broker::{OnRecord, PARTITIONS};
use super::child::Launch;
use super::plan::{PART, Plan, Target};
use super::record::TOPIC;
use super::screen::grouped;
use super::verdict::Findings;
use crate::settings::value::in_words;

/// What is there, what is going to happen, and what the columns mean.
pub fn opening(plan: &Plan, broker: &str, url: &str, launch: &Launch) -> String {
    let times = match plan.target {
        Target::Own(_) => "half, and 99%, of the records took no longer from written to delivered",
        Target::Yours(_) => "half, and 99%, of the requests took no longer",
    };
    format!(
        "\
keyway demo: records go from Kafka to an HTTP endpoint. Halfway the process that
takes them there is killed, and started again.

  broker     {broker}, built in; topic {TOPIC}, {PARTITIONS} partitions
  endpoint   {endpoint}
  load       {load}
  keyway     a process of its own:
{line}

Each record is sent as one POST. Records of one key go one at a time, in the order
in which they were written; different keys go at the same time. A request that
fails is tried again, and only the records of its own key wait for it.

  in flight  requests that have no answer yet
  lanes      keys that have records to deliver
  retries    requests that failed and were, or will be, sent again
  lag        records written and not yet delivered
  p50, p99   {times}
",
        endpoint = endpoint(plan, url),
        load = load(plan),
        line = launch.typed(72, "    "),
    )
}

fn endpoint(plan: &Plan, url: &str) -> String {
    let manner = match &plan.target {
        Target::Yours(_) => return format!("{url}, yours"),
        Target::Own(manner) => manner,
    };
    let answers = match manner.latency {
        Duration::ZERO => "at once".to_owned(),
        latency => format!("in about {}", in_words(latency)),
    };
    let fails = match manner.fail {
        0.0 => "no request".to_owned(),
        share => format!("{}% of the requests", (share * 10_000.0).round() / 100.0),
    };
    format!("{url}, built in;\n             answers {answers}, fails {fails}")
}

fn load(plan: &Plan) -> String {
    let keys = counted(plan.keys.into(), "key");
    match plan.records {
        None => format!("{keys}, as many records as are delivered in {} s", 2 * PART.as_secs()),
        Some(records) => format!("{} of {keys}", counted(records, "record")),
    }
}

/// A number of things.
fn counted(count: u64, thing: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{} {thing}{end}", grouped(count))
}

/// How the run ended, beside what the endpoint's list says.
#[derive(Debug)]
pub struct Closing<'a> {
    /// Records written.
    pub written: u64,
    /// The group's record at the end.
    pub on_record: &'a OnRecord,
    /// How the second process ended, in words, where it was not cleanly.
    pub unclean: Option<String>,
    /// How long all took.
    pub took: Duration,
}

impl Closing<'_> {
    /// Whether everything is on record, and the process ended well.
    pub fn kept(&self) -> bool {
        self.on_record.open() == 0
            && self.on_record.count() == self.written
            && self.unclean.is_none()
    }

    fn lines(&self, text: &mut String) {
        let written = counted(self.written, "record");
        let state = match self.on_record.open() {
            0 if self.on_record.count() == self.written => {
                format!("{written} on record in Kafka as done: all of them")
            }
            open => format!("{} of {written} not on record in Kafka as done", grouped(open)),
        };
        row(text, "committed", &state);
        let end = match &self.unclean {
            None => "keyway run finished what it had, left the group and exited with 0",
            Some(how) => how.as_str(),
        };
        row(text, "stopped", end);
    }

    fn last_line(&self, judged: &str) -> String {
        format!("\n{judged} Done in {:.1} s.", self.took.as_secs_f64())
    }
}

fn row(text: &mut String, name: &str, what: &str) {
    let _ = writeln!(text, "  {name:<20} {what}");
}

/// The verdict where the endpoint is the demo's, and its list tells all.
pub fn verdict(findings: &Findings, requests: u64, closing: &Closing<'_>) -> (String, bool) {
    let kept = findings.kept() && closing.kept();
    let mut text = format!(
        "\nVerdict: lost {}, out of order {}, sent again {}\n\nThe endpoint's own list of the {} it \
         got, compared with what was written:\n\n",
        grouped(findings.lost),
        grouped(findings.out_of_order),
        grouped(findings.sent_again()),
        counted(requests, "request"),
    );
    let mut found = |name: &str, count: u64, what: &str| {
        row(&mut text, &format!("{name} {}", grouped(count)), what);
    };
    found(
        "lost",
        findings.lost,
        &match findings.lost {
            0 => format!("{} written, all delivered", counted(findings.written, "record")),
            _ => format!("of {} written", counted(findings.written, "record")),
        },
    );
    found(
        "out of order",
        findings.out_of_order,
        &match findings.out_of_order {
            0 => format!(
                "{}, each in the order written, one at a time",
                counted(findings.keys, "key")
            ),
            _ => "requests did not wait for the one before them of their key".to_owned(),
        },
    );
    again(&mut text, findings);
    let others = [
        ("failed", findings.failed, "on purpose; each was tried again until it went through"),
        ("committed early", findings.too_early, "on record as done before they were delivered"),
        ("strange", findings.strange, "requests for what was never written"),
    ];
    for (name, count, what) in others.into_iter().filter(|(_, count, _)| *count > 0) {
        row(&mut text, &format!("{name} {}", grouped(count)), what);
    }
    closing.lines(&mut text);
    if !findings.examples.is_empty() {
        text.push_str("\nThe first of what broke a promise:\n");
        for example in &findings.examples {
            let _ = writeln!(text, "  {example}");
        }
    }
    let judged = if kept { "Every promise was kept." } else { "A promise was broken." };
    text.push_str(&closing.last_line(judged));
    (text, kept)
}

fn again(text: &mut String, findings: &Findings) {
    let reasons = [
        (findings.again_in_flight, "in flight when the process was killed"),
        (findings.again_unrecorded, "delivered after its last commit (KEYWAY_COMMIT_INTERVAL)"),
        (findings.again_needless, "sent without need: what had become of it was known"),
    ];
    let mut name = format!("sent again {}", grouped(findings.sent_again()));
    if findings.sent_again() == 0 {
        row(text, &name, "the kill met nothing in flight and nothing uncommitted");
    }
    for (count, reason) in reasons.into_iter().filter(|(count, _)| *count > 0) {
        let was = if count == 1 { "was" } else { "were" };
        row(text, &name, &format!("{} {was} {reason}", grouped(count)));
        name.clear();
    }
}

/// The verdict where the endpoint is the user's, and only Kafka can be asked.
pub fn verdict_of_yours(again: u64, closing: &Closing<'_>) -> (String, bool) {
    let kept = closing.kept();
    let mut text = format!(
        "\nVerdict: {} of {} on record in Kafka as done\n\n\
         What your endpoint got only your endpoint knows. From here it can be seen that:\n\n",
        grouped(closing.on_record.count()),
        counted(closing.written, "record"),
    );
    closing.lines(&mut text);
    let when = "in flight when the process was killed, or delivered after its last commit";
    row(&mut text, &format!("sent again {}", grouped(again)), &format!("about: {when}"));
    text.push_str(
        "\nIts own log can tell the rest: each request names its record in Keyway-Topic,\n\
         Keyway-Partition, Keyway-Offset and Keyway-Key, and the body counts the orders of\n\
         each customer from 0. What is sent again has the same Idempotency-Key.\n",
    );
    let judged = if kept { "Nothing is left open." } else { "Something was left open." };
    text.push_str(&closing.last_line(judged));
    (text, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(on_record: &OnRecord, unclean: Option<&str>) -> (String, bool) {
        let findings = Findings { written: 4, again_in_flight: 1, ..Findings::default() };
        verdict(&findings, 5, &closing(on_record, unclean))
    }

    fn closing<'a>(on_record: &'a OnRecord, unclean: Option<&str>) -> Closing<'a> {
        let unclean = unclean.map(str::to_owned);
        Closing { written: 4, on_record, unclean, took: Duration::from_millis(1_234) }
    }

    #[test]
    fn a_verdict_says_what_was_found_and_why_records_were_sent_again() {
        let (text, kept) = ended(&OnRecord::of_one(4, &[], 4), None);
        assert!(kept);
        for part in [
            "Verdict: lost 0, out of order 0, sent again 1\n",
            "1 was in flight when the process was killed\n",
            "4 records on record in Kafka as done: all of them\n",
            "Every promise was kept. Done in 1.2 s.",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }

    #[test]
    fn a_broken_promise_is_named_and_the_demo_fails() {
        let on_record = OnRecord::of_one(4, &[], 4);
        for (broken, named) in [
            (Findings { lost: 1, ..Findings::default() }, "\n  lost 1 "),
            (Findings { out_of_order: 1, ..Findings::default() }, "\n  out of order 1 "),
            (Findings { again_needless: 1, ..Findings::default() }, "1 was sent without need"),
            (Findings { too_early: 1, ..Findings::default() }, "\n  committed early 1 "),
            (Findings { strange: 1, ..Findings::default() }, "\n  strange 1 "),
        ] {
            let findings = Findings { examples: vec!["customer-1: so".to_owned()], ..broken };
            let (text, kept) = verdict(&findings, 5, &closing(&on_record, None));
            assert!(!kept, "{text}");
            for part in [named, "\n  customer-1: so\n", "A promise was broken."] {
                assert!(text.contains(part), "{part} is not in:\n{text}");
            }
        }
    }

    #[test]
    fn what_is_not_committed_or_does_not_stop_fails_the_demo() {
        for (on_record, unclean, named) in [
            (OnRecord::of_one(3, &[], 4), None, "1 of 4 records not on record"),
            (OnRecord::of_one(1, &[2..3, 3..4], 4), None, "1 of 4 records not on record"),
            (OnRecord::of_one(4, &[], 4), Some("it ended badly"), "it ended badly"),
        ] {
            let (text, kept) = ended(&on_record, unclean);
            assert!(!kept && text.contains(named), "{named} is not in:\n{text}");
            let (text, kept) = verdict_of_yours(3, &closing(&on_record, unclean));
            assert!(!kept && text.contains(named), "{named} is not in:\n{text}");
        }
    }
}
