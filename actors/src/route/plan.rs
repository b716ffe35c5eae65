//! The requests of a record, one after the other.

use std::fmt;

use smallvec::SmallVec;

use super::request::Request;

/// The most requests of a plan. They are made one after the other while their lane waits; more than
/// this is a job for the receiver, and the number keeps a plan's memory and time in bounds.
pub const MAX_REQUESTS: usize = 64;

/// What is to be requested for a record: nothing, one request, or several that belong together.
///
/// They are made in order, each after the one before it was delivered; the record is settled with
/// the last.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    requests: SmallVec<[Request; 1]>,
}

impl Plan {
    /// No request: the record is settled as filtered.
    pub fn filtered() -> Self {
        Self::default()
    }

    /// One request.
    pub fn one(request: Request) -> Self {
        Self { requests: SmallVec::from([request]) }
    }

    /// The requests, in their order; none for a record that is filtered.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// What it takes to keep the plan beyond its record, in bytes: URLs, headers and bodies of its
    /// own. An upper bound.
    pub fn bytes(&self) -> usize {
        self.requests.iter().map(Request::bytes).sum()
    }

    /// The plan as `keyway check` prints it: whole URLs and short bodies, and headers save those that
    /// look secret.
    /// For the one who wrote the routes, not for a log.
    pub fn text(&self) -> PlanText<'_> {
        PlanText(self)
    }

    /// The caller sees to it that there are no more than [`MAX_REQUESTS`].
    pub(super) fn push(&mut self, request: Request) {
        self.requests.push(request);
    }
}

impl TryFrom<Vec<Request>> for Plan {
    type Error = TooManyRequests;

    fn try_from(requests: Vec<Request>) -> Result<Self, TooManyRequests> {
        if requests.len() > MAX_REQUESTS {
            return Err(TooManyRequests(requests.len()));
        }
        Ok(Self { requests: requests.into() })
    }
}

/// More requests than a plan may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} requests for one record; a plan has at most {MAX_REQUESTS}")]
pub struct TooManyRequests(pub usize);

/// A plan as text, see [`Plan::text`].
#[derive(Debug)]
pub struct PlanText<'a>(&'a Plan);

impl fmt::Display for PlanText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.requests.is_empty() {
            return f.write_str("no request: the record is filtered\n");
        }
        for (number, request) in (1..).zip(&self.0.requests) {
            writeln!(f, "{number}. {} {}", request.method_used(), request.target().whole())?;
            for (name, value) in request.headers() {
                let shown = if looks_secret(name.as_str()) { None } else { value.to_str().ok() };
                writeln!(f, "   {name}: {}", shown.unwrap_or("(not shown)"))?;
            }
            match request.body_given() {
                None => writeln!(f, "   body: the record's value")?,
                Some(body) => writeln!(f, "   body: {}", Body(body))?,
            }
        }
        Ok(())
    }
}

/// A body of its own: as it is while it is short text.
struct Body<'a>(&'a [u8]);

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHORT: usize = 4096;
        match std::str::from_utf8(self.0) {
            Ok(text) if text.len() <= SHORT && !text.contains(char::is_control) => {
                f.write_str(text)
            }
            _ => write!(f, "{} bytes of its own", self.0.len()),
        }
    }
}

/// Whether a header usually holds a secret, by its name.
fn looks_secret(name: &str) -> bool {
    ["auth", "cookie", "key", "password", "secret", "signature", "token"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request() -> Request {
        Request::new("https://h/a?b=c").unwrap()
    }

    #[test]
    fn a_plan_has_a_bounded_number_of_requests() {
        let plan = Plan::try_from(vec![request(); MAX_REQUESTS]).unwrap();
        assert_eq!(plan.requests().len(), MAX_REQUESTS);
        let error = Plan::try_from(vec![request(); MAX_REQUESTS + 1]).err();
        assert_eq!(error, Some(TooManyRequests(MAX_REQUESTS + 1)));
        assert!(Plan::filtered().requests().is_empty());
    }

    #[test]
    fn a_plan_costs_what_its_requests_hold() {
        let plain = Plan::one(request()).bytes();
        assert_eq!(Plan::filtered().bytes(), 0);
        let body = Plan::one(request().body(Bytes::from(vec![0; 1000]))).bytes();
        assert_eq!(body, plain + 1000);
        let header = Plan::one(request().header("x", &"v".repeat(500)).unwrap()).bytes();
        assert!(header >= plain + 500);
        let url = Plan::one(Request::new(&format!("https://h/{}", "u".repeat(300))).unwrap());
        assert!(url.bytes() >= 300);
    }

    #[test]
    fn a_plan_is_printed_without_secrets() {
        let second = request()
            .header("X-Region", "eu")
            .and_then(|it| it.header("X-Api-Key", "hush"))
            .unwrap()
            .body(Bytes::from(r#"{"a":1}"#));
        let plan = Plan::try_from(vec![request(), second]).unwrap();
        assert_eq!(
            plan.text().to_string(),
            "1. POST https://h/a?b=c\n   body: the record's value\n\
             2. POST https://h/a?b=c\n   x-region: eu\n   x-api-key: (not shown)\n   \
             body: {\"a\":1}\n"
        );
        assert!(Plan::filtered().text().to_string().contains("filtered"));
    }

    #[test]
    fn a_body_that_is_long_or_no_text_is_told_by_its_size() {
        for body in [vec![b'a'; 4097], b"\xff\xfe".to_vec(), b"two\nlines".to_vec()] {
            let size = format!("body: {} bytes of its own", body.len());
            let text = Plan::one(request().body(body.into())).text().to_string();
            assert!(text.contains(&size), "{text}");
        }
    }
}
