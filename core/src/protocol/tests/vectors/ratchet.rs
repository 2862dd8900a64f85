//! `ratchet.json`: conversations from a bare root key, step by step, with all that the network may do to them.

use prost::Message;
use serde_json::{Value, json};

use super::{NOW, Named, array, bytes, device, hex, hold};
use crate::{
    crypto::dh::DhSecret,
    proto::session as wire,
    protocol::{
        Session,
        session::{DecryptError, SessionId, UnverifiedSessionMessage},
        tests::world::Keys,
    },
    signed::DeviceCertificate,
};

/// Both sides; the responder's session begins with the first message it gets.
struct Talk {
    certificates: [DeviceCertificate; 2],
    root: [u8; 32],
    signed_prekey: DhSecret,
    sessions: [Option<Session>; 2],
    keys: [Keys; 2],
}

impl Talk {
    fn new(case: &Value) -> Self {
        let certificates = [device(0x10).certificate, device(0x20).certificate];
        let root = array(&case["root"]);
        let signed_prekey = DhSecret::from_secret_bytes(&array(&case["signed_prekey_secret"]));
        let id = SessionId::new(array(&case["session_id"]));
        let initiator = Session::of_initiator(id, &certificates[1], &root, &signed_prekey);
        Self {
            certificates,
            root,
            signed_prekey,
            sessions: [Some(initiator), None],
            keys: [Keys::default(), Keys::default()],
        }
    }

    fn encrypt(&mut self, step: &Value) -> Vec<u8> {
        let session = self.sessions[side(step)].as_mut().unwrap();
        let mut rng = Named(bytes(&step["ratchet_secret"]));
        session.encrypt(&bytes(&step["content"]), &bytes(&step["aad"]), NOW, &mut rng).unwrap()
    }

    fn decrypt(&mut self, step: &Value) -> (&'static str, Option<Vec<u8>>) {
        let (own, message) = (side(step), bytes(&step["message"]));
        let Ok(message) = UnverifiedSessionMessage::decode(&message) else { return ("malformed", None) };
        let peer = &self.certificates[1 - own];
        let Some(session) = &self.sessions[own] else { return self.first(step, &message) };
        match session.decrypt(peer, &message, &bytes(&step["aad"]), &self.keys[own], NOW) {
            Ok(decrypted) => {
                self.sessions[own] = Some(decrypted.session);
                self.keys[own].apply(decrypted.skipped);
                ("ok", Some(decrypted.content.to_vec()))
            }
            Err(DecryptError::OtherSender) => ("other_sender", None),
            Err(DecryptError::OtherSession) => ("other_session", None),
            Err(DecryptError::Impossible) => ("impossible", None),
            Err(DecryptError::TooFarAhead) => ("too_far_ahead", None),
            Err(DecryptError::KeyGone) => ("key_gone", None),
            Err(DecryptError::NotAuthentic) => ("not_authentic", None),
            Err(DecryptError::Malformed) => ("malformed_content", None),
            Err(DecryptError::Store(never)) => match never {},
        }
    }

    fn first(&mut self, step: &Value, message: &UnverifiedSessionMessage) -> (&'static str, Option<Vec<u8>>) {
        let aad = bytes(&step["aad"]);
        let peer = &self.certificates[0];
        match Session::of_responder(peer, &self.root, &self.signed_prekey, message, &aad) {
            Some((session, skipped, content)) => {
                self.sessions[1] = Some(session);
                self.keys[1].apply(skipped);
                ("ok", Some(content))
            }
            None => ("not_authentic", None),
        }
    }
}

fn side(step: &Value) -> usize {
    match step["by"].as_str().unwrap() {
        "initiator" => 0,
        "responder" => 1,
        other => panic!("{other}"),
    }
}

/// A case in the making: it runs as it is written down.
struct Script {
    talk: Talk,
    case: Value,
    secret: u8,
}

impl Script {
    fn new(name: &str) -> Self {
        let case = json!({
            "name": name,
            "root": hex([0x71; 32]),
            "signed_prekey_secret": hex([0x72; 32]),
            "session_id": hex([0x73; 8]),
            "steps": [],
        });
        Self { talk: Talk::new(&case), case, secret: 0x80 }
    }

    /// `turn`: the ratchet takes a DH step with the next named secret.
    fn encrypt(&mut self, by: &str, content: &str, turn: bool) -> String {
        self.secret += u8::from(turn);
        let secret = turn.then(|| hex([self.secret; 32]));
        let mut step = json!({
            "act": "encrypt", "by": by, "content": hex(content), "aad": hex("aad"), "ratchet_secret": secret,
        });
        let message = hex(self.talk.encrypt(&step));
        step["message"] = message.clone().into();
        self.push(step);
        message
    }

    fn decrypt(&mut self, by: &str, message: &str) {
        self.decrypt_with(by, message, "aad");
    }

    fn decrypt_with(&mut self, by: &str, message: &str, aad: &str) {
        let mut step = json!({ "act": "decrypt", "by": by, "message": message, "aad": hex(aad) });
        let (outcome, content) = self.talk.decrypt(&step);
        step["outcome"] = outcome.into();
        step["content"] = content.map(hex).into();
        self.push(step);
    }

    fn push(&mut self, step: Value) {
        self.case["steps"].as_array_mut().unwrap().push(step);
    }

    fn outcomes(&self) -> Vec<&str> {
        let steps = self.case["steps"].as_array().unwrap().iter();
        steps.filter_map(|step| step["outcome"].as_str()).collect()
    }

    fn finish(mut self, outcomes: &[&str]) -> Value {
        assert_eq!(self.outcomes(), outcomes, "{}", self.case["name"]);
        self.case["outcome"] = "as each step says".into();
        self.case
    }
}

fn changed(message: &str, change: impl FnOnce(&mut wire::RatchetMessage)) -> String {
    let mut message = wire::SessionMessage::decode(&*bytes(&message.into())).unwrap();
    match message.kind.as_mut() {
        Some(wire::session_message::Kind::Ratchet(ratchet)) => change(ratchet),
        _ => panic!("no ratchet message"),
    }
    hex(message.encode_to_vec())
}

fn in_turn() -> Value {
    let mut script = Script::new("in turn");
    for round in 0..2 {
        for n in 0..2 {
            let message = script.encrypt("initiator", &format!("to responder {round} {n}"), n == 0);
            script.decrypt("responder", &message);
        }
        let message = script.encrypt("responder", &format!("to initiator {round}"), true);
        script.decrypt("initiator", &message);
    }
    script.finish(&["ok"; 6])
}

fn out_of_order() -> Value {
    let mut script = Script::new("out of order, over two chains, and repeated");
    let first: Vec<_> = (0..4).map(|n| script.encrypt("initiator", &n.to_string(), n == 0)).collect();
    script.decrypt("responder", &first[1]);
    let answer = script.encrypt("responder", "yes", true);
    script.decrypt("initiator", &answer);
    let next: Vec<_> = (4..6).map(|n| script.encrypt("initiator", &n.to_string(), n == 4)).collect();
    for message in [&next[1], &first[0], &first[3], &next[0], &first[2], &first[0], &next[1]] {
        script.decrypt("responder", message);
    }
    script.finish(&["ok", "ok", "ok", "ok", "ok", "ok", "ok", "key_gone", "key_gone"])
}

fn refused() -> Value {
    let mut script = Script::new("refused, and then opened as if nothing had been");
    let message = script.encrypt("initiator", "0", true);
    script.decrypt("responder", &message);
    let message = script.encrypt("initiator", "1", false);
    script.decrypt_with("responder", &message, "other");
    let mut refuse = |change: fn(&mut wire::RatchetMessage)| {
        script.decrypt("responder", &changed(&message, change));
    };
    refuse(|ratchet| ratchet.ciphertext[0] ^= 1);
    refuse(|ratchet| ratchet.synthetic[0] ^= 1);
    refuse(|ratchet| ratchet.previous_count = 1);
    refuse(|ratchet| ratchet.count = 2);
    refuse(|ratchet| ratchet.count = 1_003);
    refuse(|ratchet| ratchet.count = 0);
    refuse(|ratchet| ratchet.chain = 1);
    refuse(|ratchet| ratchet.chain = 2);
    refuse(|ratchet| ratchet.ratchet_key[0] ^= 1);
    refuse(|ratchet| ratchet.session_id[0] ^= 1);
    refuse(|ratchet| ratchet.pq = vec![1]);
    script.decrypt("responder", &message);
    script.finish(&[
        "ok",
        "not_authentic",
        "not_authentic",
        "not_authentic",
        "not_authentic",
        "not_authentic",
        "too_far_ahead",
        "key_gone",
        "impossible",
        "impossible",
        "impossible",
        "other_session",
        "malformed",
        "ok",
    ])
}

#[test]
fn rat_1_rat_7_rat_11_ratchet_vectors() {
    let about = "From a bare root key: the initiator's first step uses the responder's signed prekey. A step that names a \
        ratchet secret takes a DH step with it. The initiator has been answered, so no message carries a set-up. \
        Certificates play no part.";
    let cases = [in_turn(), out_of_order(), refused()];
    hold("ratchet.json", &json!({ "about": about, "cases": cases }), |case| {
        let mut talk = Talk::new(case);
        for step in case["steps"].as_array().unwrap() {
            match step["act"].as_str().unwrap() {
                "encrypt" => assert_eq!(hex(talk.encrypt(step)), step["message"].as_str().unwrap()),
                "decrypt" => {
                    let (outcome, content) = talk.decrypt(step);
                    assert_eq!(outcome, step["outcome"].as_str().unwrap());
                    assert_eq!(content.map(hex).as_deref(), step["content"].as_str());
                }
                other => panic!("{other}"),
            }
        }
    });
}
