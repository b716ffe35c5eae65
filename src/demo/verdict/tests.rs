use super::*;

const MS: Duration = Duration::from_millis(1);

/// A hand-made list. Each key has its offsets in order, in partition 0, a hundred apart.
#[derive(Default)]
struct Story {
    written: HashMap<u32, u32>,
    requests: Vec<Request>,
    on_record: OnRecord,
}

impl Story {
    fn of(written: &[(u32, u32)]) -> Self {
        Self { written: written.iter().copied().collect(), ..Self::default() }
    }

    /// A request from one moment to another, in milliseconds.
    fn request(
        mut self,
        process: u32,
        key: u32,
        number: u32,
        (from, to): (u32, u32),
        how: How,
    ) -> Self {
        self.requests.push(Request {
            key,
            number,
            place: Place { partition: 0, offset: i64::from(key * 100 + number) },
            process,
            began: MS * from,
            end: Some((MS * to, how)),
        });
        self
    }

    fn delivered(self, process: u32, key: u32, number: u32, from: u32) -> Self {
        self.request(process, key, number, (from, from + 5), How::Delivered)
    }

    /// What is on record at the kill: offsets below `base`, and some above.
    fn on_record(mut self, base: i64, above: &[std::ops::Range<i64>]) -> Self {
        self.on_record = OnRecord::of_one(base, above, 1_000);
        self
    }

    fn judge(&self) -> Findings {
        judge(&Evidence {
            written: &self.written,
            requests: &self.requests,
            on_record: &self.on_record,
        })
    }
}

/// Three records of key 0 and two of key 1, delivered in order, the keys at the same time.
fn clean() -> Story {
    Story::of(&[(0, 3), (1, 2)])
        .delivered(0, 0, 0, 10)
        .delivered(0, 1, 0, 11)
        .delivered(0, 0, 1, 20)
        .delivered(0, 1, 1, 20)
        .delivered(0, 0, 2, 30)
}

#[test]
fn a_run_in_order_keeps_every_promise() {
    let findings = clean().judge();
    assert_eq!(findings, Findings { written: 5, keys: 2, ..Findings::default() });
    assert!(findings.kept());
}

#[test]
fn a_failed_request_and_its_retry_are_in_order_and_not_sent_again() {
    let story = Story::of(&[(0, 2)])
        .request(0, 0, 0, (10, 15), How::Failed)
        .request(0, 0, 0, (20, 25), How::Left)
        .delivered(0, 0, 0, 30)
        .delivered(0, 0, 1, 40);
    let findings = story.judge();
    assert_eq!(findings, Findings { written: 2, keys: 1, failed: 1, ..Findings::default() });
}

#[test]
fn a_record_that_was_never_delivered_is_lost() {
    let mut story = clean();
    story.requests.pop();
    assert_eq!(story.judge().lost, 1);
    // Requested is not delivered.
    let findings = story.request(0, 0, 2, (30, 35), How::Failed).judge();
    assert_eq!(findings.lost, 1);
    assert!(!findings.kept());
    assert_eq!(findings.examples, ["customer-0: record 2 was never delivered"]);
}

#[test]
fn a_key_of_which_nothing_came_is_lost() {
    assert_eq!(Story::of(&[(7, 4)]).judge().lost, 4);
}

#[test]
fn a_record_that_overtakes_the_one_before_it_is_out_of_order() {
    let story = Story::of(&[(0, 2)]).delivered(0, 0, 1, 10).delivered(0, 0, 0, 20);
    let findings = story.judge();
    assert_eq!((findings.lost, findings.out_of_order), (0, 2));
    assert!(!findings.kept());
}

#[test]
fn a_record_that_goes_while_the_one_before_it_waits_for_its_retry_is_out_of_order() {
    let story = Story::of(&[(0, 2)])
        .request(0, 0, 0, (10, 15), How::Failed)
        .delivered(0, 0, 1, 20)
        .delivered(0, 0, 0, 30);
    assert_eq!(story.judge().out_of_order, 2);
}

#[test]
fn two_requests_of_a_key_at_once_are_out_of_order() {
    let story = Story::of(&[(0, 2)]).delivered(0, 0, 0, 10).delivered(0, 0, 1, 14);
    assert_eq!(story.judge().out_of_order, 1);
    // Back to back they are not.
    let story = Story::of(&[(0, 2)]).delivered(0, 0, 0, 10).delivered(0, 0, 1, 15);
    assert_eq!(story.judge().out_of_order, 0);
}

#[test]
fn a_request_that_never_ended_is_in_the_way_of_the_next() {
    let mut story = Story::of(&[(0, 2)]).delivered(0, 0, 0, 10).delivered(0, 0, 1, 50);
    story.requests[0].end = None;
    let findings = story.judge();
    assert_eq!((findings.lost, findings.out_of_order), (1, 1));
    // Also of its own retry.
    let mut story = Story::of(&[(0, 1)]).delivered(0, 0, 0, 10).delivered(0, 0, 0, 50);
    story.requests[0].end = None;
    assert_eq!(story.judge().out_of_order, 1);
}

#[test]
fn after_the_kill_a_key_goes_on_with_what_was_in_flight_or_not_on_record() {
    let story = Story::of(&[(0, 4)])
        .delivered(0, 0, 0, 10)
        .delivered(0, 0, 1, 20)
        .request(0, 0, 2, (30, 33), How::Left)
        .on_record(1, &[])
        .delivered(1, 0, 1, 100)
        .delivered(1, 0, 2, 110)
        .delivered(1, 0, 3, 120);
    let findings = story.judge();
    assert_eq!((findings.again_unrecorded, findings.again_in_flight), (1, 1));
    assert!(findings.kept(), "{:?}", findings.examples);
}

#[test]
fn a_record_waiting_for_its_retry_at_the_kill_is_not_sent_again() {
    let story = Story::of(&[(0, 1)])
        .request(0, 0, 0, (10, 15), How::Failed)
        .request(1, 0, 0, (100, 105), How::Failed)
        .delivered(1, 0, 0, 110);
    let findings = story.judge();
    assert_eq!((findings.sent_again(), findings.failed), (0, 2));
    assert!(findings.kept());
}

#[test]
fn what_is_sent_again_and_fails_then_is_counted_once() {
    let story = Story::of(&[(0, 1)])
        .request(0, 0, 0, (10, 13), How::Left)
        .request(1, 0, 0, (100, 105), How::Failed)
        .delivered(1, 0, 0, 110);
    assert_eq!(story.judge().sent_again(), 1);
}

#[test]
fn what_was_on_record_must_not_be_sent_again() {
    let kept = |base, above: &[std::ops::Range<i64>]| {
        let story = Story::of(&[(0, 1), (1, 2)])
            .request(0, 0, 0, (10, 15), How::Left)
            .delivered(0, 1, 0, 10)
            .delivered(0, 1, 1, 20)
            .on_record(base, above)
            .delivered(1, 0, 0, 100)
            .delivered(1, 1, 1, 100);
        let findings = story.judge();
        (findings.again_needless, findings.kept())
    };
    assert_eq!(kept(0, std::slice::from_ref(&(100..101))), (0, true));
    assert_eq!(kept(0, std::slice::from_ref(&(100..102))), (1, false));
}

#[test]
fn a_process_must_not_send_again_what_it_had_the_answer_to() {
    let findings = clean().delivered(0, 0, 2, 40).judge();
    assert_eq!((findings.again_needless, findings.out_of_order), (1, 0));
    assert!(!findings.kept());
}

#[test]
fn after_the_kill_a_key_must_not_begin_with_a_later_record_and_go_back() {
    let story = Story::of(&[(0, 2)])
        .delivered(0, 0, 0, 10)
        .request(0, 0, 1, (20, 25), How::Left)
        .delivered(1, 0, 1, 100)
        .delivered(1, 0, 0, 110);
    assert_eq!(story.judge().out_of_order, 1);
}

#[test]
fn nothing_may_be_on_record_before_it_was_delivered() {
    let story = Story::of(&[(0, 2)])
        .delivered(0, 0, 0, 10)
        .request(0, 0, 1, (20, 25), How::Failed)
        .on_record(2, &[]);
    let findings = story.delivered(1, 0, 1, 100).judge();
    assert_eq!(findings.too_early, 1);
    assert!(!findings.kept());
}

#[test]
fn what_was_never_written_or_moves_about_is_strange() {
    let findings = clean().delivered(0, 0, 3, 40).delivered(0, 9, 0, 40).judge();
    assert_eq!(findings.strange, 2);
    assert!(!findings.kept());
    let mut story =
        Story::of(&[(0, 1)]).request(0, 0, 0, (10, 15), How::Failed).delivered(0, 0, 0, 20);
    story.requests[1].place.offset += 1;
    assert_eq!(story.judge().strange, 1);
    let mut findings = clean().judge();
    findings.add_complaints(&["no POST".to_owned()]);
    assert!(!findings.kept());
}

#[test]
fn only_the_first_examples_are_told() {
    let findings = Story::of(&[(0, 100)]).judge();
    assert_eq!((findings.lost, findings.examples.len()), (100, TOLD));
}
