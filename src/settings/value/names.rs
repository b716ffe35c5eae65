//! Texts to names, URLs and addresses to listen at.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use awc::http::Uri;
use awc::http::header::HeaderValue;
use regex_lite::Regex;
use url::Url;

use super::super::types::Listen;
use super::Refused;

/// The name of a pipeline.
pub fn pipeline(text: &str) -> Result<String, Refused> {
    const MOST: usize = 64;
    if kafka_like(text, MOST) {
        return Ok(text.to_owned());
    }
    Err(Refused::expected(format!("1 to {MOST} letters, digits, dots, dashes and underscores")))
}

/// The name of one topic.
pub fn topic(text: &str) -> Result<String, Refused> {
    const MOST: usize = 249;
    if kafka_like(text, MOST) {
        return Ok(text.to_owned());
    }
    Err(Refused::expected(format!(
        "a topic name: 1 to {MOST} letters, digits, dots, dashes and underscores"
    )))
}

fn kafka_like(text: &str, most: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=most).contains(&text.len()) && text.chars().all(allowed) && text != "." && text != ".."
}

/// The name of a topic, or a regular expression that starts with `^`.
pub fn topic_or_pattern(text: &str) -> Result<String, Refused> {
    if text.starts_with('^') {
        return pattern(text)
            .map(|_| text.to_owned())
            .map_err(|why| Refused::expected("a regular expression after ^").because(why));
    }
    topic(text).map_err(|mut refused| {
        refused.expected.push_str(", or a regular expression that starts with ^");
        refused
    })
}

/// The compiled form of a topic pattern.
///
/// # Errors
/// What is wrong with the expression, in one line.
pub fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string().replace('\n', " "))
}

/// The number of a partition.
pub fn partition(text: &str) -> Result<i32, Refused> {
    super::whole(text, 0..=i32::MAX)
}

/// A consumer group. Kafka takes any text; spaces at the ends and control characters are typos.
pub fn group(text: &str) -> Result<String, Refused> {
    const MOST: usize = 255;
    let fine = (1..=MOST).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if fine {
        return Ok(text.to_owned());
    }
    Err(Refused::expected(format!(
        "a group name of 1 to {MOST} bytes, without control characters or spaces at its ends"
    )))
}

/// An absolute `http` or `https` URL, without credentials and fragment.
pub fn endpoint(text: &str) -> Result<Uri, Refused> {
    let refuse = |why: &str| Refused::expected("a URL like https://host:port/path").because(why);
    // The parser would drop line ends, tabs and outer spaces without a word.
    if text.contains(|c: char| c.is_control() || c == ' ') {
        return Err(refuse("it holds spaces or control characters"));
    }
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("only http and https are known"));
    }
    if !text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://")) {
        return Err(refuse("// is missing after the scheme"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("credentials do not belong in it"));
    }
    if url.fragment().is_some() {
        return Err(refuse("a fragment (#...) is never sent"));
    }
    if url.port() == Some(0) {
        return Err(refuse("port 0 is no port"));
    }
    Uri::try_from(url.as_str()).map_err(|error| refuse(&error.to_string()))
}

/// A media type that can be sent as a header.
pub fn media_type(text: &str) -> Result<String, Refused> {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let fine = essence.split_once('/').is_some_and(|(kind, form)| {
        let token = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+*".contains(c))
        };
        token(kind) && token(form)
    });
    if fine && text.is_ascii() && HeaderValue::from_str(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(Refused::expected("a media type like application/json"))
}

/// An address to listen at, or `off`.
pub fn listen(text: &str) -> Result<Listen, Refused> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    let local = |port: &str| {
        let port = port.parse().ok()?;
        Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    };
    let address = match text.strip_prefix("localhost:") {
        Some(port) => local(port),
        None => text.parse().ok(),
    };
    address
        .map(Listen::At)
        .ok_or_else(|| Refused::expected("an address like 127.0.0.1:8000 or [::1]:8000, or off"))
}

/// The path of a file.
pub fn path(text: &str) -> Result<PathBuf, Refused> {
    if text.is_empty() || text.contains('\0') {
        return Err(Refused::expected("a path"));
    }
    Ok(PathBuf::from(text))
}

/// The path of a file that is written: one that ends in a name.
pub fn file(text: &str) -> Result<PathBuf, Refused> {
    let path = path(text).map_err(|_| Refused::expected("the path of a file"))?;
    let is_folder = text.ends_with('/') || text.ends_with("/.") || path.file_name().is_none();
    if is_folder {
        return Err(Refused::expected("the path of a file").because("it is that of a folder"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why<T: std::fmt::Debug>(result: Result<T, Refused>) -> String {
        match result {
            Err(refused) => refused.because.unwrap_or(refused.expected),
            Ok(value) => panic!("accepted as {value:?}"),
        }
    }

    #[test]
    fn a_url_is_absolute_and_holds_no_secret() {
        assert_eq!(
            endpoint("http://host:8080/a?b=c").map(|url| url.to_string()),
            Ok("http://host:8080/a?b=c".into())
        );
        assert_eq!(
            endpoint("https://[::1]/").map(|url| url.to_string()),
            Ok("https://[::1]/".into())
        );
        assert_eq!(
            endpoint("http://hö.example/ü").map(|url| url.to_string()),
            Ok("http://xn--h-1ga.example/%C3%BC".into())
        );
        assert!(why(endpoint("http://u:p@host/")).contains("credentials"));
        assert!(why(endpoint("http://u@host/")).contains("credentials"));
        assert!(why(endpoint("http://host/#x")).contains("fragment"));
        assert!(why(endpoint("ftp://host/")).contains("http and https"));
        assert!(why(endpoint("http:/host/")).contains("//"));
        for bad in [
            "",
            "host:8080",
            "/path",
            "http://",
            "http://host:99999/",
            "http://host:0/",
            "http://a b/",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_topic_is_what_kafka_allows_or_a_pattern() {
        assert!(topic_or_pattern("orders.v1_x-y").is_ok());
        assert!(topic_or_pattern("^orders-[0-9]+$").is_ok());
        for bad in ["", ".", "..", "a b", "ä", "a/b", "^(", &"x".repeat(250)] {
            assert!(topic_or_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_to_listen_at_is_numeric_local_or_off() {
        assert_eq!(listen("off"), Ok(Listen::Off));
        assert_eq!(listen("localhost:80").ok(), listen("127.0.0.1:80").ok());
        assert!(listen("[::]:8000").is_ok());
        for bad in ["", "8000", ":8000", "0.0.0.0", "host:8000", "OFF", "127.0.0.1:70000"] {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_media_type_can_be_a_header() {
        assert!(media_type("application/json; charset=utf-8").is_ok());
        for bad in ["", "json", "/", "a/", "application/json\r\nX: y", "a b/c"] {
            assert!(media_type(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn groups_and_pipelines_have_printable_names() {
        assert!(group("orders http").is_ok());
        assert!(group(" x").is_err() && group("").is_err() && group("a\nb").is_err());
        assert!(pipeline("orders-1").is_ok());
        assert!(pipeline("orders 1").is_err());
    }
}
