//! What contacts see of oneself, by script.

use crate::world::{World, code, text};

#[test]
fn a_profile_is_set_and_shown() {
    let world = World::new();
    world.friends("alice", "bob");
    let set =
        ["profile", "set", "--name", "Alice", "--field", "pronouns=she/her", "--visible-to", "contacts"];
    let said = world.json("alice", &set);
    assert_eq!(said[0]["profile"]["fields"][0]["name"], "pronouns");
    world.json("alice", &["profile", "set", "--field", "town=Oxford", "--field", "pronouns="]);
    let shown = text(&world.wheesht("alice", &["profile"]).stdout);
    assert!(
        shown.contains("Oxford") && !shown.contains("she/her") && shown.contains("your contacts"),
        "{shown}"
    );
    // Until it has arrived.
    let shows = || text(&world.wheesht("bob", &["profile", "show", "alice"]).stdout);
    let arrived = (0..20).any(|_| shows().contains("name       Alice"));
    assert!(arrived, "{}", shows());
    assert_eq!(code(&world.wheesht("alice", &["profile", "set", "--name", "two\nlines"])), 2);
    assert_ne!(code(&world.wheesht("alice", &["profile", "set"])), 0);
}

#[test]
fn a_presence_is_chosen_hidden_and_remembered() {
    let world = World::new();
    world.friends("alice", "bob");
    let chosen = world.json("alice", &["presence", "busy", "in a meeting", "--typing", "off"]);
    assert_eq!(chosen[0]["presence"]["choice"], "busy");
    let again = world.json("alice", &["presence"]);
    assert_eq!(again[0]["presence"]["text"], "in a meeting");
    assert_eq!(again[0]["presence"]["typing"], false);
    // A script that looks is nobody who sits there.
    assert_eq!(again[0]["presence"]["activity"], "background");
    let hidden = world.wheesht("alice", &["presence", "--hide-from", "bob"]);
    let shown = text(&hidden.stdout);
    assert!(shown.contains("busy: in a meeting") && shown.contains("hidden from: bob@"), "{shown}");
    let contacts = world.json("alice", &["contacts"]);
    assert_eq!(contacts[0]["contacts"][0]["presence_hidden"], true);
    assert_eq!(code(&world.wheesht("alice", &["presence", "busy", "two\nlines"])), 2);
    assert_ne!(code(&world.wheesht("alice", &["presence", "--hide-from", "nobody"])), 0);
}
