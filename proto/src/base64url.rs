//! Base64url without padding (RFC 4648 §5), for what people copy: fingerprints and links. One spelling only.

const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for position in 0..=group.len() {
            let index = (bits >> (18 - 6 * position)) & 63;
            text.push(char::from(SYMBOLS.get(index as usize).copied().unwrap_or(b'A')));
        }
    }
    text
}

/// The bytes of a text, if it is their one spelling.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for symbol in group {
            bits = bits << 6 | SYMBOLS.iter().position(|known| known == symbol)? as u32;
        }
        bits <<= 6 * (4 - group.len());
        let [_, high, middle, low] = bits.to_be_bytes();
        bytes.extend([high, middle, low].into_iter().take(group.len() - 1));
    }
    // The last symbol's unused bits are zero, and no symbol stands alone.
    (encode(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips_and_has_one_spelling() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..=bytes.len() {
            let text = encode(&bytes[..length]);
            assert_eq!(decode(&text).as_deref(), Some(&bytes[..length]));
        }
        assert_eq!(encode(&[0xff, 0xe0]), "_-A");
        for wrong in ["_-B", "A", "AAAAA", "AA==", "AA+A", "é"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
