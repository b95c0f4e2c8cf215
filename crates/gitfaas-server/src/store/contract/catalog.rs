//! What is served now, with its sources.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Ground;

/// A source and its name.
fn source(text: &[u8]) -> (String, Bytes) {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let (high, low) = digest.split_at(16);
    let half = |bytes: &[u8]| u128::from_be_bytes(bytes.try_into().expect("sixteen bytes"));
    (format!("{:032x}{:032x}", half(high), half(low)), Bytes::copy_from_slice(text))
}

/// In the order of names, as a store may give them in any.
fn sorted(mut sources: Vec<(String, Bytes)>) -> Vec<(String, Bytes)> {
    sources.sort();
    sources
}

pub(crate) async fn no_catalog_was_saved_yet(ground: &impl Ground) {
    assert_eq!(ground.open().await.load_catalog().await, Ok(None));
}

pub(crate) async fn a_saved_catalog_comes_back_with_its_sources(ground: &impl Ground) {
    let store = ground.open().await;
    let sources = vec![source(b"kind: Job"), source(b"\xff\x00"), source(b"")];
    store.save_catalog("{\"live\": \"é\"}".to_owned(), sources.clone()).await.expect("saved");
    let store = ground.reopen(store).await;
    let (live, loaded) = store.load_catalog().await.expect("loaded").expect("there");
    assert_eq!(live, "{\"live\": \"é\"}");
    assert_eq!(sorted(loaded), sorted(sources));
}

pub(crate) async fn sources_that_nothing_refers_to_are_dropped(ground: &impl Ground) {
    let store = ground.open().await;
    store.save_catalog("one".to_owned(), vec![source(b"a"), source(b"b")]).await.expect("saved");
    store.save_catalog("two".to_owned(), vec![source(b"c")]).await.expect("saved");
    assert_eq!(store.load_catalog().await, Ok(Some(("two".to_owned(), vec![source(b"c")]))));
    store.save_catalog("three".to_owned(), Vec::new()).await.expect("saved");
    assert_eq!(store.load_catalog().await, Ok(Some(("three".to_owned(), Vec::new()))));
}

pub(crate) async fn a_source_is_kept_while_it_is_referred_to(ground: &impl Ground) {
    let store = ground.open().await;
    store.save_catalog("one".to_owned(), vec![source(b"a"), source(b"b")]).await.expect("saved");
    // The same source may be named twice: two topics with one template.
    let again = vec![source(b"b"), source(b"c"), source(b"b")];
    store.save_catalog("two".to_owned(), again).await.expect("saved");
    let (live, loaded) = store.load_catalog().await.expect("loaded").expect("there");
    assert_eq!((live.as_str(), sorted(loaded)), ("two", sorted(vec![source(b"b"), source(b"c")])));
}
