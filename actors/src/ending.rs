//! How a part of the pipeline says that it ended, so that none is missed.
//!
//! A handler that panics takes its actor with it, silently: the thread lives on, and so do the
//! others. Each part therefore holds a [`Watch`], which reports when it is dropped unless the part
//! was told to stop.

use tokio::sync::mpsc;

use crate::error::PipelineError;

/// Where failures go. The first one ends the pipeline.
#[derive(Clone, Debug)]
pub struct Failures(mpsc::UnboundedSender<PipelineError>);

impl Failures {
    /// A place for failures, and where they come out. Unbounded, since each part fails once.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<PipelineError>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Ends the pipeline.
    pub fn fail(&self, error: PipelineError) {
        // Nobody listens any more: the pipeline has ended.
        let _ = self.0.send(error);
    }

    /// Watches over a part.
    pub fn watch(&self, part: &'static str) -> Watch {
        Watch { part, failures: Some(self.clone()) }
    }
}

/// Reports the end of the part that holds it.
#[derive(Debug)]
pub struct Watch {
    part: &'static str,
    failures: Option<Failures>,
}

impl Watch {
    /// The part ends because it was told to.
    pub fn relieve(&mut self) {
        self.failures = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(failures) = self.failures.take() {
            failures.fail(PipelineError::Died { part: self.part });
        }
    }
}
