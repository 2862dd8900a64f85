//! Every word that stands in the index, by how it begins: so that a long beginning finds its words though no row can be read.
//!
//! Words that share four characters lie in rows of one prefix, a line each; a shorter word needs none, its beginnings are terms.
// SEA-4

use super::{
    postings::unreadable,
    tables::Tables,
    terms::{PREFIXES, beginning},
};
use crate::{
    engine::{Ctx, EngineError},
    store::Direction,
};

/// A row takes no further word when it is longer than this (bytes).
const ROW: usize = 1_024;

/// The characters by which words are kept together.
const SHARED: usize = PREFIXES[2];

/// A word is new. Gives how many bytes will be written, about.
pub(super) fn add(ctx: &mut Ctx<'_, '_>, tables: Tables, word: &str) -> Result<usize, EngineError> {
    let Some(shared) = beginning(word, SHARED).filter(|shared| shared.len() < word.len()) else {
        return Ok(0);
    };
    let last = ctx.tx.scan(tables.words, shared.as_bytes(), .., Direction::Backward, 1)?.pop();
    let (n, mut row) = match last {
        Some((n, row)) if row.len() <= ROW => (n, row.to_vec()),
        Some((n, _)) => (n + 1, Vec::new()),
        None => (1, Vec::new()),
    };
    row.extend_from_slice(word.as_bytes());
    row.push(b'\n');
    let written = row.len() + 64;
    ctx.tx.put(tables.words, shared.as_bytes(), n, row);
    Ok(written)
}

/// A word stands nowhere any more.
pub(super) fn remove(ctx: &mut Ctx<'_, '_>, tables: Tables, word: &str) -> Result<(), EngineError> {
    let Some(shared) = beginning(word, SHARED).filter(|shared| shared.len() < word.len()) else {
        return Ok(());
    };
    for (n, row) in ctx.tx.scan(tables.words, shared.as_bytes(), .., Direction::Forward, usize::MAX)? {
        let text = std::str::from_utf8(&row).map_err(|_| unreadable())?;
        if !text.lines().any(|line| line == word) {
            continue;
        }
        let left: String = text.lines().filter(|line| *line != word).flat_map(|line| [line, "\n"]).collect();
        if left.is_empty() {
            ctx.tx.delete(tables.words, shared.as_bytes(), n);
        } else {
            ctx.tx.put(tables.words, shared.as_bytes(), n, left.into_bytes());
        }
    }
    Ok(())
}

/// Words that begin so, at most `limit` and one, if that is more than [`SHARED`] characters.
pub(super) fn beginning_with(
    ctx: &Ctx<'_, '_>,
    tables: Tables,
    prefix: &str,
    limit: usize,
) -> Result<Vec<String>, EngineError> {
    let Some(shared) = beginning(prefix, SHARED) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (_, row) in ctx.tx.scan(tables.words, shared.as_bytes(), .., Direction::Forward, usize::MAX)? {
        let text = std::str::from_utf8(&row).map_err(|_| unreadable())?;
        found.extend(text.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned));
        if found.len() > limit {
            break;
        }
    }
    Ok(found)
}
