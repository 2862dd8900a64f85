//! Blobs over HTTP, on the port of the WebSocket. Who may do what is decided here; bytes go to and from the [`BlobStore`].
//!
//! ```text
//! POST   /v1/blobs/<id>         Ticket, Length, Delete-Hash   begins an upload            201, or 200 if it stands
//! HEAD   /v1/blobs/<id>         Ticket                        where does it stand?        200, Offset
//! PATCH  /v1/blobs/<id>         Ticket, Offset, bytes         goes on with it             204, Offset
//! POST   /v1/blobs/<id>/finish  Ticket, Hash                  makes it a blob, durably    204
//! GET    /v1/blobs/<id>         Range                         reads it                    200, 206
//! DELETE /v1/blobs/<id>         Delete-Secret                 deletes it                  204
//! ```
//!
//! Every header of these is written `Wheesht-…`, numbers in decimal, bytes in hex. Nobody shows who they are: a ticket was
//! got elsewhere. Memory is the same for a blob of any size: one step of 64 KiB for each transfer, and transfers are counted.

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream::try_unfold};
use sha2::{Digest, Sha256};
use tokio::{sync::oneshot, time::timeout};
use wheesht_core::{
    proto::{ids::BlobId, limits::DAY_MS},
    time::Timestamp,
};

use super::{
    admission::{Admission, Permit},
    listener::{Peer, Shared},
    room::Room,
    writer::{Input, clock},
};
use crate::{
    blobs::{BlobError, BlobStore, Stored, Upload},
    metrics::Metrics,
    service::Network,
};

/// Bytes of one step from or to the store.
const STEP: usize = 64 * 1024;
/// Transfers at once, in all and from one network. So many that slow ones from a hundred networks don't keep out the rest;
/// with the socket's buffers they take some 600 MB at worst.
const TRANSFERS: usize = 4096;
const TRANSFERS_PER_NETWORK: usize = 32;
/// An upload that nobody finished is deleted after this long.
const UPLOAD_LIFETIME_MS: u64 = DAY_MS;
/// How often what is over its time is looked for.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// What someone who finds no room, or an upload busy, is told to wait.
const RETRY_SECONDS: &str = "5";

const TICKET: &str = "wheesht-ticket";
const LENGTH: &str = "wheesht-length";
const DELETE_HASH: &str = "wheesht-delete-hash";
const DELETE_SECRET: &str = "wheesht-delete-secret";
const OFFSET: &str = "wheesht-offset";
const HASH: &str = "wheesht-hash";

/// The store, and what goes on in it.
pub(super) struct Blobs {
    store: Arc<dyn BlobStore>,
    /// Uploads that are being written to.
    busy: Mutex<HashSet<BlobId>>,
    transfers: Admission,
    lifetime_ms: u64,
    room: Arc<Room>,
    metrics: Arc<Metrics>,
}

impl Blobs {
    pub(super) fn new(
        store: Arc<dyn BlobStore>,
        lifetime: Duration,
        room: Arc<Room>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            store,
            busy: Mutex::default(),
            transfers: Admission::new(TRANSFERS, TRANSFERS_PER_NETWORK),
            lifetime_ms: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
            room,
            metrics,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<BlobId>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// REL-74: deletes what is over its time, now and every hour.
    pub(super) async fn sweep(self: Arc<Self>) {
        loop {
            let now = clock().as_millis();
            let begun_before = |lifetime| Timestamp::from_millis(now.saturating_sub(lifetime));
            let (blobs, uploads) = (begun_before(self.lifetime_ms), begun_before(UPLOAD_LIFETIME_MS));
            if let Err(Refused::Failed(error)) = self.run(move |store| store.expire(blobs, uploads)).await {
                tracing::warn!(%error, "blobs that are over their time can't be deleted");
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// Runs what blocks where it may.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn BlobStore) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, Refused> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&*store)).await {
            Ok(result) => Ok(result?),
            // The relay is going down.
            Err(_) => Err(Refused::Busy),
        }
    }
}

/// One upload is written by one request at a time. Free again when dropped.
struct Hold {
    id: BlobId,
    blobs: Arc<Blobs>,
}

impl Hold {
    fn of(id: BlobId, blobs: &Arc<Blobs>) -> Result<Self, Refused> {
        if blobs.lock().insert(id) { Ok(Self { id, blobs: Arc::clone(blobs) }) } else { Err(Refused::Busy) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.blobs.lock().remove(&self.id);
    }
}

/// What a request that writes has for itself. The work on the disk holds it too: it goes on when the client has hung up and the
/// request is dropped, and until it is done it counts, and nobody else writes there.
#[derive(Clone)]
struct Turn(#[expect(dead_code, reason = "held, not looked at")] Arc<(Option<Permit>, Hold)>);

impl Turn {
    fn of(id: BlobId, blobs: &Arc<Blobs>, permit: Option<Permit>) -> Result<Self, Refused> {
        Ok(Self(Arc::new((permit, Hold::of(id, blobs)?))))
    }
}

/// REL-77: why a request is not granted.
enum Refused {
    Malformed(&'static str),
    Missing,
    BadTicket,
    WrongSecret,
    WrongHash,
    TooLarge,
    NoRoom,
    Busy,
    /// The upload stands here.
    At(u64),
    /// The id is another's.
    Taken,
    /// The range begins behind the end.
    Range(u64),
    Failed(BlobError),
}

impl From<BlobError> for Refused {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Missing => Self::Missing,
            BlobError::NoRoom => Self::NoRoom,
            BlobError::Conflict => Self::Taken,
            BlobError::WrongHash => Self::WrongHash,
            BlobError::Io(_) => Self::Failed(error),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let retry = [(header::RETRY_AFTER, RETRY_SECONDS)];
        match self {
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, why).into_response(),
            Self::Missing => (StatusCode::NOT_FOUND, "no such blob").into_response(),
            Self::BadTicket => (StatusCode::UNAUTHORIZED, "this ticket isn't good for this").into_response(),
            Self::WrongSecret => (StatusCode::FORBIDDEN, "not the secret").into_response(),
            Self::WrongHash => {
                (StatusCode::UNPROCESSABLE_ENTITY, "not the bytes that were promised").into_response()
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "longer than was promised").into_response(),
            Self::NoRoom => (StatusCode::INSUFFICIENT_STORAGE, "no room for blobs").into_response(),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, retry, "busy").into_response(),
            Self::At(offset) => {
                (StatusCode::CONFLICT, at(offset), "the upload stands elsewhere").into_response()
            }
            Self::Taken => (StatusCode::CONFLICT, "something else stands there").into_response(),
            Self::Range(length) => {
                let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
                (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response()
            }
            Self::Failed(error) => {
                tracing::error!(%error, "the store of blobs failed");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

fn at(offset: u64) -> [(&'static str, String); 1] {
    [(OFFSET, offset.to_string())]
}

type Answer = Result<Response, Refused>;
type Relay = State<Arc<Shared>>;

/// The routes.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/blobs/{id}", get(download).head(probe).post(begin).patch(append).delete(delete))
        .route("/v1/blobs/{id}/finish", post(finish))
        .layer(from_fn(for_browsers))
}

/// REL-76: any page may ask, since there is nothing here that a browser would add by itself, as it does with cookies. And
/// what comes from here is never to run as part of a page.
async fn for_browsers(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, "wheesht-offset, content-range, content-length, retry-after");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    if preflight {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PATCH, DELETE");
        set(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "range, content-type, wheesht-ticket, wheesht-length, wheesht-delete-hash, wheesht-delete-secret, wheesht-offset, wheesht-hash",
        );
        set(header::ACCESS_CONTROL_MAX_AGE, "86400");
    }
    response
}

async fn begin(State(shared): Relay, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (id, blobs) = (blob_id(&id)?, &shared.blobs);
    let ticket: [u8; 32] = bytes(&headers, TICKET)?;
    let upload = Upload {
        length: number(&headers, LENGTH)?,
        begun: clock(),
        delete_hash: bytes(&headers, DELETE_HASH)?,
        ticket_hash: Sha256::digest(ticket).into(),
    };
    if upload.length == 0 {
        return Err(Refused::Malformed("a blob has a length"));
    }
    let turn = Turn::of(id, blobs, None)?;
    if let Some(stored) = blobs.run(move |store| store.find(&id)).await? {
        // REL-70: the same again, since the answer was lost.
        let same = Upload { begun: stored.upload.begun, ..upload } == stored.upload;
        return if same {
            Ok((StatusCode::OK, at(stored.have)).into_response())
        } else {
            Err(Refused::Taken)
        };
    }
    // REL-75: before the ticket is spent for nothing.
    if blobs.room.is_low() || !blobs.store.has_room(upload.length) {
        return Err(Refused::NoRoom);
    }
    let (reply, answer) = oneshot::channel();
    shared.inputs.send(Input::SpendBlobTicket { ticket, length: upload.length, reply });
    // REL-70
    match answer.await {
        Ok(true) => {}
        Ok(false) => return Err(Refused::BadTicket),
        Err(_) => return Err(Refused::Busy),
    }
    let begin = move |store: &dyn BlobStore| {
        let _turn = turn;
        store.begin(&id, &upload)
    };
    blobs.run(begin).await?;
    Ok((StatusCode::CREATED, at(0)).into_response())
}

/// What stands under an id, for someone who shows the ticket that it was begun with.
async fn upload_of(blobs: &Arc<Blobs>, id: BlobId, headers: &HeaderMap) -> Result<Stored, Refused> {
    let ticket: [u8; 32] = bytes(headers, TICKET)?;
    let stored = blobs.run(move |store| store.find(&id)).await?.ok_or(Refused::Missing)?;
    // REL-71. Both are hashes, so how long the comparison takes tells nothing about the ticket.
    let hash: [u8; 32] = Sha256::digest(ticket).into();
    if stored.upload.ticket_hash == hash { Ok(stored) } else { Err(Refused::BadTicket) }
}

async fn probe(State(shared): Relay, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (id, blobs) = (blob_id(&id)?, &shared.blobs);
    if headers.contains_key(TICKET) {
        let stored = upload_of(blobs, id, &headers).await?;
        return Ok(at(stored.have).into_response());
    }
    let stored = blobs.run(move |store| store.find(&id)).await?;
    let blob = stored.filter(|stored| stored.finished).ok_or(Refused::Missing)?;
    Ok(about(blob.have).into_response())
}

async fn append(
    State(shared): Relay,
    Extension(Peer(peer)): Extension<Peer>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let (id, blobs) = (blob_id(&id)?, Arc::clone(&shared.blobs));
    let permit = admit(&shared, peer, request.headers())?;
    let turn = Turn::of(id, &blobs, Some(permit))?;
    let stored = upload_of(&blobs, id, request.headers()).await?;
    let offset = number(request.headers(), OFFSET)?;
    // REL-71
    if stored.finished || stored.have != offset {
        return Err(Refused::At(stored.have));
    }
    // REL-7
    if blobs.room.is_low() {
        return Err(Refused::NoRoom);
    }
    let end = stored.upload.length;
    let mut writing = Writing { id, blobs, turn, at: offset, end, gathered: Vec::new() };
    let mut body = request.into_body().into_data_stream();
    // REL-78
    while let Ok(Some(Ok(part))) = timeout(shared.limits.write_timeout, body.next()).await {
        writing.take(&part).await?;
    }
    // However it ended: what came is kept, and the next one goes on from there.
    writing.flush().await?;
    Ok((StatusCode::NO_CONTENT, at(writing.at)).into_response())
}

/// Gathers what comes in small parts, and appends it in steps.
struct Writing {
    id: BlobId,
    blobs: Arc<Blobs>,
    turn: Turn,
    at: u64,
    end: u64,
    gathered: Vec<u8>,
}

impl Writing {
    async fn take(&mut self, part: &[u8]) -> Result<(), Refused> {
        let behind = self.at + (self.gathered.len() + part.len()) as u64;
        if behind > self.end {
            return Err(Refused::TooLarge);
        }
        self.gathered.extend_from_slice(part);
        if self.gathered.len() >= STEP { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Refused> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let (id, at, gathered) = (self.id, self.at, std::mem::take(&mut self.gathered));
        self.at += gathered.len() as u64;
        self.blobs.metrics.blob_bytes_in.add(gathered.len() as u64);
        let turn = self.turn.clone();
        let append = move |store: &dyn BlobStore| {
            let _turn = turn;
            store.append(&id, at, &gathered)
        };
        self.blobs.run(append).await
    }
}

async fn finish(
    State(shared): Relay,
    Extension(Peer(peer)): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let (id, blobs) = (blob_id(&id)?, &shared.blobs);
    let turn = Turn::of(id, blobs, Some(admit(&shared, peer, &headers)?))?;
    let stored = upload_of(blobs, id, &headers).await?;
    let hash = bytes(&headers, HASH)?;
    if stored.finished {
        // REL-72: the same again, since the answer was lost.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if stored.have != stored.upload.length {
        return Err(Refused::At(stored.have));
    }
    let finish = move |store: &dyn BlobStore| {
        let _turn = turn;
        store.finish(&id, &hash)
    };
    blobs.run(finish).await?;
    blobs.metrics.blobs_finished.add(1);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn download(
    State(shared): Relay,
    Extension(Peer(peer)): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let (id, blobs) = (blob_id(&id)?, Arc::clone(&shared.blobs));
    let permit = admit(&shared, peer, &headers)?;
    let stored = blobs.run(move |store| store.find(&id)).await?;
    let length = stored.filter(|stored| stored.finished).ok_or(Refused::Missing)?.have;
    let range = match headers.get(header::RANGE) {
        Some(range) => range_of(range, length)?,
        None => None,
    };
    let (from, to) = range.unwrap_or((0, length));
    let reading = Reading { id, blobs, at: from, to, _permit: permit };
    let body = Body::from_stream(try_unfold(reading, Reading::step));
    let headers = about(to - from);
    if range.is_none() {
        return Ok((headers, body).into_response());
    }
    let part = [(header::CONTENT_RANGE, format!("bytes {from}-{}/{length}", to - 1))];
    Ok((StatusCode::PARTIAL_CONTENT, headers, part, body).into_response())
}

/// A download on its way. It counts as one as long as it lives.
struct Reading {
    id: BlobId,
    blobs: Arc<Blobs>,
    at: u64,
    to: u64,
    _permit: Permit,
}

impl Reading {
    /// The next part. An error ends the connection, so that what is missing is not taken for the end.
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, &'static str> {
        let left = usize::try_from(self.to - self.at).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        let (id, at) = (self.id, self.at);
        let read = self.blobs.run(move |store| store.read(&id, at, left.min(STEP))).await;
        let part = read.map_err(|_| "the blob is gone")?;
        self.at += part.len() as u64;
        self.blobs.metrics.blob_bytes_out.add(part.len() as u64);
        Ok(Some((part.into(), self)))
    }
}

async fn delete(State(shared): Relay, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (id, blobs) = (blob_id(&id)?, &shared.blobs);
    let secret: [u8; 32] = bytes(&headers, DELETE_SECRET)?;
    let stored = blobs.run(move |store| store.find(&id)).await?.ok_or(Refused::Missing)?;
    // REL-74
    let hash: [u8; 32] = Sha256::digest(secret).into();
    if stored.upload.delete_hash != hash {
        return Err(Refused::WrongSecret);
    }
    blobs.run(move |store| store.delete(&id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// REL-78
fn admit(shared: &Shared, peer: IpAddr, headers: &HeaderMap) -> Result<Permit, Refused> {
    let network = Network::from(shared.client(peer, headers));
    shared.blobs.transfers.admit(network).ok_or(Refused::Busy)
}

/// What every blob's answer says. It never changes, so whoever has it may keep it.
fn about(length: u64) -> [(header::HeaderName, String); 4] {
    [
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CACHE_CONTROL, "private, immutable, max-age=86400".to_owned()),
    ]
}

fn blob_id(text: &str) -> Result<BlobId, Refused> {
    text.parse().map_err(|_| Refused::Malformed("a blob's id has 32 bytes, in lower-case hex"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Refused::Malformed("a header is missing"))
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, Refused> {
    text(headers, name)?.parse().map_err(|_| Refused::Malformed("a header is no number"))
}

/// Tickets, hashes and secrets are all as long as a blob's id, and written alike.
fn bytes(headers: &HeaderMap, name: &str) -> Result<[u8; 32], Refused> {
    let parsed: Result<BlobId, _> = text(headers, name)?.parse();
    parsed.map(|id| *id.as_bytes()).map_err(|_| Refused::Malformed("a header is not 32 bytes in hex"))
}

/// REL-73: one range, from its first byte to behind its last. Several, and other units, are answered with all of it, as HTTP
/// allows.
fn range_of(range: &HeaderValue, length: u64) -> Result<Option<(u64, u64)>, Refused> {
    let Some((first, last)) =
        range.to_str().ok().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(length)),
        (Ok(first), Err(_)) if last.is_empty() => (first, length),
        (Err(_), Ok(last)) if first.is_empty() && last > 0 => (length.saturating_sub(last), length),
        _ => return Ok(None),
    };
    if range.0 < length { Ok(Some(range)) } else { Err(Refused::Range(length)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them_rel_73() {
        let of = |text: &'static str| range_of(&HeaderValue::from_static(text), 10).ok().flatten();
        assert_eq!(of("bytes=0-0"), Some((0, 1)));
        assert_eq!(of("bytes=3-"), Some((3, 10)));
        assert_eq!(of("bytes=-4"), Some((6, 10)));
        assert_eq!(of("bytes=-40"), Some((0, 10)));
        assert_eq!(of("bytes=8-99999999999999999999"), None);
        assert_eq!(of("bytes=8-18446744073709551615"), Some((8, 10)));
        for whole in ["bytes=5-4", "bytes=1-2,4-5", "lines=1-2", "bytes=", "bytes=-", "bytes=-0", "5-6"] {
            assert_eq!(of(whole), None, "{whole}");
        }
        let behind = range_of(&HeaderValue::from_static("bytes=10-"), 10);
        assert!(matches!(behind, Err(Refused::Range(10))));
    }
}
