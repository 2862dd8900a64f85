//! What a change does to an entry. Nothing here depends on the order of arrival: whoever has the same changes, in whatever
//! order, has the same entry.
//!
//! Each person's reactions, each message's text, and whether it is pinned, are a value with an order; the highest order holds,
//! and of two alike the value that is greater. A deletion is final.

use wheesht_proto::{
    limits::{MAX_EARLIER_BYTES, MAX_EARLIER_TEXTS, MAX_REACTING, MAX_REACTION, MAX_REACTIONS},
    stored::{
        Deleted, EarlierText, Edited, HistoryEntry, MentionRow, PinRow, ReactionRow, history_entry::Body,
    },
};

/// What is changed.
#[derive(Clone)]
pub(super) enum Change {
    /// All of somebody's reactions.
    Reactions { emojis: Vec<String>, order: u64 },
    /// The text. `at_ms`: when its writer says that it was written.
    Text { body: String, mentions: Vec<MentionRow>, order: u64, at_ms: u64 },
    /// It is deleted.
    Deletion { at_ms: u64 },
    /// It is pinned, or no longer.
    Pin { pinned: bool, order: u64 },
}

/// Changes an entry as `by` says. Gives whether it is another one now.
pub(super) fn apply(entry: &mut HistoryEntry, by: &[u8], change: Change) -> bool {
    let Some(Body::Text(_)) = entry.body else { return false };
    match change {
        Change::Reactions { emojis, order } => react(entry, by, emojis, order),
        Change::Text { body, mentions, order, at_ms } => edit(entry, body, mentions, order, at_ms),
        Change::Deletion { at_ms } => {
            delete(entry, by, at_ms);
            true
        }
        Change::Pin { pinned, order } => pin(entry, by, pinned, order),
    }
}

/// Whether a reaction is one: short, and one thing without spaces.
// CON-26
pub(super) fn is_reaction(emoji: &str) -> bool {
    let plain = |character: char| {
        character.is_control() || character.is_whitespace() || character.is_ascii_alphanumeric()
    };
    // Keycaps begin with a digit.
    let keycap = emoji.ends_with('\u{20e3}');
    !emoji.is_empty() && emoji.len() <= MAX_REACTION && (keycap || !emoji.contains(plain))
}

/// Somebody's reactions, in their one order, without doubles and nonsense.
pub(super) fn reactions(mut emojis: Vec<String>) -> Vec<String> {
    emojis.retain(|emoji| is_reaction(emoji));
    emojis.sort_unstable();
    emojis.dedup();
    emojis.truncate(MAX_REACTIONS);
    emojis
}

// CON-26
fn react(entry: &mut HistoryEntry, by: &[u8], emojis: Vec<String>, order: u64) -> bool {
    let emojis = reactions(emojis);
    let room = entry.reactions.len() < MAX_REACTING;
    match entry.reactions.iter_mut().find(|row| row.identity == by) {
        Some(row) if (row.order, &row.emojis) >= (order, &emojis) => return false,
        Some(row) => (row.order, row.emojis) = (order, emojis),
        None if !room => return false,
        None => {
            entry.reactions.push(ReactionRow { identity: by.to_vec(), order, emojis });
            entry.reactions.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
        }
    }
    true
}

// CON-27
fn edit(entry: &mut HistoryEntry, body: String, mentions: Vec<MentionRow>, order: u64, at_ms: u64) -> bool {
    let Some(Body::Text(present)) = &mut entry.body else { return false };
    let edited =
        entry.edited.get_or_insert_with(|| Edited { order: 0, at_ms: entry.sent_ms, earlier: Vec::new() });
    if (edited.order, &*present) == (order, &body) {
        return false;
    }
    let older = if (edited.order, &*present) < (order, &body) {
        let was =
            EarlierText { text: std::mem::replace(present, body), at_ms: edited.at_ms, order: edited.order };
        (edited.order, edited.at_ms, entry.mentions) = (order, at_ms, mentions);
        was
    } else {
        EarlierText { text: body, at_ms, order }
    };
    let earlier = &mut edited.earlier;
    if earlier.iter().any(|known| (known.order, &known.text) == (older.order, &older.text)) {
        return false;
    }
    earlier.push(older);
    earlier.sort_unstable_by(|a, b| (a.order, &a.text).cmp(&(b.order, &b.text)));
    while earlier.len() > MAX_EARLIER_TEXTS
        || earlier.iter().map(|one| one.text.len()).sum::<usize>() > MAX_EARLIER_BYTES
    {
        earlier.remove(0);
    }
    true
}

/// A tombstone: who wrote it and when, who deleted it and when, and nothing of what it said.
// CON-28
fn delete(entry: &mut HistoryEntry, by: &[u8], at_ms: u64) {
    let was = std::mem::take(entry);
    *entry = HistoryEntry {
        message_id: was.message_id,
        sender: was.sender,
        outgoing: was.outgoing,
        sent_ms: was.sent_ms,
        received_ms: was.received_ms,
        state: was.state,
        failure: was.failure,
        read: was.read,
        unanswered: was.unanswered,
        disappear_ms: was.disappear_ms,
        expiry: was.expiry,
        recipients: was.recipients,
        delivered: was.delivered,
        read_by: was.read_by,
        deleted: Some(Deleted { by: by.to_vec(), at_ms }),
        ..Default::default()
    };
}

// CON-29
fn pin(entry: &mut HistoryEntry, by: &[u8], pinned: bool, order: u64) -> bool {
    if entry.pin.as_ref().is_some_and(|pin| (pin.order, pin.pinned) >= (order, pinned)) {
        return false;
    }
    entry.pin = Some(PinRow { pinned, order, by: by.to_vec() });
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> HistoryEntry {
        HistoryEntry {
            message_id: vec![1; 16],
            sender: vec![2; 32],
            body: Some(Body::Text("first".to_owned())),
            sent_ms: 7,
            ..Default::default()
        }
    }

    /// Who, what, with which words, in which order.
    type Drawn = (u8, u8, Vec<&'static str>, u64);

    fn drawn() -> impl Strategy<Value = Drawn> {
        let words =
            proptest::collection::vec(proptest::sample::select(vec!["👍", "🎉", "x", "\u{1}", "👍👍"]), 0..4);
        (0_u8..3, 0_u8..3, words, 1_u64..30)
    }

    fn run(changes: &[Drawn], delete: Option<usize>) -> HistoryEntry {
        let mut entry = entry();
        for (at, (by, what, words, order)) in changes.iter().enumerate() {
            if delete == Some(at) {
                apply(&mut entry, &[0; 32], Change::Deletion { at_ms: 9 });
            }
            let change = match what {
                0 => Change::Reactions {
                    emojis: words.iter().map(|&word| word.to_owned()).collect(),
                    order: *order,
                },
                1 => Change::Text {
                    body: format!("{words:?}"),
                    mentions: Vec::new(),
                    order: *order,
                    at_ms: *order,
                },
                _ => Change::Pin { pinned: words.is_empty(), order: *order },
            };
            apply(&mut entry, &[*by; 32], change);
        }
        if let Some(pin) = &mut entry.pin {
            pin.by.clear();
        }
        entry
    }

    proptest! {
        #[test]
        fn con_23_changes_in_any_order_lead_to_the_same_message(
            changes in proptest::collection::vec(drawn(), 1..40),
            shuffle in any::<u64>(),
            delete in any::<bool>(),
        ) {
            let one = run(&changes, delete.then_some(0));
            let mut other = changes.clone();
            let mut seed = shuffle;
            for at in (1..other.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                other.swap(at, usize::try_from(seed >> 33).unwrap() % (at + 1));
            }
            let last = other.len() - 1;
            prop_assert!(one == run(&other, delete.then_some(last)));
            // Once more changes nothing.
            other.extend(changes);
            prop_assert!(one == run(&other, delete.then_some(last)));
            prop_assert_eq!(one.deleted.is_some(), delete);
        }
    }

    #[test]
    fn con_26_reactions_are_bounded_and_each_person_has_their_own() {
        assert!(
            ["👍", "❤️", "👩‍👩‍👧‍👦", "1️⃣", "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}"]
                .iter()
                .all(|one| is_reaction(one))
        );
        assert!(!["", "yes", "👍 ", "a👍", "\u{7}", &"👍".repeat(40)].iter().any(|one| is_reaction(one)));
        let mut entry = entry();
        let many: Vec<String> = (0..20).map(|n| char::from_u32(0x1F600 + n).unwrap().to_string()).collect();
        assert!(apply(&mut entry, &[1; 32], Change::Reactions { emojis: many, order: 1 }));
        assert!(apply(&mut entry, &[2; 32], Change::Reactions { emojis: vec!["👍".to_owned()], order: 1 }));
        assert_eq!(entry.reactions[0].emojis.len(), MAX_REACTIONS);
        assert_eq!(entry.reactions[1].emojis, ["👍"]);
    }

    #[test]
    fn con_27_earlier_texts_are_kept_and_bounded() {
        let mut entry = entry();
        for order in 1..30 {
            let body = order.to_string();
            assert!(apply(
                &mut entry,
                &[2; 32],
                Change::Text { body, mentions: Vec::new(), order, at_ms: order }
            ));
        }
        assert!(entry.body == Some(Body::Text("29".to_owned())));
        let earlier = entry.edited.clone().unwrap().earlier;
        assert_eq!(earlier.len(), MAX_EARLIER_TEXTS);
        assert_eq!(earlier.last().unwrap().text, "28");
        let body = "x".repeat(MAX_EARLIER_BYTES);
        apply(
            &mut entry,
            &[2; 32],
            Change::Text { body: body.clone(), mentions: Vec::new(), order: 30, at_ms: 30 },
        );
        apply(&mut entry, &[2; 32], Change::Text { body, mentions: Vec::new(), order: 31, at_ms: 31 });
        assert!(entry.edited.unwrap().earlier.len() <= 1);
    }

    #[test]
    fn con_28_nothing_is_left_of_what_was_deleted() {
        let mut entry = entry();
        entry.reply = Some(Default::default());
        apply(
            &mut entry,
            &[3; 32],
            Change::Text { body: "second".to_owned(), mentions: Vec::new(), order: 1, at_ms: 1 },
        );
        apply(&mut entry, &[3; 32], Change::Pin { pinned: true, order: 1 });
        assert!(apply(&mut entry, &[3; 32], Change::Deletion { at_ms: 1 }));
        assert!(
            entry.body.is_none() && entry.edited.is_none() && entry.reply.is_none() && entry.pin.is_none()
        );
        assert!(!apply(&mut entry, &[3; 32], Change::Deletion { at_ms: 2 }));
        assert!(!apply(&mut entry, &[3; 32], Change::Pin { pinned: true, order: 9 }));
    }
}
