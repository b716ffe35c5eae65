//! What a pipeline is to be, wherever it is defined, and whether it can be that.

use std::sync::Arc;

use crate::settings::{self, Base, Body, PipelineSettings, Problems};
use crate::wiring;

use super::roster::Origin;

/// What a pipeline is to be.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Where it came from.
    pub origin: Origin,
    /// The body of the request that it came with; `None` if it is of the configuration, or if what
    /// was kept of it cannot be read.
    pub body: Option<Arc<Body>>,
    /// The same without secrets.
    pub shown: Option<Arc<Body>>,
    /// What is started; or why what was kept cannot be.
    pub settings: Result<Arc<PipelineSettings>, String>,
}

/// What is wrong with a definition: the key, where it is one's, and what.
pub type Wrong = Vec<(Option<String>, String)>;

impl Definition {
    /// One of the configuration.
    pub fn of_configuration(settings: PipelineSettings) -> Self {
        Self {
            origin: Origin::Configuration,
            body: None,
            shown: None,
            settings: Ok(Arc::new(settings)),
        }
    }

    /// One that came through the API, checked as far as it can be without connecting to anybody.
    /// Blocks while it reads the files that hold secrets.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn of_body(body: Body, base: &Base) -> Result<Self, Wrong> {
        let settings = base.pipeline(&body).map_err(|problems| told(&problems))?;
        wiring::try_pipeline(&settings).map_err(|why| vec![(None, why)])?.let_go();
        Ok(Self::of_api(body, Ok(Arc::new(settings))))
    }

    /// One that came through the API once, and is not right any more.
    pub fn broken(body: Body, why: String) -> Self {
        Self::of_api(body, Err(why))
    }

    fn of_api(body: Body, settings: Result<Arc<PipelineSettings>, String>) -> Self {
        let shown = Some(Arc::new(settings::shown_body(&body)));
        Self { origin: Origin::Api, shown, body: Some(Arc::new(body)), settings }
    }

    /// One that came through the API once, of which nothing can be read: nothing is written over it.
    pub fn unreadable(why: String) -> Self {
        Self { origin: Origin::Api, body: None, shown: None, settings: Err(why) }
    }

    /// Why it cannot run beside others, if it cannot; as [`contradiction`].
    pub fn contradiction(&self, others: &[Arc<PipelineSettings>]) -> Option<String> {
        contradiction(self.settings.as_ref().ok()?, others)
    }

    /// Whether another would make the same pipeline.
    pub fn is_same(&self, other: &Self) -> bool {
        self.origin == other.origin
            && self.settings.is_ok()
            && self.settings == other.settings
            && self.body == other.body
    }
}

/// Why a pipeline cannot run beside others that were let in earlier, or after they were, if it cannot.
/// Whether two may share a group was decided when they came, and is not kept: two that write files may
/// have been let.
pub fn contradiction(own: &PipelineSettings, others: &[Arc<PipelineSettings>]) -> Option<String> {
    others.iter().find_map(|other| {
        let both_write = own.file().is_some() && other.file().is_some();
        settings::contradiction(other, own, both_write)
    })
}

fn told(problems: &Problems) -> Wrong {
    problems.iter().map(|problem| (problem.field(), problem.told())).collect()
}

/// What is wrong, in one line; `named` says what each key is called.
pub fn in_one_line(wrong: &Wrong, named: fn(&str) -> &str) -> String {
    let lines: Vec<String> = wrong
        .iter()
        .map(|(field, what)| match field {
            Some(field) => format!("{}: {what}", named(field)),
            None => what.clone(),
        })
        .collect();
    lines.join("; ")
}
