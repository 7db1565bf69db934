//! How many systems of one configured target are worked on at once.

use std::collections::HashMap;
use std::sync::Arc;

use chaos_core::TargetRef;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds of the configured targets of one experiment, by name. A target without a bound is not in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds(HashMap<String, Arc<Semaphore>>);

impl Bounds {
    /// Takes the bounds that the targets were planned with.
    pub(crate) fn of<'a>(targets: impl IntoIterator<Item = &'a TargetRef>) -> Self {
        let bounded = targets.into_iter().filter_map(|target| Some((target.name.clone(), target.at_once?)));
        Self(bounded.map(|(name, at_once)| (name, semaphore(at_once))).collect())
    }

    /// Returns what bounds the configured target called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Semaphore>> {
        self.0.get(name).cloned()
    }
}

/// A bound of nothing would stand still for ever.
pub(crate) fn semaphore(at_once: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)))
}

/// Waits for a place among those that may work now. It is free again when the permit is dropped.
pub(crate) async fn permit(bound: Option<Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    // Nobody closes it; without it there is no bound.
    bound?.acquire_owned().await.ok()
}
