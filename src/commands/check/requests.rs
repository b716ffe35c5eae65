//! The plans of records, as `check --record` and `--sample` print them; nothing is sent.

use std::io::{self, Write};

use keyway_actors::Record;
use keyway_actors::route::{Plan, PlanContext, Refusal, Request, TemplateRoutes, Unmatched};
use keyway_actors::sink::file::FileSettings;

use super::plan::shown_url;
use super::record::Example;
use super::shown::Shown;
use crate::settings::{
    EventMode, HttpSettings, PipelineSettings, Routes, Settings, SinkSettings, Way,
};
use crate::wiring;

/// What the media types of whole events begin with (`CloudEvents`, HTTP binding 3.2).
const EVENT: &[u8] = b"application/cloudevents";

/// Prints the plan that each pipeline makes of a record. Whether none refuses it.
pub fn of_example(settings: &Settings, example: &Example, out: &mut dyn Write) -> io::Result<bool> {
    let mut accepted = true;
    for pipeline in &settings.pipelines {
        writeln!(out, "pipeline {}", pipeline.name)?;
        let plain = pipeline.topics.iter().find(|topic| !topic.starts_with('^'));
        let topic = example.topic().or(plain.map(String::as_str)).unwrap_or("topic");
        accepted &= of_record(pipeline, &example.record(topic), out)?;
    }
    Ok(accepted)
}

/// Prints the plan that a pipeline makes of a record. Whether it does not refuse it.
pub fn of_record(
    pipeline: &PipelineSettings,
    record: &Record,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let (text, accepted) = match &pipeline.sink {
        SinkSettings::Http(http) => of_http(pipeline, http, record),
        SinkSettings::File(file) => (line(file, record), true),
    };
    for line in text.lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(accepted)
}

fn of_http(pipeline: &PipelineSettings, http: &HttpSettings, record: &Record) -> (String, bool) {
    match &http.way {
        Way::One(url) => {
            let url = shown_url(url, &http.filled);
            let value = value(http, record, None);
            (format!("1. POST {url}\n   body: {value}\n"), true)
        }
        Way::Routes(routes) => match wiring::routes(routes) {
            Ok(route) => routed(pipeline, http, routes, &route, record),
            Err(error) => (format!("{error}\n"), false),
        },
    }
}

/// What would be appended: the lines as they are where they are text.
fn line(file: &FileSettings, record: &Record) -> String {
    let (path, bytes) = (file.path.display(), file.format.line(record));
    let is_text =
        |text: &&str| !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t'));
    match std::str::from_utf8(&bytes).ok().filter(is_text) {
        Some(text) => format!("appended to {path}:\n{text}"),
        None => format!("appended to {path}: {} bytes that are no text\n", bytes.len()),
    }
}

fn routed(
    pipeline: &PipelineSettings,
    http: &HttpSettings,
    routes: &Routes,
    route: &TemplateRoutes,
    record: &Record,
) -> (String, bool) {
    match route.plan_with_places(record, &PlanContext::new(1, &pipeline.group_id)) {
        Ok((plan, places)) => {
            let value = |own: &Request| value(http, record, Some(own));
            (requests(routes, &plan, &places, value), true)
        }
        Err(Refusal::Rejected(failure)) => {
            let why = routes.filled.reason(&failure.to_string(), &words(routes));
            (format!("rejected: {why}\n"), false)
        }
        Err(Refusal::Unmatched(unmatched)) => {
            let what = match unmatched {
                Unmatched::Filter => "filtered",
                Unmatched::DeadLetter => "dead-lettered",
                Unmatched::Stop => "the pipeline stops",
            };
            let text = format!("no route matches: {what}\n");
            (text, unmatched == Unmatched::Filter)
        }
    }
}

fn requests(
    routes: &Routes,
    plan: &Plan,
    places: &[(usize, usize)],
    value: impl Fn(&Request) -> &'static str,
) -> String {
    if plan.requests().is_empty() {
        return "no request: the record is filtered\n".to_owned();
    }
    let filled = &routes.filled;
    let mut text = String::new();
    for (number, (request, (route, index))) in (1..).zip(plan.requests().iter().zip(places)) {
        let written = &routes.written.routes[*route].requests[*index];
        let shown = Shown { request, written, filled, value: value(request) };
        text.push_str(&shown.lines(number));
    }
    text
}

/// What a request without a body of its own has as its body. As an event, a record whose content type
/// says that it is one already goes on as it is.
fn value(http: &HttpSettings, record: &Record, request: Option<&Request>) -> &'static str {
    let Some(events) = &http.cloud_events else { return "the record's value" };
    let own = request.and_then(|request| {
        let own = request.headers().iter().find(|(name, _)| name.as_str() == "content-type");
        own.map(|(_, value)| value.as_bytes())
    });
    let of_record = || {
        let headers = record.headers();
        let found = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-type")).last();
        found.and_then(|(_, value)| value)
    };
    let content_type = own.or_else(of_record).unwrap_or(http.content_type.as_bytes());
    let start = content_type.trim_ascii().get(..EVENT.len());
    match events.mode {
        _ if start.is_some_and(|start| start.eq_ignore_ascii_case(EVENT)) => {
            "the record's value, which is an event in itself"
        }
        EventMode::Binary => "the record's value, with what it is as an event in ce- headers",
        EventMode::Structured => "the record as an event: a JSON document with its value in it",
    }
}

/// Words that a refusal may use: those of the routes as they are written, and its own.
fn words(routes: &Routes) -> String {
    let mut words = "route request header method url body when".to_owned();
    for route in &routes.written.routes {
        words.extend(route.when.iter().map(String::as_str));
        for request in &route.requests {
            words.push_str(&request.url);
            let others = [&request.method, &request.body].into_iter().flatten();
            words
                .extend(others.chain(request.headers.iter().map(|(_, it)| it)).map(String::as_str));
        }
    }
    words
}
