//! What of a group's talk may vanish at any moment: what waits and is looked at, and what is kept at hand so that the hundredth
//! message costs no more than its cryptography.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use wheesht_proto::ids::{ChainId, GroupId};

use super::{
    fanout::{Audience, Running},
    held::{Lack, News},
};
use crate::{
    protocol::group::{ChainSigner, ChainVerifier},
    time::Timestamp,
};

#[derive(Default)]
pub(super) struct Talk {
    /// Groups that something waits for.
    pub(super) lanes: BTreeMap<GroupId, Running>,
    /// Those to look at when the input has been dealt with.
    pub(super) look: BTreeSet<GroupId>,
    pub(super) audiences: BTreeMap<GroupId, Rc<Audience>>,
    pub(super) audience_number: u64,
    /// For which audience it was last seen that everyone has this chain, and nobody else.
    pub(super) served: BTreeMap<GroupId, (u64, ChainId)>,
    /// For which audience, and until when, every member's manifest counts as fresh.
    pub(super) confirmed: BTreeMap<GroupId, (u64, Timestamp)>,
    pub(super) signers: BTreeMap<GroupId, ChainSigner>,
    pub(super) verifiers: BTreeMap<ChainId, ChainVerifier>,
    /// Envelopes held: the number in the list of groups that hold some, and what each lacks.
    pub(super) held: BTreeMap<GroupId, (u64, Vec<(u64, Lack)>)>,
    /// Addresses that lead nowhere, and were looked for in vain.
    pub(super) strays: BTreeSet<Vec<u8>>,
    /// What has come that some of them may have waited for.
    pub(super) news: BTreeSet<(GroupId, News)>,
}
