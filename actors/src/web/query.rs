//! The parameters of a query. What is wrong with them is told of all at once, each by its name.

use std::collections::BTreeMap;
use std::fmt::Display;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::problem::Problem;

/// Parameters by name, and what is wrong with them.
pub(super) struct Query {
    given: BTreeMap<String, String>,
    wrong: Problem,
}

impl Query {
    /// The query of a request, which may have these parameters, each once.
    pub(super) fn of(request: &HttpRequest, known: &[&str]) -> Self {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let mut query = Self { given: BTreeMap::new(), wrong: bad_query() };
        for (name, value) in pairs.map(web::Query::into_inner).unwrap_or_default() {
            if !known.contains(&name.as_str()) {
                query.refuse(&name, format!("is unknown here; there are: {}", known.join(", ")));
            } else if query.given.insert(name.clone(), value).is_some() {
                query.refuse(&name, "is given twice");
            }
        }
        query
    }

    /// A parameter, if it is there and can be read.
    pub(super) fn read<T, E: Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match read(self.given.get(name)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, error.to_string());
                None
            }
        }
    }

    /// Whether a parameter is there, right or wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Something is wrong with this parameter.
    pub(super) fn refuse(&mut self, name: &str, why: impl Into<String>) {
        self.wrong = std::mem::replace(&mut self.wrong, bad_query()).with(name, why);
    }

    /// Refuses the request if something is wrong.
    pub(super) fn checked(self) -> Result<(), Problem> {
        if self.wrong.errors.is_empty() { Ok(()) } else { Err(self.wrong) }
    }
}

fn bad_query() -> Problem {
    let detail = "the query is not as it should be; errors says which parameters, and why";
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// The answer where something is wrong with a parameter.
pub(super) enum BadQuery {}

impl IntoResponses for BadQuery {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        bad_query()
            .with("limit", "is to be a number from 1 to 1000")
            .documented("Something is wrong with the query; each parameter is named.")
    }
}
