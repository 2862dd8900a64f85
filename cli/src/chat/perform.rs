//! Doing what was typed.

use tokio::time::Instant;
use wheesht_core::{
    api::{Body, ContactState, ConversationId, Message, MessageLink, MessageState, Request, Response, text},
    proto::{ids::MessageId, limits::MAX_REQUEST_TEXT},
};

use super::{
    Chat, Flow, MARKS_AFTER, Open,
    command::{Command, NotUnderstood, Words},
    days,
    editor::lock,
    help,
};
use crate::{
    args::{NotificationLine, ProfileAction, ProfileLine},
    commands::{
        devices::asking,
        group,
        history::conversation,
        mentions,
        message::{self, Whose},
        notifications, profile, verify,
    },
    exit::{Failure, Result},
    render,
    session::unknown,
};

impl Chat {
    /// Does it. What goes wrong is shown, and the chat goes on.
    pub(super) async fn perform(&self, command: Command) -> Result<Flow> {
        match command {
            Command::Quit => return Ok(Flow::Quit),
            command => self.attempt(self.act(command)).await?,
        }
        Ok(Flow::On)
    }

    /// Shows why something did not work.
    pub(super) async fn attempt(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        match work.await {
            Ok(()) => Ok(()),
            Err(Failure { error: Some(error), .. }) => {
                Ok(self.screen.print(&self.style.warning(&crate::text::one_line(&error.to_string())))?)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn act(&self, command: Command) -> Result<()> {
        let client = &self.session.client;
        match command {
            Command::Say(text) => {
                let open = lock(&self.state).open.clone();
                let Some(open) = open else {
                    return Err(
                        Failure::usage("Nobody is listening yet.").next("/open NAME, or /msg NAME TEXT.")
                    );
                };
                self.say(&open.name, text).await
            }
            Command::Msg { to, text } => self.say(&to, text).await,
            Command::Help(None) => self.print(&help::help(self.style)),
            Command::Help(Some(about)) => self.print(&help::about(&about, self.style)),
            Command::Open(name) => self.open(&name).await,
            Command::Close => {
                lock(&self.state).open = None;
                Ok(())
            }
            Command::Chats => {
                let conversations = client.conversations().await?;
                let lines = conversations.iter().map(|one| render::conversation(one, self.style));
                self.list(lines, "Nothing was said yet. /msg NAME TEXT begins.")
            }
            Command::Requests => {
                let requests = self.session.requests().await?;
                let own = self.session.own.as_ref();
                self.list(
                    requests.iter().map(|one| render::contact(one, own, self.style)),
                    "Nobody asks to talk to you.",
                )
            }
            Command::Contact(words) => self.contact(words).await,
            Command::Remove { name, sure } => self.remove(&name, sure).await,
            Command::Lists(name) => self.lists(name).await,
            Command::Export(words) => self.export(words).await,
            Command::Backup(file) => self.backup(&file).await,
            Command::Avatar(file) => self.avatar(&file).await,
            Command::Settings(words) => self.settings(words).await,
            Command::Debug(file) => self.debug(&file).await,
            Command::View(reference) => self.view(&reference).await,
            Command::Accept(name) => {
                let name = match name {
                    Some(name) => name,
                    None => self.only_request()?,
                };
                client.accept_contact(self.session.who(&name)?).await?;
                self.refresh_people().await?;
                self.open(&name).await
            }
            Command::Block(name) => {
                client.block_contact(self.session.who(&name)?).await?;
                self.print(&format!("{name} is blocked, and is not told. /unblock {name} takes it back."))
            }
            Command::Unblock(name) => {
                client.unblock_contact(self.session.who(&name)?).await?;
                self.print(&format!("{name} may write again."))
            }
            Command::Trust(name) => {
                client.accept_identity(self.session.who(&name)?).await?;
                self.print(&format!("Accepted. Compare the new number: /verify {name}"))
            }
            Command::History(count) => {
                let open = self.named_or_open(None)?;
                let conversation = conversation(&self.session, &open).await?;
                self.history(conversation, count).await
            }
            Command::Group(words) => self.group(words).await,
            Command::Join => self.group(self.only_invitation()?).await,
            Command::Next => self.next().await,
            Command::Message(mut action) => {
                *action.with() = self.named_or_open(None)?;
                let outcome = message::act(&self.session, action, self.style).await?;
                if let Response::Queued { conversation, message } = outcome.object {
                    self.wrote(conversation, message).await?;
                }
                self.print(&self.style.dim(&outcome.words))
            }
            Command::Verify { who, matches } => self.verify(who, matches).await,
            Command::Devices => {
                let (devices, proposal) = client.devices().await?;
                let lines = devices.iter().map(|one| render::device(one, self.style));
                self.list(lines.chain(proposal.iter().map(|one| render::proposal(one, self.style))), "")
            }
            Command::Confirm(code) => {
                client.confirm_device(asking(&self.session, Some(&code)).await?.id).await?;
                self.print("Confirmed: the new device belongs to your account.")
            }
            Command::Reject(code) => {
                client.reject_device(asking(&self.session, code.as_deref()).await?.id).await?;
                self.print("Refused. Somebody knows your password: change it if that was not you.")
            }
            Command::Notifications(words) => match words.parse::<NotificationLine>() {
                Ok(line) => {
                    let settings = notifications::change(&self.session, &line.changes).await?;
                    self.print(&notifications::words(&settings))
                }
                Err(NotUnderstood(words)) => self.print(&self.style.warning(&words)),
            },
            Command::Profile(words) => match words.parse::<ProfileLine>() {
                Ok(line) => {
                    let shown = ProfileAction::Show { who: None, save_picture: None };
                    let profile = profile::act(&self.session, line.action.unwrap_or(shown)).await?;
                    self.print(&profile::lines(&profile, self.style))
                }
                Err(NotUnderstood(words)) => self.print(&self.style.warning(&words)),
            },
            Command::Send(words, line) => self.send_files(&words.0, &line).await,
            Command::Save { reference, directory } => self.save_file(&reference, directory.as_deref()).await,
            Command::Cancel(reference) => self.cancel_file(&reference).await,
            Command::Search(query) => self.search(query).await,
            Command::Jump(to) => self.jump(&to).await,
            Command::Be(choice, text) => {
                client.set_presence(choice, text).await?;
                self.print(&self.style.dim("Your contacts see it, as far as you show them."))
            }
            Command::Draft(text) => self.draft(text).await,
            Command::Link(reference) => {
                let conversation = conversation(&self.session, &self.named_or_open(None)?).await?;
                let message = message::find(&self.session, conversation, &reference, Whose::Anybodys).await?;
                self.print(&MessageLink { conversation, message }.to_string())
            }
            Command::Status => self.print(&render::status(&client.status().await?, self.style)),
            Command::Quit => Ok(()),
        }
    }

    async fn say(&self, to: &str, text: String) -> Result<()> {
        let client = &self.session.client;
        let before = self.state_of(to);
        let text = text::with_emoji(&text);
        let length = text.len();
        let mentions = match conversation(&self.session, to).await {
            Ok(conversation) => mentions::find(&self.session, conversation, &text).await?,
            // Somebody new: there is nobody yet whom the text could name.
            Err(_) => Vec::new(),
        };
        let to_whom = self.session.to(to).await?;
        let sent = client.call(Request::Send { to: to_whom, text, reply_to: None, mentions }).await?;
        let Response::Queued { conversation, message } = sent else { return Err(message::strange()) };
        self.wrote(conversation, message).await?;
        self.refresh_people().await?;
        let name = lock(&self.state).people.title(&conversation);
        let new = lock(&self.state).open.as_ref().is_none_or(|open| open.conversation != conversation);
        if new {
            lock(&self.state).open = Some(Open { conversation, name: name.clone() });
        }
        if self.state_of(to) == Some(ContactState::RequestSent) && before != Some(ContactState::RequestSent) {
            let note = format!("{name} has to accept first; what you write after this one waits until then.");
            self.print(&self.style.dim(&note))?;
            if length > MAX_REQUEST_TEXT {
                self.print(
                    &self.style.dim("A first message is short; this one goes whole once they have accepted."),
                )?;
            }
        }
        Ok(())
    }

    /// Keeps a text for later, or shows the one that is kept.
    async fn draft(&self, text: Option<String>) -> Result<()> {
        let conversation = conversation(&self.session, &self.named_or_open(None)?).await?;
        let Some(text) = text else {
            return self.show_draft(conversation).await;
        };
        self.session.client.call(Request::SetDraft { conversation, text, reply_to: None }).await?;
        self.print(&self.style.dim("Kept. /draft shows it; sending something takes it away."))
    }

    /// Shows what is kept to be sent there, if anything is.
    async fn show_draft(&self, conversation: ConversationId) -> Result<()> {
        let all = self.session.client.conversations().await?;
        let draft = all.into_iter().find(|one| one.id == conversation).and_then(|one| one.draft);
        match draft {
            Some(draft) => {
                let words = crate::text::block(&draft.text);
                self.print(&format!("{} {words}", self.style.dim("draft:")))
            }
            None => Ok(()),
        }
    }

    /// One's own message is to get its marks.
    async fn wrote(&self, conversation: ConversationId, message: MessageId) -> Result<()> {
        let written = self.session.client.message(conversation, message).await?;
        let mut state = lock(&self.state);
        state.marks.wrote(&written);
        if written.state == Some(MessageState::Pending) && state.offline {
            state.marks.moved(message, MessageState::Pending);
            state.marks_at.get_or_insert_with(|| Instant::now() + MARKS_AFTER);
        }
        Ok(())
    }

    /// Opens the conversation with somebody who is known, and shows its end.
    pub(super) async fn open(&self, name: &str) -> Result<()> {
        let conversation = conversation(&self.session, name).await?;
        let title = lock(&self.state).people.title(&conversation);
        let invited = match conversation {
            ConversationId::Group(id) => {
                lock(&self.state).people.invitations().find(|group| group.id == id).cloned()
            }
            _ => None,
        };
        match &invited {
            Some(group) => self.invited(group)?,
            None => self.history(conversation, self.shown_on_opening).await?,
        }
        if let (ConversationId::Group(group), None) = (conversation, &invited)
            && let Ok(Response::GroupDetails { details }) =
                self.session.client.call(Request::Group { group }).await
        {
            lock(&self.state).people.meet(&details);
        }
        self.show_draft(conversation).await?;
        self.show_presence(&conversation)?;
        lock(&self.state).open = Some(Open { conversation, name: title });
        Ok(())
    }

    /// Opens the conversation that waits longest.
    async fn next(&self) -> Result<()> {
        let mut waiting = self.session.client.conversations().await?;
        waiting.retain(|conversation| conversation.unread > 0);
        let Some(oldest) = waiting.last() else { return self.print(&self.style.dim("Nothing is unread.")) };
        let name = lock(&self.state).people.title(&oldest.id);
        let count = u32::try_from(oldest.unread).unwrap_or(u32::MAX).clamp(self.shown_on_opening, 1_000);
        self.history(oldest.id, count).await?;
        lock(&self.state).open = Some(Open { conversation: oldest.id, name });
        Ok(())
    }

    /// What is about groups.
    async fn group(&self, words: Words) -> Result<()> {
        let open = lock(&self.state).open.as_ref().map(|open| open.name.clone());
        let action = match words.understand(open.as_deref()) {
            Ok(action) => action,
            Err(NotUnderstood(words)) => return self.print(&self.style.warning(&words)),
        };
        let outcome = group::act(&self.session, action, self.style).await?;
        self.refresh_people().await?;
        self.print(&outcome.words)
    }

    async fn history(&self, conversation: ConversationId, count: u32) -> Result<()> {
        let (messages, _) = self.session.client.history(conversation, None, count).await?;
        let new = messages.iter().filter(|message| is_new(message)).count();
        let mut lines = Vec::new();
        let mut unread_shown = false;
        {
            let mut state = lock(&self.state);
            for message in &messages {
                lines.extend(state.days.before(message, self.style));
                if !unread_shown && is_new(message) {
                    unread_shown = true;
                    lines.push(days::unread(new, self.style));
                }
                lines.push(render::message(message, self.style));
            }
        }
        self.list(lines.into_iter(), "Nothing was said yet.")?;
        if let Some(newest) = messages.last() {
            self.session.client.mark_read(conversation, newest.seq).await?;
            // The event that says so comes after the next prompt.
            lock(&self.state).notifier.unread(conversation, 0);
        }
        Ok(())
    }

    async fn verify(&self, who: Option<String>, matches: Option<bool>) -> Result<()> {
        let name = self.named_or_open(who)?;
        let who = self.session.who(&name)?;
        match matches {
            None => {
                let number = self.session.client.safety_number(who).await?;
                self.print(&verify::shown(&number, &name, self.style, &format!("/verify {name} yes")))
            }
            Some(matches) => {
                let contact = self.session.client.mark_verified(who, matches).await?;
                self.print(&render::contact(&contact, self.session.own.as_ref(), self.style))
            }
        }
    }

    pub(super) async fn refresh_people(&self) -> Result<()> {
        let contacts = self.session.client.contacts().await?;
        let groups = self.session.groups().await?;
        let mut state = lock(&self.state);
        state.people.replace(contacts);
        state.people.replace_groups(groups);
        Ok(())
    }

    fn state_of(&self, name: &str) -> Option<ContactState> {
        let address = self.session.address(name).ok()?;
        let state = lock(&self.state);
        state.people.find(&address).map(|contact| contact.state)
    }

    pub(super) fn named_or_open(&self, name: Option<String>) -> Result<String> {
        let open = || lock(&self.state).open.as_ref().map(|open| open.name.clone());
        name.or_else(open)
            .ok_or_else(|| Failure::usage("No conversation is open.").next("/open NAME opens one."))
    }

    /// What accepts the one invitation that waits.
    fn only_invitation(&self) -> Result<Words> {
        let state = lock(&self.state);
        let mut waiting = state.people.invitations().map(|group| state.people.group_name(group));
        match (waiting.next(), waiting.next()) {
            (Some(name), None) => Ok(Words::accepting(name)),
            (None, _) => Err(Failure::usage("No invitation waits.").next("/join LINK joins by a link.")),
            (Some(_), Some(_)) => {
                Err(Failure::usage("Several invitations wait.").next("/group list shows them; /join #GROUP."))
            }
        }
    }

    /// The one stranger who asks.
    fn only_request(&self) -> Result<String> {
        let state = lock(&self.state);
        let mut asking = state.people.requests().map(|contact| state.people.name(contact));
        match (asking.next(), asking.next()) {
            (Some(name), None) => Ok(name),
            (None, _) => Err(unknown("that")),
            (Some(_), Some(_)) => {
                Err(Failure::usage("Several people ask.").next("/requests shows them; /accept NAME."))
            }
        }
    }

    pub(super) fn print(&self, text: &str) -> Result<()> {
        Ok(self.screen.print(text)?)
    }

    pub(super) fn list(&self, lines: impl Iterator<Item = String>, none: &str) -> Result<()> {
        let lines: Vec<_> = lines.collect();
        if lines.is_empty() { self.print(&self.style.dim(none)) } else { self.print(&lines.join("\n")) }
    }
}

/// Whether it is somebody else's, and has not been seen.
pub(super) fn is_new(message: &Message) -> bool {
    !message.outgoing && !message.read && matches!(message.body, Body::Text { .. })
}
