//! A device in a group, and a hostile member who holds every key that a member is given. `proto/spec/group-messages.md`.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use wheesht_proto::{
    address::Address,
    content::{Content, Sync, Text, content::Body},
    group::group_control::What,
    ids::{AccountId, ChainId, DepositAddress, DeviceId, GroupId, RecordId},
    limits::{HELD_LIFETIME_MS, MAX_HELD_PER_GROUP},
    prost::Message as _,
    stored::{GroupLeaf, GroupSpeaker, OutboxItem},
};
use zeroize::Zeroizing;

use super::{
    super::{
        Ctx, account,
        ctx::Passing,
        people,
        tables::{EVENTS, GROUP_LEAVES, GROUP_SPEAKER, OUTBOX},
    },
    chains, epochs, fanout,
    group::{self, Group},
    held,
    inbox::{self, Fate},
    roster,
};
use crate::{
    crypto::{dh::DhSecret, secret::Secret as _},
    protocol::group::{
        Action, Consent, Description, Draft, Epoch, Inside, Leaf, MessageContext, OuterKey, Policy,
        RecordPlace, Role, SenderChain, UnverifiedGroupMessage, found, outer,
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, ManifestHead, manifest::Manifest},
    store::{Direction, MemoryBackend, Store, StoreKey},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Somebody with one device.
struct Person {
    signing: DeviceSigningKey,
    certificate: DeviceCertificate,
    manifest: Manifest,
    address: Address,
    chain: SenderChain,
}

impl Person {
    fn new(name: &str, seed: u8) -> Self {
        let identity = IdentityKey::from_secret_bytes(&[seed; 32]);
        let signing = DeviceSigningKey::from_secret_bytes(&[seed + 1; 32]);
        let dh = DhSecret::from_secret_bytes(&[seed + 2; 32]);
        let certificate =
            DeviceCertificate::issue(&identity, &signing.verifying_key(), *dh.public().as_bytes(), NOW);
        let address: Address = format!("{name}@relay.example.org").parse().unwrap();
        let manifest = Manifest::first(&identity, &address, certificate.clone(), NOW).unwrap();
        let chain = SenderChain::begin(None, NOW, &mut ChaCha20Rng::seed_from_u64(seed.into()));
        Self { signing, certificate, manifest, address, chain }
    }

    fn account(&self) -> AccountId {
        self.certificate.identity()
    }

    fn device(&self) -> DeviceId {
        self.certificate.device_id()
    }

    fn leaf(&self, id: GroupId, address: u8) -> Vec<u8> {
        let place = (DepositAddress::new([address; 16]), self.address.relay());
        let leaf = Leaf::issue(&self.signing, &self.certificate, id, place, self.manifest.head(), 1);
        leaf.encoded().to_vec()
    }
}

/// The group as this device, its owner's, knows it. Alice is good, Mallory is not.
struct World {
    id: GroupId,
    key: OuterKey,
    alice: Person,
    mallory: Person,
}

impl World {
    fn context(&self, device: DeviceId) -> MessageContext<'static> {
        MessageContext {
            group: self.id,
            epoch: 1,
            state_version: 2,
            state_hash: [0; 32],
            roster_hash: [0; 32],
            device,
            additional: &[],
        }
    }

    fn seal(&self, message: UnverifiedGroupMessage) -> Vec<u8> {
        outer::seal(&self.key, &Inside::Message(message), &mut ChaCha20Rng::seed_from_u64(8)).unwrap()
    }

    fn alice_says(&mut self, body: Body) -> UnverifiedGroupMessage {
        let context = self.context(self.alice.device());
        self.alice.chain.encrypt(&context, &content(body)).unwrap()
    }

    fn mallory_says(&mut self, body: Body) -> UnverifiedGroupMessage {
        let context = self.context(self.mallory.device());
        self.mallory.chain.encrypt(&context, &content(body)).unwrap()
    }

    /// Mallory is removed, by a change that this device has just learnt.
    fn remove_mallory(&self, ctx: &mut Ctx<'_, '_>) {
        let me = account::me(ctx).unwrap().unwrap();
        let group = group::load(ctx, &self.id).unwrap().unwrap();
        let remove = Action::Remove { account: self.mallory.account(), ban: false, leave: None };
        let next = OuterKey::restore(&[9; 32]);
        let epoch = Action::NewEpoch(Epoch { number: 2, key_commitment: next.commitment(2) });
        let draft = Draft::new(group.state(), vec![remove, epoch], NOW);
        let (change, state) = draft.sign(&me.signing, &me.certificate).unwrap();
        let mut group: Group = (*group).clone();
        group.advance(state, &change);
        group::save_state(ctx, group).unwrap();
        epochs::begin(ctx, &self.id, 2, &next);
        roster::members_changed(ctx, &self.id).unwrap();
    }
}

fn text(body: &str) -> Body {
    Body::Text(Text { body: body.to_owned(), ..Default::default() })
}

fn content(body: Body) -> Vec<u8> {
    Content { message_id: vec![6; 16], sent_ms: NOW.as_millis(), body: Some(body), ..Default::default() }
        .encode_to_vec()
}

fn in_group(policy: Policy, test: impl FnOnce(&mut Ctx<'_, '_>, &mut World)) {
    let key = StoreKey::from_bytes(Zeroizing::new([7; 32]));
    let own = Box::new(ChaCha20Rng::seed_from_u64(1));
    let mut store = Store::create(Box::new(MemoryBackend::new()), &key, own, NOW).unwrap();
    let (mut tx, mut rng) = (store.begin(), ChaCha20Rng::seed_from_u64(2));
    let (mut passing, mut effects) = (Passing::default(), Vec::new());
    let mut ctx = Ctx::new(&mut tx, NOW, &mut rng, &mut passing, &mut effects);

    let (me, alice, mallory) = (Person::new("me", 10), Person::new("alice", 20), Person::new("mallory", 30));
    let key = OuterKey::restore(&[8; 32]);
    let record = RecordPlace { id: RecordId::new([1; 32]), relay: me.address.relay().clone() };
    let title = Description { title: "Group".to_owned(), about: String::new(), picture: Vec::new() };
    let epoch = Epoch { number: 1, key_commitment: key.commitment(1) };
    let founded =
        found(&me.signing, &me.certificate, [1; 32], &me.address, &title, policy, epoch, &record, NOW);
    let (_, state) = founded.unwrap();
    let id = state.group();
    let add = |who: &Person| {
        let consent =
            Consent::give(&who.signing, &who.certificate, &who.address, id, me.account(), None, NOW);
        Action::Add(Box::new(consent))
    };
    let draft = Draft::new(&state, vec![add(&alice), add(&mallory)], NOW);
    let (change, state) = draft.sign(&me.signing, &me.certificate).unwrap();

    let leaves = [alice.leaf(id, 4), mallory.leaf(id, 5)];
    let own = GroupLeaf { leaf: me.leaf(id, 3), stands: true, epoch: 1 };
    ctx.tx.append(GROUP_LEAVES, id.as_ref(), own.encode_to_vec()).unwrap();
    account::pose(&mut ctx, me.address, me.signing, me.certificate, me.manifest);
    group::save_state(&mut ctx, Group::new(state, &change)).unwrap();
    epochs::begin(&mut ctx, &id, 1, &key);
    for person in [&alice, &mallory] {
        let (account, manifest) = (person.account(), person.manifest.encoded());
        assert!(people::fellow_manifest(&mut ctx, &account, &person.address, manifest).unwrap());
    }
    roster::learn(&mut ctx, &id, &leaves).unwrap();
    test(&mut ctx, &mut World { id, key, alice, mallory });
}

fn give(ctx: &mut Ctx<'_, '_>, id: &GroupId, who: &Person) {
    chains::received(ctx, id, &who.account(), &who.device(), &who.chain.key_now()).unwrap();
}

/// How often the app was told of a message that says this.
fn shown(ctx: &Ctx<'_, '_>, words: &str) -> usize {
    let events = ctx.tx.scan(EVENTS, b"", .., Direction::Forward, usize::MAX).unwrap();
    events.iter().filter(|(_, row)| String::from_utf8_lossy(row).contains(words)).count()
}

fn is_done(ctx: &mut Ctx<'_, '_>, world: &World, envelope: &[u8]) -> bool {
    matches!(inbox::take(ctx, &world.id, envelope).unwrap(), Fate::Done)
}

/// What waits for an account.
fn waiting(ctx: &Ctx<'_, '_>, account: &AccountId) -> Vec<OutboxItem> {
    let rows = ctx.tx.scan(OUTBOX, account.as_ref(), .., Direction::Forward, usize::MAX).unwrap();
    rows.into_iter().map(|(_, row)| OutboxItem::decode(row.as_slice()).unwrap()).collect()
}

fn chain_in(item: &OutboxItem) -> Vec<u8> {
    let Some(Body::Group(control)) = Content::decode(item.content.as_slice()).unwrap().body else {
        panic!("nothing about the group")
    };
    let Some(What::Chain(chain)) = control.what else { panic!("no chain") };
    chain.chain_id
}

#[test]
fn grm_10_grm_21_a_message_is_shown_once_sealed_anew_or_not() {
    in_group(Policy::default(), |ctx, world| {
        give(ctx, &world.id, &world.alice);
        let message = world.alice_says(text("hush now"));
        let envelope = world.seal(message.clone());
        assert!(is_done(ctx, world, &envelope));
        assert_eq!(shown(ctx, "hush now"), 1);
        assert!(is_done(ctx, world, &envelope));
        // Any member can put the same message into another envelope.
        let again = outer::seal(&world.key, &Inside::Message(message), &mut ChaCha20Rng::seed_from_u64(99));
        assert!(is_done(ctx, world, &again.unwrap()));
        assert_eq!(shown(ctx, "hush now"), 1);
    });
}

#[test]
fn grm_7_grm_19_nobody_speaks_in_another_s_name() {
    in_group(Policy::default(), |ctx, world| {
        give(ctx, &world.id, &world.alice);
        give(ctx, &world.id, &world.mallory);
        // Her own chain, Alice's device.
        let as_alice = world.context(world.alice.device());
        let forged = world.mallory.chain.encrypt(&as_alice, &content(text("forged"))).unwrap();
        let envelope = world.seal(forged.clone());
        assert!(!is_done(ctx, world, &envelope), "no such chain of Alice's");
        // Her own chain, under the name of Alice's.
        let mut named = forged;
        let genuine = world.alice_says(text("genuine"));
        named.clone_from(&with_signature_of(&genuine, &named));
        assert!(is_done(ctx, world, &world.seal(named)));
        assert_eq!(shown(ctx, "forged"), 0);
        assert!(is_done(ctx, world, &world.seal(genuine)));
        assert_eq!(shown(ctx, "genuine"), 1);
    });
}

/// A message that says it is the other's, with what Mallory could sign.
fn with_signature_of(
    genuine: &UnverifiedGroupMessage,
    forged: &UnverifiedGroupMessage,
) -> UnverifiedGroupMessage {
    let wire = |message: &UnverifiedGroupMessage| Inside::Message(message.clone()).encode();
    let mut mixed = wheesht_proto::group::GroupInside::decode(&*wire(genuine)).unwrap();
    let other = wheesht_proto::group::GroupInside::decode(&*wire(forged)).unwrap();
    use wheesht_proto::group::group_inside::What;
    let (Some(What::Message(mixed_message)), Some(What::Message(other))) = (&mut mixed.what, other.what)
    else {
        unreachable!()
    };
    mixed_message.ciphertext = other.ciphertext;
    mixed_message.synthetic = other.synthetic;
    mixed_message.signature = other.signature;
    match Inside::decode(&mixed.encode_to_vec()).unwrap() {
        Inside::Message(message) => message,
        Inside::Pairwise { .. } => unreachable!(),
    }
}

#[test]
fn grm_13_grm_23_no_chain_is_replaced_by_its_device_or_given_for_another_s() {
    in_group(Policy::default(), |ctx, world| {
        give(ctx, &world.id, &world.alice);
        let id = world.id;
        // The same chain with another key, from its own device.
        let mut other = world.mallory.chain.key_now();
        other.chain_id = world.alice.chain.id().to_vec();
        chains::received(ctx, &id, &world.alice.account(), &world.alice.device(), &other).unwrap();
        // Mallory's account has certified Alice's device key, and gives a chain in its name.
        let own = world.mallory.chain.key_now();
        chains::received(ctx, &id, &world.mallory.account(), &world.alice.device(), &own).unwrap();
        let as_alice = world.context(world.alice.device());
        let forged = world.mallory.chain.encrypt(&as_alice, &content(text("forged"))).unwrap();
        assert!(!is_done(ctx, world, &world.seal(forged)));
        let genuine = world.alice_says(text("genuine"));
        assert!(is_done(ctx, world, &world.seal(genuine)));
        assert_eq!((shown(ctx, "forged"), shown(ctx, "genuine")), (0, 1));
    });
}

#[test]
fn grm_13_grm_20_a_chain_that_was_given_twice_may_come_the_later_first() {
    in_group(Policy::default(), |ctx, world| {
        let (id, from, device) = (world.id, world.alice.account(), world.alice.device());
        let first = world.alice.chain.key_now();
        let said = world.alice_says(text("said early"));
        let early = world.seal(said);
        give(ctx, &id, &world.alice);
        assert!(inbox::deliver(ctx, &id, &early).unwrap());
        let mut forged = first.clone();
        forged.key[0] ^= 1;
        for (given, times) in [(&forged, 0), (&first, 1), (&first, 1)] {
            chains::received(ctx, &id, &from, &device, given).unwrap();
            held::settle(ctx).unwrap();
            assert_eq!(shown(ctx, "said early"), times);
        }
        assert!(is_done(ctx, world, &early));
        assert_eq!(shown(ctx, "said early"), 1);
    });
}

#[test]
fn grm_6_a_message_of_another_group_or_epoch_says_nothing_here() {
    in_group(Policy::default(), |ctx, world| {
        give(ctx, &world.id, &world.alice);
        let device = world.alice.device();
        for context in [
            MessageContext { group: GroupId::new([9; 32]), ..world.context(device) },
            MessageContext { epoch: 2, ..world.context(device) },
        ] {
            let elsewhere = world.alice.chain.encrypt(&context, &content(text("elsewhere"))).unwrap();
            assert!(is_done(ctx, world, &world.seal(elsewhere)));
        }
        assert_eq!(shown(ctx, "elsewhere"), 0);
    });
}

#[test]
fn grm_19_a_ghost_is_silent_from_the_moment_its_removal_is_known() {
    in_group(Policy::default(), |ctx, world| {
        give(ctx, &world.id, &world.mallory);
        let before = world.mallory_says(text("before"));
        assert!(is_done(ctx, world, &world.seal(before)));
        let late = world.mallory_says(text("from the grave"));
        let early = world.alice_says(text("in flight"));
        give(ctx, &world.id, &world.alice);
        world.remove_mallory(ctx);
        let [late, early] = [late, early].map(|message| world.seal(message));
        assert!(is_done(ctx, world, &late));
        // It gives its chain again, and a new one.
        give(ctx, &world.id, &world.mallory);
        assert!(is_done(ctx, world, &late));
        assert_eq!((shown(ctx, "before"), shown(ctx, "from the grave")), (1, 0));
        // What those who stay had under way, under the old key, is not lost. Alice's chain was given after she had said it: it waits
        // for one given from before.
        assert!(!is_done(ctx, world, &early));
        let more = world.alice_says(text("still under way"));
        assert!(is_done(ctx, world, &world.seal(more)));
        assert_eq!(shown(ctx, "still under way"), 1);
    });
}

#[test]
fn grm_15_grm_16_a_chain_is_given_to_those_who_belong_and_made_anew_when_somebody_has_gone() {
    in_group(Policy::default(), |ctx, world| {
        let audience = fanout::audience(ctx, &world.id).unwrap().unwrap();
        let first = chains::ready(ctx, &world.id, &audience).unwrap();
        assert_eq!(chains::ready(ctx, &world.id, &audience).unwrap().id(), first.id());
        let (alice, mallory) = (world.alice.account(), world.mallory.account());
        for account in [&alice, &mallory] {
            let [item] = &*waiting(ctx, account) else { panic!("one chain for each") };
            assert_eq!(chain_in(item), first.id().to_vec());
            assert!(item.members_only, "it is not sent once they have gone");
        }
        world.remove_mallory(ctx);
        let audience = fanout::audience(ctx, &world.id).unwrap().unwrap();
        let second = chains::ready(ctx, &world.id, &audience).unwrap();
        assert_ne!(second.id(), first.id());
        let given: Vec<_> = waiting(ctx, &alice).iter().map(chain_in).collect();
        assert_eq!(given, [first.id().to_vec(), second.id().to_vec()]);
        assert_eq!(waiting(ctx, &mallory).len(), 1);
        // Asked for, it is given to who belongs, and to nobody else.
        chains::give(ctx, &world.id, &mallory, &world.mallory.device()).unwrap();
        chains::give(ctx, &world.id, &alice, &world.alice.device()).unwrap();
        assert_eq!((waiting(ctx, &mallory).len(), waiting(ctx, &alice).len()), (1, 3));
    });
}

#[test]
fn grm_20_what_overtakes_its_chain_is_shown_in_order_when_that_has_come() {
    in_group(Policy::default(), |ctx, world| {
        let given = world.alice.chain.key_now();
        let said = ["one", "two", "three"].map(|words| {
            let context = world.context(world.alice.device());
            let body = Content {
                message_id: words.as_bytes().iter().copied().cycle().take(16).collect(),
                body: Some(text(&format!("said {words}"))),
                ..Default::default()
            };
            let message = world.alice.chain.encrypt(&context, &body.encode_to_vec()).unwrap();
            world.seal(message)
        });
        for envelope in &said {
            assert!(inbox::deliver(ctx, &world.id, envelope).unwrap());
        }
        assert_eq!(shown(ctx, "said "), 0);
        chains::received(ctx, &world.id, &world.alice.account(), &world.alice.device(), &given).unwrap();
        assert!(held::settle(ctx).unwrap());
        assert_eq!(shown(ctx, "said "), 3);
        let events = ctx.tx.scan(EVENTS, b"", .., Direction::Forward, usize::MAX).unwrap();
        let order: Vec<_> = events
            .iter()
            .filter_map(|(_, row)| {
                let row = String::from_utf8_lossy(row).into_owned();
                ["said one", "said two", "said three"].into_iter().find(|words| row.contains(words))
            })
            .collect();
        assert_eq!(order, ["said one", "said two", "said three"]);
        assert!(!held::settle(ctx).unwrap());
    });
}

#[test]
fn grm_20_what_is_held_is_bounded_and_given_up_after_a_week() {
    in_group(Policy::default(), |ctx, world| {
        for n in 0..MAX_HELD_PER_GROUP + 5 {
            let chain = ChainId::new([u8::try_from(n % 250).unwrap(); 16]);
            held::hold(ctx, &world.id, b"sealed", held::Lack::Chain(world.alice.device(), chain)).unwrap();
        }
        let held =
            |ctx: &Ctx<'_, '_>| ctx.passing.groups.talk.held.get(&world.id).map_or(0, |(_, held)| held.len());
        assert_eq!(held(ctx), MAX_HELD_PER_GROUP);
        held::expire(ctx).unwrap();
        assert_eq!(held(ctx), MAX_HELD_PER_GROUP);
        ctx.now = NOW.plus_millis(HELD_LIFETIME_MS);
        held::expire(ctx).unwrap();
        assert_eq!(held(ctx), 0);
    });
}

#[test]
fn grm_22_only_who_may_write_is_heard_and_nothing_for_one_device_is_taken_from_all() {
    in_group(Policy { write: Role::Admin, ..Policy::default() }, |ctx, world| {
        give(ctx, &world.id, &world.alice);
        for body in [text("unasked"), Body::Sync(Sync::default())] {
            let message = world.alice_says(body);
            assert!(is_done(ctx, world, &world.seal(message)));
        }
        assert_eq!(shown(ctx, "unasked"), 0);
    });
}

#[test]
fn grm_17_a_message_lists_every_device_of_a_relay_one_s_own_among_them() {
    in_group(Policy::default(), |ctx, world| {
        let audience = fanout::audience(ctx, &world.id).unwrap().unwrap();
        assert_eq!(audience.listed(), [vec![vec![3; 16], vec![4; 16], vec![5; 16]]]);
        world.remove_mallory(ctx);
        let audience = fanout::audience(ctx, &world.id).unwrap().unwrap();
        assert_eq!(audience.listed(), [vec![vec![3; 16], vec![4; 16]]]);
    });
}

#[test]
fn gro_8_a_leaf_is_kept_for_a_member_s_listed_device_in_this_group() {
    in_group(Policy::default(), |ctx, world| {
        let listed = |ctx: &mut Ctx<'_, '_>| roster::devices(ctx, &world.id).unwrap().len();
        assert_eq!(listed(ctx), 3);
        let identity = IdentityKey::from_secret_bytes(&[20; 32]);
        let leaf = |n: u8, group: GroupId, head: ManifestHead| {
            let signing = DeviceSigningKey::from_secret_bytes(&[100 + n; 32]);
            let dh = DhSecret::from_secret_bytes(&[n; 32]);
            let certificate =
                DeviceCertificate::issue(&identity, &signing.verifying_key(), *dh.public().as_bytes(), NOW);
            let place = (DepositAddress::new([n; 16]), world.alice.address.relay());
            Leaf::issue(&signing, &certificate, group, place, head, 1).encoded().to_vec()
        };
        // The manifest known does not have these devices, and they don't say that there is a newer one.
        let known = world.alice.manifest.head();
        assert!(!roster::learn(ctx, &world.id, &[leaf(40, world.id, known)]).unwrap());
        // Of another group; of nobody who belongs.
        let stranger = Person::new("stranger", 50);
        assert!(!roster::learn(ctx, &world.id, &[leaf(41, GroupId::new([9; 32]), known)]).unwrap());
        assert!(!roster::learn(ctx, &world.id, &[stranger.leaf(world.id, 51)]).unwrap());
        // There is a newer manifest, they say: kept, at most ten of an account, and not written to before that is known.
        let newer = ManifestHead { version: 2, hash: [2; 32] };
        let many: Vec<_> = (60..90).map(|n| leaf(n, world.id, newer)).collect();
        assert!(roster::learn(ctx, &world.id, &many).unwrap());
        let roster = roster::load(ctx, &world.id).unwrap();
        assert_eq!(roster.roster().of(&world.alice.account()).count(), 10);
        assert_eq!(listed(ctx), 3);
    });
}

#[test]
fn grm_23_at_most_eight_chains_of_a_device_are_kept() {
    in_group(Policy::default(), |ctx, world| {
        give(ctx, &world.id, &world.alice);
        let kept = |ctx: &Ctx<'_, '_>| {
            let key =
                [world.id.as_ref(), world.alice.account().as_ref(), world.alice.device().as_ref()].concat();
            ctx.load::<GroupSpeaker>(GROUP_SPEAKER, &key, 0).unwrap().unwrap().chain_ids.len()
        };
        for n in 0..20 {
            let chain = SenderChain::begin(None, NOW, &mut ChaCha20Rng::seed_from_u64(1_000 + n)).key_now();
            let (account, device) = (world.alice.account(), world.alice.device());
            chains::received(ctx, &world.id, &account, &device, &chain).unwrap();
        }
        assert_eq!(kept(ctx), 8);
    });
}
