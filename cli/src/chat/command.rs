//! What a line typed in the chat means.

use clap::CommandFactory as _;
use wheesht_core::api::PresenceChoice;

use crate::{
    args::{GroupAction, GroupLine, MessageAction},
    text,
};

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// A text for the open conversation.
    Say(String),
    /// All of it, or what is about a word.
    Help(Option<String>),
    Msg {
        to: String,
        text: String,
    },
    Open(String),
    Close,
    Chats,
    Accept(Option<String>),
    Block(String),
    Unblock(String),
    Requests,
    /// Contacts, and what changes about one.
    Contact(Words),
    Remove {
        name: String,
        sure: bool,
    },
    Lists(Option<String>),
    Export(Words),
    Backup(String),
    Avatar(String),
    Settings(Words),
    Debug(String),
    View(String),
    History(u32),
    Verify {
        who: Option<String>,
        matches: Option<bool>,
    },
    Trust(String),
    /// What is left out is the open conversation's.
    Group(Words),
    /// The only invitation.
    Join,
    Next,
    /// In the open conversation.
    Message(MessageAction),
    /// What calls for attention.
    Notifications(Words),
    /// One's own, somebody's, or what changes in one's own.
    Profile(Words),
    /// Files to the open conversation: the words, and the whole line.
    Send(Words, String),
    Save {
        reference: String,
        directory: Option<String>,
    },
    Cancel(String),
    Search(String),
    /// To a result, a day, a message, a link.
    Jump(String),
    /// What contacts see: how available, and a line of text.
    Be(PresenceChoice, Option<String>),
    /// Keeps a text, or shows the one that is kept.
    Draft(Option<String>),
    Link(String),
    Devices,
    Confirm(String),
    Reject(Option<String>),
    Status,
    Quit,
}

/// The words of a group command, which are understood once it is known which group is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    /// What they mean, in this group if they name none.
    pub(crate) fn understand(mut self, open: Option<&str>) -> Result<GroupAction, NotUnderstood> {
        let names_group = |word: &String| word.starts_with('#') || word.starts_with("group:");
        let of_none = ["list", "create", "join", "help"];
        let verb = self.0.first().map_or("", String::as_str);
        if !verb.is_empty()
            && !of_none.contains(&verb)
            && !self.0.get(1).is_some_and(names_group)
            && GroupLine::command().find_subcommand(verb).is_some()
        {
            let Some(open) = open.filter(|open| open.starts_with('#')) else {
                let words = format!("In which group? /open #GROUP first, or write /{verb} #GROUP.");
                return Err(NotUnderstood(words));
            };
            self.0.insert(1, open.to_owned());
        }
        Ok(self.parse::<GroupLine>()?.action.unwrap_or(GroupAction::List))
    }

    /// Accepts the invitation to this group.
    pub(crate) fn accepting(group: String) -> Self {
        Self(vec!["accept".to_owned(), group])
    }

    /// What they mean to this definition.
    pub(crate) fn parse<T: clap::Parser>(self) -> Result<T, NotUnderstood> {
        T::try_parse_from(self.0).map_err(|error| {
            let words = error.to_string();
            NotUnderstood(words.trim().trim_start_matches("error: ").to_owned())
        })
    }
}

/// Words as one types them: in quotes, spaces belong to a word.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A command's name, what follows it, and what it does.
pub(crate) struct Usage {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) does: &'static str,
}

const fn usage(name: &'static str, arguments: &'static str, does: &'static str) -> Usage {
    Usage { name, arguments, does }
}

/// All commands, in the order of the help.
pub(crate) const COMMANDS: &[Usage] = &[
    usage("/msg", "NAME TEXT", "write to somebody, and open the conversation"),
    usage("/open", "NAME", "open a conversation; what you type goes there"),
    usage("/close", "", "close it again"),
    usage("/chats", "", "all conversations"),
    usage("/requests", "", "strangers who wrote"),
    usage("/accept", "[NAME]", "accept a stranger's request"),
    usage("/block", "NAME", "block somebody; they are not told"),
    usage("/unblock", "NAME", "let them write again"),
    usage("/contacts", "", "whom you know"),
    usage("/add", "NAME", "look somebody up and keep them"),
    usage("/remove", "NAME [yes]", "forget somebody, and what was said"),
    usage("/nickname", "NAME [WORD]", "call somebody something; only you see it"),
    usage("/note", "NAME [TEXT]", "note something about somebody, for you"),
    usage("/list", "[LIST]", "your lists; /list put NAME LIST, /list take"),
    usage("/archive", "NAME [--off]", "put a conversation away"),
    usage("/history", "[N]", "the last N entries here (20)"),
    usage("/verify", "[NAME [yes|no]]", "the number to compare; whether it was the same"),
    usage("/trust", "NAME", "accept that they have another identity now"),
    usage("/reply", "[^N] TEXT", "answer the last of theirs; ^2: the one before"),
    usage("/react", "[^N] EMOJI [off]", ":tada: and the like"),
    usage("/edit", "[^N] TEXT", "give your last message another text"),
    usage("/delete", "[^N] [all]", "delete a message for you, or yours for all"),
    usage("/forward", "[^N] NAME", "send a message on"),
    usage("/pin", "[^N]", "pin it for everybody; /unpin, /pins"),
    usage("/info", "[^N]", "who has your message, and who has read it"),
    usage("/timer", "8h|7d|off", "have messages disappear"),
    usage("/mute", "[8h]", "don't be told of what is said here; /unmute"),
    usage("/notifications", "[--show WHAT …]", "what calls for you; --quiet 22:00-7:00"),
    usage("/send", "FILE … [--caption TEXT]", "pictures without place and camera"),
    usage("/save", "[^N] [DIRECTORY]", "fetch the newest file that came"),
    usage("/view", "[^N]", "a picture here, or where a file lies"),
    usage("/cancel", "[^N]", "stop sending or fetching a file"),
    usage("/search", "WORDS", "find: \"a phrase\", begin*, from:bob"),
    usage("/jump", "N|DAY|^N|LINK", "to a result, a day, a message; /jump unread"),
    usage("/draft", "[TEXT]", "keep a text for later, on all your devices"),
    usage("/link", "[^N]", "a link to a message, for those who are here"),
    usage("/next", "", "open what is unread, the oldest first"),
    usage("/group", "[ACTION …]", "groups; /group help lists the actions"),
    usage("/join", "[LINK]", "join by a link, or accept an invitation"),
    usage("/invite", "[#GROUP] NAME", "invite somebody into a group"),
    usage("/members", "[#GROUP]", "who belongs to it"),
    usage("/kick", "[#GROUP] NAME", "remove a member"),
    usage("/role", "[#GROUP] NAME ROLE", "make a member, admin or owner of somebody"),
    usage("/leave", "[#GROUP]", "leave a group"),
    usage("/profile", "[NAME|set …]", "what people show; set --name NAME --about TEXT"),
    usage("/avatar", "FILE|off", "your picture"),
    usage("/export", "FILE [--format F]", "this conversation: json, html, markdown, text"),
    usage("/backup", "FILE", "everything, under a passphrase made up for it"),
    usage("/settings", "[--WHAT ON]", "--read-receipts off, --auto-download 8M"),
    usage("/debug", "FILE", "what helps to find a fault; names nobody"),
    usage("/devices", "", "your account's devices"),
    usage("/confirm", "CODE", "let a device join that shows this code"),
    usage("/reject", "[CODE]", "refuse the device that asks"),
    usage("/status", "[WHAT [TEXT]]", "how you are: online, away, busy, invisible, off"),
    usage("/quit", "", "leave (also Ctrl-D)"),
];

/// Why a line means nothing, for the person who typed it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUnderstood(pub(crate) String);

/// Understands a line. A text that begins with a slash is written with two.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, NotUnderstood> {
    // The editor lets a line that ends in a backslash go on.
    let line = &line.trim().replace("\\\n", "\n");
    if line.is_empty() {
        return Ok(None);
    }
    let Some(rest) = line.strip_prefix('/') else { return Ok(Some(Command::Say(line.to_owned()))) };
    if rest.starts_with('/') {
        return Ok(Some(Command::Say(rest.to_owned())));
    }
    let (name, rest) = split(rest);
    let one = || Some(rest.to_owned()).filter(|rest| !rest.is_empty());
    let needed = || one().ok_or_else(|| incomplete(name));
    Ok(Some(match name {
        "help" | "h" | "?" => Command::Help(one()),
        "msg" | "m" => match split(rest) {
            (to, text) if !to.is_empty() && !text.is_empty() => {
                Command::Msg { to: to.to_owned(), text: text.to_owned() }
            }
            _ => return Err(incomplete(name)),
        },
        "open" | "o" => Command::Open(needed()?),
        "close" => Command::Close,
        "chats" => Command::Chats,
        "accept" => Command::Accept(one()),
        "block" => Command::Block(needed()?),
        "unblock" => Command::Unblock(needed()?),
        "requests" => Command::Requests,
        "contacts" | "contact" => Command::Contact(Words(words(rest))),
        "add" | "nickname" | "note" | "archive" if rest.is_empty() => return Err(incomplete(name)),
        "add" | "nickname" | "note" | "archive" => Command::Contact(verb(name, rest)),
        "remove" => match split(rest) {
            ("", _) => return Err(incomplete(name)),
            (who, sure) => Command::Remove { name: who.to_owned(), sure: sure == "yes" },
        },
        "list" | "lists" => match split(rest) {
            ("put" | "take", more) if more.contains(char::is_whitespace) => {
                Command::Contact(Words(words(rest)))
            }
            _ => Command::Lists(one()),
        },
        "export" => Command::Export(Words(words(&needed()?))),
        "backup" => Command::Backup(needed()?),
        "avatar" => Command::Avatar(needed()?),
        "settings" => Command::Settings(Words(words(rest))),
        "debug" => Command::Debug(needed()?),
        "view" | "v" => Command::View(one().unwrap_or_else(|| "^".to_owned())),
        "history" => match rest {
            "" => Command::History(20),
            count => match count.parse() {
                Ok(count @ 1..=1_000) => Command::History(count),
                _ => return Err(NotUnderstood("/history takes a number from 1 to 1000.".to_owned())),
            },
        },
        "verify" => match split(rest) {
            ("", _) => Command::Verify { who: None, matches: None },
            ("yes", "") => Command::Verify { who: None, matches: Some(true) },
            ("no", "") => Command::Verify { who: None, matches: Some(false) },
            (who, answer) => {
                let matches = match answer {
                    "" => None,
                    "yes" => Some(true),
                    "no" => Some(false),
                    _ => return Err(incomplete(name)),
                };
                Command::Verify { who: Some(who.to_owned()), matches }
            }
        },
        "trust" => Command::Trust(needed()?),
        "reply" | "react" | "edit" | "delete" | "forward" | "pin" | "unpin" | "pins" | "info" | "timer"
        | "mute" | "unmute" => Command::Message(message(name, rest).ok_or_else(|| incomplete(name))?),
        "next" | "n" => Command::Next,
        "group" | "g" | "groups" => Command::Group(Words(words(rest))),
        "join" if rest.starts_with('#') => Command::Group(verb("accept", rest)),
        "join" if rest.is_empty() => Command::Join,
        "join" | "invite" | "members" | "kick" | "role" | "leave" => Command::Group(verb(name, rest)),
        "send" => Command::Send(Words(words(rest)), needed()?),
        "save" => {
            let (reference, directory) = match split(rest) {
                (reference, directory) if reference.starts_with('^') => (reference, directory),
                _ => ("^", rest),
            };
            let directory = Some(directory.to_owned()).filter(|directory| !directory.is_empty());
            Command::Save { reference: reference.to_owned(), directory }
        }
        "cancel" => Command::Cancel(one().unwrap_or_else(|| "^".to_owned())),
        "profile" => Command::Profile(profile(rest)),
        "notifications" => Command::Notifications(Words(words(rest))),
        "devices" => Command::Devices,
        "confirm" => Command::Confirm(needed()?),
        "reject" => Command::Reject(one()),
        "status" => status(rest).ok_or_else(|| incomplete(name))?,
        "search" | "s" => Command::Search(needed()?),
        "jump" | "j" => Command::Jump(needed()?),
        "draft" => Command::Draft(one()),
        "link" => Command::Link(one().unwrap_or_else(|| "^".to_owned())),
        "quit" | "q" | "exit" | "bye" => Command::Quit,
        _ => return Err(unknown(name)),
    }))
}

/// What is done to a message of the open conversation; `^` if it doesn't say to which.
fn message(name: &str, rest: &str) -> Option<MessageAction> {
    let with = String::new();
    let (message, rest) = match split(rest) {
        (reference, rest) if reference.starts_with('^') => (reference.to_owned(), rest),
        _ => ("^".to_owned(), rest),
    };
    let text = || Some(rest.to_owned()).filter(|text| !text.is_empty());
    Some(match name {
        "reply" => MessageAction::Reply { with, message, text: text()? },
        "react" => match split(rest) {
            ("", _) => return None,
            (emoji, off) => {
                MessageAction::React { with, message, emoji: emoji.to_owned(), remove: off == "off" }
            }
        },
        "edit" => MessageAction::Edit { with, message, text: text()? },
        "delete" => MessageAction::Delete { with, message, for_all: rest == "all" },
        "forward" => MessageAction::Forward { with, message, to: text()? },
        "pin" => MessageAction::Pin { with, message, off: false },
        "unpin" => MessageAction::Pin { with, message, off: true },
        "pins" => MessageAction::Pins { with },
        "info" => MessageAction::Info { with, message },
        "timer" => MessageAction::Timer { with, after: rest.parse().ok()? },
        "mute" if rest.is_empty() => MessageAction::Mute { with, span: None, off: false },
        "mute" => MessageAction::Mute { with, span: Some(rest.parse().ok()?), off: false },
        _ => MessageAction::Mute { with, span: None, off: true },
    })
}

/// A name alone asks to see that profile.
fn profile(rest: &str) -> Words {
    let mut words = words(rest);
    if words.first().is_some_and(|first| !matches!(first.as_str(), "show" | "set")) {
        words.insert(0, "show".to_owned());
    }
    Words(words)
}

/// How far one is; or, with a word, how one wants to be seen.
fn status(rest: &str) -> Option<Command> {
    let (word, text) = split(rest);
    let choice = match word {
        "" => return Some(Command::Status),
        "online" => PresenceChoice::Online,
        "away" => PresenceChoice::Away,
        "busy" => PresenceChoice::Busy,
        "invisible" => PresenceChoice::Invisible,
        "off" => PresenceChoice::Off,
        _ => return None,
    };
    Some(Command::Be(choice, Some(text.to_owned())))
}

fn verb(verb: &str, rest: &str) -> Words {
    Words(std::iter::once(verb.to_owned()).chain(words(rest)).collect())
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn incomplete(name: &str) -> NotUnderstood {
    let usage = COMMANDS
        .iter()
        .find(|usage| usage.name.strip_prefix('/').is_some_and(|known| known.starts_with(name)));
    NotUnderstood(match usage {
        Some(usage) => format!("{} {}: {}", usage.name, usage.arguments, usage.does),
        None => "/help lists the commands.".to_owned(),
    })
}

/// A mistyped command leads to the one that was meant.
fn unknown(name: &str) -> NotUnderstood {
    let known = COMMANDS.iter().filter_map(|usage| usage.name.strip_prefix('/')).chain(["help"]);
    let nearest = known.map(|known| (text::distance(name, known), known)).min();
    NotUnderstood(match nearest {
        Some((distance, known)) if distance <= 2 && distance < known.len() => {
            format!("There is no /{}. Did you mean /{known}?", text::one_line(name))
        }
        _ => format!("There is no /{}. /help lists the commands.", text::one_line(name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let cases = [
            ("  hello there ", Command::Say("hello there".into())),
            ("//etc is a directory", Command::Say("/etc is a directory".into())),
            ("/msg bob hi  there", Command::Msg { to: "bob".into(), text: "hi  there".into() }),
            ("/open bob@elsewhere.net", Command::Open("bob@elsewhere.net".into())),
            ("/accept", Command::Accept(None)),
            ("/history", Command::History(20)),
            ("/history 7", Command::History(7)),
            ("/verify", Command::Verify { who: None, matches: None }),
            ("/verify yes", Command::Verify { who: None, matches: Some(true) }),
            ("/verify bob no", Command::Verify { who: Some("bob".into()), matches: Some(false) }),
            ("/confirm 1234 5678", Command::Confirm("1234 5678".into())),
            ("one\\\ntwo", Command::Say("one\ntwo".into())),
            (
                "/reply ^2 so it is",
                Command::Message(MessageAction::Reply {
                    with: String::new(),
                    message: "^2".into(),
                    text: "so it is".into(),
                }),
            ),
            ("/search tea at five", Command::Search("tea at five".into())),
            ("/jump 2026-01-31", Command::Jump("2026-01-31".into())),
            ("/add bob", Command::Contact(Words(vec!["add".into(), "bob".into()]))),
            ("/remove bob", Command::Remove { name: "bob".into(), sure: false }),
            ("/remove bob yes", Command::Remove { name: "bob".into(), sure: true }),
            ("/list", Command::Lists(None)),
            ("/list friends", Command::Lists(Some("friends".into()))),
            (
                "/list put bob friends",
                Command::Contact(Words(vec!["put".into(), "bob".into(), "friends".into()])),
            ),
            ("/view", Command::View("^".into())),
            ("/help search", Command::Help(Some("search".into()))),
            ("/status", Command::Status),
            ("/status busy at work", Command::Be(PresenceChoice::Busy, Some("at work".into()))),
            ("/profile bob", Command::Profile(Words(vec!["show".into(), "bob".into()]))),
            (
                "/save ^2 ~/in box",
                Command::Save { reference: "^2".into(), directory: Some("~/in box".into()) },
            ),
            ("/save", Command::Save { reference: "^".into(), directory: None }),
            ("/draft", Command::Draft(None)),
            ("/link ^3", Command::Link("^3".into())),
            ("/q", Command::Quit),
        ];
        for (line, command) in cases {
            assert_eq!(parse(line), Ok(Some(command)), "{line}");
        }
        assert_eq!(parse("   "), Ok(None));
    }

    #[test]
    fn a_group_that_is_open_needs_no_name() {
        let understood = |line: &str, open: Option<&str>| match parse(line) {
            Ok(Some(Command::Group(words))) => words.understand(open),
            other => panic!("{other:?}"),
        };
        let invite =
            |group: &str| GroupAction::Invite { group: group.to_owned(), who: vec!["bob".to_owned()] };
        assert_eq!(understood("/invite bob", Some("#trip")), Ok(invite("#trip")));
        assert_eq!(understood("/invite #other bob", Some("#trip")), Ok(invite("#other")));
        assert_eq!(understood("/group", Some("#trip")), Ok(GroupAction::List));
        let create = GroupAction::Create { title: "Weekend trip".to_owned(), about: None };
        assert_eq!(understood("/group create \"Weekend trip\"", Some("bob")), Ok(create));
        assert_eq!(understood("/leave", Some("#trip")), Ok(GroupAction::Leave { group: "#trip".to_owned() }));
        let which = "In which group? /open #GROUP first, or write /leave #GROUP.".to_owned();
        assert_eq!(understood("/leave", Some("bob")), Err(NotUnderstood(which)));
        assert_eq!(understood("/join #trip", None), Ok(GroupAction::Accept { group: "#trip".to_owned() }));
    }

    #[test]
    fn a_mistake_leads_on() {
        for (line, words) in [
            ("/mgs bob hi", "There is no /mgs. Did you mean /msg?"),
            ("/hlep", "There is no /hlep. Did you mean /help?"),
            ("/frobnicate", "There is no /frobnicate. /help lists the commands."),
            ("/msg bob", "/msg NAME TEXT: write to somebody, and open the conversation"),
            ("/status sleepy", "/status [WHAT [TEXT]]: how you are: online, away, busy, invisible, off"),
            ("/history many", "/history takes a number from 1 to 1000."),
        ] {
            assert_eq!(parse(line), Err(NotUnderstood(words.to_owned())), "{line}");
        }
    }

    #[test]
    fn every_command_of_the_help_exists() {
        for usage in COMMANDS {
            let line = format!("{} 1234 5678", usage.name);
            assert!(
                !matches!(parse(&line), Err(NotUnderstood(words)) if words.starts_with("There is no")),
                "{line}"
            );
        }
    }
}
