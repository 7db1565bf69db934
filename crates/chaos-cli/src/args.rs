//! What may be written on the command line.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0    done, and what was asked held
  1    done, but something was found: an invalid file, a failed check
  2    could not do it: usage, configuration, connection
  3    refused by policy
  4    a fault failed, everything is undone
  5    something is left behind: see `chaos status`
  6    a time limit or a budget ran out
  130  interrupted, everything is undone (143: terminated)";

const EXAMPLES: &str = "\
Examples:
  chaos demo                         see it work on a scratch database
  chaos run shop.yaml --dry-run      what would be done, and how it would be undone
  chaos run shop.yaml                do it, and undo it
  chaos status                       is anything left anywhere?
  chaos explain db.insert_load       what a fault does and takes";

/// Breaks systems on purpose, proves what held, and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, styles = STYLES, max_term_width = 100, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Logs more to stderr: -v what is done, -vv how, -vvv everything. RUST_LOG goes before
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// The form of what is printed: text or json
    #[arg(long, global = true, value_enum, default_value_t = OutputForm::Text, value_name = "FORM", hide_possible_values = true)]
    pub output: OutputForm,
    /// When to use colours: auto, always or never; NO_COLOR is obeyed
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
    /// Where journals are kept [default: chaos in the XDG state directory]
    #[arg(long, global = true, env = "CHAOS_STATE_DIR", value_name = "DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// For people
    Text,
    /// For programs
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows it all in ten seconds on a scratch database
    Demo(DemoArguments),
    /// Runs experiments: injects, holds, undoes, reads back
    #[command(after_help = "\
Examples:
  chaos run shop.yaml --dry-run
  chaos run shop.yaml --report html --report junit=chaos.xml
  chaos run shop.yaml billing.yaml --seed 42 --output json")]
    Run(RunArguments),
    /// Checks files without connecting to anything
    #[command(visible_alias = "verify")]
    Validate(ValidateArguments),
    /// Lists the faults
    #[command(visible_alias = "list-faults")]
    ListSkills(ListSkillsArguments),
    /// Explains a fault or an error code
    #[command(after_help = "Examples:\n  chaos explain db.insert_load\n  chaos explain CH0201")]
    Explain(ExplainArguments),
    /// Looks at what is there, and changes nothing
    #[command(after_help = "\
Examples:
  chaos discover shop.yaml
  chaos discover --url postgres://me@localhost/shop --tables users,orders
  chaos discover --url sqlite:///var/lib/shop.db --output json")]
    Discover(DiscoverArguments),
    /// Says whether any run has left anything; exit code 5 if so
    Status,
    /// Undoes what dead runs have left
    #[command(after_help = "\
Examples:
  chaos recover --all
  chaos recover 20261121-084512-k3vq --config /new/place/shop.yaml
  chaos recover 20261121-084512-k3vq --accept-conflicts")]
    Recover(RecoverArguments),
    /// Lists the runs of this state directory, newest first
    History(HistoryArguments),
    /// Writes the report of a run from its journal
    #[command(after_help = "Examples:\n  chaos report last\n  chaos report last --format html -o page.html")]
    Report(ReportArguments),
    /// Prints the JSON schema of a file or of an output
    Schema(SchemaArguments),
    /// Prints the completions of a shell
    #[command(after_help = "Example:\n  chaos completions bash > /etc/bash_completion.d/chaos")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual page, or writes one for every command
    Man {
        /// Writes one page for every command into this directory
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Checks that this machine can run and undo experiments
    Doctor(PolicyArguments),
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Keeps the scratch directory, and says where it is
    #[arg(long)]
    pub keep: bool,
}

/// Where the policy is.
#[derive(Debug, Clone, Args)]
pub struct PolicyArguments {
    /// The policy file [default: chaos/policy.yaml in the XDG config directory, if it is there]
    #[arg(long, env = "CHAOS_POLICY", value_name = "FILE", hide_env_values = true)]
    pub policy: Option<PathBuf>,
}

/// What `run` takes.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Files of experiments; they run one after the other, as one run; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Connects, looks, plans, and prints the steps with their undo; changes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Writes a report too: html, md, json, junit or text, into `chaos-RUN.EXT` or the file named; `-` is stdout
    #[arg(long = "report", value_name = "FORMAT[=FILE]")]
    pub reports: Vec<String>,
    /// Copies the journal of the run there when it ends: a file, or a directory that exists
    #[arg(long, value_name = "PATH")]
    pub journal_path: Option<PathBuf>,
    /// Where the policy is.
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// Repeats the random choices of the run with this seed
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Starts no guardian: when this process is killed, only `chaos recover` undoes the run
    #[arg(long)]
    pub no_guardian: bool,
    /// Starts even over a target where an earlier run has left something
    #[arg(long)]
    pub over_dirty: bool,
}

/// What `validate` takes.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// Files of experiments, or policy files; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// What `list-skills` takes.
#[derive(Debug, Args)]
pub struct ListSkillsArguments {
    /// Only the faults of this kind of target: database (db), kubernetes (k8s), server (srv)
    #[arg(long, value_name = "KIND")]
    pub target: Option<String>,
}

/// What `explain` takes.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The name of a fault, or an error code
    #[arg(value_name = "NAME|CHnnnn")]
    pub subject: String,
}

/// What `discover` takes.
#[derive(Debug, Args)]
pub struct DiscoverArguments {
    /// A file of experiments: each of its targets is looked at. Without one, --url says what to look at
    #[arg(value_name = "FILE", required_unless_present = "url")]
    pub file: Option<PathBuf>,
    /// A database: `postgres://user@host/name`, `sqlite:///path`. `${VAR}` and `file:` keep a password out of the process list
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    pub url: Option<String>,
    /// The kind of database [default: from the URL]
    #[arg(long, value_name = "TYPE", requires = "url")]
    pub db_type: Option<String>,
    /// Only these schemas
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "url")]
    pub schemas: Vec<String>,
    /// Only these tables: `table` or `schema.table`
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub tables: Vec<String>,
}

/// What `recover` takes.
#[derive(Debug, Args)]
pub struct RecoverArguments {
    /// The run; without it every dead run
    #[arg(value_name = "RUN", conflicts_with = "all")]
    pub run: Option<String>,
    /// Every dead run
    #[arg(long)]
    pub all: bool,
    /// Where the file of experiments is now, if it moved: the secrets are read from it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Leaves what somebody else changed as it is, for good
    #[arg(long)]
    pub accept_conflicts: bool,
    /// Gives up steps whose undo fails, without touching their target: it is gone, or mended by hand
    #[arg(long)]
    pub abandon: bool,
}

/// What `history` takes.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// How many runs are listed at most
    #[arg(long, short = 'n', default_value_t = 20, value_name = "NUMBER")]
    pub limit: usize,
}

/// What `report` takes.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The run, or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// html, md, json, junit or text [default: text, or json with --output json]
    #[arg(long, visible_alias = "report", value_name = "FORMAT")]
    pub format: Option<String>,
    /// Writes into this file instead of stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What `schema` takes.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// What the schema is of
    #[arg(value_enum)]
    pub of: SchemaOf,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A file of experiments
    Experiment,
    /// A policy file
    Policy,
    /// The report of a run
    Report,
    /// What `chaos status --output json` prints
    Status,
    /// What `chaos history --output json` prints
    History,
    /// What `chaos run --dry-run --output json` prints
    Plan,
}
