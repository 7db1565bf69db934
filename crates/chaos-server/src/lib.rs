//! Faults on Linux hosts.
