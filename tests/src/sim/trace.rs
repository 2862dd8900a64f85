//! What a life looked like, line by line, when `SIM_TRACE` is set: to see why a seed failed.

use wheesht_core::{
    engine::{Effect, Input, RequestError},
    proto::relay::{client_frame, relay_frame},
    time::Timestamp,
};

use super::node::NodeId;

/// Writes lines, or doesn't.
pub(super) struct Trace {
    on: bool,
    begun: Timestamp,
}

impl Trace {
    pub(super) fn new(begun: Timestamp) -> Self {
        Self { on: std::env::var_os("SIM_TRACE").is_some(), begun }
    }

    /// One line about a device, made only if somebody reads it.
    #[expect(clippy::print_stderr, reason = "asked for by SIM_TRACE")]
    pub(super) fn line(&self, now: Timestamp, node: NodeId, what: impl FnOnce() -> String) {
        if self.on {
            eprintln!("{:>8} [{node}] {}", now.millis_since(self.begun), what());
        }
    }
}

pub(super) fn input(input: &Input) -> String {
    match input {
        Input::Start => "> start".to_owned(),
        Input::Command { id, request } => format!("> command {id} {}", shortened(request)),
        Input::AckEvents(id) => format!("> ack {}", id.0),
        Input::ReplayEvents { .. } => "> replay".to_owned(),
        Input::Link { link, event } => format!("> {:?} {event:?}", link.role),
        Input::Reply { token, result } => match result {
            Ok(body) => format!("> reply {token} {}", reply(body)),
            Err(RequestError::Lost) => format!("> reply {token} lost"),
            Err(RequestError::Refused(error)) => {
                format!("> reply {token} refused {:?} {}", error.code(), error.detail)
            }
        },
        Input::Push { body, .. } => format!("> push {}", reply(body)),
        Input::WorkDone { token, .. } => format!("> work done {token}"),
        Input::Blob { token, report } => format!("> blob {token} {report:?}"),
        Input::Tick => "> tick".to_owned(),
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Open(link) => format!("< open {:?}", link.role),
        Effect::Close(link) => format!("< close {:?}", link.role),
        Effect::Request { link, token, body } => format!("< {:?} {token} {}", link.role, request(body)),
        Effect::Work { token, .. } => format!("< work {token}"),
        Effect::Blob { token, order } => format!("< blob {token} {order:?}"),
        Effect::StopBlob { token } => format!("< stop blob {token}"),
        Effect::Respond { id, result } => format!("< respond {id} {}", shortened(result)),
        Effect::Event(event) => format!("< event {}", shortened(event)),
    }
}

fn reply(body: &relay_frame::Body) -> String {
    match body {
        relay_frame::Body::DepositResults(results) => {
            let codes: Vec<_> =
                results.results.iter().flat_map(|one| &one.addresses).map(|one| one.code()).collect();
            format!("deposited {codes:?}")
        }
        relay_frame::Body::Deliver(deliver) => {
            let id: String = deliver.envelope_id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            format!("deliver {id}")
        }
        body => shortened(body),
    }
}

fn request(body: &client_frame::Body) -> String {
    shortened(body)
}

fn shortened(what: &impl std::fmt::Debug) -> String {
    format!("{what:?}").chars().take(700).collect()
}
