//! `wheesht-relay`: runs a blind relay.

use std::process::ExitCode;

fn main() -> ExitCode {
    wheesht_relay::program::run(std::env::args_os())
}
