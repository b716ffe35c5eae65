//! SIGHUP: the configuration is read again. What changed restarts, what did not goes on undisturbed,
//! and one that is not right changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::{ActorFutureExt, AtomicResponse, Context, Handler, WrapFuture};
use actix_rt::task::spawn_blocking;
use slog::{error, info, warn};

use super::definition::Definition;
use super::message::Reload;
use super::roster::Origin;
use super::slot::Run;
use super::{Entry, Supervisor};
use crate::settings::{ApiSettings, Base, Settings};
use crate::wiring;

impl Handler<Reload> for Supervisor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Reload, _: &mut Context<Self>) -> Self::Result {
        for file in self.entries.values().filter_map(|entry| entry.file.as_ref()) {
            file.reopen();
        }
        let (sources, least) = (self.sources.clone(), self.least);
        let read = spawn_blocking(move || wiring::load(&sources, least));
        let then = read.into_actor(self).map(|read, actor, context| match read {
            Ok(Ok((settings, base))) => actor.reload(settings, base, context),
            Ok(Err(problems)) => actor.reload_refused(&problems),
            Err(panicked) => actor.reload_refused(&[panicked.to_string()]),
        });
        AtomicResponse::new(Box::pin(then))
    }
}

impl Supervisor {
    fn reload_refused(&self, problems: &[String]) {
        for problem in problems {
            error!(self.log, "SIGHUP: the configuration is not right, and nothing changes";
                "problem" => problem);
        }
    }

    /// Why a pipeline of the configuration cannot run beside those that came through the API, if one
    /// cannot. What rests goes on resting, and is compared when it is started.
    fn beside_made(&self, settings: &Settings) -> Option<String> {
        let rests = |name: &str| self.entries.get(name).is_some_and(Entry::rests);
        settings.pipelines.iter().filter(|own| !rests(&own.name)).find_map(|own| {
            let mut others = self.others(&own.name);
            others.retain(|it| it.origin == Origin::Api);
            let why = Definition::of_configuration(own.clone()).contradiction(&others)?;
            let name = &own.name;
            Some(format!(
                "pipeline {name:?} cannot run beside one that was made through the API: {why}"
            ))
        })
    }

    fn reload(&mut self, settings: Settings, base: Base, context: &mut Context<Self>) {
        if self.closing.is_some() {
            return;
        }
        let taken = settings.pipelines.iter().find(|it| {
            self.entries.get(&it.name).is_some_and(|entry| entry.origin() == Some(Origin::Api))
        });
        if let Some(taken) = taken {
            let name = &taken.name;
            let problem = format!(
                "a pipeline of the name {name:?} was made through the API; delete that one"
            );
            return self.reload_refused(&[problem]);
        }
        if let Some(why) = self.beside_made(&settings) {
            return self.reload_refused(&[why]);
        }
        // What concerns the pipelines that come through the API holds from now on.
        let process = |it: &Settings| {
            let api = ApiSettings { file_root: None, allowed_brokers: None, ..it.api.clone() };
            (it.log.clone(), api)
        };
        if process(&self.settings) != process(&settings) {
            warn!(
                self.log,
                "SIGHUP: what changed in log or api holds after a restart of the \
                process"
            );
        }
        let names: BTreeSet<&String> = settings.pipelines.iter().map(|it| &it.name).collect();
        let gone: Vec<String> = self
            .entries
            .iter()
            .filter(|(name, it)| {
                it.origin() == Some(Origin::Configuration) && !names.contains(name)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in &gone {
            info!(self.log, "SIGHUP: the configuration has this pipeline no more"; "pipeline" => name);
            if let Some(entry) = self.entries.get_mut(name) {
                entry.slot.forget();
            }
            self.step(name, context);
        }
        let (mut changed, mut new) = (0, 0);
        for pipeline in settings.pipelines.clone() {
            let name = pipeline.name.clone();
            let definition = Definition::of_configuration(pipeline);
            let Some(entry) = self.entries.get_mut(&name) else {
                new += 1;
                self.add(&name, definition, Run::Running, context);
                continue;
            };
            if entry.slot.wanted().is_some_and(|old| old.is_same(&definition)) {
                continue;
            }
            changed += 1;
            info!(self.log, "SIGHUP: this pipeline changed"; "pipeline" => &name);
            entry.slot.define(definition);
            self.step(&name, context);
        }
        info!(self.log, "SIGHUP: the configuration was read again";
            "gone" => gone.len(), "new" => new, "changed" => changed);
        self.settings = settings;
        self.base = Arc::new(base);
    }
}
