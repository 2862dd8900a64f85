//! The engine's part of a debug bundle: phases, counts and settings, and nothing that says who anybody is.
//!
//! **Only words of ours and numbers.** No name, address, text, key or id gets in, since a person attaches this to a bug report that
//! everyone can read: relays are numbered, people counted. What a frontend's driver knows besides (files, connections, the last
//! lines of its journal) it puts below.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use wheesht_proto::{limits::PROTOCOL_VERSION, stored};

use super::{
    Ctx, EngineError, account,
    events::MAX_EVENTS,
    links, messaging, people,
    tables::{
        CONVERSATION_LIST, EVENT_COUNTS, HELD, LANE_LIST, OWN_MANIFESTS, PROPOSAL, RECEIPTS, REPAIRS,
        WAITING_LANES,
    },
};
use crate::{
    api::{Phase, StopReason},
    store::{Direction, SCHEMA_VERSION, Table},
};

const HEAD: &str = "Wheesht: a debug bundle, made for a report of something that went wrong.
It holds no names, addresses, texts, keys or ids. Read it before you give it away.
";

/// What stands under `""` in these tables is counted.
const COUNTED: [(&str, Table); 8] = [
    ("conversations", CONVERSATION_LIST),
    ("people ever written to", LANE_LIST),
    ("people something waits for", WAITING_LANES),
    ("people receipts wait for", RECEIPTS),
    ("envelopes held for senders not known yet", HELD),
    ("repairs remembered", REPAIRS),
    ("own lists of devices", OWN_MANIFESTS),
    ("requests of a device to join", PROPOSAL),
];

/// The engine's part of the text.
pub(super) fn bundle(ctx: &mut Ctx<'_, '_>) -> Result<String, EngineError> {
    let mut text = Text(HEAD.to_owned());
    text.title("version");
    text.line("wheesht", env!("CARGO_PKG_VERSION"));
    text.line("protocol", PROTOCOL_VERSION);
    text.line("store's schema", SCHEMA_VERSION);
    text.line("system", format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));

    text.title("installation");
    let status = account::status(ctx)?;
    text.line("phase", phase(&status.phase));
    text.line("logged in at its relay", status.online);
    text.line("messages that still have to go out", status.outbox);
    text.line("devices of the account", account::me(ctx)?.map_or(0, |me| me.manifest.devices().len()));
    text.line("read receipts", if messaging::read_receipts(ctx)? { "on" } else { "off" });

    text.title("counts");
    for (state, count) in people::count(ctx)? {
        text.line(format_args!("people, {state}"), count);
    }
    for (what, table) in COUNTED {
        text.line(what, ctx.tx.scan(table, b"", .., Direction::Forward, usize::MAX)?.len());
    }
    let events: stored::EventCounts = ctx.load(EVENT_COUNTS, b"", 0)?.unwrap_or_default();
    text.line("events told so far", events.last);
    text.line(format_args!("events not acknowledged (of {MAX_EVENTS} kept)"), events.last - events.acked);

    text.title("connections");
    let own = account::own_link(ctx)?.map(|link| link.relay);
    let mut relays = BTreeMap::new();
    for (link, state) in links::states(ctx) {
        let next = relays.len() + 1;
        let number = *relays.entry(link.relay.clone()).or_insert(next);
        let whose = if own.as_ref() == Some(&link.relay) { "the own relay" } else { "another's relay" };
        let role = match link.role {
            super::Role::Identified => "as this device",
            super::Role::Anonymous => "as nobody",
        };
        text.line(format_args!("relay {number}, {whose}, {role}"), state);
    }
    Ok(text.0)
}

fn phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Empty => "no account yet",
        Phase::Pending { .. } => "pending",
        Phase::Active => "active",
        Phase::Stopped { reason: StopReason::RolledBack } => "stopped: rolled back",
        Phase::Stopped { reason: StopReason::Rejected } => "stopped: rejected",
        Phase::Stopped { reason: StopReason::Removed } => "stopped: removed",
        Phase::Stopped { reason: StopReason::Deleted } => "stopped: deleted",
    }
}

struct Text(String);

impl Text {
    fn title(&mut self, title: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "\n[{title}]");
    }

    fn line(&mut self, what: impl fmt::Display, value: impl fmt::Display) {
        let _ = writeln!(self.0, "{what}: {value}");
    }
}
