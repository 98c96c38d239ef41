//! The CustomResourceDefinition of a kind, which may not be there yet: all watches of the kind look for it in turns, so that the
//! server is asked as often with many namespaces as with one.

use tokio::sync::{Mutex, watch};

use super::trouble::NOT_INSTALLED;

/// What the watches of one kind know of its definition.
#[derive(Default)]
pub struct Definition {
    /// Whoever has it asks next.
    turn: Mutex<()>,
    /// Told when a watch has had a list.
    found: watch::Sender<()>,
}

/// Tells when the kind has been found since it was last asked for.
pub struct Finding<'d> {
    definition: &'d Definition,
    found: watch::Receiver<()>,
}

impl Definition {
    /// For a watch that has not asked yet.
    pub fn finding(&self) -> Finding<'_> {
        Finding { definition: self, found: self.found.subscribe() }
    }

    /// A watch has had a list: the kind is there.
    pub fn found(&self) {
        self.found.send_replace(());
    }
}

impl Finding<'_> {
    /// The server is about to be asked.
    pub fn ask(&mut self) {
        self.found.mark_unchanged();
    }

    /// Waits until it is to be asked again: one watch does every [`NOT_INSTALLED`], and all at once when any has found the kind
    /// since this one [asked](Self::ask).
    pub async fn wait(&mut self) {
        let turn = async {
            let _turn = self.definition.turn.lock().await;
            tokio::time::sleep(NOT_INSTALLED).await;
        };
        tokio::select! {
            () = turn => {}
            // The sender lives as long as the definition.
            _ = self.found.changed() => {}
        }
    }
}
