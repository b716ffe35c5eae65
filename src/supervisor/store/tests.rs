//! What is found again, and what is left when something goes wrong.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn kept(topic: &str, run: Run) -> Kept {
    let definition = serde_json::json!({ "topics": [topic] });
    Kept::new(definition.as_object().cloned().unwrap_or_default(), Sharing::Alone, run)
}

#[test]
fn what_is_kept_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let store = Store::open(&path).unwrap();
    store.keep("two", &kept("t", Run::Stopped)).unwrap();
    store.keep("one", &kept("t", Run::Running)).unwrap();
    store.keep("one", &kept("u", Run::Paused)).unwrap();
    store.keep("three", &kept("t", Run::Running)).unwrap();
    store.forget("three").unwrap();
    store.forget("three").unwrap();
    drop(store);
    let found = Store::open(&path).unwrap().all().unwrap();
    let expected = [("one", kept("u", Run::Paused)), ("two", kept("t", Run::Stopped))]
        .map(|(name, it)| (name.to_owned(), Ok(it)));
    assert_eq!(found, expected);
}

#[test]
fn who_was_a_consumer_is_one_again_and_nobody_else_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let body = serde_json::json!({ "name": "a", "kafka": { "client.id": "a" } });
    let again = || store.all().unwrap().remove(0).1.unwrap().sharing();
    for sharing in [Sharing::Alone, Sharing::Consumers] {
        let definition = body.as_object().cloned().unwrap();
        store.keep("a", &Kept::new(definition, sharing, Run::Running)).unwrap();
        assert_eq!(again(), sharing);
    }
    let unmarked = format!(r#"{{"version": 1, "run": "running", "definition": {body}}}"#);
    fs::write(folder.path().join("a.json"), unmarked).unwrap();
    assert_eq!(again(), Sharing::Alone);
}

#[test]
fn nobody_else_may_look_and_no_second_process_may_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = Store::open(&path).unwrap();
    store.keep("one", &kept("t", Run::Running)).unwrap();
    for (path, mode) in [(path.clone(), 0o700), (path.join("one.json"), 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    assert!(matches!(Store::open(&path), Err(StoreError::Taken(_))));
    drop(store);
    assert!(Store::open(&path).is_ok());
}

#[test]
fn what_cannot_be_read_is_told_and_left_and_what_is_half_written_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.keep("good", &kept("t", Run::Running)).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("bad.json", "{");
    write("later.json", r#"{"version": 2, "run": "running", "definition": {}}"#);
    write("good.json~", "{");
    let found = store.all().unwrap();
    let told = |name: &str| {
        let (_, it) = found.iter().find(|(found, _)| found == name).unwrap();
        it.as_ref().map(|_| ()).map_err(Clone::clone)
    };
    assert_eq!(told("good"), Ok(()));
    assert!(told("bad").is_err_and(|why| why.contains("bad.json: EOF")));
    assert!(told("later").is_err_and(|why| why.contains("layout 2")));
    assert!(!folder.path().join("good.json~").exists());
    assert!(folder.path().join("bad.json").exists());
}

#[test]
fn what_cannot_be_written_leaves_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.keep("one", &kept("t", Run::Running)).unwrap();
    // A folder stands where the new one is to be written.
    fs::create_dir(folder.path().join("one.json~")).unwrap();
    assert!(store.keep("one", &kept("u", Run::Running)).is_err());
    assert_eq!(read(&folder.path().join("one.json")), Ok(kept("t", Run::Running)));
    // Nor does that folder keep the others from being found.
    assert_eq!(store.all().unwrap(), [("one".to_owned(), Ok(kept("t", Run::Running)))]);
}

#[test]
fn what_the_disk_does_not_confirm_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.keep("one", &kept("t", Run::Running)).unwrap();
    let torn = folder.path().join("torn.json");
    fs::write(&torn, b"{\xff").unwrap();
    let before = store.all().unwrap();
    store.sync = |_| Err(io::ErrorKind::StorageFull.into());
    let is_refused = |done: io::Result<()>| {
        assert_eq!(done.unwrap_err().to_string(), "no storage space");
    };
    is_refused(store.keep("one", &kept("u", Run::Stopped)));
    is_refused(store.keep("two", &kept("t", Run::Running)));
    is_refused(store.keep("torn", &kept("t", Run::Running)));
    is_refused(store.forget("one"));
    is_refused(store.forget("torn"));
    assert_eq!(store.all().unwrap(), before);
    assert_eq!(fs::read(torn).unwrap(), b"{\xff", "it is left as it was");
}

#[test]
fn what_cannot_be_taken_back_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.keep("one", &kept("t", Run::Running)).unwrap();
    store.sync = |folder| {
        // Nothing can be written any more.
        fs::create_dir_all(folder.join("one.json~")).unwrap();
        Err(io::ErrorKind::StorageFull.into())
    };
    let told = store.keep("one", &kept("u", Run::Running)).unwrap_err();
    assert_eq!(told.kind(), io::ErrorKind::StorageFull);
    let told = told.to_string();
    assert!(told.starts_with("no storage space; ") && told.ends_with("the change made"), "{told}");
    assert_eq!(store.all().unwrap(), [("one".to_owned(), Ok(kept("u", Run::Running)))]);
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    // A line each, with its indentation, it takes several times the bytes that it came with.
    let definition = serde_json::json!({ "topics": vec![1; 500_000] });
    let large = definition.as_object().cloned().unwrap();
    let large = Kept::new(large, Sharing::Alone, Run::Running);
    assert_eq!(store.keep("one", &large).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(store.all().unwrap(), []);
}
