//! Lists in pages.

use serde::Deserialize;

use super::super::calls::{Answer, CallError, Calls};
use super::super::kinds::get;
use super::super::objects::Listed;
use super::{Collection, Trouble, encoded};

/// Objects in a page of a list; fewer, where so many are more than an answer may hold.
const PAGE: u32 = 100;

/// All objects of a collection, once.
pub(in super::super) async fn list<T: Listed>(calls: &Calls, collection: &Collection) -> Result<Vec<T>, Trouble> {
    let mut pages = Pages::new(collection);
    let mut all = Vec::new();
    while let Some(page) = pages.next::<T>(calls).await? {
        all.extend(page);
    }
    Ok(all)
}

/// The pages of a list.
pub(super) struct Pages<'a> {
    collection: &'a Collection,
    /// Objects in the next page.
    size: u32,
    next: Option<String>,
    pub(super) version: String,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMeta,
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PageMeta {
    pub(super) resource_version: String,
    r#continue: String,
}

impl<'a> Pages<'a> {
    pub(super) fn new(collection: &'a Collection) -> Self {
        Self { collection, size: PAGE, next: Some(String::new()), version: String::new() }
    }

    pub(super) async fn next<T: Listed>(&mut self, calls: &Calls) -> Result<Option<Vec<T>>, Trouble> {
        let Some(place) = self.next.take() else { return Ok(None) };
        let answer = self.page(calls, &place).await?;
        if !answer.status.is_success() {
            return Err(Trouble::of(answer));
        }
        let page: Page<T> = answer.read().map_err(|error| Trouble::Unreadable(error.to_string()))?;
        self.version = page.metadata.resource_version;
        self.next = Some(page.metadata.r#continue).filter(|place| !place.is_empty());
        Ok(Some(page.items.unwrap_or_default()))
    }

    async fn page(&mut self, calls: &Calls, place: &str) -> Result<Answer, CallError> {
        loop {
            let options = format!("limit={}&continue={}", self.size, encoded(place));
            match calls.call(get(&self.collection.place(&options))).await {
                Err(CallError::TooLarge) if self.size > 1 => self.size = (self.size / 4).max(1),
                answered => return answered,
            }
        }
    }
}
