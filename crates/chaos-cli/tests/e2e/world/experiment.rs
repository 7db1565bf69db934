//! Experiment files, as a user would write them.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::binary::write_file;

/// An experiment file. It is removed when nobody needs it any more.
pub struct Experiment {
    path: PathBuf,
    folder: Arc<TempDir>,
}

impl Experiment {
    /// One experiment on a PostgreSQL database. `skills` is YAML, a list.
    pub fn on_postgres(url: &str, duration: &str, skills: &str) -> Self {
        Self::from_text(&format!("experiments:\n{}", postgres_entry("e2e", url, duration, skills)))
    }

    /// One experiment on a SQLite file.
    pub fn on_sqlite(path: &std::path::Path, duration: &str, skills: &str) -> Self {
        let url = format!("sqlite://{}", path.display());
        Self::from_text(&format!("experiments:\n{}", entry("e2e", "sqlite", &url, duration, skills)))
    }

    /// A file with exactly this text.
    pub fn from_text(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: write_file(folder.path(), "experiment.yaml", text), folder: Arc::new(folder) }
    }

    /// Keeps the file there until the result is dropped.
    pub fn keep(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Returns where the file is.
    pub fn file(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// Returns one entry of `experiments:` for PostgreSQL.
pub fn postgres_entry(name: &str, url: &str, duration: &str, skills: &str) -> String {
    entry(name, "postgres", url, duration, skills)
}

fn entry(name: &str, db_type: &str, url: &str, duration: &str, skills: &str) -> String {
    let skills: String = skills.trim_matches('\n').lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "  - name: {name}\n    target: database\n    target_config:\n      connection_url: \"{url}\"\n      \
         db_type: {db_type}\n    duration: {duration}\n    skills:\n{skills}"
    )
}

/// Returns one entry of `skills:`; `params` is YAML in flow style: `{rows: 5}`.
pub fn skill(name: &str, params: &str) -> String {
    format!("- skill_name: {name}\n  params: {params}\n")
}
