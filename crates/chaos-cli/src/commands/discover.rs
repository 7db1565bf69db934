//! `chaos discover`: what is there. Reads only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chaos_core::document;
use chaos_core::{
    Catalog, DiscoverFilter, DynConnector, ExitCode, Inventory, MembersRequest, ResourceFilter,
};
use chaos_engine::report::plain;
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::args::DiscoverArguments;
use crate::catalog::catalog;
use crate::codes::Code;
use crate::error::CliError;
use crate::loader::variable;
use crate::output::error::object as error_object;
use crate::output::{Output, progress, table};
use crate::requests;

/// The longest that one target may take. A catalogue of a hundred thousand tables is read in less.
const DISCOVER_MAX: Duration = Duration::from_secs(120);

/// How many systems of one target are looked at at once.
const AT_ONCE: usize = 32;

/// One target to look at.
struct Wanted {
    name: String,
    kind: String,
    config: Value,
    as_written: Value,
    /// Where relative paths in the configuration begin.
    directory: Option<PathBuf>,
    resources: ResourceFilter,
}

/// What was found on all targets, and what kept us from some of them.
#[derive(Default)]
struct Looked {
    found: Vec<Found>,
    errors: Vec<CliError>,
}

/// What was found on one target.
#[derive(Serialize)]
struct Found {
    name: String,
    product: String,
    target: String,
    inventory: Value,
    #[serde(skip)]
    tables: Vec<chaos_core::InventoryTable>,
}

/// Looks at every target of a file, or at the one of a URL.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &DiscoverArguments, output: &Output) -> Result<ExitCode, CliError> {
    let catalog = catalog();
    let wanted = match (&arguments.file, &arguments.url) {
        (Some(file), _) => from_file(file, &catalog)?,
        (None, Some(url)) => vec![from_url(url, arguments, &catalog)?],
        (None, None) => unreachable!("the arguments require one of them"),
    };
    let Looked { found, mut errors } = super::block_on(async {
        let mut looked = Looked::default();
        for one in wanted {
            // One system in trouble does not hide the others.
            match look_at_members(one, arguments, &catalog).await {
                Ok(Looked { found, errors }) => {
                    looked.found.extend(found);
                    looked.errors.extend(errors);
                }
                Err(error) => looked.errors.push(error),
            }
        }
        Ok(looked)
    })?;
    if let (true, 1) = (found.is_empty(), errors.len())
        && let Some(error) = errors.pop()
    {
        return Err(error);
    }
    for error in &errors {
        output.say_error(error);
    }
    let told: Vec<Value> = errors.iter().map(error_object).collect();
    output.result(|| text(&found), &json!({"targets": found, "errors": told}))?;
    Ok(errors.first().map_or(ExitCode::Done, |error| error.exit))
}

fn from_file(file: &Path, catalog: &Catalog) -> Result<Vec<Wanted>, CliError> {
    let requests = requests::load(&[PathBuf::from(file)], catalog)?;
    let directory = std::path::absolute(file).ok().and_then(|file| file.parent().map(Path::to_owned));
    let wanted = requests.into_iter().flat_map(|request| {
        let (experiment, resources, directory) = (request.name, request.filter, directory.clone());
        request.targets.into_iter().map(move |target| Wanted {
            name: entitled(&experiment, &target.name),
            kind: target.kind,
            config: target.config,
            as_written: target.config_as_written,
            directory: directory.clone(),
            resources: resources.clone(),
        })
    });
    Ok(wanted.collect())
}

fn from_url(url: &str, arguments: &DiscoverArguments, catalog: &Catalog) -> Result<Wanted, CliError> {
    let mut config = Map::new();
    config.insert("connection_url".to_owned(), url.into());
    config.insert("db_type".to_owned(), db_type(url, arguments)?.into());
    if !arguments.schemas.is_empty() {
        config.insert("schemas".to_owned(), arguments.schemas.clone().into());
    }
    let invalid = |error: &dyn std::error::Error| CliError::new(Code::Usage, "use `--url`").because(error);
    let config = document::resolve(&Value::Object(config), &variable).map_err(|error| invalid(&error))?;
    let kind = "database".to_owned();
    if let Some(connector) = catalog.connector(&kind) {
        connector.check_config(&config).map_err(|error| invalid(&error))?;
    }
    Ok(Wanted {
        name: "--url".to_owned(),
        kind,
        as_written: config.clone(),
        config,
        directory: None,
        resources: ResourceFilter::default(),
    })
}

fn db_type(url: &str, arguments: &DiscoverArguments) -> Result<String, CliError> {
    if let Some(db_type) = &arguments.db_type {
        return Ok(db_type.clone());
    }
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok("postgres".to_owned()),
        Some("sqlite") => Ok("sqlite".to_owned()),
        // The URL itself may hold a password.
        _ => Err(CliError::new(Code::Usage, "tell the kind of database from the URL")
            .hint("begin it with `postgres://` or `sqlite://`, or say `--db-type`")),
    }
}

fn entitled(name: &str, part: &str) -> String {
    if part.is_empty() { name.to_owned() } else { format!("{name}/{part}") }
}

/// Looks at every system that one configuration stands for.
async fn look_at_members(
    wanted: Wanted,
    arguments: &DiscoverArguments,
    catalog: &Catalog,
) -> Result<Looked, CliError> {
    let Wanted { name, kind, config, as_written, directory, resources } = wanted;
    let filter = DiscoverFilter { tables: arguments.tables.clone(), resources };
    let connector = catalog
        .connector(&kind)
        .ok_or_else(|| CliError::new(Code::Unknown, format!("reach a target of kind `{kind}`")))?;
    let request = MembersRequest { config, as_written, directory, seed: 0, only: None };
    let members = connector.members(request).await;
    let members =
        members.map_err(|error| CliError::of_fault(format!("look at the {kind} of `{name}`"), &error))?;
    members.notes.iter().for_each(|note| progress::say(&plain(note)));
    let at_once = members.at_once.unwrap_or(AT_ONCE).clamp(1, AT_ONCE);
    let looking = members
        .list
        .into_iter()
        .map(|member| look(entitled(&name, &member.name), &kind, &**connector, member.config, &filter));
    let mut looked = Looked::default();
    for one in stream::iter(looking).buffered(at_once).collect::<Vec<_>>().await {
        match one {
            Ok(one) => looked.found.push(one),
            Err(error) if members.allow_unreachable && error.code == Code::Unreachable => {
                progress::say(&plain(&format!(
                    "skipped: {}: {}",
                    error.what,
                    error.causes.join(": ").lines().map(str::trim).collect::<Vec<_>>().join("; ")
                )));
            }
            Err(error) => looked.errors.push(error),
        }
    }
    Ok(looked)
}

async fn look(
    name: String,
    kind: &str,
    connector: &dyn DynConnector,
    config: Value,
    filter: &DiscoverFilter,
) -> Result<Found, CliError> {
    let what = format!("look at the {kind} of `{name}`");
    let looking = async {
        let target = connector.connect(config).await?;
        let inventory: Inventory = target.discover(filter).await?;
        let identity = target.identity();
        Ok(Found {
            name,
            product: identity.product.clone(),
            target: identity.label.clone(),
            inventory: inventory.data,
            tables: inventory.tables,
        })
    };
    match tokio::time::timeout(DISCOVER_MAX, looking).await {
        Ok(found) => found.map_err(|error| CliError::of_fault(what, &error)),
        Err(_) => Err(CliError::new(
            Code::Unreachable,
            format!("{what}: no answer within {} seconds", DISCOVER_MAX.as_secs()),
        )),
    }
}

fn text(found: &[Found]) -> String {
    let mut text = String::new();
    for one in found {
        text.push_str(&format!("{}, {}\n", plain(&one.product), plain(&one.target)));
        for part in &one.tables {
            text.push_str(&format!("\n{}\n", plain(&part.title)));
            match part.rows.is_empty() {
                true => text.push_str("none\n"),
                false => text.push_str(&table::columns(&part.columns, &part.rows)),
            }
        }
        text.push('\n');
    }
    text
}
