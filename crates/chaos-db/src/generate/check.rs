//! Reads the expression of a CHECK constraint, as PostgreSQL prints it and as people write it for SQLite.
//!
//! Small on purpose: what it does not know it refuses with a reason, and the caller refuses the table.

use super::pattern::Syntax;
use super::token::{Token, tokens};

/// An expression of a constraint.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// A column.
    Column(String),
    /// A number.
    Number(f64),
    /// A text literal; also what PostgreSQL casts to something else.
    Text(String),
    /// TRUE or FALSE.
    Bool(bool),
    /// NULL.
    Null,
    /// The present moment or day.
    Now,
    /// A function with its arguments; the name in small letters.
    Call(String, Vec<Expr>),
    /// `ARRAY[…]`.
    List(Vec<Expr>),
    /// Two operands and what stands between them.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// All of these.
    And(Vec<Expr>),
    /// One of these.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// `IS NULL`.
    IsNull(Box<Expr>),
    /// `IN (…)`.
    In(Box<Expr>, Vec<Expr>),
    /// `LIKE` or a regular expression: the value, the pattern, how it is written, and whether case is ignored.
    Match(Box<Expr>, Box<Expr>, Syntax, bool),
}

/// What stands between two compared operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    Different,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// How deep brackets may be nested, so that no text can exhaust the stack.
const DEPTH_MAX: u32 = 32;

/// Reads the text of a constraint, with or without `CHECK ( … )` around it.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    let tokens = tokens(text).ok_or_else(|| format!("`{text}` is not understood"))?;
    let mut parser = Parser { tokens: &tokens, place: 0, depth: 0 };
    parser.keyword("check");
    let expr = parser.or()?;
    if parser.keyword("not") {
        parser.keyword("valid");
    } else if parser.keyword("no") {
        parser.keyword("inherit");
    }
    if parser.place == tokens.len() { Ok(expr) } else { Err(format!("`{text}` is not understood")) }
}

struct Parser<'a> {
    tokens: &'a [Token],
    place: usize,
    depth: u32,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    fn sign(&mut self, expected: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == expected);
        self.place += usize::from(found);
        found
    }

    fn keyword(&mut self, expected: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word { text, quoted: false }) if text.eq_ignore_ascii_case(expected));
        self.place += usize::from(found);
        found
    }

    fn expect(&mut self, expected: &str) -> Result<(), String> {
        if self.sign(expected) { Ok(()) } else { Err(format!("`{expected}` is missing")) }
    }

    fn or(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it is nested too deep".to_owned());
        }
        let mut parts = vec![self.and()?];
        while self.keyword("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(single_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.not()?];
        while self.keyword("and") {
            parts.push(self.not()?);
        }
        Ok(single_or(parts, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, String> {
        let mut negated = false;
        while self.keyword("not") {
            negated = !negated;
        }
        let predicate = self.predicate()?;
        Ok(if negated { Expr::Not(Box::new(predicate)) } else { predicate })
    }

    fn predicate(&mut self) -> Result<Expr, String> {
        let value = self.operand()?;
        if let Some(comparison) = self.comparison() {
            let other = self.operand()?;
            return Ok(Expr::Compare(comparison, Box::new(value), Box::new(other)));
        }
        if self.keyword("is") {
            let negated = self.keyword("not");
            if !self.keyword("null") {
                return Err("`IS` something other than NULL is not understood".to_owned());
            }
            return Ok(negate(negated, Expr::IsNull(Box::new(value))));
        }
        let start = self.place;
        let negated = self.keyword("not");
        if let Some(expr) = self.membership(&value)? {
            return Ok(negate(negated, expr));
        }
        self.place = start;
        self.like_sign(value)
    }

    /// Reads `IN (…)`, `BETWEEN … AND …` and `LIKE …`.
    fn membership(&mut self, value: &Expr) -> Result<Option<Expr>, String> {
        let boxed = || Box::new(value.clone());
        if self.keyword("in") {
            self.expect("(")?;
            return Ok(Some(Expr::In(boxed(), self.list(")")?)));
        }
        if self.keyword("between") {
            let low = self.operand()?;
            if !self.keyword("and") {
                return Err("`AND` is missing after `BETWEEN`".to_owned());
            }
            let high = self.operand()?;
            return Ok(Some(Expr::And(vec![
                Expr::Compare(Comparison::GreaterOrEqual, boxed(), Box::new(low)),
                Expr::Compare(Comparison::LessOrEqual, boxed(), Box::new(high)),
            ])));
        }
        if self.keyword("like") {
            return Ok(Some(Expr::Match(boxed(), Box::new(self.operand()?), Syntax::Like, false)));
        }
        Ok(None)
    }

    /// Reads `~~ …`, as PostgreSQL prints LIKE, and regular expressions.
    fn like_sign(&mut self, value: Expr) -> Result<Expr, String> {
        for (sign, syntax, ignore_case) in [
            ("~~", Syntax::Like, false),
            ("~~*", Syntax::Like, true),
            ("~", Syntax::Regex, false),
            ("~*", Syntax::Regex, true),
        ] {
            let negated = self.sign(&format!("!{sign}"));
            if negated || self.sign(sign) {
                let pattern = Box::new(self.operand()?);
                return Ok(negate(negated, Expr::Match(Box::new(value), pattern, syntax, ignore_case)));
            }
        }
        match self.peek() {
            Some(Token::Sign(sign @ ("+" | "-" | "*" | "/" | "||" | "->"))) => {
                Err(format!("the operator `{sign}` is not understood"))
            }
            _ => Ok(value),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        use Comparison as C;
        let Some(Token::Sign(sign)) = self.peek() else { return None };
        let found = match *sign {
            "=" | "==" => C::Equal,
            "<>" | "!=" => C::Different,
            "<" => C::Less,
            "<=" => C::LessOrEqual,
            ">" => C::Greater,
            ">=" => C::GreaterOrEqual,
            _ => return None,
        };
        self.place += 1;
        Some(found)
    }

    fn operand(&mut self) -> Result<Expr, String> {
        let value = self.primary()?;
        while self.sign("::") {
            self.type_name()?;
        }
        Ok(value)
    }

    /// Skips a type: `character varying(20)[]`.
    fn type_name(&mut self) -> Result<(), String> {
        let Some(Token::Word { .. }) = self.peek() else {
            return Err("a type is missing after `::`".to_owned());
        };
        self.place += 1;
        while ["varying", "precision", "without", "with", "time", "zone"]
            .iter()
            .any(|word| self.keyword(word))
        {}
        if self.sign("(") {
            self.list(")")?;
        }
        while self.sign("[") {
            self.expect("]")?;
        }
        Ok(())
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expr>, String> {
        let mut items = Vec::new();
        while !self.sign(end) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.or()?);
        }
        Ok(items)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let token = self.peek().cloned().ok_or_else(|| "it ends too early".to_owned())?;
        self.place += 1;
        match token {
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Sign("(") => {
                let inner = self.or()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("-") => match self.operand()? {
                Expr::Number(number) => Ok(Expr::Number(-number)),
                _ => Err("a minus before something other than a number is not understood".to_owned()),
            },
            Token::Sign(sign) => Err(format!("`{sign}` is not understood here")),
            Token::Word { text, quoted: true } => Ok(Expr::Column(text)),
            Token::Word { text, quoted: false } => self.word(text),
        }
    }

    fn word(&mut self, text: String) -> Result<Expr, String> {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "true" => Ok(Expr::Bool(true)),
            "false" => Ok(Expr::Bool(false)),
            "null" => Ok(Expr::Null),
            "current_date" | "current_timestamp" | "localtimestamp" => Ok(Expr::Now),
            "array" if self.sign("[") => Ok(Expr::List(self.list("]")?)),
            "case" | "cast" | "exists" | "select" => Err(format!("`{text}` is not understood")),
            _ if self.sign("(") => {
                let arguments = self.list(")")?;
                Ok(if lower == "now" { Expr::Now } else { Expr::Call(lower, arguments) })
            }
            _ => Ok(Expr::Column(text)),
        }
    }
}

fn negate(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn single_or(mut parts: Vec<Expr>, make: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.swap_remove(0) } else { make(parts) }
}
