//! A short form of `group_loop`: ten members' processes, three groups, a relay that is killed once.

use std::process::Command;

#[test]
fn ten_members_in_three_groups_lose_nothing_when_the_relay_is_killed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_group_loop"));
    let run = command.args(["--seconds", "12", "--kills", "1", "--pause", "1200"]).output();
    let run = run.expect("the program runs");
    assert!(
        run.status.success(),
        "{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
}
