//! `wheesht demo`: the whole system on this machine, with nothing to set up: a relay on loopback, Alice, Bob and Carol as real clients
//! over real sockets, and beside each message what the relay got to see of it. In a terminal it ends with a chat to try.

mod guest;
mod person;
mod picture;
mod relay;
mod search;
mod stage;
mod together;

use wheesht_core::api::{ContactState, EventKind, MessageState};

use crate::{
    args::Global,
    exit::{Failure, Result},
    output::Output,
};
use person::Person;
use relay::DemoRelay;
use stage::Stage;

const HELLO: &str = "Hi Bob, it is Alice. Can we talk here?";
const ANSWER: &str = "Yes. Nobody else can read this?";
const AWAY: [&str; 2] = ["Bob? I will be at the harbour at nine.", "Bring the blue folder, not the red one."];
const DARK: &str = "The relay is down, so this one waits on my machine.";
const BACK: &str = "Back again. Harbour at nine, blue folder. All there.";

pub(crate) async fn run(global: &Global, out: Output) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    let mut stage = Stage::new(out);
    stage.title("Wheesht, on this machine only: a relay, Alice and Bob, in a temporary directory.")?;

    stage.step("A relay starts. It needs no set-up: it made a key, and is known by its fingerprint.")?;
    let mut relay = DemoRelay::start(path.join("relay")).await?;
    stage.note(&relay.address().to_string())?;

    stage.step("Alice and Bob make accounts: a name, and a passphrase that never leaves their machines.")?;
    let mut alice = Person::register("alice", path, relay.address()).await?;
    let mut bob = Person::register("bob", path, relay.address()).await?;
    stage.note("alice and bob: two programs, two encrypted stores, four TLS connections")?;

    stage.step("Alice knows Bob's name. That is enough to write to him; he decides whether to talk.")?;
    let hello = alice.says(&bob, HELLO).await?;
    alice.until(hello, MessageState::Sent).await?;
    bob.hears(HELLO).await?;
    stage.message("alice", "bob", HELLO, &relay.saw())?;
    bob.accept(&alice).await?;
    alice.expect("acceptance", |event| {
        matches!(&event.kind, EventKind::Contact { contact } if contact.state == ContactState::Accepted)
    })
    .await?;
    stage.note("bob accepts: keys and addresses go to and fro, in envelopes that look like any other")?;
    stage.others(&relay.saw())?;

    let answer = bob.says(&alice, ANSWER).await?;
    alice.hears(ANSWER).await?;
    bob.until(answer, MessageState::Delivered).await?;
    let saw = relay.saw();
    stage.message("bob", "alice", ANSWER, &saw)?;
    stage.note("delivered ✓✓, and deleted at the relay")?;

    stage
        .step("Bob goes offline. Alice writes all the same: sent ✓ means that it is on the relay's disk.")?;
    bob.leave().await;
    for text in AWAY {
        let sent = alice.says(&bob, text).await?;
        alice.until(sent, MessageState::Sent).await?;
        stage.message("alice", "bob", text, &relay.saw())?;
    }

    stage.step("The relay is killed in the middle of it all. Alice writes on.")?;
    relay.kill().await?;
    let dark = alice.says(&bob, DARK).await?;
    stage.message("alice", "bob", DARK, &[])?;

    stage.step("While it lies there, its files are searched for what was said, and for the passphrases.")?;
    let texts = [HELLO, ANSWER, AWAY[0], AWAY[1], DARK];
    let wanted = texts.iter().map(|text| text.as_bytes()).chain([alice.passphrase(), bob.passphrase()]);
    let searched = search::files(&path.join("relay"), &wanted.collect::<Vec<_>>())?;
    if searched.found > 0 {
        return Err(leaked());
    }
    stage.note(&format!(
        "{} files, {} KiB: nothing of it is there",
        searched.files,
        searched.bytes / 1024
    ))?;
    for waiting in relay.waiting("bob")? {
        stage.waiting(&waiting)?;
    }

    stage.step("The relay starts again, and Bob comes back. Nothing is lost, and nothing comes twice.")?;
    relay.start_again().await?;
    alice.until(dark, MessageState::Sent).await?;
    bob.come_back().await?;
    for text in AWAY.into_iter().chain([DARK]) {
        bob.hears(text).await?;
        stage.heard("bob", text)?;
    }
    let back = bob.says(&alice, BACK).await?;
    alice.hears(BACK).await?;
    alice.until(dark, MessageState::Delivered).await?;
    bob.until(back, MessageState::Delivered).await?;
    relay.saw();
    stage.heard("alice", BACK)?;

    stage.step("Are they who they think? The same number on both screens says so.")?;
    let (hers, his) = (alice.number_with(&bob).await?, bob.number_with(&alice).await?);
    if hers != his {
        return Err(Failure::new(
            crate::exit::Exit::Untrusted,
            wheesht_core::api::ErrorCode::Internal,
            "The two numbers differ. Please report this.",
        ));
    }
    stage.note(&crate::render::grouped(&hers, 5))?;

    let there = together::play(&mut stage, &relay, path, &mut alice, &mut bob).await?;
    picture::play(&mut stage, &relay, path, &alice, &mut bob, there).await?;

    alice.leave().await;
    bob.leave().await;
    stage.ending()?;
    if stage.has_guest() {
        guest::chat(global, &mut stage, path, relay.address()).await?;
    }
    relay.stop().await
}

/// What must not be in the relay's files is there.
fn leaked() -> Failure {
    Failure::new(
        crate::exit::Exit::Other,
        wheesht_core::api::ErrorCode::Internal,
        "The relay's files hold what they must not. Please report this.",
    )
}
