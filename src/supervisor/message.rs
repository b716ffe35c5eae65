//! What the supervisor is asked, and what it answers.

use std::fmt;

use actix::Message;

use super::definition::{Sharing, Wrong};
use super::slot::End;
use crate::settings::Body;

/// Who asks for a change, for the log.
#[derive(Clone, Debug)]
pub struct Who {
    /// The name of the token; `None` where none is asked for.
    pub token: Option<&'static str>,
    /// Where the request came from.
    pub from: String,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.token.unwrap_or("anybody"), self.from)
    }
}

/// Starts what the configuration defines, and what is kept. An answer comes when all that is to be
/// started is known.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Begin;

/// Makes a pipeline, or changes one.
#[derive(Message)]
#[rtype(result = "Result<Put, Refused>")]
pub struct Define {
    /// Its name.
    pub name: String,
    /// What it is to be.
    pub body: Body,
    /// What may be there.
    pub over: Over,
    /// Who asks.
    pub who: Who,
}

/// What may be there when a pipeline is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing.
    Nothing,
    /// A pipeline that has ended and is the same as this, too: it is started anew.
    Stopped,
    /// Any that the API made.
    Anything,
}

impl Over {
    /// How what is defined shares its group, where one of its name shares its `own` so. The plain
    /// endpoints, which alone start what has stopped as something else, make consumers; a change
    /// leaves a consumer one.
    pub fn sharing(self, own: Option<Sharing>) -> Sharing {
        match (self, own) {
            (Self::Stopped, _) => Sharing::Consumers,
            (Self::Anything, Some(own)) => own,
            (Self::Anything, None) | (Self::Nothing, _) => Sharing::Alone,
        }
    }
}

/// What came of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// There is a new pipeline.
    Created,
    /// It is what it was.
    Unchanged,
    /// It ends, and starts as what it is to be.
    Changed,
}

/// Ends a pipeline and forgets it.
#[derive(Message)]
#[rtype(result = "Result<Gone, Refused>")]
pub struct Delete {
    /// Its name.
    pub name: String,
    /// Who asks.
    pub who: Who,
}

/// What is left of a pipeline that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Nothing.
    Now,
    /// Requests under way, which finish.
    Soon,
}

/// Leads a pipeline.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct Lead {
    /// Its name.
    pub name: String,
    /// Where to.
    pub order: Order,
    /// Who asks.
    pub who: Who,
}

/// What a pipeline is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Rest, and stay in its group.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End, and stay known.
    End(End),
    /// End if it runs, and start anew.
    Restart,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::End(End::Drain) => "drain",
            Self::End(End::Stop) => "stop",
            Self::Restart => "restart",
        })
    }
}

/// Reads the configuration again, and has files opened anew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Reload;

/// Ends all pipelines; what is kept stays. An answer comes when they have ended, and nothing can be
/// changed any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EndAll;

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no pipeline of that name.
    Unknown,
    /// There is one.
    Exists(String),
    /// It is of the configuration.
    ReadOnly(String),
    /// It cannot be done as things are.
    Conflict(String),
    /// What is wrong with the definition.
    Invalid(Wrong),
    /// The folder of `--state-dir` cannot be written.
    NotKept(String),
    /// The process ends.
    Ending,
}
