//! What a step has to itself on a machine, whoever asks for it: two undos of one thing would each bring back what the other one had
//! made of it.

use crate::error::HostError;
use crate::host::{Host, Limits};
use crate::script::Script;

const OTHERS: &str = concat!(include_str!("claims.sh"), include_str!("others.sh"));

/// What a step has to itself on a machine.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Lines of the file of claims.
    own: Vec<String>,
    /// Lines that must not stand in the claims of others.
    against: Vec<String>,
}

impl Claims {
    /// Names what a step has to itself (`blocks`), and what it changes in a way that bears others that do (`writes`).
    pub fn new(blocks: &[String], writes: &[String]) -> Self {
        // One line each.
        let line = |mark: char, claim: &String| format!("{mark} {}", claim.replace('\n', "\\n"));
        let lines =
            |mark, claims: &[String]| claims.iter().map(|claim| line(mark, claim)).collect::<Vec<_>>();
        Self {
            own: [lines('b', blocks), lines('w', writes)].concat(),
            against: [lines('b', blocks), lines('w', blocks), lines('b', writes)].concat(),
        }
    }

    pub(super) fn own(&self) -> String {
        self.own.join("\n")
    }

    pub(super) fn against(&self) -> String {
        self.against.join("\n")
    }
}

/// A rope that is in force on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// The directory of that rope.
    pub dir: String,
    /// How many things its step has to itself, or changes.
    pub claims: u64,
    /// The first of them that was asked for.
    pub claim: String,
}

/// Returns the ropes on the machine that clash with steps which have none yet, each with the first thing that they clash on.
///
/// # Errors
/// When the machine cannot be asked.
pub async fn clashing(host: &Host, steps: &[Claims]) -> Result<Vec<Other>, HostError> {
    let against: Vec<_> = steps.iter().flat_map(|claims| &claims.against).map(String::as_str).collect();
    if against.is_empty() { Ok(Vec::new()) } else { others(host, &against.join("\n")).await }
}

/// Returns the ropes on the machine that claim anything, each with the first thing that it claims.
///
/// # Errors
/// When the machine cannot be asked.
pub async fn in_force(host: &Host) -> Result<Vec<Other>, HostError> {
    others(host, "").await
}

async fn others(host: &Host, against: &str) -> Result<Vec<Other>, HostError> {
    let script = Script::new(OTHERS).set("against", against);
    let output = host.must("look for other runs", &script, Limits::default()).await?;
    let other = |told: &str| {
        let [dir, claims, claim] = told.splitn(3, ' ').collect::<Vec<_>>().try_into().ok()?;
        Some(Other { dir: dir.to_owned(), claims: claims.parse().ok()?, claim: claim.to_owned() })
    };
    Ok(output.told("other").filter_map(other).collect())
}
