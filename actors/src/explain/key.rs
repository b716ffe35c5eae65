//! Keys as text: what the request header `Keyway-Key` says of one, read back.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use super::Question;

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// What follows `base64:` is not Base64.
    #[error("what follows \"base64:\" is not standard Base64 with padding")]
    Base64,
    /// It is a hash, from which the key cannot be had.
    #[error("a key that is written as \"sha256:\" cannot be had from its hash: ask for its offset")]
    Hash,
}

impl Question {
    /// The key that a text stands for which was written as the request header `Keyway-Key` is:
    /// percent-encoded UTF-8, or `base64:` and standard Base64. A plain word is itself.
    ///
    /// # Errors
    /// The text is not what its first word says.
    pub fn parse_key(text: &str) -> Result<Vec<u8>, KeyError> {
        if text.starts_with("sha256:") {
            return Err(KeyError::Hash);
        }
        match text.strip_prefix("base64:") {
            Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(|_| KeyError::Base64),
            None => Ok(percent_decode_str(text).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sink::http::key_text;

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(Question::parse_key("base64:*"), Err(KeyError::Base64));
        assert_eq!(Question::parse_key(&key_text(&[b'k'; 5000])), Err(KeyError::Hash));
        assert_eq!(Question::parse_key("customer-7"), Ok(b"customer-7".to_vec()));
    }

    proptest! {
        #[test]
        fn a_key_that_was_shown_can_be_asked_for(key in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(Question::parse_key(&key_text(&key)), Ok(key));
        }

        #[test]
        fn any_text_as_a_key_too(key in "(base64:|sha256:)?[ -~é]{0,20}") {
            prop_assert_eq!(Question::parse_key(&key_text(key.as_bytes())), Ok(key.into_bytes()));
        }
    }
}
