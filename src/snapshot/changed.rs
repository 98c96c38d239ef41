//! Where two lists of the same differ, so that a change costs what has changed.

use std::ops::Range;
use std::sync::Arc;

use super::Rule;

/// All that two lists do not have in common at their starts and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Of the earlier list.
    pub before: Range<usize>,
    /// Of the later one.
    pub now: Range<usize>,
}

/// Where `now` differs from `before`, by what `same` says of two entries.
pub fn changed<T>(before: &[T], now: &[T], same: impl Fn(&T, &T) -> bool) -> Changed {
    let start = before.iter().zip(now).take_while(|(a, b)| same(a, b)).count();
    let rest = before[start..].iter().rev().zip(now[start..].iter().rev());
    let end = rest.take_while(|(a, b)| same(a, b)).count();
    Changed { before: start..before.len() - end, now: start..now.len() - end }
}

impl Rule {
    /// Whether nothing about two rules differs, and nobody made them anew.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body) && Arc::ptr_eq(&self.weights, &other.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(before: &str, now: &str) -> (String, String) {
        let Changed { before: a, now: b } = changed(before.as_bytes(), now.as_bytes(), |a, b| a == b);
        (before[a].to_owned(), now[b].to_owned())
    }

    #[test]
    fn what_lists_have_in_common_at_both_ends_is_left_out() {
        for (before, now, gone, new) in [
            ("", "", "", ""),
            ("abc", "abc", "", ""),
            ("abc", "axc", "b", "x"),
            ("abc", "abxc", "", "x"),
            ("abc", "ac", "b", ""),
            ("aaa", "aa", "a", ""),
            ("abcd", "xbcy", "abcd", "xbcy"),
            ("", "ab", "", "ab"),
            ("ab", "", "ab", ""),
        ] {
            assert_eq!(differ(before, now), (gone.to_owned(), new.to_owned()), "{before} {now}");
        }
    }
}
