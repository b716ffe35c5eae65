//! The test language does what it says, and its verdicts bite. (The part that needs a real broker:
//! `kafka_support_works.rs`.)
#![allow(clippy::expect_used, reason = "a failed step of a test is a panic that names the step")]

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::*;

fn id(offset: i64) -> Id {
    Id { topic: "t".into(), partition: 0, offset }
}

fn sent(offset: i64, key: &str) -> Sent {
    Sent { id: id(offset), key: Some(key.into()), value: Some(b"v".to_vec()) }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A ledger that was written by hand: key, offset, first byte, last byte, ending.
fn ledger(lanes: Lanes, requests: &[(&str, i64, u64, u64, Ending)]) -> Ledger {
    let mut ledger = Ledger::new(lanes, true);
    for &(key, offset, first, last, ending) in requests {
        let key = (key != "-").then(|| key.to_owned());
        let number = ledger.begin(Some(id(offset)), key, 0, ms(first));
        ledger.body(number, &Bytes::from_static(b"v"));
        ledger.end(number, ms(last), ending);
    }
    ledger
}

const OK: Ending = Ending::Answered(200);
const NO: Ending = Ending::Answered(503);

#[test]
fn a_clean_run_has_no_findings() {
    let ledger = ledger(
        Lanes::Key,
        &[
            ("a", 0, 0, 5, NO),
            ("b", 1, 1, 9, OK),
            ("a", 0, 6, 8, OK),
            ("a", 2, 8, 9, OK),
            ("-", 3, 0, 9, OK),
            ("-", 4, 0, 9, OK),
        ],
    );
    let mut all = vec![sent(0, "a"), sent(1, "b"), sent(2, "a")];
    all.extend([3, 4].map(|offset| Sent { key: None, ..sent(offset, "") }));
    ledger.verdict(&all).assert_exact();
}

#[test]
fn a_record_that_overtakes_an_earlier_one_of_its_key_is_found() {
    // Offset 2 is sent while offset 0 waits for its second try.
    let found = ledger(Lanes::Key, &[("a", 0, 0, 1, NO), ("a", 2, 2, 3, OK), ("a", 0, 4, 5, OK)]);
    let disorder = found.out_of_order();
    assert_eq!((&disorder[0].earlier, &disorder[0].later), (&id(0), &id(2)));
    assert!(found.overlaps().is_empty());

    let swapped = ledger(Lanes::Key, &[("a", 2, 0, 1, OK), ("a", 0, 2, 3, OK)]);
    assert!(!swapped.out_of_order().is_empty(), "swapped, one after the other");

    let other_keys = ledger(Lanes::Key, &[("b", 2, 0, 1, OK), ("a", 0, 2, 3, OK)]);
    assert!(other_keys.out_of_order().is_empty(), "keys are not in order with each other");

    let by_partition = ledger(Lanes::Partition, &[("b", 2, 0, 1, OK), ("a", 0, 2, 3, OK)]);
    assert!(!by_partition.out_of_order().is_empty(), "but they are within a partition");
}

#[test]
fn a_request_that_starts_before_the_other_of_its_key_ended_is_found() {
    let found = ledger(Lanes::Key, &[("a", 0, 0, 10, OK), ("a", 1, 9, 12, OK)]);
    assert_eq!(found.overlaps()[0].second, (id(1), ms(9)));
    assert_eq!(found.out_of_order()[0].later, id(1));

    let same = ledger(Lanes::Unordered, &[("a", 0, 0, 10, OK), ("a", 0, 9, 12, OK)]);
    assert_eq!(same.overlaps().len(), 1, "one record twice at once, whatever the order");

    let long =
        ledger(Lanes::Key, &[("a", 0, 0, 50, NO), ("a", 0, 60, 61, OK), ("a", 1, 61, 70, OK)]);
    assert!(long.overlaps().is_empty(), "one ends as the other begins");

    let mut open = Ledger::new(Lanes::Key, true);
    open.begin(Some(id(0)), Some("a".into()), 0, ms(0));
    open.begin(Some(id(1)), Some("a".into()), 1, ms(1_000));
    assert_eq!(open.overlaps().len(), 1, "the first has not ended yet");
    assert_eq!((open.in_flight(), open.most_in_flight()), (2, 2));
}

#[test]
fn going_back_is_disorder_unless_something_had_happened() {
    let run = [("a", 0, 0, 1, OK), ("a", 1, 2, 3, OK), ("a", 0, 10, 11, OK), ("a", 1, 12, 13, OK)];
    let mut found = ledger(Lanes::Key, &run);
    assert_eq!(found.out_of_order().len(), 1);
    found.incident(ms(5), "killed");
    assert!(found.out_of_order().is_empty());
    assert_eq!(found.sent_again().len(), 2, "explained, and still counted");
    assert_eq!(found.sent_again_after(ms(12)).len(), 1);

    let backwards =
        [("a", 0, 0, 1, OK), ("a", 1, 2, 3, OK), ("a", 1, 10, 11, OK), ("a", 0, 12, 13, OK)];
    let mut found = ledger(Lanes::Key, &backwards);
    found.incident(ms(5), "killed");
    assert_eq!(found.out_of_order().len(), 1, "after a crash, too, a lane goes forwards");
}

#[test]
fn what_is_lost_altered_or_made_up_is_found() {
    let found = ledger(
        Lanes::Key,
        &[("a", 0, 0, 1, OK), ("a", 1, 2, 3, NO), ("x", 2, 2, 3, OK), ("a", 9, 4, 5, OK)],
    );
    let wrong = Sent { value: Some(b"other".to_vec()), ..sent(0, "a") };
    let verdict = found.verdict(&[wrong, sent(1, "a"), sent(2, "a")]);
    assert_eq!(verdict.lost, [id(1)]);
    assert_eq!(verdict.altered, [id(0), id(2)], "a body and a key");
    assert_eq!(verdict.unexpected, [id(9)]);
    assert!(std::panic::catch_unwind(|| verdict.assert_kept()).is_err());
}

#[test]
fn keys_of_any_bytes_are_read_back_from_their_header() {
    let found = ledger(Lanes::Key, &[("a%20%C3%A4", 0, 0, 1, OK), ("base64:/wA=", 1, 2, 3, OK)]);
    let mut second = sent(1, "");
    second.key = Some(vec![0xff, 0x00]);
    assert!(found.altered(&[sent(0, "a ä"), second]).is_empty());
}

/// A client of the test's own, one connection.
struct Client(TcpStream);

impl Client {
    fn of(endpoint: &Endpoint) -> Self {
        let stream = TcpStream::connect(endpoint.address()).expect("the endpoint listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        Self(stream)
    }

    fn send(&mut self, offset: i64, key: &str, body: &str) {
        let request = request(offset, key, body);
        self.0.write_all(request.as_bytes()).expect("the endpoint reads");
    }

    /// The answer's head and body as text; empty when the connection ended without one.
    fn answer(&mut self) -> String {
        let mut text = Vec::new();
        let mut byte = [0; 4096];
        loop {
            let whole = String::from_utf8_lossy(&text).into_owned();
            if let Some((head, body)) = whole.split_once("\r\n\r\n")
                && let Some(length) = head.split_once("Content-Length: ").map(|(_, rest)| rest)
                && let Ok(length) = length.lines().next().unwrap_or("").parse::<usize>()
                && body.len() >= length
            {
                return whole;
            }
            match self.0.read(&mut byte) {
                Ok(0) | Err(_) => return whole,
                Ok(count) => text.extend_from_slice(&byte[..count]),
            }
        }
    }

    fn post(&mut self, offset: i64, key: &str) -> String {
        self.send(offset, key, "v");
        self.answer()
    }
}

fn request(offset: i64, key: &str, body: &str) -> String {
    format!(
        "POST /in HTTP/1.1\r\nhost: x\r\nkeyway-topic: t\r\nkeyway-partition: 0\r\nkeyway-offset: {offset}\r\n\
         keyway-key: {key}\r\nkeyway-attempt: 1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn the_endpoint_books_what_a_client_sends() {
    let endpoint = Endpoint::start();
    let mut client = Client::of(&endpoint);
    assert!(client.post(0, "a").starts_with("HTTP/1.1 200 "));
    assert!(client.post(1, "a").starts_with("HTTP/1.1 200 "));
    endpoint.verdict(&[sent(0, "a"), sent(1, "a")]).assert_exact();
    endpoint.look(|ledger| {
        assert_eq!((ledger.count(), ledger.connections()), (2, 1));
        let first = &ledger.requests()[0];
        assert_eq!(first.attempt, Some(1));
        assert_eq!(first.header("Keyway-Offset").as_deref(), Some("0"));
        assert_eq!(first.body.as_deref(), Some(&b"v"[..]));
        assert!(first.last_byte <= Some(ledger.requests()[1].first_byte));
    });
}

#[test]
fn scripts_fail_delay_and_hold_as_told() {
    let gate = Gate::closed();
    let behind = gate.clone();
    let endpoint = Endpoint::builder()
        .script(move |request| match request.record.as_ref().map(|id| id.offset) {
            Some(0) if request.seen < 2 => {
                Reply::status(429).header("Retry-After", "7").body("slow down")
            }
            Some(1) => Reply::ok().after(ms(30)),
            Some(2) => Reply::ok().behind(&behind),
            Some(3) => Reply::status(204).then_close(),
            Some(4) => Reply::ok().body("late").body_after(ms(30)),
            _ => Reply::ok(),
        })
        .start();
    let mut client = Client::of(&endpoint);
    for _ in 0..2 {
        let refused = client.post(0, "a");
        assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
        assert!(refused.contains("Retry-After: 7\r\n") && refused.ends_with("slow down"));
    }
    assert!(client.post(0, "a").starts_with("HTTP/1.1 200 "));
    let begun = Instant::now();
    client.post(1, "b");
    assert!(begun.elapsed() >= ms(30));
    client.send(2, "c", "v");
    endpoint
        .wait_until("the request to wait", |ledger| ledger.count() == 5 && ledger.in_flight() == 1);
    gate.open();
    assert!(client.answer().starts_with("HTTP/1.1 200 "));
    assert!(client.post(4, "e").ends_with("\r\n\r\nlate"));
    assert!(client.post(3, "d").contains("Connection: close"));
    assert_eq!(client.0.read(&mut [0]).expect("an orderly end"), 0);
    endpoint.look(|ledger| {
        assert_eq!((ledger.answered(429), ledger.delivered()), (2, 5));
    });
}

#[test]
fn bad_answers_are_given_as_told() {
    let endpoint = Endpoint::builder()
        .script(|request| match request.record.as_ref().map(|id| id.offset) {
            Some(0) => Reply::close(),
            Some(1) => Reply::reset(),
            Some(2) => Reply::raw("garbage\r\n\r\n"),
            Some(3) => Reply::cut(200),
            _ => Reply::huge(200, 1 << 40),
        })
        .start();
    assert_eq!(Client::of(&endpoint).post(0, "a"), "");
    let mut reset = Client::of(&endpoint);
    reset.send(1, "b", "v");
    assert_eq!(
        reset.0.read(&mut [0]).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ConnectionReset)
    );
    assert_eq!(Client::of(&endpoint).post(2, "c"), "garbage\r\n\r\n");
    assert!(Client::of(&endpoint).post(3, "d").ends_with("not a thousand"));
    let mut drinker = Client::of(&endpoint);
    drinker.send(4, "e", "v");
    let mut taken = vec![0; 1 << 20];
    drinker.0.read_exact(&mut taken).expect("as much as one wants");
    endpoint.look(|ledger| {
        let endings: Vec<Ending> = ledger.requests().iter().map(|one| one.ending).collect();
        assert_eq!(endings, [Ending::Closed, Ending::Closed, Ending::Closed, OK, OK]);
    });
}

/// Held by what starts a process and by what counts on a closed socket being closed: a process
/// that is being started holds copies of all sockets of this one for a moment.
static STARTING: Mutex<()> = Mutex::new(());

fn starting() -> MutexGuard<'static, ()> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_client_that_gave_up_is_not_in_flight_any_more() {
    let _alone = starting();
    let endpoint = Endpoint::start();
    endpoint.script(|request| if request.seen == 0 { Reply::hang() } else { Reply::ok() });
    for offset in 0..200 {
        let mut first = Client::of(&endpoint);
        let mut second = Client::of(&endpoint);
        first.send(offset, "a", "v");
        endpoint.wait_until("the request", |ledger| ledger.attempts(&id(offset)) == 1);
        drop(first);
        // At once, so that the endpoint may well read this before it sees the other end.
        second.post(offset, "a");
    }
    let all: Vec<Sent> = (0..200).map(|offset| sent(offset, "a")).collect();
    endpoint.verdict(&all).assert_exact();
    endpoint.look(|ledger| {
        let gone = ledger.requests().iter().filter(|one| one.ending == Ending::ClientGone);
        assert_eq!(gone.count(), 200);
    });
}

#[test]
fn an_incident_comes_after_all_that_was_sent_before_it() {
    let _alone = starting();
    let endpoint = Endpoint::start();
    for count in [1, 8, 8, 800] {
        let before = endpoint.look(Ledger::count);
        let mut clients: Vec<Client> = (0..count).map(|_| Client::of(&endpoint)).collect();
        for client in &mut clients {
            client.send(0, "a", "v");
        }
        drop(clients);
        endpoint.incident("the clients are gone");
        assert_eq!(endpoint.look(Ledger::count), before + count);
    }
}

#[test]
fn an_endpoint_goes_down_and_comes_back_on_its_port() {
    let endpoint = Endpoint::start();
    endpoint.script(|_| Reply::hang());
    let mut client = Client::of(&endpoint);
    client.send(0, "a", "v");
    endpoint.wait_until("the request", |ledger| ledger.in_flight() == 1);
    endpoint.down();
    assert_eq!(client.answer(), "");
    assert!(TcpStream::connect(endpoint.address()).is_err());
    endpoint.look(|ledger| assert_eq!(ledger.requests()[0].ending, Ending::Closed));
    endpoint.script(|_| Reply::ok());
    endpoint.up();
    assert!(Client::of(&endpoint).post(0, "a").starts_with("HTTP/1.1 200 "));
}

#[test]
fn bodies_come_whole_chunked_in_pieces_and_behind_each_other() {
    let endpoint = Endpoint::start();
    let mut client = Client::of(&endpoint);
    let chunked = "POST / HTTP/1.1\r\nkeyway-topic: t\r\nkeyway-partition: 0\r\nkeyway-offset: 0\r\n\
                   transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
    // One byte at a time, and the next request right behind it.
    for byte in chunked.bytes().chain(request(1, "k", "").bytes()) {
        client.0.write_all(&[byte]).expect("the endpoint reads");
    }
    endpoint.wait_for_delivered(2);
    endpoint.look(|ledger| {
        assert_eq!(ledger.requests()[0].body.as_deref(), Some(&b"abc0123456789"[..]));
        assert_eq!(ledger.requests()[1].body.as_deref(), Some(&b""[..]));
    });
    client.0.write_all(b"this is not http\r\n\r\n").expect("the endpoint reads");
    endpoint.wait_until("a complaint", |ledger| !ledger.verdict(&[]).complaints.is_empty());
}

#[test]
fn a_tls_endpoint_serves_those_who_trust_it_and_whom_it_trusts() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let authority = Authority::new();
    let open = Endpoint::builder().tls(&authority).start();
    let strict = Endpoint::builder().mutual_tls(&authority).start();
    assert!(open.url().starts_with("https://127.0.0.1:"));
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(
            CertificateDer::from_pem_slice(authority.certificate().as_bytes())
                .expect("a certificate"),
        )
        .expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let speak = |endpoint: &Endpoint, issued: Option<&Issued>| {
        let config = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone());
        let config = match issued {
            None => config.with_no_client_auth(),
            Some(issued) => config
                .with_client_auth_cert(
                    vec![
                        CertificateDer::from_pem_slice(issued.certificate.as_bytes())
                            .expect("a certificate"),
                    ],
                    PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key"),
                )
                .expect("a certificate and its key"),
        };
        let name = "127.0.0.1".try_into().expect("a name");
        let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
        let mut stream = rustls::StreamOwned::new(session, Client::of(endpoint).0);
        stream.write_all(request(0, "a", "v").as_bytes()).ok()?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).ok()?;
        Some(String::from_utf8_lossy(&start).into_owned())
    };
    let ok = Some("HTTP/1.1 200".to_owned());
    assert_eq!(speak(&open, None), ok);
    assert_eq!(speak(&strict, None), None);
    assert_eq!(speak(&strict, Some(&authority.issue("client"))), ok);
    assert_eq!(speak(&strict, Some(&Authority::new().issue("stranger"))), None);
    open.look(|ledger| assert_eq!(ledger.delivered(), 1));
}

fn reader(cluster: &impl Cluster, group: &str, topic: &str) -> BaseConsumer {
    let mut config = cluster.access().config();
    config.set("group.id", group).set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer =
        config.set("enable.auto.commit", "false").create().expect("a consumer");
    consumer.subscribe(&[topic]).expect("a subscription");
    consumer
}

#[test]
fn the_mock_cluster_forms_groups_at_once_and_keeps_commits() {
    let mock = Mock::start();
    let topic = mock.topic("mock", 3);
    let produced = mock.produce(&topic, numbered(300, 10));
    assert_eq!(mock.read(&topic).len(), 300);
    assert_eq!(mock.watermarks(&topic).values().map(|marks| marks.high).sum::<i64>(), 300);
    let group = unique("mock");
    let consumer = reader(&mock, &group, &topic);
    let begun = Instant::now();
    let mut seen = 0;
    wait_for("all records", || {
        while let Some(Ok(message)) = consumer.poll(ms(10)) {
            seen += 1;
            consumer.commit_message(&message, CommitMode::Async).expect("a commit");
        }
        (seen == produced.len()).then_some(())
    });
    assert!(
        begun.elapsed() < Duration::from_millis(2_500),
        "joined at once: {:?}",
        begun.elapsed()
    );
    mock.wait_all_committed(&group, &topic);
    assert_eq!(mock.committed_total(&group, &topic), 300);

    let planted = unique("planted");
    mock.commit(&planted, &topic, 1, 7, "some text");
    let found = &mock.committed(&planted, &topic)[1];
    assert_eq!((found.offset, found.metadata.as_str()), (Some(7), "some text"));
}

#[test]
fn records_acknowledged_without_an_offset_are_found() {
    let mock = Mock::start();
    let topic = mock.topic("located", 2);
    // Two of each, so that a value alone does not say which it is.
    let twice = |n: usize| Record::new(format!("k{}", n % 4), format!("{}", n / 8));
    let sent = mock.produce(&topic, (0..60).map(twice).collect());
    let mut unknown = sent.clone();
    unknown.iter_mut().step_by(3).for_each(|one| one.id.offset = -1001);
    assert_eq!(mock.access().located(&topic, unknown), sent);
}

#[test]
fn a_mock_cluster_goes_down_and_comes_back() {
    let mock = Mock::with_brokers(2);
    let topic = mock.topic("down", 2);
    let load = mock.load(&topic, 1_000, |n| Record::new(format!("k{}", n % 5), format!("{n}")));
    load.wait_for(200);
    mock.down();
    let probe: BaseConsumer = mock.access().config().create().expect("a consumer");
    assert!(probe.fetch_metadata(Some(&topic), ms(300)).is_err());
    mock.up();
    mock.fail_next(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT]);
    load.wait_for(600);
    let sent: BTreeSet<Id> = load.stop().into_iter().map(|one| one.id).collect();
    let held: BTreeSet<Id> = mock.contents(&topic).into_iter().map(|one| one.id).collect();
    assert!(held.is_superset(&sent), "{:?}", sent.difference(&held));
}

#[test]
fn transactions_work_on_the_mock_cluster() {
    let mock = Mock::start();
    let topic = mock.topic("transactions", 1);
    assert_eq!(mock.produce_in_transaction(&topic, numbered(3, 1), true).len(), 3);
    assert_eq!(mock.read(&topic).len(), 3);
}

/// A stand-in for the binary: says where its API is, and what it was given.
fn stand_in(endpoint: &Endpoint, rest: &str) -> Keyway {
    let script = format!(
        "#!/bin/sh\necho '{{\"msg\":\"api listening\",\"addr\":\"{}\"}}' >&2\necho \"$@\"\necho \"$KEYWAY_SENDERS $KEYWAY_KAFKA_SSL_CA_LOCATION $HOME\"\n{rest}\n",
        endpoint.address()
    );
    let mock = Access {
        brokers: "b:1".into(),
        properties: vec![("ssl.ca.location".into(), "/ca".into())],
        idempotent: true,
    };
    let keyway =
        Keyway::run_with(&mock).topic("t").group("g").url(&endpoint.url()).env("KEYWAY_SENDERS", 7);
    let path = keyway.write("stand-in", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("a file's mode");
    keyway.program(path)
}

#[test]
fn a_child_gets_its_arguments_and_nothing_else_and_is_read_to_its_end() {
    let _alone = starting();
    let endpoint = Endpoint::start();
    let output = stand_in(&endpoint, "echo last >&2; exit 3").output();
    assert_eq!(output.code, 3);
    let mut lines = output.stdout.lines();
    let arguments = lines.next().expect("a line");
    assert!(
        arguments.starts_with("run --log-format json --listen 127.0.0.1:0 --brokers b:1 --topic t")
    );
    assert_eq!(lines.next(), Some("7 /ca "), "no variable but those that were given");
    assert!(output.stderr.ends_with("last"));
}

#[test]
fn a_child_is_watched_by_its_log_its_api_and_its_signals() {
    let _alone = starting();
    let endpoint = Endpoint::builder()
        .script(|request| match request.path.as_str() {
            "/readyz" if request.number < 3 => Reply::status(503),
            "/readyz" => Reply::ok(),
            "/metrics" => Reply::ok().body("# HELP x\nkeyway_x_total{a=\"b\"} 4\n"),
            _ => Reply::status(404),
        })
        .start();
    let mut child = stand_in(&endpoint, "trap 'exit 0' TERM; while :; do sleep 0.01; done").start();
    child.wait_ready();
    assert!(child.metrics().sum("keyway_x_total", &[]) > 3.0);
    assert_eq!(child.get("/nothing").map(|(status, _)| status), Some(404));
    assert!(child.resident_bytes().is_some_and(|bytes| bytes > 10_000));
    child.pause();
    child.resume();
    child.stop();
    let mut child = stand_in(&endpoint, "exec sleep 1000").start();
    child.api();
    child.kill();
    assert_eq!(child.exited(), Some(137));
}

#[test]
fn waiting_for_a_child_that_has_ended_fails_at_once() {
    let _alone = starting();
    let endpoint = Endpoint::start();
    let mut child = stand_in(&endpoint, "exit 1").start();
    let wait = std::panic::AssertUnwindSafe(|| child.wait_for_log("never said"));
    let message = std::panic::catch_unwind(wait).expect_err("a panic");
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("never said") && message.contains("exit status: 1"), "{message}");
}

#[test]
fn metrics_are_read_back() {
    let text = "# TYPE a counter\na{x=\"1\",y=\"q\\\"u\\\\o\\nte}\"} 2\na{x=\"2\"} 3.5\nb 7 1700000000\nc{le=\"+Inf\"} +Inf\n";
    let metrics = Metrics::parse(text);
    let near = |left: f64, right: f64| (left - right).abs() < 1e-9;
    assert!(near(metrics.sum("a", &[]), 5.5));
    assert_eq!(metrics.value("a", &[("y", "q\"u\\o\nte}")]), Some(2.0));
    assert_eq!(metrics.value("b", &[]), Some(7.0));
    assert_eq!(metrics.value("c", &[("le", "+Inf")]), Some(f64::INFINITY));
    assert_eq!(metrics.value("d", &[]), None);
    assert_eq!(metrics.names(), ["a", "b", "c"]);
}

/// Not a test: what the next one runs in a process of its own, to be killed.
#[test]
#[ignore = "started by a_child_does_not_outlive_a_killed_test_process"]
fn starts_a_child_and_hangs() {
    let child = Guarded::start(std::path::Path::new("sleep"), ["1000"], |_| {});
    println!("child {}", child.id());
    std::thread::sleep(LIMIT);
}

#[test]
fn a_child_does_not_outlive_a_killed_test_process() {
    let _alone = starting();
    let this = std::env::current_exe().expect("a path");
    let mut other = Command::new(this)
        .args(["--ignored", "--exact", "starts_a_child_and_hangs", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    let mut output = std::io::BufReader::new(other.stdout.take().expect("a pipe"));
    let child: u32 = wait_for("the child's number", || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut output, &mut line).expect("a line");
        line.trim().rsplit_once("child ")?.1.parse().ok()
    });
    let command = || std::fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
    wait_for("the child to run", || command().starts_with("sleep").then_some(()));
    other.kill().expect("a kill");
    other.wait().expect("an end");
    wait_for("the child to be gone", || command().is_empty().then_some(()));
}

#[test]
fn held_ports_are_our_own_and_none_that_the_system_gives_away() {
    let (one, two) = (HeldPort::take(), HeldPort::take());
    assert_ne!(one.number(), two.number());
    let automatic = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    assert!(one.number() < automatic.local_addr().expect("an address").port());
}

#[test]
fn loads_follow_their_seed_and_their_law() {
    let records = zipf(10_000, 100, 1.1, 7);
    let count =
        |key: &str| records.iter().filter(|one| one.key.as_deref() == Some(key.as_bytes())).count();
    assert!(count("k0") > 5 * count("k9").max(1), "{} against {}", count("k0"), count("k9"));
    let again = zipf(10_000, 100, 1.1, 7);
    assert!(records.iter().zip(&again).all(|(left, right)| left.key == right.key));
    assert_ne!(unique("a"), unique("a"));
}
