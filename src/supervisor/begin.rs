//! The start: what the configuration defines, and what is kept.

use std::io;

use actix::{ActorFutureExt, AtomicResponse, Context, Handler, WrapFuture};
use actix_rt::task::spawn_blocking;
use slog::{error, info, warn};

use super::definition::{Definition, in_one_line};
use super::message::Begin;
use super::roster::{Origin, Stage};
use super::slot::Run;
use super::store::Store;
use super::{Entry, Supervisor};
use crate::settings::Base;

impl Handler<Begin> for Supervisor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Begin, context: &mut Context<Self>) -> Self::Result {
        for settings in self.settings.pipelines.clone() {
            let name = settings.name.clone();
            self.add(&name, Definition::of_configuration(settings), Run::Running, context);
        }
        let (store, base) = (self.store.clone(), self.base.clone());
        let kept = async move {
            let Some(store) = store else { return Ok(Vec::new()) };
            let read = spawn_blocking(move || kept(&store, &base)).await;
            read.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
        };
        let then = kept.into_actor(self).map(|kept, actor, context| {
            match kept {
                Ok(kept) => kept.into_iter().for_each(|(name, it, run)| {
                    actor.add_kept(&name, it, run, context);
                }),
                Err(error) => {
                    error!(actor.log, "api.state_dir cannot be read: pipelines that were made \
                        through the API do not run, and none can be made"; "error" => %error);
                    actor.unreadable = Some(error.to_string());
                }
            }
            actor.roster.set_stage(Stage::Runs);
        });
        AtomicResponse::new(Box::pin(then))
    }
}

impl Supervisor {
    /// Adds a pipeline, which starts if it is to run.
    pub(super) fn add(
        &mut self,
        name: &str,
        definition: Definition,
        run: Run,
        context: &mut Context<Self>,
    ) {
        self.entries.insert(name.to_owned(), Entry::new(definition, run));
        self.step(name, context);
    }

    fn add_kept(
        &mut self,
        name: &str,
        definition: Definition,
        run: Run,
        context: &mut Context<Self>,
    ) {
        if self.entries.get(name).is_some_and(|it| it.origin() == Some(Origin::Configuration)) {
            warn!(self.log, "a pipeline that was made through the API does not run: the \
                configuration has one of its name; rename that one, or remove what is kept";
                "pipeline" => name);
            return;
        }
        info!(self.log, "pipeline is kept"; "pipeline" => name, "to_be" => ?run);
        let definition = match self.beside_others(name, &definition) {
            Some(why) if run != Run::Stopped => Definition { settings: Err(why), ..definition },
            _ => definition,
        };
        self.add(name, definition, run, context);
    }
}

/// What is kept, checked as it was when it came: what is not right any more (a file that is gone, a
/// setting that another version has no more) fails, and stays kept.
fn kept(store: &Store, base: &Base) -> io::Result<Vec<(String, Definition, Run)>> {
    let checked = |name: String, kept: Result<super::store::Kept, String>| {
        let (sharing, body, run) = match kept {
            Ok(kept) => (kept.sharing(), kept.definition, kept.run),
            Err(why) => return (name, Definition::unreadable(why), Run::Running),
        };
        if body.get("name").is_none_or(|given| *given != *name) {
            let why = format!("the file is of the name {name:?}, and what is in it of another");
            return (name, Definition::unreadable(why), Run::Running);
        }
        let broken = |wrong| in_one_line(&wrong, |key| key);
        let definition = Definition::of_body(body.clone(), sharing, base)
            .unwrap_or_else(|wrong| Definition::broken(body, sharing, broken(wrong)));
        (name, definition, run)
    };
    Ok(store.all()?.into_iter().map(|(name, kept)| checked(name, kept)).collect())
}
