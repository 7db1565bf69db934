//! Everything that this binary can do. The only place that knows every crate of faults.

use chaos_core::{Catalog, erase_connector};

/// Returns every fault and connector.
pub fn catalog() -> Catalog {
    Catalog {
        faults: chaos_db::faults::all().into_iter().chain(chaos_server::faults::all()).collect(),
        connectors: vec![
            erase_connector(chaos_db::DbConnector),
            erase_connector(chaos_server::ServerConnector),
        ],
    }
}
