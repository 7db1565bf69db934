//! The developer's commands, as `cargo xtask COMMAND`: the test world, the tests, the tidy rules, the schemas, the
//! benchmarks.

mod bench;
mod env;
mod failure;
mod process;
mod schema;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Developer commands of Chaos Agents.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts, stops or shows the parts of the test world
    Env(env::Arguments),
    /// Sets the test world up and runs every test
    Test(test::Arguments),
    /// Checks the rules of the house: crate edges, panics, docs, lengths
    Tidy,
    /// Writes docs/schema/*.json from the types
    Schema,
    /// Measures speed and memory, beside the real PostgreSQL and Ansible
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Env(arguments) => env::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Tidy => tidy::run(),
        Command::Schema => schema::run(),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// What every command returns.
type Outcome<T = ()> = Result<T, Failure>;
