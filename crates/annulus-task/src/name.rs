//! What a task is called: a word for people, in handles, panics and reports of stalls.
//!
//! Owns the text, which is shared, so that giving it out is cheap. It names nothing to the
//! executor: that is what [`TaskId`](crate::TaskId) is for, and two tasks may have the same name.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of a task, as given to [`spawn_named`](crate::spawn_named).
///
/// Cloning it copies no text. A `&'static str` costs no allocation at all.
///
/// ```
/// use annulus_task::Name;
///
/// let fixed = Name::from("listener");
/// let made = Name::from(format!("connection {}", 7));
/// assert_eq!((&*fixed, &*made), ("listener", "connection 7"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Text);

#[derive(Clone)]
enum Text {
    Fixed(&'static str),
    Shared(Arc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Name {
    fn from(text: &'static str) -> Self {
        Self(Text::Fixed(text))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Text::Shared(text.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
