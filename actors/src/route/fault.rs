//! Mistakes in expressions and templates, with their places.

/// What is wrong with an expression or template, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ExpressionError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, in characters, counted from 1.
    pub column: usize,
    /// What is wrong, in the language's own words.
    pub message: String,
}

impl ExpressionError {
    /// An error at a byte of a text.
    pub(super) fn at(source: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line = 1 + before.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = 1 + before[start..].chars().count();
        Self { line, column, message: message.into() }
    }
}
