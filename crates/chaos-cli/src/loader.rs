//! Reads configurations again for a recovery, and resolves references to secrets.

use chaos_core::document;
use chaos_core::experiment::{self, ExperimentSpec, TargetSpec};
use chaos_engine::{ConfigLoader, ConfigPlace, FoundConfig};
use serde_json::Value;

/// Reads files of experiments with the catalogue of this binary.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileLoader;

impl ConfigLoader for FileLoader {
    fn load(&self, place: &ConfigPlace<'_>) -> Result<FoundConfig, String> {
        let file = place.file.display();
        let loaded = experiment::load(place.file, &crate::catalog::catalog()).map_err(|problems| {
            problems.first().map_or_else(String::new, |problem| format!("{problem:?}"))
        })?;
        let index = experiment_at(&loaded.experiments, place.index, place.experiment).ok_or_else(|| {
            let which = match place.experiment {
                Some(name) => format!("called `{name}`"),
                None => format!("at place {}", place.index + 1),
            };
            format!("`{file}` has no experiment {which} any more")
        })?;
        let targets = &loaded.experiments[index].targets;
        let target = target_called(targets, place.target)
            .ok_or_else(|| format!("`{file}` has no target called `{}` any more", place.target))?;
        let config =
            loaded.resolve_config(index, target, &variable).map_err(|problem| format!("{problem:?}"))?;
        Ok(FoundConfig { config, as_written: targets[target].config.clone() })
    }

    fn resolve(&self, config: &Value) -> Result<Value, String> {
        document::resolve(config, &variable).map_err(|error| error.to_string())
    }
}

/// A target that was alone may have got a name since, or lost it.
fn target_called(targets: &[TargetSpec], name: &str) -> Option<usize> {
    let is_alone = targets.len() == 1 && (name.is_empty() || targets[0].name.is_empty());
    targets.iter().position(|target| target.name == name).or_else(|| is_alone.then_some(0))
}

/// Where the file was changed since, the name tells more than the place.
fn experiment_at(experiments: &[ExperimentSpec], index: usize, name: Option<&str>) -> Option<usize> {
    let Some(name) = name else { return (index < experiments.len()).then_some(index) };
    let is_it = |index: &usize| experiments.get(*index).is_some_and(|one| one.name == name);
    Some(index).filter(is_it).or_else(|| experiments.iter().position(|one| one.name == name))
}

/// Returns the environment variable `name`, where it is set and text.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(index: usize, name: Option<&str>, expected: Option<&str>) {
        let one = |name: &str| {
            format!(
                "- name: {name}\n  target: database\n  target_config: {{connection_url: 'sqlite:///{name}.db', db_type: sqlite}}\n  \
                 duration: 1m\n  skills: [{{skill_name: db.insert_load}}]\n"
            )
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("experiments:\n{}{}", one("first"), one("second"))).unwrap();
        let place = ConfigPlace { file: file.path(), index, experiment: name, target: "" };
        let found = FileLoader.load(&place).ok();
        let url = found.as_ref().and_then(|found| found.config["connection_url"].as_str());
        assert_eq!(url, expected);
    }

    #[test]
    fn an_experiment_that_was_moved_is_found_by_its_name() {
        check(0, Some("second"), Some("sqlite:///second.db"));
        check(0, Some("third"), None);
    }

    #[test]
    fn the_place_decides_where_the_journal_has_lost_the_name() {
        check(1, None, Some("sqlite:///second.db"));
        check(2, None, None);
    }
}
