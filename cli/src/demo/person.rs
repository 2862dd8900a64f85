//! Somebody in the demo: a real client in a directory of their own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use wheesht_core::{
    api::{
        Activity, Body, ConversationId, ErrorCode, Event, EventKind, File, FileState, GroupPhase,
        MessageState, Outgoing, Password, PresenceChoice, Request, Response, Search, Who,
    },
    client::{
        Client, Config, EventStream,
        archive::{Export, Exported},
    },
    proto::{
        address::{Address, InvalidAddress, RelayAddress},
        ids::{GroupId, MessageId},
    },
};

use crate::{
    commands::message::strange,
    exit::{Exit, Failure, Result},
    render,
};

/// Anything takes less, even on a slow machine and with a relay that was away.
const PATIENCE: Duration = Duration::from_secs(60);
/// What no event tells is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A message under way.
pub(super) type Sent = (ConversationId, MessageId);

/// See the module's story.
pub(super) struct Person {
    name: &'static str,
    directory: PathBuf,
    address: Address,
    passphrase: Password,
    online: Option<(Client, EventStream)>,
}

impl Person {
    /// A new account.
    pub(super) async fn register(name: &'static str, base: &Path, relay: &RelayAddress) -> Result<Self> {
        let directory = base.join(name);
        let client = Client::open(Config::new(&directory)).await?;
        let name_on_relay = name.parse().map_err(|error: InvalidAddress| Failure::from(error))?;
        let address = Address::new(name_on_relay, relay.clone());
        let passphrase = client.suggest_passphrase().await?;
        client.register(address.clone(), passphrase.clone(), "demo").await?;
        let events = client.events();
        Ok(Self { name, directory, address, passphrase, online: Some((client, events)) })
    }

    pub(super) fn passphrase(&self) -> &[u8] {
        self.passphrase.expose().as_bytes()
    }

    /// Goes offline: the client is closed, its store stays.
    pub(super) async fn leave(&mut self) {
        if let Some((client, _)) = self.online.take() {
            client.close().await;
        }
    }

    pub(super) async fn come_back(&mut self) -> Result<()> {
        let client = Client::open(Config::new(&self.directory)).await?;
        let events = client.events();
        self.online = Some((client, events));
        Ok(())
    }

    pub(super) async fn says(&self, to: &Self, text: &str) -> Result<Sent> {
        Ok(self.client()?.send(to.who(), text).await?)
    }

    pub(super) async fn accept(&self, other: &Self) -> Result<()> {
        self.client()?.accept_contact(other.who()).await?;
        Ok(())
    }

    /// Says something where several are.
    pub(super) async fn says_there(&self, there: ConversationId, text: &str) -> Result<Sent> {
        Ok(self.client()?.send(there, text).await?)
    }

    /// Sends a file that lies on this machine.
    pub(super) async fn sends_file(&self, there: ConversationId, path: &Path, caption: &str) -> Result<Sent> {
        let file = Outgoing { caption: caption.to_owned(), ..Outgoing::new(path.to_string_lossy()) };
        Ok(self.client()?.send_file(there, file).await?)
    }

    /// Waits until a message with a file comes.
    pub(super) async fn hears_of_file(&mut self, id: MessageId) -> Result<File> {
        let event = self
            .expect("file", |event| matches!(&event.kind, EventKind::Message { message } if message.id == id))
            .await?;
        match event.kind {
            EventKind::Message { message } => match message.body {
                Body::File { file, .. } => Ok(*file),
                _ => Err(strange()),
            },
            _ => Err(strange()),
        }
    }

    /// Fetches a message's file into a directory, and says where it is then.
    pub(super) async fn saves(&self, there: ConversationId, id: MessageId, to: &Path) -> Result<PathBuf> {
        let client = self.client()?;
        let directory = to.join("received");
        client.save_file(there, id, Some(&directory)).await?;
        let saved = async {
            loop {
                if let Body::File { file, .. } = client.message(there, id).await?.body
                    && let FileState::Saved { path } = file.state
                {
                    return Ok(PathBuf::from(path));
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(PATIENCE, saved).await.map_err(|_| self.in_vain("file"))?
    }

    pub(super) async fn exports(&self, to: &Path, export: &Export) -> Result<Exported> {
        Ok(self.client()?.export(to, export).await?)
    }

    pub(super) async fn react(&self, there: ConversationId, message: MessageId, emoji: &str) -> Result<()> {
        Ok(self.client()?.react(there, message, emoji, false).await?)
    }

    /// Founds a group.
    pub(super) async fn found(&self, title: &str) -> Result<GroupId> {
        let (title, about) = (title.to_owned(), String::new());
        let request = Request::CreateGroup { title, about, picture: None, policy: None };
        match self.client()?.call(request).await? {
            Response::Group { group } => Ok(group.id),
            _ => Err(strange()),
        }
    }

    pub(super) async fn invite(&self, group: GroupId, whom: &Self) -> Result<()> {
        self.client()?.call(Request::InviteToGroup { group, who: whom.who() }).await?;
        Ok(())
    }

    /// Waits for an invitation, and accepts it.
    pub(super) async fn join(&mut self, to: GroupId) -> Result<()> {
        self.expect("invitation", |event| {
            matches!(&event.kind, EventKind::Group { group } if group.id == to && group.phase == GroupPhase::Invited)
        })
        .await?;
        self.client()?.call(Request::AcceptInvitation { group: to }).await?;
        Ok(())
    }

    /// Waits until so many belong to a group, as far as this one knows.
    pub(super) async fn until_members(&self, group: GroupId, count: usize) -> Result<()> {
        let client = self.client()?;
        let complete = async {
            loop {
                // One who is still being let in knows of no members.
                if let Ok(Response::GroupDetails { details }) = client.call(Request::Group { group }).await
                    && details.group.phase == GroupPhase::Member
                    && details.members.len() >= count
                {
                    return;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(PATIENCE, complete).await.map_err(|_| self.in_vain("group"))
    }

    /// Shows contacts how one is.
    pub(super) async fn is(&self, activity: Activity, choice: PresenceChoice, words: &str) -> Result<()> {
        self.client()?.set_activity(activity).await?;
        self.client()?.set_presence(choice, Some(words.to_owned())).await?;
        Ok(())
    }

    /// The texts that a search finds.
    pub(super) async fn finds(&self, search: Search) -> Result<Vec<String>> {
        let hits = self.client()?.search(search).await?.hits;
        Ok(hits.iter().map(|hit| render::words(&hit.message.body).to_owned()).collect())
    }

    pub(super) async fn number_with(&self, other: &Self) -> Result<String> {
        Ok(self.client()?.safety_number(other.who()).await?.digits)
    }

    /// Waits for a text, and has read it.
    pub(super) async fn hears(&mut self, text: &str) -> Result<()> {
        let event = self
            .expect("message", |event| match &event.kind {
                EventKind::Message { message } => {
                    !message.outgoing && matches!(&message.body, Body::Text { text: said } if said == text)
                }
                _ => false,
            })
            .await?;
        if let EventKind::Message { message } = event.kind {
            self.client()?.mark_read(message.conversation, message.seq).await?;
        }
        Ok(())
    }

    /// Waits until a message is that far.
    pub(super) async fn until(&mut self, (conversation, id): Sent, far: MessageState) -> Result<()> {
        let rank = |state| match state {
            MessageState::Pending => 0,
            MessageState::Sent => 1,
            MessageState::Delivered => 2,
            MessageState::Read => 3,
            _ => -1,
        };
        loop {
            let state = self.client()?.message(conversation, id).await?.state;
            if state.is_some_and(|state| rank(state) >= rank(far)) {
                return Ok(());
            }
            self.expect(
                "receipt",
                |event| matches!(event.kind, EventKind::MessageState { message, .. } if message == id),
            )
            .await?;
        }
    }

    /// The next text that somebody else writes, however long that takes.
    pub(super) async fn next_text(&mut self) -> Result<Option<(ConversationId, u64, String)>> {
        let name = self.name;
        let (_, events) = self.online.as_mut().ok_or_else(|| offline(name))?;
        while let Some(event) = events.next().await {
            if let Some(id) = event.id {
                events.ack(id).await;
            }
            if let EventKind::Message { message } = event.kind
                && !message.outgoing
                && let Body::Text { text } = message.body
            {
                return Ok(Some((message.conversation, message.seq, text)));
            }
        }
        Ok(None)
    }

    pub(super) async fn read(&self, conversation: ConversationId, up_to: u64) -> Result<()> {
        Ok(self.client()?.mark_read(conversation, up_to).await?)
    }

    /// Waits for an event.
    pub(super) async fn expect(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        let name = self.name;
        let (_, events) = self.online.as_mut().ok_or_else(|| offline(name))?;
        let found = async {
            while let Some(event) = events.next().await {
                if let Some(id) = event.id {
                    events.ack(id).await;
                }
                if wanted(&event) {
                    return Some(event);
                }
            }
            None
        };
        let found = timeout(PATIENCE, found).await.ok().flatten();
        found.ok_or_else(|| self.in_vain(what))
    }

    fn in_vain(&self, what: &str) -> Failure {
        let words = format!("{} waited in vain for a {what}.", self.name);
        Failure::new(Exit::Timeout, ErrorCode::Internal, words)
            .next("Is this machine very busy? Otherwise please report this, with --log-level debug.")
    }

    /// Where all that is theirs lies.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn who(&self) -> Who {
        Who::Address(self.address.clone())
    }

    fn client(&self) -> Result<&Client> {
        self.online.as_ref().map(|(client, _)| client).ok_or_else(|| offline(self.name))
    }
}

fn offline(name: &str) -> Failure {
    Failure::new(Exit::Other, ErrorCode::Internal, format!("{name} is offline in this scene."))
}
