//! Two devices that talk as they should.

use super::world::{Device, NOW};
use crate::protocol::{
    Session,
    session::{PrekeyRows, UnverifiedSessionMessage},
};

#[test]
fn two_devices_talk() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    for round in 0..5 {
        for n in 0..3 {
            let text = format!("a {round} {n}");
            let envelope = alice.send(&mut bob, text.as_bytes());
            assert_eq!(bob.receive(&envelope).unwrap().as_slice(), text.as_bytes());
        }
        let envelope = bob.send(&mut alice, b"b");
        assert_eq!(alice.receive(&envelope).unwrap().as_slice(), b"b");
    }
    assert_eq!(alice.sessions_with(&bob).len(), 1);
    assert!(alice.sessions_with(&bob)[0].is_answered());
}

#[test]
fn debug_shows_no_content() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let first = UnverifiedSessionMessage::decode(&alice.encrypt(&mut bob, b"hush")).unwrap();
    let needs = first.prekeys().unwrap();
    let row = |id: u32| bob.prekeys.get(&id).cloned();
    let rows = PrekeyRows {
        signed: row(needs.signed),
        one_time: needs.one_time.and_then(row),
        kem: row(needs.kem),
        base_key_seen: false,
    };
    let accepted = Session::respond(&bob.local(), &alice.certificate, &rows, &first, b"aad", NOW).unwrap();
    let second = UnverifiedSessionMessage::decode(&alice.encrypt(&mut bob, b"hush")).unwrap();
    let decrypted = accepted.session.decrypt(&alice.certificate, &second, b"aad", &bob.keys, NOW).unwrap();
    let content = format!("{:?}", b"hush");
    for shown in [format!("{accepted:?}"), format!("{decrypted:?}")] {
        assert!(!shown.contains(content.trim_matches(['[', ']'])) && !shown.contains("content"), "{shown}");
    }
}
