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

#[cfg(test)]
mod tests {
    use chaos_core::document::path_text;
    use serde_json::{Value, json};

    use super::*;

    /// Says where parameters are wrong and why, before any database is asked; nothing where they are not.
    fn refused(name: &str, params: &Value) -> Option<String> {
        let fault = all().into_iter().find(|fault| fault.spec().name == name).unwrap();
        fault.check_params(params).unwrap_or_else(|error| panic!("{name} {params}: {error}"));
        fault.check(params).err().map(|misfit| format!("{}: {}", path_text(&misfit.path), misfit.why))
    }

    #[test]
    fn names_that_nothing_has_are_refused() {
        let loads = ["db.insert_load", "db.update_load", "db.select_load", "db.table_lock", "db.row_lock"];
        for (name, key) in
            loads.map(|name| (name, "tables")).into_iter().chain([("db.update_load", "columns")])
        {
            for bad in ["", " ", "a\0b"] {
                let expected =
                    format!("{key}[1]: `{key}` must hold names, each with something in it and no zero byte");
                assert_eq!(refused(name, &json!({ key: ["ok", bad] })), Some(expected), "{name} {bad:?}");
            }
            assert_eq!(refused(name, &json!({ key: ["a b", "public.a\nb"] })), None);
        }
    }

    #[test]
    fn settings_that_no_database_lets_us_change_are_refused() {
        let refused = |param: &str, value: Value| {
            refused(
                "db.config_change",
                &json!({"changes": [{"param": "work_mem", "value": 1}, {"param": param, "value": value}]}),
            )
        };
        for (param, value, expected) in [
            (
                "FSYNC",
                json!("off"),
                "changes[1].param: this setting is never changed: what was committed, and with it the undo, could be lost or damaged in a crash",
            ),
            ("a", json!("b\nc"), "changes[1].value: no setting takes a line break"),
            (
                "user_version",
                json!("x"),
                "changes[1].value: `user_version` cannot be set to this: it must be a whole number of 32 bits",
            ),
            (
                "journal_mode",
                json!("off"),
                "changes[1].value: `journal_mode` cannot be set to this: it must be `wal` or `delete`; the other modes are not kept in the file",
            ),
        ] {
            assert_eq!(refused(param, value).as_deref(), Some(expected));
        }
        assert_eq!(refused("user_version", json!(7)), None);
        // What one of the databases may take is asked there.
        assert_eq!(refused("synchronous", json!("off")), None);
    }
}
