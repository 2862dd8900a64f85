//! A relay that plays every trick that it can take back, at random: what it does to a life must leave no trace once it behaves.
//!
//! Each trick has a test that bears its name (`tests/tests/hostile_relay`); here they come together, in any order, while devices
//! and connections fail as well. What it *can't* take back, it doesn't do here: an envelope that it said it had stored and threw
//! away is lost, and no client can help it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use wheesht_core::proto::relay::{
    Bundle, Deliver, ErrorCode, LookupOk, Manifests, RecordOk, client_frame, relay_frame::Body,
};

use super::faults::{below, happens};
use crate::hostile::{Asked, Hostile, Victim, refusal};

/// What a random hostile relay keeps, to lie with.
pub struct Random {
    rng: ChaCha20Rng,
    /// Chance of a trick in a thousand, per kind.
    chances: [u32; 6],
    /// Whom it deceives; the others see a relay that works.
    victims: BTreeSet<Victim>,
    lookups: BTreeMap<String, Vec<LookupOk>>,
    records: BTreeMap<Vec<u8>, Vec<RecordOk>>,
    bundles: Vec<Bundle>,
    withheld: BTreeMap<Victim, VecDeque<Deliver>>,
}

impl Random {
    /// Tricks as the seed decides, on some of the first `people` devices.
    pub fn new(seed: u64, people: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x6057);
        let chances = std::array::from_fn(|_| (below(&mut rng, 2) * below(&mut rng, 200)) as u32);
        let victims = (0..people).filter(|_| below(&mut rng, 3) > 0).collect();
        Self {
            rng,
            chances,
            victims,
            lookups: BTreeMap::new(),
            records: BTreeMap::new(),
            bundles: Vec::new(),
            withheld: BTreeMap::new(),
        }
    }

    fn plays(&mut self, victim: Victim, trick: usize) -> bool {
        self.victims.contains(&victim) && happens(&mut self.rng, self.chances[trick])
    }

    fn any<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let which = below(&mut self.rng, from.len() as u64) as usize;
        from.get(which).cloned()
    }
}

impl Hostile for Random {
    fn asked(&mut self, victim: Victim, question: client_frame::Body) -> Asked {
        let opening = matches!(question, client_frame::Body::Hello(_) | client_frame::Body::DeviceLogin(_));
        if !opening && self.plays(victim, 0) {
            let codes = [
                ErrorCode::RateLimited,
                ErrorCode::Unavailable,
                ErrorCode::Internal,
                ErrorCode::QuotaExceeded,
            ];
            let code = self.any(&codes).unwrap_or(ErrorCode::Internal);
            return Asked::Answer(refusal(code, below(&mut self.rng, 5_000) as u32));
        }
        // It takes the ack, and delivers again all the same.
        if matches!(question, client_frame::Body::Ack(_)) && self.plays(victim, 1) {
            return Asked::Answer(Body::Ok(wheesht_core::proto::relay::Ok {}));
        }
        Asked::Serve(question)
    }

    fn answered(&mut self, victim: Victim, question: &client_frame::Body, answer: Body) -> Body {
        match (question, answer) {
            (client_frame::Body::Lookup(asked), Body::LookupOk(found)) => {
                let known = self.lookups.entry(asked.name.clone()).or_default();
                known.push(found.clone());
                let known = known.clone();
                let lie = self.plays(victim, 2).then(|| self.any(&known)).flatten();
                Body::LookupOk(lie.unwrap_or(found))
            }
            (_, Body::Manifests(list)) if self.plays(victim, 2) => {
                let shown = below(&mut self.rng, list.manifests.len() as u64 + 1) as usize;
                Body::Manifests(Manifests { manifests: list.manifests.into_iter().take(shown).collect() })
            }
            (client_frame::Body::GetRecord(asked), Body::RecordOk(found)) => {
                let known = self.records.entry(asked.id.clone()).or_default();
                known.push(found.clone());
                let known = known.clone();
                let lie = self.plays(victim, 3).then(|| self.any(&known)).flatten();
                Body::RecordOk(lie.unwrap_or(found))
            }
            (_, Body::Bundle(bundle)) => {
                self.bundles.push(bundle.clone());
                let known = self.bundles.clone();
                // Another device's keys. The same twice would do, too: what a stranger seals to keys that are gone is lost.
                let known: Vec<_> =
                    known.into_iter().filter(|one| one.signed_prekey != bundle.signed_prekey).collect();
                let lie = self.plays(victim, 4).then(|| self.any(&known)).flatten();
                Body::Bundle(lie.unwrap_or(bundle))
            }
            (_, answer) => answer,
        }
    }

    fn pushed(&mut self, victim: Victim, push: Body) -> Vec<Body> {
        let Body::Deliver(deliver) = push else { return vec![push] };
        let mut now = vec![deliver];
        if self.plays(victim, 5) {
            // Held back. The relay itself pushes it again with the next connection.
            self.withheld.entry(victim).or_default().extend(now.drain(..));
        } else if self.plays(victim, 5) {
            // Long after it was acknowledged, another's, or through another address.
            let others: Vec<_> = self.withheld.values().flatten().cloned().collect();
            now.extend(self.any(&others));
            let address = vec![below(&mut self.rng, 256) as u8; 16];
            let last = now.last().cloned();
            now.extend(last.map(|deliver| Deliver { address, ..deliver }));
        }
        now.into_iter().map(Body::Deliver).collect()
    }
}
