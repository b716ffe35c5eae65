//! What is known of every pipeline, for whoever shows it: read without asking the supervisor.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::slot::Run;
use crate::settings::Body;

/// Where a pipeline is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In the configuration file, or by flags and variables: the API cannot change it.
    Configuration,
    /// By the API.
    Api,
}

/// What there is of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing yet: it is being started.
    Starting,
    /// What its handle tells.
    Up,
    /// It has ended as it was told to, or was never to start.
    Stopped,
    /// It could not be started, or ended for this reason.
    Failed(String),
}

/// A pipeline.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where it is defined.
    pub origin: Origin,
    /// Its definition, where that came through the API; secrets are not in it.
    pub definition: Option<Arc<Body>>,
    /// What it is to do.
    pub run: Run,
    /// What there is of it.
    pub phase: Phase,
    /// Whether it ends and is forgotten then.
    pub leaving: bool,
}

/// The pipelines by name; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<RwLock<BTreeMap<String, Member>>>);

impl Roster {
    pub(super) fn set(&self, name: &str, member: Member) {
        let mut members = self.0.write().unwrap_or_else(PoisonError::into_inner);
        members.insert(name.to_owned(), member);
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The pipeline of that name.
    pub fn get(&self, name: &str) -> Option<Member> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All, by name.
    pub fn all(&self) -> Vec<(String, Member)> {
        let members = self.0.read().unwrap_or_else(PoisonError::into_inner);
        members.iter().map(|(name, member)| (name.clone(), member.clone())).collect()
    }
}
