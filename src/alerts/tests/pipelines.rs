//! A pipeline that runs, on librdkafka's mock cluster, watched from its start to its end.

use std::num::NonZeroUsize;
use std::time::Duration;

use keyway_actors::sink::sink_fn;
use keyway_actors::{Action, Failure, FailureKind, Outcome, Pipeline, PipelineConfig, Record};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use slog::{Discard, Logger, o};

use super::super::settings::{AlertSettings, WebhookUrl};
use super::super::start;
use super::server::{Answer, Server};

#[actix_rt::test]
async fn a_pipeline_that_stops_on_an_error_is_told_of_to_each_webhook_before_the_end() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    producer.send(BaseRecord::<str, str>::to("orders").key("hush")).unwrap();
    producer.flush(Duration::from_mins(1)).unwrap();
    let mut config = PipelineConfig::new(&brokers, "orders", "group");
    config.name = "orders".into();
    config.partitions = Some(vec![0]);
    config.arbiters = NonZeroUsize::MIN;
    config.retry.on_rejected = Action::Stop;
    let refuse = sink_fn(|_: &Record| async {
        Outcome::rejected(Failure::new(FailureKind::Status(400), "hush"))
    });
    let pipeline = Pipeline::start(config, refuse).unwrap();

    let servers = [(); 2].map(|()| Server::start(|_| Answer::Status(200)));
    let settings = servers
        .each_ref()
        .map(|server| AlertSettings::new(WebhookUrl::parse(&server.url()).unwrap()));
    let alerts = start(&settings, &pipeline.clone().into(), &Logger::root(Discard, o!()));
    pipeline.wait().await.unwrap_err();
    alerts.finish().await;
    for server in servers {
        let [body] = &server.bodies()[..] else { panic!("{:?}", server.bodies()) };
        let said = "pipeline orders: stopped on an error: a record that cannot be delivered";
        assert!(body.contains(said) && !body.contains("hush"), "{body}");
    }
}
