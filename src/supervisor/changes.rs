//! What the API changes: each change is checked, kept and done before the next is looked at.

use std::io;
use std::sync::Arc;

use actix::{ActorFutureExt, AtomicResponse, Context, Handler, WrapFuture};
use actix_rt::task::spawn_blocking;
use slog::info;

use super::definition::{Definition, Wrong};
use super::message::{Define, Delete, Gone, Lead, Order, Over, Put, Refused, Who};
use super::roster::Origin;
use super::slot::Run;
use super::store::{Kept, Store};
use super::{Entry, MOST_PIPELINES, Supervisor};
use crate::settings::Body;

impl Handler<Define> for Supervisor {
    type Result = AtomicResponse<Self, Result<Put, Refused>>;

    fn handle(&mut self, define: Define, _: &mut Context<Self>) -> Self::Result {
        let Define { name, mut body, over, who } = define;
        if let Err(refused) = self.may_define(&name, over) {
            return answered(Err(refused));
        }
        body.insert("name".to_owned(), name.clone().into());
        let others = self.others(&name);
        let old = self.entries.get(&name).and_then(|it| it.slot.wanted().cloned());
        let run = match (self.entries.get(&name), over) {
            (Some(entry), Over::Anything) if entry.slot.wanted().is_some() => entry.slot.run(),
            _ => Run::Running,
        };
        let (store, base) = (self.store.clone(), Arc::clone(&self.base));
        let checked = run_blocking(move || {
            let sharing = over.sharing(old.as_ref().map(|old| old.sharing));
            let definition = Definition::of_body(body, sharing, &base);
            let definition = definition.map_err(Refused::Invalid)?;
            let is_same = old.is_some_and(|old| old.is_same(&definition));
            if is_same && over == Over::Anything {
                return Ok(None);
            }
            if let Some(why) = definition.contradiction(&others) {
                return Err(Refused::Conflict(why));
            }
            keep(store.as_deref(), &definition, &name, run)?;
            Ok(Some((name, definition)))
        });
        let then = checked.into_actor(self).map(move |checked, actor, context| {
            let Some((name, definition)) = checked? else { return Ok(Put::Unchanged) };
            Ok(actor.define(&name, definition, (run, over), &who, context))
        });
        AtomicResponse::new(Box::pin(then))
    }
}

impl Handler<Delete> for Supervisor {
    type Result = AtomicResponse<Self, Result<Gone, Refused>>;

    fn handle(&mut self, Delete { name, who }: Delete, _: &mut Context<Self>) -> Self::Result {
        if let Err(refused) = self.may_change(&name) {
            return answered(Err(refused));
        }
        let (store, forgotten) = (self.store.clone(), name.clone());
        let forgotten = run_blocking(move || {
            let Some(store) = store else { return Ok(()) };
            store.forget(&forgotten).map_err(|error| not_kept(&error))
        });
        let then = forgotten.into_actor(self).map(move |forgotten, actor, context| {
            forgotten?;
            info!(actor.log, "pipeline is deleted"; "pipeline" => &name, "by" => %who);
            if let Some(entry) = actor.entries.get_mut(&name) {
                entry.slot.forget();
            }
            actor.step(&name, context);
            Ok(if actor.entries.contains_key(&name) { Gone::Soon } else { Gone::Now })
        });
        AtomicResponse::new(Box::pin(then))
    }
}

impl Handler<Lead> for Supervisor {
    type Result = AtomicResponse<Self, Result<(), Refused>>;

    fn handle(&mut self, Lead { name, order, who }: Lead, _: &mut Context<Self>) -> Self::Result {
        let definition = match self.may_lead(&name, order) {
            Ok(definition) => definition,
            Err(refused) => return answered(Err(refused)),
        };
        let (store, base, others) =
            (self.store.clone(), Arc::clone(&self.base), self.others(&name));
        let run = match order {
            Order::Pause => Run::Paused,
            Order::Resume | Order::Restart => Run::Running,
            Order::End(_) => Run::Stopped,
        };
        let kept_name = name.clone();
        let kept = run_blocking(move || {
            // What holds for all may be another since it came.
            let definition = match (&definition.body, order) {
                (Some(body), Order::Restart) => {
                    Definition::of_body(Body::clone(body), definition.sharing, &base)
                        .map_err(Refused::Invalid)?
                }
                _ => definition,
            };
            // What was started while it was stopped may have taken its place.
            if order == Order::Restart
                && let Some(why) = definition.contradiction(&others)
            {
                return Err(Refused::Conflict(why));
            }
            keep(store.as_deref(), &definition, &kept_name, run)?;
            Ok(definition)
        });
        let then = kept.into_actor(self).map(move |kept, actor, context| {
            let definition = kept?;
            info!(actor.log, "pipeline is led"; "pipeline" => &name, "to" => %order, "by" => %who);
            actor.lead(&name, order, definition, context);
            Ok(())
        });
        AtomicResponse::new(Box::pin(then))
    }
}

impl Supervisor {
    /// Whether anything may be changed now.
    fn may_change_any(&self) -> Result<(), Refused> {
        if self.closing.is_some() {
            return Err(Refused::Ending);
        }
        self.unreadable.as_ref().map_or(Ok(()), |why| Err(Refused::NotKept(why.clone())))
    }

    fn may_define(&self, name: &str, over: Over) -> Result<(), Refused> {
        self.may_change_any()?;
        let Some(entry) = self.entries.get(name) else {
            if self.entries.len() < MOST_PIPELINES {
                return Ok(());
            }
            let why =
                format!("there are {MOST_PIPELINES} pipelines, which is the most of a process");
            return Err(Refused::Conflict(why));
        };
        if entry.origin() == Some(Origin::Configuration) {
            return Err(match over {
                Over::Anything => Refused::ReadOnly(name.to_owned()),
                Over::Nothing | Over::Stopped => Refused::Exists(name.to_owned()),
            });
        }
        match over {
            Over::Anything => Ok(()),
            Over::Stopped if entry.slot.is_down() => Ok(()),
            Over::Nothing if entry.slot.wanted().is_none() => {
                let why = "the pipeline that had this name is still ending: try again in a while";
                Err(Refused::Conflict(why.to_owned()))
            }
            Over::Nothing | Over::Stopped => Err(Refused::Exists(name.to_owned())),
        }
    }

    fn may_change(&self, name: &str) -> Result<(), Refused> {
        self.may_change_any()?;
        match self.entries.get(name).ok_or(Refused::Unknown)?.origin() {
            Some(Origin::Configuration) => Err(Refused::ReadOnly(name.to_owned())),
            Some(Origin::Api) => Ok(()),
            None => Err(Refused::Unknown),
        }
    }

    /// What is led, if it may be led there.
    fn may_lead(&self, name: &str, order: Order) -> Result<Definition, Refused> {
        self.may_change_any()?;
        let entry = self.entries.get(name).ok_or(Refused::Unknown)?;
        let definition = entry.slot.wanted().ok_or(Refused::Unknown)?;
        if definition.origin == Origin::Api && definition.body.is_none() {
            let why = "what is kept of it cannot be read: PUT defines it anew, DELETE removes it";
            return Err(Refused::Conflict(why.to_owned()));
        }
        let is_there = !entry.slot.is_down() && entry.slot.run() != Run::Stopped;
        let goes_on = match order {
            Order::Pause | Order::Resume => is_there,
            Order::End(_) | Order::Restart => true,
        };
        if goes_on {
            return Ok(definition.clone());
        }
        let why =
            format!("pipeline {name:?} does not run, so that it cannot {order}; restart starts it");
        Err(Refused::Conflict(why))
    }

    /// Why a pipeline that was defined earlier cannot run beside the others, if it cannot.
    pub(super) fn beside_others(&self, name: &str, definition: &Definition) -> Option<String> {
        definition.contradiction(&self.others(name))
    }

    /// The pipelines beside this one that are there, or may be.
    pub(super) fn others(&self, name: &str) -> Vec<Definition> {
        let others = self.entries.iter().filter(|(other, _)| *other != name);
        let definitions = others.flat_map(|(_, entry)| {
            let wanted = entry.slot.wanted().filter(|_| !entry.rests());
            // What still ends as it was has its records and its file until it has ended.
            [wanted.cloned(), entry.there.clone()]
        });
        definitions.flatten().collect()
    }

    fn define(
        &mut self,
        name: &str,
        definition: Definition,
        (run, over): (Run, Over),
        who: &Who,
        context: &mut Context<Self>,
    ) -> Put {
        let Some(entry) = self.entries.get_mut(name) else {
            info!(self.log, "pipeline is made"; "pipeline" => name, "by" => %who);
            self.add(name, definition, run, context);
            return Put::Created;
        };
        info!(self.log, "pipeline is changed"; "pipeline" => name, "by" => %who);
        let created = entry.slot.wanted().is_none() || over != Over::Anything;
        entry.slot.define(definition);
        if run == Run::Running && entry.slot.run() == Run::Stopped {
            entry.slot.restart();
        }
        self.step(name, context);
        if created { Put::Created } else { Put::Changed }
    }

    fn lead(
        &mut self,
        name: &str,
        order: Order,
        definition: Definition,
        context: &mut Context<Self>,
    ) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        match order {
            Order::Pause | Order::Resume => {
                let pause = order == Order::Pause;
                if (entry.slot.run() == Run::Paused) != pause
                    && let Some(handle) = &entry.handle
                {
                    if pause { handle.pause() } else { handle.resume() }
                }
                entry.slot.pause(pause);
            }
            Order::End(end) => entry.slot.stop(end),
            Order::Restart => {
                entry.slot.define(definition);
                entry.slot.restart();
            }
        }
        self.step(name, context);
    }
}

impl Entry {
    /// Where it is defined; `None` if it is to be forgotten.
    pub(super) fn origin(&self) -> Option<Origin> {
        self.slot.wanted().map(|it| it.origin)
    }

    /// Whether nothing of it is there, and nothing is to be.
    pub(super) fn rests(&self) -> bool {
        self.slot.is_down() && self.slot.run() == Run::Stopped
    }
}

/// Keeps what came through the API.
fn keep(
    store: Option<&Store>,
    definition: &Definition,
    name: &str,
    run: Run,
) -> Result<(), Refused> {
    let (Some(store), Some(body)) = (store, &definition.body) else { return Ok(()) };
    let kept = Kept::new(Body::clone(body), definition.sharing, run);
    store.keep(name, &kept).map_err(|error| not_kept(&error))
}

fn not_kept(error: &io::Error) -> Refused {
    Refused::NotKept(error.to_string())
}

fn answered<T: 'static>(
    answer: Result<T, Refused>,
) -> AtomicResponse<Supervisor, Result<T, Refused>> {
    AtomicResponse::new(Box::pin(actix::fut::ready(answer)))
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let panicked = |_| Refused::Invalid(Wrong::from([(None, "checking it panicked".to_owned())]));
    spawn_blocking(work).await.map_err(panicked)?
}
