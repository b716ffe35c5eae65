//! The requests of a record, one after the other.

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
}
