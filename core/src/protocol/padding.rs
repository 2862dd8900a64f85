//! Padmé: how much a ciphertext's length says about what is in it.
//!
//! Content is padded before it is encrypted. Padmé (PURBs, Nikitin et al., 2019) rounds a length up so that only its highest
//! bits are left: at most 12 % more bytes, and of a length below `n` only O(log log n) bits are seen. Anything short becomes
//! [`FLOOR`] bytes, so that a text, a receipt and an announcement look alike.
//!
//! The padding is 0x80 and then zeros. Rules: `proto/spec/padding.md`.

use zeroize::Zeroizing;

use crate::proto::limits::PADDING_FLOOR;

/// Smallest padded length.
pub const FLOOR: usize = PADDING_FLOOR;

const MARK: u8 = 0x80;

/// What was opened does not end in a padding: its sender didn't follow the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the content is not padded")]
pub struct BadPadding;

/// The length that a content of `length` bytes has when padded.
pub const fn padded_len(length: usize) -> usize {
    // PAD-1: one byte more at least, for the mark.
    let length = length.saturating_add(1);
    // PAD-2
    if length <= FLOOR {
        return FLOOR;
    }
    // PAD-3: keep the highest ⌊log2 e⌋ + 2 bits of the length, e its own logarithm.
    let exponent = length.ilog2();
    let dropped = exponent.saturating_sub(exponent.ilog2() + 1);
    let mask = (1 << dropped) - 1;
    length.saturating_add(mask) & !mask
}

/// The content with its padding.
pub fn pad(content: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(pad_with_room(content, 0))
}

/// The content with its padding, in a buffer with room for `extra` bytes more: for encryption in place.
pub(super) fn pad_with_room(content: &[u8], extra: usize) -> Vec<u8> {
    let length = padded_len(content.len());
    let mut padded = Vec::with_capacity(length.saturating_add(extra));
    padded.extend_from_slice(content);
    padded.push(MARK);
    padded.resize(length, 0);
    padded
}

/// The content of padded bytes.
///
/// # Errors
/// [`BadPadding`] if they have no mark, or another length than the content's padding gives.
pub fn unpad(padded: &[u8]) -> Result<&[u8], BadPadding> {
    // What is unpadded has been authenticated, so timing tells nobody anything.
    let mark = padded.iter().rposition(|byte| *byte != 0).ok_or(BadPadding)?;
    let (content, rest) = padded.split_at_checked(mark).ok_or(BadPadding)?;
    // PAD-4
    if rest.first() == Some(&MARK) && padded_len(content.len()) == padded.len() {
        Ok(content)
    } else {
        Err(BadPadding)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pad_1_pad_2_short_contents_look_alike() {
        for length in 0..160 {
            assert_eq!(padded_len(length), 160, "{length}");
        }
        assert_eq!(padded_len(160), 176);
    }

    #[test]
    fn pad_3_at_most_an_eighth_is_added() {
        for length in 160..300_000 {
            let padded = padded_len(length);
            assert!(padded > length);
            assert!((padded - length - 1) * 100 <= length * 12, "{length} became {padded}");
        }
    }

    proptest! {
        #[test]
        fn pad_4_only_what_was_padded_is_unpadded(content in prop::collection::vec(any::<u8>(), 0..2000)) {
            let padded = pad(&content);
            prop_assert_eq!(padded.len(), padded_len(content.len()));
            prop_assert_eq!(unpad(&padded), Ok(content.as_slice()));
            prop_assert_eq!(unpad(&padded[..padded.len() - 1]), Err(BadPadding));
            let mut longer = padded.to_vec();
            longer.push(0);
            prop_assert_eq!(unpad(&longer), Err(BadPadding));
            if let Some(mark) = longer.get_mut(content.len()) {
                *mark = 0x81;
            }
            prop_assert_eq!(unpad(&longer[..padded.len()]), Err(BadPadding));
        }
    }

    #[test]
    fn pad_4_all_zero_is_no_padding() {
        assert_eq!(unpad(&[0; 160]), Err(BadPadding));
        assert_eq!(unpad(&[]), Err(BadPadding));
    }
}
