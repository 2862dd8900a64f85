//! Adding devices, and evicting them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test may; clippy knows that of test functions only"
)]

mod common;

use std::time::Duration;

use common::{Client, Person, TestDevice, TestRelay};
use wheesht_core::{
    proto::relay::{self, ErrorCode, client_frame::Body as Frame, relay_frame::Body as Reply},
    signed::{Draft, UnverifiedManifest},
};

const PASSWORD: &str = "correct horse battery staple";
const ROOT_VAULT: &[u8] = b"another root vault";

/// Alice with a device online, and on another connection with her password.
struct Scene {
    relay: TestRelay,
    alice: Person,
    device: Client,
    session: Client,
}

impl Scene {
    async fn new(grace: Duration) -> Self {
        let relay = TestRelay::start_with(|config| config.eviction_grace = grace).await;
        let (mut alice, device) = relay.registered("alice", 1).await;
        let mut session = relay.connect().await;
        session.login(&mut alice, PASSWORD).await.unwrap();
        Self { relay, alice, device, session }
    }

    async fn propose(
        &mut self,
        draft: &Draft,
        root_vault: &[u8],
    ) -> Result<relay::ProposeManifestOk, ErrorCode> {
        let propose = relay::ProposeManifest {
            manifest: draft.encoded(),
            root_vault: root_vault.to_vec(),
            proof: Vec::new(),
        };
        self.session.ask(Frame::ProposeManifest(propose)).await.map(|reply| match reply {
            Reply::ProposeManifestOk(ok) => ok,
            other => panic!("{other:?}"),
        })
    }

    fn adding(&self, device: &TestDevice) -> Draft {
        self.alice.draft(&[&self.alice.devices[0], device])
    }

    async fn newest(&mut self) -> Vec<u8> {
        let lookup = Frame::Lookup(relay::Lookup { name: "alice".to_owned() });
        match self.session.ask(lookup).await.unwrap() {
            Reply::LookupOk(found) => found.manifest,
            other => panic!("{other:?}"),
        }
    }
}

async fn told(client: &mut Client) -> relay::Proposal {
    match client.push().await {
        Reply::Proposal(proposal) => proposal,
        other => panic!("{other:?}"),
    }
}

async fn decided(client: &mut Client) -> bool {
    match client.push().await {
        Reply::ProposalDecided(decided) => decided.accepted,
        other => panic!("{other:?}"),
    }
}

fn confirm(manifest: &[u8]) -> Frame {
    Frame::ConfirmProposal(relay::ConfirmProposal { manifest: manifest.to_vec() })
}

fn reject(proposal_id: &[u8]) -> Frame {
    Frame::RejectProposal(relay::RejectProposal { proposal_id: proposal_id.to_vec() })
}

#[tokio::test]
async fn a_device_is_added_when_an_existing_one_confirms_rel_60_rel_61_rel_63() {
    let mut scene = Scene::new(Duration::from_secs(600)).await;
    let second = scene.alice.new_device();
    let draft = scene.adding(&second);
    let proposed = scene.propose(&draft, ROOT_VAULT).await.unwrap();
    assert_eq!((&*proposed.proposal_id, proposed.effective_at_ms), (&draft.hash()[..], 0));
    let push = told(&mut scene.device).await;
    assert_eq!((&*push.manifest, push.effective_at_ms), (&*draft.encoded(), 0));
    // Until then the device is a stranger, and a device that logs in hears of it.
    scene.alice.devices.push(second);
    let mut new = scene.relay.connect().await;
    assert_eq!(new.device_login(&scene.alice, 1).await.err(), Some(ErrorCode::DeviceUnknown));
    let mut again = scene.relay.connect().await;
    let session = again.device_login(&scene.alice, 0).await.unwrap();
    assert_eq!(session.proposal.unwrap().proposal_id, proposed.proposal_id);

    // Not without a countersignature, and not with one of another device.
    assert_eq!(again.ask(confirm(&draft.encoded())).await.err(), Some(ErrorCode::BadSignature));
    let manifest = draft.countersign(&scene.alice.devices[0].key).unwrap();
    again.ask(confirm(manifest.encoded())).await.unwrap();
    assert!(decided(&mut scene.session).await);
    assert!(told(&mut again).await.manifest.is_empty());
    assert_eq!(again.ask(confirm(manifest.encoded())).await.err(), Some(ErrorCode::NotFound));
    assert_eq!(scene.newest().await, manifest.encoded());
    new.device_login(&scene.alice, 1).await.unwrap();
    let (session, _) = new.login(&mut scene.alice, PASSWORD).await.unwrap();
    assert_eq!(session.root_vault, ROOT_VAULT);
    assert_eq!(session.manifests.len(), 2);
}

#[tokio::test]
async fn the_same_proposal_again_and_again_is_limited_rel_20() {
    let mut scene = Scene::new(Duration::from_secs(600)).await;
    let second = scene.alice.new_device();
    let draft = scene.adding(&second);
    let mut refused = None;
    for _ in 0..100 {
        if let Err(code) = scene.propose(&draft, ROOT_VAULT).await {
            refused.get_or_insert(code);
        }
    }
    assert_eq!(refused, Some(ErrorCode::RateLimited));
}

#[tokio::test]
async fn a_proposal_can_be_rejected_withdrawn_and_replaced_rel_64() {
    let mut scene = Scene::new(Duration::from_secs(600)).await;
    let second = scene.alice.new_device();
    let draft = scene.adding(&second);
    scene.propose(&draft, b"").await.unwrap();
    told(&mut scene.device).await;
    assert_eq!(scene.device.ask(reject(&[0; 32])).await.err(), Some(ErrorCode::NotFound));
    scene.device.ask(reject(&draft.hash())).await.unwrap();
    assert!(!decided(&mut scene.session).await);
    assert!(told(&mut scene.device).await.proposal_id.is_empty());
    assert_eq!(scene.device.ask(reject(&draft.hash())).await.err(), Some(ErrorCode::NotFound));

    // The same again is the same; another one takes its place.
    for _ in 0..2 {
        scene.propose(&draft, b"").await.unwrap();
    }
    assert_eq!(told(&mut scene.device).await.proposal_id, draft.hash());
    let third = scene.alice.new_device();
    let other = scene.adding(&third);
    scene.propose(&other, b"").await.unwrap();
    assert!(!decided(&mut scene.session).await);
    assert_eq!(told(&mut scene.device).await.proposal_id, other.hash());
    let withdraw = relay::WithdrawProposal { proposal_id: other.hash().to_vec() };
    scene.session.ask(Frame::WithdrawProposal(withdraw)).await.unwrap();
    assert!(!decided(&mut scene.session).await);
    assert!(told(&mut scene.device).await.manifest.is_empty());
}

#[tokio::test]
async fn a_device_that_waits_is_told_so_rel_29() {
    let mut scene = Scene::new(Duration::from_secs(600)).await;
    let second = scene.alice.new_device();
    let draft = scene.adding(&second);
    scene.alice.devices.push(second);
    let mut new = scene.relay.connect().await;
    let mut waits = async |scene: &Scene, device| {
        let error = new.device_login_in_full(&scene.alice, device).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::DeviceUnknown);
        error.retry_after_ms
    };
    assert_eq!(waits(&scene, 1).await, 0);
    scene.propose(&draft, b"").await.unwrap();
    assert!(waits(&scene, 1).await > 0);
    let stranger = scene.alice.new_device();
    scene.alice.devices.push(stranger);
    assert_eq!(waits(&scene, 2).await, 0);
    scene.device.ask(reject(&draft.hash())).await.unwrap();
    assert_eq!(waits(&scene, 1).await, 0);
    let evicting = scene.alice.draft(&[&scene.alice.devices[1]]);
    scene.propose(&evicting, ROOT_VAULT).await.unwrap();
    assert!(waits(&scene, 1).await > 0);
}

#[tokio::test]
async fn a_proposal_must_continue_the_chain_rel_60() {
    let mut scene = Scene::new(Duration::from_secs(600)).await;
    let first = scene.alice.manifest.encoded().to_vec();
    let propose = |manifest| {
        Frame::ProposeManifest(relay::ProposeManifest { manifest, root_vault: vec![1], proof: Vec::new() })
    };
    assert_eq!(scene.session.ask(propose(first)).await.err(), Some(ErrorCode::Conflict));
    assert_eq!(scene.session.ask(propose(vec![1; 99])).await.err(), Some(ErrorCode::Malformed));
    let mallory = scene.relay.person("mallory", 9);
    let foreign = mallory.draft(&[&mallory.devices[0]]).encoded();
    assert!(scene.session.ask(propose(foreign)).await.is_err());
    let second = scene.alice.new_device();
    let evicting = scene.alice.draft(&[&second]);
    assert_eq!(scene.propose(&evicting, b"").await.err(), Some(ErrorCode::Malformed));
}

#[tokio::test]
async fn an_eviction_waits_survives_a_restart_and_then_takes_all_rel_62() {
    let mut scene = Scene::new(Duration::from_millis(2500)).await;
    let address = scene.alice.new_address();
    scene.device.put_address(address).await.unwrap();
    scene.relay.connect().await.deposit(address, b"for the old device").await;
    let second = scene.alice.new_device();
    let evicting = scene.alice.draft(&[&second]);
    let proposed = scene.propose(&evicting, ROOT_VAULT).await.unwrap();
    assert!(proposed.effective_at_ms > 0);
    assert_eq!(told(&mut scene.device).await.effective_at_ms, proposed.effective_at_ms);
    scene.alice.devices.push(second);

    scene.relay.kill_and_restart().await;
    let mut old = scene.relay.connect().await;
    let session = old.device_login(&scene.alice, 0).await.unwrap();
    assert_eq!(session.proposal.unwrap().effective_at_ms, proposed.effective_at_ms);
    let mut new = scene.relay.connect().await;
    assert_eq!(new.device_login(&scene.alice, 1).await.err(), Some(ErrorCode::DeviceUnknown));
    let (session, _) = new.login(&mut scene.alice, PASSWORD).await.unwrap();
    assert_eq!(session.root_vault, b"a root vault");
    assert!(decided(&mut new).await);
    let said = old.until_closed().await;
    assert!(matches!(&*said, [Reply::Error(error)] if error.code() == ErrorCode::DeviceUnknown), "{said:?}");

    let session = new.device_login(&scene.alice, 1).await.unwrap();
    assert_eq!((session.queued, session.addresses.len()), (0, 0));
    assert_eq!(scene.relay.connect().await.deposit(address, b"late").await, ErrorCode::NotFound);
    let mut old = scene.relay.connect().await;
    assert_eq!(old.device_login(&scene.alice, 0).await.err(), Some(ErrorCode::DeviceUnknown));
    let (session, _) = new.login(&mut scene.alice, PASSWORD).await.unwrap();
    assert_eq!(session.root_vault, ROOT_VAULT);
}

#[tokio::test]
async fn an_existing_device_stops_an_eviction_rel_62() {
    let mut scene = Scene::new(Duration::from_millis(1500)).await;
    let second = scene.alice.new_device();
    let evicting = scene.alice.draft(&[&second]);
    scene.propose(&evicting, ROOT_VAULT).await.unwrap();
    told(&mut scene.device).await;
    scene.device.ask(reject(&evicting.hash())).await.unwrap();
    assert!(!decided(&mut scene.session).await);
    tokio::time::sleep(Duration::from_millis(3000)).await;
    assert_eq!(scene.newest().await, scene.alice.manifest.encoded());
    assert!(scene.device.ask(Frame::Subscribe(relay::Subscribe { credit: 1 })).await.is_ok());
}

#[tokio::test]
async fn a_removal_takes_effect_at_once() {
    let mut scene = Scene::new(Duration::from_secs(600)).await;
    let second = scene.alice.new_device();
    let draft = scene.adding(&second);
    let manifest = draft.countersign(&scene.alice.devices[0].key).unwrap();
    // With the countersignature at hand, one message is enough.
    let both =
        UnverifiedManifest::decode(manifest.encoded()).unwrap().verify_draft(&scene.alice.manifest).unwrap();
    scene.propose(&both, b"").await.unwrap();
    assert_eq!(scene.newest().await, manifest.encoded());
    scene.alice.manifest = manifest;
    scene.alice.devices.push(second);
    let mut removed = scene.relay.connect().await;
    removed.device_login(&scene.alice, 1).await.unwrap();
    let removal = scene.alice.draft(&[&scene.alice.devices[0]]);
    let proposed = scene.propose(&removal, b"").await.unwrap();
    assert!(proposed.effective_at_ms > 0);
    let said = removed.until_closed().await;
    assert!(matches!(&*said, [Reply::Error(error)] if error.code() == ErrorCode::DeviceUnknown), "{said:?}");
    assert!(scene.device.ask(Frame::Subscribe(relay::Subscribe { credit: 1 })).await.is_ok());
}

#[tokio::test]
async fn a_proof_goes_to_the_devices_as_it_came_and_is_no_longer_than_it_may_be_rel_67() {
    let mut scene = Scene::new(Duration::from_secs(600)).await;
    let second = scene.alice.new_device();
    let draft = scene.adding(&second);
    let propose = |proof: &[u8]| {
        let manifest = draft.encoded();
        Frame::ProposeManifest(relay::ProposeManifest {
            manifest,
            root_vault: Vec::new(),
            proof: proof.to_vec(),
        })
    };
    assert_eq!(scene.session.ask(propose(&[7; 65])).await.err(), Some(ErrorCode::TooLarge));
    scene.session.ask(propose(&[7; 64])).await.unwrap();
    assert_eq!(told(&mut scene.device).await.proof, [7; 64]);
    scene.relay.kill_and_restart().await;
    let mut again = scene.relay.connect().await;
    let session = again.device_login(&scene.alice, 0).await.unwrap();
    assert_eq!(session.proposal.unwrap().proof, [7; 64]);
}
