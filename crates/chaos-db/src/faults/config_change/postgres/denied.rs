//! The settings that are never changed, and why.

/// Why the settings of a group are refused.
const PROOF: &str = "what was committed, and with it the undo, could be lost or damaged in a crash";
const DAMAGE: &str = "it hides or destroys damaged data";
const LOCKED_OUT: &str = "it decides who can connect, and could lock out the application and the undo";
const CODE: &str = "the server would load or run other code";
const EVIDENCE: &str = "the server's own record of what happened would go somewhere else";
const REPLICATION: &str = "a standby could lose its place, or a commit wait for ever, and no undo mends that";
const MEANING: &str = "it changes what statements mean or may do, beyond the time of the fault";
const LASTING: &str = "what is created or stored meanwhile keeps it after the undo";
const OURS: &str = "it would stand in the way of the undo itself";
const SESSION: &str = "it belongs to a session or a transaction, not to the server";
const LIST: &str = "it is a list of quoted names, whose text ALTER SYSTEM does not write back exactly";

/// Settings by name.
const NAMES: &[(&[&str], &str)] = &[
    (
        // With a weaker `synchronous_commit`, commits that the application was promised can be gone after a crash.
        &[
            "fsync",
            "full_page_writes",
            "synchronous_commit",
            "wal_sync_method",
            "wal_level",
            "data_sync_retry",
        ],
        PROOF,
    ),
    (&["zero_damaged_pages", "allow_system_table_mods", "allow_in_place_tablespaces"], DAMAGE),
    (
        &[
            "listen_addresses",
            "port",
            "hba_file",
            "ident_file",
            "data_directory",
            "config_file",
            "external_pid_file",
            "unix_socket_directories",
            "password_encryption",
            "scram_iterations",
            "authentication_timeout",
            "pre_auth_delay",
            "post_auth_delay",
            "db_user_namespace",
            "max_connections",
            "reserved_connections",
            "superuser_reserved_connections",
        ],
        LOCKED_OUT,
    ),
    (
        &[
            "shared_preload_libraries",
            "session_preload_libraries",
            "local_preload_libraries",
            "dynamic_library_path",
            "extension_control_path",
            "jit_provider",
            "restore_command",
        ],
        CODE,
    ),
    (
        &[
            "logging_collector",
            "log_destination",
            "log_directory",
            "log_filename",
            "log_file_mode",
            "log_truncate_on_rotation",
            "event_source",
        ],
        EVIDENCE,
    ),
    (
        &[
            "primary_conninfo",
            "primary_slot_name",
            "promote_trigger_file",
            "synchronous_standby_names",
            "synchronized_standby_slots",
            "standby_slot_names",
            "max_slot_wal_keep_size",
            "idle_replication_slot_timeout",
            "wal_keep_size",
            "wal_keep_segments",
            "hot_standby_feedback",
        ],
        REPLICATION,
    ),
    (
        &[
            "row_security",
            "session_replication_role",
            "event_triggers",
            "standard_conforming_strings",
            "backslash_quote",
            "escape_string_warning",
            "transform_null_equals",
            "check_function_bodies",
            "restrict_nonsystem_relation_kind",
            "lo_compat_privileges",
            "createrole_self_grant",
            "quote_all_identifiers",
        ],
        MEANING,
    ),
    (
        &[
            "default_tablespace",
            "default_table_access_method",
            "default_toast_compression",
            "default_text_search_config",
        ],
        LASTING,
    ),
    (
        &["default_transaction_read_only", "max_prepared_transactions", "allow_alter_system", "track_counts"],
        OURS,
    ),
    (
        &[
            "role",
            "session_authorization",
            "is_superuser",
            "seed",
            "transaction_isolation",
            "transaction_read_only",
            "transaction_deferrable",
            "application_name",
            "client_encoding",
        ],
        SESSION,
    ),
    (&["search_path", "temp_tablespaces"], LIST),
];

/// Settings by the beginning of their name.
const PREFIXES: &[(&str, &str)] = &[
    ("ssl", LOCKED_OUT),
    ("krb_", LOCKED_OUT),
    ("gss_", LOCKED_OUT),
    ("oauth_", LOCKED_OUT),
    ("archive_", PROOF),
    ("ignore_", DAMAGE),
    ("recovery_", REPLICATION),
    ("syslog_", EVIDENCE),
];

/// Returns why this setting is never changed; `None` when it may be.
pub(in super::super) fn reason(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let by_name = NAMES.iter().find(|(names, _)| names.contains(&name.as_str())).map(|(_, reason)| *reason);
    let by_prefix =
        || PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, reason)| *reason);
    by_name.or_else(by_prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dangerous_settings_are_refused_in_any_case() {
        for name in [
            "fsync",
            "FSYNC",
            "synchronous_commit",
            "ssl_cert_file",
            "archive_command",
            "ignore_checksum_failure",
            "search_path",
            "default_transaction_read_only",
        ] {
            assert!(reason(name).is_some(), "{name}");
        }
    }

    #[test]
    fn settings_that_people_break_on_purpose_are_allowed() {
        for name in [
            "work_mem",
            "statement_timeout",
            "lock_timeout",
            "autovacuum",
            "checkpoint_timeout",
            "random_page_cost",
        ] {
            assert_eq!(reason(name), None, "{name}");
        }
    }
}
