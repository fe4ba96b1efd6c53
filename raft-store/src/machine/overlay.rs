//! A view of a state with changes on top that are not stored yet. Read-only: changes are collected in [`Writes`].

use super::{Pair, StoreError, View, Writes};

/// How many pairs of the base are fetched at a time when a scan has to skip what the changes remove.
const PAGE: usize = 64;

/// `base` as it will be after `writes`.
#[derive(Clone, Copy)]
pub struct Overlay<'a> {
    base: &'a dyn View,
    writes: &'a Writes,
}

impl<'a> Overlay<'a> {
    /// Lays `writes` over `base`.
    pub fn new(base: &'a dyn View, writes: &'a Writes) -> Self {
        Self { base, writes }
    }

    /// The greatest key of the base that the changes leave alone.
    fn last_of_base(
        &self,
        prefix: &[u8],
        before: Option<&[u8]>,
    ) -> Result<Option<Pair>, StoreError> {
        let mut before = before.map(<[u8]>::to_vec);
        while let Some((key, value)) = self.base.last(prefix, before.as_deref())? {
            if self.writes.get(&key).is_none() {
                return Ok(Some((key, value)));
            }
            before = Some(key);
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("writes", &self.writes.len()).finish_non_exhaustive()
    }
}

impl View for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes.get(key) {
            Some(change) => Ok(change.map(<[u8]>::to_vec)),
            None => self.base.get(key),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let start = after.filter(|after| *after >= prefix).unwrap_or(prefix);
        let mut overlaid = self
            .writes
            .from(start)
            .skip_while(|(key, _)| after == Some(*key))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let mut base = Pages::new(self.base, prefix, after);
        let mut out = Vec::new();
        while out.len() < limit {
            let stored = base.peek()?;
            let change = overlaid.peek().copied();
            match (stored, change) {
                (None, None) => break,
                (Some((key, _)), Some((changed, value))) if key.as_slice() >= changed => {
                    if key.as_slice() == changed {
                        base.advance();
                    }
                    overlaid.next();
                    out.extend(value.map(|value| (changed.to_vec(), value.to_vec())));
                }
                (None, Some((changed, value))) => {
                    overlaid.next();
                    out.extend(value.map(|value| (changed.to_vec(), value.to_vec())));
                }
                (Some(pair), _) => {
                    out.push(pair.clone());
                    base.advance();
                }
            }
        }
        Ok(out)
    }

    fn last(&self, prefix: &[u8], before: Option<&[u8]>) -> Result<Option<Pair>, StoreError> {
        let changed = self
            .writes
            .from(prefix)
            .take_while(|(key, _)| {
                key.starts_with(prefix) && before.is_none_or(|before| *key < before)
            })
            .filter_map(|(key, value)| value.map(|value| (key.to_vec(), value.to_vec())))
            .last();
        let stored = self.last_of_base(prefix, before)?;
        Ok(match (changed, stored) {
            (Some(changed), Some(stored)) => {
                Some(if changed.0 > stored.0 { changed } else { stored })
            }
            (changed, stored) => changed.or(stored),
        })
    }
}

/// The base's pairs, fetched a page at a time.
struct Pages<'a> {
    base: &'a dyn View,
    prefix: &'a [u8],
    after: Option<Vec<u8>>,
    page: std::vec::IntoIter<Pair>,
    head: Option<Pair>,
    more: bool,
}

impl<'a> Pages<'a> {
    fn new(base: &'a dyn View, prefix: &'a [u8], after: Option<&[u8]>) -> Self {
        Self {
            base,
            prefix,
            after: after.map(<[u8]>::to_vec),
            page: Vec::new().into_iter(),
            head: None,
            more: true,
        }
    }

    fn peek(&mut self) -> Result<Option<&Pair>, StoreError> {
        if self.head.is_none() {
            self.head = self.page.next();
        }
        if self.head.is_none() && self.more {
            let page = self.base.scan(self.prefix, self.after.as_deref(), PAGE)?;
            self.more = page.len() == PAGE;
            self.after = page.last().map(|(key, _)| key.clone()).or_else(|| self.after.take());
            self.page = page.into_iter();
            self.head = self.page.next();
        }
        Ok(self.head.as_ref())
    }

    fn advance(&mut self) {
        self.head = None;
    }
}
