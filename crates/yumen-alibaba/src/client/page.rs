//! Lists that come in pages.
//!
//! A list is whole or an error: what follows a list must not mistake a page that is missing for things that are gone.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::{Call, Client};
use crate::error::Error;

/// More pages than any list has.
const MOST: usize = 1000;

/// One page of a list.
pub(crate) trait Page: DeserializeOwned {
    /// What is listed.
    type Item;
    /// What is on this page, with the number of things in the whole list as far as it is told, and the token of the next
    /// page.
    fn content(self) -> (Vec<Self::Item>, Option<usize>, String);
}

impl Client {
    /// Reads a list whose pages are numbered. When the list changes while it is read it is read once more.
    pub(crate) async fn numbered<P: Page>(
        &self,
        call: &Call,
        (number, size, per_page): (&str, &str, usize),
    ) -> Result<Vec<P::Item>, Error> {
        let mut complaint = String::new();
        for _ in 0..2 {
            match self.numbered_once::<P>(call, (number, size, per_page)).await? {
                Ok(items) => return Ok(items),
                Err(text) => complaint = text,
            }
        }
        Err(incomplete(call, complaint))
    }

    async fn numbered_once<P: Page>(
        &self,
        call: &Call,
        (number, size, per_page): (&str, &str, usize),
    ) -> Result<Result<Vec<P::Item>, String>, Error> {
        let mut items = Vec::new();
        let mut expected = None;
        for page in 1..=MOST {
            let mut call = call.clone();
            call.parameters = call.parameters.with(number, page).with(size, per_page);
            let (found, total, _) = self.call::<P>(&call).await?.content();
            let total = total.unwrap_or(items.len() + found.len());
            if *expected.get_or_insert(total) != total {
                return Ok(Err("it changed while it was read".to_owned()));
            }
            let is_last = found.is_empty() || items.len() + found.len() >= total;
            items.extend(found);
            if is_last {
                let count = items.len();
                return Ok(if count == total { Ok(items) } else { Err(format!("{count} came of {total}")) });
            }
        }
        Ok(Err(format!("it has more than {MOST} pages")))
    }

    /// Reads a list whose pages name their successor.
    pub(crate) async fn chained<P: Page>(&self, call: &Call, size: (&str, usize)) -> Result<Vec<P::Item>, Error> {
        let mut items = Vec::new();
        let mut seen = HashSet::new();
        let mut next = String::new();
        for _ in 0..MOST {
            let mut call = call.clone();
            call.parameters = call.parameters.with(size.0, size.1);
            if !next.is_empty() {
                call.parameters = call.parameters.with("NextToken", &next);
            }
            let (found, _, token) = self.call::<P>(&call).await?.content();
            items.extend(found);
            if token.is_empty() {
                return Ok(items);
            }
            if !seen.insert(token.clone()) {
                return Err(incomplete(&call, "a page names itself as the next one".to_owned()));
            }
            next = token;
        }
        Err(incomplete(call, format!("it has more than {MOST} pages")))
    }
}

fn incomplete(call: &Call, text: String) -> Error {
    Error::Incomplete { product: call.product.name, action: call.action.clone(), text }
}
