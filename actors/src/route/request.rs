//! One request of a plan: where to, how, and with what.

use std::fmt;

use awc::http::Method;
use awc::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;

use super::origin::Origin;
use crate::sink::http::{HttpSettingsError, Target};

/// The methods of a delivery. `GET` and `HEAD` deliver nothing, and what lies in between (a cache,
/// say) may answer them; the others are not for an application's data (RFC 9110, 9.3).
const METHODS: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What Keyway, or HTTP itself, says of a request: not for a route to set. Beside these, all that
/// begin with `keyway-`.
const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Of Standard Webhooks: a receiver takes them for Keyway's signature.
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// The longest value of a header, in bytes: what many servers take for all headers together.
pub(super) const HEADER_LIMIT: usize = 8192;

/// A request, by default `POST` with the record's value as it is.
#[derive(Clone)]
pub struct Request {
    target: Target,
    origin: Origin,
    method: Method,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Bytes>,
    host_from_record: bool,
}

impl Request {
    /// A `POST` of the record's value to an absolute `http` or `https` URL.
    ///
    /// # Errors
    /// What is wrong with the URL; the message does not repeat it, for it may hold secrets.
    pub fn new(url: &str) -> Result<Self, RequestError> {
        let target = Target::parse(url)?;
        let origin = Origin::of(&target);
        Ok(Self::to(target, origin, false))
    }

    /// A request to a URL that has been taken apart already.
    pub(super) fn to(target: Target, origin: Origin, host_from_record: bool) -> Self {
        let method = Method::POST;
        Self { target, origin, method, headers: Vec::new(), body: None, host_from_record }
    }

    /// Sets the method.
    ///
    /// # Errors
    /// A method other than `POST`, `PUT`, `PATCH` and `DELETE`.
    pub fn method(mut self, method: Method) -> Result<Self, RequestError> {
        if !METHODS.contains(&method) {
            return Err(RequestError::Method);
        }
        self.method = method;
        Ok(self)
    }

    /// Sets a header, in place of the one that Keyway or an earlier call would send.
    ///
    /// # Errors
    /// A name that is none or that Keyway sets itself; a value with other than printable ASCII, or
    /// longer than 8 KiB.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, RequestError> {
        let name = header_name(name)?;
        let value = header_value(value).map_err(|problem| match problem {
            ValueProblem::Character(bad) => RequestError::Character(name.clone(), bad),
            ValueProblem::Long => RequestError::Long(name.clone()),
        })?;
        self.set(name, value);
        Ok(self)
    }

    /// Sets a body in place of the record's value.
    #[must_use]
    pub fn body(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends it elsewhere.
    pub(super) fn aim(&mut self, target: Target, origin: Origin, host_from_record: bool) {
        (self.target, self.origin, self.host_from_record) = (target, origin, host_from_record);
    }

    /// A header whose name and value were checked before.
    pub(super) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
    }

    /// Says that a record had a say in the host. Such a request does not reach private addresses but
    /// those of `allowed_networks`.
    #[must_use]
    pub fn with_host_from_record(mut self) -> Self {
        self.host_from_record = true;
        self
    }

    /// The destination.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the host comes from a template. Such a request is not to reach private addresses:
    /// who writes records is not who runs this program.
    pub fn host_from_record(&self) -> bool {
        self.host_from_record
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The whole URL, with its query, which may hold a secret.
    pub fn url(&self) -> String {
        self.target.whole()
    }

    /// The method.
    pub fn method_used(&self) -> &Method {
        &self.method
    }

    /// The headers of its own; their values may hold secrets.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The body of its own; `None` for the record's value.
    pub fn body_given(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    /// What it takes to keep this request, in bytes: an upper bound, for constants are shared.
    pub(super) fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(_, value)| value.len()).sum();
        size_of::<Self>()
            + self.target.path.as_str().len()
            + self.target.host.len()
            + self.origin.as_str().len()
            + self.headers.len() * size_of::<(HeaderName, HeaderValue)>()
            + headers
            + self.body.as_ref().map_or(0, Bytes::len)
    }
}

/// Without the query, header values and body, which may hold secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

/// A method that a route may use.
pub(super) fn method(name: &str) -> Option<Method> {
    METHODS.into_iter().find(|method| method.as_str() == name)
}

/// A header that a route may set.
pub(super) fn header_name(name: &str) -> Result<HeaderName, RequestError> {
    let parsed = HeaderName::try_from(name).map_err(|_| RequestError::Name(name.to_owned()))?;
    if OWN_HEADERS.contains(&parsed.as_str()) || parsed.as_str().starts_with("keyway-") {
        return Err(RequestError::Own(parsed));
    }
    Ok(parsed)
}

/// What is wrong with the value of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueProblem {
    Character(char),
    Long,
}

/// Printable ASCII of a bounded length: nothing that ends a header or that receivers read in
/// different ways.
pub(super) fn header_value(text: &str) -> Result<HeaderValue, ValueProblem> {
    if let Some(bad) = text.chars().find(|char| !matches!(char, ' '..='~')) {
        return Err(ValueProblem::Character(bad));
    }
    if text.len() > HEADER_LIMIT {
        return Err(ValueProblem::Long);
    }
    HeaderValue::from_str(text).map_err(|_| ValueProblem::Character('\0'))
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The URL.
    #[error("the URL cannot be used: {0}")]
    Url(#[from] HttpSettingsError),
    /// A method that delivers nothing.
    #[error("the method is not one of POST, PUT, PATCH and DELETE")]
    Method,
    /// Not the name of a header.
    #[error("{0:?} is not the name of a header")]
    Name(String),
    /// A header that is not for a route to set.
    #[error("the header {0} is set by Keyway itself")]
    Own(HeaderName),
    /// A value that is not printable ASCII.
    #[error("the value of the header {0} has the character {1:?}; only printable ASCII is sent")]
    Character(HeaderName, char),
    /// A value that is too long.
    #[error("the value of the header {0} is longer than 8 KiB")]
    Long(HeaderName),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request::new("https://h/a?token=hush").unwrap()
    }

    #[test]
    fn a_request_is_a_post_of_the_value_until_told_otherwise() {
        let it = request();
        assert_eq!((it.method_used(), it.headers().len()), (&Method::POST, 0));
        assert_eq!((it.body_given(), it.host_from_record()), (None, false));
        assert_eq!(it.origin().as_str(), "https://h:443");
        let it = it.method(Method::PUT).unwrap().body(Bytes::from("b"));
        assert_eq!((it.method_used(), it.body_given()), (&Method::PUT, Some(&Bytes::from("b"))));
        assert_eq!(it.target().path.as_str(), "/a?token=hush");
    }

    #[test]
    fn methods_that_deliver_nothing_are_refused() {
        for method in [Method::GET, Method::HEAD, Method::CONNECT, Method::TRACE, Method::OPTIONS] {
            assert_eq!(request().method(method).err(), Some(RequestError::Method));
        }
        for method in METHODS {
            assert!(request().method(method).is_ok());
        }
    }

    #[test]
    fn headers_that_keyway_sets_are_refused() {
        for name in ["Host", "content-length", "Idempotency-Key", "Keyway-Offset", "keyway-new"] {
            let error = request().header(name, "v").err();
            assert!(matches!(error, Some(RequestError::Own(_))), "{name}: {error:?}");
        }
        for name in ["", "a b", "a:", "\u{e9}"] {
            let error = request().header(name, "v").err();
            assert_eq!(error, Some(RequestError::Name(name.to_owned())));
        }
    }

    #[test]
    fn a_header_holds_printable_ascii_of_a_bounded_length() {
        for bad in ['\r', '\n', '\0', '\t', '\u{7f}', '\u{e9}'] {
            let error = request().header("x", &format!("a{bad}b")).err();
            assert_eq!(error, Some(RequestError::Character(HeaderName::from_static("x"), bad)));
        }
        assert!(request().header("x", &"v".repeat(HEADER_LIMIT)).is_ok());
        let error = request().header("x", &"v".repeat(HEADER_LIMIT + 1)).err();
        assert_eq!(error, Some(RequestError::Long(HeaderName::from_static("x"))));
    }

    #[test]
    fn a_header_set_again_replaces_the_former() {
        let it = request().header("X-A", "1").unwrap().header("x-a", "2").unwrap();
        assert_eq!(it.headers(), [(HeaderName::from_static("x-a"), HeaderValue::from_static("2"))]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let it = request().header("Authorization", "hush").unwrap().body(Bytes::from("hush"));
        assert_eq!(format!("{it:?}"), "POST https://h/a?...");
    }
}
