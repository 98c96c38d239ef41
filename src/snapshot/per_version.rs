//! Something for each version of a split, in place where there is one version: nearly every split of thousands has no more.

use std::ops::{Deref, DerefMut};

/// One of `T` for each version, in the order of the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerVersion<T>(Held<T>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Held<T> {
    One(T),
    Many(Box<[T]>),
}

impl<T: Copy> PerVersion<T> {
    /// The same for each of so many versions.
    pub fn all(value: T, versions: usize) -> Self {
        if versions == 1 { Self(Held::One(value)) } else { Self(Held::Many(vec![value; versions].into())) }
    }
}

impl<T: Copy> From<&[T]> for PerVersion<T> {
    fn from(values: &[T]) -> Self {
        match values {
            [only] => Self(Held::One(*only)),
            many => Self(Held::Many(many.into())),
        }
    }
}

impl<T> From<Vec<T>> for PerVersion<T> {
    fn from(mut values: Vec<T>) -> Self {
        match (values.len(), values.pop()) {
            (1, Some(only)) => Self(Held::One(only)),
            (_, last) => {
                values.extend(last);
                Self(Held::Many(values.into()))
            }
        }
    }
}

impl<T, const N: usize> From<[T; N]> for PerVersion<T> {
    fn from(values: [T; N]) -> Self {
        Vec::from(values).into()
    }
}

impl<T> FromIterator<T> for PerVersion<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

impl<'a, T> IntoIterator for &'a PerVersion<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Deref for PerVersion<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Held::One(only) => std::slice::from_ref(only),
            Held::Many(many) => many,
        }
    }
}

impl<T> DerefMut for PerVersion<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Held::One(only) => std::slice::from_mut(only),
            Held::Many(many) => many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_it_was_made_of() {
        for values in [&[][..], &[3], &[3, 4]] {
            let same = [
                PerVersion::from(values),
                PerVersion::from(values.to_vec()),
                values.iter().copied().collect::<PerVersion<i32>>(),
            ];
            same.iter().for_each(|same| assert_eq!(**same, *values));
            assert_eq!(same[0], same[1]);
            assert_eq!(same[0], same[2]);
        }
    }

    #[test]
    fn each_version_has_its_own() {
        for versions in 0..3 {
            let mut values = PerVersion::all(false, versions);
            assert_eq!(*values, *vec![false; versions]);
            if let Some(last) = values.last_mut() {
                *last = true;
                assert_eq!(values.iter().filter(|value| **value).count(), 1);
            }
        }
    }

    #[test]
    fn the_values_of_one_version_lie_in_place() {
        assert!(size_of::<PerVersion<u32>>() <= size_of::<Box<[u32]>>());
    }
}
