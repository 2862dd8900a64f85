//! Who of one's contacts sees something, by the lists that they are on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of one's [lists](super::ContactExtra::lists) something is kept from or kept to. Being kept from goes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListRules {
    /// Whoever is on one of these lists sees nothing. At most 64, by name.
    pub hidden_from: Vec<String>,
    /// If there are any: only who is on one of these lists sees something. At most 64, by name; a list may be empty as yet.
    pub only: Vec<String>,
}

impl ListRules {
    /// Whether there is no rule.
    pub const fn is_empty(&self) -> bool {
        self.hidden_from.is_empty() && self.only.is_empty()
    }

    /// Whether somebody who is on these lists sees it.
    pub fn allow(&self, lists: &[String]) -> bool {
        let on_any = |of: &[String]| lists.iter().any(|list| of.contains(list));
        !on_any(&self.hidden_from) && (self.only.is_empty() || on_any(&self.only))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pre_17_who_is_kept_from_goes_first_and_without_a_rule_all_see() {
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let rules =
            |hidden: &[&str], only: &[&str]| ListRules { hidden_from: names(hidden), only: names(only) };
        for (rules, lists, sees) in [
            (rules(&[], &[]), names(&[]), true),
            (rules(&["work"], &[]), names(&["family"]), true),
            (rules(&["work"], &[]), names(&["family", "work"]), false),
            (rules(&[], &["family"]), names(&[]), false),
            (rules(&[], &["family", "choir"]), names(&["choir"]), true),
            (rules(&["work"], &["family"]), names(&["family", "work"]), false),
        ] {
            assert_eq!(rules.allow(&lists), sees, "{rules:?} {lists:?}");
        }
    }
}
