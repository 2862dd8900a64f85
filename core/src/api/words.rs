//! What happened to a group in words, the same for every frontend and for what is exported. Names stand in them as their owners wrote
//! them: a frontend makes the sentence harmless as it does with any text of others.

use super::{GroupChange, Joining, Policy, Role};

/// So much of what a group is about stands in a sentence, in characters.
const ABOUT: usize = 80;

impl Role {
    /// `member`, `admin`, `owner`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl Policy {
    /// `an admin lets in who has a link; all members write, admins invite`
    pub fn words(&self) -> String {
        let joining = match self.joining {
            Joining::Open => "who has a link comes in",
            Joining::Approval => "an admin lets in who has a link",
            Joining::Closed => "nobody joins by link",
        };
        let from = |least: Role| match least {
            Role::Member => "all members".to_owned(),
            least => format!("{}s", least.word()),
        };
        let disappear = match self.disappear_ms {
            0 => String::new(),
            ms => format!("; messages disappear after {}", span(ms)),
        };
        format!("{joining}; {} write, {} invite{disappear}", from(self.write), from(self.invite))
    }
}

impl GroupChange {
    /// What somebody did, after their name and without a full stop: `added bob`.
    pub fn words(&self) -> String {
        match self {
            Self::Founded { title } => format!("founded the group “{title}”"),
            Self::Title { title } => format!("called the group “{title}”"),
            Self::About { about } if about.is_empty() => "took away what the group is about".to_owned(),
            Self::About { about } => {
                let cut = about.char_indices().nth(ABOUT).and_then(|(end, _)| about.get(..end));
                let about = cut.map_or_else(|| about.clone(), |cut| format!("{cut}…"));
                format!("wrote what the group is about: {about}")
            }
            Self::Picture => "changed the group's picture".to_owned(),
            Self::Policy { policy } => format!("changed how the group is run: {}", policy.words()),
            Self::Added { name, .. } => format!("added {name}"),
            Self::Removed { name, banned: false, .. } => format!("removed {name}"),
            Self::Removed { name, banned: true, .. } => format!("removed and banned {name}"),
            Self::Left { name, .. } => format!("noted that {name} has left"),
            Self::Role { name, role, .. } => format!("made {name} {}", role.word()),
            Self::Unbanned { .. } => "lets somebody come back".to_owned(),
            Self::LinkMade { .. } => "made a link into the group".to_owned(),
            Self::LinkRevoked { .. } => "revoked a link".to_owned(),
            Self::KeyReplaced => "made a new key for the group".to_owned(),
            Self::Moved { relay } => format!("moved the group's record to {}", relay.authority()),
            Self::CaughtUp { missed } => {
                format!("signed how the group is now: {missed} changes were made while this device was away")
            }
        }
    }
}

/// A span of time in a word or two; milliseconds.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ids::AccountId;

    #[test]
    fn changes_are_told_in_words() {
        let added = GroupChange::Added { account: AccountId::new([1; 32]), name: "bob".to_owned() };
        assert_eq!(added.words(), "added bob");
        let about = GroupChange::About { about: "é".repeat(100) };
        assert_eq!(about.words(), format!("wrote what the group is about: {}…", "é".repeat(80)));
        let words = Policy::default().words();
        assert!(words.contains("; all members write, ") && !words.contains("disappear"), "{words}");
    }

    #[test]
    fn a_span_is_told_in_its_largest_unit() {
        for (ms, words) in
            [(1_000, "1 second"), (90_000, "1 minute"), (7_200_000, "2 hours"), (604_800_000, "7 days")]
        {
            assert_eq!(span(ms), words);
        }
    }
}
