//! A part: lines made from rows, and lines read again.
//!
//! Each part begins with the line of its conversation, so it can be taken in alone. The count in that line is how many messages may
//! still follow in that conversation, in this part and later ones: room is reserved for them at once.

use wheesht_proto::stored;
use zeroize::{Zeroize as _, Zeroizing};

use super::super::{
    super::{Ctx, EngineError, tables::CONVERSATION_LIST},
    conversations::{self, BASE},
    pages, show,
};
use crate::{
    api::{ConversationId, ExportLine, Message},
    store::Direction,
};

/// A part ends with the line that reaches this size (bytes): large enough that a million messages are some hundred blobs, small
/// enough that making it is one short turn of the engine.
const FULL: usize = 1 << 20;

/// Largest part that is taken: a full one, and one more line of the longest that there is.
pub(super) const MAX_PART: u64 = 8 << 20;

/// Rows read at once.
const PAGE: usize = 200;

/// Where the next part begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The number of a conversation.
    pub(super) conversation: u64,
    /// Behind this position in it.
    pub(super) position: u64,
}

/// Lines that are handed over together.
pub(super) struct Part {
    pub(super) lines: Zeroizing<Vec<u8>>,
    /// Messages in it.
    pub(super) messages: u64,
    pub(super) next: Cursor,
    /// Nothing follows.
    pub(super) last: bool,
}

/// The lines from a cursor on.
// DEV-24
pub(super) fn make(ctx: &mut Ctx<'_, '_>, from: Cursor) -> Result<Part, EngineError> {
    let mut part = Part { lines: Zeroizing::default(), messages: 0, next: from, last: false };
    for (number, key) in
        ctx.tx.scan(CONVERSATION_LIST, b"", from.conversation.., Direction::Forward, usize::MAX)?
    {
        let Some(id) = conversations::from_key(&key) else { continue };
        let Some(conversation) = conversations::find(ctx, &id)? else { continue };
        let begin = if number == from.conversation { from.position } else { 0 };
        part.next = Cursor { conversation: number, position: begin };
        if add(ctx, &mut part, &id, &conversation)? {
            return Ok(part);
        }
    }
    part.last = true;
    Ok(part)
}

/// How many messages are to be handed over, about: those that have been deleted since, and those that disappear, count too.
pub(super) fn total(ctx: &Ctx<'_, '_>) -> Result<u64, EngineError> {
    let mut total = 0;
    for (_, key) in ctx.tx.scan(CONVERSATION_LIST, b"", .., Direction::Forward, usize::MAX)? {
        let Some(id) = conversations::from_key(&key) else { continue };
        if let Some(conversation) = conversations::find(ctx, &id)? {
            total += left(&conversation, 0);
        }
    }
    Ok(total)
}

/// What a line says, if it is one that is taken in.
pub(super) fn read(line: &[u8]) -> Option<ExportLine> {
    serde_json::from_slice(line).ok()
}

/// Adds a conversation from where the part stands. Gives whether the part is full.
fn add(
    ctx: &mut Ctx<'_, '_>,
    part: &mut Part,
    id: &ConversationId,
    conversation: &stored::Conversation,
) -> Result<bool, EngineError> {
    let mut begun = false;
    loop {
        let first = part.next.position.saturating_add(1);
        let rows = pages::from(ctx, conversation, first..=conversation.last, PAGE)?;
        let Some((_, _)) = rows.last() else { return Ok(false) };
        for (position, entry) in rows {
            let message = show::message(ctx, id, conversation, position, entry)?;
            if message.disappear_ms.is_none() {
                if !begun {
                    begun = true;
                    begin(part, id, left(conversation, part.next.position));
                }
                put(part, &ExportLine::Message { message: Box::new(message) });
                part.messages += 1;
            }
            part.next.position = position;
            if part.lines.len() >= FULL {
                return Ok(true);
            }
        }
    }
}

fn begin(part: &mut Part, id: &ConversationId, messages: u64) {
    // Title, place and mute come with the vault.
    let line = ExportLine::Conversation {
        id: *id,
        title: String::new(),
        messages,
        archived: false,
        muted_until: None,
    };
    put(part, &line);
}

fn put(part: &mut Part, line: &ExportLine) {
    // Types of ours can be written; a line that could not be would be left out.
    if let Ok(mut text) = serde_json::to_vec(line) {
        part.lines.extend_from_slice(&text);
        part.lines.push(b'\n');
        text.zeroize();
    }
}

/// Messages behind a position, at most.
fn left(conversation: &stored::Conversation, position: u64) -> u64 {
    let before = match conversation.first {
        0 => 0,
        first => (BASE + 1).saturating_sub(first.max(position.saturating_add(1))),
    };
    // A conversation of before there was room begins at 1.
    let here = match conversation.last > BASE {
        true => conversation.last - position.max(BASE),
        false => conversation.last.saturating_sub(position),
    };
    before + here
}

/// Messages of one conversation, taken from lines.
pub(super) struct Batch {
    pub(super) conversation: ConversationId,
    /// How many may still come, these included.
    pub(super) remaining: u64,
    pub(super) messages: Vec<Message>,
}
