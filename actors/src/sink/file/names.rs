//! What files are called that were put aside.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::rfc3339;

/// The name of a file that is put aside at that time: the `number`th in its second, from 0.
pub(super) fn aside(path: &Path, time: SystemTime, number: u32) -> PathBuf {
    // `2026-03-01T12:00:00.250Z`, without its punctuation and to the second.
    let stamp = rfc3339::of_clock(time);
    let seconds = stamp.split('.').next().unwrap_or_default();
    let digits: String = seconds.chars().filter(|it| !matches!(it, '-' | ':')).collect();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{digits}Z"));
    if number > 0 {
        name.push(format!("-{number}"));
    }
    name.into()
}

/// Whether a name is one that this file may have had: put aside by [`aside`], or by logrotate
/// (`NAME.1`, `NAME-20260301`), and not compressed.
pub(super) fn is_aside(file: &OsStr, name: &OsStr) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(file.as_encoded_bytes());
    let is_stamp = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z' | b'-');
    rest.is_some_and(|rest| match rest {
        [b'.' | b'-', first, rest @ ..] => first.is_ascii_digit() && rest.iter().all(is_stamp),
        _ => false,
    })
}

/// The folder that a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_file_is_put_aside_under_its_time() {
        let time = UNIX_EPOCH + Duration::from_millis(951_826_154_321);
        let name = |number| aside(Path::new("/a/orders.log"), time, number);
        assert_eq!(name(0), Path::new("/a/orders.log.20000229T120914Z"));
        assert_eq!(name(2), Path::new("/a/orders.log.20000229T120914Z-2"));
        for number in 0..2 {
            let name = name(number);
            assert!(is_aside(OsStr::new("orders.log"), name.file_name().unwrap()));
        }
    }

    #[test]
    fn files_of_others_are_told_from_those_put_aside() {
        let is_aside = |name: &str| is_aside(OsStr::new("log"), OsStr::new(name));
        assert!(is_aside("log.1") && is_aside("log-20260301"));
        for other in ["log", "log.", "log.1.gz", "log.old", "log2", "xlog.1", "log.T1", "log.é"] {
            assert!(!is_aside(other), "{other}");
        }
    }

    #[test]
    fn a_name_alone_is_in_this_folder() {
        assert_eq!(folder(Path::new("log")), Path::new("."));
        assert_eq!(folder(Path::new("a/log")), Path::new("a"));
    }
}
