//! What a record looks like on the wire.

use super::*;

/// The one request that comes of a record.
async fn request_of(record: &Record) -> Request {
    let server = Server::start(|_| Answer::ok());
    assert_eq!(sink(&server).attempt(record, 1).await, Outcome::Delivered);
    server.request()
}

#[actix_rt::test]
async fn a_request_says_what_and_from_where() {
    let server = Server::start(|_| Answer::ok());
    let record = Record::builder("orders", 3, 42)
        .key("user:17")
        .value("{\"id\":1}")
        .timestamp(1_700_000_000_123)
        .build();
    assert_eq!(sink(&server).attempt(&record, 1).await, Outcome::Delivered);
    let mut request = server.request();
    assert_eq!(request.line, "POST /orders HTTP/1.1");
    assert_eq!(request.body, b"{\"id\":1}");
    request.headers.retain(|(name, _)| name != "date");
    request.headers.sort();
    let address = server.address().to_string();
    let expected = [
        ("accept-encoding", "identity"),
        ("content-length", "8"),
        ("content-type", "application/json"),
        ("host", address.as_str()),
        ("idempotency-key", "keyway:orders:3:42"),
        ("keyway-attempt", "1"),
        ("keyway-key", "user:17"),
        ("keyway-offset", "42"),
        ("keyway-partition", "3"),
        ("keyway-timestamp", "1700000000123"),
        ("keyway-topic", "orders"),
        ("user-agent", concat!("keyway/", env!("CARGO_PKG_VERSION"))),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(request.headers, expected);
}

#[actix_rt::test]
async fn path_and_query_are_sent_as_they_were_written() {
    let server = Server::start(|_| Answer::ok());
    let settings = HttpSettings::new(&server.url("/a%20b/..;c?token=%2B&x=%c3%a9")).unwrap();
    settings.build(&context(1)).unwrap().attempt(&record(), 1).await;
    assert_eq!(server.request().line, "POST /a%20b/..;c?token=%2B&x=%c3%a9 HTTP/1.1");
}

#[actix_rt::test]
async fn a_null_value_is_a_tombstone_and_an_empty_one_is_not() {
    let null = request_of(&Record::builder("orders", 0, 0).key("k").build()).await;
    assert_eq!(null.header("keyway-tombstone"), Some("true"));
    assert_eq!((null.header("content-length"), &null.body[..]), (Some("0"), &b""[..]));
    let empty = request_of(&Record::builder("orders", 0, 0).key("k").value("").build()).await;
    assert_eq!(empty.header("keyway-tombstone"), None);
    assert_eq!((empty.header("content-length"), &empty.body[..]), (Some("0"), &b""[..]));
}

#[actix_rt::test]
async fn what_a_record_lacks_has_no_header() {
    let request = request_of(&Record::builder("orders", 0, 0).value("x").build()).await;
    assert_eq!(request.header("keyway-key"), None);
    assert_eq!(request.header("keyway-timestamp"), None);
    assert_eq!(request.header("keyway-offset"), Some("0"));
    let empty_key = request_of(&Record::builder("orders", 0, 0).key("").value("x").build()).await;
    assert_eq!(empty_key.header("keyway-key"), Some(""));
}

#[actix_rt::test]
async fn keys_of_any_bytes_arrive() {
    for (key, sent) in [
        (&b"\x00\xff\r\n"[..], "base64:AP8NCg=="),
        (b"a\r\nx-evil: 1", "a%0D%0Ax-evil:%201"),
        ("gr\u{fc}n".as_bytes(), "gr%C3%BCn"),
        (b"base64:AA==", "base64%3AAA=="),
    ] {
        let request =
            request_of(&Record::builder("orders", 0, 0).key(key).value("x").build()).await;
        assert_eq!(request.header("keyway-key"), Some(sent));
        assert_eq!(request.header("x-evil"), None);
    }
    let long = vec![b'x'; 3 << 20];
    let request = request_of(&Record::builder("orders", 0, 0).key(long).value("x").build()).await;
    assert!(request.header("keyway-key").unwrap().starts_with("sha256:"));
}

#[actix_rt::test]
async fn values_of_any_bytes_arrive() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = every_byte.repeat(4096);
    for value in [every_byte, large] {
        let request =
            request_of(&Record::builder("orders", 0, 0).value(value.clone()).build()).await;
        assert!(request.body == value, "{} bytes became {}", value.len(), request.body.len());
        assert_eq!(request.header("content-length"), Some(&*value.len().to_string()));
    }
}

#[actix_rt::test]
async fn attempts_are_counted_and_the_idempotency_key_stays() {
    let server = Server::start(|_| Answer::ok());
    let sink = sink(&server);
    for attempt in [1, 2, 10, u32::MAX] {
        sink.attempt(&record(), attempt).await;
    }
    let requests = server.requests();
    let attempts: Vec<_> = requests.iter().map(|it| it.header("keyway-attempt").unwrap()).collect();
    assert_eq!(attempts, ["1", "2", "10", "4294967295"]);
    assert!(requests.iter().all(|it| it.header("idempotency-key") == Some("keyway:orders:3:42")));
}

#[actix_rt::test]
async fn a_records_content_type_counts_if_it_can_be_sent() {
    for (given, sent) in [
        (&b"text/csv; charset=utf-8"[..], "text/csv; charset=utf-8"),
        (b"a/b\r\nx-evil: 1", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"", "application/json"),
    ] {
        let record =
            Record::builder("orders", 0, 0).value("x").header("Content-Type", given).build();
        let request = request_of(&record).await;
        assert_eq!(request.header("content-type"), Some(sent));
        assert_eq!(request.header("x-evil"), None);
    }
}

#[actix_rt::test]
async fn trace_context_goes_on_and_other_headers_do_not() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let record = Record::builder("orders", 0, 0)
        .value("x")
        .header("traceparent", parent)
        .header("tracestate", "vendor=1")
        .header("host", "evil.example")
        .header("content-length", "1000")
        .header("keyway-offset", "7")
        .header("authorization", "Bearer x")
        .build();
    let request = request_of(&record).await;
    assert_eq!(request.header("traceparent"), Some(parent));
    assert_eq!(request.header("tracestate"), Some("vendor=1"));
    assert_eq!(request.header("content-length"), Some("1"));
    assert_eq!(request.header("keyway-offset"), Some("0"));
    assert_ne!(request.header("host"), Some("evil.example"));
    assert_eq!(request.header("authorization"), None);
}

#[actix_rt::test]
async fn the_configured_content_type_and_group_are_sent() {
    let server = Server::start(|_| Answer::ok());
    let settings = settings(&server).content_type("application/x-ndjson").unwrap();
    let mut context = context(1);
    context.group_id = "gr\u{fc}n team\r\n".to_owned();
    settings.build(&context).unwrap().attempt(&record(), 1).await;
    let request = server.request();
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(request.header("idempotency-key"), Some("gr%C3%BCn%20team%0D%0A:orders:3:42"));
}

#[actix_rt::test]
async fn partitions_do_not_mix_however_many_there_are() {
    let server = Server::start(|_| Answer::ok());
    let sink = sink(&server);
    let places: Vec<_> =
        (0..1500).chain(0..3).map(|partition| (format!("t{}", partition % 7), partition)).collect();
    for (topic, partition) in &places {
        let record = Record::builder(topic, *partition, 5).value("x").build();
        assert_eq!(sink.attempt(&record, 1).await, Outcome::Delivered);
    }
    for (request, (topic, partition)) in server.requests().iter().zip(places) {
        assert_eq!(request.header("keyway-topic"), Some(&*topic));
        assert_eq!(request.header("keyway-partition"), Some(&*partition.to_string()));
        assert_eq!(
            request.header("idempotency-key").unwrap(),
            format!("keyway:{topic}:{partition}:5")
        );
    }
}
