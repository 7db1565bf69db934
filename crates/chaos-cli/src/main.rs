//! The `chaos` command. Everything that takes time (runtime, TLS, catalogue) is set up only after the arguments are read.

mod args;
mod catalog;
mod codes;
mod commands;
#[cfg(feature = "crash-points")]
mod crash;
mod error;
mod loader;
mod logging;
mod output;
mod policy;
mod requests;
mod signals;

use clap::Parser;

use crate::args::Arguments;

fn main() -> std::process::ExitCode {
    #[cfg(feature = "crash-points")]
    crash::install();
    // Not a command of the command line: no help, completion or manual shall offer it.
    if commands::guardian::is_asked_for() {
        return commands::guardian::run().into();
    }
    match Arguments::try_parse() {
        Ok(arguments) => commands::main(arguments).into(),
        Err(error) => {
            // Help that nobody reads any more is no error.
            let _ = error.print();
            // Help and version are no mistakes, everything else is one of usage.
            let exit =
                if error.use_stderr() { chaos_core::ExitCode::CannotDo } else { chaos_core::ExitCode::Done };
            exit.into()
        }
    }
}
