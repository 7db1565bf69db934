//! Changes the permission bits of files and directories, and gives each its own back.
//!
//! Only the bits are changed. Owner, group, file capabilities and access lists stay as they are: the bits of the group are the
//! mask of an access list, so that it comes back with them. A file is told by device, inode, owner and bits, looked at through
//! an open descriptor; what somebody else has put in its place or changed is left alone. A file that was moved has its inode still
//! and is looked for by that; when it was made tells it from one that got the number of a removed file.

mod choose;
mod protect;

use std::collections::BTreeSet;
use std::path::Path;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Access, Claim, FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk};
use chaos_host::{Limits, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

const BASH: &str =
    concat!(include_str!("permission_change/batch.sh"), include_str!("permission_change/bash.sh"));
const BASH_UNDO: &str = concat!(
    include_str!("permission_change/batch.sh"),
    include_str!("permission_change/moved.sh"),
    include_str!("permission_change/bash.sh")
);
const INJECT: &str = concat!(
    include_str!("permission_change/batch.sh"),
    include_str!("permission_change/run.sh"),
    include_str!("permission_change/inject.sh")
);
const LOOK: &str = concat!(
    include_str!("permission_change/batch.sh"),
    include_str!("permission_change/run.sh"),
    include_str!("permission_change/look.sh")
);
const UNDO: &str = concat!(
    include_str!("permission_change/batch.sh"),
    include_str!("permission_change/run.sh"),
    include_str!("permission_change/undo.sh")
);

/// The most files of one use. Their undo must end within its minute also where there is no bash.
const PATHS_MAX: u32 = 20_000;
/// So many paths are written out in a plan; the others are counted.
const SHOWN_MAX: usize = 10;

/// Changes permissions: `server.permission_change`.
#[derive(Debug, Clone, Copy, Default)]
pub struct PermissionChange;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The files and directories, as absolute paths without symbolic links in them. They are taken as they stand: no pattern is
    /// expanded. Default: the configuration files of the running services that `resource_filters` match: their environment
    /// files and what lies in `/etc/NAME`, `/etc/NAME.conf`, `/etc/default/NAME` and `/etc/sysconfig/NAME`. The plan lists them.
    /// `resource_filters` do not apply to paths that are named here. Example: `["/etc/nginx/nginx.conf"]`.
    pub paths: Vec<String>,
    /// The permission bits that they get, as three octal digits in quotes; bits beyond them (set-user-id and so on) are
    /// taken away. Default: `"000"`. Example: `"400"`.
    #[serde(deserialize_with = "mode")]
    #[schemars(with = "String", regex(pattern = "^0?[0-7]{3}$"))]
    pub mode: u16,
    /// Whether everything below the directories of `paths` is changed too, as far as it is on the same mount. Symbolic links and
    /// special files are left alone. Default: `false`.
    pub recursive: bool,
    /// The most files and directories that may be changed, 1 to 20000; more are refused. Default: 10000.
    #[schemars(range(min = 1, max = PATHS_MAX))]
    pub max_paths: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { paths: Vec::new(), mode: 0, recursive: false, max_paths: 10_000 }
    }
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    use serde::de::Error as _;
    let value = serde_json::Value::deserialize(deserializer)?;
    let Some(text) = value.as_str() else {
        return Err(D::Error::custom(
            "a mode stands in quotes, as `\"640\"`: a bare number is not read as octal",
        ));
    };
    let is_mode = text.len() == 3 || text.len() == 4 && text.starts_with('0');
    let bits = if is_mode { u16::from_str_radix(text, 8).ok() } else { None };
    bits.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(|| {
        D::Error::custom(format_args!("`{text}` is no mode; write three octal digits, as `\"640\"`"))
    })
}

/// One file or directory: its path, and DEVICE:INODE:UID:GID:MODE as it was, MODE in hexadecimal digits with the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File(pub String, pub String);

impl File {
    /// Returns the permission bits in three hexadecimal digits.
    fn bits(&self) -> &str {
        self.1.get(self.1.len().saturating_sub(3)..).unwrap_or_default()
    }

    /// Returns mode, owner and inode as they were, for people: ` (mode 0640, owner 0:33, inode 7 before)`.
    fn was(&self) -> String {
        let parts: Vec<&str> = self.1.split(':').collect();
        let [_, inode, uid, gid, mode] = parts.as_slice() else { return String::new() };
        u32::from_str_radix(mode, 16).map_or_else(
            |_| String::new(),
            |mode| format!(" (mode {:04o}, owner {uid}:{gid}, inode {inode} before)", mode & 0o7777),
        )
    }
}

/// Files, and the bits that they get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The bits that they get.
    pub mode: u16,
    /// The files. Those with the same bits stand together; those with a line break in their name come last.
    pub files: Vec<File>,
    /// What a person named, or was chosen; with [`recursive`](Self::recursive) it stands for everything below.
    pub roots: Vec<String>,
    /// Whether everything below the roots is meant.
    pub recursive: bool,
    /// How many of the files have these bits already and stay as they are.
    pub unchanged: usize,
    /// The services whose configuration was chosen, where nothing was named.
    pub services: Vec<String>,
    /// The boot in which the numbers of the devices were read.
    pub boot: String,
    /// The mount points that the files are on.
    pub mounts: Vec<String>,
    /// When the newest of the files was made, in nanoseconds since 1970, if the host knows that of each. What has the inode of one
    /// of them and is newer is another file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<u64>,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<_> = self.files.iter().take(SHOWN_MAX).map(|file| format!("`{}`", file.0)).collect();
        let noun = if self.files.len() == 1 { "path" } else { "paths" };
        write!(f, "give {} {noun} the mode {:03o}: {}", self.files.len(), self.mode, shown.join(", "))?;
        if self.files.len() > SHOWN_MAX {
            write!(f, " and {} more", self.files.len() - SHOWN_MAX)?;
        }
        if !self.services.is_empty() {
            write!(f, "; the configuration of {}", self.services.join(", "))?;
        }
        if self.unchanged > 0 {
            write!(f, "; {} have it already", self.unchanged)?;
        }
        Ok(())
    }
}

impl Step {
    fn script(&self, text: &'static str, engine: &'static str) -> Script {
        let (plain, odd): (Vec<_>, Vec<_>) = self.files.iter().partition(|file| !file.0.contains('\n'));
        let lines: Vec<_> = plain.iter().flat_map(|file| [file.1.as_str(), file.0.as_str()]).collect();
        let escape = |path: &str| path.replace('\u{1}', "\u{1}a").replace('\n', "\u{1}b");
        let escaped: Vec<_> = odd.iter().flat_map(|file| [file.1.clone(), escape(&file.0)]).collect();
        Script::new(text)
            .set("engine", engine)
            .set("new", format!("{:03x}", self.mode))
            .set("count", self.files.len().to_string())
            .set("boot", &self.boot)
            .set("same_boot", "1")
            .set("plain_count", plain.len().to_string())
            .set("plain", lines.join("\n"))
            .set("odd", escaped.join("\n"))
            .set("mounts", self.mounts.join("\n"))
            .set("born", self.born.map(|born| born.to_string()).unwrap_or_default())
            .args(odd.iter().flat_map(|file| [file.1.as_str(), file.0.as_str()]))
    }

    /// Claims the roots, and what is below those of a recursive change: two steps must not meet at one file, where the second
    /// would find what the first has made.
    fn claims(&self) -> Vec<Claim> {
        let claim =
            |what: &str, path: &str, access| Claim { resource: format!("permissions {what} {path}"), access };
        let whole = self.roots.iter().filter(|_| self.recursive);
        let above: BTreeSet<&str> = self
            .roots
            .iter()
            .flat_map(|root| Path::new(root).ancestors().skip(1))
            .filter_map(Path::to_str)
            .collect();
        let of = self.roots.iter().map(|root| claim("of", root, Access::BlockWrites));
        let below = whole.map(|root| claim("below", root, Access::BlockWrites));
        of.chain(below).chain(above.into_iter().map(|path| claim("below", path, Access::Write))).collect()
    }
}

impl HostFault for PermissionChange {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.permission_change",
        target: "server",
        summary: "Takes permissions of files and directories away",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = true;
    const CLAIMS_ON_HOST: bool = true;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        choose::check(params)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        Ok(vec![choose::step(cx, target, params).await?])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        let paths = step.files.iter().map(|file| TargetName::new(NameKind::Path, file.0.clone()));
        let services = step.services.iter().map(|name| TargetName::new(NameKind::Service, name.clone()));
        HostFacts {
            undo: format!("give {} files their own modes back, where they are still ours", step.files.len()),
            claims: step.claims(),
            names: services.chain(paths).collect(),
            mounts: step.mounts.clone(),
        }
    }

    fn undo(&self, step: &Step, _id: &str) -> Script {
        step.script(UNDO, BASH_UNDO)
    }

    fn inject(&self, step: &Step, _id: &str) -> Script {
        step.script(INJECT, BASH)
    }

    fn inject_limits(&self, _step: &Step) -> Limits {
        Limits::time(std::time::Duration::from_secs(120))
    }

    fn measure(&self, step: &Step, _id: &str) -> Option<Script> {
        Some(step.script(LOOK, BASH))
    }

    fn conflict(&self, step: &Step, what: &str) -> String {
        let file = what.parse::<usize>().ok().and_then(|number| step.files.get(number.checked_sub(1)?));
        // Whoever has to mend it by hand needs to know what it was.
        file.map_or_else(|| what.to_owned(), |file| format!("permissions of `{}`{}", file.0, file.was()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mode_is_three_octal_digits_in_quotes() {
        for (text, bits) in [("000", 0), ("640", 0o640), ("0755", 0o755), ("777", 0o777)] {
            let params: Params = serde_json::from_value(json!({"mode": text})).unwrap();
            assert_eq!(params.mode, bits);
        }
        for value in [
            json!(0),
            json!(644),
            json!("4755"),
            json!("888"),
            json!("+x"),
            json!("-10"),
            json!("7"),
            json!(""),
        ] {
            assert!(serde_json::from_value::<Params>(json!({"mode": value})).is_err(), "{value}");
        }
    }

    #[test]
    fn a_step_of_the_first_version_still_loads() {
        let old = r#"{"mode":0,"files":[["/etc/x","2049:7:0:0:81a4"]],"roots":["/etc/x"],"recursive":false,"unchanged":0,
            "services":[],"boot":"b","mounts":["/"]}"#;
        let step: Step = serde_json::from_str(old).unwrap();
        assert_eq!(step.to_string(), "give 1 path the mode 000: `/etc/x`");
        assert_eq!(step.files[0].bits(), "1a4");
    }

    #[test]
    fn two_steps_that_could_meet_at_a_file_block_each_other_and_others_do_not() {
        let claims = |roots: &[&str], recursive| {
            let roots = roots.iter().map(|root| (*root).to_owned()).collect();
            let (files, services, mounts) = (Vec::new(), Vec::new(), Vec::new());
            let boot = String::new();
            let born = None;
            Step { mode: 0, files, roots, recursive, unchanged: 0, services, boot, mounts, born }.claims()
        };
        let blocks = |one: &[Claim], other: &[Claim]| {
            let meet = |a: &Claim, b: &Claim| a.resource == b.resource && a.access.blocks(b.access);
            one.iter().any(|a| other.iter().any(|b| meet(a, b)))
        };
        let tree = claims(&["/srv/a"], true);
        for (other, recursive, expected) in [
            (&["/srv/a"][..], false, true),
            (&["/srv/a/b/c"], false, true),
            (&["/srv"], true, true),
            (&["/srv/a/b"], true, true),
            (&["/etc/x", "/srv/a/b"], true, true),
            (&["/srv"], false, false),
            (&["/srv/ab"], true, false),
            (&["/srv/b", "/etc/x"], true, false),
        ] {
            let other_claims = claims(other, recursive);
            assert_eq!(blocks(&tree, &other_claims), expected, "{other:?} {recursive}");
            assert_eq!(blocks(&other_claims, &tree), expected, "{other:?} {recursive}");
        }
    }
}
