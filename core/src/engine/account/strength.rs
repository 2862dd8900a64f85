//! Passwords at the engine's door: guessable ones are refused before anything is sent, and good ones are offered.

use wheesht_proto::address::Address;

use super::super::{Ctx, password};
use crate::api::{Error, ErrorCode, Password};

/// Longest password in bytes that is looked at.
const MAX_PASSWORD: usize = 1_024;

/// Refuses a password that could be guessed.
pub(super) fn check(password: &Password, address: &Address) -> Result<(), Error> {
    let text = password.expose();
    if text.len() > MAX_PASSWORD {
        return Err(Error::new(ErrorCode::Invalid, "A password has at most 1,024 bytes.")
            .next("Choose a shorter one."));
    }
    let relay = address.relay().authority();
    password::check_strength(text, &[address.name().as_str(), &relay, "wheesht"])
        .map_err(|weak| Error::new(ErrorCode::WeakPassword, weak.reason.to_string()).next(weak.suggestion))
}

/// Six random words.
pub(super) fn suggest(ctx: &mut Ctx<'_, '_>) -> Password {
    Password::new(password::generate_passphrase(&mut *ctx.rng).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessable_passwords_are_refused_with_a_next_step() {
        let address: Address = "alice@relay.example.org".parse().unwrap();
        for weak in ["", "password", "alice2024", "relay.example.org1", "qwertyuiop[]", "wheesht1!"] {
            let error = check(&Password::new(weak), &address).unwrap_err();
            assert_eq!((error.code, error.next.is_empty()), (ErrorCode::WeakPassword, false), "{weak}");
        }
        let long = check(&Password::new("x".repeat(1_025)), &address).unwrap_err();
        assert_eq!(long.code, ErrorCode::Invalid);
        for strong in ["orbit lava pencil dutch actor solve", "yW7#qL!0bTz9"] {
            assert_eq!(check(&Password::new(strong), &address), Ok(()), "{strong}");
        }
    }
}
