//! `wheesht rpc`: the whole API for programs in any language, as JSON-RPC 2.0 with one object a line.
//!
//! ```text
//!  program A ──lines──▶ connection ─┐                      ┌─▶ answers, in the order of their work
//!  program B ──lines──▶ connection ─┼──requests──▶ client ─┤
//!     …       ◀─events─  (its own   ┘                      └─▶ events ──▶ hub: kept until every subscriber
//!             answers)    pace)                                           has acknowledged them
//! ```
//!
//! Methods, parameters and results are those of `wheesht_core::api`, and `--describe` prints them as OpenRPC; besides, there are
//! `subscribe`, `unsubscribe`, `ack` and `rpc.discover`, which belong to the transport. An event is acknowledged to the core only
//! when all who were given it have said that they dealt with it: a program that dies with an event in its hand gets it again.

mod connection;
mod describe;
mod hub;
mod message;
#[cfg(unix)]
mod socket;

use std::{path::PathBuf, sync::Arc};

use crate::{
    args::Global,
    exit::{Failure, Result},
    output::Output,
    session::Session,
};
use describe::Methods;
use hub::Hub;

pub(crate) async fn run(
    global: &Global,
    out: Output,
    socket: Option<PathBuf>,
    stdio: bool,
    describe: bool,
) -> Result<()> {
    let methods = Arc::new(Methods::of_the_api());
    if describe {
        let document = serde_json::to_string_pretty(methods.document()).map_err(std::io::Error::other)?;
        return out.raw(&document);
    }
    let session = Session::open(global, out).await?;
    let hub = Arc::new(Hub::new(session.client.clone()));
    let pump = tokio::spawn(hub.clone().pump());
    let stdio = (stdio || socket.is_none())
        .then(|| connection::serve(hub.clone(), methods.clone(), tokio::io::stdin(), tokio::io::stdout()));
    let result = match (socket, stdio) {
        (None, Some(stdio)) => stdio.await.map_err(Failure::from),
        (Some(path), None) => listen(path, hub, methods).await,
        (Some(path), Some(stdio)) => tokio::select! {
            ended = listen(path, hub.clone(), methods) => ended,
            ended = stdio => ended.map_err(Failure::from),
        },
        (None, None) => Ok(()),
    };
    pump.abort();
    session.client.close().await;
    result
}

#[cfg(unix)]
async fn listen(path: PathBuf, hub: Arc<Hub>, methods: Arc<Methods>) -> Result<()> {
    socket::listen(path, hub, methods).await
}

#[cfg(not(unix))]
async fn listen(_: PathBuf, _: Arc<Hub>, _: Arc<Methods>) -> Result<()> {
    Err(Failure::usage("This system has no Unix sockets.").next("Use wheesht rpc on its standard input."))
}
