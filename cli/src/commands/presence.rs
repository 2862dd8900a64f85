//! `wheesht presence`: what contacts are told of oneself, and which of them.

use wheesht_core::api::{Availability, ListRules, OwnPresence, Presence, PresenceChoice, Response};

use crate::{
    args::{Global, PresenceArgs, Switch},
    exit::Result,
    output::{Output, Style},
    session::Session,
    text,
};

pub(crate) async fn run(global: &Global, out: Output, args: PresenceArgs) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let client = &session.client;
    let changes = args.choice.is_some()
        || args.typing.is_some()
        || !args.hide_from.is_empty()
        || !args.show_to.is_empty()
        || !args.hide_from_list.is_empty()
        || !args.only_list.is_empty();
    if let Some(choice) = args.choice {
        client.set_presence(choice.into(), args.text).await?;
    }
    if let Some(typing) = args.typing {
        client.set_typing(matches!(typing, Switch::On)).await?;
    }
    for who in &args.hide_from {
        client.show_presence(session.who(who)?, false).await?;
    }
    for who in &args.show_to {
        client.show_presence(session.who(who)?, true).await?;
    }
    let mut presence = client.presence().await?;
    // What is named takes the place of what was named before; the other kind of rule stays.
    let ListRules { hidden_from, only } = presence.lists;
    let named = |new: Vec<String>, old| if new.is_empty() { old } else { new };
    let changed = !args.hide_from_list.is_empty() || !args.only_list.is_empty();
    presence.lists =
        ListRules { hidden_from: named(args.hide_from_list, hidden_from), only: named(args.only_list, only) };
    if changed {
        presence = client.show_presence_to_lists(presence.lists).await?;
    }
    let contacts = client.contacts().await?;
    let hidden: Vec<_> = contacts.iter().filter(|contact| contact.presence_hidden).collect();
    let object = Response::OwnPresence { presence: presence.clone() };
    out.result(&object, |style| {
        let mut lines = own(&presence, style);
        if !hidden.is_empty() {
            let names: Vec<_> =
                hidden.iter().map(|contact| text::one_line(&contact.address.canonical())).collect();
            lines.push_str(&format!("\nhidden from: {}", names.join(", ")));
        }
        for (what, lists) in [
            ("hidden from lists", &presence.lists.hidden_from),
            ("shown only to lists", &presence.lists.only),
        ] {
            if !lists.is_empty() {
                let names: Vec<_> = lists.iter().map(|list| text::one_line(list)).collect();
                lines.push_str(&format!("\n{what}: {}", names.join(", ")));
            }
        }
        lines
    })?;
    if changes {
        return session.finish().await;
    }
    client.clone().close().await;
    Ok(())
}

fn own(presence: &OwnPresence, style: Style) -> String {
    let word = match presence.choice {
        PresenceChoice::Online => style.good("online"),
        PresenceChoice::Away => "away".to_owned(),
        PresenceChoice::Busy => style.warning("busy"),
        PresenceChoice::Invisible => style.dim("invisible: you see others, they don't see you"),
        PresenceChoice::Off => style.dim("off: nothing is told or shown"),
        _ => String::new(),
    };
    let typing =
        if presence.typing { "" } else { "\nnobody is told that you are writing, and you see nobody write" };
    format!("{word}{}{typing}", beside(&presence.text))
}

/// How somebody is, in a word and a line of theirs; nothing if it isn't known.
pub(crate) fn seen(presence: &Presence, style: Style) -> String {
    let word = match presence.availability {
        Availability::Online => style.good("online"),
        Availability::Busy => style.warning("busy"),
        Availability::Away => style.dim("away"),
        Availability::Offline => style.dim("offline"),
        _ => return String::new(),
    };
    format!("{word}{}", beside(&presence.text))
}

fn beside(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {}", text::one_line(words)) }
}
