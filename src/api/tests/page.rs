//! Swagger UI: from this listener alone.

use std::collections::BTreeSet;
use std::io::Read;

use actix_web::http::{StatusCode, header};
use awc::Client;
use flate2::read::GzDecoder;
use utoipa::PartialSchema;

use super::super::docs::Asset;
use super::Api;

/// What is answered at a path, as a text; a picture is none.
async fn text(api: &Api, path: &str) -> String {
    let url = format!("http://{}{path}", api.address);
    let mut answer = Client::default().get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
    for directive in policy.split("; ") {
        let allowed: Vec<&str> = directive.split(' ').skip(1).collect();
        let own = ["'none'", "'self'", "'unsafe-inline'", "data:"];
        assert!(allowed.iter().all(|it| own.contains(it)), "{directive}");
    }
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let packed = answer.headers().get(header::CONTENT_ENCODING).is_some_and(|it| it == "gzip");
    let body = answer.body().limit(1 << 24).await.unwrap();
    let mut plain = Vec::new();
    if packed {
        GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(&body);
    }
    assert!(!plain.is_empty(), "{path}");
    String::from_utf8_lossy(&plain).into_owned()
}

/// What stands between quotes after a word.
fn quoted<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.split(word).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[actix_rt::test]
async fn the_page_loads_what_is_here_and_nothing_else() {
    let api = Api::new();
    let page = text(&api, "/docs/").await;
    let mut links = [quoted(&page, "href=\""), quoted(&page, "src=\"")].concat();
    assert!(!page.contains("//") && !page.contains("<style") && !page.contains("onload"), "{page}");
    for link in &mut links {
        *link = link.strip_prefix("./").unwrap_or(link);
        let file = text(&api, &format!("/docs/{link}")).await;
        let is_style = link.rsplit('.').next() == Some("css");
        let elsewhere = |it: &&str| !it.trim_start_matches(['"', '\'']).starts_with("data:");
        let loaded = file.split("url(").skip(1).filter(elsewhere);
        assert!(!is_style || (loaded.count() == 0 && !file.contains("@import")), "{link}");
    }
    let links: BTreeSet<&str> = links.into_iter().collect();
    let documented = serde_json::to_value(Asset::schema()).unwrap();
    let documented = documented["enum"].as_array().unwrap();
    assert_eq!(documented.iter().map(|it| it.as_str().unwrap()).collect::<BTreeSet<_>>(), links);
    let start = text(&api, "/docs/swagger-initializer.js").await;
    assert!(!start.contains("//") || !start.contains("http"), "{start}");
    for said in [r#""url": "../openapi.json""#, r#""validatorUrl": "none""#] {
        assert!(start.contains(said), "{start}");
    }
}

#[actix_rt::test]
async fn the_page_is_found_without_its_slash_and_another_file_is_not() {
    let api = Api::new();
    let client = Client::builder().disable_redirects().finish();
    let moved = client.get(format!("http://{}/docs", api.address)).send().await.unwrap();
    assert_eq!(moved.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(moved.headers().get(header::LOCATION).unwrap(), "docs/");
    for file in ["swagger-ui.js", "oauth2-redirect.html", "index.html", "..%2fCargo.toml"] {
        let (status, text) = api.get(&format!("/docs/{file}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{file}");
        assert!(text.contains("\"status\":404"), "{file}: {text}");
    }
}
