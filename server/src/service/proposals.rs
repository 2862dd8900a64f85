//! Changing an account's devices.
//!
//! ```text
//!                          adds none, or countersigned already
//!   ProposeManifest ──────────────────────────────────────────────▶ installed
//!        │ adds a device     ConfirmProposal by a device               ▲
//!        ├──────▶ waiting ─────────────────────────────────────────────┤
//!        │ evicts all        the grace is over                         │
//!        └──────▶ waiting ─────────────────────────────────────────────┘
//!                    │ RejectProposal, WithdrawProposal, another proposal
//!                    └──▶ gone
//! ```
//!
//! One proposal stands per account; all who show the password are one person to the relay, so a later one takes the place of
//! an earlier. Connected devices are told whenever that changes, and who proposed is told how it ended. Installing is one
//! transaction: manifest, root vault, mailboxes of new devices, and everything that removed ones had.

use wheesht_core::{
    proto::{
        address::Name,
        limits::{MAX_PROPOSAL_PROOF, MAX_ROOT_VAULT},
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    signed::{Manifest, ManifestError, UnverifiedManifest, manifest::Step},
    time::Timestamp,
};

use super::{Caller, Failure, Service, ok, refusal::Refusal};
use crate::storage::{Proposal, Storage, StorageError};

const NO_PROPOSAL: Refusal = Refusal::not_found("no such proposal stands");
const REMOVED: Refusal = Refusal::new(ErrorCode::DeviceUnknown, "this device was removed from its account");

impl<S: Storage> Service<S> {
    pub(super) fn propose(
        &mut self,
        caller: Caller,
        message: relay::ProposeManifest,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let name = self.account_session(caller)?;
        if message.root_vault.len() > MAX_ROOT_VAULT {
            return Err(Refusal::new(ErrorCode::TooLarge, "the root vault is too large").into());
        }
        // REL-67
        if message.proof.len() > MAX_PROPOSAL_PROOF {
            return Err(Refusal::new(ErrorCode::TooLarge, "the proof is too large").into());
        }
        // REL-20: before the signatures, which take a millisecond of everyone's time.
        self.gates.manifest_checks.pass(name.clone(), now)?;
        let current = self.newest_manifest(&name)?;
        // REL-60
        let draft = UnverifiedManifest::decode(&message.manifest)
            .and_then(|manifest| manifest.verify_draft(&current))
            .map_err(bad_manifest)?;
        let standing = self.storage.proposal(&name)?;
        if let Some(standing) = standing.filter(|standing| standing.id == draft.hash()) {
            return Ok(proposed(&standing));
        }
        self.gates.proposals.pass(name.clone(), now)?;
        let mut proposal = Proposal {
            id: draft.hash(),
            manifest: draft.encoded(),
            root_vault: message.root_vault,
            effective_at: None,
            proof: message.proof,
        };
        match draft.step() {
            Step::EvictsAll if proposal.root_vault.is_empty() => {
                return Err(Refusal::malformed("evicting all devices takes a new root vault").into());
            }
            // REL-62
            Step::EvictsAll => {
                proposal.effective_at = Some(now.plus_millis(self.settings.eviction_grace_ms));
            }
            Step::Adds if draft.needs_countersignature() => {}
            Step::Adds | Step::AddsNone => {
                proposal.effective_at = Some(now);
                self.drop_proposal(&name, false)?;
                let manifest = draft.finish().map_err(bad_manifest)?;
                self.install(&name, &current, &manifest, proposal.root_vault.clone())?;
                return Ok(proposed(&proposal));
            }
        }
        self.drop_proposal(&name, false)?;
        self.storage.put_proposal(&name, &proposal)?;
        self.evictions.extend(proposal.effective_at.map(|at| (at, name.clone())));
        self.tell_devices(&name, proposal_message(&proposal))?;
        Ok(proposed(&proposal))
    }

    pub(super) fn withdraw(
        &mut self,
        caller: Caller,
        message: &relay::WithdrawProposal,
    ) -> Result<Reply, Failure> {
        let name = self.account_session(caller)?;
        self.end_proposal(&name, &message.proposal_id)
    }

    pub(super) fn reject(
        &mut self,
        caller: Caller,
        message: &relay::RejectProposal,
    ) -> Result<Reply, Failure> {
        let session = self.device_session(caller)?;
        self.end_proposal(&session.name, &message.proposal_id)
    }

    pub(super) fn confirm(
        &mut self,
        caller: Caller,
        message: &relay::ConfirmProposal,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let session = self.device_session(caller)?;
        self.gates.manifest_checks.pass(session.name.clone(), now)?;
        let proposal = self.storage.proposal(&session.name)?.ok_or(NO_PROPOSAL)?;
        let current = self.newest_manifest(&session.name)?;
        // REL-61
        let manifest = UnverifiedManifest::decode(&message.manifest)
            .and_then(|manifest| manifest.verify_next(&current))
            .map_err(bad_manifest)?;
        if manifest.hash() != proposal.id {
            return Err(NO_PROPOSAL.into());
        }
        if manifest.countersigner() != Some(session.device.id) {
            return Err(Refusal::new(ErrorCode::BadSignature, "countersigned by another device").into());
        }
        self.forget_proposal(&session.name, &proposal)?;
        self.tell_proposer(&session.name, &proposal, true);
        self.install(&session.name, &current, &manifest, proposal.root_vault)?;
        Ok(ok())
    }

    /// Installs the evicting proposals whose grace is over.
    pub(super) fn evict_due(&mut self, now: Timestamp) -> Result<(), Failure> {
        while let Some((at, name)) = self.evictions.first().cloned().filter(|(at, _)| *at <= now) {
            self.evictions.remove(&(at, name.clone()));
            // REL-62: the time stands with the proposal, so neither a restart nor another proposal shortens it.
            let Some(proposal) =
                self.storage.proposal(&name)?.filter(|stands| stands.effective_at == Some(at))
            else {
                continue;
            };
            let current = self.newest_manifest(&name)?;
            let manifest = UnverifiedManifest::decode(&proposal.manifest)
                .and_then(|manifest| manifest.verify_next(&current));
            self.forget_proposal(&name, &proposal)?;
            self.tell_proposer(&name, &proposal, manifest.is_ok());
            match manifest {
                Ok(manifest) => self.install(&name, &current, &manifest, proposal.root_vault)?,
                // Nothing else changes a manifest while a proposal stands, so this is a bug of ours; the account is unharmed.
                Err(error) => {
                    tracing::error!(%error, "a proposal that was good when it was made is not any more")
                }
            }
        }
        Ok(())
    }

    fn end_proposal(&mut self, name: &Name, id: &[u8]) -> Result<Reply, Failure> {
        let standing = self.storage.proposal(name)?.filter(|standing| standing.id == id);
        if standing.is_none() {
            return Err(NO_PROPOSAL.into());
        }
        self.drop_proposal(name, true)?;
        Ok(ok())
    }

    /// Ends what stands, if anything does.
    pub(super) fn drop_proposal(&mut self, name: &Name, tell_devices: bool) -> Result<(), Failure> {
        let Some(proposal) = self.storage.proposal(name)? else {
            return Ok(());
        };
        self.forget_proposal(name, &proposal)?;
        self.tell_proposer(name, &proposal, false);
        if tell_devices {
            self.tell_devices(name, relay::Proposal::default())?;
        }
        Ok(())
    }

    pub(super) fn forget_proposal(&mut self, name: &Name, proposal: &Proposal) -> Result<(), Failure> {
        self.storage.delete_proposal(name)?;
        if let Some(at) = proposal.effective_at {
            self.evictions.remove(&(at, name.clone()));
        }
        Ok(())
    }

    /// REL-63: all of it in one transaction.
    fn install(
        &mut self,
        name: &Name,
        current: &Manifest,
        manifest: &Manifest,
        root_vault: Vec<u8>,
    ) -> Result<(), Failure> {
        let mut account = self.storage.account(name)?.ok_or(StorageError::Damaged("account"))?;
        account.manifest_version = manifest.version();
        if !root_vault.is_empty() {
            account.root_vault = root_vault;
        }
        self.storage.put_account(name, &account)?;
        self.storage.put_manifest(name, manifest.version(), manifest.encoded())?;
        for certificate in manifest.devices() {
            if current.device(&certificate.device_id()).is_none() {
                self.join(name, certificate)?;
            }
        }
        for certificate in manifest.removed_since(current) {
            if let Some(device) = self.storage.device(name, &certificate.device_id())? {
                self.storage.delete_device(name, &device)?;
                self.mailboxes.remove(&device.mailbox);
                if let Some(connection) = self.serving.get(&device.mailbox).copied() {
                    self.end(connection, REMOVED);
                }
            }
        }
        self.tell_devices(name, relay::Proposal::default())
    }

    pub(super) fn newest_manifest(&self, name: &Name) -> Result<Manifest, Failure> {
        let damaged = StorageError::Damaged("account");
        let Some(account) = self.storage.account(name)? else {
            return Err(damaged.into());
        };
        let Some(encoded) = self.storage.manifests(name, account.manifest_version, 1)?.pop() else {
            return Err(damaged.into());
        };
        let manifest =
            UnverifiedManifest::decode(&encoded).and_then(|manifest| manifest.verify_alone(None, None));
        Ok(manifest.map_err(|_| damaged)?)
    }

    /// REL-64: tells the account's connected devices what stands.
    fn tell_devices(&mut self, name: &Name, message: relay::Proposal) -> Result<(), Failure> {
        for device in self.storage.devices(name)? {
            if let Some(connection) = self.serving.get(&device.mailbox).copied() {
                self.push(connection, Reply::Proposal(message.clone()));
            }
        }
        Ok(())
    }

    fn tell_proposer(&mut self, name: &Name, proposal: &Proposal, accepted: bool) {
        for connection in self.account_sessions.get(name).cloned().unwrap_or_default() {
            let decided = relay::ProposalDecided { proposal_id: proposal.id.to_vec(), accepted };
            self.push(connection, Reply::ProposalDecided(decided));
        }
    }
}

fn proposed(proposal: &Proposal) -> Reply {
    Reply::ProposeManifestOk(relay::ProposeManifestOk {
        proposal_id: proposal.id.to_vec(),
        effective_at_ms: proposal.effective_at.map_or(0, Timestamp::as_millis),
    })
}

/// A standing proposal, as devices get it.
pub(super) fn proposal_message(proposal: &Proposal) -> relay::Proposal {
    relay::Proposal {
        proposal_id: proposal.id.to_vec(),
        manifest: proposal.manifest.clone(),
        effective_at_ms: proposal.effective_at.map_or(0, Timestamp::as_millis),
        proof: proposal.proof.clone(),
    }
}

pub(super) fn bad_manifest(error: ManifestError) -> Refusal {
    use ManifestError as E;
    match error {
        E::Malformed | E::Format(_) | E::NoDevice | E::DeviceOrder | E::Certificate(_) => {
            Refusal::malformed("not a manifest of a form that this relay knows")
        }
        E::TooLarge | E::TooManyDevices => Refusal::new(ErrorCode::TooLarge, "too many devices"),
        E::WrongAddress => Refusal::malformed("the manifest is for another address"),
        E::Gap { .. } | E::Older { .. } | E::Fork(_) | E::WrongPrevious | E::NotFirst(_) => {
            Refusal::new(ErrorCode::Conflict, "the manifest does not continue the newest one")
        }
        E::IdentityChanged
        | E::BadSignature
        | E::CountersignatureMissing
        | E::CountersignerUnknown
        | E::BadCountersignature => {
            Refusal::new(ErrorCode::BadSignature, "a signature is missing or does not hold")
        }
    }
}
