//! What the password is typed for, through the public door: a device removed, the password changed, the account deleted; with a crash
//! or a lost connection at every step, and against a relay that lies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may; clippy knows that of test functions only"
)]

mod blocking;
mod ending;
mod handover;
mod hostile;
mod linking;
mod newcomers;
mod password;
mod removal;

use wheesht_core::{
    api::{Device, Error, ErrorCode, Password, Phase, Request, Response},
    proto::ids::DeviceId,
};
use wheesht_tests::stage::{
    Stage, Who, address,
    people::{MINUTE, PASSWORD},
};

/// Another one.
const NEW: &str = "velvet ankle mirror cousin salad bridge";

fn devices(stage: &mut Stage, who: Who) -> Vec<Device> {
    match stage.ask(who, Request::Devices) {
        Ok(Response::Devices { devices, .. }) => devices,
        other => panic!("{other:?}"),
    }
}

fn device(stage: &mut Stage, who: Who) -> DeviceId {
    devices(stage, who).into_iter().find(|device| device.this).expect("this device").id
}

fn remove_request(device: DeviceId, password: &str) -> Request {
    Request::RemoveDevice { device, password: Password::new(password) }
}

fn change(old: &str, new: &str) -> Request {
    Request::ChangePassword { old: Password::new(old), new: Password::new(new) }
}

fn delete(password: &str) -> Request {
    Request::DeleteAccount { password: Password::new(password) }
}

/// Asks to become a device, from an installation of its own.
fn log_in(stage: &mut Stage, name: &str, password: &str) -> Result<Response, Error> {
    let who = stage.add();
    let request = Request::LogIn {
        address: address(name),
        password: Password::new(password),
        device: "another".to_owned(),
        evict: false,
    };
    stage.ask(who, request)
}

fn code(answer: Result<Response, Error>) -> ErrorCode {
    let error = answer.unwrap_err();
    assert!(!error.next.is_empty(), "{error:?}");
    error.code
}

fn in_use(stage: &mut Stage, who: Who) {
    assert_eq!(stage.phase(who), Phase::Active);
}

/// Two devices know the same: a name that one gives, the other shows.
fn in_step(stage: &mut Stage, one: Who, other: Who, label: &str) {
    let id = device(stage, one);
    let rename = Request::RenameDevice { device: id, label: label.to_owned() };
    assert_eq!(stage.ask(one, rename), Ok(Response::Done));
    stage.advance(2 * MINUTE);
    let shown = devices(stage, other).into_iter().find(|device| device.id == id).unwrap();
    assert_eq!(shown.label.as_deref(), Some(label));
}
