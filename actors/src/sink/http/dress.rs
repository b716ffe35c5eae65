//! What is added to a request beside what its record or its route says: who sends it, what event it
//! is, a signature, and how its body is packed.
//!
//! In this order: the event may replace the body, the signature is of the body that a receiver sees
//! once it has unpacked it, and nothing is packed after it.

use std::time::SystemTime;

use awc::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use slog::{Logger, info, warn};

use super::auth::{Auth, Authorizer};
use super::cloudevents::{Encoder, Event};
use super::compress::{Coding, Compression};
use super::request::{Draft, IDEMPOTENCY_KEY, unsendable};
use super::settings::HttpSettings;
use super::signature::{Signature, Signer};
use super::tls::Tls;
use super::watched::News;
use crate::core::outcome::{Failure, FailureKind};
use crate::record::Record;
use crate::sink::SinkError;

/// Dresses the requests of one arbiter.
pub(super) struct Dress {
    authorizer: Authorizer,
    events: Option<Encoder>,
    signer: Option<Signer>,
    compression: Compression,
    /// Nothing of all this is set.
    plain: bool,
    sources: Sources,
    log: Logger,
}

/// What reads files that may change.
struct Sources {
    auth: Auth,
    signature: Option<Signature>,
    tls: Tls,
}

/// The header that a request was authorized with.
pub(super) struct Shown(HeaderMap);

impl Dress {
    pub(super) fn new(
        settings: &HttpSettings,
        group: &str,
        log: &Logger,
    ) -> Result<Self, SinkError> {
        let events = settings.events.as_ref().map(|events| events.encoder(group));
        let signer = settings.signature.as_ref().map(Signature::signer);
        let packed = settings.compression.coding() != Coding::None;
        Ok(Self {
            authorizer: settings.auth.through(settings.proxies.as_ref()).authorizer(log)?,
            plain: settings.auth.is_none() && events.is_none() && signer.is_none() && !packed,
            events,
            signer,
            compression: settings.compression,
            sources: Sources {
                auth: settings.auth.clone(),
                signature: settings.signature.clone(),
                tls: settings.tls.clone(),
            },
            log: log.clone(),
        })
    }

    /// Whether requests go as they are.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Dresses a request. Waits only for a token that is not there yet.
    pub(super) async fn put_on(
        &self,
        draft: &mut Draft,
        record: &Record,
    ) -> Result<Option<Shown>, Failure> {
        if let Some(encoder) = self.events.as_ref().filter(|_| !draft.own_body) {
            event(draft, encoder, record);
        }
        if let Some(signer) = &self.signer {
            let id = draft.headers.get(&IDEMPOTENCY_KEY).and_then(|id| id.to_str().ok());
            let signed = signer.headers(id.unwrap_or_default(), SystemTime::now(), &draft.body);
            draft.add(signed.map_err(unsendable)?);
        }
        let (body, encoding) = self.compression.compress(std::mem::take(&mut draft.body));
        draft.body = body;
        draft.add(encoding.map(|encoding| (CONTENT_ENCODING, encoding)));
        let header = self.authorizer.header().await.map_err(unauthorized)?;
        Ok(header.map(|(name, value)| {
            draft.headers.insert(name.clone(), value.clone());
            Shown([(name, value)].into_iter().collect())
        }))
    }

    /// A request was answered with 401; whether to send it once more, with another header.
    pub(super) fn rejected(&self, shown: &Shown) -> bool {
        self.authorizer.rejected(&shown.0)
    }

    /// Says what became of files that changed; to be called now and then.
    pub(super) fn tell(&self) {
        let Sources { auth, signature, tls } = &self.sources;
        let news = [auth.news(), signature.as_ref().and_then(Signature::news), tls.news()];
        for news in news.into_iter().flatten() {
            match news {
                News::Renewed(_) => info!(self.log, "{}", news),
                News::Kept(_) => warn!(self.log, "{}", news),
            }
        }
    }
}

fn event(draft: &mut Draft, encoder: &Encoder, record: &Record) {
    let own = draft.headers.get(CONTENT_TYPE).unwrap_or(&draft.content_type);
    match encoder.event(record, own) {
        Event::Whole => {}
        Event::Binary(headers) => draft.add(headers),
        Event::Structured(body, content_type) => {
            draft.body = body;
            draft.headers.insert(CONTENT_TYPE, content_type);
        }
    }
}

/// Says that the record was not even sent: no reason to think ill of its destination.
fn unauthorized(failure: Failure) -> Failure {
    Failure { kind: FailureKind::Unauthorized, ..failure }
}
