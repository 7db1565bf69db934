//! What must be quick whatever the data: starting, and recovering a run that left nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::chaos::Chaos;
use super::psql::Psql;
use super::{Figure, Limit, median};
use crate::Outcome;
use crate::failure::{Context, Failure};
use crate::process;

const STARTS: usize = 60;
const RECOVERIES: usize = 9;

/// Measures both.
pub fn measure(chaos: &Chaos, psql: &Psql) -> Outcome<Vec<Figure>> {
    Ok(vec![
        Figure::absolute("chaos --version", "ms", version(chaos)?, Limit::AtMost(3.0)),
        Figure::absolute(
            "recover with nothing to restore",
            "ms",
            recover(chaos, psql)?,
            Limit::AtMost(100.0),
        ),
    ])
}

fn version(chaos: &Chaos) -> Outcome<f64> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        times.push(time(chaos, &["--version"])?);
    }
    Ok(median(times))
}

/// The whole time of `chaos recover`, the server's part included: a run was killed while it only read.
fn recover(chaos: &Chaos, psql: &Psql) -> Outcome<f64> {
    psql.execute("CREATE TABLE small (id int PRIMARY KEY, label text)")?;
    psql.execute("INSERT INTO small SELECT n, 'row ' || n FROM generate_series(1, 100) n")?;
    let params = "{query_count: 10, tables: [small]}";
    let experiment = psql.experiment(chaos, "db.select_load", params, "5m")?.display().to_string();
    let mut times = Vec::new();
    for _ in 0..RECOVERIES {
        chaos.forget()?;
        let mut child = chaos
            .command(&["run", &experiment, "--no-guardian"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context(|| "start chaos".to_owned())?;
        process::wait_for("the hold of a run", Duration::from_secs(20), || {
            chaos.journal().is_ok_and(|journal| journal.has("hold_started"))
        })?;
        child.kill().and_then(|()| child.wait()).context(|| "kill a run".to_owned())?;
        times.push(time(chaos, &["recover", "--all"])?);
    }
    psql.execute("DROP TABLE small")?;
    Ok(median(times))
}

fn time(chaos: &Chaos, arguments: &[&str]) -> Outcome<f64> {
    let started = Instant::now();
    let output = chaos.command(arguments).output().context(|| "start chaos".to_owned())?;
    let elapsed = started.elapsed().as_secs_f64() * 1000.0;
    if output.status.success() {
        return Ok(elapsed);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(format!("run `chaos {}`", arguments.join(" "))).because(said))
}
