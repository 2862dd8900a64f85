//! Generates the protobuf types; protox compiles the `.proto` files, so no `protoc` is needed.

use prost_build::Config;

const FILES: &[&str] = &[
    "account",
    "content",
    "group",
    "presence",
    "profile",
    "relay",
    "session",
    "stored",
    "stored_account",
    "stored_devices",
    "stored_files",
    "stored_groups",
    "stored_messaging",
    "stored_people",
    "stored_presence",
    "stored_profile",
    "stored_search",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<_> = FILES.iter().map(|name| format!("proto/{name}.proto")).collect();
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(&files, ["proto"])?;
    // A generated `Debug` prints every field. Messages that may hold a secret or a person's words get none.
    Config::new()
        .skip_debug(SECRET)
        .type_attribute(".wheesht.account.v1.PrekeyKind", "#[derive(Debug)]")
        .bytes(ENVELOPES)
        .compile_fds(descriptors)?;
    Ok(())
}

/// Fields that a relay passes on by the thousand per second: as `Bytes` they are slices of the frame they came in.
const ENVELOPES: [&str; 3] = [
    ".wheesht.relay.v1.DepositEntry.envelope",
    ".wheesht.relay.v1.Deliver.envelope",
    ".wheesht.relay.v1.LastWillEntry.envelope",
];

/// Packages whose messages carry plaintext or key material.
const SECRET: [&str; 6] = [
    ".wheesht.content.v1",
    ".wheesht.account.v1",
    ".wheesht.group.v1",
    ".wheesht.presence.v1",
    ".wheesht.profile.v1",
    ".wheesht.stored.v1",
];
