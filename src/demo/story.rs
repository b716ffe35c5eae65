//! The run itself, act by act: deliver, kill, wait, start again, deliver the rest, stop, judge.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::broker::OnRecord;
use super::child::Process;
use super::load::{Load, Written};
use super::plan::{PART, Plan, SESSION, SESSION_CHECK};
use super::pulse;
use super::report::{self, Closing};
use super::screen::{Screen, grouped};
use super::stage::Stage;
use super::trouble::Trouble;
use super::verdict::{Evidence, judge};
use super::witness::Witness;

/// Longest time for a clean stop; its own deadline is 30 s.
const STOPPING: Duration = Duration::from_secs(40);

/// Runs the whole; says whether every promise was kept.
///
/// # Errors
/// What kept it from a verdict.
pub async fn tell(plan: Plan, screen: Screen, opened: Instant) -> Result<bool, Trouble> {
    let mut stage = Stage::open(plan, screen, opened)?;
    stage.screen.say(pulse::HEAD);
    start(&mut stage)?;
    stage.watch_until(half_done).await?;
    let killed = kill(&mut stage).await?;
    start_again(&mut stage, &killed)?;
    let written = deliver_the_rest(&mut stage, &killed).await?;
    let unclean = stop(&mut stage).await?;
    judge_all(&mut stage, &written, &killed, unclean).await
}

fn start(stage: &mut Stage) -> Result<(), Trouble> {
    let process = Process::start(&stage.launch).map_err(Trouble::Process)?;
    stage.screen.say_at(&format!("keyway run starts (process {})", process.id()));
    stage.process = Some(process);
    stage.pulse.starts(stage.delivered());
    Ok(())
}

/// Half of the records, or of the time, with something in flight to be cut off.
fn half_done(stage: &Stage) -> bool {
    let delivered = stage.delivered();
    match stage.plan.records {
        Some(records) if delivered >= records => true,
        Some(records) => delivered * 2 >= records && stage.in_flight() > 0,
        None => stage.pulse.delivering_for(PART) && stage.in_flight() > 0,
    }
}

/// How things stood at the kill.
struct Killed {
    delivered: u64,
    in_flight: u64,
    /// What Kafka had on record when the process was dead.
    on_record: OnRecord,
}

/// Kills the process and waits until the group has noticed.
async fn kill(stage: &mut Stage) -> Result<Killed, Trouble> {
    let Some(process) = stage.process.take() else { unreachable!("it was started before") };
    let (id, in_flight) = (process.id(), stage.in_flight());
    process.kill().await.map_err(Trouble::Process)?;
    stage.witness.process_died().await;
    let delivered = stage.delivered();
    if let Some(load) = &stage.load {
        load.go_on_blind(stage.pulse.pace(delivered));
    }
    stage.screen.say_at(&format!(
        "kill -9 {id}: keyway run is gone, with {} requests in flight.\n        \
         Kafka waits {} s for a sign of life before it gives the partitions to another\n        \
         process. The load goes on.",
        grouped(in_flight),
        SESSION.as_secs(),
    ));
    stage.pulse.ends();
    let over = Instant::now() + SESSION + SESSION_CHECK;
    stage.watch("killed", |_| Instant::now() >= over).await?;
    let on_record = stage.on_record().await?;
    Ok(Killed { delivered, in_flight, on_record })
}

fn start_again(stage: &mut Stage, killed: &Killed) -> Result<(), Trouble> {
    let recorded = killed.on_record.count();
    if let Witness::Process { before } = &mut stage.witness {
        *before = recorded;
        stage.delivered.store(recorded, Ordering::Relaxed);
    }
    if let Some(load) = &stage.load {
        load.follow();
    }
    start(stage)?;
    let recorded = match recorded {
        0 => "It had not yet committed anything to Kafka: it starts over.".to_owned(),
        _ => format!(
            "Of {} records delivered, Kafka has {} on record as done: it goes on\n        from there.",
            grouped(killed.delivered),
            grouped(recorded),
        ),
    };
    stage.screen.say(&format!("        {recorded}\n{}", pulse::HEAD));
    Ok(())
}

/// Until everything that was written is delivered, and what was not on record by this process.
async fn deliver_the_rest(stage: &mut Stage, killed: &Killed) -> Result<Written, Trouble> {
    match stage.plan.records {
        None => stage.watch_until(|stage| stage.pulse.delivering_for(PART)).await?,
        Some(_) => stage.watch_until(|stage| stage.load.as_ref().is_none_or(Load::ended)).await?,
    }
    let written = stage.finish_load().await?;
    let open = written.count.saturating_sub(killed.on_record.count());
    let all = |stage: &Stage| stage.delivered() >= written.count && stage.pulse.has_delivered(open);
    let all = stage.watch("the rest", all).await?;
    stage.say_line();
    if !all {
        stage.screen.say_at("nothing was delivered for a long time, and not all is");
    }
    Ok(written)
}

/// Stops the process as `kill` does; says how it ended where that was not cleanly.
async fn stop(stage: &mut Stage) -> Result<Option<String>, Trouble> {
    let Some(mut process) = stage.process.take() else { unreachable!("it was started again") };
    stage.screen.say_at(&format!("kill {}: keyway run is asked to stop", process.id()));
    process.ask_to_stop();
    let ended = process.wait(STOPPING).await.map_err(Trouble::Process)?;
    stage.screen.end_progress();
    Ok(match ended {
        Some(status) if status.success() => None,
        Some(status) => Some(format!("keyway run ended badly: {status}")),
        None => Some(format!("keyway run had not stopped after {} s", STOPPING.as_secs())),
    })
}

async fn judge_all(
    stage: &mut Stage,
    written: &Written,
    killed: &Killed,
    unclean: Option<String>,
) -> Result<bool, Trouble> {
    let on_record = &stage.on_record().await?;
    let took = stage.opened.elapsed();
    let closing = Closing { written: written.count, on_record, unclean, took };
    let (text, kept) = match &stage.witness {
        Witness::Process { .. } => {
            let begun = killed.delivered + killed.in_flight;
            let again = begun.saturating_sub(killed.on_record.count());
            report::verdict_of_yours(again, &closing)
        }
        Witness::Own(ledger, _) => {
            let ledger = ledger.lock();
            let requests = ledger.requests();
            let mut findings = judge(&Evidence {
                written: &written.by_key,
                requests,
                on_record: &killed.on_record,
            });
            findings.add_complaints(ledger.complaints());
            report::verdict(&findings, requests.len() as u64, &closing)
        }
    };
    stage.screen.say(&text);
    Ok(kept)
}
