//! What is shown to some lists of contacts and kept from others: an entry of the vault for each thing that is so shown.

use wheesht_proto::{prost::Message as _, stored};

use super::{
    super::{Ctx, EngineError, account::vault},
    extras,
};
use crate::api::{Error, ErrorCode, ListRules};

/// Most lists in a rule.
const MAX_RULED: usize = 64;

/// The rules as they may be kept, or what is wrong with them.
pub(crate) fn sound_rules(rules: ListRules) -> Result<ListRules, Error> {
    let hidden_from = extras::sound_lists(rules.hidden_from)?;
    let only = extras::sound_lists(rules.only)?;
    if hidden_from.len().max(only.len()) > MAX_RULED {
        let error = Error::new(ErrorCode::TooLarge, format!("A rule names at most {MAX_RULED} lists."));
        return Err(error.next("Put contacts on fewer lists."));
    }
    Ok(ListRules { hidden_from, only })
}

/// What an entry of the vault says. One that makes no sense keeps everything from everybody: a newer version may have written it.
pub(crate) fn load_rules(ctx: &Ctx<'_, '_>, entry: &str) -> Result<ListRules, EngineError> {
    let Some(value) = vault::get(ctx, entry)? else { return Ok(ListRules::default()) };
    let rules = stored::ListRules::decode(value.as_slice()).ok();
    let rules = rules.map(|row| ListRules { hidden_from: row.hidden_from, only: row.only });
    let nobody = || ListRules { hidden_from: Vec::new(), only: vec![String::new()] };
    Ok(rules.and_then(|rules| sound_rules(rules).ok()).unwrap_or_else(nobody))
}

/// Keeps them, for all own devices.
pub(crate) fn store_rules(ctx: &mut Ctx<'_, '_>, entry: &str, rules: &ListRules) -> Result<(), EngineError> {
    if rules.is_empty() {
        return vault::delete(ctx, entry);
    }
    let row = stored::ListRules { hidden_from: rules.hidden_from.clone(), only: rules.only.clone() };
    vault::put(ctx, entry, row.encode_to_vec())
}
