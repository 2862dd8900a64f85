//! Slow work, done outside the state machine: the stretching of a password inside OPAQUE.

use std::fmt;

use rand_core::CryptoRng;
use wheesht_proto::address::Address;

use crate::opaque::{Identifiers, KsfCost, LoggedIn, LoginFlow, OpaqueError, Registered, RegistrationFlow};

/// Slow work. Run it where it delays nobody, and feed the output back as [`super::super::Input::WorkDone`].
pub struct Job(Box<Inner>);

struct Inner {
    address: Address,
    response: Vec<u8>,
    flow: Flow,
}

enum Flow {
    Register(Box<RegistrationFlow>),
    LogIn(Box<LoginFlow>),
}

/// What came out of a [`Job`].
pub struct JobOutput(pub(super) Output);

pub(super) enum Output {
    Registered(Result<Registered, OpaqueError>),
    LoggedIn(Result<LoggedIn, OpaqueError>),
}

impl Job {
    pub(super) fn register(flow: Box<RegistrationFlow>, address: Address, response: Vec<u8>) -> Self {
        Self(Box::new(Inner { address, response, flow: Flow::Register(flow) }))
    }

    pub(super) fn log_in(flow: Box<LoginFlow>, address: Address, response: Vec<u8>) -> Self {
        Self(Box::new(Inner { address, response, flow: Flow::LogIn(flow) }))
    }

    /// Does the work: with [`KsfCost::SPEC`], about a tenth of a second of CPU and 64 MiB of memory. A simulation, which logs in
    /// ten thousand times, brings a cost of its own and a relay where nothing was ever registered with another.
    pub fn run(self, cost: KsfCost, rng: &mut dyn CryptoRng) -> JobOutput {
        let Inner { address, response, flow } = *self.0;
        let relay = address.relay().authority();
        let who = Identifiers { name: address.name(), relay: &relay };
        JobOutput(match flow {
            Flow::Register(flow) => Output::Registered(flow.finish(&response, who, cost, rng)),
            Flow::LogIn(flow) => Output::LoggedIn(flow.finish(&response, who, cost, rng)),
        })
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

impl fmt::Debug for JobOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("JobOutput").finish_non_exhaustive()
    }
}
