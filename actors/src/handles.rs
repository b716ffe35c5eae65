//! The pipelines of a process, by name: what shows or leads them all shares one set.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::handle::{Handle, Status};

/// Handles by the names of their pipelines. Clones share one set.
///
/// A pipeline stops when the last of its handles is dropped: one that is in here goes on until it is
/// taken out. The lock is taken when a pipeline comes or goes and when somebody looks, never for a
/// record.
#[derive(Clone, Debug, Default)]
pub struct Handles(Arc<RwLock<BTreeMap<String, Handle>>>);

impl Handles {
    /// Puts a handle in, in place of one whose pipeline has the same name, which is given back.
    pub fn insert(&self, handle: Handle) -> Option<Handle> {
        let mut handles = self.0.write().unwrap_or_else(PoisonError::into_inner);
        handles.insert(handle.name().to_owned(), handle)
    }

    /// Takes a handle out.
    pub fn remove(&self, name: &str) -> Option<Handle> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// The handle of the pipeline of that name.
    pub fn get(&self, name: &str) -> Option<Handle> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Handle> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How each pipeline is doing, by name.
    pub fn statuses(&self) -> Vec<Status> {
        self.all().iter().map(Handle::status).collect()
    }
}

impl FromIterator<Handle> for Handles {
    fn from_iter<I: IntoIterator<Item = Handle>>(handles: I) -> Self {
        let named = handles.into_iter().map(|handle| (handle.name().to_owned(), handle));
        Self(Arc::new(RwLock::new(named.collect())))
    }
}

impl From<Handle> for Handles {
    fn from(handle: Handle) -> Self {
        Self::from_iter([handle])
    }
}

impl From<Vec<Handle>> for Handles {
    fn from(handles: Vec<Handle>) -> Self {
        Self::from_iter(handles)
    }
}
