//! This account and device: the row that says how far this installation is, and [`Me`], what the other modules use of it.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    rc::Rc,
};

use wheesht_proto::{
    account::VaultOwn,
    address::{Address, RelayAddress},
    ids::{AccountId, DepositAddress, DeviceId, RecordId},
    stored::{self, AccountPhase},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    super::{
        Ctx, EngineError,
        io::{LinkId, Role},
        tables::{ACCOUNT, OWN_MANIFESTS},
    },
    vault,
};
use crate::{
    api::{Error, ErrorCode},
    crypto::{dh::DhSecret, sign::SigningKey},
    signed::{
        DeviceCertificate, DeviceSigningKey, UnverifiedCertificate,
        manifest::{Manifest, UnverifiedManifest},
    },
};

/// This account and device, while active.
pub(crate) struct Me {
    /// With the relay's fingerprint, if it is known by one.
    pub(crate) address: Address,
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) signing: DeviceSigningKey,
    pub(crate) dh: DhSecret,
    pub(crate) certificate: DeviceCertificate,
    /// The newest manifest known.
    pub(crate) manifest: Manifest,
    pub(crate) relay: RelayAddress,
    /// Where contacts reach this device.
    pub(crate) contact_address: DepositAddress,
    /// Where strangers reach the account.
    pub(crate) request_address: DepositAddress,
    /// What contacts read the address book with.
    pub(crate) profile_key: Zeroizing<[u8; 32]>,
    /// The address book's record.
    pub(crate) address_record: RecordId,
    /// Writes the address book.
    pub(super) address_write_key: SigningKey,
}

impl fmt::Debug for Me {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address: _,
            account,
            device,
            signing: _,
            dh: _,
            certificate: _,
            manifest: _,
            relay: _,
            contact_address: _,
            request_address: _,
            profile_key: _,
            address_record: _,
            address_write_key: _,
        } = self;
        f.debug_struct("Me").field("account", account).field("device", device).finish_non_exhaustive()
    }
}

/// The account's row. Its secrets are wiped on drop.
#[derive(Clone)]
pub(super) struct Row(stored::Account);

impl Row {
    pub(super) fn new(row: stored::Account) -> Self {
        Self(row)
    }

    /// Drops every secret, and what only a pending device needs.
    pub(super) fn clear_secrets(&mut self) {
        let stored::Account { signing_secret, dh_secret, state_key, old_state_key, register_finish, .. } =
            &mut self.0;
        for secret in [signing_secret, dh_secret, state_key, old_state_key, register_finish] {
            secret.zeroize();
        }
    }
}

impl Deref for Row {
    type Target = stored::Account;

    fn deref(&self) -> &stored::Account {
        &self.0
    }
}

impl DerefMut for Row {
    fn deref_mut(&mut self) -> &mut stored::Account {
        &mut self.0
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.clear_secrets();
    }
}

/// This account and device; none unless it is in use.
pub(crate) fn me(ctx: &mut Ctx<'_, '_>) -> Result<Option<Rc<Me>>, EngineError> {
    if ctx.passing.account.me.is_none() {
        ctx.passing.account.me = match row(ctx)? {
            Some(row) if row.phase() == AccountPhase::Active => Some(Rc::new(build(ctx, &row)?)),
            _ => None,
        };
    }
    Ok(ctx.passing.account.me.clone())
}

/// The answer to a command that needs an account in use.
pub(crate) fn not_active(ctx: &mut Ctx<'_, '_>) -> Result<Error, EngineError> {
    let phase = row(ctx)?.map_or(AccountPhase::Unspecified, |row| row.phase());
    Ok(match phase {
        AccountPhase::Pending => {
            Error::new(ErrorCode::NotActive, "This device is not yet one of the account's.").next(
                "Confirm it on another of your devices, or wait until the time of the eviction has passed.",
            )
        }
        AccountPhase::Stopped => {
            Error::new(ErrorCode::NotActive, "This device is no longer one of the account's.")
                .next("Log in again to go on; what it has received stays readable.")
        }
        AccountPhase::Joining | AccountPhase::Active => {
            Error::new(ErrorCode::NotActive, "This device is still being set up.")
                .next("Try again in a moment.")
        }
        AccountPhase::Registering => Error::new(ErrorCode::NotActive, "The registration is still under way.")
            .next("Try again in a moment; it goes on by itself as soon as the relay is reachable."),
        AccountPhase::Unspecified => Error::new(ErrorCode::NoAccount, "There is no account here yet.")
            .next("Register, or log in to one that you have."),
    })
}

/// The account's identity and name, in every phase that has them: a device that was stopped still shows its history.
pub(crate) fn own_name(ctx: &mut Ctx<'_, '_>) -> Result<Option<(AccountId, String)>, EngineError> {
    if let Some(me) = me(ctx)? {
        return Ok(Some((me.account, me.address.name().to_string())));
    }
    let Some(row) = row(ctx)?.filter(|row| !row.identity.is_empty()) else { return Ok(None) };
    Ok(Some((account_id(&row)?, address(&row)?.name().to_string())))
}

/// The identified link to the own relay, once there is an account.
pub(crate) fn own_link(ctx: &mut Ctx<'_, '_>) -> Result<Option<LinkId>, EngineError> {
    let Some(row) = row(ctx)?.filter(|row| row.phase() != AccountPhase::Stopped) else { return Ok(None) };
    Ok(Some(identified(address(&row)?.relay())))
}

/// The link on which nobody says who they are.
pub(crate) fn anonymous_link(relay: &RelayAddress) -> LinkId {
    LinkId { relay: relay.clone(), role: Role::Anonymous }
}

pub(super) fn identified(relay: &RelayAddress) -> LinkId {
    LinkId { relay: relay.clone(), role: Role::Identified }
}

/// The account's row.
pub(super) fn row(ctx: &Ctx<'_, '_>) -> Result<Option<Row>, EngineError> {
    Ok(ctx.load(ACCOUNT, b"", 0)?.map(Row))
}

/// Writes the account's row; what was read of it before is read again.
pub(super) fn save_row(ctx: &mut Ctx<'_, '_>, row: &Row) {
    ctx.save(ACCOUNT, b"", 0, &row.0);
    ctx.passing.account.me = None;
}

pub(super) fn delete_row(ctx: &mut Ctx<'_, '_>) {
    ctx.tx.delete(ACCOUNT, b"", 0);
    ctx.passing.account.me = None;
}

pub(super) fn address(row: &Row) -> Result<Address, EngineError> {
    row.address.parse().map_err(|_| unreadable())
}

pub(super) fn account_id(row: &Row) -> Result<AccountId, EngineError> {
    AccountId::try_from(row.identity.as_slice()).map_err(|_| unreadable())
}

pub(super) fn signing_key(row: &Row) -> Result<DeviceSigningKey, EngineError> {
    let secret = row.signing_secret.as_slice().try_into().map_err(|_| unreadable())?;
    Ok(DeviceSigningKey::from_secret_bytes(secret))
}

/// An own manifest that was kept.
pub(super) fn manifest(ctx: &Ctx<'_, '_>, version: u64) -> Result<Option<Manifest>, EngineError> {
    let Some(encoded) = ctx.tx.get(OWN_MANIFESTS, b"", version)? else { return Ok(None) };
    let manifest = UnverifiedManifest::decode(&encoded).map_err(|_| unreadable())?;
    // Verified before it was kept.
    Ok(Some(manifest.assume_verified()))
}

fn build(ctx: &Ctx<'_, '_>, row: &Row) -> Result<Me, EngineError> {
    let address = address(row)?;
    let own = vault::own(ctx)?.ok_or_else(unreadable)?;
    let VaultOwn { profile_key, address_write_key, address_record, request_address, state_key_epoch: _ } =
        own;
    let (profile_key, address_write_key) = (Zeroizing::new(profile_key), Zeroizing::new(address_write_key));
    let write_key = address_write_key.as_slice().try_into().map_err(|_| unreadable())?;
    let signing = signing_key(row)?;
    let certificate = UnverifiedCertificate::decode(&row.certificate).map_err(|_| unreadable())?;
    Ok(Me {
        account: account_id(row)?,
        device: signing.device_id(),
        dh: DhSecret::restore(row.dh_secret.as_slice().try_into().map_err(|_| unreadable())?),
        // Made by this device itself.
        certificate: certificate.assume_verified(),
        manifest: manifest(ctx, row.manifest_version)?.ok_or_else(unreadable)?,
        relay: address.relay().clone(),
        contact_address: DepositAddress::try_from(row.contact_address.as_slice())
            .map_err(|_| unreadable())?,
        request_address: DepositAddress::try_from(request_address.as_slice()).map_err(|_| unreadable())?,
        profile_key: Zeroizing::new(profile_key.as_slice().try_into().map_err(|_| unreadable())?),
        address_record: RecordId::try_from(address_record.as_slice()).map_err(|_| unreadable())?,
        address_write_key: SigningKey::from_secret_bytes(write_key),
        signing,
        address,
    })
}

pub(super) const fn unreadable() -> EngineError {
    EngineError::Row { what: ACCOUNT.name() }
}

/// Makes this installation a device that no relay knows: for tests of other modules.
#[cfg(test)]
pub(crate) fn pose(
    ctx: &mut Ctx<'_, '_>,
    address: Address,
    signing: DeviceSigningKey,
    certificate: DeviceCertificate,
    manifest: Manifest,
) {
    ctx.passing.account.me = Some(Rc::new(Me {
        account: certificate.identity(),
        device: certificate.device_id(),
        signing,
        dh: DhSecret::from_secret_bytes(&[1; 32]),
        certificate,
        manifest,
        relay: address.relay().clone(),
        contact_address: DepositAddress::new([1; 16]),
        request_address: DepositAddress::new([2; 16]),
        profile_key: Zeroizing::new([3; 32]),
        address_record: RecordId::new([4; 32]),
        address_write_key: SigningKey::from_secret_bytes(&[5; 32]),
        address,
    }));
}
