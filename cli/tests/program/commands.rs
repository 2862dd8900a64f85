//! The program as a script sees it: what it prints, and how it ends.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::world::{PASSWORD, World, code, text, wheesht};

#[test]
fn two_people_talk_by_script() {
    let mut world = World::new();
    world.register("alice");
    world.register("bob");

    let sent = world.json("alice", &["send", "bob", "hello \u{1b}[31mbob"]);
    assert_eq!(sent[0]["messages"][0]["state"]["type"], "sent");
    let requests = world.json("bob", &["listen", "--count", "1", "--timeout", "20"]);
    let message = requests.iter().find(|event| event["type"] == "message").unwrap();
    assert_eq!(message["message"]["body"]["text"], "hello \u{1b}[31mbob");
    assert!(requests.iter().any(|event| event["contact"]["state"] == "request_received"));
    // What was acknowledged does not come again.
    let again = world.json("bob", &["listen", "--timeout", "1"]);
    assert!(!again.iter().any(|event| event["type"] == "message"), "{again:?}");

    let accepted = world.json("bob", &["requests", "accept", "alice"]);
    assert_eq!(accepted[0]["contact"]["state"], "accepted");
    world.json("bob", &["send", "alice", "hello alice"]);
    let heard = world.json("alice", &["listen", "--count", "1", "--timeout", "20"]);
    assert!(heard.iter().any(|event| event["message"]["body"]["text"] == "hello alice"));

    let numbers: Vec<_> = [("alice", "bob"), ("bob", "alice")]
        .iter()
        .map(|(who, whom)| world.json(who, &["verify", whom])[0]["safety_number"]["digits"].clone())
        .collect();
    assert_eq!(numbers[0], numbers[1]);
    let verified = world.json("alice", &["verify", "bob", "--yes"]);
    assert_eq!(verified[0]["contact"]["verified"], true);

    // A request that still lies at the relay is found.
    world.register("carol");
    world.json("carol", &["send", "bob", "hello from carol"]);
    let asking = world.json("bob", &["requests"]);
    assert_eq!(asking[0]["contacts"][0]["state"], "request_received", "{asking:?}");

    // For a person: no colours into a pipe, and nothing that a terminal would obey.
    let history = world.wheesht("bob", &["history", "alice"]);
    let lines = text(&history.stdout);
    assert!(lines.contains("alice: hello \u{fffd}[31mbob"), "{lines}");
    assert!(lines.contains("you: hello alice"), "{lines}");
    assert!(!lines.contains('\u{1b}'));

    // Text from standard input, whole.
    let mut child = Command::new(env!("CARGO_BIN_EXE_wheesht"))
        .args(["--data", world.path("alice").to_str().unwrap(), "send", "bob"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), "two\nlines\n".as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let heard = world.json("bob", &["listen", "--count", "2", "--timeout", "20"]);
    assert!(heard.iter().any(|event| event["message"]["body"]["text"] == "two\nlines"));

    world.stop_relay();
    let late = world.wheesht("alice", &["--json", "send", "bob", "into the dark", "--timeout", "1"]);
    assert_eq!(code(&late), 9);
    let error: Value = serde_json::from_str(&text(&late.stderr)).unwrap();
    assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("error"), Some("network")));
    let queued = world.json("alice", &["send", "bob", "for later", "--wait", "queued"]);
    assert_eq!(queued[0]["messages"][0]["state"]["type"], "pending");
}

#[test]
fn every_end_has_its_code() {
    let mut world = World::new();
    let password = world.path("password");
    let password = password.to_str().unwrap();
    let other = world.path("other password");
    let other = other.to_str().unwrap();
    let address = format!("carol@{}", world.address);

    assert_eq!(code(&world.wheesht("nobody", &["frobnicate"])), 2);
    assert_eq!(code(&world.wheesht("nobody", &["register", "no address"])), 2);
    assert_eq!(code(&world.wheesht("nobody", &["register", &address])), 2, "no terminal to ask on");
    assert_eq!(code(&world.wheesht("nobody", &["send", "bob", "x"])), 3);
    assert_eq!(code(&world.wheesht("nobody", &["chat"])), 3);
    assert_eq!(code(&world.wheesht("nobody", &["status"])), 0);

    world.register("carol");
    assert_eq!(code(&world.wheesht("carol", &["register", &address, "--password-file", password])), 3);
    assert_eq!(code(&world.wheesht("second", &["register", &address, "--password-file", password])), 4);
    assert_eq!(code(&world.wheesht("third", &["login", &address, "--password-file", other])), 4);
    assert_eq!(code(&world.wheesht("carol", &["send", "nobody-of-that-name", "x"])), 7);
    assert_eq!(code(&world.wheesht("carol", &["history", "stranger"])), 7);
    assert_eq!(code(&world.wheesht("carol", &["devices", "confirm", "12345678"])), 7);
    assert_eq!(code(&world.wheesht("carol", &["listen", "--count", "1", "--timeout", "1"])), 9);
    let wrong_key = ["--store-key", "passphrase", "--store-passphrase-file", other, "status"];
    assert_eq!(code(&world.wheesht("carol", &wrong_key)), 8);

    let (host, fingerprint) = world.address.split_once('#').unwrap();
    let swapped: String = fingerprint.chars().rev().collect();
    // The last symbol has unused bits, so not every spelling is one.
    let imposter = format!("dave@{host}#{}A", swapped.get(..42).unwrap());
    let untrusted = world.wheesht("dave", &["register", &imposter, "--password-file", password]);
    assert_eq!(code(&untrusted), 6, "{}", text(&untrusted.stderr));
    world.stop_relay();
    let gone = world.wheesht("erin", &["register", &address, "--password-file", password]);
    assert_eq!(code(&gone), 5, "{}", text(&gone.stderr));
    assert!(text(&gone.stderr).contains("no relay is running at"), "{}", text(&gone.stderr));
}

#[test]
fn notifications_are_chosen_and_quiet_hours_are_hours() {
    let directory = tempfile::tempdir().unwrap();
    let told = |arguments: &[&str]| {
        let output = wheesht(directory.path(), &[&["--json", "notifications"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_str::<Value>(text(&output.stdout).trim()).unwrap()
    };
    assert_eq!(told(&[])["shows"], "who");
    let changed = told(&["--show", "nothing", "--quiet", "22:00-7:00", "--mentions-when-muted", "off"]);
    assert_eq!((&changed["shows"], &changed["mentions_when_muted"]), (&"nothing".into(), &false.into()));
    assert_eq!((&changed["quiet"]["from"], &changed["quiet"]["until"]), (&1_320.into(), &420.into()));
    // What is not named stays.
    assert_eq!(told(&["--groups", "mentions"])["shows"], "nothing");
    assert!(told(&["--quiet", "off"])["quiet"].is_null());
    let lines = wheesht(directory.path(), &["notifications"]);
    assert_eq!(
        text(&lines.stdout),
        "They show:     that there is something, not what nor from whom\nOf groups:     those that name or answer \
         you\nOf muted ones: none\nQuiet hours:   none\n"
    );
    assert_eq!(code(&wheesht(directory.path(), &["notifications", "--quiet", "late"])), 2);
}

#[test]
fn an_authority_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("ca.pem");
    std::fs::write(&pem, "not a certificate").unwrap();
    let data = directory.path().join("data");
    let output = wheesht(&data, &["--ca", pem.to_str().unwrap(), "status"]);
    assert_ne!(code(&output), 0);
    let words = text(&output.stderr);
    assert!(words.contains("ca.pem") && words.contains("PEM file"), "{words}");
}

#[test]
fn a_screen_needs_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let output = wheesht(directory.path(), &["tui"]);
    assert_eq!(code(&output), 2);
    assert_eq!(text(&output.stderr), "wheesht: This needs a terminal. wheesht chat does without.\n");
    assert_eq!(code(&wheesht(directory.path(), &["--json", "tui"])), 2);
}

#[test]
fn the_demo_plays_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let output = wheesht(directory.path(), &["--json", "demo"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let heard = lines.iter().filter(|line| line["type"] == "heard").count();
    assert_eq!(heard, 5);
    assert_eq!(lines.last().unwrap()["type"], "end");
    assert!(!directory.path().join("store").exists(), "it leaves nothing behind");
}

#[test]
fn a_debug_bundle_tells_how_things_stand_and_not_who_one_is() {
    let world = World::new();
    world.register("alice");
    let said = text(&world.wheesht("alice", &["debug-bundle"]).stdout);
    assert!(said.contains("phase: active") && said.contains("[lately, seconds ago]"), "{said}");
    for private in ["alice", world.address.as_str(), PASSWORD] {
        assert!(!said.contains(private), "{said}");
    }
    let file = world.path("bundle.txt");
    let written = world.json("alice", &["debug-bundle", "--output", file.to_str().unwrap()]);
    assert_eq!(written[0]["type"], "done");
    assert!(std::fs::read_to_string(file).unwrap().contains("phase: active"));
}

#[test]
fn settings_come_from_a_file_and_flags_win() {
    let world = World::new();
    let directory = world.path("settings");
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("config.toml");
    assert_eq!(text(&world.wheesht("settings", &["config", "path"]).stdout).trim(), path.to_str().unwrap());
    std::fs::write(&path, "color = \"always\"\n[notify]\nbell = false\n").unwrap();
    let shown = world.wheesht("settings", &["config", "show"]);
    assert!(text(&shown.stdout).contains("bell = false"), "{}", text(&shown.stdout));
    world.json("settings", &["config", "show"]);
    std::fs::write(&path, "colour = \"always\"\n").unwrap();
    let refused = world.wheesht("settings", &["status"]);
    assert_eq!(code(&refused), 2);
    assert!(text(&refused.stderr).contains("line 1: unknown field `colour`"), "{}", text(&refused.stderr));
    assert_eq!(code(&world.wheesht("settings", &["config", "path"])), 0, "who mends it is not stopped by it");
}

#[test]
fn the_doctor_looks_at_everything() {
    let mut world = World::new();
    world.register("alice");
    let findings = world.json("alice", &["doctor"]);
    let whats: Vec<_> = findings.iter().map(|finding| finding["what"].as_str().unwrap()).collect();
    let all =
        ["settings", "terminal", "files", "key", "notices", "store", "account", "clock", "relay", "outbox"];
    assert_eq!(whats, all);
    assert!(findings.iter().all(|finding| finding["health"] != "bad"), "{findings:?}");
    world.stop_relay();
    let sick = world.wheesht("alice", &["doctor"]);
    assert_eq!(code(&sick), 5);
    assert!(text(&sick.stdout).contains("no relay is running at"), "{}", text(&sick.stdout));
}

#[test]
fn shells_and_manuals_are_served() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = wheesht(directory.path(), &["completions", shell]);
        assert!(text(&script.stdout).contains("contacts"), "{shell}");
    }
    let pages = directory.path().join("man");
    assert_eq!(code(&wheesht(directory.path(), &["man", pages.to_str().unwrap()])), 0);
    assert!(std::fs::read_to_string(pages.join("wheesht-send.1")).unwrap().contains("wheesht\\-send"));
}
