//! One client's connection: its messages become requests for the writer, and the writer's outputs become messages.
//!
//! A client may have so many requests under way; while it has, no more is read from it (REL-11). Not every request is answered,
//! so what the writer has not taken yet is counted apart. Answers and pushes are
//! written as they come, gathered into few packets; a client that takes nothing for too long is cut off.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::{SinkExt, StreamExt};
use prost::{Message as _, bytes::Bytes};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use wheesht_core::proto::{
    limits::{MAX_FRAME, MAX_IN_FLIGHT},
    relay::{self, ErrorCode, RelayFrame, relay_frame::Body as Reply},
};

use super::{
    Stop,
    admission::Permit,
    listener::Shared,
    outlet::{self, Downstream, Intake},
    writer::{Input, clock},
};
use crate::service::{ConnectionId, Network, Request};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Bytes gathered before the socket is flushed. Few, since the time that a client has to take something is for these.
const GATHER: usize = 64 * 1024;

/// Bytes of unanswered requests, and of their answers where those are large, after which no more is read: two of the largest.
const MAX_BYTES_IN_FLIGHT: usize = 2 * MAX_FRAME;

/// Whether the connection goes on.
enum Next {
    Continue,
    Close,
    /// Tell the client what was wrong, then close.
    Refuse(ErrorCode, &'static str),
}

struct Connection {
    id: ConnectionId,
    socket: WebSocket,
    shared: Arc<Shared>,
    in_flight: InFlight,
    /// Room for requests that the writer has not taken yet.
    queue: Arc<Semaphore>,
}

/// Requests handed to the writer and not answered, by id, with their lengths and those of large answers.
#[derive(Default)]
struct InFlight(Vec<(u64, usize)>);

impl InFlight {
    /// REL-11
    fn has_room(&self) -> bool {
        self.0.len() < MAX_IN_FLIGHT
            && self.0.iter().map(|(_, length)| length).sum::<usize>() < MAX_BYTES_IN_FLIGHT
    }

    fn answered(&mut self, id: u64) {
        if let Some(position) = self.0.iter().position(|(under_way, _)| *under_way == id) {
            self.0.swap_remove(position);
        }
    }
}

/// Serves a connection until it ends.
pub(super) async fn run(socket: WebSocket, peer: IpAddr, permit: Permit, shared: Arc<Shared>) {
    let _alive = shared.alive.clone();
    let id = ConnectionId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
    if shared.log_identities {
        tracing::info!(connection = id.0, %peer, "connected");
    } else {
        tracing::debug!(connection = id.0, "connected");
    }
    shared.metrics.connections.add(1);
    let (outlet, mut outputs) = outlet::queue();
    shared.inputs.send(Input::Connect(id, Network::from(peer), outlet));
    let mut stopped = shared.stopped.clone();
    let mut connection = Connection {
        id,
        socket,
        shared: Arc::clone(&shared),
        in_flight: InFlight::default(),
        queue: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
    };
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop == Stop::Now) => {}
        () = connection.serve(&mut outputs) => {}
    }
    shared.inputs.send(Input::Disconnect(id));
    shared.metrics.connections.add(-1);
    tracing::debug!(connection = id.0, "closed");
    drop(permit);
}

impl Connection {
    async fn serve(&mut self, outputs: &mut Intake) {
        loop {
            let next = tokio::select! {
                biased;
                output = outputs.next(clock) => match output {
                    Some(output) => self.write(output, outputs).await,
                    None => Next::Close,
                },
                (message, place) = next(&mut self.socket, &self.queue), if self.in_flight.has_room() => {
                    self.read(message, place)
                }
            };
            match next {
                Next::Continue => {}
                Next::Close => return self.close().await,
                Next::Refuse(code, detail) => {
                    let error =
                        relay::Error { code: code.into(), detail: detail.to_owned(), retry_after_ms: 0 };
                    let frame = RelayFrame { id: 0, body: Some(Reply::Error(error)) };
                    let _ = timeout(
                        self.shared.limits.write_timeout,
                        self.socket.send(Message::Binary(message(&frame))),
                    )
                    .await;
                    return self.close().await;
                }
            }
        }
    }

    fn read(&mut self, message: Option<Result<Message, axum::Error>>, place: Place) -> Next {
        match message {
            Some(Ok(Message::Binary(bytes))) => self.request(bytes, place),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Next::Continue,
            Some(Ok(Message::Text(_))) => Next::Refuse(ErrorCode::Malformed, "frames are binary messages"),
            Some(Ok(Message::Close(_))) | None => Next::Close,
            // REL-10: among others, a message above the limit.
            Some(Err(_)) => Next::Refuse(ErrorCode::Malformed, "not a WebSocket message within the limits"),
        }
    }

    fn request(&mut self, bytes: Bytes, place: Place) -> Next {
        let length = bytes.len();
        let Ok(request) = Request::decode(bytes) else {
            return Next::Refuse(ErrorCode::Malformed, "not a frame");
        };
        if request.has_reply() {
            self.in_flight.0.push((request.id, length + request.reply_room()));
        }
        self.shared.inputs.send(Input::Request(self.id, request, place));
        Next::Continue
    }

    /// Writes this and what else is there, and flushes once.
    async fn write(&mut self, first: Downstream, outputs: &mut Intake) -> Next {
        let patience = self.shared.limits.write_timeout;
        let gather = async {
            let mut output = first;
            let mut gathered = 0;
            loop {
                let Downstream::Frame(frame) = output else {
                    return Ok(Next::Close);
                };
                self.in_flight.answered(frame.id);
                let message = message(&frame);
                gathered += message.len();
                self.socket.feed(Message::Binary(message)).await?;
                // Asked for only if there is room for it: what has left the channel must be written.
                if gathered >= GATHER {
                    break;
                }
                match outputs.try_next(clock) {
                    Some(next) => output = next,
                    None => break,
                }
            }
            self.socket.flush().await.map(|()| Next::Continue)
        };
        // REL-16
        let written = timeout(patience, gather).await;
        if outputs.has_drained() {
            self.shared.inputs.send(Input::Drained(self.id));
        }
        match written {
            Ok(Ok(next)) => next,
            Ok(Err(_)) | Err(_) => Next::Close,
        }
    }

    async fn close(&mut self) {
        let farewell = Message::Close(Some(CloseFrame { code: close_code::NORMAL, reason: "".into() }));
        let _ = timeout(self.shared.limits.write_timeout, self.socket.send(farewell)).await;
    }
}

/// A request's place in the writer's queue, until it is taken. The semaphore is never closed.
pub(super) type Place = Result<OwnedSemaphorePermit, AcquireError>;

/// The next message, once there is a place for it. Nothing is lost if it is not waited for to the end.
async fn next(
    socket: &mut WebSocket,
    queue: &Arc<Semaphore>,
) -> (Option<Result<Message, axum::Error>>, Place) {
    let place = Arc::clone(queue).acquire_owned().await;
    (socket.next().await, place)
}

fn message(frame: &RelayFrame) -> Bytes {
    frame.encode_to_vec().into()
}
