//! One request that carries no record: for what a program has to say beside its delivery, with the
//! sink's own way to connect, its TLS and its reading of answers.

use std::rc::Rc;

use awc::http::header;
use bytes::Bytes;

use super::place::Place;
use super::request::unsendable;
use super::response::{Limits, conclude, failed};
use super::settings::{HttpSettings, Way};
use super::stream::Wires;
use crate::core::outcome::Outcome;

/// Sends one `POST` to the URL of these settings and says what became of it, as of a record's
/// attempt. It has a connection of its own, which is closed after it. To be called within an actix
/// system.
///
/// It lasts no longer than the settings' `timeout` to the head of the answer, and five seconds more
/// for its body. Settings with a route name no URL: that is a rejection, as is a request that cannot
/// be made.
pub async fn post_once(settings: &HttpSettings, body: impl Into<Bytes>) -> Outcome {
    let Way::One(target) = &settings.way else {
        return Outcome::rejected(unsendable("these settings have a route in place of a URL"));
    };
    let wires = Rc::new(Wires::default());
    let place = match Place::new(settings, target, false, 1, &wires) {
        Ok(place) => place,
        Err(error) => return Outcome::rejected(unsendable(error)),
    };
    let Some(uri) = target.client_uri() else {
        return Outcome::rejected(unsendable("the URL cannot be requested"));
    };
    let request = place
        .client
        .post(uri)
        .insert_header((header::HOST, target.authority.clone()))
        .insert_header((header::USER_AGENT, concat!("keyway/", env!("CARGO_PKG_VERSION"))))
        .insert_header((header::CONTENT_TYPE, settings.content_type.clone()))
        .force_close();
    match request.send_body(body.into()).await {
        Ok(response) => conclude(response, None).await.outcome,
        Err(error) => {
            let status = wires.last_read().and_then(|wire| wire.status());
            let limits = Limits { answer: settings.timeout, connect: settings.connect_timeout };
            failed(error, status, limits)
        }
    }
}
