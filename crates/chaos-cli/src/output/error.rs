//! How an error looks.

use std::fmt::Write;
use std::io::{self, Write as _};

use chaos_core::document::Problem;
use chaos_engine::report::plain;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};

use super::Output;
use super::progress::above_bars;
use crate::args::OutputForm;
use crate::error::CliError;

/// How wide a snippet of a file may become.
const SNIPPET_WIDTH: usize = 110;

impl Output {
    /// Tells an error: on stderr for people, and as an object on stdout where a program reads.
    pub fn error(&self, error: &CliError) {
        self.say_error(error);
        if self.form == OutputForm::Json {
            // The exit code says the same where stdout is gone.
            let _ = self.json(&object(error));
        }
    }

    /// Tells an error to people only.
    pub fn say_error(&self, error: &CliError) {
        let text = render(error, self.is_stderr_colored);
        // Where stderr is gone there is nobody left to tell.
        let _ = above_bars(|| io::stderr().write_all(text.as_bytes()));
    }
}

/// Returns the error for people.
fn render(error: &CliError, colored: bool) -> String {
    let paint = |code: &str, text: &str| match colored {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    };
    let mut text = String::new();
    let head = paint("31;1", &format!("error[{}]:", error.code.name()));
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(text, "{head} failed to {}", lines(&error.what));
    for cause in &error.causes {
        let _ = writeln!(text, "  {} {}", paint("1", "cause:"), lines(cause));
    }
    for problem in error.problems() {
        text.push_str(&snippet(problem, colored));
    }
    for refusal in error.refusals() {
        let _ = writeln!(text, "  {} {}", paint("1", &format!("{}:", refusal.rule)), plain(&refusal.message));
        let _ = writeln!(text, "    {} {}", paint("1", "change:"), plain(&refusal.where_to_change));
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "  {} {}", paint("36;1", "hint:"), lines(hint));
    }
    let _ = writeln!(text, "  {} `chaos explain {}`", paint("2", "more:"), error.code.name());
    text
}

/// Keeps line ends, which some causes need, and makes every other control character visible.
fn lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n         ")
}

fn snippet(problem: &Problem, colored: bool) -> String {
    if problem.position().is_none() {
        let help = problem.help_text().map(|help| format!("\n  help: {}", lines(help))).unwrap_or_default();
        return format!("  × {}: {}{help}\n", plain(problem.file()), lines(problem.message()));
    }
    let theme = if colored { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(SNIPPET_WIDTH).with_links(false);
    let mut text = String::new();
    match handler.render_report(&mut text, problem) {
        Ok(()) => text,
        Err(_) => format!("  {problem:?}\n"),
    }
}

/// Returns the error for programs.
pub fn object(error: &CliError) -> Value {
    let problems: Vec<Value> = error
        .problems()
        .iter()
        .map(|problem| {
            let (line, column) = problem.position().unzip();
            json!({
                "file": problem.file(),
                "line": line,
                "column": column,
                "message": problem.message(),
                "help": problem.help_text(),
            })
        })
        .collect();
    json!({
        "error": {
            "code": error.code.name(),
            "what": error.what,
            "causes": error.causes,
            "hint": error.hint,
            "exit_code": error.exit.code(),
            "problems": problems,
            "refusals": error.refusals(),
        }
    })
}
