//! What an alert is told: where to, on what, and how often. Checked where it is made.

use std::fmt;
use std::time::Duration;

use keyway_actors::sink::http::{HttpSettings, HttpSettingsError, Proxies};

use super::kind::AlertKind;
use super::template::Template;

/// The longest wait for the head of the webhook's answer, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One `[[alert]]`.
#[derive(Clone, Debug)]
pub struct AlertSettings {
    /// Where messages are posted.
    pub url: WebhookUrl,
    /// What they are about.
    pub on: Vec<AlertKind>,
    /// For how long a lane may be parked before [`AlertKind::Parked`].
    pub parked_longer_than: Duration,
    /// For how long records may wait before [`AlertKind::Lag`].
    pub lag_older_than: Duration,
    /// In this time there is at most one message of a kind and pipeline.
    pub every: Duration,
    /// What makes the body of a message; `None`: `{"text": ...}`, as Slack takes it.
    pub template: Option<Template>,
}

impl AlertSettings {
    /// With the defaults for all but the URL: every kind, ten minutes for what may wait, one
    /// message a minute.
    pub fn new(url: WebhookUrl) -> Self {
        Self {
            url,
            on: AlertKind::ALL.to_vec(),
            parked_longer_than: Duration::from_mins(10),
            lag_older_than: Duration::from_mins(10),
            every: Duration::from_mins(1),
            template: None,
        }
    }
}

/// The URL of a webhook. It is a secret (who knows it can post), so that only its scheme, host and
/// port are ever shown.
#[derive(Clone)]
pub struct WebhookUrl {
    origin: String,
    http: HttpSettings,
}

impl WebhookUrl {
    /// An absolute `http` or `https` URL.
    ///
    /// # Errors
    /// What is wrong with it; the message does not repeat it.
    pub fn parse(url: &str) -> Result<Self, HttpSettingsError> {
        let http = HttpSettings::new(url)?.timeout(TIMEOUT)?;
        let authority = url.find("://").map_or(0, |colon| colon + "://".len());
        let end = url[authority..].find(['/', '?']).map_or(url.len(), |it| authority + it);
        Ok(Self { origin: url[..end].to_owned(), http })
    }

    /// The same through a forward proxy, if it is `https` and not among its exceptions.
    #[must_use]
    pub fn through(mut self, proxies: &Proxies) -> Self {
        self.http = self.http.proxy(proxies.proxy.clone(), proxies.except.clone());
        self
    }

    /// How it is requested.
    pub(super) fn http(&self) -> &HttpSettings {
        &self.http
    }

    /// The same with another patience for the answer.
    #[cfg(test)]
    pub(super) fn within(mut self, timeout: Duration) -> Self {
        self.http = self.http.timeout(timeout).unwrap();
        self
    }
}

/// Scheme, host and port.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// Scheme, host and port.
impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}/...)", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_of_a_webhook_is_shown() {
        for url in ["https://h:8443/services/hush?a=hush", "https://h:8443?hush", "https://h:8443"]
        {
            let mut settings = AlertSettings::new(WebhookUrl::parse(url).unwrap());
            settings.template = Some(Template::compile(r#"{"routing_key": "hush"}"#).unwrap());
            let shown = format!("{settings:?} {}", settings.url);
            assert!(shown.contains("https://h:8443") && !shown.contains("hush"), "{shown}");
            assert_eq!(settings.url.to_string(), "https://h:8443");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for url in
            ["hush", "ftp://hush/", "https://me:hush@h/", "https://h/#hush", "https://h:0/hush"]
        {
            let error = WebhookUrl::parse(url).unwrap_err();
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
