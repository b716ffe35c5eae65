//! The proxy's URL, the environment that names it, and what goes through it.

use proptest::prelude::*;

use super::*;

fn proxy(url: &str) -> Proxy {
    match Proxy::new(url) {
        Ok(proxy) => proxy,
        Err(error) => panic!("{url}: {error}"),
    }
}

fn decoded(proxy: &Proxy) -> Option<String> {
    let value = proxy.authorization.as_ref()?.strip_prefix("Basic ")?;
    String::from_utf8(BASE64_STANDARD.decode(value).unwrap()).ok()
}

#[test]
fn a_proxy_is_a_host_and_a_port() {
    for (url, host, port, shown) in [
        ("http://proxy.example:3128", "proxy.example", 3128, "proxy.example:3128"),
        ("HTTP://proxy.example:80/", "proxy.example", 80, "proxy.example:80"),
        ("proxy.example:3128", "proxy.example", 3128, "proxy.example:3128"),
        ("http://10.0.0.1:8080", "10.0.0.1", 8080, "10.0.0.1:8080"),
        ("http://[fd00::1]:8080", "fd00::1", 8080, "[fd00::1]:8080"),
        ("http://@proxy.example:3128", "proxy.example", 3128, "proxy.example:3128"),
    ] {
        let it = proxy(url);
        assert_eq!((&*it.host, it.port, &*it.to_string()), (host, port, shown), "{url}");
        assert_eq!(it.authorization, None, "{url}");
    }
}

#[test]
fn what_is_no_url_of_such_a_proxy_is_refused() {
    use HttpSettingsError as U;
    use ProxyError as E;
    for (url, error) in [
        ("https://proxy:3128", E::Scheme),
        ("socks5://proxy:1080", E::Scheme),
        ("socks5h://me:hush@proxy:1080", E::Scheme),
        ("http://proxy", E::NoPort),
        ("http://me:hush@proxy", E::NoPort),
        ("http://[::1]", E::NoPort),
        ("http://proxy:3128/path", E::Path),
        ("http://proxy:3128?query", E::Path),
        ("http://proxy:3128#top", E::Path),
        ("http://", E::Url(U::Host)),
        ("http://:3128", E::Url(U::Host)),
        ("http://me:hush@", E::Url(U::Host)),
        ("http://proxy:0", E::Url(U::Port)),
        ("http://proxy:port", E::Url(U::Port)),
        ("http://pro xy:3128", E::Url(U::Character(' '))),
        ("http://me%0d%0a:hush@proxy:3128", E::Credentials),
        ("http://me:hush%0a@proxy:3128", E::Credentials),
        ("http://m%3ae:hush@proxy:3128", E::Credentials),
        ("http://me:hush%ff@proxy:3128", E::Credentials),
    ] {
        let refused = Proxy::new(url).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hush"), "{refused}");
        assert_eq!(refused, error, "{url}");
    }
}

#[test]
fn credentials_are_decoded_and_not_shown() {
    for (url, credentials) in [
        ("http://me:hush@proxy:3128", "me:hush"),
        ("me:hush@proxy:3128", "me:hush"),
        ("http://me@proxy:3128", "me:"),
        ("http://:hush@proxy:3128", ":hush"),
        ("http://m%40e:hush%2f%3A@proxy:3128", "m@e:hush/:"),
        ("http://me:hush:@@proxy:3128", "me:hush:@"),
    ] {
        let it = proxy(url);
        assert_eq!(decoded(&it).as_deref(), Some(credentials), "{url}");
        assert_eq!(format!("{it} {it:?}"), "proxy:3128 Proxy(proxy:3128)");
    }
}

fn of(variables: &[(&str, &str)]) -> Result<Option<Proxies>, ProxyError> {
    let value = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
    Proxies::from_env(value)
}

#[test]
fn the_environment_names_it_and_lower_case_wins() {
    assert!(of(&[]).unwrap().is_none());
    assert!(of(&[("HTTPS_PROXY", ""), ("https_proxy", " ")]).unwrap().is_none());
    assert!(of(&[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "h")]).unwrap().is_none());
    let both = [
        ("HTTPS_PROXY", "http://upper:1"),
        ("https_proxy", " http://lower:2 "),
        ("NO_PROXY", "upper"),
        ("no_proxy", "lower"),
    ];
    let goes_through = |variables: &[(&str, &str)]| {
        let it = of(variables).unwrap().unwrap();
        let covered = |host: &&str| it.except.covers(host, 443);
        (it.proxy.to_string(), ["upper", "lower"].into_iter().find(covered))
    };
    assert_eq!(goes_through(&both), ("lower:2".to_owned(), Some("lower")));
    assert_eq!(goes_through(&both[..1]), ("upper:1".to_owned(), None));
    assert_eq!(goes_through(&both[..3]), ("lower:2".to_owned(), Some("upper")));
    let empty = [both[0], both[2], ("https_proxy", ""), ("no_proxy", "")];
    assert_eq!(goes_through(&empty), ("upper:1".to_owned(), Some("upper")));
}

#[test]
fn a_variable_that_cannot_be_used_is_named_and_not_shown() {
    let refused = of(&[("HTTPS_PROXY", "socks5://me:hush@proxy:1080")]).unwrap_err();
    assert!(refused.to_string().starts_with("HTTPS_PROXY: it is not the URL"), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hush"));
}

#[test]
fn only_https_goes_through_it() {
    let it = Proxies { proxy: proxy("http://p:1"), except: NoProxy::new("b.example") };
    let applies = |url| it.apply_to(&Target::parse(url).unwrap());
    assert!(applies("https://a.example/"));
    assert!(!applies("http://a.example/"));
    assert!(!applies("https://b.example/"));
}

proptest! {
    #[test]
    fn any_text_is_a_proxy_or_an_error(text in ".{0,40}") {
        let _ = Proxy::new(&text);
        let _ = Proxy::new(&format!("http://{text}@h:1"));
    }

    #[test]
    fn a_password_arrives_as_it_is(name in "[^:\\pC]{1,8}", password in "\\PC{0,12}") {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = format!("http://{}:{}@h:1", encoded(&name), encoded(&password));
        prop_assert_eq!(decoded(&proxy(&url)), Some(format!("{name}:{password}")));
    }
}
