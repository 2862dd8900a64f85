//! What people on a stage do in groups, in a word each.

use wheesht_core::{
    api::{
        Body, ConversationId, Group, GroupDetails, GroupPhase, Message, Policy, Request, Response, Role,
        Who as Whom,
    },
    proto::ids::{AccountId, GroupId, MessageId},
};

use super::{Stage, Who, address, people::MINUTE};

impl Stage {
    /// Two people accept to talk: the first has asked.
    pub fn befriend(&mut self, (a, from): (Who, &str), (b, to): (Who, &str)) {
        self.send(a, to, "hello");
        self.advance(MINUTE);
        self.accept(b, from);
        self.advance(MINUTE);
    }

    /// A request that is answered with the group.
    ///
    /// # Panics
    /// If it is refused.
    pub fn change(&mut self, who: Who, request: Request) -> Group {
        match self.ask(who, request) {
            Ok(Response::Group { group }) => group,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody founds a group.
    pub fn found(&mut self, who: Who, title: &str, policy: Policy) -> GroupId {
        let (title, policy) = (title.to_owned(), Some(policy));
        let id =
            self.change(who, Request::CreateGroup { title, about: String::new(), picture: None, policy }).id;
        self.advance(MINUTE);
        id
    }

    /// A contact is invited and accepts.
    ///
    /// # Panics
    /// If they don't get in.
    pub fn bring(&mut self, who: Who, group: GroupId, (whom, name): (Who, &str)) {
        let request = Request::InviteToGroup { group, who: Whom::Address(address(name)) };
        assert_eq!(self.ask(who, request), Ok(Response::Done));
        self.advance(MINUTE);
        self.change(whom, Request::AcceptInvitation { group });
        self.advance(2 * MINUTE);
        assert_eq!(self.group_phase(whom, group), Some(GroupPhase::Member));
    }

    /// Another title.
    pub fn rename(&mut self, who: Who, group: GroupId, title: &str) {
        let title = Some(title.to_owned());
        self.change(who, Request::EditGroup { group, title, about: None, picture: None });
    }

    /// Another role.
    pub fn set_role(&mut self, who: Who, group: GroupId, name: &str, role: Role) {
        self.change(who, Request::SetRole { group, who: Whom::Address(address(name)), role });
    }

    /// Somebody is removed.
    pub fn remove(&mut self, who: Who, group: GroupId, name: &str) {
        let request = Request::RemoveMember { group, who: Whom::Address(address(name)), ban: false };
        self.change(who, request);
    }

    /// A group as an installation shows it.
    ///
    /// # Panics
    /// If it doesn't know it.
    pub fn group(&mut self, who: Who, group: GroupId) -> GroupDetails {
        match self.ask(who, Request::Group { group }) {
            Ok(Response::GroupDetails { details }) => details,
            other => panic!("{other:?}"),
        }
    }

    /// How an installation stands to a group.
    ///
    /// # Panics
    /// If it doesn't say.
    pub fn group_phase(&mut self, who: Who, id: GroupId) -> Option<GroupPhase> {
        match self.ask(who, Request::Groups) {
            Ok(Response::Groups { groups }) => {
                groups.into_iter().find(|group| group.id == id).map(|group| group.phase)
            }
            other => panic!("{other:?}"),
        }
    }

    /// The names of a group's members, as an installation shows them.
    pub fn members(&mut self, who: Who, group: GroupId) -> Vec<String> {
        let members = self.group(who, group).members;
        let mut names: Vec<_> = members.iter().map(|member| member.address.name().to_string()).collect();
        names.sort();
        names
    }

    /// Says something in a group.
    ///
    /// # Panics
    /// If that is refused.
    pub fn say(&mut self, who: Who, group: GroupId, text: &str) -> MessageId {
        match self.ask(who, Request::send(ConversationId::Group(group), text)) {
            Ok(Response::Queued { message, .. }) => message,
            other => panic!("{other:?}"),
        }
    }

    /// What stands in a group's conversation, and who said it.
    pub fn said(&mut self, who: Who, group: GroupId) -> Vec<(AccountId, String)> {
        let text = |message: Message| match message.body {
            Body::Text { text } => Some((message.sender, text)),
            _ => None,
        };
        self.history(who, ConversationId::Group(group)).into_iter().filter_map(text).collect()
    }

    /// The texts of a group's conversation.
    pub fn heard(&mut self, who: Who, group: GroupId) -> Vec<String> {
        self.said(who, group).into_iter().map(|(_, text)| text).collect()
    }
}

/// Three people in a group.
pub struct Circle {
    /// Where they are.
    pub stage: Stage,
    /// Has founded it.
    pub alice: Who,
    /// A member.
    pub bob: Who,
    /// A member.
    pub carol: Who,
    /// Theirs.
    pub id: GroupId,
}

impl Circle {
    /// All three.
    pub fn all(&self) -> [Who; 3] {
        [self.alice, self.bob, self.carol]
    }

    /// Everyone says something, and everyone has it once, from whom it is of, and the same state.
    ///
    /// # Panics
    /// If not.
    pub fn go_on(&mut self) {
        let mut said = Vec::new();
        let now = self.stage.now.as_millis();
        for (who, word) in self.all().into_iter().zip(["ping", "pong", "pang"]) {
            let text = format!("{word} at {now}");
            self.stage.say(who, self.id, &text);
            self.stage.advance(MINUTE);
            said.push((self.stage.account(who), text));
        }
        self.stage.advance(30 * MINUTE);
        let first = self.stage.group(self.alice, self.id).group;
        for who in self.all() {
            let heard = self.stage.said(who, self.id);
            for (sender, text) in &said {
                let times = heard.iter().filter(|(_, one)| one == text).count();
                assert_eq!(times, 1, "{text} at {who:?}: {heard:?}");
                assert!(heard.contains(&(*sender, text.clone())), "{heard:?}");
            }
            let group = self.stage.group(who, self.id).group;
            assert_eq!((group.version, &group.title), (first.version, &first.title), "{who:?}");
        }
    }
}

/// Alice's group, with Bob and Carol, who are her contacts and not each other's. Everybody has spoken.
pub fn circle(seed: u64) -> Circle {
    circle_of(seed, Policy::default())
}

/// The same with another policy.
pub fn circle_of(seed: u64, policy: Policy) -> Circle {
    let mut stage = Stage::new(seed);
    let (alice, bob, carol) = (stage.register("alice"), stage.register("bob"), stage.register("carol"));
    stage.befriend((alice, "alice"), (bob, "bob"));
    stage.befriend((alice, "alice"), (carol, "carol"));
    let id = stage.found(alice, "Hikers", policy);
    stage.bring(alice, id, (bob, "bob"));
    stage.bring(alice, id, (carol, "carol"));
    for who in [alice, bob, carol] {
        if policy.write == Role::Member || who == alice {
            stage.say(who, id, "here");
            stage.advance(MINUTE);
        }
    }
    stage.advance(5 * MINUTE);
    for who in [alice, bob, carol] {
        stage.events(who);
    }
    stage.run();
    Circle { stage, alice, bob, carol, id }
}
