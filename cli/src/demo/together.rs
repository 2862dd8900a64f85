//! The second act: three people in a group, a reaction, who is there, and finding what was said.

use std::path::Path;

use wheesht_core::api::{
    Activity, Availability, ContactState, ConversationId, ErrorCode, EventKind, PresenceChoice, Search,
};

use super::{person::Person, relay::DemoRelay, search, stage::Stage};
use crate::exit::{Exit, Failure, Result};

pub(super) const TITLE: &str = "Harbour at nine";
const PLAN: &str = "I bring the sandwiches. Who has the key of the boat shed?";
const WORD: &str = "sandwich*";
const BUSY: &str = "looking for the key";

pub(super) async fn play(
    stage: &mut Stage,
    relay: &DemoRelay,
    path: &Path,
    alice: &mut Person,
    bob: &mut Person,
) -> Result<ConversationId> {
    stage.step("Carol comes. Alice founds a group and invites both; nobody is just added.")?;
    let mut carol = Person::register("carol", path, relay.address()).await?;
    alice.says(&carol, "Carol, it is Alice.").await?;
    carol.hears("Carol, it is Alice.").await?;
    carol.accept(alice).await?;
    let accepted = |kind: &EventKind| matches!(kind, EventKind::Contact { contact } if contact.state == ContactState::Accepted);
    alice.expect("acceptance", |event| accepted(&event.kind)).await?;
    let group = alice.found(TITLE).await?;
    for guest in [&mut *bob, &mut carol] {
        alice.invite(group, guest).await?;
        guest.join(group).await?;
    }
    for person in [&*alice, &*bob, &carol] {
        person.until_members(group, 3).await?;
    }
    relay.saw();
    stage.note(&format!("alice, bob and carol: “{TITLE}”"))?;

    stage.step("What is said there is encrypted once; the relay copies what it can't read.")?;
    let (there, plan) = carol.says_there(ConversationId::Group(group), PLAN).await?;
    alice.hears(PLAN).await?;
    bob.hears(PLAN).await?;
    stage.fanned_out("carol", TITLE, PLAN, &relay.saw())?;
    bob.react(there, plan, "🎉").await?;
    carol
        .expect("reaction", |event| {
            matches!(&event.kind, EventKind::MessageChanged { message } if !message.reactions.is_empty())
        })
        .await?;
    stage.note("bob 🎉")?;

    stage.step("Who is there, and how, is told to contacts alone: encrypted, and never stored.")?;
    for person in [&*alice, &*bob] {
        person.is(Activity::Here, PresenceChoice::Online, "").await?;
    }
    bob.is(Activity::Here, PresenceChoice::Busy, BUSY).await?;
    alice
        .expect("sign of bob", |event| {
            matches!(&event.kind, EventKind::Presence { presence, .. }
                if presence.availability == Availability::Busy && presence.text == BUSY)
        })
        .await?;
    stage.note(&format!("alice sees  bob is busy: {BUSY}"))?;

    stage.step(&format!("Alice looks for “{WORD}”. The index is hers, as encrypted as the rest."))?;
    let found = alice.finds(Search { query: WORD.to_owned(), ..Search::default() }).await?;
    for text in &found {
        stage.heard("alice", text)?;
    }
    if found != [PLAN] {
        return Err(Failure::new(
            Exit::Other,
            ErrorCode::Internal,
            "The search did not find what was said. Please report this.",
        ));
    }

    stage.step("Once more through the relay's files: for the group, its words, and how Bob is.")?;
    let searched = search::files(&path.join("relay"), &[TITLE, PLAN, BUSY].map(str::as_bytes))?;
    if searched.found > 0 {
        return Err(super::leaked());
    }
    stage.note(&format!("{} files: nothing of it is there", searched.files))?;
    carol.leave().await;
    Ok(there)
}
