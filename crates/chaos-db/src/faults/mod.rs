//! The database faults: one folder each, with one file for every kind of database.

pub mod config_change;
pub mod insert_load;
pub mod on_database;
pub mod row_lock;
pub mod select_load;
pub mod table_lock;
pub mod update_load;

use std::sync::Arc;

use chaos_core::{DynFault, erase};

use config_change::ConfigChange;
use insert_load::InsertLoad;
use on_database::{DatabaseFault, OnDatabase};
use row_lock::RowLock;
use select_load::SelectLoad;
use table_lock::TableLock;
use update_load::UpdateLoad;

/// Returns every database fault, in the order of the listing.
pub fn all() -> Vec<Arc<dyn DynFault>> {
    vec![
        fault::<InsertLoad>(),
        fault::<UpdateLoad>(),
        fault::<SelectLoad>(),
        fault::<ConfigChange>(),
        fault::<TableLock>(),
        fault::<RowLock>(),
    ]
}

fn fault<D: DatabaseFault + Default>() -> Arc<dyn DynFault> {
    erase(OnDatabase::<D>::default())
}
