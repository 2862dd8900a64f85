//! Searching, exporting, importing and backing up, as a script does.

use serde_json::Value;

use crate::world::{PASSWORD, World, code, text};

fn found(world: &World, who: &str, query: &[&str]) -> Vec<String> {
    let answer = world.json(who, &[&["search"], query].concat());
    let hits = answer[0]["found"]["hits"].as_array().unwrap().clone();
    hits.iter().map(|hit| hit["message"]["body"]["text"].as_str().unwrap().to_owned()).collect()
}

fn texts(world: &World, who: &str, with: &str) -> Vec<String> {
    let history = world.json(who, &["history", with]);
    let messages = history[0]["messages"].as_array().unwrap().clone();
    messages.iter().filter_map(|message| message["body"]["text"].as_str().map(str::to_owned)).collect()
}

/// A second machine of somebody who has lost all others.
fn new_machine(world: &World, name: &str, machine: &str) {
    let password = world.path("password");
    let address = format!("{name}@{}", world.address);
    let login = ["login", &address, "--password-file", password.to_str().unwrap(), "--no-wait"];
    let asked = world.json(machine, &login);
    assert_eq!(asked[0]["status"]["phase"]["type"], "pending");
    // The old machine, still there, confirms.
    let proposal = (0..20)
        .find_map(|_| {
            world.json(name, &["listen", "--timeout", "1"]);
            world.json(name, &["devices"])[0]["proposal"]["code"].as_str().map(str::to_owned)
        })
        .unwrap();
    world.json(name, &["devices", "confirm", &proposal]);
    // Its contacts and their addresses have to come.
    let knows = |_| {
        world.json(machine, &["listen", "--timeout", "1"]);
        let known = world.json(machine, &["contacts"]);
        known[0]["contacts"].as_array().is_some_and(|all| !all.is_empty())
    };
    assert!((0..20).any(knows));
}

#[test]
fn exp_1_exp_2_exp_4_what_was_said_is_found_written_out_and_taken_in_again() {
    let world = World::new();
    world.friends("alice", "bob");
    world.json("alice", &["send", "bob", "The <b>lighthouse</b> *keeper* is away"]);
    world.json("bob", &["listen", "--count", "1", "--timeout", "20"]);
    world.json("bob", &["send", "alice", "When does he come back?"]);
    world.json("alice", &["listen", "--count", "1", "--timeout", "20"]);
    assert_eq!(found(&world, "alice", &["lighth*", "from:me"]), ["The <b>lighthouse</b> *keeper* is away"]);
    assert_eq!(found(&world, "alice", &["come back"]), ["When does he come back?"]);
    assert_eq!(found(&world, "alice", &["--with", "bob", "--order", "relevance", "he"]).len(), 1);
    assert_eq!(code(&world.wheesht("alice", &["search", "has:everything"])), 2);

    let file = |name: &str| world.path(name).to_str().unwrap().to_owned();
    for (format, name) in [("html", "chat.html"), ("markdown", "chat.md"), ("text", "chat.txt")] {
        world.json("alice", &["export", &file(name), "--format", format, "--with", "bob"]);
    }
    let html = std::fs::read_to_string(world.path("chat.html")).unwrap();
    assert!(html.contains("The &lt;b&gt;lighthouse&lt;/b&gt; *keeper* is away") && !html.contains("<script"));
    let markdown = std::fs::read_to_string(world.path("chat.md")).unwrap();
    assert!(markdown.contains(r"\*keeper\*"));
    assert!(std::fs::read_to_string(world.path("chat.txt")).unwrap().contains("When does he come back?"));
    // Nothing that is there is replaced, and nothing half-written is left.
    assert_ne!(
        code(&world.wheesht("alice", &["export", &file("chat.html"), "--format", "html", "--with", "bob"])),
        0
    );
    assert!(!world.path("chat.html.part").exists());
    world.json("alice", &["export", &file("all"), "--format", "html"]);
    assert_eq!(std::fs::read_dir(world.path("all")).unwrap().count(), 1);

    let done = world.json("alice", &["export", &file("all.jsonl")]);
    let messages = done[0]["messages"].as_u64().unwrap();
    // On another machine: what is there already stays, the rest goes before it.
    new_machine(&world, "alice", "alice2");
    world.json("alice2", &["send", "bob", "it is me, from another machine"]);
    let taken = world.json("alice2", &["import", &file("all.jsonl")]);
    assert_eq!(taken[0]["added"], messages);
    let again = world.json("alice2", &["import", &file("all.jsonl")]);
    assert_eq!((again[0]["added"].clone(), again[0]["known"].as_u64()), (Value::from(0), Some(messages)));
    let said = texts(&world, "alice2", "bob");
    assert_eq!(said.last().unwrap(), "it is me, from another machine");
    assert!(said.iter().any(|text| text.contains("lighthouse")));
    assert_eq!(found(&world, "alice2", &["lighthouse"]).len(), 1);
    // Cut off: refused, and nothing taken in.
    let whole = std::fs::read_to_string(world.path("all.jsonl")).unwrap();
    std::fs::write(world.path("cut.jsonl"), &whole[..whole.len() - 40]).unwrap();
    assert_eq!(code(&world.wheesht("alice2", &["import", &file("cut.jsonl")])), 2);
}

#[test]
fn bak_1_bak_3_bak_4_bak_5_a_backup_restores_on_a_new_machine_that_then_talks() {
    let world = World::new();
    world.friends("alice", "bob");
    world.json("alice", &["send", "bob", "before the backup"]);
    world.json("alice", &["contacts", "nickname", "bob", "Bobby"]);
    let file = |name: &str| world.path(name).to_str().unwrap().to_owned();
    let (password, wrong) = (file("password"), file("other password"));
    world.json("alice", &["backup", "create", &file("saved"), "--password-file", &password]);
    let saved = std::fs::read(world.path("saved")).unwrap();
    for needle in ["before the backup", "Bobby", "bob", PASSWORD] {
        assert!(!saved.windows(needle.len()).any(|part| part == needle.as_bytes()), "{needle}");
    }

    new_machine(&world, "alice", "alice2");
    let restore = |name: &str, password: &str| {
        world.wheesht("alice2", &["backup", "restore", &file(name), "--password-file", password])
    };
    let refused = restore("saved", &wrong);
    assert_ne!(code(&refused), 0);
    assert!(text(&refused.stderr).contains("passphrase"));
    let mut changed = saved.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(world.path("changed"), &changed).unwrap();
    std::fs::write(world.path("cut"), &saved[..saved.len() - 1]).unwrap();
    std::fs::write(world.path("headless"), &saved[..20]).unwrap();
    for damaged in ["changed", "cut", "headless"] {
        let refused = restore(damaged, &password);
        assert_eq!(code(&refused), 2, "{damaged}: {}", text(&refused.stderr));
    }
    assert!(!texts(&world, "alice2", "bob").iter().any(|text| text == "before the backup"));
    let other = world.wheesht("bob", &["backup", "restore", &file("saved"), "--password-file", &password]);
    assert_eq!(code(&other), 2);

    assert_eq!(code(&restore("saved", &password)), 0);
    assert!(texts(&world, "alice2", "bob").iter().any(|text| text == "before the backup"));
    let sent = world.json("alice2", &["send", "bob", "from the new machine"]);
    assert_eq!(sent[0]["messages"][0]["state"]["type"], "sent");
}

#[test]
fn exp_6_contacts_go_into_an_address_book_and_come_back() {
    let world = World::new();
    world.friends("alice", "bob");
    world.json("alice", &["contacts", "note", "bob", "plays chess"]);
    let noted = world.json("alice", &["contacts", "put", "bob", "work", "chess club"]);
    assert_eq!(noted[0]["contact"]["extra"]["lists"], serde_json::json!(["chess club", "work"]));
    let file = world.path("contacts.vcf").to_str().unwrap().to_owned();
    world.json("alice", &["contacts", "export", &file]);
    world.register("carol");
    let taken = world.json("carol", &["contacts", "import", &file]);
    assert_eq!(taken[0]["contacts"], 1, "{taken:?}");
    let known = world.json("carol", &["contacts"]);
    assert_eq!(known[0]["contacts"][0]["extra"]["note"], "plays chess");
    assert_eq!(known[0]["contacts"][0]["verified"], false);
}

#[test]
fn exp_2_what_disappears_is_in_no_export() {
    let world = World::new();
    world.friends("alice", "bob");
    world.json("alice", &["send", "bob", "this stays"]);
    world.json("alice", &["message", "timer", "bob", "8h"]);
    world.json("alice", &["send", "bob", "this disappears"]);
    for (format, name) in [("json", "a.jsonl"), ("html", "a.html"), ("text", "a.txt")] {
        let path = world.path(name);
        world.json("alice", &["export", path.to_str().unwrap(), "--format", format, "--with", "bob"]);
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written.contains("this stays") && !written.contains("this disappears"), "{format}");
    }
}
