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
    /// How it shares its group.
    pub sharing: Sharing,
}

/// Whether a pipeline may consume a topic in the group of another, so that each record reaches one
/// of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// It may not: who defines a pipeline means all records of its topics.
    Alone,
    /// It may, with others that may: those that are started as consumers, of which more in a group
    /// are how it is scaled out.
    Consumers,
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
            sharing: Sharing::Alone,
        }
    }

    /// One that came through the API, checked as far as it can be without connecting to anybody.
    /// Blocks while it reads the files that hold secrets.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn of_body(body: Body, sharing: Sharing, base: &Base) -> Result<Self, Wrong> {
        let settings = base.pipeline(&body).map_err(|problems| told(&problems))?;
        let tried = wiring::try_pipeline(&settings);
        tried.map_err(|why| vec![(why.field(&body), why.to_string())])?.let_go();
        Ok(Self::of_api(body, sharing, Ok(Arc::new(settings))))
    }

    /// One that came through the API once, and is not right any more.
    pub fn broken(body: Body, sharing: Sharing, why: String) -> Self {
        Self::of_api(body, sharing, Err(why))
    }

    fn of_api(
        body: Body,
        sharing: Sharing,
        settings: Result<Arc<PipelineSettings>, String>,
    ) -> Self {
        let shown = Some(Arc::new(settings::shown_body(&body)));
        Self { origin: Origin::Api, shown, body: Some(Arc::new(body)), settings, sharing }
    }

    /// One that came through the API once, of which nothing can be read: nothing is written over it.
    pub fn unreadable(why: String) -> Self {
        let (origin, settings, sharing) = (Origin::Api, Err(why), Sharing::Alone);
        Self { origin, body: None, shown: None, settings, sharing }
    }

    /// Why it cannot run beside others, if it cannot. The rule is the same whichever of them was there
    /// first, and at every start.
    pub fn contradiction(&self, others: &[Self]) -> Option<String> {
        let own = self.settings.as_ref().ok()?;
        let others = others.iter().filter_map(|other| {
            let both = [self.sharing, other.sharing] == [Sharing::Consumers; 2];
            Some((other.settings.as_deref().ok()?, both))
        });
        settings::contradiction(own, others)
    }

    /// Whether another would make the same pipeline.
    pub fn is_same(&self, other: &Self) -> bool {
        self.origin == other.origin
            && self.settings.is_ok()
            && self.settings == other.settings
            && self.body == other.body
    }
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
