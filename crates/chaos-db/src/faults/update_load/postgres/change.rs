//! Writes the new value of a column as an SQL expression, so that the server makes all of them in one statement.
//!
//! Every expression gives a value that differs from the old one and fits the type; NULL becomes a value. Rows in which
//! nothing differs after all are left out by the statement around it.

use crate::postgres::sql::literal;
use crate::schema::ColumnKind;

/// Text longer than this tells nothing more.
const TEXT_MAX: u32 = 32;

/// Where an expression finds what it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The old value.
    pub(super) old: &'a str,
    /// The number of the row, a bigint.
    pub(super) number: &'a str,
    /// Another number for every column of every use.
    pub(super) seed: u32,
}

impl Place<'_> {
    /// A number from 1 to 8.
    fn few(&self) -> String {
        format!("((hashint8({} + {}) & 7) + 1)", self.number, self.seed)
    }

    /// 32 hexadecimal digits.
    fn hex(&self) -> String {
        format!("md5({}::text || ':{}')", self.number, self.seed)
    }

    /// Hexadecimal digits, at most `max`.
    fn word(&self, max: Option<u32>) -> String {
        match max {
            Some(max) if max < TEXT_MAX => format!("left({}, {max})", self.hex()),
            Some(_) | None => self.hex(),
        }
    }
}

/// Returns the expression of the new value, of type `sql_type`; or why there is none.
pub(super) fn new_value(kind: &ColumnKind, sql_type: &str, place: &Place<'_>) -> Result<String, String> {
    let (old, few) = (place.old, place.few());
    let expression = match kind {
        ColumnKind::Bool => format!("coalesce(NOT {old}, true)"),
        // Another number near by: only low bits differ, so it never leaves the type.
        ColumnKind::Int(_) => format!("coalesce({old} # {few}, {few})"),
        ColumnKind::Numeric { scale, .. } => numeric(old, &few, *scale),
        ColumnKind::Float(_) => format!(
            "CASE WHEN {old} - {old} = 0 AND abs({old}) >= 1e-30 THEN {old} * (({few} + 4) / 16.0) ELSE {few} END"
        ),
        ColumnKind::Text { max, .. } => text(place, *max),
        ColumnKind::Uuid => place.hex(),
        ColumnKind::Date => shifted(old, "date '2000-01-01'", &few),
        ColumnKind::Timestamp { zoned: false } => shifted(old, "timestamp '2000-01-01'", &hours(&few)),
        ColumnKind::Timestamp { zoned: true } => shifted(old, "timestamptz '2000-01-01Z'", &hours(&few)),
        ColumnKind::Time { .. } => {
            format!("coalesce({old} + {}, CAST('12:34:56Z' AS {sql_type}))", hours(&few))
        }
        ColumnKind::Interval => interval(old, &few),
        ColumnKind::Json { binary } => json(place, *binary),
        ColumnKind::Bytes => format!("decode({}, 'hex')", place.hex()),
        ColumnKind::Inet => format!("coalesce(~{old}, inet '198.51.100.7')"),
        ColumnKind::MacAddr => format!("coalesce(~{old}, macaddr '02:00:5e:10:00:01')"),
        ColumnKind::Cidr => one_of(old, sql_type, "198.51.100.0/24", "203.0.113.0/24"),
        ColumnKind::Bit { length, varying } => bits(old, *length, *varying),
        ColumnKind::Enum(labels) => label(old, labels)?,
        ColumnKind::Array(element) => array(element, sql_type, place)?,
        ColumnKind::Range(bound) => range(bound, sql_type, old)?,
        ColumnKind::Any => return Err("its type says nothing".to_owned()),
        ColumnKind::Unsupported(name) => return Err(format!("no change of type `{name}` is known")),
    };
    Ok(format!("CAST(({expression}) AS {sql_type})"))
}

/// Moves by some of the last digit, towards zero and never across it, so that no digit is added and no sign changes.
fn numeric(old: &str, few: &str, scale: u16) -> String {
    let unit = unit(scale);
    format!(
        "CASE WHEN {old} IS NULL OR {old}::text IN ('NaN', 'Infinity', '-Infinity') OR {old} = 0 THEN {few} * {unit} \
         WHEN {old} > {few} * {unit} THEN {old} - {few} * {unit} WHEN {old} < -{few} * {unit} THEN {old} + {few} * {unit} \
         WHEN {old} > 0 THEN {old} + {unit} ELSE {old} - {unit} END"
    )
}

/// The smallest number with this many digits behind the point.
fn unit(scale: u16) -> String {
    match scale {
        0 => "1".to_owned(),
        scale => format!("0.{}1", "0".repeat(usize::from(scale) - 1)),
    }
}

fn text(place: &Place<'_>, max: Option<u32>) -> String {
    let word = place.word(max);
    if max.is_none_or(|max| max >= TEXT_MAX) {
        return word;
    }
    // A short word may be the old one by chance.
    format!(
        "CASE WHEN {word} COLLATE \"C\" = {}::text THEN translate({word}, '0123456789abcdef', '123456789abcdef0') \
         ELSE {word} END",
        place.old
    )
}

fn hours(few: &str) -> String {
    format!("{few} * interval '1 hour'")
}

/// Moves a point in time towards `origin`, so that it never leaves the calendar.
fn shifted(old: &str, origin: &str, by: &str) -> String {
    format!(
        "CASE WHEN {old} IS NULL OR NOT isfinite({old}) THEN {origin} + {by} \
         WHEN {old} > {origin} THEN {old} - {by} ELSE {old} + {by} END"
    )
}

/// A year, a day and an hour differ whatever fields the column keeps.
fn interval(old: &str, few: &str) -> String {
    let by = format!("{few} * interval '1 year 1 day 1 hour'");
    format!(
        "CASE WHEN {old} IS NULL THEN {by} WHEN {old} > interval '0' THEN {old} - {by} ELSE {old} + {by} END"
    )
}

/// Adds a key to an object; anything else becomes an object.
fn json(place: &Place<'_>, binary: bool) -> String {
    let (old, hex) = (place.old, place.hex());
    if binary {
        let added = format!("jsonb_build_object('chaos', {hex})");
        return format!("CASE WHEN jsonb_typeof({old}) = 'object' THEN {old} || {added} ELSE {added} END");
    }
    // As text: parsing would refuse what json may hold and jsonb may not, as \u0000.
    format!(
        r#"CASE WHEN {old}::text ~ '^\s*\{{\s*"' THEN regexp_replace({old}::text, '^\s*\{{', '{{"chaos": "' || {hex} || '", ')
        ELSE '{{"chaos": "' || {hex} || '"}}' END"#
    )
}

/// The one of two constants that is not the old value.
fn one_of(old: &str, sql_type: &str, first: &str, second: &str) -> String {
    let cast = |value: &str| format!("CAST({} AS {sql_type})", literal(value));
    format!(
        "CASE WHEN {old} = {first} THEN {second} ELSE {first} END",
        first = cast(first),
        second = cast(second)
    )
}

fn bits(old: &str, length: Option<u32>, varying: bool) -> String {
    if varying {
        return format!("CASE WHEN length({old}) > 0 THEN ~{old} ELSE B'1' END");
    }
    let length = length.unwrap_or(1);
    format!("coalesce(~{old}, repeat('1', {length})::bit({length}))")
}

fn label(old: &str, labels: &[String]) -> Result<String, String> {
    let [first, _, ..] = labels else {
        return Err("its enum has no second label".to_owned());
    };
    let next = labels.iter().cycle().skip(1);
    let cases: Vec<String> = labels
        .iter()
        .zip(next)
        .map(|(label, next)| format!("WHEN {} THEN {}", literal(label), literal(next)))
        .collect();
    Ok(format!("CASE {old}::text {} ELSE {} END", cases.join(" "), literal(first)))
}

/// Appends an element; what is empty or has several dimensions becomes an array of that element alone.
fn array(element: &ColumnKind, sql_type: &str, place: &Place<'_>) -> Result<String, String> {
    let value =
        element_text(element, place).ok_or_else(|| format!("no change of type `{sql_type}` is known"))?;
    let one = format!("CAST('{{\"' || {value} || '\"}}' AS {sql_type})");
    let old = place.old;
    Ok(format!("CASE WHEN array_ndims({old}) = 1 THEN {old} || {one} ELSE {one} END"))
}

/// An element as it stands between quotes in the text of an array.
fn element_text(kind: &ColumnKind, place: &Place<'_>) -> Option<String> {
    let few = place.few();
    let text = match kind {
        ColumnKind::Bool => "'true'".to_owned(),
        ColumnKind::Int(_) | ColumnKind::Float(_) | ColumnKind::Json { .. } => format!("{few}::text"),
        ColumnKind::Numeric { scale, .. } => format!("({few} * {})::text", unit(*scale)),
        ColumnKind::Text { max, .. } => place.word(*max),
        ColumnKind::Uuid | ColumnKind::Bytes => place.hex(),
        ColumnKind::Date => format!("'2000-01-0' || {few}"),
        ColumnKind::Timestamp { .. } => format!("'2000-01-0' || {few} || ' 12:34:56Z'"),
        ColumnKind::Time { .. } => format!("'0' || {few} || ':34:56Z'"),
        ColumnKind::Interval => format!("{few} || ' years'"),
        ColumnKind::Inet => format!("'198.51.100.' || {few}"),
        ColumnKind::Cidr => "'198.51.100.0/24'".to_owned(),
        ColumnKind::MacAddr => format!("'02:00:5e:10:00:0' || {few}"),
        ColumnKind::Bit { length, .. } => format!("repeat('1', {})", length.unwrap_or(1)),
        ColumnKind::Enum(labels) => literal(&labels.first()?.replace('\\', r"\\").replace('"', "\\\"")),
        ColumnKind::Range(bound) => literal(bounds(bound)?.0),
        ColumnKind::Array(_) | ColumnKind::Any | ColumnKind::Unsupported(_) => return None,
    };
    Some(text)
}

fn range(bound: &ColumnKind, sql_type: &str, old: &str) -> Result<String, String> {
    let (first, second) = bounds(bound).ok_or_else(|| format!("no change of type `{sql_type}` is known"))?;
    Ok(one_of(old, sql_type, first, second))
}

fn bounds(kind: &ColumnKind) -> Option<(&'static str, &'static str)> {
    match kind {
        ColumnKind::Int(_) | ColumnKind::Float(_) | ColumnKind::Numeric { .. } => Some(("[1,5)", "[2,7)")),
        ColumnKind::Date => Some(("[2000-01-01,2000-02-01)", "[2001-01-01,2001-02-01)")),
        ColumnKind::Timestamp { .. } => {
            Some(("[2000-01-01 00:00Z,2000-02-01 00:00Z)", "[2001-01-01 00:00Z,2001-02-01 00:00Z)"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: &ColumnKind, sql_type: &str) -> Result<String, String> {
        new_value(kind, sql_type, &Place { old: "o", number: "n", seed: 7 })
    }

    #[test]
    fn a_label_of_an_enum_stays_a_value_whatever_it_holds() {
        let labels = vec!["it's".to_owned(), r#"" \ ,"#.to_owned()];
        let expression = change(&ColumnKind::Enum(labels.clone()), "public.mood").unwrap();
        assert!(expression.contains("WHEN 'it''s' THEN"), "{expression}");
        let expression = change(&ColumnKind::Array(Box::new(ColumnKind::Enum(labels))), "public.mood[]");
        assert!(expression.unwrap().contains("'it''s'"));
    }

    #[test]
    fn an_enum_of_one_label_and_an_unknown_type_have_no_change() {
        assert!(
            change(&ColumnKind::Enum(vec!["only".to_owned()]), "e").unwrap_err().contains("second label")
        );
        let unknown = ColumnKind::Unsupported("tsvector".to_owned());
        assert!(change(&unknown, "tsvector").unwrap_err().contains("`tsvector`"));
        assert!(change(&ColumnKind::Array(Box::new(unknown)), "tsvector[]").is_err());
    }

    #[test]
    fn the_last_digit_follows_the_scale() {
        assert_eq!((unit(0).as_str(), unit(1).as_str(), unit(3).as_str()), ("1", "0.1", "0.001"));
    }
}
