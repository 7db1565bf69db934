//! All rules about one column, gathered.

use std::collections::HashMap;

use crate::schema::Check;

use super::Obstacle;
use super::literal::Literal;
use super::pattern::Pattern;
use super::rule::{Rule, Test, rules};

/// What the constraints of a table ask of one column.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    low: Vec<(Literal, bool)>,
    high: Vec<(Literal, bool)>,
    /// The only values allowed.
    pub(super) one_of: Option<Vec<Literal>>,
    /// Values not allowed.
    pub(super) none_of: Vec<Literal>,
    /// The fewest characters.
    pub(super) length_min: u32,
    /// The most characters.
    pub(super) length_max: Option<u32>,
    /// Patterns that must let it pass.
    pub(super) patterns: Vec<Pattern>,
    /// Whether capital letters are refused.
    pub(super) lowercase: bool,
    /// Whether small letters are refused.
    pub(super) uppercase: bool,
    /// Whether NULL is refused.
    pub(super) not_null: bool,
    /// Whether it must be JSON.
    pub(super) json: bool,
    /// Whether it must not lie in the future.
    pub(super) past: bool,
    /// The half of its values it is confined to, so that another column stays above or below it.
    pub(super) half: Option<Half>,
}

/// One half of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// The smaller values.
    Lower,
    /// The larger values.
    Upper,
}

impl Limits {
    /// Confines a column to one half of its values.
    pub(super) fn half(half: Half) -> Self {
        Self { half: Some(half), ..Self::default() }
    }

    /// Returns the smallest and largest value allowed, each with whether it is out itself.
    ///
    /// `read` reads a literal in the unit of the column; the error names the literal it cannot read.
    pub(super) fn range(&self, read: impl Fn(&Literal) -> Option<f64>) -> Result<Range, String> {
        let bound = |literals: &[(Literal, bool)], keep_first: fn(f64, f64) -> bool| {
            literals.iter().try_fold(None::<(f64, bool)>, |best, (literal, open)| {
                let value = read(literal)
                    .ok_or_else(|| format!("`{}` is not understood as a limit", literal.text()))?;
                Ok::<_, String>(match best {
                    Some((known, known_open)) if known == value => Some((value, known_open || *open)),
                    Some((known, known_open)) if keep_first(known, value) => Some((known, known_open)),
                    _ => Some((value, *open)),
                })
            })
        };
        Ok(Range { low: bound(&self.low, |a, b| a > b)?, high: bound(&self.high, |a, b| a < b)? })
    }

    /// Returns whether anything is asked of the values themselves, NULL aside.
    pub(super) fn is_empty(&self) -> bool {
        self.low.is_empty()
            && self.high.is_empty()
            && self.one_of.is_none()
            && self.none_of.is_empty()
            && self.length_min == 0
            && self.length_max.is_none()
            && self.patterns.is_empty()
            && !(self.lowercase || self.uppercase || self.json || self.past)
            && self.half.is_none()
    }

    /// Returns whether anything beside smallest and largest values is asked.
    pub(super) fn has_more_than_range(&self) -> bool {
        !Self { low: Vec::new(), high: Vec::new(), ..self.clone() }.is_empty()
    }

    fn shorten(&mut self, length: u32) {
        self.length_max = Some(self.length_max.map_or(length, |known| known.min(length)));
    }

    fn add(&mut self, test: Test) {
        match test {
            Test::AtLeast { limit, open } => self.low.push((limit, open)),
            Test::AtMost { limit, open } => self.high.push((limit, open)),
            Test::OneOf(values) => match &mut self.one_of {
                Some(known) => known.retain(|value| values.contains(value)),
                None => self.one_of = Some(values),
            },
            Test::NoneOf(values) => self.none_of.extend(values),
            Test::LengthAtLeast(length) => self.length_min = self.length_min.max(length),
            Test::LengthAtMost(length) => self.shorten(length),
            Test::LengthIs(length) => {
                self.length_min = self.length_min.max(length);
                self.shorten(length);
            }
            Test::Match(pattern) => self.patterns.push(pattern),
            Test::Lowercase => self.lowercase = true,
            Test::Uppercase => self.uppercase = true,
            Test::NotNull => self.not_null = true,
            Test::Json => self.json = true,
            Test::Past => self.past = true,
        }
    }
}

/// A smallest and a largest value, each with whether it is out itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range {
    low: Option<(f64, bool)>,
    high: Option<(f64, bool)>,
}

impl Range {
    /// Cuts `low..=high`, in steps of `1 / units_per_one`, to what is allowed. `None`: nothing is left.
    pub(super) fn cut(&self, low: i64, high: i64, units_per_one: f64) -> Option<(i64, i64)> {
        // A float-to-integer cast saturates, so a limit beyond 64 bits stays outside.
        let low_units = self.low.map(|(value, open)| {
            let units = (value * units_per_one).ceil();
            units as i64 + i64::from(open && units == value * units_per_one)
        });
        let high_units = self.high.map(|(value, open)| {
            let units = (value * units_per_one).floor();
            units as i64 - i64::from(open && units == value * units_per_one)
        });
        // What we would choose may lie wholly outside the limits: then the same width is moved to where it fits.
        let width = high.saturating_sub(low);
        let (low, high) = match (low_units, high_units) {
            (Some(at_least), None) if at_least > low => (at_least, at_least.saturating_add(width)),
            (None, Some(at_most)) if at_most < high => (at_most.saturating_sub(width), at_most),
            (Some(at_least), Some(at_most)) if at_least > high || at_most < low => (at_least, at_most),
            (at_least, at_most) => {
                (at_least.map_or(low, |l| l.max(low)), at_most.map_or(high, |h| h.min(high)))
            }
        };
        (low <= high).then_some((low, high))
    }

    /// As [`Range::cut`], but never leaves `low..=high`.
    pub(super) fn trim(&self, low: i64, high: i64, units_per_one: f64) -> Option<(i64, i64)> {
        let (new_low, new_high) = self.cut(low, high, units_per_one)?;
        (new_low >= low && new_high <= high).then_some((new_low, new_high))
    }

    /// Returns whether there is no limit at all.
    pub(super) fn is_open(&self) -> bool {
        self.low.is_none() && self.high.is_none()
    }

    /// Returns whether every value of `low..=high` is allowed.
    pub(super) fn holds(&self, low: f64, high: f64) -> bool {
        self.low.is_none_or(|(limit, open)| if open { low > limit } else { low >= limit })
            && self.high.is_none_or(|(limit, open)| if open { high < limit } else { high <= limit })
    }
}

/// Gathers the rules of all constraints by column; what is not understood is an obstacle.
pub(super) fn gather(checks: &[Check]) -> Result<HashMap<String, Limits>, Vec<Obstacle>> {
    let mut limits: HashMap<String, Limits> = HashMap::new();
    let mut obstacles = Vec::new();
    for check in checks {
        match rules(&check.expression) {
            Ok(rules) => {
                for rule in rules {
                    if let Err(why) = add_rule(&mut limits, check, rule) {
                        obstacles.push(Obstacle::check(&check.name, why));
                    }
                }
            }
            Err(why) => obstacles.push(Obstacle::check(&check.name, why)),
        }
    }
    if obstacles.is_empty() { Ok(limits) } else { Err(obstacles) }
}

fn add_rule(limits: &mut HashMap<String, Limits>, check: &Check, rule: Rule) -> Result<(), String> {
    match rule {
        Rule::Column(name, test) => {
            // Constraints of a domain say VALUE for the column.
            let name = match check.columns.first() {
                Some(column) if name.eq_ignore_ascii_case("value") => column.clone(),
                _ => name,
            };
            limits.entry(name).or_default().add(test);
            Ok(())
        }
        Rule::Order(smaller, larger) => {
            for (name, half) in [(smaller, Half::Lower), (larger, Half::Upper)] {
                let known = &mut limits.entry(name.clone()).or_default().half;
                if known.is_some_and(|known| known != half) {
                    return Err(format!(
                        "the column `{name}` lies between two others, which is not understood"
                    ));
                }
                *known = Some(half);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str) -> Vec<Check> {
        vec![Check { name: "c".to_owned(), columns: vec!["a".to_owned()], expression: expression.to_owned() }]
    }

    #[track_caller]
    fn cut(expression: &str) -> Option<(i64, i64)> {
        let limits = gather(&check(expression)).unwrap();
        limits["a"].range(Literal::number).unwrap().cut(0, 100, 1.0)
    }

    #[test]
    fn the_printed_and_the_written_forms_of_a_range_mean_the_same() {
        for expression in [
            "a > 4 AND a < 10",
            "CHECK (((a > 4) AND (a < 10)))",
            "a BETWEEN 5 AND 9",
            "CHECK (((a >= (5)::numeric) AND (a <= '9'::bigint))) NOT VALID",
            "4 < a and not (a is null) and 10 > a",
            "(a IS NULL OR a > 4) AND (a < 10)",
            "CHECK ((VALUE >= 5) AND (VALUE < 10))",
        ] {
            assert_eq!(cut(expression), Some((5, 9)), "{expression}");
        }
    }

    #[test]
    fn a_range_outside_the_usual_values_moves_them() {
        assert_eq!(cut("a >= 1000"), Some((1000, 1100)));
        assert_eq!(cut("a < 0"), Some((-101, -1)));
        assert_eq!(cut("a > 5 AND a < 6"), None);
    }

    #[test]
    fn lists_of_values_are_read_in_every_form() {
        for expression in [
            "a IN ('x', 'y')",
            "CHECK (((a)::text = ANY ((ARRAY['x'::character varying, 'y'::character varying])::text[])))",
            "(a = 'x') OR (a = 'y')",
            "a IS NULL OR a IN ('x','y')",
        ] {
            let limits = gather(&check(expression)).unwrap();
            let expected = vec![Literal::Text("x".to_owned()), Literal::Text("y".to_owned())];
            assert_eq!(limits["a"].one_of, Some(expected), "{expression}");
        }
    }

    #[test]
    fn texts_may_be_limited_by_length_case_and_pattern() {
        let limits = gather(&check(
            "length(trim(a)) >= 3 AND char_length((a)::text) < 10 AND lower(a) = a AND a <> '' AND a ~~ '%@%'::text",
        ))
        .unwrap();
        let found = &limits["a"];
        assert_eq!((found.length_min, found.length_max, found.lowercase), (3, Some(9), true));
        assert_eq!(found.none_of, [Literal::Text(String::new())]);
        assert!(found.patterns[0].allows("a@b") && !found.patterns[0].allows("ab"));
        let limits = gather(&check("length(a) = 3 AND (a !~* 'x'::text)")).unwrap();
        assert_eq!((limits["a"].length_min, limits["a"].length_max), (3, Some(3)));
        assert!(limits["a"].patterns[0].allows("ab") && !limits["a"].patterns[0].allows("aXb"));
    }

    #[test]
    fn one_column_before_another_takes_one_half_each() {
        let limits = gather(&check("CHECK ((a <= b))")).unwrap();
        assert_eq!((limits["a"].half, limits["b"].half), (Some(Half::Lower), Some(Half::Upper)));
        let limits = gather(&check("a > b")).unwrap();
        assert_eq!((limits["a"].half, limits["b"].half), (Some(Half::Upper), Some(Half::Lower)));
        assert!(gather(&check("a < b AND b < c")).is_err());
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_reason() {
        for (expression, why) in [
            ("a ~ '^(?=x)'", "the regular expression `^(?=x)` is not understood"),
            ("a + b > 3", "the operator `+` is not understood"),
            ("is_ok(a)", "the function `is_ok` is not understood"),
            ("a > 1 OR b > 1", "OR between different conditions is not understood"),
            ("a @> b", "`a @> b` is not understood"),
            ("a = b", "two columns compared with = or <> are not understood"),
            ("length(a) <> 3", "a length that is ruled out is not understood"),
            ("", "it ends too early"),
        ] {
            let found = gather(&check(expression)).unwrap_err();
            assert_eq!(found[0].to_string(), format!("check `c`: {why}"), "{expression}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_exhausting_the_stack() {
        let text = format!("{}a > 1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(gather(&check(&text)).is_err());
    }
}
