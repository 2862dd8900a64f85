//! What happened, on the screen.

use std::time::Duration;

use tokio::time::Instant;
use wheesht_core::{
    api::{
        Body, Contact, ContactState, ConversationId, EventKind, Group, GroupPhase, LinkState, Message, Phase,
    },
    proto::ids::AccountId,
    time::Timestamp,
};

use super::{Chat, MARKS_AFTER, editor::lock, perform::is_new};
use crate::{exit::Result, render, text, tui::preview_lines};

/// That somebody writes is told again after this long.
const WRITING_AGAIN: Duration = Duration::from_secs(60);
/// How high a picture's preview is, in lines.
const PREVIEW_ROWS: u32 = 6;

fn unix_millis() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// Whether nothing but where its file is may have changed: that is told by itself.
fn is_only_fetched(message: &Message) -> bool {
    matches!(message.body, Body::File { .. }) && message.reactions.is_empty() && message.edited.is_none()
}

impl Chat {
    /// The first lines.
    pub(super) async fn greet(&self) -> Result<()> {
        let own = self.session.own.as_ref().map(|own| own.canonical()).unwrap_or_default();
        let style = self.style;
        self.screen.print(&format!(
            "You are {}. {} tells how it works.",
            style.bold(&own),
            style.good("/help")
        ))?;
        for conversation in self.session.client.conversations().await? {
            if let Some(last) = &conversation.last {
                lock(&self.state).notifier.counted(conversation.id, last.seq);
            }
            if conversation.unread > 0 {
                lock(&self.state).notifier.unread(conversation.id, conversation.unread);
                self.screen.print(&render::conversation(&conversation, style))?;
            }
        }
        let asking: Vec<Contact> = lock(&self.state).people.requests().cloned().collect();
        asking.iter().try_for_each(|contact| self.ask(contact))?;
        let invited: Vec<Group> = lock(&self.state).people.invitations().cloned().collect();
        invited.iter().try_for_each(|group| self.invited(group))
    }

    /// Shows an event.
    pub(super) async fn show(&self, kind: EventKind) -> Result<()> {
        let style = self.style;
        match kind {
            EventKind::Message { message } => self.message(&message).await?,
            EventKind::MessageState { message, state, .. } => {
                let mut chat = lock(&self.state);
                chat.marks.moved(message, state);
                chat.marks_at.get_or_insert_with(|| Instant::now() + MARKS_AFTER);
            }
            EventKind::Contact { contact } => {
                // The event may be old: what counts is how it stands now.
                self.refresh_people().await?;
                let now = lock(&self.state).people.contact(&contact.id).cloned();
                match now {
                    Some(now) if now.state == ContactState::RequestReceived => self.ask(&now)?,
                    Some(_) => drop(lock(&self.state).asked.remove(&contact.id)),
                    None => {}
                }
            }
            EventKind::MessageChanged { message } => {
                let is_open = lock(&self.state)
                    .open
                    .as_ref()
                    .is_some_and(|open| open.conversation == message.conversation);
                if is_open && !is_only_fetched(&message) {
                    self.screen.print(&format!(
                        "{} {}",
                        style.dim("now:"),
                        render::message(&message, style)
                    ))?;
                }
            }
            EventKind::Presence { contact, presence } => {
                let before = lock(&self.state).people.be(&contact, presence);
                let open = lock(&self.state).open.as_ref().map(|open| open.conversation);
                if open == Some(ConversationId::Direct(contact)) && before.is_some() {
                    self.show_presence(&ConversationId::Direct(contact))?;
                }
            }
            EventKind::Typing { conversation, who, until } => self.writes(conversation, who, until)?,
            EventKind::Transfer { transfer } => self.transfer(&transfer).await?,
            EventKind::Notification { notification } => lock(&self.state).notifier.show(&notification),
            EventKind::Read { conversation, unread } => {
                lock(&self.state).notifier.unread(conversation, unread);
            }
            EventKind::Group { group } => self.group_changed(group)?,
            EventKind::GroupDeleted { group } => {
                let mut state = lock(&self.state);
                state.notifier.unread(ConversationId::Group(group), 0);
                state.people.remove_group(&group);
            }
            EventKind::JoinRequest { request } => {
                let group = lock(&self.state).people.title(&ConversationId::Group(request.group));
                let who = render::short(&request.address, self.session.own.as_ref());
                let words = format!(
                    "* {who} asks to join {group}: /group admit {group} {who}, or /group refuse {group} {who}"
                );
                self.screen.print(&style.warning(&words))?;
            }
            EventKind::ContactDeleted { account } => lock(&self.state).people.remove(&account),
            EventKind::DeviceProposal { proposal: Some(proposal) } => {
                self.screen.print(&render::proposal(&proposal, style))?;
            }
            EventKind::DeviceProposal { proposal: None } => {
                self.screen.print(&style.dim("* no device asks to join any more"))?;
            }
            EventKind::Devices { added, removed } => {
                if !added.is_empty() {
                    self.screen
                        .print(&style.warning("* Your account has a new device. /devices shows it."))?;
                }
                if !removed.is_empty() {
                    self.screen.print(&style.warning("* A device of your account was removed."))?;
                }
            }
            // What counts is how it stands now: the event may be old. A chat begins with a device in use.
            EventKind::Phase { .. } => match self.session.status().await?.phase {
                Phase::Active => {}
                phase => self.screen.print(&render::phase(&phase, style))?,
            },
            EventKind::Trouble { trouble } => {
                self.screen.print(&style.bad(&format!("! {}", render::trouble(&trouble))))?;
            }
            EventKind::Link { state } => self.link(&state)?,
            EventKind::Dropped { count } => self.screen.print(&style.warning(&format!(
                "! {count} events were not taken in time; /chats and /history have the messages."
            )))?,
            _ => {}
        }
        Ok(())
    }

    /// A picture that came, small, where colours can be shown.
    fn preview(&self, message: &Message) -> Result<()> {
        let Body::File { file, .. } = &message.body else { return Ok(()) };
        let Some(preview) = file.preview.as_ref().filter(|_| self.style.color && !message.outgoing) else {
            return Ok(());
        };
        for row in preview_lines(preview.bytes(), PREVIEW_ROWS) {
            self.screen.print(&format!("      {row}"))?;
        }
        Ok(())
    }

    async fn message(&self, message: &Message) -> Result<()> {
        let style = self.style;
        // A group's first notice may come before the group itself.
        if !lock(&self.state).people.knows(&message.conversation) {
            self.refresh_people().await?;
        }
        let (is_open, title) = {
            let state = lock(&self.state);
            let is_open = state.open.as_ref().is_some_and(|open| open.conversation == message.conversation);
            (is_open, state.people.title(&message.conversation))
        };
        if message.outgoing {
            lock(&self.state).marks.wrote(message);
        }
        let is_new = is_new(message);
        let day = {
            let mut state = lock(&self.state);
            if is_new && !is_open {
                state.notifier.one_more(message.conversation, message.seq);
            }
            state.days.before(message, style)
        };
        if let Some(day) = day {
            self.screen.print(&day)?;
        }
        let shown = render::message(message, style);
        if is_open {
            self.screen.print(&shown)?;
            self.preview(message)?;
            if !message.outgoing {
                self.session.client.mark_read(message.conversation, message.seq).await?;
            }
            return Ok(());
        }
        match (&message.body, message.outgoing) {
            (Body::Notice { .. }, _) if matches!(message.conversation, ConversationId::Group(_)) => {
                self.screen.print(&format!("{} {shown}", style.dim(&title)))?;
            }
            (Body::Text { .. } | Body::File { .. }, true) => {
                self.screen.print(&format!("{} {shown}", style.dim(&format!("to {title}"))))?;
            }
            (Body::Text { .. } | Body::File { .. }, false) => {
                self.screen.print(&format!("{shown} {}", style.dim(&format!("(/open {title})"))))?;
            }
            _ => self.screen.print(&shown)?,
        }
        Ok(())
    }

    /// A stranger wrote.
    pub(super) fn ask(&self, contact: &Contact) -> Result<()> {
        let name = {
            let mut state = lock(&self.state);
            if !state.asked.insert(contact.id) {
                return Ok(());
            }
            state.people.name(contact)
        };
        let words = format!(
            "* {} would like to talk to you: /accept {name}, or /block {name}",
            contact.address.canonical()
        );
        Ok(self.screen.print(&self.style.warning(&words))?)
    }

    /// A group is new, or something about it has changed that is not told in its conversation.
    fn group_changed(&self, group: Group) -> Result<()> {
        let before = lock(&self.state).people.put_group(group.clone()).map(|before| before.phase);
        if before == Some(group.phase) {
            return Ok(());
        }
        let name = lock(&self.state).people.group_name(&group);
        let words = match group.phase {
            GroupPhase::Invited => return self.invited(&group),
            GroupPhase::Member if before.is_some() => format!("* You belong to {name} now: /open {name}"),
            GroupPhase::Removed => {
                format!("* You were removed from {name}. What was said can still be read.")
            }
            GroupPhase::Refused => {
                format!("* You were not let into {name}{}.", render::refusal(group.refusal))
            }
            _ => return Ok(()),
        };
        Ok(self.screen.print(&self.style.warning(&words))?)
    }

    /// Somebody invites.
    pub(super) fn invited(&self, group: &Group) -> Result<()> {
        let (name, who) = {
            let state = lock(&self.state);
            let inviter = group.inviter.and_then(|inviter| state.people.who(&inviter));
            (state.people.group_name(group), inviter.unwrap_or_else(|| "Somebody".to_owned()))
        };
        let title = text::one_line(&group.title);
        let words = format!("* {who} invites you to “{title}”: /join {name}, or /group decline {name}");
        Ok(self.screen.print(&self.style.warning(&words))?)
    }

    /// How the other end of a conversation is, if that is known.
    pub(super) fn show_presence(&self, conversation: &ConversationId) -> Result<()> {
        let ConversationId::Direct(account) = conversation else { return Ok(()) };
        let shown = lock(&self.state).people.contact(account).and_then(|contact| {
            let how = render::presence(&contact.presence)?;
            Some(format!("* {} is {how}", render::short(&contact.address, self.session.own.as_ref())))
        });
        match shown {
            Some(words) => Ok(self.screen.print(&self.style.dim(&words))?),
            None => Ok(()),
        }
    }

    /// Somebody is writing in the open conversation: told once in a while.
    fn writes(&self, conversation: ConversationId, who: AccountId, until: Timestamp) -> Result<()> {
        let name = {
            let mut state = lock(&self.state);
            let is_open = state.open.as_ref().is_some_and(|open| open.conversation == conversation);
            let now = Instant::now();
            state.writing.retain(|_, at| now.duration_since(*at) < WRITING_AGAIN);
            let is_over = until.as_millis() <= unix_millis();
            if !is_open || is_over || state.writing.insert(who, now).is_some() {
                return Ok(());
            }
            state.people.anybody(&who).unwrap_or_else(|| "somebody".to_owned())
        };
        Ok(self.screen.print(&self.style.dim(&format!("* {name} is writing…")))?)
    }

    /// Says once that the connection is gone, and once that it is back.
    fn link(&self, link: &LinkState) -> Result<()> {
        let was_offline =
            std::mem::replace(&mut lock(&self.state).offline, !matches!(link, LinkState::Online));
        match link {
            LinkState::Online if was_offline => self.screen.print(&self.style.dim("* online again"))?,
            LinkState::Offline { reason } if !was_offline => {
                let words = format!("* offline: {}. What you write goes out later.", text::one_line(reason));
                self.screen.print(&self.style.dim(&words))?;
            }
            _ => {}
        }
        Ok(())
    }
}
