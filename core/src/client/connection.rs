//! One standing connection: frames out, frames in, and the signs of life between.
//!
//! Request ids are the connection's own; they lead back to the engine's tokens. Whether the other side lives is asked with `Ping`
//! frames: often enough that the relay, which closes what is idle, keeps the connection, and answered soon enough or the connection
//! counts as dead.

use std::{collections::BTreeMap, pin::Pin, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};
use wheesht_proto::{
    prost::Message as _,
    relay::{ClientFrame, Ping, RelayFrame, client_frame, relay_frame},
};

use super::{
    actor::Message,
    connect::{ConnectError, Socket},
    links::Order,
};
use crate::engine::{LinkId, RequestError};

/// Without traffic for this long, a ping goes out; less if the relay's idle limit asks for it.
const PING_AFTER: Duration = Duration::from_secs(25);
/// Never more often than that, whatever the relay says.
const PING_AT_MOST_EVERY: Duration = Duration::from_secs(5);
/// A ping, and the first greeting, are answered within this or the connection is dead.
const ALIVE_WITHIN: Duration = Duration::from_secs(15);
/// Any request is. Generous: a relay delays logins that come too often, and a deposit waits for the relay's disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// A frame is taken by the network within this.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// For saying goodbye.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Why a connection ended.
pub(super) enum End {
    /// The engine has no more use for it.
    LetGo,
    /// It broke.
    Down(ConnectError),
    /// The relay is going down, and asked to be left alone this long.
    Goodbye(Duration),
}

/// What remains of a connection.
pub(super) struct Ended {
    pub(super) reason: End,
    /// Tokens of the requests that got no reply.
    pub(super) lost: Vec<u64>,
    /// Whether the relay greeted at all.
    pub(super) greeted: bool,
}

/// See the module's story.
pub(super) struct Connection {
    id: LinkId,
    task: u64,
    era: u64,
    epoch: u64,
    inbox: mpsc::Sender<Message>,
    last_request: u64,
    under_way: BTreeMap<u64, UnderWay>,
    pinged: Option<Instant>,
    greeted: bool,
    ping_after: Duration,
    sent: Instant,
    received: Instant,
}

struct UnderWay {
    /// The engine's token.
    token: u64,
    since: Instant,
}

type Writer<'a> = Pin<&'a mut (dyn Future<Output = End> + Send)>;
type Out = mpsc::UnboundedSender<WsMessage>;

impl Connection {
    pub(super) fn new(id: LinkId, task: u64, era: u64, epoch: u64, inbox: mpsc::Sender<Message>) -> Self {
        let now = Instant::now();
        Self {
            id,
            task,
            era,
            epoch,
            inbox,
            last_request: 0,
            under_way: BTreeMap::new(),
            pinged: None,
            greeted: false,
            ping_after: PING_AFTER,
            sent: now,
            received: now,
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self, socket: Socket, orders: &mut mpsc::UnboundedReceiver<Order>) -> Ended {
        let (sink, mut stream) = socket.split();
        // Bounded by what the engine has under way at once.
        let (out, outgoing) = mpsc::unbounded_channel();
        let mut writer = Box::pin(write(sink, outgoing));
        let reason = loop {
            let step = tokio::select! {
                end = &mut writer => Err(end),
                order = orders.recv() => match order {
                    Some(order) => self.order(order, &out, writer.as_mut()).await,
                    None => Err(End::LetGo),
                },
                message = stream.next() => self.receive(message, writer.as_mut()).await,
                () = sleep_until(self.next_check()) => self.check(&out),
            };
            if let Err(end) = step {
                break end;
            }
        };
        drop(out);
        if let End::LetGo | End::Goodbye(_) = reason {
            let _ = timeout(CLOSE_WITHIN, writer).await;
        }
        let lost = self.under_way.into_values().map(|request| request.token).collect();
        Ended { reason, lost, greeted: self.greeted }
    }

    async fn order(&mut self, order: Order, out: &Out, writer: Writer<'_>) -> Result<(), End> {
        match order {
            Order::Request { epoch, token, body } if epoch == self.epoch => {
                let id = self.send(*body, out);
                if token != 0 {
                    self.under_way.insert(id, UnderWay { token, since: Instant::now() });
                }
                Ok(())
            }
            // It was meant for the connection before.
            Order::Request { token, .. } if token != 0 => {
                let result = Err(RequestError::Lost);
                self.pass(Message::Reply { era: self.era, token, result }, writer).await
            }
            Order::Request { .. } | Order::TryNow => Ok(()),
        }
    }

    fn send(&mut self, body: client_frame::Body, out: &Out) -> u64 {
        self.last_request += 1;
        let frame = ClientFrame { id: self.last_request, body: Some(body) };
        // If the writer is gone, the loop is about to learn why.
        let _ = out.send(WsMessage::Binary(frame.encode_to_vec().into()));
        self.sent = Instant::now();
        self.last_request
    }

    async fn receive(
        &mut self,
        message: Option<Result<WsMessage, WsError>>,
        writer: Writer<'_>,
    ) -> Result<(), End> {
        let bytes = match message {
            Some(Ok(WsMessage::Binary(bytes))) => bytes,
            // Answered by the WebSocket layer.
            Some(Ok(WsMessage::Ping(_) | WsMessage::Pong(_))) => {
                self.received = Instant::now();
                return Ok(());
            }
            Some(Ok(WsMessage::Close(_))) | None => return Err(self.down("closed the connection")),
            Some(Ok(WsMessage::Text(_) | WsMessage::Frame(_))) => return Err(self.down(NOT_OURS)),
            Some(Err(WsError::Io(_))) => return Err(self.lost()),
            Some(Err(_)) => return Err(self.down(NOT_OURS)),
        };
        self.received = Instant::now();
        self.pinged = None;
        let Ok(RelayFrame { id, body: Some(body) }) = RelayFrame::decode(bytes) else {
            return Err(self.down(NOT_OURS));
        };
        if let relay_frame::Body::HelloOk(greeting) = &body {
            self.greeted = true;
            // Two pings fit into what the relay allows.
            let idle = greeting.limits.as_ref().map_or(0, |limits| limits.idle_timeout_ms);
            if idle > 0 {
                self.ping_after = Duration::from_millis(idle / 3).clamp(PING_AT_MOST_EVERY, PING_AFTER);
            }
        }
        match (id, body) {
            (0, relay_frame::Body::Goodbye(goodbye)) => {
                Err(End::Goodbye(Duration::from_millis(goodbye.reconnect_after_ms.into())))
            }
            (0, body) => {
                let link = self.id.clone();
                self.pass(Message::Push { link, task: self.task, body }, writer).await
            }
            (id, body) => {
                let Some(UnderWay { token, .. }) = self.under_way.remove(&id) else { return Ok(()) };
                let result = match body {
                    relay_frame::Body::Error(error) => Err(RequestError::Refused(error)),
                    body => Ok(body),
                };
                self.pass(Message::Reply { era: self.era, token, result }, writer).await
            }
        }
    }

    /// Gives something to the engine. If that is slow, this waits, and so does the relay; but what goes out goes on.
    async fn pass(&self, message: Message, writer: Writer<'_>) -> Result<(), End> {
        tokio::select! {
            sent = self.inbox.send(message) => sent.map_err(|_| End::LetGo),
            end = writer => Err(end),
        }
    }

    /// When the signs of life have to be looked at next.
    fn next_check(&self) -> Instant {
        let ping = match (self.greeted, self.pinged) {
            (true, None) => self.sent.min(self.received) + self.ping_after,
            (true, Some(pinged)) => pinged + ALIVE_WITHIN,
            (false, _) => self.received + ALIVE_WITHIN,
        };
        let oldest = self.under_way.values().next().map(|request| request.since + ANSWER_WITHIN);
        oldest.map_or(ping, |oldest| oldest.min(ping))
    }

    fn check(&mut self, out: &Out) -> Result<(), End> {
        let now = Instant::now();
        let answered_late =
            self.under_way.values().next().is_some_and(|request| now >= request.since + ANSWER_WITHIN);
        if !self.greeted || answered_late || self.pinged.is_some_and(|pinged| now >= pinged + ALIVE_WITHIN) {
            return Err(self.down("does not answer any more"));
        }
        if self.pinged.is_none() && now >= self.sent.min(self.received) + self.ping_after {
            self.send(client_frame::Body::Ping(Ping {}), out);
            self.pinged = Some(now);
        }
        Ok(())
    }

    fn down(&self, what: &str) -> End {
        End::Down(ConnectError::new(format!("{} {what}", self.id.relay.authority())))
    }

    fn lost(&self) -> End {
        End::Down(ConnectError::new(format!("the connection to {} was lost", self.id.relay.authority())))
    }
}

const NOT_OURS: &str = "does not speak as a Wheesht relay does";

/// Writes until there is nothing more to come, then says goodbye.
async fn write(
    mut sink: SplitSink<Socket, WsMessage>,
    mut outgoing: mpsc::UnboundedReceiver<WsMessage>,
) -> End {
    let lost = || End::Down(ConnectError::new("the connection was lost"));
    while let Some(message) = outgoing.recv().await {
        let all = async {
            sink.feed(message).await?;
            while let Ok(message) = outgoing.try_recv() {
                sink.feed(message).await?;
            }
            sink.flush().await
        };
        if !matches!(timeout(WRITE_WITHIN, all).await, Ok(Ok(()))) {
            return lost();
        }
    }
    let _ = sink.close().await;
    End::LetGo
}
