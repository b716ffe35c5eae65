//! What is known of every pipeline, for whoever shows it: read without asking the supervisor.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::slot::Run;
use crate::settings::Body;

/// Where a pipeline is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
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

/// How far the process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Its pipelines are not known yet.
    #[default]
    Begins,
    /// They are.
    Runs,
    /// They end.
    Ends,
}

/// The pipelines by name; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    inner: Arc<RwLock<Inner>>,
    changes: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    stage: Stage,
    members: BTreeMap<String, Member>,
}

impl Roster {
    pub(super) fn set(&self, name: &str, member: Member) {
        self.write().members.insert(name.to_owned(), member);
        self.changes.send_replace(());
    }

    pub(super) fn remove(&self, name: &str) {
        self.write().members.remove(name);
        self.changes.send_replace(());
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        self.write().stage = stage;
    }

    /// How far the process is.
    pub fn stage(&self) -> Stage {
        self.read().stage
    }

    /// The pipeline of that name.
    pub fn get(&self, name: &str) -> Option<Member> {
        self.read().members.get(name).cloned()
    }

    /// Whether there is something of the pipeline of that name that has not ended.
    pub fn is_there(&self, name: &str) -> bool {
        let inner = self.read();
        let phase = inner.members.get(name).map(|member| &member.phase);
        matches!(phase, Some(Phase::Starting | Phase::Up))
    }

    /// Waits until something holds of the pipelines; it is looked at after each change.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.changes.subscribe();
        while !holds(self) {
            // Who changes them is there as long as this is.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// All, by name.
    pub fn all(&self) -> Vec<(String, Member)> {
        let inner = self.read();
        inner.members.iter().map(|(name, member)| (name.clone(), member.clone())).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
