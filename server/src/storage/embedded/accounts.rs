//! Rows of accounts and their proposals.

use wheesht_core::{
    proto::{address::Name, ids::DepositAddress},
    store::backend::{Backend, KeyRange},
    time::Timestamp,
};

use super::{
    Account, Allowance, Embedded, Proposal, StorageError,
    rows::{self, Key},
};

impl<B: Backend> Embedded<B> {
    pub(super) fn read_account(&self, name: &Name) -> Result<Option<Account>, StorageError> {
        let Some(row) = self.unit.row::<rows::Account>(&Key::account(name), "account")? else {
            return Ok(None);
        };
        Ok(Some(Account {
            password_file: row.password_file,
            root_vault: row.root_vault,
            request_address: DepositAddress::try_from(&*row.request_address)
                .map_err(|_| StorageError::Damaged("account"))?,
            manifest_version: row.manifest_version,
            records: row.records,
        }))
    }

    pub(super) fn write_account(&mut self, name: &Name, account: &Account) {
        let row = rows::Account {
            password_file: account.password_file.clone(),
            root_vault: account.root_vault.clone(),
            request_address: account.request_address.to_vec(),
            manifest_version: account.manifest_version,
            records: account.records,
        };
        self.unit.put_row(Key::account(name), &row);
    }

    pub(super) fn remove_account(&mut self, name: &Name) -> Result<(), StorageError> {
        if let Some(account) = self.read_account(name)? {
            self.unit.delete(Key::address(&account.request_address));
        }
        for (key, _) in self.unit.scan(&KeyRange::prefix(&Key::manifests(name)), usize::MAX)? {
            self.unit.delete(key);
        }
        for key in [Key::account(name), Key::proposal(name), Key::allowance(name)] {
            self.unit.delete(key);
        }
        Ok(())
    }

    pub(super) fn read_allowance(&self, name: &Name) -> Result<Option<Allowance>, StorageError> {
        let row = self.unit.row::<rows::Allowance>(&Key::allowance(name), "allowance")?;
        Ok(row.map(|rows::Allowance { day, record_tickets, blob_tickets, blob_bytes }| Allowance {
            day,
            record_tickets,
            blob_tickets,
            blob_bytes,
        }))
    }

    pub(super) fn write_allowance(&mut self, name: &Name, allowance: &Allowance) {
        let Allowance { day, record_tickets, blob_tickets, blob_bytes } = *allowance;
        let row = rows::Allowance { day, record_tickets, blob_tickets, blob_bytes };
        self.unit.put_row(Key::allowance(name), &row);
    }

    pub(super) fn read_proposal(&self, name: &Name) -> Result<Option<Proposal>, StorageError> {
        let Some(row) = self.unit.row::<rows::Proposal>(&Key::proposal(name), "proposal")? else {
            return Ok(None);
        };
        Ok(Some(Proposal {
            id: row.id.try_into().map_err(|_| StorageError::Damaged("proposal"))?,
            manifest: row.manifest,
            root_vault: row.root_vault,
            effective_at: row.effective_at_ms.map(Timestamp::from_millis),
            proof: row.proof,
        }))
    }

    pub(super) fn write_proposal(&mut self, name: &Name, proposal: &Proposal) {
        let row = rows::Proposal {
            id: proposal.id.to_vec(),
            manifest: proposal.manifest.clone(),
            root_vault: proposal.root_vault.clone(),
            effective_at_ms: proposal.effective_at.map(Timestamp::as_millis),
            proof: proposal.proof.clone(),
        };
        self.unit.put_row(Key::proposal(name), &row);
    }

    pub(super) fn read_evictions(&self) -> Result<Vec<(Timestamp, Name)>, StorageError> {
        let prefix = Key::proposals();
        let mut due = Vec::new();
        for (key, _) in self.unit.scan(&KeyRange::prefix(&prefix), usize::MAX)? {
            let name = key.strip_prefix(&*prefix).and_then(|name| std::str::from_utf8(name).ok());
            let name: Name =
                name.and_then(|name| name.parse().ok()).ok_or(StorageError::Damaged("proposal"))?;
            if let Some(at) = self.read_proposal(&name)?.and_then(|proposal| proposal.effective_at) {
                due.push((at, name));
            }
        }
        Ok(due)
    }
}
