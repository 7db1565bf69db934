//! Chooses texts: by name of the column, then cut to what its length and its checks allow.

use super::choose::Chooser;
use super::literal::Literal;
use super::numbers::push_base36;
use super::pool::Pool;
use super::text::{Style, style, words_of};
use super::value::{Value, any_day, any_second};

/// What stands between the stem of a unique text and its tag.
const SEPARATOR: &str = "-";

impl Chooser<'_> {
    /// Chooses texts of at most `max` characters.
    pub(super) fn text(&self, max: Option<u32>) -> Result<Value, String> {
        if self.limits.json {
            return Ok(Value::Json);
        }
        if !self.limits.range(Literal::number)?.is_open() || self.limits.half.is_some() {
            return Err("a text compared by order is not understood".to_owned());
        }
        let max = max.into_iter().chain(self.limits.length_max).min().map_or(usize::MAX, |max| max as usize);
        let words = words_of(self.column);
        let plain = self.limits.is_empty() && !self.distinct;
        if plain && let Some(moment) = moment(&words, max) {
            return Ok(moment);
        }
        let style = style(self.table, self.column, self.salt);
        if self.distinct { self.unique(style, max) } else { self.repeating(&style, max) }
    }

    fn repeating(&self, style: &Style, max: usize) -> Result<Value, String> {
        let mut texts: Vec<String> = Vec::new();
        for (index, stem) in style.stems.iter().enumerate() {
            let tail = &style.tails[index % style.tails.len()];
            let whole = self.adapt(&format!("{stem}{tail}"), max);
            texts.extend(self.accept(&whole).then_some(whole));
        }
        if texts.is_empty() {
            texts = self.filled_patterns(style, max);
        }
        if texts.is_empty() {
            Err("no text that we make fulfils its checks".to_owned())
        } else {
            Ok(Value::Text(Pool::new(texts)))
        }
    }

    fn unique(&self, style: Style, max: usize) -> Result<Value, String> {
        let mut longest = Vec::new();
        push_base36(&mut longest, self.keys.rows);
        let bare = self.keys.tag.len() + longest.len();
        let tail = style.tails.iter().map(String::len).max().unwrap_or(0);
        let with_stem = bare + SEPARATOR.len() + 1;
        let (tails, room) = match max {
            _ if max > with_stem + tail => (style.tails, max - with_stem - tail),
            _ if max > with_stem => (vec![String::new()], max - with_stem),
            _ if max >= bare => (vec![String::new()], 0),
            _ => return Err(format!("it must be unique, and {max} characters are too few for that")),
        };
        // A tag that ends in a letter keeps it apart from the digits of the row.
        let (tag, stems) = if room == 0 {
            (self.cased(&self.keys.tag), vec![String::new()])
        } else {
            let stems = style.stems.iter().map(|stem| self.adapt(stem, room)).collect();
            (self.cased(&format!("{SEPARATOR}{}", self.keys.tag)), stems)
        };
        if self.limits.uppercase {
            return Err("it must be unique and in capital letters, which is not made".to_owned());
        }
        let whole =
            |stem: &String, tail: &String| format!("{stem}{tag}{}{tail}", String::from_utf8_lossy(&longest));
        let fits = |stem: &&String| {
            tails.iter().all(|tail| self.accept(&whole(stem, tail)) && self.accept_first(stem, &tag, tail))
        };
        let stems: Vec<String> = stems.iter().filter(fits).cloned().collect();
        if stems.is_empty() {
            return Err("no unique text that we make fulfils its checks".to_owned());
        }
        Ok(Value::UniqueText { stems: Pool::new(stems), tag: tag.into_bytes(), tails: Pool::new(tails) })
    }

    /// Returns whether the shortest text, that of the first row, is long enough too.
    fn accept_first(&self, stem: &str, tag: &str, tail: &str) -> bool {
        self.accept(&format!("{stem}{tag}0{tail}"))
    }

    /// Cuts a text to `max` characters, stretches it to the least length, and gives it the case that the checks ask for.
    fn adapt(&self, text: &str, max: usize) -> String {
        let mut adapted: String = text.chars().take(max).collect();
        let least = (self.limits.length_min as usize).min(max);
        while adapted.chars().count() < least {
            adapted.push(char::from(b'a' + (adapted.len() % 26) as u8));
        }
        self.cased(adapted.trim_end_matches([' ', '.', '-', '_']))
    }

    fn cased(&self, text: &str) -> String {
        match (self.limits.lowercase, self.limits.uppercase) {
            (true, _) => text.to_lowercase(),
            (_, true) => text.to_uppercase(),
            (false, false) => text.to_owned(),
        }
    }

    fn accept(&self, text: &str) -> bool {
        let length = text.chars().count();
        length >= self.limits.length_min as usize
            && !self.limits.none_of.iter().any(|refused| refused.text() == text)
            && self.limits.patterns.iter().all(|pattern| pattern.allows(text))
    }

    /// Fills the gaps of the patterns with our texts, for columns such as `code LIKE 'A-%'`.
    fn filled_patterns(&self, style: &Style, max: usize) -> Vec<String> {
        let filled = style.stems.iter().filter_map(|stem| {
            let text = self.limits.patterns.iter().find_map(|pattern| pattern.filled(stem, max))?;
            Some(self.cased(text.trim_end()))
        });
        filled.filter(|text| self.accept(text) && text.chars().count() <= max).collect()
    }
}

/// Dates and moments kept as text, by name of the column.
fn moment(words: &[String], max: usize) -> Option<Value> {
    match words.last().map(String::as_str) {
        Some("at" | "timestamp" | "datetime") if max >= 19 => Some(any_second(false)),
        Some("date" | "birthday" | "day" | "on") if max >= 10 => Some(any_day()),
        _ => None,
    }
}
