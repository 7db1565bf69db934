//! A shell that waits for the next script.

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::shell::Shell;

/// A shell that was put by. It is ended when this is dropped.
///
/// Somebody must listen to it all the time: what is written into a channel that nobody reads stops the whole connection, once
/// its queue is full.
pub(crate) struct Idle {
    command: &'static str,
    recall: oneshot::Sender<()>,
    listening: AbortOnDropHandle<Option<Shell>>,
}

impl Idle {
    /// Puts a shell by.
    pub(crate) fn new(mut shell: Shell) -> Self {
        let (recall, recalled) = oneshot::channel();
        let command = shell.command();
        let listening = tokio::spawn(async move {
            tokio::select! {
                biased;
                // It has ended, or somebody else writes into it. Neither belongs into the answer to the next script.
                () = shell.speaks() => None,
                _ = recalled => Some(shell),
            }
        });
        Self { command, recall, listening: AbortOnDropHandle::new(listening) }
    }

    /// Returns whether it was started by this command.
    pub(crate) fn is(&self, command: &str) -> bool {
        self.command == command
    }

    /// Returns the shell, unless it has said anything meanwhile.
    pub(crate) async fn take(self) -> Option<Shell> {
        let _ = self.recall.send(());
        // It ends with what was just said.
        self.listening.await.ok().flatten()
    }
}
