//! Links: how they come about, what passes over them, how they end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use wheesht_proto::{
    address::{Fingerprint, RelayAddress},
    limits::MAX_FRAME,
    relay::{Error, ErrorCode, Goodbye, Hello, Lookup, Ok as Done, Proposal, client_frame, relay_frame},
};

use super::fake_relay::{Authority, CLASSICAL, FakeRelay, HYBRID, Peer};
use crate::{
    client::{
        actor::{INBOX, Message},
        links::Links,
        tls,
    },
    engine::{LinkEvent, LinkId, RequestError, Role},
};

const ERA: u64 = 7;

/// The engine's side of a link.
struct Engine {
    links: Links,
    inbox: mpsc::Receiver<Message>,
    /// Keeps the inbox open, as the client does.
    _sender: mpsc::Sender<Message>,
    link: LinkId,
}

impl Engine {
    fn new(relay: &RelayAddress, role: Role) -> Self {
        Self::trusting(relay, role, &[])
    }

    fn trusting(relay: &RelayAddress, role: Role, authorities: &[PathBuf]) -> Self {
        let (sender, inbox) = mpsc::channel(INBOX);
        let roots = tls::roots(authorities).unwrap();
        let mut links =
            Links::new(tokio::runtime::Handle::current(), sender.downgrade(), roots, Arc::default());
        let link = LinkId { relay: relay.clone(), role };
        links.open(link.clone(), ERA);
        Self { links, inbox, _sender: sender, link }
    }

    async fn hears(&mut self) -> Message {
        timeout(Duration::from_secs(20), self.inbox.recv()).await.unwrap().unwrap()
    }

    async fn is_up(&mut self) {
        match self.hears().await {
            Message::Link { link, epoch, event: LinkEvent::Up, .. } => self.links.is_up(&link, epoch),
            _ => panic!("not up"),
        }
    }

    async fn is_down(&mut self) -> (String, bool) {
        match self.hears().await {
            Message::Link { event: LinkEvent::Down { reason, untrusted }, .. } => (reason, untrusted),
            _ => panic!("not down"),
        }
    }

    async fn reply(&mut self) -> (u64, Result<relay_frame::Body, RequestError>) {
        match self.hears().await {
            Message::Reply { era: ERA, token, result } => (token, result),
            _ => panic!("no reply"),
        }
    }

    fn asks(&self, token: u64, body: client_frame::Body) {
        assert!(self.links.request(&self.link, self.links.epoch(&self.link), token, body));
    }

    /// Connected and greeted.
    async fn meets(&mut self, relay: &FakeRelay) -> Peer {
        let mut peer = relay.accept().await;
        self.is_up().await;
        self.asks(1, client_frame::Body::Hello(Hello { min_version: 1, max_version: 1 }));
        peer.greet().await;
        assert!(matches!(self.reply().await, (1, Ok(relay_frame::Body::HelloOk(_)))));
        peer
    }
}

fn lookup(name: &str) -> client_frame::Body {
    client_frame::Body::Lookup(Lookup { name: name.to_owned() })
}

#[tokio::test]
async fn replies_find_the_requests_they_answer() {
    let relay = FakeRelay::start(HYBRID).await;
    let mut engine = Engine::new(&relay.address, Role::Identified);
    let mut peer = engine.meets(&relay).await;
    engine.asks(40, lookup("a"));
    engine.asks(41, lookup("b"));
    engine.asks(0, lookup("nobody waits for this one"));
    engine.asks(42, lookup("c"));
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(peer.request().await.id);
    }
    peer.say(ids[2], relay_frame::Body::Ok(Done {})).await;
    peer.say(ids[3], relay_frame::Body::Ok(Done {})).await;
    let refusal = Error { code: ErrorCode::NotFound.into(), ..Error::default() };
    peer.say(ids[0], relay_frame::Body::Error(refusal.clone())).await;
    peer.say(999, relay_frame::Body::Ok(Done {})).await;
    peer.say(0, relay_frame::Body::Proposal(Proposal::default())).await;
    assert!(matches!(engine.reply().await, (42, Ok(_))));
    assert_eq!(engine.reply().await, (40, Err(RequestError::Refused(refusal))));
    assert!(matches!(engine.hears().await, Message::Push { body: relay_frame::Body::Proposal(_), .. }));
}

#[tokio::test]
async fn what_is_under_way_is_lost_before_the_link_is_down() {
    let relay = FakeRelay::start(HYBRID).await;
    let mut engine = Engine::new(&relay.address, Role::Identified);
    let mut peer = engine.meets(&relay).await;
    engine.asks(50, lookup("a"));
    engine.asks(51, lookup("b"));
    peer.request().await;
    peer.request().await;
    drop(peer);
    assert_eq!(engine.reply().await, (50, Err(RequestError::Lost)));
    assert_eq!(engine.reply().await, (51, Err(RequestError::Lost)));
    let (reason, untrusted) = engine.is_down().await;
    assert!(reason.contains("127.0.0.1"), "{reason}");
    assert!(!untrusted);
    engine.asks(52, lookup("c"));
    assert_eq!(engine.reply().await, (52, Err(RequestError::Lost)));
    engine.meets(&relay).await;
}

#[tokio::test]
async fn a_request_for_the_connection_before_is_lost_and_not_sent() {
    let relay = FakeRelay::start(HYBRID).await;
    let mut engine = Engine::new(&relay.address, Role::Identified);
    drop(engine.meets(&relay).await);
    let before = engine.links.epoch(&engine.link);
    engine.is_down().await;
    let mut peer = relay.accept().await;
    engine.is_up().await;
    assert!(engine.links.request(&engine.link, before, 60, lookup("late")));
    engine.asks(61, lookup("first"));
    assert_eq!(engine.reply().await, (60, Err(RequestError::Lost)));
    assert!(
        matches!(peer.request().await.body, Some(client_frame::Body::Lookup(look)) if look.name == "first")
    );
}

#[tokio::test]
async fn a_relay_with_another_key_is_not_trusted() {
    let relay = FakeRelay::start(HYBRID).await;
    let address = relay.address.clone().with_fingerprint(Fingerprint::new([1; 32]));
    for role in [Role::Identified, Role::Anonymous] {
        let mut engine = Engine::new(&address, role);
        tokio::join!(
            async {
                let (reason, untrusted) = engine.is_down().await;
                assert!(untrusted && reason.contains("another key"), "{reason}");
            },
            async { assert!(timeout(Duration::from_millis(600), relay.accept()).await.is_err()) },
        );
    }
}

#[tokio::test]
async fn a_self_made_certificate_without_a_fingerprint_is_not_trusted() {
    let relay = FakeRelay::start(HYBRID).await;
    let address: RelayAddress = relay.address.authority().parse().unwrap();
    let mut engine = Engine::new(&address, Role::Identified);
    let refused = async {
        let (reason, untrusted) = engine.is_down().await;
        assert!(untrusted && reason.contains("fingerprint"), "{reason}");
    };
    tokio::join!(refused, async {
        assert!(timeout(Duration::from_millis(600), relay.accept()).await.is_err())
    });
}

#[tokio::test]
async fn a_relay_is_known_by_an_authority_that_the_app_adds() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pem = directory.path().join("authority.pem");
    std::fs::write(&pem, authority.certificate.pem()).unwrap();
    let relay = FakeRelay::certified(&authority, "localhost").await;
    for role in [Role::Identified, Role::Anonymous] {
        Engine::trusting(&relay.address, role, std::slice::from_ref(&pem)).meets(&relay).await;
    }
    // By the same authority's word another name is not meant, nor is another authority's word believed.
    let elsewhere = FakeRelay::certified(&authority, "relay.test").await;
    let stranger = FakeRelay::certified(&Authority::new(), "localhost").await;
    for relay in [elsewhere, stranger] {
        let mut engine = Engine::trusting(&relay.address, Role::Identified, std::slice::from_ref(&pem));
        let refused = async {
            let (reason, untrusted) = engine.is_down().await;
            assert!(untrusted && reason.contains("authority"), "{reason}");
        };
        tokio::join!(refused, async {
            assert!(timeout(Duration::from_millis(600), relay.accept()).await.is_err())
        });
    }
}

#[test]
fn what_holds_no_authority_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authority.pem");
    let detail = || tls::roots(std::slice::from_ref(&path)).unwrap_err().to_string();
    assert!(detail().contains("authority.pem"));
    std::fs::write(&path, "nothing of the kind").unwrap();
    assert!(detail().contains("no certificate"), "{}", detail());
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(detail().contains("can't be used"), "{}", detail());
}

#[tokio::test]
async fn a_pinned_relay_without_the_hybrid_exchange_gets_no_login() {
    let relay = FakeRelay::start(CLASSICAL).await;
    let mut identified = Engine::new(&relay.address, Role::Identified);
    let refused = async {
        let (reason, untrusted) = identified.is_down().await;
        assert!(!untrusted && reason.contains("X25519MLKEM768"), "{reason}");
    };
    tokio::join!(refused, async {
        assert!(timeout(Duration::from_millis(600), relay.accept()).await.is_err())
    });
    drop(identified);
    let mut anonymous = Engine::new(&relay.address, Role::Anonymous);
    anonymous.meets(&relay).await;
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_not_the_client() {
    let relay = FakeRelay::start(HYBRID).await;
    for nonsense in [vec![0xff; 100], Vec::new(), vec![0; MAX_FRAME + 1]] {
        let mut engine = Engine::new(&relay.address, Role::Identified);
        let mut peer = engine.meets(&relay).await;
        peer.raw(nonsense).await;
        let (reason, _) = engine.is_down().await;
        assert!(reason.contains("does not speak"), "{reason}");
    }
}

#[tokio::test]
async fn a_goodbye_is_heeded() {
    let relay = FakeRelay::start(HYBRID).await;
    let mut engine = Engine::new(&relay.address, Role::Identified);
    let mut peer = engine.meets(&relay).await;
    let since = tokio::time::Instant::now();
    peer.say(0, relay_frame::Body::Goodbye(Goodbye { reconnect_after_ms: 1_500 })).await;
    let (reason, _) = engine.is_down().await;
    assert!(reason.contains("restarting"), "{reason}");
    // Neither that it hurries …
    engine.links.open(engine.link.clone(), ERA);
    engine.meets(&relay).await;
    assert!(since.elapsed() >= Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_link_that_is_let_go_says_goodbye_and_loses_what_was_under_way() {
    let relay = FakeRelay::start(HYBRID).await;
    let mut engine = Engine::new(&relay.address, Role::Anonymous);
    let mut peer = engine.meets(&relay).await;
    engine.asks(70, lookup("a"));
    peer.request().await;
    engine.links.close(&engine.link.clone());
    assert!(peer.is_closed().await);
    drop(peer);
    assert_eq!(engine.reply().await, (70, Err(RequestError::Lost)));
}

#[tokio::test]
async fn where_nobody_listens_a_person_is_told_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut engine = Engine::new(&free.to_string().parse().unwrap(), Role::Anonymous);
    let (reason, untrusted) = engine.is_down().await;
    assert!(!untrusted && reason.starts_with("no relay is running at 127.0.0.1"), "{reason}");
    let mut engine = Engine::new(&"no-such-host.invalid".parse().unwrap(), Role::Anonymous);
    let (reason, _) = engine.is_down().await;
    assert!(reason.contains("no-such-host.invalid"), "{reason}");
}
