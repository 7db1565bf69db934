//! Which units of one host are left alone: those of the built-in list, those that we are connected through, and those that
//! `exclude_services` names.

use chaos_core::{Failure, FaultError};
use globset::{Glob, GlobMatcher};

use crate::discovery::services::Unit;
use crate::never;
use crate::target::ServerTarget;

/// The units of one host that are left alone.
#[derive(Default)]
pub(crate) struct LeftAlone<'a> {
    own: &'a [String],
    excluded: Vec<GlobMatcher>,
}

/// Why a unit is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why<'a> {
    /// No fault ever touches it, for this reason.
    Never(&'static str),
    /// This pattern of `exclude_services` names it.
    Excluded(&'a str),
}

impl<'a> LeftAlone<'a> {
    /// Takes what the configuration of a host says, and which way we came.
    pub(crate) fn new(target: &'a ServerTarget) -> Result<Self, FaultError> {
        let patterns = target.discovery().exclude_services.iter();
        let excluded = patterns.map(|pattern| glob(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { own: &target.facts().own_units, excluded })
    }

    /// Returns why a unit is left alone, if it is.
    pub(crate) fn why(&self, unit: &Unit) -> Option<Why<'_>> {
        let never = unit.names.iter().find_map(|name| never::reason_here(name, self.own));
        never.map(Why::Never).or_else(|| {
            let names_it = |glob: &&GlobMatcher| unit.all_names().any(|name| glob.is_match(name));
            self.excluded.iter().find(names_it).map(|glob| Why::Excluded(glob.glob().glob()))
        })
    }
}

fn glob(pattern: &str) -> Result<GlobMatcher, FaultError> {
    let glob = Glob::new(pattern).map_err(|error| {
        FaultError::Params(Failure::new(format!("read `{pattern}` of `exclude_services`")).source(error))
    })?;
    Ok(glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], patterns: &[&str], expected: Option<Why<'_>>) {
        let excluded = patterns.iter().map(|pattern| glob(pattern).unwrap()).collect();
        let own = ["jumpd.service".to_owned()];
        let unit = Unit { names: names.iter().map(|name| (*name).to_owned()).collect(), ..Unit::default() };
        assert_eq!(LeftAlone { own: &own, excluded }.why(&unit), expected);
    }

    #[test]
    fn a_pattern_means_a_unit_by_any_name_with_and_without_its_kind() {
        check(&["nginx.service", "web.service"], &["web"], Some(Why::Excluded("web")));
        check(&["nginx.service"], &["x", "ngin*.service"], Some(Why::Excluded("ngin*.service")));
        check(&["app.socket"], &["app"], Some(Why::Excluded("app")));
        check(&["nginx.service"], &["ngin", "nginx.socket"], None);
    }

    #[test]
    fn the_built_in_list_and_the_way_we_came_go_before_patterns() {
        check(&["jumpd.service"], &["*"], Some(Why::Never("we are connected through it")));
        check(&["ssh.service"], &["*"], Some(Why::Never("it lets people in over SSH")));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_refused() {
        let error = glob("{a").map(drop).unwrap_err();
        assert!(matches!(error, FaultError::Params(_)), "{error}");
    }
}
