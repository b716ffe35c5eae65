//! An application that has routes and data of its own, and Keyway's beside them.

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, test, web};

use super::super::{probes, scope};
use super::{end, unreachable};
use crate::handles::Handles;

async fn own(shown: web::Data<Handles>) -> String {
    shown.all().iter().map(|it| it.name().to_owned()).collect()
}

#[actix_rt::test]
async fn routes_and_data_of_the_application_stay_its_own() {
    let (shown, kept) = (unreachable("shown"), unreachable("kept"));
    // Data of the very type that is mounted.
    let app = App::new()
        .app_data(web::Data::new(Handles::from(kept.clone())))
        .route("/v1/before", web::get().to(own))
        .configure(probes(shown.clone()))
        .service(web::scope("/keyway").service(scope(shown.clone())))
        .service(web::scope("/second").service(scope(kept.clone())))
        .route("/v1/orders", web::get().to(own))
        .route("/keywayward", web::get().to(own))
        .route("/status", web::get().to(own))
        .default_service(web::to(|| async { HttpResponse::ImATeapot().body("own") }));
    let app = test::init_service(app).await;
    let get = async |path: &str| {
        let answer = test::TestRequest::get().uri(path).to_request();
        let answer = test::call_service(&app, answer).await;
        (answer.status(), String::from_utf8(test::read_body(answer).await.to_vec()).unwrap())
    };
    for path in ["/v1/before", "/v1/orders", "/keywayward", "/status"] {
        assert_eq!(get(path).await, (StatusCode::OK, "kept".to_owned()), "{path}");
    }
    for path in ["/v1/pipelines", "/elsewhere"] {
        assert_eq!(get(path).await, (StatusCode::IM_A_TEAPOT, "own".to_owned()), "{path}");
    }
    for (path, name) in [
        ("/keyway/v1/pipelines", "\"shown\""),
        ("/second/v1/pipelines", "\"kept\""),
        ("/metrics", "pipeline=\"shown\""),
    ] {
        let (status, text) = get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(text.contains(name), "{path}: {text}");
        let other = if name.contains("shown") { "kept" } else { "shown" };
        assert!(!text.contains(other), "{path}: {text}");
    }
    assert_eq!(get("/keyway/v1/elsewhere").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get("/livez").await, (StatusCode::OK, "ok\n".to_owned()));
    let (status, text) = get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "pipeline shown: waits to join its group\n");
    end(&shown).await;
    end(&kept).await;
}
