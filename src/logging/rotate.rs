//! The log file: appended to, and rotated by size.
//!
//! `app.log` becomes `app.log.1`, that `app.log.2`, and so on up to the number kept. A line is
//! never split over two files. Where rotating fails the file goes on growing: lines matter more
//! than sizes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A log file.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    file: File,
    size: u64,
    most: u64,
    keep: usize,
}

impl RotatingFile {
    /// Opens the file, to go on at its end; rotated before it would grow beyond `most` bytes, with
    /// `keep` old ones kept.
    ///
    /// # Errors
    /// Where it cannot be opened for appending.
    pub fn open(path: &Path, most: u64, keep: usize) -> io::Result<Self> {
        let (file, size) = append(path)?;
        Ok(Self { path: path.to_owned(), file, size, most, keep })
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, which ends with its line end.
    ///
    /// # Errors
    /// Where it was not written whole, or was written although the file could not be rotated.
    pub fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        let full = self.size > 0 && self.size.saturating_add(length) > self.most;
        let rotated = if full { self.rotate() } else { Ok(()) };
        self.file.write_all(line)?;
        self.size = self.size.saturating_add(length);
        rotated
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.keep == 0 {
            self.file.set_len(0)?;
            self.size = 0;
            return Ok(());
        }
        for number in (1..self.keep).rev() {
            rename(&self.old(number), &self.old(number + 1))?;
        }
        rename(&self.path, &self.old(1))?;
        (self.file, self.size) = append(&self.path)?;
        Ok(())
    }

    fn old(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Renames a file that may not be there, over one that may be.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| format!("<{}>", error.kind()))
    }

    fn written(most: u64, keep: usize, lines: usize) -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        let mut file = RotatingFile::open(&path, most, keep).expect("it opens");
        for number in 0..lines {
            file.write_line(format!("line {number}\n").as_bytes()).expect("it is written");
        }
        let names = ["log", "log.1", "log.2", "log.3", "log.4"];
        let contents = names.map(|name| content(&folder.path().join(name)));
        (folder, contents.into())
    }

    #[test]
    fn the_newest_lines_are_kept_in_order() {
        // Each line has 7 bytes: two fit into 14.
        let (_folder, files) = written(14, 3, 11);
        let kept = ["line 10\n", "line 8\nline 9\n", "line 6\nline 7\n", "line 4\nline 5\n"];
        assert_eq!(files[..4], kept);
        assert_eq!(files[4], "<entity not found>");
    }

    #[test]
    fn keeping_none_starts_the_file_anew() {
        let (_folder, files) = written(14, 0, 5);
        assert_eq!(files[..2], ["line 4\n", "<entity not found>"]);
    }

    #[test]
    fn a_line_longer_than_the_file_may_be_gets_one_of_its_own() {
        let (_folder, files) = written(3, 2, 3);
        assert_eq!(files[..3], ["line 2\n", "line 1\n", "line 0\n"]);
    }

    #[test]
    fn a_file_that_is_there_is_continued_and_its_size_counts() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        fs::write(&path, "0123456789\n").expect("it is written");
        let mut file = RotatingFile::open(&path, 15, 1).expect("it opens");
        file.write_line(b"ab\n").expect("it is written");
        assert_eq!(content(&path), "0123456789\nab\n");
        file.write_line(b"cd\n").expect("it is written");
        assert_eq!(content(&path), "cd\n");
    }

    #[test]
    fn a_rotation_that_fails_loses_no_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        let mut file = RotatingFile::open(&path, 4, 1).expect("it opens");
        file.write_line(b"one\n").expect("it is written");
        // A folder with something in it, which no file can be renamed over.
        fs::create_dir_all(folder.path().join("log.1/inside")).expect("the folder is made");
        assert!(file.write_line(b"two\n").is_err());
        assert_eq!(content(&path), "one\ntwo\n");
        fs::remove_dir_all(folder.path().join("log.1")).expect("the folder is removed");
        file.write_line(b"three\n").expect("it rotates again");
        assert_eq!(content(&folder.path().join("log.1")), "one\ntwo\n");
    }
}
