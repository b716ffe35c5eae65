//! Signatures of requests after Standard Webhooks 1.0 (standardwebhooks.com), so that a receiver
//! knows who sent them: HMAC-SHA256 over identifier, time and body.
//!
//! What is signed is the body before any content coding: a receiver's server undoes the coding
//! before its program sees the body.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use awc::http::header::{HeaderName, HeaderValue, InvalidHeaderValue};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use bytes::{BufMut, BytesMut};
use ring::hmac;

use super::secret::Secret;
use super::watched::{FileError, News};

/// What a signing secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a signing secret has: 192 to 512 bits by the specification.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;

/// The most secrets at a time. A rotation needs two; each costs a pass over the body and 48 bytes
/// of header.
const MOST: usize = 8;

/// One signature as it is written: the version, a comma, the Base64 of 32 bytes.
const WRITTEN: usize = 3 + 44;

/// With or without the padding at its end, as secrets are pasted.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

static ID: HeaderName = HeaderName::from_static("webhook-id");
static TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
static SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Secrets to sign with; while one takes the place of another, both.
#[derive(Clone, Debug)]
pub struct Signature(Vec<Secret>);

/// What is wrong with a signing secret; it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// None at all.
    #[error("no secret to sign with")]
    None,
    /// More than there is use for.
    #[error("more than 8 secrets to sign with")]
    TooMany,
    /// Not written as a secret is.
    #[error("a signing secret is whsec_ followed by Base64")]
    Form,
    /// Too short or too long.
    #[error("a signing secret has 24 to 64 bytes, this one has {0}")]
    Size(usize),
}

impl Signature {
    /// Signs with each of these.
    ///
    /// # Errors
    /// No secret, more than 8, or one that is not `whsec_` and the Base64 of 24 to 64 bytes.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, SignatureError> {
        match secrets.len() {
            0 => return Err(SignatureError::None),
            1..=MOST => {}
            _ => return Err(SignatureError::TooMany),
        }
        secrets.iter().try_for_each(|secret| key(secret).map(drop))?;
        Ok(Self(secrets))
    }

    /// What signs the requests of one arbiter. A secret whose file has gone bad meanwhile is left
    /// out until it is good again.
    pub(super) fn signer(&self) -> Signer {
        Signer(self.0.iter().map(Key::new).collect())
    }

    /// What became of the secrets' files since this was last asked, for the log. A secret that was
    /// read but is none is not in use, whatever its file says.
    pub fn news(&self) -> Option<News> {
        self.0.iter().find_map(|secret| {
            let news = secret.news()?;
            match (&news, secret.path(), key(secret)) {
                (News::Renewed(_), Some(path), Err(error)) => {
                    Some(News::Kept(FileError::new(path, error.to_string())))
                }
                _ => Some(news),
            }
        })
    }
}

fn key(secret: &Secret) -> Result<hmac::Key, SignatureError> {
    let secret = secret.current();
    let coded = secret.trim().strip_prefix(PREFIX).ok_or(SignatureError::Form)?;
    let bytes = BASE64.decode(coded).map_err(|_| SignatureError::Form)?;
    if !SIZES.contains(&bytes.len()) {
        return Err(SignatureError::Size(bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// Signs the requests of one arbiter.
pub(super) struct Signer(Vec<Key>);

/// A secret's key, made anew when the secret is another.
struct Key {
    secret: Secret,
    made: RefCell<(u64, Option<hmac::Key>)>,
}

impl Key {
    fn new(secret: &Secret) -> Self {
        let version = secret.version();
        Self { secret: secret.clone(), made: RefCell::new((version, key(secret).ok())) }
    }

    fn context(&self) -> Option<hmac::Context> {
        let mut made = self.made.borrow_mut();
        let version = self.secret.version();
        if made.0 != version {
            made.0 = version;
            if let Ok(key) = key(&self.secret) {
                made.1 = Some(key);
            }
        }
        made.1.as_ref().map(hmac::Context::with_key)
    }
}

impl Signer {
    /// The headers of a request that is made now: `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature`.
    ///
    /// The identifier is that of the record, the same at each attempt; the time is the attempt's.
    /// A full stop in the identifier is sent as `%2E`: it separates the parts of what is signed,
    /// and the specification asks that none be in the identifier.
    pub(super) fn headers(
        &self,
        id: &str,
        now: SystemTime,
        body: &[u8],
    ) -> Result<[(HeaderName, HeaderValue); 3], InvalidHeaderValue> {
        let id = id.replace('.', "%2E");
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seconds = since.as_secs().to_string();
        let signatures = self.sign(&id, &seconds, body);
        Ok([
            (ID.clone(), HeaderValue::try_from(id)?),
            (TIMESTAMP.clone(), HeaderValue::try_from(seconds)?),
            (SIGNATURE.clone(), HeaderValue::from_maybe_shared(signatures.freeze())?),
        ])
    }

    fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> BytesMut {
        let mut text = BytesMut::with_capacity(self.0.len() * (WRITTEN + 1));
        for mut context in self.0.iter().filter_map(Key::context) {
            for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
                context.update(part);
            }
            if !text.is_empty() {
                text.put_u8(b' ');
            }
            text.put_slice(b"v1,");
            text.put_slice(BASE64_STANDARD.encode(context.sign()).as_bytes());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// The test vector of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const VECTOR_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const VECTOR_BODY: &[u8] = br#"{"test": 2432232314}"#;
    const VECTOR: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn new(secrets: &[&str]) -> Result<Signature, SignatureError> {
        Signature::new(secrets.iter().map(|it| Secret::given(*it)).collect())
    }

    fn headers(signer: &Signer, id: &str, body: &[u8]) -> [String; 3] {
        let headers = signer.headers(id, at(1_614_265_330), body).unwrap();
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
    }

    fn secret_of(size: usize) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(vec![7; size]))
    }

    #[test]
    fn the_test_vector_comes_out() {
        let signer = new(&[SECRET]).unwrap().signer();
        assert_eq!(
            headers(&signer, VECTOR_ID, VECTOR_BODY),
            [
                format!("webhook-id: {VECTOR_ID}"),
                "webhook-timestamp: 1614265330".to_owned(),
                format!("webhook-signature: {VECTOR}"),
            ]
        );
    }

    #[test]
    fn each_secret_signs_in_its_turn() {
        let other = secret_of(64);
        let signer = new(&[&other, SECRET]).unwrap().signer();
        let alone = new(&[&other]).unwrap().signer();
        let [.., first] = headers(&alone, VECTOR_ID, VECTOR_BODY);
        let [.., both] = headers(&signer, VECTOR_ID, VECTOR_BODY);
        assert_eq!(both, format!("{first} {VECTOR}"));
    }

    #[test]
    fn secrets_are_checked_and_not_shown() {
        use SignatureError as E;
        assert_eq!(new(&[]).unwrap_err(), E::None);
        assert_eq!(new(&[SECRET; 9]).unwrap_err(), E::TooMany);
        assert!(new(&[SECRET; 8]).is_ok());
        for bad in ["", "hush", "whsec_!", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(new(&[SECRET, bad]).unwrap_err(), E::Form, "{bad}");
        }
        assert_eq!(new(&[PREFIX]).unwrap_err(), E::Size(0));
        for (size, fits) in [(23, false), (24, true), (25, true), (64, true), (65, false)] {
            assert_eq!(new(&[&secret_of(size)]).is_ok(), fits, "{size}");
        }
        assert!(new(&[secret_of(25).trim_end_matches('=')]).is_ok());
        assert!(!format!("{:?}", new(&[SECRET])).contains("MfKQ"));
    }

    #[test]
    fn a_secret_follows_its_file_as_long_as_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, secret_of(32)).unwrap();
        let secret = Secret::file(&path).unwrap();
        let signature = Signature::new(vec![secret.clone()]).unwrap();
        let signer = signature.signer();
        let old = headers(&signer, VECTOR_ID, VECTOR_BODY);
        fs::write(&path, format!("{SECRET}\n")).unwrap();
        secret.look();
        let new = headers(&signer, VECTOR_ID, VECTOR_BODY);
        assert_ne!(old, new);
        assert!(new[2].ends_with(VECTOR));
        assert!(matches!(signature.news(), Some(News::Renewed(_))));
        fs::write(&path, "whsec_hush").unwrap();
        secret.look();
        assert_eq!(headers(&signer, VECTOR_ID, VECTOR_BODY), new);
        let news = signature.news().unwrap();
        assert!(matches!(news, News::Kept(_)) && !news.to_string().contains("hush"), "{news}");
    }

    #[test]
    fn a_full_stop_cannot_move_the_parts_of_what_is_signed() {
        let signer = new(&[SECRET]).unwrap().signer();
        let [id, _, dotted] = headers(&signer, "g:orders.v1:0:1", b"x");
        assert_eq!(id, "webhook-id: g:orders%2Ev1:0:1");
        let [.., coded] = headers(&signer, "g:orders%2Ev1:0:1", b"x");
        assert_eq!(dotted, coded, "what is signed is what is sent");
    }

    proptest! {
        /// As a receiver does it.
        #[test]
        fn every_signature_verifies(
            id in "[!-~]{1,40}", seconds in 0..u64::from(u32::MAX),
            body in proptest::collection::vec(any::<u8>(), 0..100), size in SIZES,
        ) {
            let secret = secret_of(size);
            let signer = new(&[SECRET, &secret]).unwrap().signer();
            let sent = signer.headers(&id, at(seconds), &body).unwrap();
            let [id, time, signatures] = sent.map(|(_, value)| value.to_str().unwrap().to_owned());
            prop_assert!(!id.contains('.'));
            prop_assert_eq!(&time, &seconds.to_string());
            let signed = [format!("{id}.{time}.").as_bytes(), &body].concat();
            let keys = [SECRET, &secret].map(|it| key(&Secret::given(it)).unwrap());
            prop_assert_eq!(signatures.split(' ').count(), keys.len());
            for (signature, key) in signatures.split(' ').zip(keys) {
                let tag = BASE64_STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
                prop_assert!(hmac::verify(&key, &signed, &tag).is_ok());
            }
        }
    }
}
