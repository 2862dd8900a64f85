//! Opening and closing an installation.

use zeroize::Zeroizing;

use crate::{
    api::{ErrorCode, Password, Phase, Request},
    client::{Client, Config, KeySource, OpenError},
    store::KeyFileError,
};

fn passphrase(text: &str) -> KeySource {
    KeySource::Passphrase(Password::new(Zeroizing::new(text.to_owned()).as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_opens_once_and_again_after_it_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("new/installation");
    let client = Client::open(Config::new(&data)).await.unwrap();
    assert_eq!(client.status().await.unwrap().phase, Phase::Empty);
    assert!(matches!(Client::open(Config::new(&data)).await, Err(OpenError::InUse { .. })));

    let clone = client.clone();
    client.close().await;
    let refused = clone.call(Request::Status).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Closed);
    assert!(clone.events().next().await.is_none());
    let again = Client::open(Config::new(&data)).await.unwrap();
    again.close().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_for_its_owner_only() {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("installation");
    Client::open(Config::new(&data)).await.unwrap().close().await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("store.key")), 0o600);
    fs::set_permissions(data.join("store.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = Client::open(Config::new(&data)).await.unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_opens_what_it_was_made_with() {
    let directory = tempfile::tempdir().unwrap();
    let config = |text| Config::new(directory.path()).with_key(passphrase(text));
    Client::open(config("right")).await.unwrap().close().await;
    assert!(matches!(Client::open(config("wrong")).await, Err(OpenError::WrongKey)));
    // It has no key file, and gets none.
    for _ in 0..2 {
        let error = Client::open(Config::new(directory.path())).await.unwrap_err();
        assert!(matches!(error, OpenError::KeyFile(KeyFileError::NotFound { .. })), "{error}");
    }
    Client::open(config("right")).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_clone_closes_the_client() {
    let directory = tempfile::tempdir().unwrap();
    drop(Client::open(Config::new(directory.path())).await.unwrap());
    // The thread needs a moment to notice.
    for _ in 0..100 {
        if Client::open(Config::new(directory.path())).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("still in use");
}

#[test]
fn a_config_does_not_show_its_passphrase() {
    let config = Config::new("x").with_key(passphrase("secret words"));
    assert!(!format!("{config:?}").contains("secret"));
}
