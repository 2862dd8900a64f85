//! What a hostile member does with a device of its own: it holds the keys that an honest one holds, and does with them what no
//! engine would.
//!
//! ```text
//!   its store ──▶ keys, chain, outer key, state, leaves ──▶ envelopes made by hand ──▶ [Stage::drop_in] ──▶ victims' addresses
//!      ▲
//!      └── contents that its engine never wrote ──▶ its own outbox: genuine sessions and chains carry them ([Stage::whisper], [Stage::shout])
//! ```
//!
//! It has nothing that a member's device hasn't: no key of another device, and not its own account's identity key.

use rand_core::Rng as _;
use wheesht_core::{
    crypto::{secret::Secret as _, sign::Label},
    proto::{
        content::{Content, content::Body},
        group::{self as wire, GroupControl, group_control::What},
        ids::{AccountId, DeviceId, GroupId},
        prost::Message as _,
        relay::{Deposit, DepositEntry, client_frame, relay_frame},
        stored,
    },
    protocol::group::{Inside, Leaf, MessageContext, OuterKey, SenderChain, State, UnverifiedChange, outer},
    signed::{DeviceCertificate, DeviceSigningKey, UnverifiedCertificate},
    store::{Direction, KeyClass, Table},
};

use super::{Stage, Who};

const ACCOUNT: Table = Table::new("account", KeyClass::Lasting);
const GROUP_CHAIN: Table = Table::new("group chain", KeyClass::Daily);
const GROUP_EPOCHS: Table = Table::new("group epochs", KeyClass::Daily);
const GROUP_LEAVES: Table = Table::new("group leaves", KeyClass::Lasting);
const GROUP_STATES: Table = Table::new("group states", KeyClass::Lasting);
const GROUP_WRITE_KEYS: Table = Table::new("group write keys", KeyClass::Daily);
const GROUP_LANES: Table = Table::new("group lanes", KeyClass::Lasting);
const GROUP_OUTBOX: Table = Table::new("group outbox", KeyClass::Daily);
const GROUP_WAITING: Table = Table::new("group waiting", KeyClass::Lasting);
const LANES: Table = Table::new("lanes", KeyClass::Lasting);
const LANE_LIST: Table = Table::new("lane list", KeyClass::Lasting);
const OUTBOX: Table = Table::new("outbox", KeyClass::Daily);
const PEERS: Table = Table::new("peers", KeyClass::Lasting);
const REPAIRS: Table = Table::new("repairs", KeyClass::Lasting);
const CONTACT_NUMBERS: Table = Table::new("contact numbers", KeyClass::Lasting);
const WAITING_LANES: Table = Table::new("waiting lanes", KeyClass::Lasting);

/// What a device signs with.
pub struct Keys {
    /// Whose it is.
    pub account: AccountId,
    /// Which it is.
    pub device: DeviceId,
    /// Its signing key.
    pub signing: DeviceSigningKey,
    /// What speaks for it.
    pub certificate: DeviceCertificate,
}

/// What a device knows of a group, taken out of its store.
pub struct Spoils {
    /// Which group.
    pub id: GroupId,
    /// The state.
    pub state: State,
    /// The same as it is written.
    pub wire: wire::State,
    /// Number of the state's epoch, and its outer key.
    pub outer: (u64, OuterKey),
    /// The device's own chain.
    pub chain: SenderChain,
    /// Everyone's leaves.
    pub leaves: Vec<Leaf>,
    /// The record's write key, if the device has it.
    pub write_key: Option<[u8; 32]>,
    /// Its own keys.
    pub keys: Keys,
}

impl Spoils {
    /// What a message of this device says of the group.
    pub fn context(&self) -> MessageContext<'static> {
        MessageContext {
            group: self.id,
            epoch: self.outer.0,
            state_version: self.state.version(),
            state_hash: self.state.hash(),
            roster_hash: [0; 32],
            device: self.keys.device,
            additional: &[],
        }
    }

    /// The leaf of an account's only device.
    ///
    /// # Panics
    /// If it has none.
    pub fn leaf_of(&self, account: AccountId) -> &Leaf {
        self.leaves.iter().find(|leaf| leaf.identity() == account).expect("a leaf")
    }

    /// Where every other device is reached, sorted.
    pub fn addresses(&self) -> Vec<Vec<u8>> {
        let others = self.leaves.iter().filter(|leaf| leaf.device() != self.keys.device);
        let mut addresses: Vec<_> = others.map(|leaf| leaf.address().to_vec()).collect();
        addresses.sort();
        addresses
    }

    /// A change signed by this device, whoever may make it; `edit` makes the state that is to result.
    pub fn forge(
        &self,
        actions: Vec<wire::action::What>,
        made_ms: u64,
        edit: impl FnOnce(&mut wire::State),
    ) -> Vec<u8> {
        let mut next = self.wire.clone();
        next.version += 1;
        edit(&mut next);
        let hash = State::decode_stored(&next.encode_to_vec(), [0; 32]).map(|state| state.hash());
        let change = wire::Change {
            group_id: self.id.to_vec(),
            version: next.version,
            previous: self.state.head().to_vec(),
            made_ms,
            actions: actions.into_iter().map(|what| wire::Action { what: Some(what) }).collect(),
            // What can't be a state has no hash; it isn't looked at then.
            state_hash: hash.unwrap_or([1; 32]).to_vec(),
        };
        self.sign(&change.encode_to_vec())
    }

    /// Signs a change as it is.
    pub fn sign(&self, change: &[u8]) -> Vec<u8> {
        let signature = self.keys.signing.sign(&Label::new("wheesht/1 group change"), &[change]);
        let signed = wire::SignedChange {
            change: change.to_vec(),
            certificate: self.keys.certificate.encoded().to_vec(),
            signature: signature.to_vec(),
        };
        signed.encode_to_vec()
    }
}

impl Stage {
    /// A device's own keys.
    ///
    /// # Panics
    /// If it has none.
    pub fn keys(&mut self, who: Who) -> Keys {
        self.at(who).tamper(|tx| {
            let row = tx.get(ACCOUNT, b"", 0).expect("a healthy store").expect("an account");
            let account = stored::Account::decode(row.as_slice()).expect("a row");
            let secret = account.signing_secret[..32].try_into().expect("a key");
            let certificate = UnverifiedCertificate::decode(&account.certificate).expect("a certificate");
            let certificate = certificate.assume_verified();
            Keys {
                account: certificate.identity(),
                device: certificate.device_id(),
                signing: DeviceSigningKey::from_secret_bytes(&secret),
                certificate,
            }
        })
    }

    /// What a device knows of a group. It must have spoken there.
    ///
    /// # Panics
    /// If it doesn't belong.
    pub fn spoils(&mut self, who: Who, id: GroupId) -> Spoils {
        let keys = self.keys(who);
        self.at(who).tamper(|tx| {
            let get = |table, n| tx.get(table, id.as_ref(), n).expect("a healthy store");
            let row = get(GROUP_STATES, 0).expect("a state");
            let row = stored::GroupState::decode(row.as_slice()).expect("a row");
            let head = UnverifiedChange::decode(&row.head).expect("a change").hash();
            let state = State::decode_stored(&row.state, head).expect("a state");
            let epoch = state.epoch().number;
            let key = get(GROUP_EPOCHS, epoch).expect("an outer key");
            let key = stored::GroupEpoch::decode(key.as_slice()).expect("a row").key;
            let leaves = tx.scan(GROUP_LEAVES, id.as_ref(), .., Direction::Forward, usize::MAX);
            let leaf = |row: &[u8]| {
                let row = stored::GroupLeaf::decode(row).expect("a row");
                Leaf::restore(&row.leaf).expect("a leaf")
            };
            let write_key = get(GROUP_WRITE_KEYS, 0).map(|row| {
                let row = stored::GroupWriteKey::decode(row.as_slice()).expect("a row");
                row.secret.as_slice().try_into().expect("a key")
            });
            Spoils {
                id,
                wire: wire::State::decode(row.state.as_slice()).expect("a state"),
                outer: (epoch, OuterKey::restore(&key.as_slice().try_into().expect("a key"))),
                chain: SenderChain::decode(&get(GROUP_CHAIN, 0).expect("a chain")).expect("a chain"),
                leaves: leaves.expect("a healthy store").iter().map(|(_, row)| leaf(row)).collect(),
                write_key,
                state,
                keys,
            }
        })
    }

    /// Rows of a group's keys, chains and leaves that a device holds: whatever opens, reaches or writes something there.
    pub fn holds(&mut self, who: Who, id: GroupId) -> usize {
        let tables = [GROUP_CHAIN, GROUP_EPOCHS, GROUP_LEAVES, GROUP_WRITE_KEYS];
        self.at(who).tamper(|tx| {
            let rows = |table| tx.scan(table, id.as_ref(), .., Direction::Forward, usize::MAX);
            tables.into_iter().map(|table| rows(table).expect("a healthy store").len()).sum()
        })
    }

    /// Rows of sessions, lanes and repairs that a device holds about an account.
    ///
    /// # Panics
    /// If the store fails.
    pub fn traces(&mut self, who: Who, of: AccountId) -> usize {
        self.at(who).tamper(|tx| {
            let lane = tx.get(LANES, of.as_ref(), 0).expect("a healthy store");
            let peers = tx.get(PEERS, of.as_ref(), 0).expect("a healthy store");
            let contact = tx.get(CONTACT_NUMBERS, of.as_ref(), 0).expect("a healthy store");
            let repairs = tx.scan(REPAIRS, b"", .., Direction::Forward, usize::MAX).expect("a healthy store");
            let repairs = repairs.iter().filter(|(_, row)| {
                stored::Repairs::decode(row.as_slice()).expect("a row").identity == of.as_ref()
            });
            usize::from(lane.is_some())
                + usize::from(peers.is_some())
                + usize::from(contact.is_some())
                + repairs.count()
        })
    }

    /// Encrypts a content in this chain, in this context, seals it under this key, and drops it in at these addresses.
    pub fn utter(
        &mut self,
        chain: &mut SenderChain,
        context: &MessageContext<'_>,
        key: &OuterKey,
        addresses: &[Vec<u8>],
        body: Body,
    ) {
        let content = self.content(body).encode_to_vec();
        let message = chain.encrypt(context, &content).expect("it fits");
        self.seal_and_drop_in(&Inside::Message(message), key, addresses);
    }

    /// Seals this under a group's outer key, and drops it in at these addresses.
    pub fn seal_and_drop_in(&mut self, inside: &Inside, key: &OuterKey, addresses: &[Vec<u8>]) {
        let envelope = outer::seal(key, inside, &mut self.rng).expect("it fits");
        self.drop_in(addresses, envelope);
    }

    /// Deposits an envelope, as anybody can who knows the addresses.
    ///
    /// # Panics
    /// If the relay does not take it.
    pub fn drop_in(&mut self, addresses: &[Vec<u8>], envelope: Vec<u8>) {
        let entry =
            DepositEntry { envelope: envelope.into(), addresses: addresses.to_vec(), ..Default::default() };
        let answer = self.anyone(client_frame::Body::Deposit(Deposit { entries: vec![entry] }));
        let relay_frame::Body::DepositResults(results) = answer else { panic!("{answer:?}") };
        assert!(results.results[0].addresses.iter().all(|one| one.code == 0), "{results:?}");
    }

    /// A device says this about a group to an account, in its genuine sessions.
    pub fn whisper(&mut self, who: Who, group: GroupId, to: AccountId, whats: Vec<What>) {
        let contents: Vec<_> = whats
            .into_iter()
            .map(|what| {
                let control = GroupControl { group_id: group.to_vec(), what: Some(what) };
                (group, self.content(Body::Group(control)))
            })
            .collect();
        self.whisper_contents(who, to, contents);
    }

    /// The same of any contents, each about a group.
    ///
    /// # Panics
    /// If the store fails.
    pub fn whisper_contents(&mut self, who: Who, to: AccountId, contents: Vec<(GroupId, Content)>) {
        let now = self.now.as_millis();
        self.at(who).tamper(|tx| {
            let lane = tx.get(LANES, to.as_ref(), 0).expect("a healthy store");
            let mut lane = match lane {
                Some(row) => stored::Lane::decode(row.as_slice()).expect("a row"),
                None => {
                    let number = tx.append(LANE_LIST, b"", to.to_vec()).expect("a healthy store");
                    stored::Lane { number, ..Default::default() }
                }
            };
            tx.put(WAITING_LANES, b"", lane.number, to.to_vec());
            for (group, content) in contents {
                lane.last += 1;
                lane.items += 1;
                let item = stored::OutboxItem {
                    content: content.encode_to_vec(),
                    queued_ms: now,
                    group: group.to_vec(),
                    ..Default::default()
                };
                tx.put(OUTBOX, to.as_ref(), lane.last, item.encode_to_vec());
            }
            tx.put(LANES, to.as_ref(), 0, lane.encode_to_vec());
        });
        self.restart(who);
        self.run();
    }

    /// A device says this to a whole group, in its genuine chain.
    ///
    /// # Panics
    /// If the store fails.
    pub fn shout(&mut self, who: Who, group: GroupId, body: Body) {
        let (now, content) = (self.now.as_millis(), self.content(body));
        self.at(who).tamper(|tx| {
            let lane = tx.get(GROUP_LANES, group.as_ref(), 0).expect("a healthy store");
            let mut lane = lane.map_or_else(stored::GroupLane::default, |row| {
                stored::GroupLane::decode(row.as_slice()).expect("a row")
            });
            if lane.items == 0 {
                lane.number = tx.append(GROUP_WAITING, b"", group.to_vec()).expect("a healthy store");
            }
            lane.last += 1;
            lane.items += 1;
            let item = stored::GroupOutboxItem {
                message_id: content.message_id.clone(),
                content: content.encode_to_vec(),
                queued_ms: now,
                ..Default::default()
            };
            tx.put(GROUP_OUTBOX, group.as_ref(), lane.last, item.encode_to_vec());
            tx.put(GROUP_LANES, group.as_ref(), 0, lane.encode_to_vec());
        });
        self.restart(who);
        self.run();
    }

    /// A content that says this.
    pub fn content(&mut self, body: Body) -> Content {
        let mut message_id = vec![0; 16];
        self.rng.fill_bytes(&mut message_id);
        Content { message_id, sent_ms: self.now.as_millis(), body: Some(body), ..Default::default() }
    }
}
