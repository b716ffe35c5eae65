//! The parameters of a consumer, from the query or a JSON body, and the pipeline that they mean.
//!
//! What each is by itself is checked here, so that the answer says which parameter is wrong. What
//! only the process can know (whether a path stays in its folder, which brokers may be named) is for
//! the supervisor.

use std::collections::BTreeMap;

use actix_web::{HttpMessage, HttpRequest};
use serde_json::{Map, Value};
use url::form_urlencoded;
use utoipa::ToSchema;

use super::super::json::{self, Unread};
use super::refused::{Fault, Refusal};
use crate::settings::Body;
use crate::settings::value::{self, brokers, http, names};

/// The group of a consumer that is given none, as it is in the service that this stands in for.
const GROUP: &str = "demo-consumer-group";

const QUERY: &str = "query";
const BODY: &str = "body";

/// The parameters of a consumer, as a body has them.
#[expect(
    dead_code,
    reason = "it is for the document of what can be asked; `read` takes them one by one"
)]
#[derive(Debug, ToSchema)]
pub struct Parameters {
    /// Brokers as `host:port`, separated by commas.
    #[schema(example = "localhost:9092")]
    pub broker: String,
    /// The topic.
    #[schema(example = "orders")]
    pub topic: String,
    /// The file, in the folder of `--file-root`.
    #[schema(example = "orders.txt")]
    pub file_path: Option<String>,
    /// In place of the file: where each record is posted.
    pub http_url: Option<String>,
    /// The consumer group; `demo-consumer-group` if not given.
    pub group_id: Option<String>,
    /// The consumer's id; one is made up if not given.
    pub client_id: Option<String>,
}

/// What was given, each checked by itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Given {
    pub broker: String,
    pub topic: String,
    pub group_id: String,
    pub client_id: Option<String>,
    pub target: Target,
}

/// Where records go.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// Into a file.
    File(String),
    /// To a URL.
    Url(String),
}

/// The object that the body of a request holds; `None` without a body.
///
/// # Errors
/// It is something else. A type is asked for because a page of another site cannot send this one
/// without asking first (Fetch standard, CORS-safelisted request headers).
pub fn body(request: &HttpRequest, bytes: &[u8]) -> Result<Option<Body>, Refusal> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let fault = |kind, msg: String| {
        Refusal::faults(vec![Fault { r#type: kind, loc: vec![BODY.into()], msg }])
    };
    if request.content_type() != "application/json" {
        let what = "Input should be a JSON object, sent with Content-Type: application/json";
        return Err(fault("model_attributes_type", what.to_owned()));
    }
    json::object(bytes).map(Some).map_err(|unread| match unread {
        Unread::Key(key, why) => {
            let msg = format!("Value error, {why}");
            let loc = vec![BODY.into(), key.into()];
            Refusal::faults(vec![Fault { r#type: "value_error", loc, msg }])
        }
        Unread::NoObject(_) => {
            let what = "Input should be a valid dictionary or object to extract fields from";
            fault("model_attributes_type", what.to_owned())
        }
        Unread::NoJson(error) => fault("json_invalid", format!("JSON decode error: {error}")),
    })
}

/// Reads the parameters; others than these are not looked at.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(query: &str, body: Option<&Body>) -> Result<Given, Vec<Fault>> {
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut reader = Reader { query, body, faults: Vec::new() };
    let broker = reader.required("broker", brokers::list);
    let topic = reader.required("topic", names::topic_or_pattern);
    let target = reader.target();
    let group_id = reader.optional("group_id", names::group);
    let client_id = reader.optional("client_id", names::pipeline);
    match (broker, topic, target) {
        (Some(broker), Some(topic), Some(target)) if reader.faults.is_empty() => Ok(Given {
            broker,
            topic,
            group_id: group_id.unwrap_or_else(|| GROUP.to_owned()),
            client_id,
            target,
        }),
        _ => Err(reader.faults),
    }
}

impl Given {
    /// The pipeline of that name that does this.
    pub fn definition(&self, name: &str) -> Body {
        let kafka = [("bootstrap.servers", &*self.broker), ("client.id", name)];
        let (section, settings) = match &self.target {
            // What the process sets for the files of all pipelines is not for these.
            Target::File(path) => ("file", object([("path", path), ("format", "raw")])),
            Target::Url(url) => ("http", object([("url", url)])),
        };
        Body::from_iter([
            ("topics".to_owned(), Value::from(vec![self.topic.clone()])),
            ("group_id".to_owned(), Value::from(self.group_id.clone())),
            ("kafka".to_owned(), object(kafka)),
            (section.to_owned(), settings),
        ])
    }
}

fn object<const N: usize>(entries: [(&str, &str); N]) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
    Value::Object(entries.collect::<Map<_, _>>())
}

struct Reader<'a> {
    /// Of a parameter that is given twice, the last.
    query: BTreeMap<String, String>,
    body: Option<&'a Body>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// What a parameter is given as, and where; an empty text is as good as none.
    fn text(&mut self, name: &'static str) -> Option<(String, &'static str)> {
        if let Some(text) = self.query.get(name).filter(|text| !text.is_empty()) {
            return Some((text.clone(), QUERY));
        }
        match self.body?.get(name)? {
            Value::Null => None,
            Value::String(text) => Some((text.clone(), BODY)).filter(|_| !text.is_empty()),
            _ => {
                self.fault("string_type", BODY, name, "Input should be a valid string");
                None
            }
        }
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        check: fn(&str) -> Result<T, value::Refused>,
    ) -> Option<String> {
        let (text, place) = self.text(name)?;
        let Err(refused) = check(&text) else { return Some(text) };
        let because = refused.because.map_or_else(String::new, |why| format!(": {why}"));
        let what = format!("Value error, expected {}{because}", refused.expected);
        self.fault("value_error", place, name, what);
        None
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        check: fn(&str) -> Result<T, value::Refused>,
    ) -> Option<String> {
        let before = self.faults.len();
        let found = self.optional(name, check);
        if found.is_none() && self.faults.len() == before {
            self.missing(name, "Field required");
        }
        found
    }

    fn target(&mut self) -> Option<Target> {
        let before = self.faults.len();
        let file = self.text("file_path");
        let url = self.optional("http_url", http::target);
        if self.faults.len() > before {
            return None;
        }
        match (file, url) {
            (Some((path, _)), None) => Some(Target::File(path)),
            (None, Some(url)) => Some(Target::Url(url)),
            (Some((_, place)), Some(_)) => {
                let what = "Value error, expected either file_path or http_url, not both";
                self.fault("value_error", place, "file_path", what);
                None
            }
            (None, None) => {
                self.missing("file_path", "Field required (or http_url in its place)");
                None
            }
        }
    }

    fn missing(&mut self, name: &'static str, what: &str) {
        let place = if self.body.is_some() { BODY } else { QUERY };
        self.fault("missing", place, name, what);
    }

    fn fault(
        &mut self,
        kind: &'static str,
        place: &'static str,
        name: &'static str,
        what: impl Into<String>,
    ) {
        self.faults.push(Fault {
            r#type: kind,
            loc: vec![place.into(), name.into()],
            msg: what.into(),
        });
    }
}
