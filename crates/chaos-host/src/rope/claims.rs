//! What a step has to itself on a machine, whoever asks for it: two undos of one thing would each bring back what the other one had
//! made of it.

use super::Rope;
use crate::error::HostError;
use crate::host::{Host, Limits};
use crate::script::Script;

const OTHERS: &str = concat!(include_str!("claims.sh"), include_str!("others.sh"));

/// What a rope says that its step has to itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    /// Lines of its file of claims.
    pub(super) own: Vec<String>,
    /// Lines that must not stand in the claims of others.
    pub(super) against: Vec<String>,
}

/// A rope of another step, in force on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// The directory of that rope.
    pub dir: String,
    /// What that step has to itself, or changes.
    pub claim: String,
}

impl Rope {
    /// Names what the step has to itself (`blocks`), and what it changes in a way that bears others that do (`writes`). While it
    /// lasts, a rope that would clash with it is not armed on that machine.
    #[must_use]
    pub fn claiming(mut self, blocks: &[String], writes: &[String]) -> Self {
        // One line each.
        let line = |mark: char, claim: &String| format!("{mark} {}", claim.replace('\n', "\\n"));
        let lines =
            |mark, claims: &[String]| claims.iter().map(|claim| line(mark, claim)).collect::<Vec<_>>();
        self.claims = Claims {
            own: [lines('b', blocks), lines('w', writes)].concat(),
            against: [lines('b', blocks), lines('w', blocks), lines('b', writes)].concat(),
        };
        self
    }
}

/// Returns the ropes on the machine that clash with any of these, which are not armed yet; all that claim anything when there are
/// none of these. Reads only.
///
/// # Errors
/// When the machine cannot be asked.
pub async fn others(host: &Host, ropes: &[Rope]) -> Result<Vec<Other>, HostError> {
    let against: Vec<_> = ropes.iter().flat_map(|rope| &rope.claims.against).map(String::as_str).collect();
    let script = Script::new(OTHERS).set("against", against.join("\n"));
    let output = host.must("look for other runs", &script, Limits::default()).await?;
    let other = |told: &str| {
        let (dir, claim) = told.split_once(' ')?;
        Some(Other { dir: dir.to_owned(), claim: claim.to_owned() })
    };
    Ok(output.told("other").filter_map(other).collect())
}
