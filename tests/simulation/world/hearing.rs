//! What members say, as the broker hears it.

use super::World;
use crate::broker::{Answer, CommitEntry, Committed, Pid, Refusal};
use crate::env::Env;
use crate::event::{Event, Said};
use crate::plan::SECOND;
use crate::trace::trace;

impl World {
    pub(super) fn arrives(&mut self, pid: Pid, session: u32, said: Said) {
        let env = &mut self.env;
        if env.broker.down_until > env.now {
            env.at(env.broker.down_until, Event::Arrives { pid, session, said });
            return;
        }
        let is_member = env.group.is_member(pid) && env.session(pid) == session;
        match said {
            Said::Commit(entries) => self.commit_arrives(pid, &entries, is_member),
            Said::Assigned(partitions) if is_member => env.group.assigned(pid, &partitions),
            Said::GivenUp(partitions) if is_member => env.group.given_up(pid, &partitions),
            Said::Assigned(_) | Said::GivenUp(_) => {}
        }
        self.env.tell();
    }

    fn commit_arrives(&mut self, pid: Pid, entries: &[CommitEntry], is_member: bool) {
        let env = &mut self.env;
        if !is_member {
            let wait = env.wire();
            env.after(wait, Event::CommitAnswered { pid, answer: Err(Refusal::NotAMember) });
            return;
        }
        let trouble = env.broker.trouble_until > env.now;
        let lot = if trouble { env.random.below(6) } else { 6 };
        let mut wait = env.wire();
        let answer: Answer = match lot {
            0 | 1 => {
                env.counts.commits_refused += 1;
                Err(Refusal::Passing)
            }
            2 => {
                env.counts.commits_refused_in_part += 1;
                let mut answers = Vec::new();
                for entry in entries {
                    let refused = env.random.percent(50);
                    if !refused {
                        accept(pid, entry, env);
                    }
                    let result = if refused { Err(Refusal::Passing) } else { Ok(()) };
                    answers.push((entry.partition, result));
                }
                Ok(answers)
            }
            3 => {
                env.counts.commits_answer_lost += 1;
                accept_all(pid, entries, env);
                wait += SECOND;
                Err(Refusal::Passing)
            }
            _ => {
                accept_all(pid, entries, env);
                if lot == 4 {
                    env.counts.commits_late += 1;
                    wait += env.random.between(1, 8) * SECOND;
                }
                Ok(entries.iter().map(|entry| (entry.partition, Ok(()))).collect())
            }
        };
        env.after(wait, Event::CommitAnswered { pid, answer });
    }
}

fn accept_all(pid: Pid, entries: &[CommitEntry], env: &mut Env) {
    for entry in entries {
        accept(pid, entry, env);
    }
}

fn accept(pid: Pid, entry: &CommitEntry, env: &mut Env) {
    trace!(env, "commit of [{pid}] accepted: {entry:?}");
    let log = &env.broker.logs[entry.partition];
    env.check.applied(pid, entry, log);
    env.broker.committed[entry.partition] =
        Some(Committed { base: entry.base, metadata: entry.metadata.clone() });
}
