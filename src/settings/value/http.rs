//! Texts to what only the delivery over HTTP knows: rates, failures, networks, headers, conditions.

use std::num::NonZeroU32;
use std::time::Duration;

use awc::http::Uri;
use keyway_actors::core::retry::{Trigger, TriggerError};
use keyway_actors::route::is_host_pattern;
use keyway_actors::sink::http::{
    Auth, CloudEvents, CloudEventsError, HttpSettings, Mode, Network, NetworkError, Secret,
    Signature,
};

use super::super::types::Pace;
use super::{Refused, names};

/// Where all records are posted. It is sent as it stands, so that a template in it is a mistake.
pub fn target(text: &str) -> Result<Uri, Refused> {
    if ["{{", "{%"].iter().any(|opening| text.contains(opening)) {
        let why = "templates belong in the url of a [[pipeline.route.request]]";
        return Err(Refused::expected("a URL like https://host:port/path").because(why));
    }
    names::endpoint(text)
}

/// So many requests in a second, a minute or an hour.
pub fn pace(text: &str) -> Result<Pace, Refused> {
    const MOST: u32 = 1_000_000;
    let units = [("s", 1), ("m", 60), ("h", 3_600)];
    let parsed = text.split_once('/').and_then(|(number, unit)| {
        let (_, seconds) = units.iter().find(|(name, _)| *name == unit)?;
        let requests = super::counted(number, MOST).ok()?;
        Some(Pace { requests, per: Duration::from_secs(*seconds) })
    });
    parsed.ok_or_else(|| {
        Refused::expected(format!("a rate from 1/h to {MOST}/s, like 500/s, 100/m or 1000/h"))
    })
}

/// The default burst of a rate: what a tenth of a second lets through, at least one.
pub fn burst(pace: Pace) -> NonZeroU32 {
    const SHARE: Duration = Duration::from_millis(100);
    let tenth = u128::from(pace.requests.get()) * SHARE.as_nanos() / pace.per.as_nanos().max(1);
    u32::try_from(tenth).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

/// Some kinds of failures.
pub fn trigger(text: &str) -> Result<Trigger, Refused> {
    text.parse().map_err(|error: TriggerError| Refused::expected(error.to_string()))
}

/// A network of addresses.
pub fn network(text: &str) -> Result<Network, Refused> {
    text.parse().map_err(|error: NetworkError| Refused::expected(error.to_string()))
}

/// A host, or `*.` and a name for all hosts below it.
pub fn host_pattern(text: &str) -> Result<String, Refused> {
    let lower = text.to_ascii_lowercase();
    if is_host_pattern(&lower) {
        return Ok(lower);
    }
    Err(Refused::expected(
        "a host, as in api.example.com, or all hosts below a name, as in *.example.com",
    ))
}

/// The name of a header that may hold a secret.
pub fn header_name(text: &str) -> Result<String, Refused> {
    match Auth::header(text, Secret::given("any")) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let expected = "the name of a header that the request does not set, like X-Api-Key";
            Err(Refused::expected(expected).because(error.to_string()))
        }
    }
}

/// A text that can be the value of a header.
pub fn header_text(text: &str) -> Result<String, Refused> {
    match unsendable(text) {
        None => Ok(text.to_owned()),
        Some(why) => {
            Err(Refused::expected("printable ASCII without spaces at its ends").because(why))
        }
    }
}

/// A token that goes behind `Bearer ` (RFC 6750).
pub fn bearer_token(text: &str) -> Result<String, Refused> {
    const SCHEME: &str = "bearer ";
    let start = text.get(..SCHEME.len());
    let why = if start.is_some_and(|start| start.eq_ignore_ascii_case(SCHEME)) {
        Some("it begins with \"Bearer \", which is sent before it anyway; leave that out")
    } else {
        unsendable(text).or_else(|| text.contains(' ').then_some("it has a blank in it"))
    };
    match why {
        None => Ok(text.to_owned()),
        Some(why) => Err(Refused::expected("printable ASCII without spaces").because(why)),
    }
}

/// Why a text cannot be the value of a header, without the text: it may be a secret.
fn unsendable(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.contains(char::is_control) {
        Some("it has a line break or another control character in it")
    } else if !text.is_ascii() {
        Some("it has a character beyond ASCII in it")
    } else if text.trim() != text {
        Some("it begins or ends with a blank")
    } else {
        None
    }
}

/// A text of one line.
pub fn one_line(text: &str) -> Result<String, Refused> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err(Refused::expected("a text without control characters"));
    }
    Ok(text.to_owned())
}

/// A user's name, as HTTP's basic authorization takes it (RFC 7617).
pub fn user_name(text: &str) -> Result<String, Refused> {
    if text.is_empty() || text.contains(|c: char| c == ':' || c.is_control()) {
        return Err(Refused::expected("a user name without colons and control characters"));
    }
    Ok(text.to_owned())
}

/// A secret to sign with (Standard Webhooks).
pub fn signing_secret(text: &str) -> Result<String, Refused> {
    match Signature::new(vec![Secret::given(text)]) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Refused::expected("whsec_ and the Base64 of 24 to 64 bytes")),
    }
}

/// The source of events.
pub fn event_source(text: &str) -> Result<String, Refused> {
    let made = CloudEvents::new(Mode::Binary).source(text);
    attribute(text, made, "a URI reference (RFC 3986) of 1 to 1024 characters")
}

/// The type of events.
pub fn event_type(text: &str) -> Result<String, Refused> {
    let made = CloudEvents::new(Mode::Binary).kind(text);
    attribute(text, made, "1 to 1024 bytes without control characters")
}

fn attribute(
    text: &str,
    made: Result<CloudEvents, CloudEventsError>,
    expected: &str,
) -> Result<String, Refused> {
    made.map(|_| text.to_owned()).map_err(|_| Refused::expected(expected))
}

/// A condition about an answer.
pub fn success_condition(text: &str) -> Result<String, Refused> {
    let expected = || Refused::expected("a condition over status, headers, text and body");
    // The URL is of no account: the sink alone knows what a condition may ask.
    let sink = HttpSettings::new("http://host.invalid/").map_err(|_| expected())?;
    sink.success_when(text)
        .map(|_| text.to_owned())
        .map_err(|faults| Refused { faults, ..expected() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paced(text: &str) -> Option<(u32, u64, u32)> {
        let pace = pace(text).ok()?;
        Some((pace.requests.get(), pace.per.as_secs(), burst(pace).get()))
    }

    #[test]
    fn a_rate_has_a_unit_and_a_burst_of_a_tenth_of_a_second() {
        assert_eq!(paced("500/s"), Some((500, 1, 50)));
        assert_eq!(paced("9/s"), Some((9, 1, 1)));
        assert_eq!(paced("6000/m"), Some((6000, 60, 10)));
        assert_eq!(paced("1/h"), Some((1, 3600, 1)));
        assert_eq!(paced("1000000/s"), Some((1_000_000, 1, 100_000)));
        for bad in ["", "500", "0/s", "500/", "/s", "500/d", "500 /s", "5.5/s", "-1/s", "1000001/s"]
        {
            assert_eq!(paced(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_template_is_no_target() {
        assert!(target("http://h/{a}").is_ok());
        for url in ["https://h/{{topic}}", "https://h/{{ topic }}", "https://h/{% if a %}"] {
            let because = target(url).expect_err("it is sent as it stands").because;
            let routes = "templates belong in the url of a [[pipeline.route.request]]";
            assert_eq!(because.as_deref(), Some(routes), "{url}");
        }
    }

    #[test]
    fn failures_and_networks_are_read_by_those_who_use_them() {
        assert_eq!(trigger("4xx").map(|it| it.to_string()), Ok("400-499".into()));
        assert!(trigger("2xx").is_err_and(|refused| refused.expected.contains("timeout")));
        assert_eq!(network("10.0.0.0/8").map(|it| it.to_string()), Ok("10.0.0.0/8".into()));
        assert!(network("10.0.0.0/33").is_err_and(|it| it.expected.contains("192.168.0.0/16")));
    }

    #[test]
    fn a_host_is_a_name_or_all_below_one() {
        assert_eq!(host_pattern("API.example"), Ok("api.example".into()));
        assert_eq!(host_pattern("*.hooks.example"), Ok("*.hooks.example".into()));
        for bad in ["", "*", "*.", "*.*.example", "a*.example", "h:80", "https://h", "a..b"] {
            assert!(host_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_goes_into_headers_fits_there() {
        assert!(header_name("X-Api-Key").is_ok());
        assert!(header_name("X Api").is_err() && header_name("").is_err());
        assert!(header_name("Content-Length").is_err(), "it is the request's own");
        assert!(header_text("a b~").is_ok());
        for bad in ["", " a", "a ", "a\nb", "\u{e9}"] {
            assert!(header_text(bad).is_err(), "{bad:?}");
        }
        for (bad, why) in [
            ("Bearer hush", "leave that out"),
            ("bearer hush", "leave that out"),
            ("a b", "a blank in it"),
            ("a ", "ends with a blank"),
            ("a\nb", "a line break"),
            ("\u{e9}", "beyond ASCII"),
            ("", "it is empty"),
        ] {
            let because = bearer_token(bad).expect_err(bad).because.unwrap_or_default();
            assert!(because.contains(why) && !because.contains("hush"), "{because}");
        }
        assert!(bearer_token("a.b-c~/+=").is_ok());
        assert!(one_line("p\u{e4}ss: word ").is_ok());
        assert!(one_line("").is_err() && one_line("a\r\nb").is_err());
        assert!(user_name("me@host").is_ok());
        assert!(user_name("a:b").is_err() && user_name("").is_err());
    }

    #[test]
    fn a_signing_secret_has_its_form() {
        assert!(signing_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a b", "whsec_aGV5"] {
            assert!(signing_secret(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attributes_of_events_are_bounded() {
        assert!(event_source("https://shop.example/orders").is_ok());
        assert!(event_type("com.example.order").is_ok());
        for bad in ["", "a\nb", &"x".repeat(1025)] {
            assert!(event_source(bad).is_err() && event_type(bad).is_err(), "{bad}");
        }
        assert!(event_source("a b").is_err() && event_type("a b").is_ok());
    }

    #[test]
    fn a_condition_about_an_answer_knows_the_answer_only() {
        assert!(success_condition("status == 200 and body.ok").is_ok());
        let refused = success_condition("topic == 'a'").expect_err("no topic in an answer");
        assert!(refused.faults[0].message.contains("unknown variable \"topic\""));
        let refused = success_condition("body.ok and").expect_err("it is cut");
        assert_eq!((refused.faults[0].line, refused.faults[0].column), (1, 9));
    }
}
