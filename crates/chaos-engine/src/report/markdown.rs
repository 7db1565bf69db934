//! The report as Markdown, for pull requests and tickets.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior, Value};

use super::model::RunReport;
use super::view::View;

const NAME: &str = "report.md";

pub(super) fn render(report: &RunReport) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // A line that holds only a tag leaves no line behind.
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    environment.add_filter("md", escape);
    environment.add_template(NAME, include_str!("templates/report.md"))?;
    environment.get_template(NAME)?.render(Value::from(Serde(View::new(report))))
}

/// Puts a backslash before everything that Markdown could take for markup, and writes HTML's own signs as entities,
/// because a backslash does not stop raw HTML everywhere.
fn escape(text: String) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // A mention would notify a stranger.
            '@' => safe.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                safe.push('\\');
                safe.push(character);
            }
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_markup() {
        assert_eq!(
            escape("a|b <script> `x` [y](z) @me".to_owned()),
            "a\\|b &lt;script&gt; \\`x\\` \\[y\\](z) &#64;me"
        );
    }
}
