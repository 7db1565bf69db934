//! The report as one page that needs nothing else: no script, no font, no picture from elsewhere.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior, Value};

use super::model::RunReport;
use super::view::View;

/// The ending `.html` is what turns escaping on.
const NAME: &str = "report.html";

pub(super) fn render(report: &RunReport) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
    environment.add_template(NAME, include_str!("templates/report.html"))?;
    environment.get_template(NAME)?.render(Value::from(Serde(View::new(report))))
}
