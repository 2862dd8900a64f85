//! `wheesht rpc` as programs see it.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::world::{World, code, text};

/// A program that speaks JSON-RPC.
struct Program<R, W> {
    lines: std::io::Lines<BufReader<R>>,
    output: W,
    events: Vec<Value>,
    id: u64,
}

impl<R: Read, W: Write> Program<R, W> {
    fn new(input: R, output: W) -> Self {
        Self { lines: BufReader::new(input).lines(), output, events: Vec::new(), id: 0 }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.output, "{line}").unwrap();
        self.output.flush().unwrap();
    }

    fn hear(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("a line").unwrap()).unwrap()
    }

    /// Calls, and gives the whole answer; events that come meanwhile are kept.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        loop {
            let said = self.hear();
            if said["id"] == id {
                return said;
            }
            self.events.push(said["params"].clone());
        }
    }

    /// The next event of this kind.
    fn event(&mut self, kind: &str) -> Value {
        loop {
            while !self.events.is_empty() {
                let event = self.events.remove(0);
                if event["type"] == kind {
                    return event;
                }
            }
            let said = self.hear();
            assert_eq!(said["method"], "event", "{said}");
            self.events.push(said["params"].clone());
        }
    }
}

/// `wheesht rpc` on its standard input and output.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(world: &World, who: &str, arguments: &[&str]) -> Served {
    let child = Command::new(env!("CARGO_BIN_EXE_wheesht"))
        .args(["--data", world.path(who).to_str().unwrap(), "rpc"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Served(child)
}

fn speak(served: &mut Served) -> Program<std::process::ChildStdout, std::process::ChildStdin> {
    Program::new(served.0.stdout.take().unwrap(), served.0.stdin.take().unwrap())
}

#[test]
fn an_event_comes_again_until_it_is_acknowledged() {
    let world = World::new();
    world.friends("alice", "bob");
    world.json("alice", &["send", "bob", "the first"]);

    let mut served = start(&world, "bob", &[]);
    let mut program = speak(&mut served);
    assert_eq!(program.call("status", json!({}))["result"]["status"]["phase"]["type"], "active");
    program.call("subscribe", json!({}));
    let event = loop {
        let event = program.event("message");
        if event["message"]["body"]["text"] == "the first" {
            break event;
        }
    };
    let refused = program.call("ack", json!({ "id": event["id"].as_u64().unwrap() + 1_000 }));
    assert_eq!(refused["error"]["code"], -32_602, "{refused}");
    // It dies with the event in its hand.
    drop(served);

    let mut served = start(&world, "bob", &[]);
    let mut program = speak(&mut served);
    program.call("subscribe", json!({}));
    let again = loop {
        let event = program.event("message");
        if event["message"]["body"]["text"] == "the first" {
            break event;
        }
    };
    assert_eq!(again["id"], event["id"]);
    let answer = program.call("send", json!({ "to": again["message"]["sender"], "text": "heard" }));
    assert_eq!(answer["result"]["type"], "queued", "{answer}");
    assert_eq!(program.call("ack", json!({ "id": again["id"] }))["result"]["type"], "done");
    drop(program);
    assert!(served.0.wait().unwrap().success(), "the end of its input is a good end");

    let later = world.json("bob", &["listen", "--timeout", "2"]);
    assert!(!later.iter().any(|event| event["message"]["body"]["text"] == "the first"), "{later:?}");
}

#[test]
fn what_is_no_call_is_answered_too() {
    let world = World::new();
    let mut served = start(&world, "nobody", &[]);
    let mut program = speak(&mut served);
    for (line, code) in [
        ("{", -32_700),
        ("[]", -32_600),
        ("{\"id\":1}", -32_600),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"frobnicate\"}", -32_601),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"send\",\"params\":{\"to\":1}}", -32_602),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"contacts\",\"params\":{\"x\":1}}", -32_602),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"safety_number\",\"params\":{\"who\":\"bob@relay\"}}",
            -32_000,
        ),
    ] {
        program.say(line);
        let said = program.hear();
        assert_eq!(said["error"]["code"], code, "{line} {said}");
    }
    program.say("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"},{\"jsonrpc\":\"2.0\",\"method\":\"status\"},1]");
    let several = program.hear();
    assert_eq!(several.as_array().map(Vec::len), Some(2), "{several}");
}

#[test]
fn the_description_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_wheesht")).args(["rpc", "--describe"]).output().unwrap();
    assert_eq!(code(&output), 0);
    let document: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let names: Vec<_> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    for name in ["status", "send", "history", "subscribe", "ack"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[cfg(unix)]
#[test]
fn several_programs_share_a_socket() {
    use std::os::unix::{fs::PermissionsExt as _, net::UnixStream};

    let world = World::new();
    world.friends("alice", "bob");
    let path = world.path("socket");
    let served = start(&world, "bob", &["--socket", path.to_str().unwrap()]);
    let connect = || {
        for _ in 0..500 {
            if let Ok(stream) = UnixStream::connect(&path) {
                return Program::new(stream.try_clone().unwrap(), stream);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("nobody listens");
    };
    let (mut one, mut other) = (connect(), connect());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    one.call("subscribe", json!({}));
    other.call("subscribe", json!({}));
    world.json("alice", &["send", "bob", "to both of you"]);
    let texts = |program: &mut Program<UnixStream, UnixStream>| loop {
        let event = program.event("message");
        if event["message"]["body"]["text"] == "to both of you" {
            return event["id"].as_u64().unwrap();
        }
    };
    let id = texts(&mut one);
    assert_eq!(texts(&mut other), id);
    one.call("ack", json!({ "id": id }));
    // The other one dies; a third is given what it had in its hand.
    drop(other);
    let mut third = connect();
    third.call("subscribe", json!({}));
    assert_eq!(texts(&mut third), id);

    drop(served);
}

#[test]
fn the_bot_in_python_answers() {
    let python = ["python3", "python"].into_iter().find(|python| {
        Command::new(python).arg("--version").output().is_ok_and(|said| said.status.success())
    });
    let Some(python) = python else {
        // Said, so that nobody takes it for run.
        let _ = writeln!(std::io::stderr(), "skipped: there is no Python on this machine");
        return;
    };
    let world = World::new();
    world.register("bot");
    world.register("alice");
    let bot = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/python/echo.py"))
        .args(["--data", world.path("bot").to_str().unwrap()])
        .env("WHEESHT", env!("CARGO_BIN_EXE_wheesht"))
        .spawn()
        .unwrap();
    let _bot = Served(bot);
    world.json("alice", &["send", "bot", "is anybody there?"]);
    let heard = world.json("alice", &["listen", "--count", "1", "--timeout", "60"]);
    assert!(
        heard.iter().any(|event| event["message"]["body"]["text"] == "You said: is anybody there?"),
        "{heard:?}"
    );
}
