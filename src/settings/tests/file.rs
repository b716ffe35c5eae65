//! Records that go into a file: how that is set, and what contradicts it.

use keyway_actors::sink::file::{Format, SyncPolicy};

use super::*;

/// A pipeline that nothing says of where its records go.
const HEAD: &str =
    "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n[[pipeline]]\nname = \"a\"\ntopics = [\"orders\"]\n";

fn typed(rest: &str) -> Typed {
    Typed::file(format!("{HEAD}{rest}").leak())
}

#[test]
fn a_file_is_read_with_its_defaults_and_counts_from_the_configuration() {
    let typed = typed("[pipeline.file]\npath = 'logs/orders'\n");
    let file = typed.with(|sources| {
        let folder = sources.flags.config.as_ref().and_then(|path| path.parent()).unwrap();
        let file = load(sources).unwrap().pipelines[0].file().cloned().unwrap();
        assert_eq!(file.path, folder.join("logs/orders"));
        file
    });
    assert_eq!(file.format, Format::Raw);
    assert_eq!(file.sync, SyncPolicy::Interval(std::time::Duration::from_secs(1)));
    assert_eq!((file.rotation.size, file.rotation.age), (None, None));
    let mut typed = Typed::needed().variable("KEYWAY_FILE_PATH", "orders");
    typed.variables.retain(|(name, _)| *name != "KEYWAY_URL");
    assert_eq!(typed.pipeline().file().unwrap().path, PathBuf::from("orders"));
}

#[test]
fn a_file_beside_requests_is_one_too_many_and_both_places_are_told() {
    let what = |other: &str| {
        format!(
            "records go into a file or into requests, and {other} says where they are requested; \
             keep the one or the other"
        )
    };
    let file = "file.path = 'x'\n";
    let url = "keyway.toml:7: pipeline \"a\": http.url";
    assert_eq!(
        typed(&format!("{file}http.url = 'http://h/'\nhttp.rate = '1/s'\n")).problems(),
        [format!("keyway.toml:6: pipeline \"a\": file.path: {}", what(url))]
    );
    assert_eq!(
        typed("http.url = 'http://h/'\n").variable("KEYWAY_FILE_PATH", "x").problems(),
        [format!("KEYWAY_FILE_PATH: {}", what("keyway.toml:6: pipeline \"a\": http.url"))]
    );
    assert_eq!(
        Typed::needed().variable("KEYWAY_FILE_PATH", "x").problems(),
        [format!("KEYWAY_FILE_PATH: {}", what("KEYWAY_URL"))]
    );
    assert_eq!(
        typed(&format!("{file}http.url = 'http://h/'\n")).flag("--url", "http://g/").problems(),
        [format!("keyway.toml:6: pipeline \"a\": file.path: {}", what("--url"))]
    );
    let route = "[[pipeline.route]]\nrequest = [{ url = 'http://h/' }]\n";
    let problems = typed(&format!("{file}{route}")).problems();
    let place = "keyway.toml:7: pipeline \"a\": route 1";
    assert_eq!(problems, [format!("keyway.toml:6: pipeline \"a\": file.path: {}", what(place))]);
}

#[test]
fn what_is_for_requests_is_of_no_account_beside_a_file_and_the_other_way_round() {
    let why = "records go into a file (file.path), for which it is of no account";
    let problems = typed("http.rate = '500/s'\nmatch = 'all'\nfile.path = 'x'\n")
        .variable("KEYWAY_HTTP_TLS_CA_FILE", "y")
        .problems();
    let place =
        |line: usize, key: &str| format!("keyway.toml:{line}: pipeline \"a\": {key}: {why}");
    let variable = format!("KEYWAY_HTTP_TLS_CA_FILE: {why}");
    assert_eq!(problems, [place(7, "match"), place(6, "http.rate"), variable]);

    let why = "there is no file (file.path) that it is for";
    let url = "http.url = 'http://h/'\n";
    let problems = typed(&format!("{url}file.sync = 'always'\n")).problems();
    assert_eq!(problems, [format!("keyway.toml:7: pipeline \"a\": file.sync: {why}")]);
    let interval = typed("file = { path = 'x', sync = 'none', sync_interval = '1s' }\n").problems();
    assert_eq!(interval.len(), 1);
    assert!(interval[0].contains("file.sync_interval: it is for file.sync = \"interval\""));
    let nothing = typed("").problems();
    assert!(nothing[0].contains("http.url: missing"), "{nothing:?}");
}

#[test]
fn a_path_is_one_of_a_file() {
    for bad in ["x/", "x/.", "..", "/", "x/.."] {
        let problems = typed(&format!("file.path = '{bad}'\n")).problems();
        assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
        assert!(problems[0].contains("expected the path of a file"), "{problems:?}");
    }
    let typed = typed("file = { path = 'x', rotate_size = '10GiB', rotate_age = '168h' }\n");
    let rotation = typed.pipeline().file().unwrap().rotation;
    assert_eq!(rotation.size, Some(10 << 30));
    assert_eq!(rotation.age.map(|age| age.as_secs()), Some(168 * 3_600));
}

#[test]
fn two_pipelines_do_not_write_one_file_by_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    fs::write(folder.path().join("there"), "").unwrap();
    std::os::unix::fs::symlink("there", folder.path().join("link")).unwrap();
    let two = |one: &str, other: &str| {
        let other =
            format!("[[pipeline]]\nname = 'b'\ntopics = ['b']\nfile.path = '{path}/{other}'\n");
        typed(&format!("file.path = '{path}/{one}'\n{other}"))
    };
    for (one, other) in [("new", "new"), ("new", "./new"), ("there", "link")] {
        assert_eq!(
            two(one, other).problems(),
            ["keyway.toml:10: pipeline \"b\": file.path: it is the file of another pipeline too: \
              keyway.toml:6: pipeline \"a\": file.path"]
        );
    }
    two("there", "new").settings();
}

/// Each has what is for its kind, and none is told of what is for the others.
#[test]
fn variables_for_requests_and_for_files_are_for_the_pipelines_that_have_them() {
    let typed = typed(
        "file.path = 'x'\n\
         [[pipeline]]\nname = 'b'\ntopics = ['b']\nhttp.url = 'http://h/'\n\
         [[pipeline]]\nname = 'c'\ntopics = ['c']\n[[pipeline.route]]\n",
    )
    .variable("KEYWAY_FILE_SYNC", "always")
    .variable("KEYWAY_MATCH", "all")
    .variable("KEYWAY_HTTP_RATE", "5/s");
    let pipelines = typed.settings().pipelines;
    assert_eq!(pipelines[0].file().unwrap().sync, SyncPolicy::Always);
    for pipeline in &pipelines[1..] {
        assert!(pipeline.http().unwrap().destination.rate.is_some());
    }
}
