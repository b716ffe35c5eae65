//! Compiles routes, and gathers all that is wrong with them.

use std::collections::BTreeSet;

use awc::http::header::HeaderName;

use super::super::body::{BodiesBuilder, Body};
use super::super::condition::Condition;
use super::super::context::CONDITION_VARIABLES;
use super::super::fault::ExpressionError;
use super::super::hosts::AllowedHosts;
use super::super::language::TEXTS;
use super::super::place::{Field, Place, TemplateError};
use super::super::plan::MAX_REQUESTS;
use super::super::request::{self, Request, header_name, header_value};
use super::super::settings::{MatchMode, RequestSettings, RouteSettings, RoutesSettings};
use super::super::text::Text;
use super::super::url::Url;
use super::{METHODS, OneRequest, OneRoute, words};

/// Compiles routes and gathers what is wrong with them.
pub(super) struct Compiler {
    pub(super) hosts: AllowedHosts,
    pub(super) bodies: BodiesBuilder,
    /// The variables that are used anywhere.
    pub(super) used: BTreeSet<String>,
    pub(super) errors: Vec<TemplateError>,
}

impl Compiler {
    /// With what does not belong to one route.
    pub(super) fn new(settings: &RoutesSettings) -> Self {
        let mut compiler = Self {
            hosts: AllowedHosts::default(),
            bodies: BodiesBuilder::new(),
            used: BTreeSet::new(),
            errors: Vec::new(),
        };
        compiler.allowed_hosts(&settings.allowed_hosts);
        compiler.count(settings);
        compiler
    }

    fn allowed_hosts(&mut self, patterns: &[String]) {
        match AllowedHosts::new(patterns) {
            Ok(hosts) => self.hosts = hosts,
            Err(faults) => {
                for (number, message) in faults {
                    let field = Field::AllowedHost(number);
                    self.fail(Place { route: None, request: None, field }, message);
                }
            }
        }
    }

    /// No plan may come to have more requests than are allowed.
    fn count(&mut self, settings: &RoutesSettings) {
        let mut total = 0;
        for (number, route) in settings.routes.iter().enumerate() {
            total = match settings.mode {
                MatchMode::First => route.requests.len(),
                MatchMode::All => total + route.requests.len(),
            };
            if total > MAX_REQUESTS {
                let place = Place { route: Some(number), request: None, field: Field::Requests };
                let message =
                    format!("{total} requests for one record; there are at most {MAX_REQUESTS}");
                return self.fail(place, message);
            }
        }
    }

    /// One route; `None` where something is wrong with it.
    pub(super) fn route(&mut self, number: usize, settings: &RouteSettings) -> Option<OneRoute> {
        let place = Place { route: Some(number), request: None, field: Field::When };
        let when = settings.when.as_ref().map(|when| Condition::compile(when, CONDITION_VARIABLES));
        let when = when.transpose();
        let when = self.keep(&place, when);
        if let Some(Some(when)) = &when {
            self.used.extend(when.variables());
        }
        let requests: Vec<Option<OneRequest>> = settings
            .requests
            .iter()
            .enumerate()
            .map(|(index, request)| self.request(number, index, request))
            .collect();
        Some(OneRoute { when: when?, requests: requests.into_iter().collect::<Option<_>>()? })
    }

    fn request(
        &mut self,
        route: usize,
        index: usize,
        settings: &RequestSettings,
    ) -> Option<OneRequest> {
        let at = |field| Place { route: Some(route), request: Some(index), field };
        let url = Url::compile(&settings.url, &self.hosts, &mut self.used);
        let url = self.keep(&at(Field::Url), url);
        let base = url.as_ref().and_then(|url| {
            let (target, origin) = url.constant()?;
            Some(Request::to(target.clone(), origin.clone(), false))
        });
        // Never requested: such a request is given its URL for each record.
        let mut base = base.or_else(|| Request::new("http://host.invalid/").ok());
        let method = self.method(&at(Field::Method), settings.method.as_deref(), &mut base);
        let mut headers = Vec::new();
        let mut names = BTreeSet::new();
        for (name, value) in &settings.headers {
            let place = at(Field::Header(name.clone()));
            if !names.insert(name.to_ascii_lowercase()) {
                self.fail(place, "the header is given twice".to_owned());
                continue;
            }
            headers.extend(self.header(place, name, value, &mut base));
        }
        let body = match &settings.body {
            None => Some(Body::Value),
            Some(source) => {
                let body = self.bodies.compile(source, &mut self.used);
                self.keep(&at(Field::Body), body)
            }
        };
        Some(OneRequest { base: base?, url: url?, method, headers, body: body? })
    }

    /// A method that is a constant goes into `base`.
    fn method(
        &mut self,
        place: &Place,
        source: Option<&str>,
        base: &mut Option<Request>,
    ) -> Option<Text> {
        let text = Text::compile(&TEXTS, source?, &mut self.used);
        let text = self.keep(place, text)?;
        let Some(constant) = text.constant() else { return Some(text) };
        match request::method(constant) {
            Some(method) => *base = base.take().and_then(|base| base.method(method).ok()),
            None => self.fail(place.clone(), METHODS.to_owned()),
        }
        None
    }

    /// A header whose value is a constant goes into `base`.
    fn header(
        &mut self,
        place: Place,
        name: &str,
        source: &str,
        base: &mut Option<Request>,
    ) -> Option<(HeaderName, String, Text)> {
        let parsed = match header_name(name) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.fail(place, error.to_string());
                return None;
            }
        };
        let text = Text::compile(&TEXTS, source, &mut self.used);
        let text = self.keep(&place, text)?;
        let Some(constant) = text.constant() else {
            return Some((parsed, name.to_owned(), text));
        };
        match (header_value(constant), base) {
            (Ok(value), Some(base)) => base.set(parsed, value),
            (Err(problem), _) => self.fail(place, words(problem)),
            (Ok(_), None) => {}
        }
        None
    }

    fn keep<T>(&mut self, place: &Place, made: Result<T, Vec<ExpressionError>>) -> Option<T> {
        made.map_err(|errors| {
            let errors = errors.into_iter().map(|error| TemplateError::new(place.clone(), error));
            self.errors.extend(errors);
        })
        .ok()
    }

    fn fail(&mut self, place: Place, message: String) {
        self.errors.push(TemplateError { place, line: 1, column: 1, message });
    }
}
