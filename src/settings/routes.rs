//! The routes of a pipeline: from what the file has to what the library compiles, and what it says
//! of them back to the place in the file.

use keyway_actors::route::{
    ExpressionError, Field, MatchMode, RequestSettings, RouteSettings, RoutesSettings,
    TemplateError, TemplateRoutes, Unmatched,
};

use super::problem::{Place, Problems, Spot};
use super::table;
use super::typed::Text;
use super::types::{Filled, Routes};

/// The routes as the file has them, without those that it has wrong.
#[derive(Debug, Default)]
pub struct TypedRoutes {
    /// In the order of the file.
    pub routes: Vec<TypedRoute>,
    /// What stood for each `${NAME}` in them.
    pub filled: Filled,
}

/// One route.
#[derive(Debug)]
pub struct TypedRoute {
    /// Where it begins.
    pub spot: Spot,
    /// The condition.
    pub when: Option<TypedText>,
    /// What is requested.
    pub requests: Vec<TypedRequest>,
}

/// One request.
#[derive(Debug)]
pub struct TypedRequest {
    /// Where to.
    pub url: TypedText,
    /// How.
    pub method: Option<TypedText>,
    /// Names and values.
    pub headers: Vec<(String, TypedText)>,
    /// With what.
    pub body: Option<TypedText>,
}

/// A template or condition, and where it stands.
#[derive(Debug)]
pub struct TypedText {
    /// The text.
    pub text: Text,
    /// The line where the value begins.
    pub spot: Spot,
}

/// Compiles the routes; `None`, with problems told, where they cannot be.
pub fn compile(
    typed: &TypedRoutes,
    mode: MatchMode,
    unmatched: Unmatched,
    allowed_hosts: &[String],
    problems: &mut Problems,
) -> Option<Routes> {
    let make = |text: fn(&Text) -> &String| RoutesSettings {
        routes: typed.routes.iter().map(|route| route.settings(text)).collect(),
        mode,
        unmatched,
        allowed_hosts: allowed_hosts.to_vec(),
    };
    let settings = make(|text| &text.value);
    match TemplateRoutes::new(&settings) {
        Ok(_) => {
            let (written, filled) = (make(|text| &text.written), typed.filled.clone());
            Some(Routes { settings, written, filled })
        }
        Err(errors) => {
            for error in errors {
                let (place, what) = typed.locate(&error);
                problems.push(&place, what);
            }
            None
        }
    }
}

impl TypedRoutes {
    /// Where in the file an error is, and what is left to say.
    fn locate(&self, error: &TemplateError) -> (Place, String) {
        let route = error.place.route.and_then(|at| self.routes.get(at));
        let request = route.zip(error.place.request).and_then(|(route, at)| route.requests.get(at));
        let text = match (&error.place.field, route, request) {
            (Field::When, Some(route), _) => route.when.as_ref(),
            (Field::Url, _, Some(request)) => Some(&request.url),
            (Field::Method, _, Some(request)) => request.method.as_ref(),
            (Field::Body, _, Some(request)) => request.body.as_ref(),
            (Field::Header(name), _, Some(request)) => request.header(name),
            _ => None,
        };
        match (text, route) {
            (Some(text), _) => {
                let (line, column) = (error.line, error.column);
                let error = ExpressionError { line, column, message: error.message.clone() };
                text.text.locate(&Place::Written(text.spot.clone()), &error)
            }
            (None, Some(route)) => (Place::Written(route.spot.clone()), error.message.clone()),
            (None, None) => {
                let key = table::ALLOWED_HOSTS.row.key.to_owned();
                (Place::Unset(key), error.message.clone())
            }
        }
    }
}

impl TypedRoute {
    fn settings(&self, text: fn(&Text) -> &String) -> RouteSettings {
        RouteSettings {
            when: self.when.as_ref().map(|it| text(&it.text).clone()),
            requests: self.requests.iter().map(|request| request.settings(text)).collect(),
        }
    }
}

impl TypedRequest {
    fn settings(&self, text: fn(&Text) -> &String) -> RequestSettings {
        let own = |it: &TypedText| text(&it.text).clone();
        RequestSettings {
            method: self.method.as_ref().map(own),
            url: own(&self.url),
            headers: self.headers.iter().map(|(name, it)| (name.clone(), own(it))).collect(),
            body: self.body.as_ref().map(own),
        }
    }

    fn header(&self, name: &str) -> Option<&TypedText> {
        self.headers.iter().rfind(|(known, _)| known == name).map(|(_, text)| text)
    }
}
