//! Contacts as vCard 4 (RFC 6350), and as JSON: for another program's address book, or from one.
//!
//! A card names a contact by `IMPP:wheesht:name@relay`, and by `UID:urn:wheesht:` with the identity. Of a card that has neither nothing
//! is taken. What a card says of an identity is compared with what the relay says, and makes nobody verified.
// EXP-6

use std::fmt::Write as _;

use crate::{
    api::{Contact, ContactExtra, ContactState, Error, ErrorCode, ExportLine, Who},
    client::Client,
    proto::{address::Address, ids::AccountId},
};

/// The longest file of contacts (bytes), and most of them.
const MAX_SIZE: usize = 16 << 20;
const MAX_CARDS: usize = 100_000;

/// A contact as a file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// Where they are reached.
    pub address: Option<Address>,
    /// Who they are.
    pub account: Option<AccountId>,
    /// What one notes down about them.
    pub extra: ContactExtra,
}

/// A contact that was not taken in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardError {
    /// Whom the card means, as far as it says.
    pub who: String,
    /// Why.
    pub error: Error,
}

impl Client {
    /// All contacts as one vCard file.
    ///
    /// # Errors
    /// If the store failed.
    pub async fn contacts_as_vcard(&self) -> Result<String, Error> {
        Ok(self.contacts().await?.iter().filter(|contact| is_contact(contact)).map(card).collect())
    }

    /// All contacts as JSON: the `contact` lines of an export, in an array.
    ///
    /// # Errors
    /// If the store failed.
    pub async fn contacts_as_json(&self) -> Result<String, Error> {
        let contacts = self.contacts().await?;
        let line = |contact: Contact| {
            let Contact { id, address, state, verified, extra, .. } = contact;
            ExportLine::Contact { id, address, state, verified, extra }
        };
        let lines: Vec<_> = contacts.into_iter().filter(is_contact).map(line).collect();
        let mut text = serde_json::to_string_pretty(&lines)
            .map_err(|_| Error::new(ErrorCode::Internal, "Contacts can't be written as JSON."))?;
        text.push('\n');
        Ok(text)
    }

    /// Takes in contacts from a vCard file or from JSON: those who are not known yet are looked up at their relays. Gives how many were
    /// taken in, and which were not.
    ///
    /// # Errors
    /// If it is neither.
    pub async fn import_contacts(&self, text: &str) -> Result<(u64, Vec<CardError>), Error> {
        let (mut taken, mut errors) = (0, Vec::new());
        for card in read(text)? {
            match self.take_card(&card).await {
                Ok(()) => taken += 1,
                Err(error) => {
                    let address = card.address.as_ref().map(Address::canonical);
                    let who = address.or(card.account.map(|id| id.to_string())).unwrap_or_default();
                    errors.push(CardError { who, error });
                }
            }
        }
        Ok((taken, errors))
    }

    async fn take_card(&self, card: &Card) -> Result<(), Error> {
        let contacts = self.contacts().await?;
        let same = |contact: &&Contact| {
            let address = card.address.as_ref().map(Address::canonical);
            card.account == Some(contact.id)
                || address.is_some_and(|address| contact.address.canonical() == address)
        };
        let contact = match (contacts.iter().find(same), &card.address) {
            (Some(contact), _) => contact.clone(),
            (None, Some(address)) => self.add_contact(address.clone()).await?,
            (None, None) => return Err(Error::new(ErrorCode::Invalid, "The card has no address.")),
        };
        if card.account.is_some_and(|account| account != contact.id) {
            let error = Error::new(
                ErrorCode::IdentityChanged,
                "The card names another identity than the relay does.",
            );
            return Err(error.next("Compare the safety number before you write to them."));
        }
        let mut extra = contact.extra.clone();
        let theirs = card.extra.clone();
        if extra.nickname.is_empty() {
            extra.nickname = theirs.nickname;
        }
        if extra.note.is_empty() {
            extra.note = theirs.note;
        }
        extra.lists.extend(theirs.lists);
        if extra != contact.extra {
            self.edit_contact(Who::Id(contact.id), extra).await?;
        }
        Ok(())
    }
}

fn is_contact(contact: &Contact) -> bool {
    !matches!(contact.state, ContactState::RequestReceived | ContactState::Blocked)
}

/// A contact as a card.
fn card(contact: &Contact) -> String {
    let extra = &contact.extra;
    let name = contact.address.name().to_string();
    let mut out = String::from("BEGIN:VCARD\r\nVERSION:4.0\r\n");
    let full = if extra.nickname.is_empty() { &name } else { &extra.nickname };
    property(&mut out, "FN", &escape(full));
    if !extra.nickname.is_empty() {
        property(&mut out, "NICKNAME", &escape(&extra.nickname));
    }
    property(&mut out, "IMPP", &format!("wheesht:{}", contact.address));
    property(&mut out, "UID", &format!("urn:wheesht:{}", contact.id));
    if !extra.note.is_empty() {
        property(&mut out, "NOTE", &escape(&extra.note));
    }
    if !extra.lists.is_empty() {
        let lists: Vec<_> = extra.lists.iter().map(|list| escape(list)).collect();
        property(&mut out, "CATEGORIES", &lists.join(","));
    }
    out.push_str("END:VCARD\r\n");
    out
}

/// A line, folded at 75 bytes and never within a character.
fn property(out: &mut String, name: &str, value: &str) {
    let mut room = 75;
    let _ = write!(out, "{name}:");
    room -= name.len() + 1;
    for c in value.chars() {
        if c.len_utf8() > room {
            out.push_str("\r\n ");
            room = 74;
        }
        room -= c.len_utf8();
        out.push(c);
    }
    out.push_str("\r\n");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\\' | ',' | ';' => out.extend(['\\', c]),
            c if c.is_control() && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

/// Contacts of a file.
fn read(text: &str) -> Result<Vec<Card>, Error> {
    let wrong = || {
        let error = Error::new(ErrorCode::Invalid, "These are no contacts, neither vCard nor JSON.");
        error.next("Take a .vcf file, or what wheesht contacts export has written.")
    };
    if text.len() > MAX_SIZE {
        return Err(Error::new(ErrorCode::TooLarge, "A file of contacts has at most 16 MiB."));
    }
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('[') {
        let lines: Vec<ExportLine> = serde_json::from_str(text).map_err(|_| wrong())?;
        let card = |line| match line {
            ExportLine::Contact { id, address, extra, .. } => {
                Some(Card { address: Some(address), account: Some(id), extra })
            }
            _ => None,
        };
        return Ok(lines.into_iter().filter_map(card).take(MAX_CARDS).collect());
    }
    let begins = text.get(..11).is_some_and(|begin| begin.eq_ignore_ascii_case("BEGIN:VCARD"));
    if begins { Ok(cards(text)) } else { Err(wrong()) }
}

/// The cards of a vCard file that mean somebody on Wheesht.
fn cards(text: &str) -> Vec<Card> {
    let mut found = Vec::new();
    let mut card = Card::default();
    for line in unfold(text) {
        let Some((name, value)) = line.split_once(':') else { continue };
        // A group before the name, and parameters behind it, say nothing that is needed.
        let name = name.split(';').next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
        match name.as_str() {
            "BEGIN" => card = Card::default(),
            "END" => {
                let card = std::mem::take(&mut card);
                if (card.address.is_some() || card.account.is_some()) && found.len() < MAX_CARDS {
                    found.push(card);
                }
            }
            "IMPP" => {
                if let Some(address) = strip(value, "wheesht:").and_then(|address| address.parse().ok()) {
                    card.address = Some(address);
                }
            }
            "UID" => {
                card.account = strip(value, "urn:wheesht:").and_then(|id| id.parse().ok()).or(card.account)
            }
            "NICKNAME" => card.extra.nickname = split(value).into_iter().next().unwrap_or_default(),
            "NOTE" => card.extra.note = unescape(value),
            "CATEGORIES" => card.extra.lists = split(value),
            _ => {}
        }
    }
    found
}

fn strip<'a>(value: &'a str, prefix: &str) -> Option<&'a str> {
    let (there, rest) = value.split_at_checked(prefix.len())?;
    there.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Lines, those that were folded joined again.
fn unfold(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// Several values, between commas that are not escaped.
fn split(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in value.chars() {
        if c == ',' && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.iter().map(|part| unescape(part)).filter(|part| !part.is_empty()).collect()
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    fn contact(extra: ContactExtra) -> Contact {
        Contact {
            id: AccountId::new([7; 32]),
            address: "bob@relay.example.org".parse().unwrap(),
            state: ContactState::Accepted,
            verified: true,
            identity_changed: false,
            added: Timestamp::from_millis(1),
            presence: Default::default(),
            profile_name: Default::default(),
            presence_hidden: false,
            extra,
        }
    }

    proptest! {
        #[test]
        fn exp_6_a_contact_survives_its_card(
            nickname in "[^\\p{Cc}]{0,60}", note in "([^\\p{Cc}]|\n){0,300}",
            lists in proptest::collection::vec("[^\\p{Cc}]{1,20}", 0..4),
        ) {
            let extra = ContactExtra { nickname, note, lists };
            let text = card(&contact(extra.clone()));
            prop_assert!(text.split("\r\n").all(|line| line.len() <= 75));
            let read = read(&text).unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].extra, &extra);
            prop_assert_eq!(read[0].account, Some(AccountId::new([7; 32])));
            prop_assert_eq!(read[0].address.as_ref().unwrap().canonical(), "bob@relay.example.org");
        }

        #[test]
        fn exp_6_nothing_in_a_file_makes_it_fall_over(text in any::<String>()) {
            let _ = read(&text);
            let _ = read(&format!("BEGIN:VCARD\n{text}\nEND:VCARD"));
            let _ = read(&format!("[{text}]"));
        }
    }

    #[test]
    fn exp_6_cards_of_other_programs_are_read() {
        let text = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bob\r\nitem1.IMPP;TYPE=home:WHEESHT:bob@rel\r\n ay.example.org\r\nCATEGORIES:a\\,b,c\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:Nobody\r\nEND:VCARD";
        let cards = read(text).unwrap();
        assert_eq!(cards.len(), 1);
        assert_eq!(cards[0].extra.lists, ["a,b", "c"]);
        assert!(read("hello").is_err());
    }
}
