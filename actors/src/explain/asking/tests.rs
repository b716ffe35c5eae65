//! A flood of questions: what comes to the parts of a pipeline, and what is answered.

use futures_util::future::join3;

use super::*;
use crate::explain::turns::AT_A_TIME;

/// Many more than are asked at a time.
const FLOOD: usize = 50;

/// Has each part told of what is asked of it, with a clock that goes on when everybody waits. What
/// comes of the questions, of a key and of lanes; at most how many asked for the ages at a time.
fn flood(
    answer: impl Fn(Ask),
) -> (Vec<Result<Explanation, ExplainError>>, Vec<Result<Lanes, Gone>>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (control, mut controls) = mpsc::unbounded_channel();
        let (turns, topics) = (Turns::default(), ["orders".to_owned()]);
        let asking = || Asking { control: &control, turns: &turns, topics: &topics, routers: 2 };
        let key = || Question::Key { topic: None, key: b"k".to_vec() };
        let explained = join_all((0..FLOOD).map(|_| asking().explain(key())));
        let lanes = join_all((0..FLOOD).map(|_| asking().lanes(None, 1)));
        let parts = async {
            let mut most = 0;
            // Until nothing more is asked for longer than any question may take.
            while let Ok(Some(first)) = tokio::time::timeout(2 * DEADLINE, controls.recv()).await {
                let mut asks = vec![first];
                while let Ok(ask) = controls.try_recv() {
                    asks.push(ask);
                }
                let asks = asks.into_iter().filter_map(|control| match control {
                    Control::Ask(ask) => Some(ask),
                    _ => None,
                });
                let mut looks = 0;
                for ask in asks {
                    looks += usize::from(matches!(ask, Ask::Look(Look::Ages { .. })));
                    answer(ask);
                }
                most = most.max(looks);
            }
            most
        };
        join3(explained, lanes, parts).await
    })
}

fn answer(ask: Ask) {
    match ask {
        Ask::Locate(locate) => {
            let located = Located::In {
                topic: "orders".into(),
                partitions: Vec::new(),
                took: Duration::ZERO,
            };
            locate.reply.send(located).unwrap();
        }
        Ask::Inspect(inquiries) => {
            for inquiry in inquiries {
                inquiry.open().unwrap().reply.send(Inspected::default()).unwrap();
            }
        }
        Ask::Look(Look::Ages { reply }) => drop(reply.send(TakenAt::default())),
        Ask::Look(Look::Offset { reply, .. }) => drop(reply.send(None)),
    }
}

#[test]
fn all_are_answered_in_turn() {
    let (explained, lanes, most) = flood(answer);
    assert_eq!((explained.len(), lanes.len(), most), (FLOOD, FLOOD, AT_A_TIME));
    assert!(explained.iter().all(Result::is_ok), "{explained:?}");
    assert!(lanes.iter().flatten().all(|it| it.unanswered.is_empty()), "{lanes:?}");
}

#[test]
fn nobody_is_asked_more_while_nobody_answers() {
    let kept = std::cell::RefCell::new(Vec::new());
    let (explained, lanes, most) = flood(|ask| kept.borrow_mut().push(ask));
    assert_eq!(most, AT_A_TIME);
    // A question for the poll thread and one for the ledgers, of each.
    assert_eq!(kept.borrow().len(), 2 * AT_A_TIME);
    let busy = explained.iter().filter(|it| **it == Err(ExplainError::Busy)).count();
    assert_eq!(busy, FLOOD - AT_A_TIME);
    let unanswered = vec!["arbiter 0".to_owned(), "arbiter 1".to_owned()];
    assert!(lanes.iter().flatten().all(|it| it.unanswered == unanswered), "{lanes:?}");
}
