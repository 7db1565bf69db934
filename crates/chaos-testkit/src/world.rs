//! A world that faults act on in tests: in memory, or a real one.

use std::future::Future;

use chaos_core::Target;

use crate::fuse::Fuse;

/// Something with a state that can be looked at, and as many fresh copies as a test needs.
pub trait World: Sized + Send + Sync + 'static {
    /// What faults act on here.
    type Target: Target;

    /// Returns whether such a world can be had. When not, it says why, and the test is skipped.
    fn is_there(&self) -> impl Future<Output = bool> + Send {
        std::future::ready(true)
    }

    /// Makes another world with the content that this one had at first.
    fn fresh(&self) -> impl Future<Output = Self> + Send;

    /// Connects as a new process would.
    fn connect(&self) -> impl Future<Output = Self::Target> + Send;

    /// Returns everything in this world that a fault may change and that must come back, the helpers of faults included.
    /// Equal text means equal worlds.
    fn snapshot(&self) -> impl Future<Output = String> + Send;

    /// Returns what can kill whoever acts on this world, after every single effect. A world without one is crashed at the
    /// crash points of the faults.
    fn fuse(&self) -> Option<&Fuse> {
        None
    }

    /// Removes what [`fresh`](Self::fresh) made.
    fn remove(self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
