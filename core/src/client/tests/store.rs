//! What happens when the store fails: everybody is told, and it is opened again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use zeroize::Zeroizing;

use crate::{
    api::{ErrorCode, EventKind, Request, Trouble},
    client::{Client, clock, report::Setting, tls},
    store::{MemoryBackend, Store, StoreKey, memory::WriteFate},
};

fn setting() -> Setting {
    Setting { data_dir: None, key: "bytes", authorities: 0 }
}

/// A store in memory that survives its failures, and a switch that makes the next write one.
async fn client() -> (Client, Arc<AtomicBool>) {
    let failing = Arc::new(AtomicBool::new(false));
    let backend = Arc::new(Mutex::new(MemoryBackend::new()));
    let switch = failing.clone();
    let open = move || {
        let mut durable = backend.lock().unwrap();
        *durable = durable.snapshot();
        let switch = switch.clone();
        durable.on_write(move |_| match switch.swap(false, Ordering::SeqCst) {
            true => WriteFate::CrashesBefore,
            false => WriteFate::Succeeds,
        });
        let key = StoreKey::from_bytes(Zeroizing::new([9; 32]));
        let backend = Box::new(durable.clone());
        match Store::exists(&*backend)? {
            true => Store::open(backend, &key, Box::new(clock::rng())),
            false => Store::create(backend, &key, Box::new(clock::rng()), clock::now()),
        }
    };
    (
        Client::open_with(Box::new(open), tls::roots(&[]).unwrap(), setting(), std::env::temp_dir())
            .await
            .unwrap(),
        failing,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_is_told_and_the_client_goes_on() {
    let (client, failing) = client().await;
    let mut events = client.events();
    client.call(Request::Status).await.unwrap();

    failing.store(true, Ordering::SeqCst);
    let error = client.set_read_receipts(false).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Store);
    let told = async {
        while let Some(event) = events.next().await {
            if matches!(event.kind, EventKind::Trouble { trouble: Trouble::StoreFailed { .. } }) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), told).await.unwrap());

    for _ in 0..100 {
        if client.set_read_receipts(false).await.is_ok() {
            return client.close().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store was not opened again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_panics_leaves_nobody_waiting() {
    let backend = MemoryBackend::new();
    let durable = backend.clone();
    let mut opened = 0;
    let open = move || {
        opened += 1;
        assert!(opened == 1, "this panic is the test's");
        let key = StoreKey::from_bytes(Zeroizing::new([9; 32]));
        Store::create(Box::new(durable.clone()), &key, Box::new(clock::rng()), clock::now())
    };
    let client = Client::open_with(Box::new(open), tls::roots(&[]).unwrap(), setting(), std::env::temp_dir())
        .await
        .unwrap();
    let mut events = client.events();
    backend.crash();
    assert!(client.set_read_receipts(false).await.is_err());
    let over = async { while events.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), over).await.unwrap();
    assert_eq!(client.status().await.unwrap_err().code, ErrorCode::Closed);
}
