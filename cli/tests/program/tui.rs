//! The chat on the whole screen, as people use it.

use crate::{terminal::Terminal, world::World};

fn tui(world: &World, who: &str, columns: u16) -> Terminal {
    let terminal = Terminal::start(&world.path(who), &["tui"], 24, columns);
    terminal.wait("F1 help");
    terminal
}

/// Nothing is left of what a program asks for that has the whole screen.
fn is_as_it_was(terminal: &Terminal) {
    terminal.wait_until("the screen of before", |_| {
        !terminal.is_full() && terminal.asked_for() == (false, false, false)
    });
}

#[test]
fn open_read_answer_quit() {
    let world = World::new();
    world.friends("alice", "bob");
    world.json("bob", &["send", "alice", "are you\nthere?"]);
    let mut alice = tui(&world, "alice", 80);
    assert!(alice.is_full());
    // What came is counted, and the title says so.
    alice.wait_until("bob, with one new", |screen| {
        screen.lines().any(|line| line.contains("bob") && line.contains('1') && line.contains('│'))
    });
    alice.wait_until("the title", |_| alice.titles().last().is_some_and(|title| title == "(1) wheesht"));
    alice.keys("\r");
    alice.wait_until("the message", |screen| screen.contains("bob: are you") && screen.contains("── new"));
    alice.wait_until("all is read", |_| alice.titles().last().is_some_and(|title| title == "wheesht"));
    alice.keys("yes\u{1b}\rI am");
    alice.wait_until("two lines", |screen| screen.contains("> yes") && screen.contains("  I am"));
    alice.keys("\r");
    alice.wait("you: yes");
    let heard = world.json("bob", &["listen", "--count", "1", "--timeout", "60"]);
    assert!(heard.iter().any(|event| event["message"]["body"]["text"] == "yes\nI am"), "{heard:?}");
    alice.wait("✓✓");
    // Narrow, there is one side at a time.
    alice.resize(24, 40);
    alice.wait_until("the conversation alone", |screen| {
        screen.contains("you: yes") && !screen.lines().any(|line| line.contains('│'))
    });
    alice.keys("\u{1b}OP");
    alice.wait("Ctrl-Q");
    alice.keys("\u{1b}");
    alice.keys("\u{11}");
    assert_eq!(alice.ended(), 0);
    is_as_it_was(&alice);
}

#[test]
fn others_text_can_not_leave_its_place() {
    let world = World::new();
    world.friends("alice", "mallory");
    let hostile = "begin\u{1b}]0;owned\u{7}\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{1b}[1;1Hbob: forged\n00:00 bob: forged \
                   too\u{202e}\u{1b}[?1049l end";
    world.json("mallory", &["send", "alice", hostile]);
    let mut alice = tui(&world, "alice", 80);
    alice.wait("mallory");
    alice.keys("\r");
    let screen = alice.wait("end");
    assert!(alice.is_full() && screen.contains("F1 help"), "{screen}");
    assert!(
        !screen.lines().any(|line| line.starts_with("00:00 bob") || line.contains("│00:00 bob")),
        "{screen}"
    );
    assert!(!alice.titles().iter().any(|title| title.contains("owned")), "{:?}", alice.titles());
    assert!(!alice.clipboard());
    // A system that shuts down finds the terminal as it was, too.
    alice.terminate();
    assert_eq!(alice.ended(), 130);
    is_as_it_was(&alice);
}

#[test]
fn a_terminal_without_focus_calls() {
    let world = World::new();
    world.friends("alice", "bob");
    let mut alice = Terminal::start(&world.path("alice"), &["tui", "bob"], 24, 80);
    alice.wait("you: may we talk?");
    let bells = alice.bells();
    alice.keys("\u{1b}[O");
    world.json("bob", &["send", "alice", "psst"]);
    alice.wait("bob: psst");
    alice.wait_until("the bell", |_| alice.bells() > bells);
    // It is not read before somebody looks.
    alice.wait_until("one new", |_| alice.titles().last().is_some_and(|title| title == "(1) wheesht"));
    alice.keys("\u{1b}[I");
    alice.wait_until("all is read", |_| alice.titles().last().is_some_and(|title| title == "wheesht"));
    alice.keys("\u{11}");
    assert_eq!(alice.ended(), 0);
}
