//! Rows of devices: the device itself, its addresses and its prekeys.

use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, DeviceId, MailboxId},
    },
    store::backend::{Backend, KeyRange},
};

use super::{
    AddressKind, Device, Embedded, OneTimeKind, Prekeys, SingleKind, StorageError, Target,
    rows::{self, Key},
};

impl<B: Backend> Embedded<B> {
    pub(super) fn read_device(&self, name: &Name, id: &DeviceId) -> Result<Option<Device>, StorageError> {
        let row = self.unit.row::<rows::Device>(&Key::device(name, id), "device")?;
        row.map(|row| device(&row).ok_or(StorageError::Damaged("device"))).transpose()
    }

    pub(super) fn read_devices(&self, name: &Name) -> Result<Vec<Device>, StorageError> {
        let rows = self.unit.scan(&KeyRange::prefix(&Key::devices(name)), usize::MAX)?;
        let read = |value: &[u8]| device(&prost::Message::decode(value).ok()?);
        rows.iter().map(|(_, value)| read(value).ok_or(StorageError::Damaged("device"))).collect()
    }

    pub(super) fn write_device(&mut self, name: &Name, device: &Device) {
        let row = rows::Device {
            id: device.id.to_vec(),
            signing_key: device.signing_key.to_vec(),
            mailbox: device.mailbox.to_vec(),
        };
        self.unit.put_row(Key::device(name, &device.id), &row);
    }

    pub(super) fn remove_device(&mut self, name: &Name, device: &Device) -> Result<(), StorageError> {
        let mailbox = &device.mailbox;
        for address in self.read_addresses(mailbox)? {
            self.remove_address(&address, mailbox);
        }
        for (key, _) in self.unit.scan(&KeyRange::prefix(&Key::prekeys(mailbox)), usize::MAX)? {
            self.unit.delete(key);
        }
        self.unit.delete(Key::prekey_pool(mailbox));
        self.unit.delete(Key::statement(mailbox));
        self.unit.delete(Key::device(name, &device.id));
        self.unit.put(Key::removed(mailbox), Vec::new());
        Ok(())
    }

    pub(super) fn read_target(&self, address: &DepositAddress) -> Result<Option<Target>, StorageError> {
        let row = self.unit.row::<rows::Address>(&Key::address(address), "address")?;
        row.map(|row| target(&row).ok_or(StorageError::Damaged("address"))).transpose()
    }

    pub(super) fn write_request_address(&mut self, address: &DepositAddress, name: &Name) {
        let row = rows::Address { name: name.to_string(), mailbox: None, group: false };
        self.unit.put_row(Key::address(address), &row);
    }

    pub(super) fn write_address(
        &mut self,
        address: &DepositAddress,
        kind: AddressKind,
        name: &Name,
        device: &Device,
    ) {
        let row = rows::Address {
            name: name.to_string(),
            mailbox: Some(device.mailbox.to_vec()),
            group: kind == AddressKind::Group,
        };
        self.unit.put_row(Key::address(address), &row);
        self.unit.put(Key::device_address(&device.mailbox, address), Vec::new());
    }

    pub(super) fn remove_address(&mut self, address: &DepositAddress, mailbox: &MailboxId) {
        self.unit.delete(Key::address(address));
        self.unit.delete(Key::device_address(mailbox, address));
    }

    pub(super) fn read_addresses(&self, mailbox: &MailboxId) -> Result<Vec<DepositAddress>, StorageError> {
        let prefix = Key::device_addresses(mailbox);
        let rows = self.unit.scan(&KeyRange::prefix(&prefix), usize::MAX)?;
        let address = |key: &[u8]| DepositAddress::try_from(key.strip_prefix(&*prefix)?).ok();
        rows.iter().map(|(key, _)| address(key).ok_or(StorageError::Damaged("address"))).collect()
    }

    pub(super) fn read_pool(&self, mailbox: &MailboxId) -> Result<rows::Pool, StorageError> {
        Ok(self.unit.row(&Key::prekey_pool(mailbox), "prekeys")?.unwrap_or_default())
    }

    pub(super) fn write_single(
        &mut self,
        mailbox: &MailboxId,
        kind: SingleKind,
        id: u32,
        prekey: &[u8],
    ) -> Result<(), StorageError> {
        let mut pool = self.read_pool(mailbox)?;
        match kind {
            SingleKind::Signed => pool.signed = id,
            SingleKind::LastResortKem => pool.last_resort_kem = id,
        }
        self.unit.put_row(Key::prekey_pool(mailbox), &pool);
        self.unit.put(Key::single_prekey(mailbox, kind), prekey.to_vec());
        Ok(())
    }

    pub(super) fn add_one_time(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
        id: u32,
        prekey: &[u8],
    ) -> Result<(), StorageError> {
        let mut pool = self.read_pool(mailbox)?;
        let (count, highest) = pool.one_time_mut(kind);
        // REL-41
        if id <= *highest {
            return Ok(());
        }
        *highest = id;
        *count += 1;
        self.unit.put_row(Key::prekey_pool(mailbox), &pool);
        self.unit.put(Key::one_time_prekey(mailbox, kind, id), prekey.to_vec());
        Ok(())
    }

    pub(super) fn take_one_time(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let range = KeyRange::prefix(&Key::one_time_prekeys(mailbox, kind));
        let Some((key, prekey)) = self.unit.scan(&range, 1)?.pop() else {
            return Ok(None);
        };
        let mut pool = self.read_pool(mailbox)?;
        let (count, _) = pool.one_time_mut(kind);
        *count = count.saturating_sub(1);
        self.unit.put_row(Key::prekey_pool(mailbox), &pool);
        self.unit.delete(key);
        Ok(Some(prekey))
    }
}

impl rows::Pool {
    pub(super) fn counts(&self) -> Prekeys {
        Prekeys {
            signed: self.signed,
            last_resort_kem: self.last_resort_kem,
            one_time: self.one_time,
            one_time_kem: self.one_time_kem,
        }
    }

    /// Count and highest id.
    fn one_time_mut(&mut self, kind: OneTimeKind) -> (&mut u32, &mut u32) {
        match kind {
            OneTimeKind::Curve => (&mut self.one_time, &mut self.highest_one_time),
            OneTimeKind::Kem => (&mut self.one_time_kem, &mut self.highest_one_time_kem),
        }
    }
}

fn device(row: &rows::Device) -> Option<Device> {
    Some(Device {
        id: DeviceId::try_from(&*row.id).ok()?,
        signing_key: (&*row.signing_key).try_into().ok()?,
        mailbox: MailboxId::try_from(&*row.mailbox).ok()?,
    })
}

fn target(row: &rows::Address) -> Option<Target> {
    let name = row.name.parse().ok()?;
    Some(match &row.mailbox {
        None => Target::Request { name },
        Some(mailbox) => Target::Device {
            name,
            mailbox: MailboxId::try_from(&**mailbox).ok()?,
            kind: if row.group { AddressKind::Group } else { AddressKind::Contact },
        },
    })
}
