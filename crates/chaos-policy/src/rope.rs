//! What must end a fault when we never come back.

use std::borrow::Cow;
use std::fmt;

use chaos_core::Rope;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// What every step must have on its target that ends it without us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequireRope {
    /// Nothing.
    #[default]
    None,
    /// Anything.
    Any,
    /// Anything, but a deadline of ours must also act after a reboot of the target.
    OverReboot,
}

const WORDS: [(&str, RequireRope); 3] =
    [("none", RequireRope::None), ("any", RequireRope::Any), ("over_reboot", RequireRope::OverReboot)];

impl RequireRope {
    /// Returns what `rope` lacks, in words that follow "step 1 …"; `None` where it is enough.
    pub fn lack_of(self, rope: Rope) -> Option<&'static str> {
        match (self, rope) {
            (Self::None, _) => None,
            (Self::Any | Self::OverReboot, Rope::None) => {
                Some("has nothing on its target that ends it without us")
            }
            (Self::OverReboot, Rope::OnTarget { survives_reboot: false }) => {
                Some("has a deadline on its target that a reboot would take away")
            }
            (Self::Any | Self::OverReboot, Rope::EndsByItself | Rope::ServerLimit)
            | (Self::Any, Rope::OnTarget { .. })
            | (Self::OverReboot, Rope::OnTarget { survives_reboot: true }) => None,
        }
    }
}

impl fmt::Display for RequireRope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Any => "any",
            Self::OverReboot => "over_reboot",
        })
    }
}

impl<'de> Deserialize<'de> for RequireRope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Word)
    }
}

/// Takes a word, or the boolean that stood here first.
struct Word;

impl Visitor<'_> for Word {
    type Value = RequireRope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`none`, `any` or `over_reboot`")
    }

    fn visit_bool<E: Error>(self, is_required: bool) -> Result<RequireRope, E> {
        Ok(if is_required { RequireRope::Any } else { RequireRope::None })
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<RequireRope, E> {
        let found = WORDS.iter().find(|(known, _)| *known == word).map(|(_, rope)| *rope);
        found.ok_or_else(|| E::unknown_variant(word, &["none", "any", "over_reboot"]))
    }
}

impl JsonSchema for RequireRope {
    fn schema_name() -> Cow<'static, str> {
        "RequireRope".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["none", "any", "over_reboot", true, false]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_a_reboot_takes_away_is_enough_only_where_any_is() {
        let lacks = |required: RequireRope, rope| required.lack_of(rope).is_some();
        let (fleeting, lasting) =
            (Rope::OnTarget { survives_reboot: false }, Rope::OnTarget { survives_reboot: true });
        assert!(!lacks(RequireRope::None, Rope::None));
        assert!(lacks(RequireRope::Any, Rope::None));
        assert!(!lacks(RequireRope::Any, fleeting));
        assert!(lacks(RequireRope::OverReboot, fleeting));
        assert!(!lacks(RequireRope::OverReboot, lasting));
        assert!(!lacks(RequireRope::OverReboot, Rope::ServerLimit));
    }

    #[test]
    fn the_boolean_of_older_policies_still_works() {
        let read = |text| serde_json::from_str::<RequireRope>(text).ok();
        assert_eq!(read("true"), Some(RequireRope::Any));
        assert_eq!(read("false"), Some(RequireRope::None));
        assert_eq!(read("\"over_reboot\""), Some(RequireRope::OverReboot));
        assert_eq!(read("\"yes\""), None);
    }
}
