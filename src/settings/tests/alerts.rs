//! `[[alert]]`: what is read, and what is refused without showing the webhook.

use std::time::Duration;

use super::*;
use crate::alerts::{AlertKind, AlertSettings};

const PIPELINE: &str = "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n[[pipeline]]\ntopics = \
                        [\"orders\"]\n[pipeline.http]\nurl = \"http://h/\"\n";

/// The lines of [`PIPELINE`].
const LINES: usize = 6;

fn typed(alerts: &str) -> Typed {
    Typed::file(format!("{PIPELINE}{alerts}").leak())
}

fn alerts(text: &str) -> Vec<AlertSettings> {
    typed(text).settings().alerts
}

#[test]
fn an_alert_is_read_with_its_defaults() {
    let all = alerts("[[alert]]\nurl = 'https://hooks.example/hush'\n");
    let [alert] = &all[..] else { panic!("{all:?}") };
    assert_eq!(alert.url.to_string(), "https://hooks.example");
    assert_eq!(alert.on, AlertKind::ALL);
    assert_eq!(alert.every, Duration::from_mins(1));
    assert!(alert.template.is_none());
}

#[test]
fn everything_of_an_alert_can_be_set() {
    let text = "[[alert]]\nurl = 'https://${HOST}/x'\non = ['lag', 'stopped']\nevery = '5m'\n\
                parked_longer_than = '1h'\nlag_older_than = '30s'\n\
                template = '{\"message\": {{ text | tojson }}}'\n[[alert]]\nurl = 'http://b/'\n";
    let settings = typed(text).variable("HOST", "a.example").settings();
    let [alert, other] = &settings.alerts[..] else { panic!("two alerts") };
    assert_eq!(
        (alert.url.to_string(), other.url.to_string()),
        ("https://a.example".into(), "http://b".into())
    );
    assert_eq!(alert.on, [AlertKind::Lag, AlertKind::Stopped]);
    let seconds = [alert.every, alert.parked_longer_than, alert.lag_older_than];
    assert_eq!(seconds.map(|it| it.as_secs()), [300, 3_600, 30]);
    assert!(alert.template.is_some());
}

#[test]
fn what_is_wrong_with_an_alert_is_told_with_its_place() {
    for (text, line, what) in [
        ("[[alert]]\n", 1, "alert 1, url: missing"),
        ("[alert]\nurl = 'http://h/'\n", 1, "alert: expected [[alert]]"),
        ("[[alert]]\nurl = 'ftp://hush/'\n", 2, "alert 1, url: its scheme is neither"),
        (
            "[[alert]]\nurl = 'http://h/'\nurls = 1\n",
            3,
            "alert 1, urls: unknown key; did you mean url?",
        ),
        (
            "[[alert]]\nurl = 'http://h/'\non = ['lags']\n",
            3,
            "alert 1, on: expected stopped, exhausted",
        ),
        ("[[alert]]\nurl = 'http://h/'\non = []\n", 3, "alert 1, on: expected at least one"),
        ("[[alert]]\nurl = 'http://h/'\non = 'lag'\n", 3, "alert 1, on: expected a list"),
        ("[[alert]]\nurl = 'http://h/'\nevery = '0s'\n", 3, "alert 1, every: expected"),
        (
            "[[alert]]\nurl = 'http://h/'\nurl_file = 'f'\n",
            3,
            "alert 1, url_file: url is given too",
        ),
        (
            "[[alert]]\nurl_file = '/no/such/file'\n",
            2,
            "alert 1, url_file: cannot read /no/such/file: ",
        ),
    ] {
        let problems = typed(text).problems();
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        let start = format!("keyway.toml:{}: {what}", LINES + line);
        assert!(problem.starts_with(&start), "{problem}, not {start}");
        assert!(!problem.contains("hush"), "{problem}");
    }
}

#[test]
fn a_mistake_in_a_template_has_its_line_and_column_in_the_file() {
    let head = "[[alert]]\nurl = 'http://h/'\ntemplate = ";
    for (text, place, what) in [
        ("'{{ no'", "9:16", "syntax error: "),
        ("'''\n{\n \"a\": {{ txet }}}'''", "11:10", "unknown variable \"txet\"; there are kind"),
        ("'{{ text.upper() }}'", "9:21", "a value has no methods; write | upper"),
        ("'{{ text }}'", "9:13", "an alert of the kind stopped would not be JSON"),
        (
            "'{{ ${NAME} }}'",
            "9",
            "line 1, column 4 of the text, counted with what its escapes and ${...} stand for: \
             unknown variable \"${NAME}\"",
        ),
    ] {
        let problems = typed(&format!("{head}{text}\n")).variable("NAME", "hush").problems();
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        let start = format!("keyway.toml:{place}: alert 1, template: {what}");
        assert!(problem.starts_with(&start), "{problem}, not {start}");
    }
}
