//! The way to the poll thread.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::bell::Bell;
use crate::message::Command;

/// Sends commands to the poll thread. Unbounded, for there are few: one commit at a time, and what
/// rebalances and stops ask for.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    sender: mpsc::UnboundedSender<Command>,
    bell: Arc<Bell>,
}

impl Commands {
    pub(crate) fn channel(bell: Arc<Bell>) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, bell }, receiver)
    }

    /// Has it carried out soon; never waits. A poll thread that has ended needs no commands.
    pub(crate) fn send(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            self.bell.ring();
        }
    }
}
