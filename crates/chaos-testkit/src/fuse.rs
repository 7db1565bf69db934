//! Counts things that happen, and dies at a chosen one.
//!
//! To die means: the thing happens, and whoever did it never hears back. Nor does anybody who asks later, until the fuse
//! is mended. A test that sees the death drops the task, which is what a killed process leaves behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Counts effects and burns at a chosen one. Clones are the same fuse.
#[derive(Debug, Clone)]
pub struct Fuse {
    state: Arc<Mutex<State>>,
    is_dead: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    burns_after: Option<u64>,
}

impl Default for Fuse {
    fn default() -> Self {
        Self { state: Arc::default(), is_dead: Arc::new(watch::Sender::new(false)) }
    }
}

impl Fuse {
    /// Returns how many effects there were.
    pub fn count(&self) -> u64 {
        self.state().count
    }

    /// Dies after `effects` more effects; with none, before the next one.
    pub fn burn_after(&self, effects: u64) {
        let mut state = self.state();
        state.burns_after = Some(state.count + effects);
    }

    /// Never dies from now on, and answers again.
    pub fn mend(&self) {
        self.state().burns_after = None;
        self.is_dead.send_replace(false);
    }

    /// Does `effect`, and counts it. Never returns once the fuse has burnt.
    pub async fn effect<T>(&self, effect: impl FnOnce() -> T) -> T {
        self.alive().await;
        let result = effect();
        self.state().count += 1;
        self.alive().await;
        result
    }

    /// Returns when the fuse is whole. A read of a dead world waits here for ever.
    pub async fn alive(&self) {
        let burnt = {
            let state = self.state();
            state.burns_after.is_some_and(|limit| state.count >= limit)
        };
        if burnt {
            self.burn().await;
        }
    }

    /// Dies here and now.
    pub async fn burn(&self) {
        self.is_dead.send_replace(true);
        std::future::pending::<()>().await;
    }

    /// Returns when the fuse has burnt.
    pub async fn burnt(&self) {
        let mut is_dead = self.is_dead.subscribe();
        // The sender lives as long as we do, so this only ends when it is dead.
        let _ = is_dead.wait_for(|is_dead| *is_dead).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_effect_happens_but_nobody_hears_of_it() {
        let fuse = Fuse::default();
        fuse.burn_after(2);
        let happened = Arc::new(Mutex::new(0));
        let worker = tokio::spawn({
            let (fuse, happened) = (fuse.clone(), happened.clone());
            async move {
                for _ in 0..5 {
                    fuse.effect(|| *happened.lock().unwrap() += 1).await;
                }
            }
        });
        fuse.burnt().await;
        assert!(!worker.is_finished());
        worker.abort();
        assert_eq!((*happened.lock().unwrap(), fuse.count()), (2, 2));
        fuse.mend();
        fuse.effect(|| ()).await;
        assert_eq!(fuse.count(), 3);
    }
}
