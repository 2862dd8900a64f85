//! A relay's blobs over HTTP/1.1: connections that show nothing of the account, and what each status means.

use std::io;

use http_body_util::{BodyExt as _, Empty, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_LENGTH, HOST, RETRY_AFTER},
};
use hyper_util::rt::TokioIo;
use tokio::{task::JoinHandle, time::timeout};
use wheesht_proto::{address::RelayAddress, ids::BlobId};

use super::super::{connect, link::CONNECT_WITHIN, tls::Roots};
use crate::engine::{BlobFailure, LinkId, Role};

pub(super) const TICKET: &str = "wheesht-ticket";
pub(super) const LENGTH: &str = "wheesht-length";
pub(super) const DELETE_HASH: &str = "wheesht-delete-hash";
const DELETE_SECRET: &str = "wheesht-delete-secret";
pub(super) const OFFSET: &str = "wheesht-offset";
pub(super) const HASH: &str = "wheesht-hash";

/// A relay that is busy and doesn't say for how long (milliseconds).
const BUSY_MS: u32 = 5_000;

/// The longest that one may ask for (seconds).
const LONGEST_BUSY: u32 = 60 * 60;

/// What goes up.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A connection to a relay, for one order.
pub(super) struct Http {
    sender: SendRequest<Body>,
    host: String,
    /// Moves the bytes; ends with this.
    driver: JoinHandle<()>,
}

impl Drop for Http {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http {
    /// Connects as an anonymous link does.
    // FIL-14
    pub(super) async fn connect(relay: &RelayAddress, roots: &Roots) -> Result<Self, BlobFailure> {
        let link = LinkId { relay: relay.clone(), role: Role::Anonymous };
        let tls = connect::tls(&link, roots).map_err(|error| broken(&error))?;
        let stream = match timeout(CONNECT_WITHIN, connect::secure(relay, tls)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.untrusted => return Err(BlobFailure::Untrusted(error.reason)),
            Ok(Err(error)) => return Err(BlobFailure::Network(error.reason)),
            Err(_) => return Err(BlobFailure::Network(connect::ConnectError::no_answer(relay).reason)),
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer hears of it.
            let _ = connection.await;
        });
        Ok(Self { sender, host: relay.authority(), driver })
    }

    /// Asks, and waits for the beginning of the answer.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        id: &BlobId,
        action: &str,
        headers: &[(&str, String)],
        body: Body,
    ) -> Result<Response<Incoming>, BlobFailure> {
        self.sender.ready().await.map_err(|error| broken(&error))?;
        let path = format!("/v1/blobs/{id}{action}");
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(|error| broken(&error))?;
        self.sender.send_request(request).await.map_err(|error| broken(&error))
    }
}

/// Nothing goes up.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Reads to the end of an answer that says nothing, so that the connection serves again.
pub(super) async fn drain(response: Response<Incoming>) -> Result<(), BlobFailure> {
    let mut body = response.into_body();
    // A status has a few words with it.
    for _ in 0..64 {
        match body.frame().await {
            None => return Ok(()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken(&error)),
        }
    }
    Err(BlobFailure::Status(200))
}

/// A number among the headers.
pub(super) fn number(response: &Response<Incoming>, name: &str) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

/// How long the body is that follows.
pub(super) fn length(response: &Response<Incoming>) -> Option<u64> {
    number(response, CONTENT_LENGTH.as_str())
}

/// What a refusal means.
pub(super) fn refusal(response: &Response<Incoming>) -> BlobFailure {
    match response.status() {
        StatusCode::UNAUTHORIZED => BlobFailure::BadTicket,
        StatusCode::FORBIDDEN => BlobFailure::WrongSecret,
        StatusCode::NOT_FOUND => BlobFailure::Gone,
        StatusCode::CONFLICT => BlobFailure::Taken,
        StatusCode::PAYLOAD_TOO_LARGE => BlobFailure::RelayTooLarge,
        StatusCode::UNPROCESSABLE_ENTITY => BlobFailure::Garbled,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            let after = number(response, RETRY_AFTER.as_str()).and_then(|after| u32::try_from(after).ok());
            BlobFailure::Busy(after.map_or(BUSY_MS, |after| after.min(LONGEST_BUSY) * 1_000))
        }
        StatusCode::INSUFFICIENT_STORAGE => BlobFailure::NoRoom,
        status => BlobFailure::Status(status.as_u16()),
    }
}

/// The connection broke.
pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> BlobFailure {
    tracing::debug!(%error, "a transfer broke off");
    BlobFailure::Network("the connection to the relay broke".to_owned())
}

/// Bytes as they are written in headers.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Deletes a blob.
pub(super) async fn delete(
    relay: &RelayAddress,
    roots: &Roots,
    id: &BlobId,
    secret: &[u8; 32],
) -> Result<(), BlobFailure> {
    let mut http = Http::connect(relay, roots).await?;
    let response = http.ask(Method::DELETE, id, "", &[(DELETE_SECRET, hex(secret))], empty()).await?;
    match response.status() {
        StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
        _ => Err(refusal(&response)),
    }
}
