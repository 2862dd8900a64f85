//! What a hostile member gives as the group's keys and places: outer keys, write keys, leaves. Carol is the hostile one.

use wheesht_core::{
    api::Role,
    crypto::sign::Label,
    proto::{
        content::content::Body,
        group::{self as wire, AdminKey, EpochKey, GroupUpdate, group_control::What},
        ids::DepositAddress,
        prost::Message as _,
    },
    protocol::group::Leaf,
    signed::ManifestHead,
};
use wheesht_tests::stage::{
    groups::{Circle, circle},
    people::MINUTE,
};

use super::four;

fn outer(epoch: u64, byte: u8) -> What {
    What::Epoch(EpochKey { epoch, outer_key: vec![byte; 32] })
}

#[test]
fn grp_23_forges_outer_keys_before_and_after_the_genuine_one() {
    let (Circle { mut stage, alice, bob, carol, id }, ..) = four(641);
    let bob_id = stage.account(bob);
    let forged = || [0, 1, 2, 3, 60, u64::MAX].map(|epoch| outer(epoch, 66)).to_vec();
    stage.whisper(carol, id, bob_id, forged());
    stage.advance(MINUTE);
    // Bob is away while the next epoch begins; what he finds is the genuine key between two forged ones.
    stage.set_offline(bob, true);
    stage.remove(alice, id, "dave");
    stage.advance(5 * MINUTE);
    stage.whisper(carol, id, bob_id, forged());
    stage.advance(MINUTE);
    stage.set_offline(bob, false);
    stage.advance(20 * MINUTE);
    assert_eq!(stage.spoils(bob, id).outer.0, 2);
    let genuine = stage.spoils(alice, id);
    let (key, of_bob) = (genuine.outer.1, stage.spoils(bob, id).outer.1);
    assert_eq!(key.commitment(2), of_bob.commitment(2));
    Circle { stage, alice, bob, carol, id }.go_on();
}

#[test]
fn grp_27_gives_a_write_key_that_none_can_replace() {
    let (Circle { mut stage, alice, bob, carol, id }, ..) = four(642);
    for name in ["bob", "carol"] {
        stage.set_role(alice, id, name, Role::Admin);
        stage.advance(5 * MINUTE);
    }
    let bob_id = stage.account(bob);
    let record = stage.spoils(carol, id).state.record().id;
    let forged = AdminKey { record_id: record.to_vec(), from_version: u64::MAX, secret: vec![66; 32] };
    stage.whisper(carol, id, bob_id, vec![What::AdminKey(forged.clone())]);
    stage.advance(MINUTE);
    stage.set_role(alice, id, "carol", Role::Member);
    stage.advance(5 * MINUTE);
    // She may not any more: this one is not looked at.
    stage.whisper(carol, id, bob_id, vec![What::AdminKey(forged)]);
    stage.rename(bob, id, "Bob's");
    stage.advance(30 * MINUTE);
    assert_eq!(stage.group(alice, id).group.title, "Bob's");
    Circle { stage, alice, bob, carol, id }.go_on();
}

#[test]
fn gro_5_gro_8_shows_leaves_in_another_s_name_and_of_elsewhere() {
    let Circle { mut stage, alice, bob, carol, id } = circle(643);
    let (alice_id, bob_id, carol_id) = (stage.account(alice), stage.account(bob), stage.account(carol));
    let spoils = stage.spoils(carol, id);
    let keys = &spoils.keys;
    let (hers, bobs) = (spoils.leaf_of(carol_id), spoils.leaf_of(bob_id));
    let inner = |leaf: &Leaf| {
        let signed = wire::SignedLeaf::decode(leaf.encoded()).unwrap();
        wire::Leaf::decode(signed.leaf.as_slice()).unwrap()
    };
    let sign = |leaf: wire::Leaf| {
        let leaf = leaf.encode_to_vec();
        let signature = keys.signing.sign(&Label::new("wheesht/1 group leaf"), &[&leaf]).to_vec();
        wire::SignedLeaf { leaf, signature }.encode_to_vec()
    };
    let mut rerouted = inner(bobs);
    (rerouted.address, rerouted.number) = (hers.address().to_vec(), 99);
    let mut elsewhere = inner(hers);
    (elsewhere.group_id, elsewhere.number) = (vec![7; 32], 99);
    let mut leaves = vec![sign(rerouted), sign(elsewhere)];
    // A certificate that names her account and that nobody's identity key has signed: dozens of devices.
    for n in 0..24_u8 {
        let mut ghost =
            wheesht_core::proto::account::SignedCertificate::decode(keys.certificate.encoded()).unwrap();
        ghost.signature[0] ^= n + 1;
        let mut leaf = inner(hers);
        (leaf.certificate, leaf.number) = (ghost.encode_to_vec(), 100);
        leaves.push(sign(leaf));
    }
    let update = GroupUpdate { leaves, ..Default::default() };
    stage.shout(carol, id, Body::GroupUpdate(update.clone()));
    let answer = wire::Answer { leaves: update.leaves, part: 0, parts: 1, ..Default::default() };
    stage.whisper(carol, id, alice_id, vec![What::Answer(answer)]);
    stage.advance(5 * MINUTE);
    for who in [alice, bob] {
        let members = stage.group(who, id).members;
        assert!(members.iter().all(|member| member.devices == 1), "{members:?}");
    }
    let known = stage.spoils(alice, id);
    assert_eq!(known.leaf_of(bob_id).address(), bobs.address());
    Circle { stage, alice, bob, carol, id }.go_on();
}

#[test]
fn grm_17_names_another_s_address_as_its_own() {
    let Circle { mut stage, alice, bob, carol, id } = circle(644);
    let bob_id = stage.account(bob);
    let spoils = stage.spoils(carol, id);
    let (keys, bobs) = (&spoils.keys, spoils.leaf_of(bob_id));
    let head: ManifestHead = spoils.leaf_of(keys.account).head();
    let leaf = |address: DepositAddress, number| {
        Leaf::issue(&keys.signing, &keys.certificate, id, (address, bobs.relay()), head, number)
            .encoded()
            .to_vec()
    };
    let shout = |stage: &mut wheesht_tests::stage::Stage, leaf: Vec<u8>| {
        let update = GroupUpdate { leaves: vec![leaf], ..Default::default() };
        stage.shout(carol, id, Body::GroupUpdate(update));
        stage.advance(5 * MINUTE);
    };
    shout(&mut stage, leaf(bobs.address(), 50));
    // A list with a duplicate would be refused as a whole; Bob hears what is said all the same.
    let before = stage.heard(bob, id).len();
    stage.say(alice, id, "can Bob hear me?");
    stage.advance(5 * MINUTE);
    assert_eq!(stage.heard(bob, id).len(), before + 1);
    // Where there is no mailbox nobody hears; what is said goes to the others, and is not kept from them.
    shout(&mut stage, leaf(DepositAddress::new([9; 16]), 51));
    stage.say(alice, id, "and now?");
    stage.advance(5 * MINUTE);
    assert_eq!(stage.heard(bob, id).len(), before + 2);
}
