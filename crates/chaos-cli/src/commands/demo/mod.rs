//! `chaos demo`: shows everything on a scratch shop, pulls the plug in the middle, and leaves nothing.
//!
//! Every act is the real command, started as a process of its own, so that what is seen here is what users get.

mod child;
mod shop;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use chaos_core::ExitCode;
use chaos_engine::report::Ink;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::child::Stage;
use self::shop::{Shop, Sight};
use crate::args::{DemoArguments, OutputForm};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::Output;
use crate::signals::Stops;

/// The longest that an interrupted act may take to roll back before the scratch directory goes.
const STOP_MAX: Duration = Duration::from_secs(10);

const INSERTS: &str = "      - skill_name: db.insert_load
        params: {rows_per_table: 500}
";

const UPDATES: &str = "      - skill_name: db.update_load
        params: {rows: 400, tables: [customers, orders]}
";

const NEXT: &str = "
Try next:
  chaos list-skills                            what can be broken
  chaos explain db.update_load                 what one fault does and takes
  chaos discover --url sqlite:///path/shop.db  what there is to break
  chaos run shop.yaml --dry-run                what would be done, and how it would be undone
  chaos demo --keep                            keep the shop and its experiments, to play with
  chaos doctor                                 is this machine ready?
";

/// What one act has shown.
#[derive(Debug, Serialize)]
struct Act {
    name: &'static str,
    before: Sight,
    during: Sight,
    after: Sight,
    restored: bool,
}

/// Plays the demo, and removes its scratch directory however it ends.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &DemoArguments, output: &Output) -> Result<ExitCode, CliError> {
    let scratch = tempfile::Builder::new()
        .prefix("chaos-demo-")
        .tempdir()
        .map_err(|error| CliError::file("create a scratch directory in", &std::env::temp_dir(), &error))?;
    let played = super::block_on(play(scratch.path(), *output));
    close(scratch, arguments.keep, output)?;
    let acts = played?;
    match output.form {
        OutputForm::Json => output.json(&json!({"acts": acts}))?,
        OutputForm::Text => output.print(NEXT)?,
    }
    Ok(ExitCode::Done)
}

fn close(scratch: TempDir, keep: bool, output: &Output) -> Result<(), CliError> {
    let path: PathBuf = scratch.path().to_owned();
    let line = if keep {
        let _ = scratch.keep();
        format!("\nThe scratch directory is kept: {}\n", path.display())
    } else {
        scratch.close().map_err(|error| CliError::file("remove", &path, &error))?;
        "\nThe scratch directory is removed; nothing is left.\n".to_owned()
    };
    match output.form {
        OutputForm::Text => output.print(&line),
        OutputForm::Json => Ok(()),
    }
}

/// Plays all acts. A signal ends the act that is on stage, which then rolls back.
async fn play(scratch: &Path, output: Output) -> Result<Vec<Act>, CliError> {
    let failed = |error: std::io::Error| CliError::new(Code::Demo, "listen for signals").because(&error);
    let mut stops = Stops::new().map_err(failed)?;
    let stage = Stage::new(scratch, output)?;
    let mut acts = pin!(all(&stage, scratch));
    tokio::select! {
        acts = &mut acts => acts,
        reason = stops.next() => {
            stage.interrupt();
            // It ends with an error of its own, which the interruption explains.
            let _ = tokio::time::timeout(STOP_MAX, acts).await;
            let error = CliError::new(Code::Demo, "finish the demo: it was interrupted");
            Err(CliError { exit: reason.exit(), ..error })
        }
    }
}

async fn all(stage: &Stage, scratch: &Path) -> Result<Vec<Act>, CliError> {
    let shop = Shop::create(&scratch.join("shop.db"))?;
    let before = shop.look()?;
    stage.say(&format!("A scratch shop in SQLite: {before}"))?;
    let inserts = stage.experiment("insert", INSERTS, "1500ms")?;
    let updates = stage.experiment("update", UPDATES, "1500ms")?;
    let long = stage.experiment("long", &format!("{INSERTS}{UPDATES}"), "1m")?;
    let mut acts = Vec::new();
    stage.title("1. Insert 500 realistic rows into every table, hold them, take them out again")?;
    acts.push(hold(stage, &shop, "inserts", &inserts).await?);
    stage.title("2. Change 400 rows of two tables, hold, restore every value")?;
    acts.push(hold(stage, &shop, "updates", &updates).await?);
    stage.title("3. Pull the plug: the same, killed in the middle with SIGKILL, and no guardian to help")?;
    acts.push(crash(stage, &shop, &long).await?);
    Ok(acts)
}

/// An act that ends by itself.
async fn hold(stage: &Stage, shop: &Shop, name: &'static str, file: &Path) -> Result<Act, CliError> {
    let before = shop.look()?;
    let mut running = stage.start(&["run", &file.display().to_string(), "--output", "json"]).await?;
    let during = running.until_holding(shop, &before).await?;
    stage.say(&format!("  in the hold   {during}"))?;
    let ended = running.end().await?;
    ended.must_be(ExitCode::Done)?;
    let report: Value = ended.json()?;
    stage.say(&format!("  undone        {}", verified(&report)))?;
    conclude(stage, shop, name, before, during)
}

/// An act that is killed in its hold and recovered by another process.
async fn crash(stage: &Stage, shop: &Shop, file: &Path) -> Result<Act, CliError> {
    let before = shop.look()?;
    let file = file.display().to_string();
    let mut running = stage.start(&["run", &file, "--no-guardian", "--output", "json"]).await?;
    let during = running.until_holding(shop, &before).await?;
    stage.say(&format!("  in the hold   {during}"))?;
    running.kill().await?;
    stage.say(&stage.paint("  killed        the process is gone, its changes are still there"))?;
    stage.call(&["status"]).await?.must_be(ExitCode::LeftBehind)?;
    stage.call(&["recover", "--all"]).await?.must_be(ExitCode::Done)?;
    stage.call(&["status"]).await?.must_be(ExitCode::Done)?;
    conclude(stage, shop, "crash and recover", before, during)
}

fn conclude(
    stage: &Stage,
    shop: &Shop,
    name: &'static str,
    before: Sight,
    during: Sight,
) -> Result<Act, CliError> {
    let after = shop.look()?;
    let restored = before == after;
    let verdict = if restored { "the same as before" } else { "NOT the same as before" };
    stage.say(&format!("  afterwards    {after}: {verdict}"))?;
    if !restored {
        let what = format!("restore the shop after `{name}`: the checksum is another one");
        return Err(CliError { exit: ExitCode::LeftBehind, ..CliError::new(Code::Demo, what) });
    }
    Ok(Act { name, before, during, after, restored })
}

fn verified(report: &Value) -> String {
    let steps = report["experiments"].as_array().into_iter().flatten();
    let steps: Vec<&Value> = steps.filter_map(|one| one["steps"].as_array()).flatten().collect();
    let verified = steps.iter().filter(|step| step["verified"] == true).count();
    format!("{verified} of {} steps read back", steps.len())
}

/// Returns whether words may be painted.
fn is_painted(output: &Output) -> bool {
    output.ink == Ink::Ansi
}
