//! What is wrong with a description.

/// A description that cannot be used. Its values can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The key; empty if a whole word is wrong.
    pub key: String,
    /// What was written.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl Error {
    pub(crate) fn new(
        key: &str,
        value: &str,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Error {
        Error {
            key: key.into(),
            value: value.into(),
            problem: problem.into(),
            fix: fix.into(),
        }
    }
}
