//! Routes from a configuration: conditions and templates, compiled once.

use std::collections::BTreeSet;

use awc::http::header::HeaderName;

use self::compile::Compiler;
use super::body::{Bodies, Body};
use super::condition::Condition;
use super::context::{Lazy, VARIABLES};
use super::hosts::AllowedHosts;
use super::origin::Origin;
use super::place::{Field, Place, TemplateError};
use super::plan::Plan;
use super::request::{self, Request, ValueProblem, header_value};
use super::settings::{MatchMode, RoutesSettings};
use super::text::Text;
use super::url::Url;
use super::{PlanContext, Refusal, Route, Unmatched};
use crate::core::outcome::{Failure, FailureKind};
use crate::record::Record;

mod compile;
#[cfg(test)]
mod tests;

/// The most that the requests of one plan may take, in bytes: some times the largest record that
/// brokers usually take (`message.max.bytes`, a mebibyte by default), and little beside the budget.
const PLAN_LIMIT: usize = 32 * 1024 * 1024;

/// Routes of conditions and templates.
///
/// They share one language, that of [minijinja](https://docs.rs/minijinja). In both, a record is
/// `key`, `key_base64`, `value` (read as JSON), `raw` (the value as text), `headers`, `topic`,
/// `partition`, `offset`, `timestamp` (ms) with `attempt` and `group`; a null key, value or header is
/// `none`. `merge(a, b)`, or `a | merge(b)`, puts objects together, and `now()` is the time.
///
/// A name that does not exist is refused at the start. What a *record* lacks is, in a condition,
/// undefined: false, and equal to nothing; in a template it is an error, and the record is rejected.
/// So is a record whose value a condition or template asks for and that is not JSON. Routes that do
/// not ask for the value parse nothing, and what is the same for all records is made once.
pub struct TemplateRoutes {
    routes: Vec<OneRoute>,
    mode: MatchMode,
    unmatched: Unmatched,
    hosts: AllowedHosts,
    bodies: Bodies,
    /// The variables that are used anywhere.
    used: Vec<&'static str>,
}

struct OneRoute {
    when: Option<Condition>,
    requests: Vec<OneRequest>,
}

struct OneRequest {
    /// With all that is the same for every record; its URL only where `url` is a constant.
    base: Request,
    url: Url,
    method: Option<Text>,
    headers: Vec<(HeaderName, String, Text)>,
    body: Body,
}

impl TemplateRoutes {
    /// Compiles routes.
    ///
    /// # Errors
    /// All that is wrong with them, in their order; never empty.
    pub fn new(settings: &RoutesSettings) -> Result<Self, Vec<TemplateError>> {
        let mut compiler = Compiler::new(settings);
        let routes: Vec<OneRoute> = settings
            .routes
            .iter()
            .enumerate()
            .filter_map(|(number, route)| compiler.route(number, route))
            .collect();
        if !compiler.errors.is_empty() {
            return Err(compiler.errors);
        }
        let used = VARIABLES.iter().copied().filter(|name| compiler.used.contains(*name)).collect();
        Ok(Self {
            routes,
            mode: settings.mode,
            unmatched: settings.unmatched,
            hosts: compiler.hosts,
            bodies: compiler.bodies.finish(),
            used,
        })
    }

    /// Where its requests go, each destination once; `None` is among them if a record says it.
    pub fn origins(&self) -> BTreeSet<Option<&Origin>> {
        let requests = self.routes.iter().flat_map(|route| &route.requests);
        requests.map(|request| request.url.origin()).collect()
    }
}

impl TemplateRoutes {
    /// The plan, with where each of its requests is written: which route, and which request of it,
    /// both from 0. For whoever shows a plan to the one who wrote the routes.
    ///
    /// # Errors
    /// As of [`Route::plan`].
    pub fn plan_with_places(
        &self,
        record: &Record,
        context: &PlanContext<'_>,
    ) -> Result<(Plan, Vec<(usize, usize)>), Refusal> {
        let mut places = Vec::new();
        let plan = self.make(record, context, |route, request| places.push((route, request)))?;
        Ok((plan, places))
    }

    fn make(
        &self,
        record: &Record,
        context: &PlanContext<'_>,
        mut made_of: impl FnMut(usize, usize),
    ) -> Result<Plan, Refusal> {
        let mut lazy = Lazy::new(record, context, &self.used);
        let mut plan = Plan::filtered();
        let mut matched = false;
        for (number, route) in self.routes.iter().enumerate() {
            if !route.matches(number, &mut lazy)? {
                continue;
            }
            matched = true;
            for (index, request) in route.requests.iter().enumerate() {
                let room = PLAN_LIMIT.saturating_sub(plan.bytes());
                let made = request.make(&mut lazy, &self.hosts, &self.bodies, room);
                plan.push(made.map_err(|(field, message)| {
                    rejected(&Place { route: Some(number), request: Some(index), field }, &message)
                })?);
                made_of(number, index);
            }
            if self.mode == MatchMode::First {
                break;
            }
        }
        if matched || self.unmatched == Unmatched::Filter {
            Ok(plan)
        } else {
            Err(Refusal::Unmatched(self.unmatched))
        }
    }
}

impl Route for TemplateRoutes {
    fn plan(&self, record: &Record, context: &PlanContext<'_>) -> Result<Plan, Refusal> {
        self.make(record, context, |_, _| {})
    }

    fn destinations(&self) -> Option<usize> {
        let origins = self.origins();
        (!origins.contains(&None)).then_some(origins.len())
    }
}

impl OneRoute {
    fn matches(&self, number: usize, lazy: &mut Lazy<'_>) -> Result<bool, Refusal> {
        let Some(when) = &self.when else { return Ok(true) };
        when.holds(&lazy.get()).map_err(|error| {
            let place = Place { route: Some(number), request: None, field: Field::When };
            rejected(&place, &error.to_string())
        })
    }
}

impl OneRequest {
    fn make(
        &self,
        lazy: &mut Lazy<'_>,
        hosts: &AllowedHosts,
        bodies: &Bodies,
        room: usize,
    ) -> Result<Request, (Field, String)> {
        let mut request = self.base.clone();
        if self.url.constant().is_none() {
            let url = self.url.render(lazy, hosts).map_err(|message| (Field::Url, message))?;
            request.aim(url.target, url.origin, url.host_from_record);
        }
        if let Some(method) = &self.method {
            let failed = |message| (Field::Method, message);
            let name = method.render(lazy).map_err(failed)?;
            let method = request::method(&name).ok_or_else(|| failed(METHODS.to_owned()))?;
            request = request.method(method).map_err(|error| failed(error.to_string()))?;
        }
        for (name, written, text) in &self.headers {
            let failed = |message| (Field::Header(written.clone()), message);
            let value = text.render(lazy).map_err(failed)?;
            let value = header_value(&value).map_err(|problem| failed(words(problem)))?;
            request.set(name.clone(), value);
        }
        let body = bodies.render(&self.body, lazy, room);
        match body.map_err(|message| (Field::Body, message))? {
            Some(body) => Ok(request.body(body)),
            None => Ok(request),
        }
    }
}

const METHODS: &str = "the method is not one of POST, PUT, PATCH and DELETE";

/// What is wrong with a value, without the value: it may be personal.
fn words(problem: ValueProblem) -> String {
    match problem {
        ValueProblem::Character(bad) => {
            format!("the value has the character {bad:?}; a header holds printable ASCII")
        }
        ValueProblem::Long => "the value is longer than 8 KiB".to_owned(),
    }
}

fn rejected(place: &Place, message: &str) -> Refusal {
    Failure::new(FailureKind::Unsendable, format!("{place}: {message}")).into()
}
