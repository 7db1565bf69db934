//! Cuts the text of a constraint into words, numbers and signs.

/// One piece of an SQL expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or keyword as written; `quoted` names are never keywords.
    Word {
        /// The name, without quotes.
        text: String,
        /// Whether it stood in quotes.
        quoted: bool,
    },
    /// A number.
    Number(f64),
    /// A text literal, without quotes.
    Text(String),
    /// Anything else: an operator, a bracket, a comma.
    Sign(&'static str),
}

/// The operators we know, longest first.
const SIGNS: [&str; 28] = [
    "!~~*", "!~~", "~~*", "!~*", "::", "<=", ">=", "<>", "!=", "==", "||", "~~", "~*", "!~", "->", "(", ")",
    ",", "[", "]", "=", "<", ">", "~", "-", "+", "*", "/",
];

/// Cuts `text` into tokens; `None` when it holds something we do not know.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut rest = text.trim_start();
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' => {
                let (text, length) = quoted(rest, '\'')?;
                (Token::Text(text), length)
            }
            '"' | '`' => {
                let (text, length) = quoted(rest, first)?;
                (Token::Word { text, quoted: true }, length)
            }
            '0'..='9' | '.' => number(rest)?,
            _ if first.is_alphabetic() || first == '_' => {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (Token::Word { text: rest[..length].to_owned(), quoted: false }, length)
            }
            _ => {
                let sign = SIGNS.iter().copied().find(|sign| rest.starts_with(sign))?;
                (Token::Sign(sign), sign.len())
            }
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Some(found)
}

/// Reads a text between two `quote` marks; a doubled mark stands for itself.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((place, character)) = chars.next() {
        if character != quote {
            content.push(character);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            content.push(quote);
            chars.next();
        } else {
            return Some((content, place + quote.len_utf8()));
        }
    }
    None
}

fn number(text: &str) -> Option<(Token, usize)> {
    let digits_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let mut length = digits_end;
    if let Some(exponent) = text[digits_end..].strip_prefix(['e', 'E']) {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let digits = unsigned.len() - unsigned.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        length += 1 + (exponent.len() - unsigned.len()) + digits;
    }
    Some((Token::Number(text[..length].parse().ok()?), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_operators_are_told_apart() {
        let found = tokens(r#""a""b" <> 'it''s'::text"#).unwrap();
        assert_eq!(found[0], Token::Word { text: "a\"b".to_owned(), quoted: true });
        assert_eq!(found[1], Token::Sign("<>"));
        assert_eq!(found[2], Token::Text("it's".to_owned()));
        assert_eq!(found[3], Token::Sign("::"));
    }

    #[test]
    fn numbers_may_have_a_fraction_and_an_exponent() {
        assert_eq!(tokens("1.5e-3"), Some(vec![Token::Number(0.0015)]));
    }

    #[test]
    fn an_open_quote_is_not_understood() {
        assert_eq!(tokens("a = 'x"), None);
        assert_eq!(tokens("a @> b"), None);
    }
}
