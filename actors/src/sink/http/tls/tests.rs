//! Files that are as they should be, and every way in which they are not.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;

/// A certificate and its key as OpenSSL writes an RSA one the traditional way (PKCS#1): rcgen makes
/// no such keys. It is for this test and vouches for nothing.
const RSA_PKCS1: &str = include_str!("tests/rsa-pkcs1.pem");

/// A certificate and its key, PEM.
fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// A folder with files in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

fn identity(cert: &Path, key: &Path) -> TlsFiles {
    // With authorities of its own, so that it is of no account what the system has.
    TlsFiles { ca: Some(cert.to_owned()), cert: Some(cert.to_owned()), key: Some(key.to_owned()) }
}

fn authorities(path: &Path) -> TlsFiles {
    TlsFiles { ca: Some(path.to_owned()), ..TlsFiles::default() }
}

#[track_caller]
fn refused(files: &TlsFiles, path: &Path, why: &str) {
    let Err(error) = Tls::files(files) else { panic!("{files:?} was taken") };
    let said = error.to_string();
    assert!(said.starts_with(path.to_str().unwrap()) && said.contains(why), "{said}");
}

/// SEC1 is the innermost part of what PKCS#8 holds (RFC 5915, RFC 5208).
fn sec1(pkcs8: &str) -> String {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let lines: String = pkcs8.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(lines.trim()).unwrap();
    // SEQUENCE, its length in one byte or two, version, algorithm, then the octet string.
    let octets = |tag: &[u8]| der.windows(tag.len()).position(|it| it == tag).unwrap();
    let start = octets(&[0x02, 0x01, 0x01, 0x04, 0x20]) - 2;
    let start = if der[start] == 0x30 { start } else { start - 1 };
    let coded = BASE64_STANDARD.encode(&der[start..]);
    format!("-----BEGIN EC PRIVATE KEY-----\n{coded}\n-----END EC PRIVATE KEY-----\n")
}

#[test]
fn keys_of_each_kind_are_taken() {
    let folder = Folder::new();
    let (cert, key) = pair();
    let pkcs8 = identity(&folder.write("c.pem", &cert), &folder.write("k.pem", &key));
    let sec1 = identity(&folder.write("d.pem", &cert), &folder.write("l.pem", sec1(&key)));
    // Both in one file, as some tools write them.
    let both = folder.write("both.pem", RSA_PKCS1);
    for files in [pkcs8, sec1, identity(&both, &both)] {
        let config = Tls::files(&files).unwrap().config().unwrap();
        assert!(config.client_auth_cert_resolver.has_certs());
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    }
}

#[test]
fn a_certificate_and_its_key_come_together() {
    let folder = Folder::new();
    let path = folder.write("c.pem", pair().0);
    let cert = TlsFiles { cert: Some(path.clone()), ..TlsFiles::default() };
    let key = TlsFiles { key: Some(path), ..TlsFiles::default() };
    assert!(Tls::files(&cert).err().unwrap().to_string().contains("key_file is missing"));
    assert!(Tls::files(&key).err().unwrap().to_string().contains("cert_file is missing"));
}

#[test]
fn authorities_that_are_none_are_refused() {
    let folder = Folder::new();
    let (cert, key) = pair();
    let missing = folder.0.path().join("missing");
    refused(&authorities(&missing), &missing, "ca_file cannot be read");
    refused(&authorities(folder.0.path()), folder.0.path(), "ca_file is not a regular file");
    for (content, why) in [
        ("", "ca_file holds no certificate (PEM"),
        (&key, "ca_file holds no certificate (PEM"),
        (&cert[..cert.len() / 2], "ca_file is damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "that can be trusted"),
    ] {
        let path = folder.write("ca.pem", content);
        refused(&authorities(&path), &path, why);
    }
    let long = folder.write("long.pem", vec![b'\n'; 1024 * 1024 + 1]);
    refused(&authorities(&long), &long, "ca_file is longer");
}

#[test]
fn keys_that_cannot_be_used_are_refused_and_not_shown() {
    let folder = Folder::new();
    let (cert, key) = pair();
    let cert = folder.write("cert.pem", cert);
    let body = key.lines().nth(1).unwrap();
    let damaged = key.replace("-----END", "!!!\n-----END");
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (content, why) in [
        ("", "key_file holds no private key"),
        (&damaged, "key_file is damaged"),
        (&encrypted, "key_file has a passphrase"),
        (nonsense, "key_file holds no key that can be used"),
        (&pair().1, "key_file is not the key of the certificate in"),
    ] {
        let path = folder.write("key.pem", content);
        let files = identity(&cert, &path);
        refused(&files, &path, why);
        assert!(!Tls::files(&files).err().unwrap().to_string().contains(body));
    }
    let key = folder.write("key.pem", &key);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbage = folder.write("garbage.pem", garbage);
    let mut files = identity(&cert, &key);
    files.cert = Some(garbage.clone());
    refused(&files, &garbage, "cert_file cannot be used");
}

#[test]
fn new_files_are_used_and_broken_ones_are_not() {
    let folder = Folder::new();
    let (cert, key) = pair();
    let files = identity(&folder.write("c.pem", cert), &folder.write("k.pem", key));
    let tls = Tls::files(&files).unwrap();
    let Source::Files(watched) = &tls.0 else { panic!("they are watched") };
    let first = tls.config().unwrap();
    assert!(Arc::ptr_eq(&first, &tls.config().unwrap()));

    // Between the two writes of a rotation, the pair is no pair.
    let (cert, key) = pair();
    folder.write("c.pem", cert);
    watched.look();
    assert!(Arc::ptr_eq(&first, &tls.config().unwrap()));
    let news = tls.news().unwrap().to_string();
    assert!(news.contains("k.pem: key_file is not the key of"), "{news}");

    folder.write("k.pem", key);
    watched.look();
    assert!(!Arc::ptr_eq(&first, &tls.config().unwrap()));
    assert!(matches!(tls.news(), Some(News::Renewed(_))));
    assert_eq!(tls.news(), None);
}
