//! The C example as its readers would build it, against an installed library, between two processes and over a relay.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]
#![cfg(unix)]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use wheesht_relay::{Config, Relay};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where cargo puts the libraries that are built for this test: beside it.
fn built() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    out.trim().to_owned()
}

/// What `pkg-config` says of the installed library, or would say if this machine has none.
fn flags(prefix: &Path) -> Vec<String> {
    let told = Command::new("pkg-config")
        .args(["--cflags", "--libs", "wheesht"])
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .output();
    match told {
        Ok(told) if told.status.success() => {
            String::from_utf8(told.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
        }
        _ => vec![
            format!("-I{}", prefix.join("include").display()),
            format!("-L{}", prefix.join("lib").display()),
            "-lwheesht".to_owned(),
        ],
    }
}

fn build_example(prefix: &Path) -> PathBuf {
    run(Command::new("sh").arg(format!("{ROOT}/ffi/install.sh")).arg(prefix).arg(built()));
    let program = prefix.join("hello");
    run(Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .arg(format!("{ROOT}/examples/c/hello.c"))
        .args(flags(prefix))
        .arg(format!("-Wl,-rpath,{}", prefix.join("lib").display()))
        .arg("-o")
        .arg(&program));
    program
}

struct Person {
    process: Child,
    says: BufReader<std::process::ChildStdout>,
}

impl Person {
    fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(process.stdout.take().unwrap());
        Self { process, says }
    }

    fn wait_for(&mut self, what: &str) {
        let mut line = String::new();
        while self.says.read_line(&mut line).unwrap() > 0 {
            if line.trim_end() == what {
                return;
            }
            line.clear();
        }
        panic!("ended before it said {what:?}");
    }

    fn end(mut self) -> String {
        let mut rest = String::new();
        self.says.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success(), "{rest}");
        rest
    }
}

#[test]
fn two_c_programs_say_hello_over_a_relay() {
    let directory = tempfile::tempdir().unwrap();
    let program = build_example(directory.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::new(directory.path().join("relay")) };
    let relay = runtime.block_on(Relay::start(config)).unwrap();
    let (alice, bob) = (format!("alice@{}", relay.address()), format!("bob@{}", relay.address()));
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();

    let mut waiting = Person::start(&program, &[&place("bob"), &bob]);
    waiting.wait_for("ready");
    let mut writing = Person::start(&program, &[&place("alice"), &alice, &bob]);
    waiting.wait_for("message: hello from C");
    writing.wait_for("message: hello to you");
    writing.end();
    waiting.end();
    runtime.block_on(relay.shutdown()).unwrap();
}
