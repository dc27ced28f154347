//! What is known of a stored record, held against what a watch shows of it: the watch may be behind.

/// What is known of the record of one service, by versions that grow with each write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<Version> {
    /// The version that is stored, if there is a record.
    pub stored: Option<Version>,
    /// Whether the watch has shown that version.
    pub shown: bool,
    /// The newest version of a record that was deleted since.
    pub gone: Option<Version>,
}

/// What a watch has to tell of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing that is not known, or what was before.
    Nothing,
    /// The very version that is known.
    Shown,
    /// A newer one, to be taken over.
    Newer,
    /// The record was deleted.
    Deleted,
}

impl<Version: Copy + Ord> Known<Version> {
    /// The newest version that there has been, as far as is known: once the record is gone, all that is gone.
    #[must_use]
    pub fn newest(&self) -> Option<Version> {
        self.stored.max(self.gone)
    }

    /// What it tells that a watch shows this version of a record, or none. A watch that has not shown the known version may
    /// not have come to it: an older one, even one that was deleted since, is no news, and none is no deletion.
    #[must_use]
    pub fn news(&self, watch: Option<Version>) -> News {
        match watch {
            Some(_) if watch == self.stored => News::Shown,
            Some(_) if watch > self.newest() => News::Newer,
            None if self.stored.is_some() && self.shown => News::Deleted,
            _ => News::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, News};

    #[test]
    fn what_a_watch_shows_is_news_only_where_it_is_newer_than_all_that_is_known() {
        let known = |stored, shown, gone| Known { stored, shown, gone };
        for (case, known, watch, news) in [
            ("a first record", known(None, false, None), Some(3), News::Newer),
            ("no record yet", known(None, false, None), None, News::Nothing),
            ("our own write", known(Some(3), false, None), Some(3), News::Shown),
            ("what was before our own write", known(Some(3), false, None), Some(2), News::Nothing),
            ("our first record, not shown yet", known(Some(3), false, None), None, News::Nothing),
            ("somebody else's write", known(Some(3), true, None), Some(4), News::Newer),
            ("a deletion", known(Some(3), true, None), None, News::Deleted),
            ("what was deleted", known(None, false, Some(3)), Some(3), News::Nothing),
            ("what was before what was deleted", known(None, false, Some(3)), Some(1), News::Nothing),
            ("a record after a deletion", known(None, false, Some(3)), Some(5), News::Newer),
            ("what was deleted, a new one being stored", known(Some(6), false, Some(3)), Some(2), News::Nothing),
        ] {
            assert_eq!(known.news(watch), news, "{case}");
        }
    }
}
