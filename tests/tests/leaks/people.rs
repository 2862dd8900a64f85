//! The people of the run, and the secrets that their devices have stored.

use std::{path::Path, time::Duration};

use tokio::task::JoinHandle;
use wheesht_core::{
    api::{Body, ContactState, Message, MessageState, Notice, Password, Phase, Who},
    client::{Client, Config, KeySource},
    proto::{address::Address, prost::Message as _, stored},
    store::{Direction, KeyClass, PassphraseCost, SledBackend, Store, StoreKey, Table},
};

use super::needles::Needles;

/// Everything takes far less, but the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client whose events somebody takes.
pub(crate) struct Person {
    pub(crate) client: Client,
    listening: JoinHandle<()>,
}

impl Person {
    pub(crate) async fn open(directory: &Path) -> Self {
        Self::listen(Client::open(config(directory)).await.unwrap())
    }

    pub(crate) async fn open_with_passphrase(directory: &Path, passphrase: &str) -> Self {
        let key = KeySource::Passphrase(Password::new(passphrase));
        Self::listen(Client::open(config(directory).with_key(key)).await.unwrap())
    }

    fn listen(client: Client) -> Self {
        let mut events = client.events();
        let listening = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Some(id) = event.id {
                    events.ack(id).await;
                }
            }
        });
        Self { client, listening }
    }

    pub(crate) async fn close(self) {
        let Self { client, listening } = self;
        client.close().await;
        listening.await.unwrap();
    }

    pub(crate) async fn send(&self, to: Address, text: &str) {
        self.client.send(Who::Address(to), text).await.unwrap();
    }

    pub(crate) async fn accept(&self, name: &str) {
        let requests = async || {
            let contacts = self.client.contacts().await.unwrap();
            contacts.into_iter().find(|contact| {
                contact.state == ContactState::RequestReceived && contact.address.name().as_str() == name
            })
        };
        let contact = eventually(&format!("a request from {name}"), requests).await;
        self.client.accept_contact(Who::Id(contact.id)).await.unwrap();
    }

    pub(crate) async fn wait_for(&self, text: &str) -> Message {
        eventually(text, async || self.find(says(text)).await).await
    }

    pub(crate) async fn wait_for_delivery(&self, text: &str) {
        let delivered = async || {
            let message = self.find(says(text)).await?;
            matches!(message.state, Some(MessageState::Delivered | MessageState::Read)).then_some(())
        };
        eventually(&format!("delivery of {text}"), delivered).await;
    }

    /// Somebody's new device is known here: what is sent from now on goes there, too.
    pub(crate) async fn wait_for_notice_of_a_device(&self) {
        let told = async || {
            let is_it = |message: &Message| {
                matches!(message.body, Body::Notice { notice: Notice::DeviceAdded { .. } })
            };
            self.find(is_it).await
        };
        eventually("notice of a device", told).await;
    }

    pub(crate) async fn wait_until_active(&self) {
        let active = async || (self.client.status().await.unwrap().phase == Phase::Active).then_some(());
        eventually("an active device", active).await;
    }

    pub(crate) async fn confirm_device(&self) {
        let proposal =
            eventually("a device to confirm", async || self.client.devices().await.unwrap().1).await;
        self.client.confirm_device(proposal.id).await.unwrap();
    }

    async fn find(&self, is_it: impl Fn(&Message) -> bool) -> Option<Message> {
        for conversation in self.client.conversations().await.unwrap() {
            let (messages, _) = self.client.history(conversation.id, None, 1_000).await.unwrap();
            if let Some(message) = messages.into_iter().find(|message| is_it(message)) {
                return Some(message);
            }
        }
        None
    }
}

/// Files that somebody has saved are theirs to read, so they lie apart from what is searched.
fn config(directory: &Path) -> Config {
    let mut downloads = directory.as_os_str().to_owned();
    downloads.push("-downloads");
    Config::new(directory).with_downloads(downloads)
}

fn says(text: &str) -> impl Fn(&Message) -> bool {
    move |message| matches!(&message.body, Body::Text { text: found } if found == text)
}

pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("still waiting for {what}"))
}

/// The secrets that a device's store holds, read with the key that opens it.
pub(crate) fn stored_secrets(directory: &Path, passphrase: Option<&str>, secrets: &mut Needles) {
    let key = match passphrase {
        Some(passphrase) => StoreKey::from_passphrase(passphrase.to_owned().into(), PassphraseCost::DEFAULT),
        None => {
            secrets.add("a store's key", std::fs::read(directory.join("store.key")).unwrap());
            StoreKey::from_key_file(&directory.join("store.key")).unwrap()
        }
    };
    let backend = SledBackend::open(&directory.join("store")).unwrap();
    let rng = Box::new(<chacha20::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(1));
    let mut store = Store::open(Box::new(backend), &key, rng).unwrap();
    let tx = store.begin();
    let account = tx.get(Table::new("account", KeyClass::Lasting), &[], 0).unwrap().unwrap();
    let account = stored::Account::decode(account.as_slice()).unwrap();
    for (what, secret) in [
        ("a device's signing key", &account.signing_secret),
        ("a device's DH key", &account.dh_secret),
        ("a state key", &account.state_key),
    ] {
        // A DH key has its public half behind it.
        secrets.add(what, &secret[..32]);
    }
    let prekeys = Table::new("prekeys", KeyClass::Daily);
    for kind in 1..=4_i32 {
        for (_, prekey) in tx.scan(prekeys, &kind.to_be_bytes(), .., Direction::Forward, 3).unwrap() {
            // Version, id, kind and expiry stand before the secret.
            secrets.add("a private prekey", &prekey[14..46]);
        }
    }
}
