//! Small files that a setting names: the configuration itself, and secrets kept apart from it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a text file of at most `most` bytes.
///
/// # Errors
/// Why not, in one line that does not repeat the path.
pub fn read_text(path: &Path, most: u64) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    // The limit also ends the reading of something endless, like a device.
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it is larger than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// Reads a secret: the text of the file without one line end at its end.
///
/// # Errors
/// Why not, in one line that does not repeat the path.
pub fn read_secret(path: &Path) -> Result<String, String> {
    const MOST: u64 = 1 << 20;
    let mut text = read_text(path, MOST)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_of(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, content).expect("the secret is written");
        read_secret(&path)
    }

    #[test]
    fn one_line_end_is_cut_and_no_more() {
        assert_eq!(secret_of(b"hunter2"), Ok("hunter2".into()));
        assert_eq!(secret_of(b"hunter2\n"), Ok("hunter2".into()));
        assert_eq!(secret_of(b"hunter2\r\n"), Ok("hunter2".into()));
        assert_eq!(secret_of(b" hunter2 \n\n"), Ok(" hunter2 \n".into()));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        assert!(secret_of(b"\n").is_err());
        assert!(secret_of(b"\xff\xfe").is_err());
        assert!(read_secret(Path::new("/dev/zero")).is_err_and(|why| why.contains("larger")));
        assert!(read_secret(Path::new("/nonexistent/secret")).is_err());
    }
}
