//! Headers that stay, and headers that follow a file.

use std::fs;

use slog::{Discard, o};

use super::*;

fn log() -> Logger {
    Logger::root(Discard, o!())
}

async fn header(auth: &Authorizer) -> (String, HeaderValue) {
    let (name, value) = auth.header().await.unwrap().unwrap();
    assert!(value.is_sensitive());
    (name.to_string(), value)
}

fn secret(value: &str) -> Secret {
    Secret::given(value)
}

#[actix_rt::test]
async fn each_kind_has_its_header() {
    let of = async |auth: Auth| {
        let (name, value) = header(&auth.authorizer(&log()).unwrap()).await;
        format!("{name}: {}", value.to_str().unwrap())
    };
    // The example of RFC 7617, section 2, and that with UTF-8 of section 2.1.
    assert_eq!(
        of(Auth::basic("Aladdin", secret("open sesame")).unwrap()).await,
        "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
    assert_eq!(
        of(Auth::basic("test", secret("123\u{a3}")).unwrap()).await,
        "authorization: Basic dGVzdDoxMjPCow=="
    );
    assert_eq!(
        of(Auth::bearer(secret("mF_9.B5f-4.1JqM")).unwrap()).await,
        "authorization: Bearer mF_9.B5f-4.1JqM"
    );
    assert_eq!(of(Auth::header("X-Api-Key", secret("a b")).unwrap()).await, "x-api-key: a b");
    assert_eq!(Auth::none().authorizer(&log()).unwrap().header().await, Ok(None));
}

#[test]
fn what_cannot_be_sent_is_refused_and_not_repeated() {
    for bad in ["", " ", " hush", "hush ", "hush\n", "hush\r\nx: y", "hu\0sh", "hush\u{e9}"] {
        for error in [
            Auth::bearer(secret(bad)).unwrap_err(),
            Auth::header("x-api-key", secret(bad)).unwrap_err(),
        ] {
            assert!(matches!(error, AuthError::Unsendable { .. }), "{bad:?}: {error}");
            assert!(!error.to_string().contains("hu"), "{error}");
        }
    }
    assert!(Auth::bearer(secret("a b")).is_err());
    assert_eq!(Auth::basic("a:b", secret("x")).unwrap_err(), AuthError::UserName);
    assert_eq!(Auth::basic("a\n", secret("x")).unwrap_err(), AuthError::UserName);
    assert_eq!(Auth::basic("a", secret("x\ny")).unwrap_err(), AuthError::Password);
    assert!(Auth::basic("", secret("")).is_ok(), "the specification allows both to be empty");
}

#[test]
fn only_headers_that_are_free_can_be_set() {
    for bad in ["", "x y", "x:", "\u{e9}"] {
        let error = Auth::header(bad, secret("x")).unwrap_err();
        assert_eq!(error, AuthError::HeaderName(bad.to_owned()));
    }
    for reserved in ["Host", "content-LENGTH", "Keyway-Topic", "ce-id", "webhook-id", "te"] {
        let error = Auth::header(reserved, secret("x")).unwrap_err();
        assert!(matches!(error, AuthError::Reserved(_)), "{reserved}");
    }
    assert!(Auth::header("Authorization", secret("Custom x")).is_ok());
}

#[test]
fn nothing_shows_a_secret() {
    let oauth2 = OAuth2::new("https://id.example/token?key=hush", "me", secret("hush")).unwrap();
    for auth in [
        Auth::basic("me", secret("hush")).unwrap(),
        Auth::bearer(secret("hush")).unwrap(),
        Auth::header("x-api-key", secret("hush")).unwrap(),
        Auth::oauth2(oauth2),
    ] {
        assert!(!format!("{auth:?} {auth:#?}").contains("hush"), "{auth:?}");
    }
    let error = OAuth2::new("https://me:hush@id.example/", "me", secret("x")).unwrap_err();
    assert!(error.to_string().starts_with("token_url: ") && !error.to_string().contains("hush"));
}

#[actix_rt::test]
async fn a_header_follows_its_file_as_long_as_it_can_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "one\n").unwrap();
    let file = Secret::file(&path).unwrap();
    let auth = Auth::bearer(file.clone()).unwrap();
    let authorizer = auth.authorizer(&log()).unwrap();
    let (_, first) = header(&authorizer).await;
    assert_eq!(first, "Bearer one");

    let sent: HeaderMap = std::iter::once((AUTHORIZATION, first)).collect();
    assert!(!authorizer.rejected(&sent), "there is no other");
    fs::write(&path, "three\n").unwrap();
    file.look();
    assert!(authorizer.rejected(&sent));
    assert_eq!(header(&authorizer).await.1, "Bearer three");
    assert!(matches!(auth.news(), Some(News::Renewed(_))));

    fs::write(&path, "hush\nhush\n").unwrap();
    file.look();
    assert_eq!(header(&authorizer).await.1, "Bearer three");
    let news = auth.news().unwrap();
    assert!(matches!(news, News::Kept(_)));
    assert!(!news.to_string().contains("hush"), "{news}");
    assert_eq!(auth.news(), None);
    assert_eq!(auth.authorizer(&log()).err().map(|it| it.0.contains("token")), Some(true));
}
