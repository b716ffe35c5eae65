//! A flood of questions: what comes to the parts of a pipeline, and what is answered.

use std::iter;

use tokio::time::sleep;

use super::*;
use crate::core::Epoch;
use crate::explain::turns::AT_A_TIME;

/// Many more than are asked at a time.
const FLOOD: usize = 50;

/// A pipeline whose parts have their questions answered here.
struct Asked {
    control: mpsc::UnboundedSender<Control>,
    turns: Turns,
    topics: [String; 1],
}

impl Asked {
    fn asking(&self) -> Asking<'_> {
        let (control, turns, topics) = (&self.control, &self.turns, &self.topics);
        Asking { control, turns, topics, routers: 2 }
    }

    async fn key(&self) -> Result<Explanation, ExplainError> {
        self.asking().explain(Question::Key { topic: None, key: b"k".to_vec() }).await
    }

    async fn lanes(&self) -> Result<Lanes, Gone> {
        self.asking().lanes(None, 1).await
    }
}

/// Has questions asked, with a clock that goes on when everybody waits, and all that comes of them
/// answered. What came of the questions; and the most that asked for the ages at a time.
fn run<T>(asks: impl AsyncFnOnce(&Asked) -> T, mut answer: impl FnMut(Ask)) -> (T, usize) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (control, mut controls) = mpsc::unbounded_channel();
        let asked = Asked { control, turns: Turns::default(), topics: ["orders".to_owned()] };
        let asks = async move { asks(&asked).await };
        let parts = async {
            let mut most = 0;
            while let Some(first) = controls.recv().await {
                let others = iter::from_fn(|| controls.try_recv().ok());
                let mut looks = 0;
                for control in iter::once(first).chain(others) {
                    let Control::Ask(ask) = control else { continue };
                    looks += usize::from(matches!(ask, Ask::Look(Look::Ages { .. })));
                    answer(ask);
                }
                most = most.max(looks);
            }
            most
        };
        join(asks, parts).await
    })
}

type Answers = (Vec<Result<Explanation, ExplainError>>, Vec<Result<Lanes, Gone>>);

/// Many ask for a key, and as many for lanes.
async fn flood(asked: &Asked) -> Answers {
    let keys = join_all((0..FLOOD).map(|_| asked.key()));
    join(keys, join_all((0..FLOOD).map(|_| asked.lanes()))).await
}

/// An answer for which the poll thread, and the second arbiter, looked for so long.
fn answer(ask: Ask, took: [Duration; 2]) {
    match ask {
        Ask::Locate(locate) => {
            let located =
                Located::In { topic: "orders".into(), partitions: Vec::new(), took: took[0] };
            locate.reply.send(located).unwrap();
        }
        Ask::Inspect(inquiries) => {
            for (inquiry, took) in inquiries.into_iter().zip([Duration::ZERO, took[1]]) {
                let inspected = Inspected { took, ..Inspected::default() };
                inquiry.open().unwrap().reply.send(inspected).unwrap();
            }
        }
        Ask::Look(Look::Ages { reply }) => drop(reply.send(TakenAt::default())),
        Ask::Look(Look::Offset { reply, .. }) => drop(reply.send(None)),
    }
}

#[test]
fn all_are_answered_in_turn() {
    let ((explained, lanes), most) = run(flood, |ask| answer(ask, [Duration::ZERO; 2]));
    assert_eq!((explained.len(), lanes.len(), most), (FLOOD, FLOOD, AT_A_TIME));
    assert!(explained.iter().all(Result::is_ok), "{explained:?}");
    assert!(lanes.iter().flatten().all(|it| it.unanswered.is_empty()), "{lanes:?}");
}

#[test]
fn nobody_is_asked_more_while_nobody_answers() {
    let mut kept = Vec::new();
    let ((explained, lanes), most) = run(flood, |ask| kept.push(ask));
    assert_eq!(most, AT_A_TIME);
    // A question for the poll thread and one for the ledgers, of each.
    assert_eq!(kept.len(), 2 * AT_A_TIME);
    let busy = explained.iter().filter(|it| **it == Err(ExplainError::Busy)).count();
    assert_eq!(busy, FLOOD - AT_A_TIME);
    let unanswered = vec!["arbiter 0".to_owned(), "arbiter 1".to_owned()];
    assert!(lanes.iter().flatten().all(|it| it.unanswered == unanswered), "{lanes:?}");
}

#[test]
fn what_a_question_cost_a_thread_makes_the_next_wait() {
    let took = [7, 20].map(Duration::from_millis);
    let waited = async |asked: &Asked| {
        let mut waited = Vec::new();
        for _ in 0..2 {
            let began = TokioInstant::now();
            asked.key().await.unwrap();
            waited.push(began.elapsed());
        }
        let began = TokioInstant::now();
        asked.lanes().await.unwrap();
        waited.push(began.elapsed());
        waited
    };
    let (waited, _) = run(waited, |ask| answer(ask, took));
    let [first, second, third] = waited[..] else { unreachable!() };
    // Nine times as long, and what timers round up.
    let rest = Duration::from_millis(9 * 27);
    let rests = rest..rest + Duration::from_millis(2);
    assert_eq!(first, Duration::ZERO);
    assert!(rests.contains(&second) && rests.contains(&third), "{second:?}, {third:?}");
}

#[test]
fn a_question_that_an_arbiter_leaves_unanswered_makes_the_next_wait_the_longest() {
    let asks = async |asked: &Asked| {
        let lanes = asked.lanes().await.unwrap();
        let began = TokioInstant::now();
        asked.key().await.unwrap();
        (lanes.unanswered, began.elapsed())
    };
    let (mut kept, mut is_first) = (Vec::new(), true);
    let ((unanswered, waited), _) = run(asks, |ask| match ask {
        Ask::Inspect(mut inquiries) if std::mem::take(&mut is_first) => {
            kept.push(inquiries.pop());
            answer(Ask::Inspect(inquiries), [Duration::ZERO; 2]);
        }
        ask => answer(ask, [Duration::ZERO; 2]),
    });
    assert_eq!(unanswered, ["arbiter 1"]);
    let longest = Duration::from_millis(500);
    assert!((longest..longest + Duration::from_millis(2)).contains(&waited), "{waited:?}");
}

/// What comes of a question where the poll thread and the arbiters answer after so long.
fn asked_late(located: Duration, inspected: Duration) -> Result<Explanation, ExplainError> {
    let asks = async |asked: &Asked| asked.key().await;
    let (explained, _) = run(asks, |ask| {
        tokio::spawn(async move {
            match ask {
                Ask::Locate(locate) => {
                    sleep(located).await;
                    let (topic, partitions) = ("orders".into(), vec![in_partition_zero()]);
                    let took = Duration::ZERO;
                    let _ = locate.reply.send(Located::In { topic, partitions, took });
                }
                Ask::Inspect(inquiries) => {
                    sleep(inspected).await;
                    for inquiry in inquiries {
                        let _ = inquiry.reply.send(Inspected::default());
                    }
                }
                look @ Ask::Look(_) => answer(look, [Duration::ZERO; 2]),
            }
        });
    });
    explained
}

fn in_partition_zero() -> InPartition {
    InPartition {
        partition: 0,
        epoch: Epoch(1),
        lane: None,
        next: None,
        log_end: None,
        intake: None,
        held_by_span: 0,
        in_transit: 0,
    }
}

#[test]
fn arbiters_have_their_time_however_late_they_are_asked() {
    let [late, soon] = [1_450, 200].map(Duration::from_millis);
    let explained = asked_late(late, soon);
    assert!(explained.is_ok(), "{explained:?}");
    let arbiters = [0, 1].map(Part::Arbiter);
    assert_eq!(asked_late(late, late), Err(no_answer(arbiters)));
}

#[test]
fn arbiters_are_not_to_blame_for_what_took_the_time_before() {
    let explained = asked_late(Duration::from_millis(1_800), Duration::from_millis(240));
    assert_eq!(explained, Err(no_answer([Part::PollThread])));
}
