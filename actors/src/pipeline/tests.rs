//! Pipelines that are made, or cannot be.

use std::num::NonZeroUsize;
use std::panic;
use std::sync::Mutex;
use std::thread;

use actix_rt::time::sleep;
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::Semaphore;

use super::*;
use crate::config::DeadLetterConfig;
use crate::core::outcome::Outcome;
use crate::record::Record;
use crate::sink::sink_fn;

#[test]
fn a_pipeline_that_cannot_start_ends_without_a_panic() {
    static PANICKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(name) = thread::current().name().filter(|name| name.contains("refused")) {
            PANICKED.lock().unwrap().push(format!("{name}: {info}"));
        }
        hook(info);
    }));
    let mut config = PipelineConfig::new("localhost:1", "orders", "group");
    config.name = "refused".into();
    // The dead letters' producer is made before anything is waited for.
    let kafka = [("security.protocol".to_owned(), "nonsense".to_owned())].into();
    config.dead_letter = Some(DeadLetterConfig { topic: "dead".into(), kafka });
    let sink = sink_fn(|_: &Record| async { Outcome::Delivered });
    let refused = Pipeline::start(config, sink).map(drop);
    assert!(matches!(refused, Err(PipelineError::KafkaConfig(_))), "{refused:?}");
    while thread_is_alive("keyway-refused") {
        thread::yield_now();
    }
    let panicked = PANICKED.lock().unwrap();
    assert!(panicked.is_empty(), "{panicked:?}");
}

fn thread_is_alive(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .any(|comm| comm.trim_end() == name)
}

/// Requests begin one after the other, and each waits until it is let through.
#[actix_rt::test]
async fn who_lets_go_of_the_last_handle_does_not_hurry_a_drain() {
    const RECORDS: usize = 2_000;
    const PATIENCE: Duration = Duration::from_mins(1);
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    for _ in 0..RECORDS {
        producer.send(BaseRecord::<_, str>::to("orders").key("key")).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let (through, (delivered, mut all)) = (Arc::new(Semaphore::new(0)), mpsc::unbounded_channel());
    let gate = Arc::clone(&through);
    let sink = sink_fn(move |_: &Record| {
        let (gate, delivered) = (Arc::clone(&gate), delivered.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            delivered.send(()).unwrap();
            Outcome::Delivered
        }
    });
    let config = PipelineConfig {
        partitions: Some(vec![0]),
        arbiters: NonZeroUsize::MIN,
        drain_deadline: Duration::from_hours(1),
        ..PipelineConfig::new(&brokers, "orders", "group")
    };
    let pipeline = Pipeline::start(config, sink).unwrap();
    while pipeline.status().totals.held_records != RECORDS as u64 {
        sleep(Duration::from_millis(10)).await;
    }
    pipeline.drain();
    drop(pipeline);
    through.add_permits(RECORDS);
    let mut count = 0;
    while timeout(PATIENCE, all.recv()).await.expect("it does not end").is_some() {
        count += 1;
    }
    assert_eq!(count, RECORDS);
}

/// With one arbiter that has enough lanes, its channel holds eight slices of 256 records: what there
/// is beyond these and the slice before them waits for it on the poll thread.
#[actix_rt::test]
async fn a_drain_delivers_also_what_waits_for_a_router_to_have_room() {
    const PATIENCE: Duration = Duration::from_mins(1);
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    // In one batch, which is fetched in one, so that no slice but the last is smaller than it may be.
    let mut producer = ClientConfig::new();
    producer.set("bootstrap.servers", &brokers).set("linger.ms", "1000");
    let producer: BaseProducer = producer.create().unwrap();
    for n in 0..4_000 {
        producer.send(BaseRecord::<_, str>::to("orders").key(&n.to_string())).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let through = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&through);
    let sink = sink_fn(move |_: &Record| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Outcome::Delivered
        }
    });
    let config = PipelineConfig {
        partitions: Some(vec![0]),
        arbiters: NonZeroUsize::MIN,
        senders: NonZeroUsize::MIN,
        drain_deadline: Duration::from_hours(1),
        ..PipelineConfig::new(&brokers, "orders", "group")
    };
    let pipeline = Pipeline::start(config, sink).unwrap();
    let held = async {
        while pipeline.status().totals.held_records <= 9 * 256 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, held).await.is_ok(), "nothing waits for the router");
    pipeline.drain();
    through.add_permits(4_000);
    timeout(PATIENCE, pipeline.wait()).await.expect("it does not end").unwrap();
    let totals = pipeline.status().totals;
    assert_eq!((totals.returned, totals.held_records), (0, 0));
}
