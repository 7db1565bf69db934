//! Turns the expression of a constraint into rules about single columns.

use super::check::{Comparison, Expr, parse};
use super::literal::Literal;
use super::pattern::{Pattern, Syntax};

/// What one column must fulfil.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// At least this; `open`: more than this.
    AtLeast {
        /// The limit.
        limit: Literal,
        /// Whether the limit itself is out.
        open: bool,
    },
    /// At most this; `open`: less than this.
    AtMost {
        /// The limit.
        limit: Literal,
        /// Whether the limit itself is out.
        open: bool,
    },
    /// One of these.
    OneOf(Vec<Literal>),
    /// None of these.
    NoneOf(Vec<Literal>),
    /// At least this many characters.
    LengthAtLeast(u32),
    /// At most this many characters.
    LengthAtMost(u32),
    /// Exactly this many characters.
    LengthIs(u32),
    /// What a pattern lets pass.
    Match(Pattern),
    /// No capital letters.
    Lowercase,
    /// No small letters.
    Uppercase,
    /// Not NULL.
    NotNull,
    /// A JSON object.
    Json,
    /// Not in the future.
    Past,
}

/// One thing a constraint says.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// About one column.
    Column(String, Test),
    /// The first column is smaller than the second, or equal to it.
    Order(String, String),
}

/// Reads the text of a constraint; the error says what is not understood.
pub(super) fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let mut found = Vec::new();
    collect(&parse(text)?, &mut found)?;
    Ok(found)
}

fn collect(expr: &Expr, found: &mut Vec<Rule>) -> Result<(), String> {
    match expr {
        Expr::And(parts) => parts.iter().try_for_each(|part| collect(part, found)),
        Expr::Or(parts) => {
            found.push(alternatives(parts)?);
            Ok(())
        }
        Expr::Compare(comparison, left, right) => {
            found.push(compared(*comparison, left, right)?);
            Ok(())
        }
        Expr::In(value, items) => {
            found.push(Rule::Column(column(value)?, Test::OneOf(literals(items)?)));
            Ok(())
        }
        Expr::Match(value, pattern, syntax, ignore_case) => {
            found.push(Rule::Column(
                column(value)?,
                Test::Match(read_pattern(pattern, *syntax, *ignore_case)?),
            ));
            Ok(())
        }
        Expr::Not(inner) => {
            found.push(negated(inner)?);
            Ok(())
        }
        Expr::Bool(true) => Ok(()),
        Expr::Column(name) => {
            found.push(Rule::Column(name.clone(), Test::OneOf(vec![Literal::Bool(true)])));
            Ok(())
        }
        Expr::Call(name, arguments) if name == "json_valid" && arguments.len() == 1 => {
            found.push(Rule::Column(column(&arguments[0])?, Test::Json));
            Ok(())
        }
        other => Err(format!("{} is not understood", describe(other))),
    }
}

fn negated(inner: &Expr) -> Result<Rule, String> {
    match inner {
        Expr::IsNull(value) => Ok(Rule::Column(column(value)?, Test::NotNull)),
        Expr::In(value, items) => Ok(Rule::Column(column(value)?, Test::NoneOf(literals(items)?))),
        Expr::Match(value, pattern, syntax, ignore_case) => {
            let pattern = read_pattern(pattern, *syntax, *ignore_case)?.negated();
            Ok(Rule::Column(column(value)?, Test::Match(pattern)))
        }
        Expr::Column(name) => Ok(Rule::Column(name.clone(), Test::OneOf(vec![Literal::Bool(false)]))),
        other => Err(format!("NOT before {} is not understood", describe(other))),
    }
}

/// Understands `x IS NULL OR …` and several values of one column.
fn alternatives(parts: &[Expr]) -> Result<Rule, String> {
    let mut values: Option<(String, Vec<Literal>)> = None;
    let mut rest = Vec::new();
    for part in parts.iter().filter(|part| !matches!(part, Expr::IsNull(_))) {
        let mut found = Vec::new();
        collect(part, &mut found)?;
        match (found.pop(), found.is_empty()) {
            (Some(rule), true) => rest.push(rule),
            _ => return Err("OR between several conditions is not understood".to_owned()),
        }
    }
    if rest.len() == 1 {
        return Ok(rest.swap_remove(0));
    }
    for rule in rest {
        match (rule, &mut values) {
            (Rule::Column(name, Test::OneOf(literals)), None) => values = Some((name, literals)),
            (Rule::Column(name, Test::OneOf(literals)), Some((known, all))) if name == *known => {
                all.extend(literals);
            }
            _ => return Err("OR between different conditions is not understood".to_owned()),
        }
    }
    match values {
        Some((name, literals)) => Ok(Rule::Column(name, Test::OneOf(literals))),
        None => Err("a condition that only NULL fulfils is not understood".to_owned()),
    }
}

fn compared(comparison: Comparison, left: &Expr, right: &Expr) -> Result<Rule, String> {
    use Comparison as C;
    if let (Expr::Column(name), Some(literal)) = (left, literal(right)) {
        return Ok(Rule::Column(name.clone(), column_test(comparison, literal)));
    }
    match (left, right) {
        (Expr::Column(_), Expr::Call(name, arguments))
            if case_test(name).is_some() && arguments.len() == 1 =>
        {
            compared(mirrored(comparison), right, left)
        }
        (Expr::Call(name, arguments), Expr::Column(same))
            if comparison == C::Equal && arguments.first() == Some(&Expr::Column(same.clone())) =>
        {
            let test = case_test(name).ok_or_else(|| format!("the function `{name}` is not understood"))?;
            Ok(Rule::Column(same.clone(), test))
        }
        (Expr::Column(first), Expr::Column(second)) => match comparison {
            C::Less | C::LessOrEqual => Ok(Rule::Order(first.clone(), second.clone())),
            C::Greater | C::GreaterOrEqual => Ok(Rule::Order(second.clone(), first.clone())),
            C::Equal | C::Different => Err("two columns compared with = or <> are not understood".to_owned()),
        },
        (Expr::Column(name), Expr::Now) if matches!(comparison, C::Less | C::LessOrEqual) => {
            Ok(Rule::Column(name.clone(), Test::Past))
        }
        (Expr::Column(name), Expr::Call(function, items)) if function == "any" && comparison == C::Equal => {
            Ok(Rule::Column(name.clone(), Test::OneOf(array(items)?)))
        }
        (Expr::Column(name), Expr::Call(function, items))
            if function == "all" && comparison == C::Different =>
        {
            Ok(Rule::Column(name.clone(), Test::NoneOf(array(items)?)))
        }
        (Expr::Call(name, arguments), _) if literal(right).is_some() => {
            call(name, arguments, comparison, right)
        }
        (Expr::Now, Expr::Column(_)) => compared(mirrored(comparison), right, left),
        (_, Expr::Column(_) | Expr::Call(..)) if literal(left).is_some() => {
            compared(mirrored(comparison), right, left)
        }
        _ => Err(format!("{} compared with {} is not understood", describe(left), describe(right))),
    }
}

fn column_test(comparison: Comparison, literal: Literal) -> Test {
    match comparison {
        Comparison::Equal => Test::OneOf(vec![literal]),
        Comparison::Different => Test::NoneOf(vec![literal]),
        Comparison::Less => Test::AtMost { limit: literal, open: true },
        Comparison::LessOrEqual => Test::AtMost { limit: literal, open: false },
        Comparison::Greater => Test::AtLeast { limit: literal, open: true },
        Comparison::GreaterOrEqual => Test::AtLeast { limit: literal, open: false },
    }
}

fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::Equal,
        Comparison::Different => Comparison::Different,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

fn case_test(function: &str) -> Option<Test> {
    match function {
        "lower" => Some(Test::Lowercase),
        "upper" => Some(Test::Uppercase),
        _ => None,
    }
}

/// Understands a function of a column compared with a literal: its length, its text without blanks, its JSON type.
fn call(name: &str, arguments: &[Expr], comparison: Comparison, right: &Expr) -> Result<Rule, String> {
    let unknown = || format!("the function `{name}` is not understood");
    let argument = arguments.first().ok_or_else(unknown)?;
    match (name, right) {
        ("length" | "char_length" | "character_length" | "octet_length", Expr::Number(number)) => {
            // `length(trim(x))`: our texts have no blanks around them.
            let name = match argument {
                Expr::Call(trim, inner) if is_trim(trim) && inner.len() == 1 => column(&inner[0])?,
                other => column(other)?,
            };
            Ok(Rule::Column(name, length_test(comparison, *number)?))
        }
        (trim, Expr::Text(text))
            if is_trim(trim) && text.is_empty() && comparison == Comparison::Different =>
        {
            Ok(Rule::Column(column(argument)?, Test::LengthAtLeast(1)))
        }
        ("jsonb_typeof" | "json_typeof" | "json_type", Expr::Text(text))
            if text == "object" && comparison == Comparison::Equal =>
        {
            Ok(Rule::Column(column(argument)?, Test::Json))
        }
        ("json_valid", Expr::Number(1.0)) if comparison == Comparison::Equal => {
            Ok(Rule::Column(column(argument)?, Test::Json))
        }
        _ => Err(unknown()),
    }
}

fn is_trim(function: &str) -> bool {
    matches!(function, "btrim" | "trim" | "ltrim" | "rtrim")
}

fn length_test(comparison: Comparison, number: f64) -> Result<Test, String> {
    let whole = number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0;
    if !whole {
        return Err(format!("a length of {number} is not understood"));
    }
    let number = number as u32;
    match comparison {
        Comparison::LessOrEqual => Ok(Test::LengthAtMost(number)),
        Comparison::Less => Ok(Test::LengthAtMost(number.saturating_sub(1))),
        Comparison::GreaterOrEqual => Ok(Test::LengthAtLeast(number)),
        Comparison::Greater => Ok(Test::LengthAtLeast(number.saturating_add(1))),
        Comparison::Different if number == 0 => Ok(Test::LengthAtLeast(1)),
        Comparison::Equal => Ok(Test::LengthIs(number)),
        Comparison::Different => Err("a length that is ruled out is not understood".to_owned()),
    }
}

fn read_pattern(pattern: &Expr, syntax: Syntax, ignore_case: bool) -> Result<Pattern, String> {
    match pattern {
        Expr::Text(text) => Pattern::new(text, syntax, ignore_case),
        other => Err(format!("{} as a pattern is not understood", describe(other))),
    }
}

fn column(expr: &Expr) -> Result<String, String> {
    match expr {
        Expr::Column(name) => Ok(name.clone()),
        other => Err(format!("{} is not understood here", describe(other))),
    }
}

fn literal(expr: &Expr) -> Option<Literal> {
    match expr {
        Expr::Number(number) => Some(Literal::Number(*number)),
        Expr::Text(text) => Some(Literal::Text(text.clone())),
        Expr::Bool(value) => Some(Literal::Bool(*value)),
        _ => None,
    }
}

fn literals(items: &[Expr]) -> Result<Vec<Literal>, String> {
    let found = items.iter().map(literal).collect::<Option<Vec<_>>>();
    match found {
        Some(found) if !found.is_empty() => Ok(found),
        _ => Err("a list of something other than literals is not understood".to_owned()),
    }
}

/// Reads the list of `ANY (ARRAY[…])`.
fn array(items: &[Expr]) -> Result<Vec<Literal>, String> {
    match items {
        [Expr::List(items)] => literals(items),
        _ => Err("ANY or ALL of something other than an array is not understood".to_owned()),
    }
}

fn describe(expr: &Expr) -> String {
    match expr {
        Expr::Column(name) => format!("the column `{name}`"),
        Expr::Number(_) | Expr::Text(_) | Expr::Bool(_) | Expr::Null => "a literal".to_owned(),
        Expr::Now => "the present time".to_owned(),
        Expr::Call(name, _) => format!("the function `{name}`"),
        Expr::List(_) => "a list".to_owned(),
        Expr::Compare(..) | Expr::And(_) | Expr::Or(_) | Expr::Not(_) => "a condition".to_owned(),
        Expr::IsNull(_) => "IS NULL".to_owned(),
        Expr::In(..) => "IN".to_owned(),
        Expr::Match(..) => "a pattern".to_owned(),
    }
}
