//! REL-19: `/metrics` for the operator's monitoring, on a listener of its own, which takes nobody from outside the machine.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use tokio::{net::TcpListener, sync::watch};

use super::{StartError, Stop, until_stopped};
use crate::{blobs::BlobStore, metrics::Metrics};

/// Listens, and answers until the relay stops. Gives where.
pub(super) async fn start(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    blobs: Arc<dyn BlobStore>,
    stopped: watch::Receiver<Stop>,
) -> Result<SocketAddr, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::PublicMetrics(address));
    }
    let refused = |error| StartError::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let local = listener.local_addr().map_err(refused)?;
    let page = move || async move {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render(blobs.used()))
    };
    let router = Router::new().route("/metrics", get(page));
    tokio::spawn(until_stopped(stopped, async move {
        // It ends with the relay, and has no other end.
        let _ = axum::serve(listener, router).await;
    }));
    Ok(local)
}
