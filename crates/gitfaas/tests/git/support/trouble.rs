//! What a product does while its repository cannot be read, and afterwards.

use reqwest::StatusCode;

use super::Product;

/// A way in which a repository cannot be read: what it is called, how one gets there and back, and what is said.
pub(crate) struct Trouble<'a> {
    pub(crate) what: &'a str,
    pub(crate) begins: &'a dyn Fn(),
    pub(crate) ends: &'a dyn Fn(),
    pub(crate) word: &'a str,
    pub(crate) told: &'a [&'a str],
}

/// Takes a server that serves `one` through `trouble` and out of it again.
pub(crate) async fn endures(product: &Product, trouble: &Trouble<'_>) {
    let what = trouble.what;
    let counter = format!("gitfaas_refreshes_total{{outcome=\"{}\"}}", trouble.word);
    let before = product.metric(&counter).await.unwrap_or(0.0);
    (trouble.begins)();
    let reply = product.refresh().await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "source-unavailable"),
        "{what}"
    );
    let fault = product.fault().await.unwrap_or_else(|| panic!("{what}: no fault"));
    println!("{what}: {} · {}", fault.word, fault.message);
    assert_eq!(fault.word, trouble.word, "{what}: {}", fault.message);
    for told in trouble.told {
        assert!(fault.message.contains(told), "{what}: `{told}` is not in: {}", fault.message);
    }
    assert!(reply.text().contains(trouble.told[0]), "{what}: {}", reply.text());
    assert_eq!(product.version().await, "one", "{what}");
    let ready = product.server.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK, "{what}: what is served is served");
    assert!(ready.text().contains(trouble.word), "{what}: {}", ready.text());
    // It may have looked again by itself meanwhile.
    assert!(product.metric(&counter).await > Some(before), "{what}");
    assert!(product.metric("gitfaas_source_failures").await >= Some(1.0), "{what}");
    (trouble.ends)();
    let reply = product.refresh().await;
    assert_eq!(reply.status, StatusCode::OK, "{what}, mended: {}", reply.text());
    assert_eq!(product.fault().await, None, "{what}, mended");
    assert_eq!(product.metric("gitfaas_source_failures").await, Some(0.0), "{what}, mended");
}
