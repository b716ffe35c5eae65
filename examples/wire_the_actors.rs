//! Puts the actors on the arbiters of an existing actix program, in place of the pipeline's own
//! threads. Run with `cargo run --example wire_the_actors`; it brings its own broker.
//!
//! The order is from the sink to the source, so that nothing flows before everybody is there.

mod embedded;

use std::error::Error;
use std::time::Duration;

use actix::{Actor, Addr};
use keyway_actors::consumer::RouterPort;
use keyway_actors::message::{Queued, Shutdown, Stop};
use keyway_actors::sink::sink_fn;
use keyway_actors::wiring::Wiring;
use keyway_actors::{Outcome, PipelineConfig, Record};
use tokio::sync::mpsc;

const RECORDS: usize = 500;

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = embedded::Broker::start("letters", 2)?;
    broker.fill("letters", RECORDS.try_into()?, 20)?;

    let (delivered, mut deliveries) = mpsc::unbounded_channel();
    let sink = sink_fn(move |record: &Record| {
        // The receiver is gone only when `main` has returned.
        let _ = delivered.send((record.partition(), record.offset()));
        async { Outcome::Delivered }
    });

    let mut config = PipelineConfig::new(&broker.address(), "letters", "wired-by-hand");
    config.arbiters = 1.try_into()?;
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let (mut wiring, mut endings) = Wiring::new(config, log)?;
    let offsets = wiring.offsets().start();
    let letters = wiring.dead_letters(None)?;
    // On this very arbiter; `arbiter.spawn_fn(move || seed.start(sink))` puts it on another.
    let router = wiring.router(offsets.clone(), letters.map(Addr::recipient)).start(sink);
    let consumer = wiring.consumer(offsets.clone(), vec![RouterPort::new(&router)])?;

    for _ in 0..RECORDS {
        tokio::select! {
            Some(_) = deliveries.recv() => {}
            Some(error) = endings.failed.recv() => return Err(error.into()),
        }
    }

    // From the source to the sink: the consumer leads the drain, and has left its group when done.
    let stop = Stop { queued: Queued::LetGo, deadline: Duration::from_secs(10) };
    consumer.address.do_send(stop);
    consumer.ended.await??;
    router.do_send(Shutdown);
    offsets.do_send(Shutdown);
    println!("delivered {RECORDS} of {RECORDS} records through actors on one arbiter");
    Ok(())
}
