//! `group-state.json` and `group-roster.json`: what members sign about a group, what follows from it, and what is refused.

use serde_json::{Value, json};

use super::{NOW, array, bytes, hex, hold};
use crate::{
    crypto::{dh::DhSecret, secret::Secret as _},
    proto::{
        address::Address,
        group as wire,
        ids::{AccountId, DepositAddress, GroupId, RecordId},
        prost::Message as _,
    },
    protocol::group::{
        Action, Change, ChangeError, Consent, Description, Draft, Epoch, InviteSecret, Leaf, Leave, OuterKey,
        Policy, RecordPlace, Role, Roster, State, UnverifiedChange, UnverifiedConsent, UnverifiedLeaf,
        UnverifiedLeave, found,
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, manifest::Manifest},
};

struct Person {
    device: DeviceSigningKey,
    certificate: DeviceCertificate,
    address: Address,
    manifest: Manifest,
}

impl Person {
    fn new(name: &str, seed: u8) -> Self {
        let identity = IdentityKey::from_secret_bytes(&[seed; 32]);
        let device = DeviceSigningKey::from_secret_bytes(&[seed + 1; 32]);
        let dh = *DhSecret::from_secret_bytes(&[seed + 2; 32]).public().as_bytes();
        let certificate = DeviceCertificate::issue(&identity, &device.verifying_key(), dh, NOW);
        let address: Address = format!("{name}@relay.example.org").parse().unwrap();
        let manifest = Manifest::first(&identity, &address, certificate.clone(), NOW).unwrap();
        Self { device, certificate, address, manifest }
    }

    fn id(&self) -> AccountId {
        self.certificate.identity()
    }

    fn consent(&self, group: GroupId, inviter: AccountId, invite: Option<&InviteSecret>) -> Consent {
        Consent::give(&self.device, &self.certificate, &self.address, group, inviter, invite, NOW)
    }

    fn leaf(&self, group: GroupId, address: u8, number: u64) -> Leaf {
        let place = (DepositAddress::new([address; 16]), self.address.relay());
        Leaf::issue(&self.device, &self.certificate, group, place, self.manifest.head(), number)
    }

    fn act(&self, state: &State, actions: Vec<Action>) -> (Change, State) {
        Draft::new(state, actions, NOW).sign(&self.device, &self.certificate).unwrap()
    }
}

fn founded(alice: &Person) -> (Change, State) {
    let title = Description { title: "Hikers".into(), about: "Sundays".into(), picture: Vec::new() };
    let key_commitment = OuterKey::restore(&[4; 32]).commitment(1);
    let record = RecordPlace { id: RecordId::new([5; 32]), relay: alice.address.relay().clone() };
    let epoch = Epoch { number: 1, key_commitment };
    let (device, certificate) = (&alice.device, &alice.certificate);
    found(device, certificate, [6; 32], &alice.address, &title, Policy::default(), epoch, &record, NOW)
        .unwrap()
}

/// What comes of a change on top of a state, or alone if it founds a group.
fn applied(case: &Value) -> String {
    let change = match UnverifiedChange::decode(&bytes(&case["change"])).and_then(UnverifiedChange::verify) {
        Ok(change) => change,
        Err(error) => return error.to_string(),
    };
    let next = match (&case["state"], change.founded()) {
        (Value::Null, Some(state)) => state,
        (Value::Null, None) => return ChangeError::Malformed.to_string(),
        (state, _) => {
            let state = State::decode_stored(&bytes(state), array(&case["head"])).unwrap();
            match state.apply(&change) {
                Ok(next) => next,
                Err(error) => return error.to_string(),
            }
        }
    };
    format!("ok: {} {}", hex(next.hash()), hex(next.head()))
}

#[test]
fn grp_1_grp_2_grp_5_group_state_vectors() {
    let (alice, bob, mallory) =
        (Person::new("alice", 10), Person::new("bob", 20), Person::new("mallory", 30));
    let (founding, first) = founded(&alice);
    let group = first.group();
    let case = |name: &str, state: Option<&State>, change: &[u8]| {
        json!({
            "name": name,
            "state": state.map(|state| hex(state.encode())),
            "head": state.map(|state| hex(state.head())),
            "change": hex(change),
        })
    };
    let rename = |title: &str| Action::Describe { title: Some(title.into()), about: None, picture: None };
    let add = |who: &Person| Action::Add(Box::new(who.consent(group, alice.id(), None)));
    let (added, second) = alice.act(&first, vec![add(&bob)]);
    let (renamed, third) = alice.act(&second, vec![rename("Climbers")]);
    let epoch = Epoch { number: 2, key_commitment: OuterKey::restore(&[7; 32]).commitment(2) };
    let remove = Action::Remove { account: bob.id(), ban: true, leave: None };
    let (removed, _) = alice.act(&third, vec![remove.clone(), Action::NewEpoch(epoch)]);
    let (promoted, _) = alice.act(&third, vec![Action::SetRole { account: bob.id(), role: Role::Admin }]);

    // What nobody's client signs.
    let forge = |by: &Person, on: &State, edit: &dyn Fn(&mut wire::Change)| {
        let signed = wire::SignedChange::decode(alice.act(on, vec![rename("Forged")]).0.encoded()).unwrap();
        let mut change = wire::Change::decode(&*signed.change).unwrap();
        edit(&mut change);
        let change = change.encode_to_vec();
        let label = crate::crypto::sign::Label::new("wheesht/1 group change");
        let signature = by.device.sign(&label, &[&change]).to_vec();
        wire::SignedChange { change, certificate: by.certificate.encoded().to_vec(), signature }
            .encode_to_vec()
    };
    let spoilt = |at: usize| {
        let mut change = renamed.encoded().to_vec();
        let at = change.len() - at;
        change[at] ^= 1;
        change
    };
    let unconsented = forge(&alice, &second, &|change| {
        let add = wire::AddMember {
            identity: mallory.id().to_vec(),
            address: mallory.address.to_string(),
            role: wire::Role::Member.into(),
            consent: bob.consent(group, alice.id(), None).encoded().to_vec(),
        };
        change.actions = vec![wire::Action { what: Some(wire::action::What::AddMember(add)) }];
    });
    let mut cases = vec![
        case("founds a group", None, founding.encoded()),
        case("adds who has agreed", Some(&first), added.encoded()),
        case("renames", Some(&second), renamed.encoded()),
        case("removes, bans, begins an epoch", Some(&third), removed.encoded()),
        case("gives a role", Some(&third), promoted.encoded()),
        case("continues another state", Some(&third), renamed.encoded()),
        case("of a member without the role", Some(&second), &forge(&bob, &second, &|_| {})),
        case("of nobody who belongs", Some(&second), &forge(&mallory, &second, &|_| {})),
        case(
            "leads to another state",
            Some(&second),
            &forge(&alice, &second, &|c| c.state_hash = vec![9; 32]),
        ),
        case("of another group", Some(&second), &forge(&alice, &second, &|c| c.group_id = vec![9; 32])),
        case("of another version", Some(&second), &forge(&alice, &second, &|c| c.version += 1)),
        case("after another change", Some(&second), &forge(&alice, &second, &|c| c.previous = vec![9; 32])),
        case("without actions", Some(&second), &forge(&alice, &second, &|c| c.actions.clear())),
        case("adds who has not agreed", Some(&second), &unconsented),
        case("with another signature", Some(&second), &spoilt(1)),
        case("cut short", Some(&second), &renamed.encoded()[..renamed.encoded().len() - 1]),
        case(
            "removes without a new epoch",
            Some(&third),
            &forge(&alice, &third, &|change| {
                let remove = wire::RemoveMember { identity: bob.id().to_vec(), ..Default::default() };
                change.actions = vec![wire::Action { what: Some(wire::action::What::RemoveMember(remove)) }];
            }),
        ),
    ];
    for case in &mut cases {
        case["outcome"] = applied(case).into();
    }
    assert!(cases[..5].iter().all(|case| case["outcome"].as_str().unwrap().starts_with("ok")), "{cases:#?}");
    assert!(cases[5..].iter().all(|case| !case["outcome"].as_str().unwrap().starts_with("ok")), "{cases:#?}");
    let about = "A signed change on top of a state that the change with the hash `head` led to; no state: it founds a group. If it is \
                 good, `outcome` names the hash of the state that results and of the change.";
    hold("group-state.json", &json!({ "about": about, "group_id": hex(group), "cases": cases }), |case| {
        assert_eq!(applied(case), case["outcome"].as_str().unwrap(), "{}", case["name"]);
    });
}

/// What comes of something that a device signs for its account.
fn witnessed(case: &Value) -> String {
    let given = bytes(&case["bytes"]);
    let told = match case["kind"].as_str().unwrap() {
        "leaf" => {
            UnverifiedLeaf::decode(&given).and_then(UnverifiedLeaf::verify).map(|leaf| hex(leaf.hash()))
        }
        "consent" => {
            UnverifiedConsent::decode(&given).and_then(UnverifiedConsent::verify).map(|it| hex(it.identity()))
        }
        _ => UnverifiedLeave::decode(&given).and_then(UnverifiedLeave::verify).map(|it| hex(it.identity())),
    };
    match told {
        Ok(told) => format!("ok: {told}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn gro_1_gro_2_gro_5_gro_7_group_roster_vectors() {
    let (alice, bob) = (Person::new("alice", 10), Person::new("bob", 20));
    let group = founded(&alice).1.group();
    let leaves = [alice.leaf(group, 3, 1), bob.leaf(group, 4, 7)];
    let secret = InviteSecret::from_bytes(&[8; 32]);
    let consents = [bob.consent(group, alice.id(), None), bob.consent(group, alice.id(), Some(&secret))];
    let leave = Leave::sign(&bob.device, &bob.certificate, group, 2, NOW);
    let case =
        |name: &str, kind: &str, bytes: &[u8]| json!({ "name": name, "kind": kind, "bytes": hex(bytes) });
    let spoilt = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        let at = bytes.len() - at;
        bytes[at] ^= 1;
        bytes
    };
    // Bob's certificate, Alice's signature.
    let mut foreign = wire::SignedLeaf::decode(leaves[1].encoded()).unwrap();
    foreign.signature = wire::SignedLeaf::decode(leaves[0].encoded()).unwrap().signature;
    let mut cases = vec![
        case("a leaf", "leaf", leaves[0].encoded()),
        case("another leaf", "leaf", leaves[1].encoded()),
        case("a consent to an account's invitation", "consent", consents[0].encoded()),
        case("a consent by a link", "consent", consents[1].encoded()),
        case("a leave", "leave", leave.encoded()),
        case("a leaf with another signature", "leaf", &spoilt(leaves[0].encoded(), 1)),
        case("a leaf that another device has signed", "leaf", &foreign.encode_to_vec()),
        case("a leaf cut short", "leaf", &leaves[0].encoded()[..100]),
        case("a leaf with a field more", "leaf", &[leaves[0].encoded(), &[0x7a, 0]].concat()),
        case("a leaf too long", "leaf", &vec![0; 1_401]),
        case("a consent with another signature", "consent", &spoilt(consents[0].encoded(), 1)),
        case("a consent too long", "consent", &vec![0; 2_049]),
        case("a leave with another signature", "leave", &spoilt(leave.encoded(), 1)),
        case("a leave passed off as a consent", "consent", leave.encoded()),
        case("a leave too long", "leave", &vec![0; 1_025]),
    ];
    for case in &mut cases {
        case["outcome"] = witnessed(case).into();
    }
    assert!(cases[..5].iter().all(|case| case["outcome"].as_str().unwrap().starts_with("ok")), "{cases:#?}");
    assert!(cases[5..].iter().all(|case| !case["outcome"].as_str().unwrap().starts_with("ok")), "{cases:#?}");
    let mut roster = Roster::default();
    for leaf in &leaves {
        roster.merge(leaf.clone());
    }
    let about = "What a device signs for its account. If it is good, `outcome` names a leaf's hash, or whose consent or leave it is. \
                 `roster_hash` is that of the first two leaves together.";
    let made =
        json!({ "about": about, "group_id": hex(group), "roster_hash": hex(roster.hash()), "cases": cases });
    hold("group-roster.json", &made, |case| {
        assert_eq!(witnessed(case), case["outcome"].as_str().unwrap(), "{}", case["name"]);
    });
}
