//! Another machine, over SSH.
