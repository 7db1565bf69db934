//! Texts that fit the name of a column.

use fake::Fake;
use fake::faker::address::en::{CityName, CountryCode, CountryName, StateName, StreetName, ZipCode};
use fake::faker::company::en::CompanyName;
use fake::faker::internet::en::UserAgent;
use fake::faker::job::en::Title;
use fake::faker::name::en::{FirstName, LastName};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::mix::{at, below};
use super::words;

/// How many different texts are made for a column. More would not look more real and would leave the processor's cache.
const TEXTS: u64 = 1_024;

/// Texts for a column. Each is `stem` + `tail`; what makes a text unique is put between the two.
pub(super) struct Style {
    /// What texts begin with.
    pub(super) stems: Vec<String>,
    /// What they end with.
    pub(super) tails: Vec<String>,
}

impl Style {
    fn plain(stems: Vec<String>) -> Self {
        Self { stems, tails: vec![String::new()] }
    }
}

/// Splits `createdAt`, `created_at` and `CREATED AT` into small words.
pub(super) fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_small = false;
    for character in name.chars() {
        let starts = !character.is_alphanumeric() || (character.is_uppercase() && before_small);
        if starts && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before_small = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns texts for the column `column` of the table `table`.
pub(super) fn style(table: &str, column: &str, salt: u64) -> Style {
    let words = words_of(column);
    let has = |any: &[&str]| any.iter().any(|word| words.iter().any(|found| found == word));
    let mut maker = Maker { salt, rng: StdRng::seed_from_u64(salt) };
    if has(&["email", "mail"]) {
        let tails = words::DOMAINS.map(str::to_owned).to_vec();
        return Style { stems: maker.people(".", str::to_lowercase), tails };
    }
    if has(&["password", "hash", "token", "secret", "digest", "checksum", "sha", "md5", "signature"]) {
        return Style::plain(maker.hex(32));
    }
    if let Some(stems) = maker.of_people(&has, table).or_else(|| maker.of_places(&has)) {
        return Style::plain(stems);
    }
    Style::plain(maker.of_things(&has))
}

struct Maker {
    salt: u64,
    rng: StdRng,
}

impl Maker {
    fn of_people(&mut self, has: &dyn Fn(&[&str]) -> bool, table: &str) -> Option<Vec<String>> {
        let plain = |text: &str| text.to_owned();
        if has(&["user", "username", "login", "nickname", "nick", "handle", "slug"]) {
            return Some(self.people("_", str::to_lowercase));
        }
        if has(&["first", "given", "firstname", "forename"]) {
            return Some(self.each(|rng| FirstName().fake_with_rng(rng)));
        }
        if has(&["last", "family", "lastname", "surname"]) {
            return Some(self.each(|rng| LastName().fake_with_rng(rng)));
        }
        if has(&["phone", "mobile", "tel", "telephone", "fax"]) {
            // 555-0100 to 555-0199 are reserved, so that nobody can be called.
            return Some(self.numbered(|bits| {
                format!("+1-{}-555-{:04}", 201 + below(bits, 780), 100 + below(at(bits, 1), 100))
            }));
        }
        if has(&["company", "organisation", "organization", "employer", "vendor", "supplier", "brand"]) {
            return Some(self.each(|rng| CompanyName().fake_with_rng(rng)));
        }
        if has(&["job", "position", "profession", "occupation"]) {
            return Some(self.each(|rng| Title().fake_with_rng(rng)));
        }
        if has(&["author", "owner", "contact", "fullname", "customer", "assignee"]) {
            return Some(self.people(" ", plain));
        }
        if has(&["name"]) {
            let of = words_of(table);
            let person = [
                "user", "customer", "person", "people", "employee", "contact", "member", "author", "patient",
            ];
            let about_people =
                of.iter().any(|word| person.contains(&word.trim_end_matches('s')) || word == "people");
            return Some(if about_people || has(&["full"]) { self.people(" ", plain) } else { self.goods() });
        }
        None
    }

    fn of_places(&mut self, has: &dyn Fn(&[&str]) -> bool) -> Option<Vec<String>> {
        if has(&["country"]) {
            return Some(if has(&["code", "iso"]) {
                self.each(|rng| CountryCode().fake_with_rng(rng))
            } else {
                self.each(|rng| CountryName().fake_with_rng(rng))
            });
        }
        if has(&["city", "town"]) {
            return Some(self.each(|rng| CityName().fake_with_rng(rng)));
        }
        if has(&["region", "province", "county"]) {
            return Some(self.each(|rng| StateName().fake_with_rng(rng)));
        }
        if has(&["zip", "zipcode", "postcode", "postal"]) {
            return Some(self.each(|rng| ZipCode().fake_with_rng(rng)));
        }
        if has(&["street", "address", "addr"]) && !has(&["ip", "mac"]) {
            return Some(self.each(|rng| {
                let street: String = StreetName().fake_with_rng(rng);
                let number: u16 = (1..250_u16).fake_with_rng(rng);
                format!("{number} {street}")
            }));
        }
        None
    }

    fn of_things(&mut self, has: &dyn Fn(&[&str]) -> bool) -> Vec<String> {
        let lists: [(&[&str], &[&str]); 7] = [
            (&["status", "state"], &words::STATES),
            (&["category", "kind", "type", "genre", "department", "group"], &words::CATEGORIES),
            (&["role"], &words::ROLES),
            (&["color", "colour"], &words::COLOURS),
            (&["language", "locale", "lang"], &words::LANGUAGES),
            (&["currency"], &words::CURRENCIES),
            (&["timezone", "tz"], &words::TIME_ZONES),
        ];
        if let Some((_, list)) = lists.iter().find(|(names, _)| has(names)) {
            return list.iter().map(|word| (*word).to_owned()).collect();
        }
        if has(&["url", "uri", "link", "website", "homepage", "avatar", "image"]) {
            return self.numbered(|bits| format!("https://www.example.com/{:08x}", bits >> 32));
        }
        if has(&["ip", "host"]) {
            return self.numbered(|bits| {
                format!("10.{}.{}.{}", bits & 255, (bits >> 8) & 255, 1 + (bits >> 16) % 254)
            });
        }
        if has(&["mac"]) {
            return self.numbered(|bits| format!("02:00:00:00:{:02x}:{:02x}", bits & 255, (bits >> 8) & 255));
        }
        if has(&["agent"]) {
            return self.each(|rng| UserAgent().fake_with_rng(rng));
        }
        if has(&["sku", "code", "isbn", "barcode", "reference", "ref", "number", "no", "serial", "key"]) {
            return self.numbered(|bits| {
                let letters = ["AB", "CX", "DL", "HK", "MT", "QR", "TS", "XN"];
                format!("{}-{:05}", letters[below(bits, 8) as usize], below(at(bits, 1), 100_000))
            });
        }
        let long = [
            "description",
            "bio",
            "body",
            "content",
            "comment",
            "message",
            "note",
            "notes",
            "text",
            "summary",
            "reason",
            "details",
            "about",
        ];
        if has(&long) { self.remarks() } else { self.goods() }
    }

    fn each(&mut self, mut make: impl FnMut(&mut StdRng) -> String) -> Vec<String> {
        (0..TEXTS).map(|_| make(&mut self.rng)).collect()
    }

    fn numbered(&self, make: impl Fn(u64) -> String) -> Vec<String> {
        (0..TEXTS).map(|index| make(at(self.salt, index))).collect()
    }

    fn people(&mut self, between: &str, case: impl Fn(&str) -> String) -> Vec<String> {
        self.each(|rng| {
            let first: String = FirstName().fake_with_rng(rng);
            let last: String = LastName().fake_with_rng(rng);
            let last: String = last.chars().filter(|character| character.is_ascii_alphabetic()).collect();
            case(&format!("{first}{between}{last}"))
        })
    }

    fn hex(&self, digits: usize) -> Vec<String> {
        self.numbered(|bits| format!("{bits:016x}{:016x}", at(bits, 1)).chars().take(digits).collect())
    }

    fn goods(&self) -> Vec<String> {
        self.numbered(|bits| {
            let word =
                |list: &[&'static str], place| list[below(at(bits, place), list.len() as u64) as usize];
            format!(
                "{} {} {}",
                word(&words::ADJECTIVES, 0),
                word(&words::MATERIALS, 1),
                word(&words::GOODS, 2)
            )
        })
    }

    fn remarks(&self) -> Vec<String> {
        self.numbered(|bits| {
            let word =
                |list: &[&'static str], place| list[below(at(bits, place), list.len() as u64) as usize];
            format!("{} {}.", word(&words::REMARK_STARTS, 0), word(&words::REMARK_ENDS, 1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(words_of("createdAt"), ["created", "at"]);
        assert_eq!(words_of("FIRST_NAME"), ["first", "name"]);
        assert_eq!(words_of("e-mail 2"), ["e", "mail", "2"]);
        assert!(words_of("").is_empty());
    }

    #[test]
    fn texts_fit_the_name_of_the_column() {
        let first = |table: &str, column: &str| {
            let style = style(table, column, 11);
            format!("{}{}", style.stems[0], style.tails[0])
        };
        assert!(first("users", "email").ends_with("@example.com"));
        assert!(first("users", "phone_number").starts_with("+1-"));
        assert!(first("users", "website").starts_with("https://www.example.com/"));
        assert!(words::STATES.contains(&first("orders", "order_status").as_str()));
        assert_eq!(first("users", "full_name").split(' ').count(), 2);
        assert_eq!(first("products", "name").split(' ').count(), 3);
        assert!(first("t", "description").ends_with('.'));
    }

    #[test]
    fn the_same_seed_makes_the_same_texts() {
        assert_eq!(style("t", "city", 5).stems, style("t", "city", 5).stems);
        assert_ne!(style("t", "city", 5).stems, style("t", "city", 6).stems);
    }
}
