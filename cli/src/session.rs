//! An open installation, and who is meant by what was typed.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use etcetera::BaseStrategy as _;
use wheesht_core::{
    api::{Contact, ContactState, ConversationId, Group, Phase, Request, Response, Status, To, Who},
    client::{Client, Config, KeySource},
    proto::address::{Address, Name},
};

use crate::{
    args::{Global, StoreKey},
    exit::{Exit, Failure, Result},
    output::Output,
    secret,
};

static OPEN: OnceLock<Client> = OnceLock::new();

/// For an interruption: what was asked and acknowledged before is still done, and relays hear a goodbye.
pub(crate) async fn close_in_haste() {
    if let Some(client) = OPEN.get() {
        let _ = tokio::time::timeout(HASTE, client.clone().close()).await;
    }
}

/// A script that asks who wrote means also those whose request still lies at the relay.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(4);
const QUIET_FOR: Duration = Duration::from_millis(400);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a command leads to is to be on its way when it ends.
const GO_OUT_WITHIN: Duration = Duration::from_millis(1_200);

/// A person who interrupts does not wait long.
const HASTE: Duration = Duration::from_secs(2);

/// An open client with its own address.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) out: Output,
    /// The account's address, once there is one.
    pub(crate) own: Option<Address>,
}

impl Session {
    /// Opens the installation, with an account or without.
    pub(crate) async fn open(global: &Global, out: Output) -> Result<Self> {
        let mut config = Config::new(data_dir(global)?).with_key(key_source(global)?);
        if let Some(ca) = global.ca() {
            config = config.with_authority(ca);
        }
        let client = Client::open(config).await?;
        // One process opens one installation.
        let _ = OPEN.set(client.clone());
        let own = client.status().await?.address;
        Ok(Self { client, out, own })
    }

    /// Opens the installation for somebody who wants to do something with an account.
    pub(crate) async fn with_account(global: &Global, out: Output) -> Result<Self> {
        let session = Self::open(global, out).await?;
        match session.status().await?.phase {
            Phase::Empty => Err(no_account()),
            _ => Ok(session),
        }
    }

    pub(crate) async fn status(&self) -> Result<Status> {
        Ok(self.client.status().await?)
    }

    /// See [`who`].
    pub(crate) fn who(&self, text: &str) -> Result<Who> {
        who(text, self.own.as_ref())
    }

    /// See [`address`].
    pub(crate) fn address(&self, text: &str) -> Result<Address> {
        address(text, self.own.as_ref())
    }

    /// All groups.
    pub(crate) async fn groups(&self) -> Result<Vec<Group>> {
        match self.client.call(Request::Groups).await? {
            Response::Groups { groups } => Ok(groups),
            _ => Ok(Vec::new()),
        }
    }

    /// The group that is meant: `#title` as [`handle`] writes it, its title, or its id.
    pub(crate) async fn group(&self, text: &str) -> Result<Group> {
        let id = text.strip_prefix("group:").unwrap_or(text);
        let bare = text.strip_prefix('#').unwrap_or(text);
        let (wanted, prefix) = bare.split_once('~').unwrap_or((bare, ""));
        let wanted = handle(wanted);
        let fits = |group: &Group| {
            let own = group.id.to_string();
            own == id || handle(&group.title) == wanted && own.starts_with(prefix)
        };
        let mut found = self.groups().await?.into_iter().filter(fits);
        match (found.next(), found.next()) {
            (Some(group), None) => Ok(group),
            (None, _) => Err(Failure::new(
                Exit::NotFound,
                wheesht_core::api::ErrorCode::NotFound,
                format!("You know no group called {text}."),
            )
            .next("The group list has them.")),
            (Some(one), Some(other)) => {
                let names: Vec<_> = [one, other].iter().map(unique_handle).collect();
                Err(Failure::usage(format!("Several groups are called so: {} …", names.join(", ")))
                    .next("Write the one that you mean like that."))
            }
        }
    }

    /// Where a message goes: `#group`, a conversation, or a person.
    pub(crate) async fn to(&self, text: &str) -> Result<To> {
        if text.starts_with('#') || text.starts_with("group:") {
            return Ok(To::Conversation(ConversationId::Group(self.group(text).await?.id)));
        }
        match text.parse::<ConversationId>() {
            Ok(conversation) => Ok(To::Conversation(conversation)),
            Err(_) => self.who(text).map(To::Who),
        }
    }

    /// A contact that is known already.
    pub(crate) async fn contact(&self, text: &str) -> Result<Contact> {
        let who = self.who(text)?;
        let contacts = self.client.contacts().await?;
        let found = contacts.into_iter().find(|contact| match &who {
            Who::Id(id) => contact.id == *id,
            Who::Address(address) => contact.address.canonical() == address.canonical(),
        });
        found.ok_or_else(|| unknown(text))
    }

    /// Waits, not for long, until what lies at the relay has been fetched: until the device is online and nothing more
    /// comes. The events are left to whoever listens next.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let mut events = self.client.events();
        let caught_up = async {
            while !self.status().await?.online {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            while let Ok(Some(_)) = tokio::time::timeout(QUIET_FOR, events.next()).await {}
            Ok(())
        };
        // Offline, what is known here has to do.
        tokio::time::timeout(CATCH_UP_WITHIN, caught_up).await.unwrap_or(Ok(()))
    }

    /// Closes after what a command leads to (an acceptance, an invitation) had its moment to go out. What didn't goes when Wheesht
    /// runs next.
    pub(crate) async fn finish(self) -> Result<()> {
        let online = async {
            while !self.status().await?.online {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok::<_, Failure>(())
        };
        match tokio::time::timeout(CATCH_UP_WITHIN, online).await {
            Ok(done) => {
                done?;
                tokio::time::sleep(GO_OUT_WITHIN).await;
            }
            Err(_) => self.out.aside("It is noted here, and goes out when Wheesht runs next."),
        }
        self.client.close().await;
        Ok(())
    }

    /// Strangers who wrote.
    pub(crate) async fn requests(&self) -> Result<Vec<Contact>> {
        let mut contacts = self.client.contacts().await?;
        contacts.retain(|contact| contact.state == ContactState::RequestReceived);
        Ok(contacts)
    }
}

/// A group's title as one word: `#weekend-trip`.
pub(crate) fn handle(title: &str) -> String {
    let shown = crate::text::one_line(title).to_lowercase();
    let words: Vec<_> =
        shown.split(|c: char| c.is_whitespace() || c == '~').filter(|word| !word.is_empty()).collect();
    format!("#{}", words.join("-"))
}

/// The same, for a group whose title is not its alone.
pub(crate) fn unique_handle(group: &Group) -> String {
    let id: String = group.id.to_string().chars().take(6).collect();
    format!("{}~{id}", handle(&group.title))
}

/// Nobody of that name.
pub(crate) fn unknown(text: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        wheesht_core::api::ErrorCode::NotFound,
        format!("You know nobody called {text}."),
    )
    .next("The contacts command lists whom you know.")
}

fn no_account() -> Failure {
    Failure::new(Exit::Account, wheesht_core::api::ErrorCode::NoAccount, "There is no account here yet.")
        .next("Make one: wheesht register NAME@RELAY. Or use the one you have: wheesht login NAME@RELAY.")
}

/// Who is meant: an account id, `name@relay`, or a name alone, which means the own relay.
pub(crate) fn who(text: &str, own: Option<&Address>) -> Result<Who> {
    match text.trim().parse() {
        Ok(id) => Ok(Who::Id(id)),
        Err(_) => address(text, own).map(Who::Address),
    }
}

/// The address that is meant. The own relay's fingerprint goes with it, however it was written.
pub(crate) fn address(text: &str, own: Option<&Address>) -> Result<Address> {
    if text.contains('@') {
        let address: Address = text.parse()?;
        return Ok(match own {
            Some(own)
                if address.relay().fingerprint().is_none()
                    && own.relay().authority() == address.relay().authority() =>
            {
                Address::new(address.name().clone(), own.relay().clone())
            }
            _ => address,
        });
    }
    let name: Name = text.trim().parse()?;
    let own = own.ok_or_else(no_account)?;
    Ok(Address::new(name, own.relay().clone()))
}

/// Where this installation lies.
pub(crate) fn data_dir(global: &Global) -> Result<PathBuf> {
    if let Some(data) = &global.data {
        return Ok(data.clone());
    }
    let base = etcetera::choose_base_strategy()
        .map_err(|_| Failure::usage("Your home directory can't be found.").next("Use --data DIR."))?;
    Ok(base.data_dir().join("wheesht").join(&global.profile))
}

fn key_source(global: &Global) -> Result<KeySource> {
    Ok(match (global.key(), global.store_passphrase_file()) {
        (StoreKey::File, _) => KeySource::File,
        (StoreKey::Keyring, _) => KeySource::Keyring,
        (StoreKey::Passphrase, Some(path)) => KeySource::Passphrase(secret::first_line(path)?),
        (StoreKey::Passphrase, None) => {
            let new = !data_dir(global)?.join("store").exists();
            KeySource::Passphrase(match new {
                true => secret::ask_new("A passphrase for what is stored on this machine: ")?,
                false => secret::ask("Passphrase for what is stored on this machine: ")?,
            })
        }
    })
}

/// What this machine is called, for the account's list of devices.
pub(crate) fn device_name() -> String {
    let from_file = std::fs::read_to_string(Path::new("/etc/hostname")).ok();
    let from_env = || std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")).ok();
    from_file
        .or_else(from_env)
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "device".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_means_the_own_relay() {
        let own: Address = format!("alice@127.0.0.1:9000#{}", "A".repeat(43)).parse().unwrap();
        let expected: Address = format!("bob@127.0.0.1:9000#{}", "A".repeat(43)).parse().unwrap();
        assert_eq!(address("bob", Some(&own)).unwrap(), expected);
        assert_eq!(address("Bob@127.0.0.1:9000", Some(&own)).unwrap(), expected);
        let elsewhere = address("bob@elsewhere.net", Some(&own)).unwrap();
        assert_eq!(elsewhere.to_string(), "bob@elsewhere.net");
        assert_eq!(address("bob", None).unwrap_err().exit, Exit::Account);
        assert_eq!(address("b ob", Some(&own)).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn an_account_id_is_one() {
        let id = "ab".repeat(32);
        assert!(matches!(who(&id, None), Ok(Who::Id(_))));
    }
}
