//! Push webhooks for a repository: only what is followed matters.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{HttpsServer, Product, Repository, eventually, signed};

const SECRET: &str = "a secret of webhooks";

#[tokio::test]
async fn a_push_to_what_is_followed_is_live_soon_and_any_other_leads_to_no_look() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let secrets = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secrets.path(), SECRET).expect("written");
    let mut arguments = server.arguments();
    arguments.extend(["--webhook-secret-file".to_owned(), secrets.path().display().to_string()]);
    let product = Product::follows(&server.url(), &arguments).await;
    let deliver = async |reference: &str| {
        let body = json!({ "ref": reference, "after": "0" }).to_string();
        let signature = format!("sha256={}", signed(SECRET, body.as_bytes()));
        let headers = [("x-hub-signature-256", signature.as_str()), ("x-github-event", "push")];
        product.server.send(Method::POST, "/webhooks/github", &headers, body).await
    };
    repository.pushes_version("two");
    let looks = || product.metric("gitfaas_refreshes_total{outcome=\"ok\"}");
    let before = looks().await;
    for other in ["refs/heads/maintenance", "refs/tags/main", "refs/heads/main/x"] {
        let reply = deliver(other).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.json()["message"], format!("the push is to {other}, and refs/heads/main is followed"));
    }
    assert_eq!(looks().await, before);
    let reply = deliver("refs/heads/main").await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    eventually("what was pushed is live", async || (product.version().await == "two").then_some(())).await;
}
