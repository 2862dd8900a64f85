//! The nouns of the API as lines for a person. Whatever somebody else wrote goes through [`crate::text`] here.

use jiff::{Timestamp as Instant, tz::TimeZone};
use wheesht_core::{
    api::{
        Availability, Body, Contact, ContactState, Conversation, Device, DeviceProposal, Error, FailReason,
        File, FileState, Group, GroupDetails, GroupPhase, GroupRefusal, HistoryTransfer,
        HistoryTransferState, Message, MessageState, Notice, Phase, Presence, Role, Status, StopReason,
        Trouble, span,
    },
    proto::address::Address,
    time::Timestamp,
};

use crate::{output::Style, session::handle, text};

/// Marks: `·` pending, `✓` sent, `✓✓` delivered, the same in colour: read.
pub(crate) fn mark(state: MessageState, style: Style) -> String {
    match state {
        MessageState::Pending => style.dim("·"),
        MessageState::Sent => style.dim("✓"),
        MessageState::Delivered => "✓✓".to_owned(),
        // Without colour the word has to say it.
        MessageState::Read if style.color => style.good("✓✓"),
        MessageState::Read => "✓✓ read".to_owned(),
        MessageState::Failed { reason } => style.bad(&format!("✗ {}", fail_reason(reason))),
        _ => String::new(),
    }
}

/// One entry of a conversation.
pub(crate) fn message(message: &Message, style: Style) -> String {
    let at = style.dim(&time(message.sent_at));
    match &message.body {
        Body::Notice { notice: what } => {
            format!("{at} {}", style.warning(&format!("* {}", notice(what, message))))
        }
        Body::Deleted { .. } => {
            let who = if message.outgoing { "you".to_owned() } else { name(&message.sender_name) };
            format!("{at} {}", style.dim(&format!("{who}: (deleted)")))
        }
        Body::Text { text: words } if message.outgoing => {
            let mark = message.state.map(|state| format!(" {}", mark(state, style))).unwrap_or_default();
            let words = quoted(message, words, style);
            format!("{at} {} {words}{mark}{}", style.own("you:"), beside(message, style))
        }
        Body::Text { text: words } => {
            let who = style.person(message.sender.as_ref(), &format!("{}:", name(&message.sender_name)));
            format!("{at} {who} {}{}", quoted(message, words, style), beside(message, style))
        }
        Body::File { file: it, caption } => {
            let who = match message.outgoing {
                true => style.own("you:"),
                false => style.person(message.sender.as_ref(), &format!("{}:", name(&message.sender_name))),
            };
            let mark = message.state.map(|state| format!(" {}", mark(state, style))).unwrap_or_default();
            let words = if caption.is_empty() {
                String::new()
            } else {
                format!("\n{}{}", text::CONTINUED, quoted(message, caption, style))
            };
            format!("{at} {who} {}{mark}{}{words}", file(it, style), beside(message, style))
        }
        _ => format!("{at} (something that this version does not know; update Wheesht)"),
    }
}

/// A file: what it is, and how far.
pub(crate) fn file(file: &File, style: Style) -> String {
    let what = match (file.voice, file.duration_ms) {
        (true, Some(ms)) => format!("voice note, {} s", ms / 1_000),
        (true, None) => "voice note".to_owned(),
        (false, _) => text::one_line(&file.media_type),
    };
    let state = match &file.state {
        FileState::Remote => "not fetched".to_owned(),
        FileState::Waiting { .. } => "waits".to_owned(),
        FileState::Moving => "on its way".to_owned(),
        FileState::Paused => "paused".to_owned(),
        FileState::Stopped { error } => style.bad(&text::one_line(&error.to_string())),
        FileState::Saved { path } => text::one_line(path),
        _ => String::new(),
    };
    let about = style.dim(&format!("({what}, {})", amount(file.size)));
    format!("[{}] {about} {state}", text::one_line(&file.name))
}

/// So many bytes.
pub(crate) fn amount(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, ((bytes & 0x3fff_ffff) * 10) >> 30),
    }
}

/// A text, after what it answers.
fn quoted(message: &Message, words: &str, style: Style) -> String {
    let forwarded = if message.forwarded { style.dim("(sent on) ") } else { String::new() };
    match &message.reply {
        None => format!("{forwarded}{}", text::block(words)),
        Some(quote) => {
            let before =
                if quote.text.is_empty() { "…".to_owned() } else { text::excerpt(&quote.text, 48) };
            let words = text::block(words);
            format!("{forwarded}{}\n{}{words}", style.dim(&format!("↳ “{before}”")), text::CONTINUED)
        }
    }
}

/// What an entry says, as its writer wrote it.
pub(crate) fn words(body: &Body) -> &str {
    match body {
        Body::Text { text } => text,
        Body::File { caption, .. } => caption,
        _ => "(something that this version does not know; update Wheesht)",
    }
}

fn beside(message: &Message, style: Style) -> String {
    let all = became(message);
    if all.is_empty() { String::new() } else { style.dim(&format!(" [{}]", all.join(", "))) }
}

/// What became of a message.
pub(crate) fn became(message: &Message) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(receipts) = message.receipts.filter(|receipts| receipts.of > 0) {
        all.push(format!("{}/{} have it, {} read", receipts.delivered, receipts.of, receipts.read));
    }
    if message.edited.is_some() {
        all.push("edited".to_owned());
    }
    if message.pinned {
        all.push("pinned".to_owned());
    }
    if let Some(at) = message.disappears_at {
        all.push(format!("until {}", time(at)));
    }
    for reaction in &message.reactions {
        let emoji = text::excerpt(&reaction.emoji, 8);
        match reaction.accounts.len() {
            1 => all.push(emoji),
            count => all.push(format!("{emoji} {count}")),
        }
    }
    all
}

/// A name that somebody may have chosen.
pub(crate) fn name(name: &str) -> String {
    text::one_line(name)
}

/// A notice in words.
pub(crate) fn notice(notice: &Notice, message: &Message) -> String {
    let who = name(&message.sender_name);
    match notice {
        Notice::DeviceAdded { .. } => format!("{who} uses a new device."),
        Notice::AccountDeleted => {
            format!("{who} has deleted this account. To talk again, ask for a new address.")
        }
        Notice::DeviceRemoved { .. } => format!("{who} no longer uses one of their devices."),
        Notice::IdentityChanged => format!(
            "{who} has another identity now: a new account under the same address, or somebody in between. Nothing is sent \
             until you say /trust {who}; better ask them first, some other way."
        ),
        Notice::IdentityAccepted => format!("You accepted {who}'s new identity."),
        Notice::Unreadable => format!("A message from {who} could not be read; it was asked for again."),
        Notice::SessionReset => "The encrypted session was set up anew.".to_owned(),
        Notice::Disappearing { after_ms: 0, .. } => format!("{who} lets messages stay from now on."),
        Notice::Disappearing { after_ms, .. } => {
            format!("{who} has messages disappear after {} from now on.", span(*after_ms))
        }
        Notice::Group { actor_name, change, .. } => {
            let actor = if message.outgoing { "You".to_owned() } else { name(actor_name) };
            format!("{actor} {}.", text::one_line(&change.words()))
        }
        Notice::Accepted => format!("{who} accepted: you can talk now."),
        _ => "Something happened that this version does not know; update Wheesht.".to_owned(),
    }
}

/// Why a message won't go, and what to do about it.
pub(crate) fn fail_reason(reason: FailReason) -> String {
    format!("not sent: {}", text::one_line(&Error::from(reason).to_string()))
}

/// What went wrong, and what to do about it.
pub(crate) fn trouble(trouble: &Trouble) -> String {
    let words = text::one_line(&Error::from(trouble).to_string());
    match trouble {
        Trouble::GroupChangeRefused { change, .. } => {
            format!("Given up: you {}. {words}", text::one_line(&change.words()))
        }
        Trouble::GroupRecordUnreachable { relay, .. } => {
            format!(
                "{words} It lies at {}; messages go all the same. To move it: /group move.",
                relay.authority()
            )
        }
        _ => words,
    }
}

/// An address as the owner of `own` writes it: without the relay if that is the own one.
pub(crate) fn short(address: &Address, own: Option<&Address>) -> String {
    match own {
        Some(own) if own.relay().authority() == address.relay().authority() => address.name().to_string(),
        _ => address.canonical(),
    }
}

/// One contact.
pub(crate) fn contact(contact: &Contact, own: Option<&Address>, style: Style) -> String {
    let state = match contact.state {
        ContactState::Known => style.dim("nothing sent yet"),
        ContactState::RequestSent => style.dim("waits for them to accept"),
        ContactState::RequestReceived => style.warning("wrote to you: accept, block or delete"),
        ContactState::Accepted if contact.verified => style.good("verified"),
        ContactState::Accepted => "not verified".to_owned(),
        ContactState::Blocked => style.bad("blocked"),
        _ => String::new(),
    };
    let changed = if contact.identity_changed { style.bad(", IDENTITY CHANGED") } else { String::new() };
    let seen = match crate::commands::presence::seen(&contact.presence, style) {
        seen if seen.is_empty() => seen,
        seen => format!(" · {seen}"),
    };
    format!("{:<24} {state}{changed}{seen}", short(&contact.address, own))
}

/// How somebody is, in a word and their line of text; none if that isn't known.
pub(crate) fn presence(presence: &Presence) -> Option<String> {
    let how = match presence.availability {
        Availability::Online => "online",
        Availability::Away => "away",
        Availability::Busy => "busy",
        Availability::Offline => "offline",
        _ => return None,
    };
    let words = text::excerpt(&presence.text, 80);
    Some(if words.is_empty() { how.to_owned() } else { format!("{how}: {words}") })
}

/// One line of the list of conversations.
pub(crate) fn conversation(conversation: &Conversation, style: Style) -> String {
    let unread = match conversation.unread {
        0 => String::new(),
        n => style.warning(&format!(" ({n} new)")),
    };
    let last = conversation.last.as_ref().map(|message| match &message.body {
        Body::Text { text: words } => {
            let from = if message.outgoing { "you: " } else { "" };
            format!("{} {from}{}", time(message.sent_at), text::excerpt(words, 48))
        }
        _ => time(message.sent_at),
    });
    format!("{:<24}{unread} {}", name(&conversation.title), style.dim(&last.unwrap_or_default()))
}

/// Why somebody was not let into a group.
pub(crate) const fn refusal(why: Option<GroupRefusal>) -> &'static str {
    match why {
        Some(GroupRefusal::Closed) => ": links no longer let anybody in",
        Some(GroupRefusal::Expired) => ": the link or invitation is no longer good",
        Some(GroupRefusal::Declined) => ": somebody there decided so",
        Some(GroupRefusal::Banned) => ": you were banned",
        Some(GroupRefusal::Full) => ": the group is full",
        Some(GroupRefusal::Unanswered) => ": nobody answered",
        _ => "",
    }
}

/// One line of the list of groups.
pub(crate) fn group(group: &Group, style: Style) -> String {
    let phase = match group.phase {
        GroupPhase::Invited => style.warning("you are invited: accept or decline"),
        GroupPhase::Joining => style.dim("waits until you are let in"),
        GroupPhase::Member => group.role.map(Role::word).unwrap_or_default().to_owned(),
        GroupPhase::Leaving => style.dim("leaving"),
        GroupPhase::Left => style.dim("left"),
        GroupPhase::Removed => style.bad("you were removed"),
        GroupPhase::Refused => style.bad(&format!("you were not let in{}", refusal(group.refusal))),
        _ => String::new(),
    };
    let pending = match group.pending.len() {
        0 => String::new(),
        _ => style.warning(" (changes wait for the group's relay)"),
    };
    let members =
        if group.members == 1 { "1 member".to_owned() } else { format!("{} members", group.members) };
    format!("{:<24} {} {members}, {phase}{pending}", handle(&group.title), style.bold(&name(&group.title)))
}

/// A group with all that belongs to it.
pub(crate) fn group_details(details: &GroupDetails, own: Option<&Address>, style: Style) -> String {
    let mut lines = vec![group(&details.group, style)];
    if !details.group.about.is_empty() {
        lines.push(text::block(&details.group.about));
    }
    if let Some(policy) = &details.group.policy {
        lines.push(style.dim(&format!("  {}", policy.words())));
    }
    for member in &details.members {
        let verified = if member.verified { style.good(" verified") } else { String::new() };
        let this = if member.own { style.dim(" (you)") } else { String::new() };
        lines.push(format!("  {:<24} {}{verified}{this}", short(&member.address, own), member.role.word()));
    }
    for request in &details.requests {
        let who = short(&request.address, own);
        lines.push(style.warning(&format!("  {who} asks to join: group admit, or group refuse")));
    }
    for link in &details.links {
        let uses = link.uses_left.map(|uses| format!(", {uses} uses left")).unwrap_or_default();
        let until = link.expires.map(|at| format!(", until {}", time(at))).unwrap_or_default();
        lines.push(format!("  link {}{uses}{until}", link.link.as_deref().unwrap_or(&link.id)));
    }
    lines.extend(details.banned.iter().map(|account| style.dim(&format!("  banned: {account}"))));
    lines.join("\n")
}

/// One device.
pub(crate) fn device(device: &Device, style: Style) -> String {
    let label = device.label.as_deref().map_or_else(|| "(no name)".to_owned(), text::one_line);
    let this = if device.this { style.good(" this device") } else { String::new() };
    let id: String = device.id.to_string().chars().take(8).collect();
    format!("{label:<24} {} since {}{this}", style.dim(&id), time(device.created))
}

/// A device that asks to join.
pub(crate) fn proposal(proposal: &DeviceProposal, style: Style) -> String {
    let code = grouped(&proposal.code, 4);
    match (proposal.evicts, proposal.effective_at) {
        (true, at) => style.bad(&format!(
            "Somebody with your password wants to REMOVE ALL your devices, this one included{}. If it was not you: /reject now \
             (wheesht devices reject), then change your password. Code: {code}",
            at.map(|at| format!(", at {}", time(at))).unwrap_or_default(),
        )),
        (false, _) => style.warning(&format!(
            "A new device asks to join your account. If its screen shows {code}: /confirm {code} (wheesht devices confirm). If it \
             is not yours: /reject, and change your password."
        )),
    }
}

/// How far history is on its way between two devices.
pub(crate) fn history_transfer(transfer: &HistoryTransfer) -> String {
    let HistoryTransfer { sending, done, total, .. } = transfer;
    let way = if *sending { "handed over to" } else { "taken in from" };
    match &transfer.state {
        HistoryTransferState::Done => format!("History: {done} messages {way} the other device."),
        HistoryTransferState::Waiting { error } | HistoryTransferState::Failed { error } => {
            format!("History: {done} of about {total}. {}", text::one_line(&error.to_string()))
        }
        _ => format!("History: {done} of about {total} messages {way} the other device."),
    }
}

/// A code to scan, with an empty line after it; nothing if the text is too long for one.
pub(crate) fn qr(text: &str) -> String {
    let code = qrcode::QrCode::new(text).map(|code| {
        code.render::<qrcode::render::unicode::Dense1x2>()
            .dark_color(qrcode::render::unicode::Dense1x2::Light)
            .light_color(qrcode::render::unicode::Dense1x2::Dark)
            .build()
    });
    code.map(|code| format!("{code}\n\n")).unwrap_or_default()
}

/// How far this installation is.
pub(crate) fn status(status: &Status, style: Style) -> String {
    let address = status.address.as_ref().map(|address| style.bold(&address.canonical()));
    let online = if status.online { style.good("online") } else { style.dim("offline") };
    let outbox = match status.outbox {
        0 => String::new(),
        1 => ", 1 message waits to go out".to_owned(),
        n => format!(", {n} messages wait to go out"),
    };
    let phase = phase(&status.phase, style);
    match address {
        Some(address) if status.phase == Phase::Active => {
            let whole = status.address.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{address} is {online}{outbox}.\nOthers reach you as: {whole}")
        }
        Some(address) => format!("{address}: {phase}"),
        None => phase,
    }
}

/// A phase in words.
pub(crate) fn phase(phase: &Phase, style: Style) -> String {
    match phase {
        Phase::Empty => "There is no account here yet: wheesht register NAME@RELAY, or wheesht login NAME@RELAY.".to_owned(),
        Phase::Pending { code, effective_at: None } => format!(
            "This device waits. Confirm it on another one of yours, which shows the same code: {}",
            style.bold(&grouped(code, 4))
        ),
        Phase::Pending { code, effective_at: Some(at) } => format!(
            "This device takes over at {}, unless one of the others refuses. Code: {}",
            time(*at),
            style.bold(&grouped(code, 4))
        ),
        Phase::Active => style.good("This device is in use."),
        Phase::Stopped { reason } => style.bad(match reason {
            StopReason::Removed => "This device was removed from the account. Its history can be read; to go on, log in again.",
            StopReason::RolledBack => {
                "What is stored here is older than what this device had told its relay: it was restored from a copy. To go \
                 on safely, log in again."
            }
            StopReason::Rejected => "Another device refused this one. If that was a mistake, log in again.",
            StopReason::Deleted => "The account was deleted. Its history can be read here, and nothing more can be sent.",
            _ => "This device was stopped. To go on, log in again.",
        }),
        _ => String::new(),
    }
}

/// Digits in groups, however they were grouped before.
pub(crate) fn grouped(digits: &str, size: usize) -> String {
    let chars: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let groups: Vec<String> = chars.chunks(size).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

/// The time of day, with the date unless it is today.
pub(crate) fn time(at: Timestamp) -> String {
    let zone = TimeZone::system();
    let Some(instant) = i64::try_from(at.as_millis()).ok().and_then(|ms| Instant::from_millisecond(ms).ok())
    else {
        return "?".to_owned();
    };
    let then = instant.to_zoned(zone.clone());
    let today = Instant::now().to_zoned(zone).date();
    let format = if then.date() == today { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    then.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { color: false };

    #[test]
    fn marks_differ_without_colour_too() {
        let marks: Vec<_> =
            [MessageState::Pending, MessageState::Sent, MessageState::Delivered, MessageState::Read]
                .into_iter()
                .map(|state| mark(state, PLAIN))
                .collect();
        assert_eq!(marks, ["·", "✓", "✓✓", "✓✓ read"]);
        assert!(marks.iter().all(|mark| !mark.contains('\x1b')));
    }

    #[test]
    fn an_own_relay_goes_without_saying() {
        let own: Address = "alice@relay.example.org".parse().unwrap();
        let near: Address = "bob@relay.example.org".parse().unwrap();
        let far: Address = "carol@elsewhere.net:9000".parse().unwrap();
        assert_eq!(short(&near, Some(&own)), "bob");
        assert_eq!(short(&far, Some(&own)), "carol@elsewhere.net:9000");
        assert_eq!(short(&near, None), "bob@relay.example.org");
    }

    #[test]
    fn codes_come_in_groups() {
        assert_eq!(grouped("123 456 78", 4), "1234 5678");
        assert_eq!(grouped("123", 5), "123");
    }
}
