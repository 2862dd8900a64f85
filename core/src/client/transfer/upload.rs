//! A file to its relay: from where the relay says that it stands.

use std::io;

use futures_util::{StreamExt as _, stream::poll_fn};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Method, StatusCode,
    body::{Bytes, Frame},
};
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    super::tls::Roots,
    Progress, blocking,
    http::{DELETE_HASH, HASH, Http, LENGTH, OFFSET, TICKET, drain, empty, hex, number, refusal},
    source::{self, Content},
};
use crate::{
    engine::{Blob, BlobFailure, Source},
    protocol::attachment::{Layout, Sealer},
};

/// Chunks that are sealed ahead of the network.
const AHEAD: usize = 2;

/// See the module.
pub(super) struct Upload {
    pub(super) blob: Blob,
    pub(super) source: Source,
    pub(super) ticket: [u8; 32],
    pub(super) delete_hash: [u8; 32],
}

impl Upload {
    pub(super) async fn run(self, roots: &Roots, progress: &Progress) -> Result<(), BlobFailure> {
        let Self { blob, source, ticket, delete_hash } = self;
        // FIL-7
        let content = blocking(move || source::open(&source)?.read()).await?;
        if content.digest() != blob.digest {
            return Err(BlobFailure::Changed);
        }
        let sealer = Sealer::new(&blob.key, &blob.digest).map_err(|_| BlobFailure::TooLarge)?;
        let length = sealer.layout().blob_len();
        let ticket = (TICKET, hex(&ticket));

        let mut http = Http::connect(&blob.relay, roots).await?;
        let begin = [ticket.clone(), (LENGTH, length.to_string()), (DELETE_HASH, hex(&delete_hash))];
        let begun = http.ask(Method::POST, &blob.id, "", &begin, empty()).await?;
        if !begun.status().is_success() {
            return Err(refusal(&begun));
        }
        let stands =
            number(&begun, OFFSET).filter(|offset| *offset <= length).ok_or(BlobFailure::Status(200))?;
        drain(begun).await?;

        let (pieces, mut outgoing) = mpsc::channel(AHEAD);
        let sealing = spawn_blocking(move || seal(content, &sealer, stands, &pieces));
        if stands < length {
            let (progress, size) = (progress.clone(), blob.digest.size);
            let mut at = stands;
            let body = poll_fn(move |task| outgoing.poll_recv(task)).map(move |piece: Bytes| {
                at += piece.len() as u64;
                progress.set(at.min(size));
                Ok::<_, io::Error>(Frame::data(piece))
            });
            let headers = [ticket.clone(), (OFFSET, stands.to_string())];
            let body = StreamBody::new(body).boxed_unsync();
            let appended = http.ask(Method::PATCH, &blob.id, "", &headers, body).await?;
            if appended.status() == StatusCode::CONFLICT && appended.headers().contains_key(OFFSET) {
                return Err(BlobFailure::Network(
                    "the upload stands elsewhere than the relay had said".to_owned(),
                ));
            }
            if !appended.status().is_success() {
                return Err(refusal(&appended));
            }
            let stands = number(&appended, OFFSET);
            drain(appended).await?;
            if stands != Some(length) {
                // The file could not be read to its end, or the connection took less.
                let sealed = sealing.await.unwrap_or(Err(BlobFailure::Changed));
                return Err(sealed.err().unwrap_or_else(incomplete));
            }
        } else {
            // Nothing is missing: what is sealed goes nowhere, for its hash alone.
            outgoing.close();
        }
        let hash = sealing.await.unwrap_or(Err(BlobFailure::Changed))?;
        let headers = [ticket, (HASH, hex(&hash))];
        let finished = http.ask(Method::POST, &blob.id, "/finish", &headers, empty()).await?;
        match finished.status() {
            status if status.is_success() => Ok(()),
            StatusCode::CONFLICT => Err(incomplete()),
            _ => Err(refusal(&finished)),
        }
    }
}

fn incomplete() -> BlobFailure {
    BlobFailure::Network("the relay has not got all of the file".to_owned())
}

/// Seals all of it, hands on what the relay doesn't have, and gives the hash of the whole blob. Everything is sealed again, also what is
/// there already: the same key and content give the same bytes.
fn seal(
    mut content: Content,
    sealer: &Sealer,
    stands: u64,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<[u8; 32], BlobFailure> {
    let (layout, mut hash, mut at) = (sealer.layout(), Sha256::new(), 0_u64);
    let mut pass = |piece: Vec<u8>| {
        hash.update(&piece);
        let skipped = usize::try_from(stands.saturating_sub(at)).unwrap_or(usize::MAX).min(piece.len());
        at += piece.len() as u64;
        let rest = Bytes::from(piece).slice(skipped..);
        if !rest.is_empty() && pieces.blocking_send(rest).is_err() {
            return Err(BlobFailure::Network("the connection to the relay broke".to_owned()));
        }
        Ok(())
    };
    pass(sealer.header().to_vec())?;
    let mut next = 0;
    content.chunks(|chunk, bytes| {
        next = chunk + 1;
        pass(sealer.seal(chunk, bytes).map_err(|_| BlobFailure::Changed)?)
    })?;
    // What follows the content is padding.
    for chunk in next..padded(&layout) {
        pass(sealer.seal(chunk, &[]).map_err(|_| BlobFailure::Changed)?)?;
    }
    Ok(hash.finalize().into())
}

fn padded(layout: &Layout) -> u32 {
    layout.chunks()
}
