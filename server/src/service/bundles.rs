//! Handing out prekeys: each one-time key once, to whoever shows a live address of the account.

use wheesht_core::{
    proto::{
        ids::{DeviceId, MailboxId},
        relay::{self, relay_frame::Body as Reply},
    },
    signed::UnverifiedPrekey,
    time::Timestamp,
};

use super::{Caller, Failure, Service, refusal::Refusal, registration::address};
use crate::storage::{OneTimeKind, SingleKind, Storage, Target};

impl<S: Storage> Service<S> {
    pub(super) fn fetch_bundle(
        &mut self,
        caller: Caller,
        message: &relay::FetchBundle,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        self.require_anonymous(caller)?;
        let address = address(&message.address)?;
        let device_id = DeviceId::try_from(&*message.device_id)
            .map_err(|_| Refusal::malformed("a device id has 16 bytes"))?;
        self.gates.bundles_per_network.pass(caller.network, now)?;
        // REL-46
        let Some(Target::Request { name } | Target::Device { name, .. }) = self.storage.target(&address)?
        else {
            return Err(Refusal::not_found("no such address").into());
        };
        self.gates.bundles_per_address.pass(address, now)?;
        let no_device = Refusal::not_found("the account has no such device");
        let mailbox = self.storage.device(&name, &device_id)?.ok_or(no_device)?.mailbox;
        let no_prekeys = Refusal::not_found("the device has not uploaded prekeys yet");
        let signed = self.storage.single_prekey(&mailbox, SingleKind::Signed)?.ok_or(no_prekeys)?;
        let last_resort =
            self.storage.single_prekey(&mailbox, SingleKind::LastResortKem)?.ok_or(no_prekeys)?;
        // REL-41: gone from the storage in the transaction that this answer waits for.
        let one_time = self.take_one_time(&mailbox, OneTimeKind::Curve, now)?;
        let kem = self.take_one_time(&mailbox, OneTimeKind::Kem, now)?;
        Ok(Reply::Bundle(relay::Bundle {
            signed_prekey: signed,
            one_time: one_time.unwrap_or_default(),
            kem: kem.unwrap_or(last_resort),
        }))
    }

    /// The oldest one-time prekey that has not expired; those that have are dropped, since nobody may encrypt to them.
    fn take_one_time(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, Failure> {
        // At most as many as a device may have here.
        while let Some(prekey) = self.storage.take_one_time_prekey(mailbox, kind)? {
            if UnverifiedPrekey::decode(&prekey).is_ok_and(|prekey| prekey.expires() > now) {
                return Ok(Some(prekey));
            }
        }
        Ok(None)
    }
}
