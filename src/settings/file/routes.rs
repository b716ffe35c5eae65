//! `[[pipeline.route]]`: a condition, and `[[pipeline.route.request]]`.

use super::super::document::{Entry, Kind, Node};
use super::super::problem::{nearest, suggestion};
use super::super::routes::{TypedRequest, TypedRoute, TypedRoutes, TypedText};
use super::Walk;

impl Walk<'_> {
    /// The routes of the pipeline that is being walked.
    pub(super) fn routes(&mut self, node: &Node) -> TypedRoutes {
        let mut typed = TypedRoutes::default();
        let nodes = match &node.kind {
            Kind::List(nodes) if !nodes.is_empty() => nodes,
            _ => {
                self.problem(node.line, "route", "expected [[pipeline.route]]");
                return typed;
            }
        };
        for (at, node) in nodes.iter().enumerate() {
            let key = format!("route {}", at + 1);
            let route = self.route(node, &key, &mut typed);
            typed.routes.extend(route);
        }
        typed
    }

    fn route(&mut self, node: &Node, key: &str, typed: &mut TypedRoutes) -> Option<TypedRoute> {
        let Kind::Table(entries) = &node.kind else {
            self.problem(node.line, key, "expected [[pipeline.route]]");
            return None;
        };
        let spot = self.spot(node.line, key);
        let mut route = TypedRoute { spot, when: None, requests: Vec::new() };
        for entry in entries {
            let key = format!("{key}, {}", entry.key);
            match (entry.key.as_str(), &entry.node.kind) {
                ("when", _) => route.when = self.template(&entry.node, &key, typed),
                ("request", Kind::List(nodes)) => {
                    for (at, node) in nodes.iter().enumerate() {
                        let request = self.request(node, &format!("{key} {}", at + 1), typed);
                        route.requests.extend(request);
                    }
                }
                ("request", _) => {
                    let what = "expected [[pipeline.route.request]]";
                    self.problem(entry.line, &key, what);
                }
                _ => self.unknown(entry, &key, &["when", "request"]),
            }
        }
        Some(route)
    }

    fn request(&mut self, node: &Node, key: &str, typed: &mut TypedRoutes) -> Option<TypedRequest> {
        let Kind::Table(entries) = &node.kind else {
            self.problem(node.line, key, "expected [[pipeline.route.request]]");
            return None;
        };
        let (mut url, mut method, mut body) = (None, None, None);
        let mut headers = Vec::new();
        for entry in entries {
            let own = format!("{key}, {}", entry.key);
            match (entry.key.as_str(), &entry.node.kind) {
                ("url", _) => url = Some(self.template(&entry.node, &own, typed)),
                ("method", _) => method = self.template(&entry.node, &own, typed),
                ("body", _) => body = self.template(&entry.node, &own, typed),
                ("headers", Kind::Table(entries)) => {
                    for entry in entries {
                        let own = format!("{key}, header {}", entry.key);
                        let text = self.template(&entry.node, &own, typed);
                        headers.extend(text.map(|text| (entry.key.clone(), text)));
                    }
                }
                ("headers", _) => {
                    self.problem(entry.line, &own, "expected a table");
                }
                _ => self.unknown(entry, &own, &["method", "url", "headers", "body"]),
            }
        }
        if url.is_none() {
            self.problem(node.line, &format!("{key}, url"), "missing");
        }
        Some(TypedRequest { url: url??, method, headers, body })
    }

    /// A template or condition; `None`, with a problem told, where it is no text.
    fn template(&mut self, node: &Node, key: &str, typed: &mut TypedRoutes) -> Option<TypedText> {
        let text = self.text(node, key)?;
        typed.filled.join(&text.filled);
        Some(TypedText { text, spot: self.spot(node.line, key) })
    }

    pub(super) fn unknown(&mut self, entry: &Entry, key: &str, known: &[&str]) {
        let near = nearest(&entry.key, known.iter().copied());
        self.problem(entry.line, key, &format!("unknown key{}", suggestion(near)));
    }
}
