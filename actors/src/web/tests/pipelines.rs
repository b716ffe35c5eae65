//! What is served of pipelines that run.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpResponse, HttpServer, web};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::super::Partitions;
use super::scrape::Scrape;
use super::{Api, PATIENCE, end};
use crate::sink::http::HttpSettings;
use crate::sink::sink_fn;
use crate::{Failure, FailureKind, Outcome, Pipeline, PipelineConfig, Record};

const OK: StatusCode = StatusCode::OK;
const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// A broker with one topic of one partition.
pub struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    pub fn start() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("orders", 1, 1).unwrap();
        Self(cluster)
    }

    pub fn fill(&self, records: u32) {
        let brokers = self.0.bootstrap_servers();
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        for number in 0..records {
            let key = format!("key-{}", number % 7);
            producer.send(BaseRecord::<_, str>::to("orders").key(&key)).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// A pipeline in a group of its own, with one arbiter.
    fn config(&self) -> PipelineConfig {
        let mut config = PipelineConfig::new(&self.0.bootstrap_servers(), "orders", "group");
        config.name = "orders".into();
        config.arbiters = std::num::NonZeroUsize::MIN;
        config.commit_interval = Duration::from_millis(50);
        config
    }

    /// The same with its partition set, which needs no group to agree.
    pub fn fixed(&self) -> PipelineConfig {
        PipelineConfig { partitions: Some(vec![0]), ..self.config() }
    }
}

fn set(config: &mut PipelineConfig, properties: [(&str, &str); 2]) {
    config.kafka.extend(properties.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[actix_rt::test]
async fn a_pipeline_becomes_ready_is_counted_and_is_not_ready_when_it_has_stopped() {
    let broker = Broker::start();
    broker.fill(100);
    let sink = sink_fn(|record: &Record| {
        let outcome = match record.offset() {
            3 => Outcome::rejected(Failure::new(FailureKind::Status(404), "404 Not Found")),
            _ => Outcome::Delivered,
        };
        async move { outcome }
    });
    let mut config = broker.config();
    config.retry.on_rejected = crate::Action::Drop;
    let pipeline = Pipeline::start(config, sink).unwrap();
    let api = Api::of(vec![pipeline.clone()], PATIENCE);
    api.wait_for("/readyz", UNAVAILABLE, "pipeline orders: waits to join its group").await;
    assert_eq!(api.get("/livez").await, (OK, "ok\n".into()));
    api.wait_for("/readyz", OK, "ok").await;
    let committed =
        "keyway_committed_offset{pipeline=\"orders\",topic=\"orders\",partition=\"0\"} 100";
    api.wait_for("/metrics", OK, committed).await;
    let (_, shown) = api.get("/v1/pipelines/orders/partitions").await;
    let shown: Partitions = serde_json::from_str(&shown).unwrap();
    let [partition] = shown.partitions.as_slice() else { panic!("one partition: {shown:?}") };
    assert_eq!((partition.committed_offset, partition.lag), (Some(100), Some(0)));
    let scrape = Scrape::read(&api.get("/metrics").await.1);
    let is = |name: &str, labels: &[(&str, &str)], value: f64| {
        let found = scrape.sum(&format!("keyway_{name}"), labels);
        assert!((found - value).abs() < 1e-9, "{name} {labels:?}: {found}");
    };
    is("records_received_total", &[], 100.0);
    is("records_delivered_total", &[], 99.0);
    is("records_dropped_total", &[], 1.0);
    is("held_records", &[], 0.0);
    is("held_records_counted", &[], 0.0);
    is("held_bytes", &[], 0.0);
    is("requests_total", &[("class", "2xx")], 99.0);
    is("requests_total", &[("class", "4xx")], 1.0);
    is("record_latency_seconds_count", &[], 100.0);
    is("record_latency_seconds_bucket", &[("le", "3600")], 100.0);
    is("request_duration_seconds_count", &[], 100.0);
    is("consumer_lag", &[], 0.0);
    is("rebalances_total", &[("event", "assigned")], 1.0);
    is("assigned_partitions", &[], 1.0);
    pipeline.pause();
    api.wait_for("/metrics", OK, "keyway_pipeline_state{pipeline=\"orders\",state=\"paused\"} 1")
        .await;
    assert_eq!(api.get("/readyz").await.0, OK);
    end(&pipeline).await;
    api.wait_for("/readyz", UNAVAILABLE, "pipeline orders: has stopped").await;
    assert_eq!(api.get("/livez").await.0, OK);
}

#[actix_rt::test]
async fn a_member_for_whom_no_partition_is_left_is_ready() {
    let broker = Broker::start();
    let deliver = |_: &Record| async { Outcome::Delivered };
    let start = |name: &str| {
        let mut config = PipelineConfig { name: name.into(), ..broker.config() };
        // The mock waits as long as a session for more members, and for three seconds at first.
        set(&mut config, [("session.timeout.ms", "4000"), ("heartbeat.interval.ms", "200")]);
        Pipeline::start(config, sink_fn(deliver)).unwrap()
    };
    let both = vec![start("first"), start("second")];
    let api = Api::of(both.clone(), PATIENCE);
    api.wait_for("/readyz", OK, "ok").await;
    let assigned: usize = both.iter().map(|it| it.status().partitions_assigned).sum();
    assert_eq!(assigned, 1);
    for pipeline in both {
        end(&pipeline).await;
    }
}

/// Holds a thread up until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

#[actix_rt::test]
async fn a_sink_that_blocks_its_arbiter_is_not_alive_until_it_goes_on() {
    let broker = Broker::start();
    broker.fill(1);
    let gate = Gate::default();
    let blocks = gate.clone();
    let sink = sink_fn(move |_: &Record| {
        blocks.pass();
        async { Outcome::Delivered }
    });
    let pipeline = Pipeline::start(broker.fixed(), sink).unwrap();
    let api = Api::of(vec![pipeline.clone()], Duration::from_secs(3));
    api.wait_for("/livez", UNAVAILABLE, "pipeline orders: arbiter 0 has made no progress").await;
    let (_, text) = api.get("/livez").await;
    assert_eq!(text.lines().count(), 1, "only the arbiter stands still: {text}");
    gate.open();
    api.wait_for("/livez", OK, "ok").await;
    end(&pipeline).await;
}

#[actix_rt::test]
async fn a_drain_that_is_asked_for_again_lets_requests_finish() {
    let broker = Broker::start();
    broker.fill(1);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let waits = Arc::clone(&gate);
    let sink = sink_fn(move |_: &Record| {
        let gate = Arc::clone(&waits);
        async move {
            drop(gate.acquire().await);
            Outcome::Delivered
        }
    });
    let pipeline = Pipeline::start(broker.fixed(), sink).unwrap();
    let api = Api::of(vec![pipeline.clone()], PATIENCE);
    api.wait_for("/v1/pipelines/orders", OK, "\"in_flight\":1").await;
    for _ in 0..3 {
        let (status, shown) = api.ask(Method::POST, "/v1/pipelines/orders/drain").await;
        assert_eq!(status, StatusCode::ACCEPTED, "{shown}");
    }
    api.wait_for("/v1/pipelines/orders", OK, "\"state\":\"draining\"").await;
    let (status, _) = api.ask(Method::POST, "/v1/pipelines/orders/pause").await;
    assert_eq!(status, StatusCode::CONFLICT);
    gate.add_permits(1);
    pipeline.wait().await.unwrap();
    let totals = pipeline.status().totals;
    assert_eq!((totals.delivered, totals.returned), (1, 0));
}

#[actix_rt::test]
async fn a_pipeline_that_failed_says_why() {
    let broker = Broker::start();
    broker.fill(1);
    let refuse = |_: &Record| async {
        Outcome::rejected(Failure::new(FailureKind::Status(400), "400 Bad Request"))
    };
    let mut config = broker.fixed();
    config.retry.on_rejected = crate::Action::Stop;
    let pipeline = Pipeline::start(config, sink_fn(refuse)).unwrap();
    let api = Api::of(vec![pipeline.clone()], PATIENCE);
    api.wait_for("/livez", UNAVAILABLE, "400 Bad Request").await;
    api.wait_for("/readyz", UNAVAILABLE, "pipeline orders: has failed: ").await;
    pipeline.wait().await.unwrap_err();
    let (_, shown) = api.get("/v1/pipelines/orders").await;
    assert!(shown.contains("\"state\":\"failed\"") && shown.contains("400 Bad"), "{shown}");
    for step in ["pause", "resume", "drain"] {
        let path = format!("/v1/pipelines/orders/{step}");
        let (status, problem) = api.ask(Method::POST, &path).await;
        assert_eq!(status, StatusCode::CONFLICT, "{step}");
        assert!(problem.contains("has failed"), "{step}: {problem}");
    }
}

#[actix_rt::test]
async fn a_pipeline_that_cannot_reach_its_group_is_alive_and_not_ready_until_it_can() {
    let broker = Broker::start();
    let mut config = broker.fixed();
    set(&mut config, [("statistics.interval.ms", "50"), ("reconnect.backoff.max.ms", "100")]);
    let deliver = |_: &Record| async { Outcome::Delivered };
    let pipeline = Pipeline::start(config, sink_fn(deliver)).unwrap();
    let api = Api::of(vec![pipeline.clone()], PATIENCE);
    api.wait_for("/readyz", OK, "ok").await;
    broker.0.broker_down(-1).unwrap();
    let reason = "pipeline orders: cannot reach its group's coordinator";
    api.wait_for("/readyz", UNAVAILABLE, reason).await;
    assert_eq!(api.get("/livez").await.0, OK);
    broker.0.broker_up(-1).unwrap();
    api.wait_for("/readyz", OK, "ok").await;
    end(&pipeline).await;
}

#[actix_rt::test]
async fn connections_of_the_http_sink_are_counted() {
    let broker = Broker::start();
    broker.fill(10);
    let endpoint = HttpServer::new(|| App::new().default_service(web::to(HttpResponse::Ok)))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let url = format!("http://{}/", endpoint.addrs()[0]);
    let endpoint = endpoint.run();
    let handle = endpoint.handle();
    actix_rt::spawn(endpoint);
    let mut config = broker.fixed();
    config.senders = std::num::NonZeroUsize::MIN;
    let pipeline = Pipeline::start(config, HttpSettings::new(&url).unwrap()).unwrap();
    let api = Api::of(vec![pipeline.clone()], PATIENCE);
    let count = |reused, count| {
        format!("keyway_connections_total{{pipeline=\"orders\",reused=\"{reused}\"}} {count}\n")
    };
    api.wait_for("/metrics", OK, &count(true, 9)).await;
    api.wait_for("/metrics", OK, &count(false, 1)).await;
    end(&pipeline).await;
    handle.stop(false).await;
}

#[actix_rt::test]
async fn records_add_up_at_every_scrape() {
    let broker = Broker::start();
    broker.fill(20_000);
    let sink = sink_fn(|record: &Record| {
        let outcome = match record.offset() % 10 {
            0 => Outcome::rejected(Failure::new(FailureKind::Status(404), "404 Not Found")),
            _ => Outcome::Delivered,
        };
        async move {
            actix_rt::task::yield_now().await;
            outcome
        }
    });
    let mut config = broker.fixed();
    config.retry.on_rejected = crate::Action::Drop;
    config.buffer_records = 500;
    let pipeline = Pipeline::start(config, sink).unwrap();
    let api = Api::of(vec![pipeline.clone()], PATIENCE);
    let mut in_motion = 0;
    loop {
        let scrape = Scrape::read(&api.get("/metrics").await.1);
        let of = |name: &str| scrape.sum(&format!("keyway_{name}"), &[]);
        let settled = of("records_delivered_total") + of("records_dropped_total");
        let gone = settled + of("records_dead_lettered_total") + of("records_returned_total");
        let difference = of("records_received_total") - gone - of("held_records");
        assert!(difference.abs() < 1e-9, "{difference} records are missing");
        in_motion += u32::from(settled > 0.0 && settled < 20_000.0);
        if settled >= 20_000.0 && of("held_records_counted") == 0.0 {
            break;
        }
    }
    assert!(in_motion > 0, "nothing was in motion");
    end(&pipeline).await;
}
