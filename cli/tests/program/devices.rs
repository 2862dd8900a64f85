//! Devices that join, as processes.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::world::{World, code, text};

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
    assert_eq!(code(&wrong), 4, "{}", text(&wrong.stderr));
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
    assert_eq!(code(&again), 0, "{}", text(&again.stderr));
    world.json("alice", &["listen", "--timeout", "2"]);
    world.json("third", &["listen", "--timeout", "2"]);
    let refused = world.wheesht("third", &["status"]);
    assert!(text(&refused.stdout).contains("refused"), "{}", text(&refused.stdout));

    // For a person: a code to scan, and what to do with it.
    let shown = world.wheesht("alice", &["link", "--no-wait"]);
    let shown = text(&shown.stdout);
    assert!(shown.contains("wheesht login --link") && shown.contains('█'), "{shown}");
    let cut =
        world.wheesht("fourth", &["login", "--link", "wheesht:device/AAAA", "--password-file", password]);
    assert_eq!(code(&cut), 2);
    assert!(text(&cut.stderr).contains("Copy it whole"), "{}", text(&cut.stderr));
}
