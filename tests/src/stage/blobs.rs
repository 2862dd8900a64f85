//! Files and blobs of a stage: what the driver would move, in memory and at once. What crosses the network byte by byte is for the tests of
//! the whole stack.

use std::collections::BTreeMap;

use wheesht_core::{
    engine::{BlobFailure, BlobOrder, BlobReport, Looked, Source, Target},
    proto::{address::RelayAddress, ids::BlobId},
    protocol::attachment::Hasher,
};

/// See the module.
#[derive(Default)]
pub struct Blobs {
    /// Files that can be sent, by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Blobs, by relay and id: the content, and the hash of what deletes it.
    stored: BTreeMap<(String, BlobId), (Vec<u8>, [u8; 32])>,
    /// Names of the orders, in their order.
    pub orders: Vec<&'static str>,
    /// Answers to orders of these names, instead of what would come of them.
    pub failures: Vec<(&'static str, BlobFailure)>,
}

impl Blobs {
    /// How many blobs lie on relays.
    pub fn stored(&self) -> usize {
        self.stored.len()
    }

    pub(super) fn carry_out(&mut self, order: BlobOrder) -> BlobReport {
        let name = order.name();
        self.orders.push(name);
        if let Some(at) = self.failures.iter().position(|(of, _)| *of == name) {
            return BlobReport::Failed(self.failures.remove(at).1);
        }
        self.try_to(order).unwrap_or_else(BlobReport::Failed)
    }

    fn try_to(&mut self, order: BlobOrder) -> Result<BlobReport, BlobFailure> {
        Ok(match order {
            BlobOrder::Look(source) => {
                let (path, bytes) = self.read(source)?;
                let mut hasher = Hasher::default();
                hasher.update(&bytes);
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                let (digest, media_type) = (hasher.finish(), "text/plain".to_owned());
                BlobReport::Looked(Box::new(Looked { path, name, digest, media_type, picture: None }))
            }
            BlobOrder::Upload { blob, source, delete_hash, .. } => {
                let bytes = self.read(source)?.1;
                let mut hasher = Hasher::default();
                hasher.update(&bytes);
                if hasher.finish() != blob.digest {
                    return Err(BlobFailure::Changed);
                }
                self.stored.insert(key(&blob.relay, blob.id), (bytes, delete_hash));
                BlobReport::Uploaded
            }
            BlobOrder::Download { blob, target } => {
                let bytes = &self.stored.get(&key(&blob.relay, blob.id)).ok_or(BlobFailure::Gone)?.0;
                match target {
                    Target::Directory { directory, name } => {
                        let path = format!("{}/{name}", directory.as_deref().unwrap_or("/downloads"));
                        self.files.insert(path.clone(), bytes.clone());
                        BlobReport::Saved { path, media_type: None }
                    }
                    Target::Memory => BlobReport::Fetched(bytes.clone().into()),
                }
            }
            BlobOrder::Delete { relay, id, secret } => {
                use sha2::Digest as _;
                let key = key(&relay, id);
                let hash: [u8; 32] = sha2::Sha256::digest(secret).into();
                if self.stored.get(&key).ok_or(BlobFailure::Gone)?.1 != hash {
                    return Err(BlobFailure::WrongSecret);
                }
                self.stored.remove(&key);
                BlobReport::Deleted
            }
            BlobOrder::Erase { path } => {
                self.files.remove(&path);
                BlobReport::Deleted
            }
            BlobOrder::Discard { .. } => BlobReport::Deleted,
        })
    }

    fn read(&self, source: Source) -> Result<(String, Vec<u8>), BlobFailure> {
        match source {
            Source::Path { path, .. } => match self.files.get(&path) {
                Some(bytes) => Ok((path, bytes.clone())),
                None => Err(BlobFailure::Source(format!("there is no file {path}"))),
            },
            Source::Bytes(bytes) => Ok((String::new(), bytes.to_vec())),
        }
    }
}

fn key(relay: &RelayAddress, id: BlobId) -> (String, BlobId) {
    (relay.authority(), id)
}
