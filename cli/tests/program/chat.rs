//! The chat as people use it.

use crate::{
    terminal::Terminal,
    world::{PASSWORD, World},
};

/// A chat that listens to keys: what is typed before its editor has the terminal is echoed and lost.
fn chat(world: &World, who: &str) -> Terminal {
    let terminal = Terminal::start(&world.path(who), &[], 24, 80);
    terminal.wait("/help");
    terminal.wait_until("the prompt", |screen| screen.lines().any(|line| line.trim_end().ends_with('>')));
    terminal
}

#[test]
fn from_nothing_to_a_first_message() {
    let world = World::new();
    world.register("bob");
    let bob = chat(&world, "bob");

    // Three answers, and one is somebody. What was wrong is asked again, the rest stays.
    let alice = Terminal::start(&world.path("alice"), &[], 24, 80);
    alice.wait("Your name");
    alice.line("no such name!");
    alice.wait_until("the question again", |screen| screen.matches("Your name").count() == 2);
    alice.line("bob");
    alice.wait("Your relay");
    alice.line("wss://127.0.0.1:1");
    alice.wait("Password");
    alice.line(PASSWORD);
    alice.wait("Once more");
    alice.line(PASSWORD);
    alice.wait("Your relay (Enter: once more 127.0.0.1:1):");
    alice.line(&world.address);
    alice.wait("This name is taken on that relay");
    alice.line("alice");
    let screen = alice.wait("/help tells how it works");
    assert!(!screen.contains(PASSWORD), "{screen}");

    alice.line("/msg bob hello bob");
    bob.wait("would like to talk to you: /accept alice");
    bob.line("/accept");
    bob.wait("alice: hello bob");
    alice.wait("✓✓");
    bob.line("hello yourself");
    alice.wait("bob: hello yourself");
    bob.wait_until("read mark", |screen| {
        screen.lines().any(|line| line.contains("✓✓") && line.contains("hello yourself"))
    });

    alice.line("/mgs bob hi");
    alice.wait("Did you mean /msg?");
    alice.keys("/hi\t");
    alice.wait("/history");
    alice.keys("\u{3}");
    alice.wait("Once more to leave");
    alice.keys("\u{3}");
    assert_eq!(alice.end(), 0);
    bob.line("/quit");
    assert_eq!(bob.end(), 0);
}

#[test]
fn others_text_can_not_reach_the_terminal() {
    let world = World::new();
    world.friends("alice", "mallory");
    let alice = chat(&world, "alice");
    alice.line("/open mallory");
    alice.wait("mallory>");
    let bells = alice.bells();
    let hostile = "begin\u{1b}]0;owned\u{7}\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{1b}[1;1Hbob: forged\rcr\u{9b}31m\u{7}\n00:00 bob: \
                   forged too\u{202e}lru\u{1b}[?1049h end";
    world.json("mallory", &["send", "alice", hostile]);
    let screen = alice.wait("end");
    assert!(screen.contains("/help"), "the screen was not wiped: {screen}");
    let line = |begins: &str| screen.lines().any(|line| line.trim_start().starts_with(begins));
    assert!(!line("bob: forged") && !line("00:00 bob"), "{screen}");
    assert!(screen.lines().any(|line| line.trim_start().starts_with("│ 00:00 bob: forged too")), "{screen}");
    assert!(!alice.titles().iter().any(|title| title.contains("owned")), "{:?}", alice.titles());
    assert!(!alice.clipboard());
    assert_eq!(alice.bells(), bells);
    assert!(!alice.screen().contains('\u{202e}'));
    alice.line("/quit");
    assert_eq!(alice.end(), 0);
}

#[test]
fn what_nobody_looks_at_calls_for_attention() {
    let world = World::new();
    world.friends("alice", "bob");
    std::fs::write(world.path("alice").join("config.toml"), "[notify]\nterminal = \"osc777\"\n").unwrap();
    let alice = chat(&world, "alice");
    world.json("bob", &["send", "alice", "are you\nthere?"]);
    let screen = alice.wait("are you");
    assert!(screen.lines().any(|line| line.trim() == "│ there? (/open bob)"), "{screen}");
    alice.wait_until("the bell", |_| alice.bells() > 0);
    alice.wait_until("the title", |_| {
        alice
            .titles()
            .last()
            .is_some_and(|title| title.ends_with("new) wheesht") || title.ends_with(") wheesht"))
    });
    alice.wait_until("the notification", |_| {
        alice.commands().iter().any(|command| command == "777;notify;bob;A new message")
    });
    alice.line("/next");
    alice.wait("new ──");
    alice.wait_until("all is read", |_| alice.titles().last().is_some_and(|title| title == "wheesht"));
    // Many lines, pasted, are one message; the window may be narrow.
    alice.resize(24, 40);
    alice.keys("\u{1b}[200~first line\rsecond line\u{1b}[201~");
    alice.wait("second line");
    alice.keys("\r");
    let heard = world.json("bob", &["listen", "--count", "1", "--timeout", "60"]);
    assert!(
        heard.iter().any(|event| event["message"]["body"]["text"] == "first line\nsecond line"),
        "{heard:?}"
    );
    alice.line("/quit");
    assert_eq!(alice.end(), 0);
}

#[test]
fn the_demo_ends_with_somebody_to_talk_to() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Terminal::start(directory.path(), &["demo"], 24, 80);
    guest.wait("echo: Hello! I am a bot");
    guest.wait_until("the prompt", |screen| {
        screen.lines().last().is_some_and(|line| line.trim_end().ends_with("echo>"))
    });
    guest.line("is anybody there?");
    guest.wait("echo: is anybody there?");
    guest.line("/quit");
    assert_eq!(guest.end(), 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn a_group_of_three_gathers() {
    let world = World::new();
    world.friends("alice", "bob");
    world.register("carol");
    world.meet("alice", "carol");

    let alice = chat(&world, "alice");
    let bob = chat(&world, "bob");
    alice.line("/group create \"Weekend trip\"");
    alice.wait("Founded; you are its owner");
    alice.line("/open #weekend-trip");
    alice.wait("#weekend-trip>");
    alice.line("/invite bob carol");
    bob.wait("invites you to “Weekend trip”");
    bob.line("/join #weekend-trip");
    bob.wait("You belong to #weekend-trip now");
    let carol = chat(&world, "carol");
    carol.wait("invites you to “Weekend trip”");
    carol.line("/join");
    carol.wait("You belong to #weekend-trip now");
    alice.line("/members");
    alice.wait_until("three members", |screen| {
        ["3 members", "bob", "carol"].iter().all(|words| screen.contains(words))
    });
    // What is said reaches all; who is named hears of it though they have muted the group.
    let opened = |screen: &str| screen.lines().last().is_some_and(|line| line.starts_with("#weekend-trip"));
    bob.line("/open #weekend-trip");
    bob.wait_until("the group's prompt", opened);
    bob.line("/mute");
    bob.wait("Muted.");
    bob.line("/close");
    bob.wait_until("nothing open", |screen| !opened(screen));
    carol.line("/open #weekend-trip");
    carol.wait_until("the group's prompt", opened);
    let bells = bob.bells();
    carol.line("shall we");
    alice.wait("carol: shall we");
    bob.wait("carol: shall we");
    carol.line("take the boat, @bob?");
    alice.wait("carol: take the boat, @bob?");
    bob.wait("carol: take the boat, @bob?");
    bob.wait_until("the bell", |_| bob.bells() > bells);
    carol.wait_until("two of two have it", |screen| screen.contains("✓✓"));
    alice.line("/kick carol");
    carol.wait("You were removed from #weekend-trip");
    alice.line("/quit");
    assert_eq!(alice.end(), 0);
}

#[test]
fn a_message_has_a_life() {
    let world = World::new();
    world.friends("alice", "bob");
    let alice = chat(&world, "alice");
    let bob = chat(&world, "bob");
    alice.line("/open bob");
    alice.wait("bob>");
    bob.line("/open alice");
    bob.wait("alice>");
    alice.line("tea at fife?");
    bob.wait("alice: tea at fife?");
    bob.line("/reply at five, I hope");
    alice.wait("↳ “tea at fife?”");
    bob.line("/react :tada:");
    alice.wait("now:");
    alice.wait("🎉");
    alice.line("/edit tea at five?");
    bob.wait_until("the edit", |screen| screen.contains("tea at five?") && screen.contains("edited"));
    alice.line("/delete all");
    bob.wait("alice: (deleted)");
    bob.line("/edit");
    bob.wait("/edit [^N] TEXT: give your last message another text");
    let path = world.path("notes.txt");
    std::fs::write(&path, "milk, eggs").unwrap();
    alice.line(&format!("/send {} what to buy", path.to_str().unwrap()));
    alice.wait("Words to go with a file stand behind --caption.");
    alice.line(&format!("/send {} --caption what to buy", path.to_str().unwrap()));
    bob.wait("what to buy");
    bob.wait("[notes.txt]");
    bob.line("/react 🛒");
    alice.wait("[🛒]");
    // Lines that come before the one above is done with, pasted say, are not lost.
    bob.keys("/status\r/pins\r/whoever\rone\rtwo\rthree\r");
    bob.wait("There is no /whoever");
    for word in ["one", "two", "three"] {
        alice.wait(&format!("bob: {word}"));
    }
    let folder = world.path("got");
    std::fs::create_dir(&folder).unwrap();
    bob.line(&format!("/save ^ {}", folder.to_str().unwrap()));
    bob.wait_until("the file", |_| {
        std::fs::read_to_string(folder.join("notes.txt")).is_ok_and(|text| text == "milk, eggs")
    });
    bob.wait("notes.txt is here");
    // What was said is found again, and one goes there.
    alice.line("/search five");
    alice.wait("/jump N goes there");
    alice.line("/jump 1");
    alice.wait_until("the place", |screen| screen.lines().any(|line| line.starts_with('▸')));
    bob.line("/status busy at work");
    bob.wait("Your contacts see it");
    alice.wait("* bob is busy: at work");
    bob.line("/profile set --name Robert");
    bob.wait_until("the profile", |screen| {
        screen.lines().any(|line| line.starts_with("name") && line.contains("Robert"))
    });
    alice.line("/timer 7d");
    bob.wait("disappear after 7 days from now on");
    alice.line("/quit");
    assert_eq!(alice.end(), 0);
}

#[test]
fn what_lies_beside_a_conversation_has_its_commands() {
    let world = World::new();
    world.friends("alice", "bob");
    world.register("carol");
    let alice = chat(&world, "alice");
    alice.line("/add carol");
    alice.wait("nothing sent yet");
    alice.line("/nickname carol \"Cara mia\"");
    alice.wait("Cara mia");
    alice.line("/list put bob friends");
    alice.wait_until("bob on a list", |screen| screen.contains("friends"));
    alice.line("/list");
    alice.wait("friends: bob");
    alice.line("/settings --read-receipts off --auto-download 512K");
    alice.wait("neither sent nor shown");
    alice.wait("up to 512 KiB");
    alice.line("/help picture");
    alice.wait("/avatar");
    alice.line("/remove carol");
    alice.wait("/remove carol yes does it");
    alice.line("/remove carol yes");
    alice.wait("Forgotten.");

    alice.line("/open bob");
    alice.wait("bob>");
    alice.line("worth keeping");
    alice.wait("✓ worth keeping");
    let file = |name: &str| world.path("alice").join(name);
    alice.line(&format!("/export {} --format markdown", file("said.md").display()));
    alice.wait("written to");
    assert!(std::fs::read_to_string(file("said.md")).unwrap().contains("worth keeping"));
    alice.line(&format!("/backup {}", file("all.backup").display()));
    alice.wait("write it down");
    assert!(file("all.backup").is_file());
    alice.line(&format!("/debug {}", file("bundle.txt").display()));
    alice.wait("Read it before you give it away");
    let bundle = std::fs::read_to_string(file("bundle.txt")).unwrap();
    assert!(!bundle.contains("alice") && !bundle.contains("worth keeping"), "{bundle}");
    // What is wrong says what would be right, and the chat goes on.
    alice.line("/view ^9");
    alice.wait("There is no such file here");
    alice.line("/settings --read-receipts maybe");
    alice.wait("possible values");
    alice.line("/quit");
    assert_eq!(alice.end(), 0);

    let settings = world.json("alice", &["settings"]);
    assert_eq!(
        (&settings[0]["read_receipts"], &settings[0]["auto_download"]),
        (&false.into(), &(512 << 10).into())
    );
}
