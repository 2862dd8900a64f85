//! Devices that join, as processes.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::world::{World, code, text as text_of};

/// A command that goes on, and the first object that it prints.
fn started(
    world: &World,
    who: &str,
    arguments: &[&str],
) -> (Child, BufReader<std::process::ChildStdout>, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wheesht"))
        .args([&["--data", world.path(who).to_str().unwrap(), "--json"], arguments].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    (child, lines, serde_json::from_str(&line).unwrap())
}

#[test]
fn a_device_joins_by_the_link_that_another_shows() {
    let world = World::new();
    world.friends("alice", "bob");
    let password = world.path("password");
    let password = password.to_str().unwrap();

    let (mut maker, mut lines, made) = started(&world, "alice", &["link"]);
    let link = made["link"]["code"].as_str().unwrap().to_owned();
    assert!(link.starts_with("wheesht:device/") && made["link"]["expires"].is_u64(), "{made}");
    let other = world.path("other password");
    let login = ["login", "--link", &link, "--device", "phone", "--password-file"];
    let wrong = world.wheesht("phone", &[&login[..], &[other.to_str().unwrap()]].concat());
    assert_eq!(code(&wrong), 4, "{}", text_of(&wrong.stderr));
    let said = world.json("phone", &[&login[..], &[password]].concat());
    assert_eq!(said.last().unwrap()["status"]["phase"]["type"], "active", "{said:?}");
    assert!(maker.wait().unwrap().success());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let joined: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(joined["devices"].as_array().unwrap().len(), 1, "{joined}");

    // It talks, to a contact that the other device had.
    let sent = world.json("phone", &["send", "bob", "from the phone"]);
    assert_eq!(sent[0]["messages"][0]["state"]["type"], "sent", "{sent:?}");
    // Once is once.
    let again = world.wheesht("third", &["login", "--link", &link, "--no-wait", "--password-file", password]);
    assert_eq!(code(&again), 0, "{}", text_of(&again.stderr));
    world.json("alice", &["listen", "--timeout", "2"]);
    world.json("third", &["listen", "--timeout", "2"]);
    let refused = world.wheesht("third", &["status"]);
    assert!(text_of(&refused.stdout).contains("refused"), "{}", text_of(&refused.stdout));

    // For a person: a code to scan, and what to do with it.
    let shown = world.wheesht("alice", &["link", "--no-wait"]);
    let shown = text_of(&shown.stdout);
    assert!(shown.contains("wheesht login --link") && shown.contains('█'), "{shown}");
    let cut =
        world.wheesht("fourth", &["login", "--link", "wheesht:device/AAAA", "--password-file", password]);
    assert_eq!(code(&cut), 2);
    assert!(text_of(&cut.stderr).contains("Copy it whole"), "{}", text_of(&cut.stderr));
}

#[test]
fn history_is_handed_over_though_both_sides_are_killed() {
    let world = World::new();
    world.friends("alice", "bob");
    for n in 0..6 {
        let text = format!("{n} {}", "haver ".repeat(9_000));
        std::fs::write(world.path("text"), &text).unwrap();
        let input = std::fs::File::open(world.path("text")).unwrap();
        let sent = Command::new(env!("CARGO_BIN_EXE_wheesht"))
            .args(["--data", world.path("alice").to_str().unwrap(), "send", "bob"])
            .stdin(input)
            .output()
            .unwrap();
        assert_eq!(code(&sent), 0, "{}", text_of(&sent.stderr));
    }
    let password = world.path("password");
    let login = ["login", "--link"];
    let (mut maker, _lines, made) = started(&world, "alice", &["link"]);
    let link = made["link"]["code"].as_str().unwrap().to_owned();
    let rest = [&link, "--device", "phone", "--password-file", password.to_str().unwrap()];
    world.json("phone", &[&login[..], &rest[..]].concat());
    assert!(maker.wait().unwrap().success());
    let count = |who: &str| {
        let history = world.json(who, &["history", "bob"]);
        history.iter().filter_map(|page| page["messages"].as_array()).map(Vec::len).sum::<usize>()
    };
    assert!(count("phone") < count("alice"));

    // What the new device is called has to come.
    world.until("the name", || {
        world.json("phone", &["listen", "--timeout", "1"]);
        world.json("alice", &["listen", "--timeout", "1"]);
        world.json("alice", &["devices"])[0].to_string().contains("phone")
    });
    // Each side is killed while it goes on, again and again.
    world.json("alice", &["devices", "send-history", "phone", "--no-wait"]);
    for round in 0..6_u64 {
        for who in ["alice", "phone"] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_wheesht"))
                .args(["--data", world.path(who).to_str().unwrap(), "listen", "--timeout", "20"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(100 + 150 * round));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    world.until("the history", || {
        world.json("alice", &["listen", "--timeout", "1"]);
        world.json("phone", &["listen", "--timeout", "1"]);
        count("phone") >= count("alice")
    });
    let texts = |who: &str| {
        let history = world.json(who, &["history", "bob"]);
        let messages = history.iter().filter_map(|page| page["messages"].as_array()).flatten();
        messages.map(|message| message["body"]["text"].clone()).collect::<Vec<_>>()
    };
    assert!(texts("alice") == texts("phone"), "in another order, or not the same");
    // By a person, and once more: all is there already.
    let said = world.wheesht("alice", &["devices", "send-history", "phone"]);
    assert!(text_of(&said.stdout).contains("handed over"), "{}", text_of(&said.stderr));
    assert_eq!(code(&world.wheesht("alice", &["devices", "send-history", "nobody"])), 7);
}

#[test]
fn a_backup_restored_on_a_new_machine_goes_on_and_the_old_machine_ends_in_words() {
    let world = World::of(|config| config.eviction_grace = std::time::Duration::from_secs(2));
    world.friends("alice", "bob");
    world.json("alice", &["send", "bob", "before the backup"]);
    world.json("bob", &["listen", "--timeout", "1"]);
    let password = world.path("password");
    let password = password.to_str().unwrap();
    let saved = world.path("saved");
    let saved = saved.to_str().unwrap();
    world.json("alice", &["backup", "create", saved, "--password-file", password]);

    let address = format!("alice@{}", world.address);
    let said = world.json("new", &["login", &address, "--evict", "--password-file", password]);
    assert_eq!(said.last().unwrap()["status"]["phase"]["type"], "active", "{said:?}");
    world.json("new", &["backup", "restore", saved, "--password-file", password]);
    let texts = |who: &str, with: &str| {
        let history = world.json(who, &["history", with]);
        let messages = history[0]["messages"].as_array().unwrap().clone();
        messages.iter().filter_map(|one| one["body"]["text"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert!(texts("new", "bob").contains(&"before the backup".to_owned()));

    // It talks to everyone, and everyone to it.
    world.json("new", &["send", "bob", "from the new machine"]);
    world.until("the word from the new machine", || {
        world.json("bob", &["listen", "--timeout", "1"]);
        texts("bob", "alice").contains(&"from the new machine".to_owned())
    });
    world.json("bob", &["send", "alice", "to the new machine"]);
    world.until("the answer", || {
        world.json("new", &["listen", "--timeout", "1"]);
        texts("new", "bob").contains(&"to the new machine".to_owned())
    });
    let ours = texts("new", "bob");
    let at = |text: &str| ours.iter().position(|one| one == text);
    assert!(at("before the backup") < at("from the new machine"), "{ours:?}");

    // The old machine hears that it is at its end, says so, and keeps what was said.
    world.json("alice", &["listen", "--timeout", "2"]);
    let status = world.wheesht("alice", &["status"]);
    assert!(text_of(&status.stdout).contains("removed from the account"), "{}", text_of(&status.stdout));
    let refused = world.wheesht("alice", &["send", "bob", "still me?"]);
    assert_eq!(code(&refused), 3);
    assert!(text_of(&refused.stderr).contains("Log in again"), "{}", text_of(&refused.stderr));
    let old = texts("alice", "bob");
    assert!(old.contains(&"before the backup".to_owned()), "{old:?}");
    assert!(!old.contains(&"to the new machine".to_owned()), "{old:?}");
    // Its contact was told, since everybody was removed at once.
    let notices = world.json("bob", &["history", "alice"])[0]["messages"].to_string();
    assert!(notices.contains("device_removed") && notices.contains("device_added"), "{notices}");
}
