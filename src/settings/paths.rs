//! How a path that was typed is found.

use std::path::{Path, PathBuf};

use super::file_root::confine;

/// How a path that was typed is found.
#[derive(Clone, Copy, Debug)]
pub enum Paths<'a> {
    /// A relative one counts from the working directory: on the command line and in variables.
    AsGiven,
    /// A relative one counts from this folder: in the file, whose folder it is.
    From(&'a Path),
    /// Beneath this folder, and nowhere without one: in the body of a request.
    Within(Option<&'a Path>),
}

impl Paths<'_> {
    /// The path to open.
    ///
    /// # Errors
    /// Why it may not be opened, in words that follow the name of the setting.
    pub fn find(self, path: &Path) -> Result<PathBuf, String> {
        match self {
            Self::AsGiven => Ok(path.to_owned()),
            Self::From(folder) => Ok(folder.join(path)),
            Self::Within(root) => confine(root, path).map_err(|refused| refused.to_string()),
        }
    }
}
