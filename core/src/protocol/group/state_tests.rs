use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use proptest::prelude::*;
use wheesht_proto::{
    address::Address,
    ids::{AccountId, GroupId, RecordId},
    prost::Message as _,
};

use super::*;
use crate::{
    crypto::{secret::Secret as _, sign::SigningKey},
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Person {
    device: DeviceSigningKey,
    certificate: DeviceCertificate,
    address: Address,
}

impl Person {
    fn new(number: u8) -> Self {
        let identity = IdentityKey::from_secret_bytes(&[number; 32]);
        let device = DeviceSigningKey::from_secret_bytes(&[number + 100; 32]);
        let public = device.verifying_key();
        let certificate = DeviceCertificate::issue(&identity, &public, [number; 32], NOW);
        let address = format!("person{number}@relay.example.org").parse().unwrap();
        Self { device, certificate, address }
    }

    fn id(&self) -> AccountId {
        self.certificate.identity()
    }

    fn consent(&self, group: GroupId, inviter: AccountId) -> Action {
        self.consent_at(group, inviter, None, NOW)
    }

    fn consent_at(
        &self,
        group: GroupId,
        inviter: AccountId,
        invite: Option<&InviteSecret>,
        at: Timestamp,
    ) -> Action {
        let (device, certificate) = (&self.device, &self.certificate);
        let consent = Consent::give(device, certificate, &self.address, group, inviter, invite, at);
        Action::Add(Box::new(consent))
    }

    fn try_act(&self, state: &State, actions: Vec<Action>) -> Result<(Change, State), ChangeError> {
        Draft::new(state, actions, NOW).sign(&self.device, &self.certificate)
    }

    fn act(&self, state: &State, actions: Vec<Action>) -> State {
        let (change, next) = self.try_act(state, actions).unwrap();
        // What is signed is what others read, and they come to the same.
        let read = UnverifiedChange::decode(change.encoded()).unwrap().verify().unwrap();
        assert_eq!(state.apply(&read).unwrap(), next);
        next
    }

    fn refused(&self, state: &State, action: Action) -> ChangeError {
        self.try_act(state, vec![action]).unwrap_err()
    }
}

fn founding(founder: &Person) -> (Change, State) {
    let description = Description { title: "Hikers".into(), about: String::new(), picture: Vec::new() };
    let epoch = Epoch { number: 1, key_commitment: OuterKey::restore(&[1; 32]).commitment(1) };
    let record = RecordPlace { id: RecordId::new([7; 32]), relay: "relay.example.org".parse().unwrap() };
    found(
        &founder.device,
        &founder.certificate,
        [9; 32],
        &founder.address,
        &description,
        Policy::default(),
        epoch,
        &record,
        NOW,
    )
    .unwrap()
}

fn epoch(state: &State) -> Action {
    Action::NewEpoch(Epoch { number: state.epoch().number + 1, key_commitment: [2; 32] })
}

fn remove(account: AccountId, ban: bool) -> Action {
    Action::Remove { account, ban, leave: None }
}

/// An owner, an admin, two members.
fn cast() -> (Vec<Person>, State) {
    let people: Vec<_> = (1..=6).map(Person::new).collect();
    let (_, state) = founding(&people[0]);
    let (group, owner) = (state.group(), people[0].id());
    let add = people[1..4].iter().map(|person| person.consent(group, owner)).collect();
    let state = people[0].act(&state, add);
    let state = people[0].act(&state, vec![Action::SetRole { account: people[1].id(), role: Role::Admin }]);
    (people, state)
}

#[test]
fn grp_1_a_group_is_named_by_its_founding_change() {
    let founder = Person::new(1);
    let (change, state) = founding(&founder);
    let read = UnverifiedChange::decode(change.encoded()).unwrap().verify().unwrap();
    assert_eq!(read.founded(), Some(state.clone()));
    assert_eq!(state.role(&founder.id()), Some(Role::Owner));
    let (_, other) = founding(&Person::new(2));
    assert_ne!(state.group(), other.group());
}

#[test]
fn grp_2_a_state_has_one_encoding() {
    let (_, state) = cast();
    let bytes = state.encode();
    assert_eq!(State::decode_stored(&bytes, state.head()), Ok(state.clone()));
    let mut wire = wheesht_proto::group::State::decode(&*bytes).unwrap();
    wire.members.reverse();
    let unsorted = wire.encode_to_vec();
    assert_eq!(State::decode_stored(&unsorted, state.head()), Err(ChangeError::Malformed));
    wire.members.sort_by(|a, b| a.identity.cmp(&b.identity));
    let first = wire.members[0].clone();
    wire.members.insert(0, first);
    assert_eq!(State::decode_stored(&wire.encode_to_vec(), state.head()), Err(ChangeError::Malformed));
    let mut longer = bytes;
    longer.extend_from_slice(&[0xf8, 0x07, 0]);
    assert_eq!(State::decode_stored(&longer, state.head()), Err(ChangeError::Malformed));
}

#[test]
fn grp_3_grp_10_titles_texts_and_pictures_have_their_limits_and_their_editors() {
    let (people, state) = cast();
    let title = |title: &str| Action::Describe { title: Some(title.into()), about: None, picture: None };
    assert_eq!(people[1].act(&state, vec![title("New")]).description().title, "New");
    assert_eq!(people[2].refused(&state, title("New")), ChangeError::NotPermitted);
    assert_eq!(people[0].refused(&state, title("")), ChangeError::Malformed);
    assert_eq!(people[0].refused(&state, title("two\nlines")), ChangeError::Malformed);
    assert_eq!(people[0].refused(&state, title(&"x".repeat(201))), ChangeError::Malformed);
    assert_eq!(people[0].refused(&state, title("Hikers")), ChangeError::NothingToDo);
    let picture = Action::Describe { title: None, about: None, picture: Some(vec![0; 32 * 1024 + 1]) };
    assert_eq!(people[0].refused(&state, picture), ChangeError::Malformed);
}

#[test]
fn grp_4_a_change_is_believed_by_its_signature_alone() {
    let (people, state) = cast();
    let rename = Action::Describe { title: Some("New".into()), about: None, picture: None };
    let (change, _) = people[0].try_act(&state, vec![rename]).unwrap();
    let mut wire = wheesht_proto::group::SignedChange::decode(change.encoded()).unwrap();
    wire.signature[5] ^= 1;
    let forged = UnverifiedChange::decode(&wire.encode_to_vec()).unwrap();
    assert_eq!(forged.verify().unwrap_err(), ChangeError::BadSignature);
    wire.signature[5] ^= 1;
    // Another's certificate beside it: the device that signed is not that one.
    wire.certificate = people[1].certificate.encoded().to_vec();
    let forged = UnverifiedChange::decode(&wire.encode_to_vec()).unwrap();
    assert_eq!(forged.verify().unwrap_err(), ChangeError::BadSignature);
}

#[test]
fn grp_5_grp_6_a_change_continues_one_state_and_leads_to_one() {
    let (people, state) = cast();
    let title =
        |title: &str| vec![Action::Describe { title: Some(title.into()), about: None, picture: None }];
    let (one, after_one) = people[0].try_act(&state, title("One")).unwrap();
    let (two, _) = people[1].try_act(&state, title("Two")).unwrap();
    // A fork: each is well, and each excludes the other.
    assert_eq!(after_one.apply(&two), Err(ChangeError::DoesNotContinue));
    assert_eq!(after_one.apply(&one), Err(ChangeError::DoesNotContinue));
    let (third, _) = people[0].try_act(&after_one, title("Three")).unwrap();
    assert_eq!(state.apply(&third), Err(ChangeError::DoesNotContinue));
    let (_, other) = founding(&people[1]);
    assert_eq!(other.apply(&one), Err(ChangeError::OtherGroup));
}

#[test]
fn grp_7_a_group_is_founded_once() {
    let (people, state) = cast();
    let (founding, _) = founding(&people[0]);
    let signed = wheesht_proto::group::SignedChange::decode(founding.encoded()).unwrap();
    let first = wheesht_proto::group::Change::decode(&*signed.change).unwrap();
    let again = wheesht_proto::group::Change {
        group_id: state.group().to_vec(),
        version: state.version() + 1,
        previous: state.head().to_vec(),
        state_hash: vec![0; 32],
        ..first.clone()
    };
    // Nor does anything stand beside it in the change that founds.
    let twice = wheesht_proto::group::Change { actions: vec![first.actions[0].clone(); 2], ..first };
    for change in [again, twice] {
        let change = change.encode_to_vec();
        let label = crate::crypto::sign::Label::new("wheesht/1 group change");
        let signature = people[0].device.sign(&label, &[&change]).to_vec();
        let certificate = people[0].certificate.encoded().to_vec();
        let signed = wheesht_proto::group::SignedChange { change, certificate, signature }.encode_to_vec();
        let read = UnverifiedChange::decode(&signed).and_then(UnverifiedChange::verify);
        assert_eq!(read.err(), Some(ChangeError::Malformed));
    }
}

#[test]
fn grp_8_grp_17_a_group_keeps_an_owner_and_owners_give_roles() {
    let (people, state) = cast();
    let role = |person: &Person, role| Action::SetRole { account: person.id(), role };
    assert_eq!(people[0].refused(&state, role(&people[0], Role::Member)), ChangeError::LastOwner);
    assert_eq!(people[1].refused(&state, role(&people[2], Role::Admin)), ChangeError::NotPermitted);
    let two = people[0].act(&state, vec![role(&people[2], Role::Owner)]);
    let one = people[0].act(&two, vec![role(&people[0], Role::Member)]);
    assert_eq!(one.role(&people[0].id()), Some(Role::Member));
    assert_eq!(people[0].refused(&one, role(&people[1], Role::Owner)), ChangeError::NotPermitted);
    let goes = people[2].try_act(&two, vec![remove(people[0].id(), false), epoch(&two)]);
    assert!(goes.is_ok(), "an owner may remove another");
}

#[test]
fn grp_9_who_does_not_belong_changes_nothing() {
    let (people, state) = cast();
    let rename = Action::Describe { title: Some("Mine".into()), about: None, picture: None };
    assert_eq!(people[5].refused(&state, rename), ChangeError::NotPermitted);
}

#[test]
fn grp_11_grp_20_only_owners_set_the_policy_and_move_the_record() {
    let (people, state) = cast();
    let policy = Policy { joining: Joining::Open, ..Policy::default() };
    assert_eq!(people[1].refused(&state, Action::SetPolicy(policy)), ChangeError::NotPermitted);
    assert_eq!(people[0].act(&state, vec![Action::SetPolicy(policy)]).policy(), &policy);
    let owners = Policy { write: Role::Owner, ..policy };
    assert_eq!(people[0].refused(&state, Action::SetPolicy(owners)), ChangeError::Malformed);
    let place = RecordPlace { id: RecordId::new([8; 32]), relay: "other.example.org".parse().unwrap() };
    assert_eq!(people[1].refused(&state, Action::MoveRecord(place.clone())), ChangeError::NotPermitted);
    assert_eq!(people[0].act(&state, vec![Action::MoveRecord(place.clone())]).record(), &place);
}

#[test]
fn grp_12_grp_13_nobody_is_added_who_has_not_agreed() {
    let (people, state) = cast();
    let (group, owner) = (state.group(), people[0].id());
    let member = &people[2];
    assert_eq!(member.refused(&state, people[4].consent(group, owner)), ChangeError::NotPermitted);
    assert_eq!(people[1].act(&state, vec![people[4].consent(group, owner)]).members().len(), 5);
    let other = GroupId::new([3; 32]);
    assert_eq!(people[1].refused(&state, people[4].consent(other, owner)), ChangeError::Consent);
    assert_eq!(people[1].refused(&state, people[2].consent(group, owner)), ChangeError::NothingToDo);
    // Who invites belongs, and may invite.
    assert_eq!(people[1].refused(&state, people[4].consent(group, people[5].id())), ChangeError::Consent);
    assert_eq!(people[1].refused(&state, people[4].consent(group, member.id())), ChangeError::Consent);
    let old = Timestamp::from_millis(NOW.as_millis() - 31 * 24 * 60 * 60 * 1000);
    let stale = people[4].consent_at(group, owner, None, old);
    assert_eq!(people[1].refused(&state, stale), ChangeError::Consent);
    // The addition says another than the consent.
    let (change, _) = people[1].try_act(&state, vec![people[4].consent(group, owner)]).unwrap();
    let mut wire = wheesht_proto::group::SignedChange::decode(change.encoded()).unwrap();
    let mut inner = wheesht_proto::group::Change::decode(&*wire.change).unwrap();
    let Some(wheesht_proto::group::action::What::AddMember(add)) = &mut inner.actions[0].what else {
        panic!()
    };
    add.role = Role::Owner.to_wire();
    wire.change = inner.encode_to_vec();
    let label = crate::crypto::sign::Label::new("wheesht/1 group change");
    wire.signature = people[1].device.sign(&label, &[&wire.change]).to_vec();
    let forged = UnverifiedChange::decode(&wire.encode_to_vec()).unwrap();
    assert_eq!(forged.verify().unwrap_err(), ChangeError::Consent);
}

#[test]
fn grp_14_grp_18_links_are_good_as_the_state_says() {
    let (people, state) = cast();
    let (group, owner) = (state.group(), people[0].id());
    let secret = InviteSecret::generate(&mut ChaCha20Rng::seed_from_u64(1));
    let invite = |expires, uses_left| {
        Action::AddInvite(Invite { key: secret.key(), expires, uses_left, maker: people[1].id() })
    };
    let by_link = |person: &Person| person.consent_at(group, owner, Some(&secret), NOW);
    assert_eq!(people[0].refused(&state, by_link(&people[4])), ChangeError::Consent);
    assert_eq!(people[0].refused(&state, invite(None, None)), ChangeError::Malformed, "another's name");
    let once = people[1].act(&state, vec![invite(None, Some(1))]);
    let used = people[0].act(&once, vec![by_link(&people[4])]);
    assert!(used.invites().is_empty());
    assert_eq!(people[0].refused(&used, by_link(&people[5])), ChangeError::Consent);
    let expired =
        people[1].act(&state, vec![invite(Some(Timestamp::from_millis(NOW.as_millis() - 1)), None)]);
    assert_eq!(people[0].refused(&expired, by_link(&people[4])), ChangeError::Consent);
    let open = people[1].act(&state, vec![invite(None, None)]);
    let closed = Policy { joining: Joining::Closed, ..Policy::default() };
    let closed = people[0].act(&open, vec![Action::SetPolicy(closed)]);
    assert_eq!(people[0].refused(&closed, by_link(&people[4])), ChangeError::Consent);
    let revoked = people[0].act(&open, vec![Action::RevokeInvite(secret.key())]);
    assert!(revoked.invites().is_empty());
    // With the maker's right, its links go.
    let demoted = Action::SetRole { account: people[1].id(), role: Role::Member };
    assert!(people[0].act(&open, vec![demoted]).invites().is_empty());
}

#[test]
fn grp_15_grp_16_grp_19_removing_takes_rank_and_a_new_epoch() {
    let (people, state) = cast();
    let bare = remove(people[2].id(), false);
    assert_eq!(people[1].refused(&state, bare.clone()), ChangeError::Epoch);
    let gone = people[1].act(&state, vec![bare, epoch(&state)]);
    assert_eq!(gone.role(&people[2].id()), None);
    assert_eq!(gone.epoch().number, 2);
    let skipped = Action::NewEpoch(Epoch { number: 3, key_commitment: [2; 32] });
    assert_eq!(people[1].refused(&state, skipped), ChangeError::Epoch);
    for target in [&people[0], &people[1]] {
        let refused = people[1].try_act(&state, vec![remove(target.id(), false), epoch(&state)]);
        assert_eq!(refused.unwrap_err(), ChangeError::NotPermitted, "an owner, and oneself");
    }
    let banned = people[0].act(&state, vec![remove(people[2].id(), true), epoch(&state)]);
    let back = people[2].consent(state.group(), people[0].id());
    assert_eq!(people[0].refused(&banned, back.clone()), ChangeError::Banned);
    let unbanned = people[1].act(&banned, vec![Action::Unban(people[2].id())]);
    assert!(people[0].try_act(&unbanned, vec![back]).is_ok());
    // Who has gone can still be kept out, and needs no new epoch.
    assert_eq!(people[0].act(&gone, vec![remove(people[2].id(), true)]).banned(), [people[2].id()]);
}

#[test]
fn grp_15_a_leave_holds_for_one_membership() {
    let (people, state) = cast();
    let goes = &people[2];
    let leave = |version, group| {
        let word = Leave::sign(&goes.device, &goes.certificate, group, version, NOW);
        Action::Remove { account: goes.id(), ban: false, leave: Some(Box::new(word)) }
    };
    let take = |state: &State, word: Action| people[1].try_act(state, vec![word, epoch(state)]);
    let word = leave(state.version(), state.group());
    let (_, gone) = take(&state, word.clone()).unwrap();
    let back = people[0].act(&gone, vec![goes.consent(state.group(), people[0].id())]);
    assert_eq!(take(&back, word).unwrap_err(), ChangeError::Leave);
    let elsewhere = leave(state.version(), GroupId::new([5; 32]));
    assert_eq!(take(&state, elsewhere).unwrap_err(), ChangeError::Leave);
}

#[test]
fn grp_21_grp_22_a_checkpoint_holds_together_and_is_somebodys_word() {
    let (people, state) = cast();
    let title =
        |title: &str| vec![Action::Describe { title: Some(title.into()), about: None, picture: None }];
    let (change, next) = people[1].try_act(&state, title("New")).unwrap();
    let wire = Checkpoint::new(next.clone(), change.clone(), Vec::new()).to_wire(200_000);
    let read = Checkpoint::verify(&wire, &state.group()).unwrap();
    assert_eq!((read.state(), read.signer()), (&next, people[1].id()));
    assert!(read.vouched_by(&state));
    assert!(!read.vouched_by(&next), "not newer");
    let (_, first) = founding(&people[0]);
    assert!(!read.vouched_by(&first), "an admin whom it did not know");
    assert_eq!(Checkpoint::verify(&wire, &GroupId::new([1; 32])), Err(ChangeError::OtherGroup));
    let mut other = wire.clone();
    other.state = state.encode();
    assert_eq!(Checkpoint::verify(&other, &state.group()), Err(ChangeError::OtherState));
    let (founded, first) = founding(&people[0]);
    let wire = Checkpoint::new(first.clone(), founded, Vec::new()).to_wire(200_000);
    assert_eq!(Checkpoint::verify(&wire, &first.group()).unwrap().state(), &first);
}

#[test]
fn grp_21_a_checkpoint_holds_as_many_changes_as_fit() {
    let (people, mut state) = cast();
    let (mut head, mut before) = (None, Vec::new());
    for number in 0..20 {
        let title = Action::Describe { title: Some(format!("{number}")), about: None, picture: None };
        let (change, next) = people[0].try_act(&state, vec![title]).unwrap();
        before.extend(head.replace(change).map(|change: Change| change.encoded().to_vec()));
        state = next;
    }
    let checkpoint = Checkpoint::new(state, head.unwrap(), before);
    assert_eq!(checkpoint.to_wire(200_000).changes.len(), 19);
    let small = checkpoint.encode(6_000);
    assert!(small.len() <= 6_000, "{}", small.len());
    let some = wheesht_proto::group::Checkpoint::decode(&*small).unwrap().changes;
    assert!(!some.is_empty() && some.len() < 19);
    assert_eq!(some.last(), checkpoint.before().last());
}

#[test]
fn grp_24_grp_25_a_record_opens_with_its_epochs_key_and_its_farewell_with_the_one_before() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (group, record) = (GroupId::new([1; 32]), RecordId::new([2; 32]));
    let place = RecordKeyPlace { group: &group, record: &record };
    let (before, key) = (OuterKey::generate(&mut rng), OuterKey::generate(&mut rng));
    let content = wheesht_proto::group::RecordContent { leaves: vec![vec![7; 9]], checkpoint: None };
    let farewell = place.seal_farewell(2, &before, b"change", &mut rng);
    let value = place.seal(2, &key, &content, &farewell, &mut rng);
    let sealed = read_sealed(&value).unwrap();
    assert_eq!(place.open(&sealed, &key).map(|content| content.leaves), Some(content.leaves));
    assert!(place.open(&sealed, &before).is_none());
    assert_eq!(place.open_farewell(&sealed, &before).as_deref(), Some(&b"change"[..]));
    assert!(place.open_farewell(&sealed, &key).is_none());
    let other = RecordId::new([3; 32]);
    assert!(RecordKeyPlace { group: &group, record: &other }.open(&sealed, &key).is_none());
}

/// What somebody might try, with or without the right to.
fn attempt(people: &[Person], state: &State, who: usize, what: u8, whom: usize) -> (usize, Vec<Action>) {
    let (who, whom) = (who % people.len(), whom % people.len());
    let account = people[whom].id();
    let actions = match what % 9 {
        0 => vec![people[whom].consent(state.group(), people[who].id())],
        1 => vec![remove(account, false), epoch(state)],
        2 => vec![remove(account, true), epoch(state)],
        3 => vec![Action::SetRole { account, role: Role::Owner }],
        4 => vec![Action::SetRole { account, role: Role::Admin }],
        5 => vec![Action::SetRole { account, role: Role::Member }],
        6 => vec![Action::Unban(account)],
        7 => {
            let policy = Policy { invite: Role::Member, describe: Role::Member, ..*state.policy() };
            vec![Action::SetPolicy(policy)]
        }
        _ => {
            let key = SigningKey::from_secret_bytes(&[what; 32]).verifying_key();
            vec![Action::AddInvite(Invite { key, expires: None, uses_left: None, maker: people[who].id() })]
        }
    };
    (who, actions)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn grp_8_whatever_is_tried_a_group_has_an_owner_and_everyone_agrees(
        tries in prop::collection::vec((0..6_usize, any::<u8>(), 0..6_usize), 1..24),
    ) {
        let (people, mut state) = cast();
        for (who, what, whom) in tries {
            let (who, actions) = attempt(&people, &state, who, what, whom);
            let Ok((change, next)) = people[who].try_act(&state, actions) else { continue };
            let read = UnverifiedChange::decode(change.encoded()).unwrap().verify().unwrap();
            let applied = state.apply(&read).unwrap();
            prop_assert_eq!(&applied, &next);
            prop_assert_eq!(applied.version(), state.version() + 1);
            prop_assert!(applied.members().iter().any(|member| member.role == Role::Owner));
            prop_assert!(state.role(&people[who].id()).is_some());
            let bytes = applied.encode();
            prop_assert_eq!(State::decode_stored(&bytes, applied.head()), Ok(applied.clone()));
            let kept = UnverifiedChange::decode(change.encoded()).unwrap().assume_verified().unwrap();
            prop_assert_eq!(kept, read);
            state = applied;
        }
    }

    #[test]
    fn grp_2_no_bytes_make_a_change_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), at in any::<u16>()) {
        let _ = UnverifiedChange::decode(&bytes).map(UnverifiedChange::verify);
        let (people, state) = cast();
        let rename = Action::Describe { title: Some("New".into()), about: None, picture: None };
        let (change, _) = people[0].try_act(&state, vec![rename]).unwrap();
        let mut bytes = change.encoded().to_vec();
        let at = usize::from(at) % bytes.len();
        bytes[at] ^= 0x40;
        if let Ok(read) = UnverifiedChange::decode(&bytes) {
            prop_assert!(read.verify().is_err());
        }
    }
}
