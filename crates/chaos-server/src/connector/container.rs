//! Finds a container on a host.

use chaos_core::{Failure, FaultError};
use chaos_host::{Host, Limits, Script};

use crate::config::ContainerEngine;
use crate::target::Container;

/// Asks the programs that run containers for one. It may be stopped: a fault may be what stopped it. It may be gone: then its
/// `missing` says what the programs said.
///
/// # Errors
/// When no program is there, or several know one of this name.
pub(super) async fn find(
    host: &Host,
    label: &str,
    name: &str,
    engine: ContainerEngine,
) -> Result<Container, FaultError> {
    let what = format!("find the container `{name}` on `{label}`");
    let script =
        Script::new(include_str!("container.sh")).set("name", name).set("engines", engine.programs());
    let output = host.must(&what, &script, Limits::default()).await?;
    let fields: Vec<_> = output.fields().into_iter().flatten().collect();
    let (mut found, mut said) = (Vec::new(), Vec::new());
    for answer in fields.chunks_exact(3) {
        match answer {
            [kind, engine, id] if kind == "found" => found.push(Container {
                engine: engine.clone(),
                name: name.to_owned(),
                id: id.clone(),
                missing: None,
            }),
            [_, engine, words] => said.push(format!("{engine}: {words}")),
            _ => {}
        }
    }
    match (found.len(), found.pop()) {
        (1, Some(container)) => Ok(container),
        (0, _) if said.is_empty() => {
            let why = format!("none of these programs is there: {}", engine.programs());
            Err(FaultError::Target(Failure::new(what).source(why)))
        }
        (0, _) => Ok(Container {
            engine: String::new(),
            name: name.to_owned(),
            id: String::new(),
            missing: Some(said.join("; ")),
        }),
        _ => Err(FaultError::Target(
            Failure::new(what)
                .source("several programs have a container of this name")
                .hint("say which one in `container_engine`"),
        )),
    }
}
