//! `cargo xtask schema`: writes the JSON schemas that `chaos schema` prints into docs/schema. That they are up to date is
//! checked by the tests of the binary.

use std::fs;

use crate::failure::Context;
use crate::{Outcome, process, workspace};

/// What `chaos schema` knows, and the file each goes into.
const SCHEMAS: [&str; 6] = ["experiment", "policy", "plan", "report", "status", "history"];

/// Writes every schema.
///
/// # Errors
/// When `chaos` cannot be built or a file cannot be written.
pub fn run() -> Outcome {
    let folder = workspace::root().join("docs/schema");
    fs::create_dir_all(&folder).context(|| format!("create `{}`", folder.display()))?;
    for name in SCHEMAS {
        let mut chaos = workspace::cargo();
        chaos.args(["run", "--quiet", "--package", "chaos-cli", "--", "schema", name]);
        let schema = process::read(&mut chaos)?;
        let path = folder.join(format!("{name}.json"));
        fs::write(&path, schema).context(|| format!("write `{}`", path.display()))?;
    }
    Ok(())
}
