use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use proptest::prelude::*;

use super::*;

const FAST: KsfCost = KsfCost::insecure_fast();

struct Relay {
    setup: ServerSetup,
    name: Name,
    rng: ChaCha20Rng,
}

impl Relay {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        Self { setup: ServerSetup::generate(&mut rng), name: "alice".parse().unwrap(), rng }
    }

    /// A generator of its own, for where the relay itself is borrowed.
    fn fork(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::from_rng(&mut self.rng)
    }

    fn who(&self) -> Identifiers<'_> {
        Identifiers { name: &self.name, relay: "relay.example" }
    }

    fn register(&mut self, password: &str, cost: KsfCost) -> (PasswordRecord, ExportKey) {
        let (flow, request) = RegistrationFlow::start(password, &mut self.rng).unwrap();
        let response = self.setup.registration_start(&self.name, &request).unwrap();
        let who = Identifiers { name: &self.name, relay: "relay.example" };
        let registered = flow.finish(&response, who, cost, &mut self.rng).unwrap();
        (self.setup.registration_finish(&registered.upload).unwrap(), registered.export_key)
    }

    fn login(
        &mut self,
        record: Option<&PasswordRecord>,
        password: &str,
        cost: KsfCost,
    ) -> Result<ExportKey, OpaqueError> {
        let mut rng = self.fork();
        let (flow, request) = LoginFlow::start(password, &mut rng)?;
        let (login, response) = self.setup.login_start(self.who(), record, &request, &mut rng)?;
        let done = flow.finish(&response, self.who(), cost, &mut rng)?;
        login.finish(self.who(), &done.finalization)?;
        Ok(done.export_key)
    }
}

#[test]
fn pwd_3_the_right_password_gives_the_export_key_again_at_the_specs_cost() {
    let mut relay = Relay::new();
    let (record, export_key) = relay.register("six words from the list please", KsfCost::SPEC);
    let record = PasswordRecord::from_bytes(&record.to_bytes()).unwrap();
    relay.setup = ServerSetup::from_bytes(&relay.setup.to_bytes()).unwrap();
    let again = relay.login(Some(&record), "six words from the list please", KsfCost::SPEC).unwrap();
    assert_eq!(again.expose(), export_key.expose());
}

#[test]
fn pwd_5_a_wrong_password_and_an_unknown_name_fail_alike() {
    let mut relay = Relay::new();
    let (record, _) = relay.register("right", FAST);
    assert_eq!(relay.login(Some(&record), "wrong", FAST).err(), Some(OpaqueError::BadCredentials));
    assert_eq!(relay.login(None, "right", FAST).err(), Some(OpaqueError::BadCredentials));
    assert_eq!(
        relay.login(Some(&record), "right", KsfCost { passes: 2, ..FAST }).err(),
        Some(OpaqueError::BadCredentials)
    );

    let (_, request) = LoginFlow::start("right", &mut relay.rng).unwrap();
    let mut rng = relay.fork();
    let (_, real) = relay.setup.login_start(relay.who(), Some(&record), &request, &mut rng).unwrap();
    let (_, simulated) = relay.setup.login_start(relay.who(), None, &request, &mut rng).unwrap();
    assert_eq!(real.len(), simulated.len());
    // The evaluated element depends on the name alone, so asking twice tells nothing either.
    assert_eq!(real[..32], simulated[..32]);
}

#[test]
fn pwd_2_a_record_serves_for_its_name_and_relay_only() {
    let mut relay = Relay::new();
    let (record, _) = relay.register("right", FAST);
    for (name, host) in [("bob", "relay.example"), ("alice", "relay.evil")] {
        let name = name.parse().unwrap();
        let who = Identifiers { name: &name, relay: host };
        let (flow, request) = LoginFlow::start("right", &mut relay.rng).unwrap();
        let (_, response) = relay.setup.login_start(who, Some(&record), &request, &mut relay.rng).unwrap();
        let refused = flow.finish(&response, who, FAST, &mut relay.rng);
        assert_eq!(refused.err(), Some(OpaqueError::BadCredentials));
    }
}

#[test]
fn pwd_1_every_message_has_its_length_and_nothing_rides_along() {
    let mut relay = Relay::new();
    let mut rng = relay.fork();
    let (registering, request) = RegistrationFlow::start("right", &mut rng).unwrap();
    let response = relay.setup.registration_start(&relay.name, &request).unwrap();
    let registered = registering.finish(&response, relay.who(), FAST, &mut rng).unwrap();
    let record = relay.setup.registration_finish(&registered.upload).unwrap();
    let (flow, first) = LoginFlow::start("right", &mut rng).unwrap();
    let (login, second) = relay.setup.login_start(relay.who(), Some(&record), &first, &mut rng).unwrap();
    let third = flow.finish(&second, relay.who(), FAST, &mut rng).unwrap().finalization;
    let lengths =
        [request.len(), response.len(), registered.upload.len(), first.len(), second.len(), third.len()];
    assert_eq!(lengths, [32, 64, 192, 96, 320, 64]);

    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    let malformed = Some(OpaqueError::Malformed);
    assert_eq!(relay.setup.registration_start(&relay.name, &longer(&request)).err(), malformed);
    assert_eq!(relay.setup.registration_finish(&longer(&registered.upload)).err(), malformed);
    let (registering, _) = RegistrationFlow::start("right", &mut rng).unwrap();
    assert_eq!(registering.finish(&longer(&response), relay.who(), FAST, &mut rng).err(), malformed);
    assert_eq!(
        relay.setup.login_start(relay.who(), Some(&record), &longer(&first), &mut rng).err(),
        malformed
    );
    let (flow, _) = LoginFlow::start("right", &mut rng).unwrap();
    assert_eq!(flow.finish(&longer(&second), relay.who(), FAST, &mut rng).err(), malformed);
    assert!(login.finish(relay.who(), &longer(&third)).is_err());
}

#[test]
fn a_relay_that_does_not_hold_the_record_learns_nothing_and_is_refused() {
    let mut relay = Relay::new();
    let (record, _) = relay.register("right", FAST);
    let impostor = ServerSetup::generate(&mut relay.rng);
    let (flow, request) = LoginFlow::start("right", &mut relay.rng).unwrap();
    let mut rng = relay.fork();
    let (_, response) = impostor.login_start(relay.who(), Some(&record), &request, &mut rng).unwrap();
    assert_eq!(flow.finish(&response, relay.who(), FAST, &mut rng).err(), Some(OpaqueError::BadCredentials));
}

#[test]
fn a_guessed_finalization_is_refused() {
    let mut relay = Relay::new();
    let (record, _) = relay.register("right", FAST);
    let (_, request) = LoginFlow::start("right", &mut relay.rng).unwrap();
    let mut rng = relay.fork();
    let (login, _) = relay.setup.login_start(relay.who(), Some(&record), &request, &mut rng).unwrap();
    assert_eq!(login.finish(relay.who(), &[0; 64]), Err(OpaqueError::BadCredentials));
}

#[test]
fn secrets_are_not_shown() {
    let mut relay = Relay::new();
    let (record, export_key) = relay.register("right", FAST);
    let (flow, _) = LoginFlow::start("right", &mut relay.rng).unwrap();
    assert_eq!(format!("{export_key:?} {record:?}"), "ExportKey { .. } PasswordRecord { .. }");
    assert_eq!(format!("{flow:?} {:?}", relay.setup), "LoginFlow { .. } ServerSetup { .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_of_any_kind_are_an_error_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut relay = Relay::new();
        let (record, _) = relay.register("right", FAST);
        let mut rng = relay.fork();
        prop_assert!(ServerSetup::from_bytes(&bytes).is_err() || bytes.len() == relay.setup.to_bytes().len());
        prop_assert!(relay.setup.login_start(relay.who(), Some(&record), &bytes, &mut rng).is_err() || bytes.len() == 96);
        let _ = PasswordRecord::from_bytes(&bytes);
        let _ = relay.setup.registration_finish(&bytes);
        let _ = relay.setup.registration_start(&relay.name, &bytes);
        let (flow, _) = LoginFlow::start("right", &mut rng).unwrap();
        prop_assert!(flow.finish(&bytes, relay.who(), FAST, &mut rng).is_err());
        let (flow, _) = RegistrationFlow::start("right", &mut rng).unwrap();
        let _ = flow.finish(&bytes, relay.who(), FAST, &mut rng);
    }

    #[test]
    fn a_flipped_bit_in_the_response_is_refused(bit in 0usize..320 * 8) {
        let mut relay = Relay::new();
        let (record, _) = relay.register("right", FAST);
        let mut rng = relay.fork();
        let (flow, request) = LoginFlow::start("right", &mut rng).unwrap();
        let (_, mut response) = relay.setup.login_start(relay.who(), Some(&record), &request, &mut rng).unwrap();
        prop_assert_eq!(response.len(), 320);
        response[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(flow.finish(&response, relay.who(), FAST, &mut rng).is_err());
    }
}
