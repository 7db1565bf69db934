//! A plan that may run.

use chaos_core::Plan;

/// A plan that passed every limit. Only [`review`](crate::review) can make one, so nothing unreviewed can run.
#[derive(Debug)]
pub struct ApprovedPlan(Plan);

impl ApprovedPlan {
    pub(crate) fn new(plan: Plan) -> Self {
        Self(plan)
    }

    /// Returns the plan to read.
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    /// Returns the plan to run.
    pub fn into_inner(self) -> Plan {
        self.0
    }
}
