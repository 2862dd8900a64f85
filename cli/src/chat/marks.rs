//! How one's own messages get on, in one line for all that changed at about the same time.

use std::collections::BTreeMap;

use wheesht_core::{
    api::{Body, Message, MessageState},
    proto::ids::MessageId,
};

use crate::{output::Style, render, text};

/// Own messages whose further way is still to be shown, with their beginnings.
#[derive(Default)]
pub(crate) struct Marks {
    excerpts: BTreeMap<MessageId, String>,
    changed: BTreeMap<MessageId, MessageState>,
}

/// Characters of a message that its mark repeats.
const EXCERPT: usize = 32;
/// Messages whose beginnings are remembered; of older ones only the count is told.
const REMEMBERED: usize = 256;

impl Marks {
    /// A message of one's own was written.
    pub(crate) fn wrote(&mut self, message: &Message) {
        if let Body::Text { text: words } = &message.body {
            if self.excerpts.len() >= REMEMBERED {
                self.excerpts.pop_first();
            }
            self.excerpts.insert(message.id, text::excerpt(words, EXCERPT));
        }
    }

    /// It has come further.
    pub(crate) fn moved(&mut self, message: MessageId, state: MessageState) {
        // Of what was written before, or of what no person wrote, there is nothing to show.
        if self.excerpts.contains_key(&message) {
            self.changed.insert(message, state);
        }
    }

    /// What has changed since the last time, as lines.
    pub(crate) fn take(&mut self, style: Style) -> Vec<String> {
        let mut by_mark: BTreeMap<String, Vec<MessageId>> = BTreeMap::new();
        for (message, state) in std::mem::take(&mut self.changed) {
            by_mark.entry(render::mark(state, style)).or_default().push(message);
        }
        by_mark
            .into_iter()
            .map(|(mark, messages)| {
                let what = match messages.as_slice() {
                    [one] => self.excerpts.get(one).cloned().unwrap_or_default(),
                    several => format!("{} messages", several.len()),
                };
                format!("      {mark} {}", style.dim(&what)).trim_end().to_owned()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { color: false };

    fn id(n: u8) -> MessageId {
        MessageId::new([n; 16])
    }

    #[test]
    fn only_the_last_state_is_shown_and_equal_ones_together() {
        let mut marks = Marks::default();
        marks.excerpts.insert(id(1), "hello".to_owned());
        marks.moved(id(1), MessageState::Sent);
        marks.moved(id(1), MessageState::Delivered);
        assert_eq!(marks.take(PLAIN), ["      ✓✓ hello"]);
        assert!(marks.take(PLAIN).is_empty());
        for n in 1..=3 {
            marks.excerpts.insert(id(n), "hello".to_owned());
            marks.moved(id(n), MessageState::Read);
        }
        assert_eq!(marks.take(PLAIN), ["      ✓✓ read 3 messages"]);
    }
}
