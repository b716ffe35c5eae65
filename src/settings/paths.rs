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
    /// In the body of a request: to be written beneath this folder, and nowhere without one; to be
    /// read nowhere.
    Within(Option<&'a Path>),
}

impl Paths<'_> {
    /// The path of a file to write.
    ///
    /// # Errors
    /// Why it may not be written, in words that follow the name of the setting.
    pub fn to_write(self, path: &Path) -> Result<PathBuf, String> {
        match self {
            Self::Within(root) => confine(root, path).map_err(|refused| refused.to_string()),
            Self::AsGiven | Self::From(_) => self.find(path),
        }
    }

    /// The path to read.
    ///
    /// # Errors
    /// Why it may not be opened, in words that follow the name of the setting.
    pub fn find(self, path: &Path) -> Result<PathBuf, String> {
        match self {
            Self::AsGiven => Ok(path.to_owned()),
            Self::From(folder) => Ok(folder.join(path)),
            // It would be read for as long as the pipeline runs, whatever is put there meanwhile.
            Self::Within(_) => {
                Err("files of secrets and certificates are not taken from requests: \
                give the secret itself, or set this in the configuration"
                    .to_owned())
            }
        }
    }
}
