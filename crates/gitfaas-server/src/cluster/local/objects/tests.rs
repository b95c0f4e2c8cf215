use std::os::unix::fs::symlink;

use rstest::rstest;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    folder
}

fn find(folder: &Path, kind: Kind, name: &str) -> io::Result<Option<Data>> {
    let data = tempfile::tempdir()?;
    let applied = Folder::make(data.path())?;
    Objects { folder: Some(folder), applied: &applied, namespace: None, usual: "default" }
        .find(&ObjectName { kind, name: name.to_owned() })
}

fn data(entries: &[(&str, &str)]) -> Data {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

#[test]
fn the_regular_files_of_its_folder_are_the_keys_of_an_object() {
    let folder = folder(&[
        ("secrets/db/password", "s3cret\n"),
        ("secrets/db/.netrc", "machine"),
        ("secrets/db/no key", "x"),
        ("secrets/db/sub/inner", "x"),
        ("configmaps/db/mode", "fast"),
    ]);
    let secret = find(folder.path(), Kind::Secret, "db").expect("a look");
    assert_eq!(secret, Some(data(&[(".netrc", "machine"), ("password", "s3cret\n")])));
    let map = find(folder.path(), Kind::ConfigMap, "db").expect("a look");
    assert_eq!(map, Some(data(&[("mode", "fast")])));
    assert_eq!(find(folder.path(), Kind::Secret, "other").expect("a look"), None);
    assert_eq!(find(&folder.path().join("none"), Kind::Secret, "db").expect("a look"), None);
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let outside = folder(&[("db/password", "s3cret")]);
    let folder = folder(&[("secrets/own/password", "x")]);
    symlink(outside.path().join("db"), folder.path().join("secrets/db")).expect("a link");
    let error = find(folder.path(), Kind::Secret, "db").expect_err("a link out of the folder");
    assert!(error.to_string().contains("symbolic links are not followed"), "{error}");
    symlink(outside.path().join("db/password"), folder.path().join("secrets/own/other")).expect("a link");
    let error = find(folder.path(), Kind::Secret, "own").expect_err("a link out of the folder");
    assert!(error.to_string().contains("secrets/own/other"), "{error}");
}

#[test]
fn manifests_in_the_folder_are_objects_too_and_files_come_first() {
    let yaml = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {user: YWRh, password: b2xk}\nstringData:\n  password: new\n---\n\
                apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\ndata: {mode: \"0644\"}\nbinaryData: {raw: AAE=}\n";
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "listed"}, "data": {"k": "v"}}]}"#;
    let folder = folder(&[("all.yaml", yaml), ("list.json", list), ("notes.txt", "}{"), ("secrets/first/k", "file")]);
    let secret = find(folder.path(), Kind::Secret, "db").expect("a look");
    assert_eq!(secret, Some(data(&[("user", "ada"), ("password", "new")])));
    let map = find(folder.path(), Kind::ConfigMap, "db").expect("a look");
    assert_eq!(map, Some(data(&[("mode", "0644"), ("raw", "\0\u{1}")])));
    assert_eq!(find(folder.path(), Kind::ConfigMap, "listed").expect("a look"), Some(data(&[("k", "v")])));
    fs::write(
        folder.path().join("first.yml"),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: first}\nstringData: {k: yaml}",
    )
    .expect("a file");
    assert_eq!(find(folder.path(), Kind::Secret, "first").expect("a look"), Some(data(&[("k", "file")])));
}

#[rstest]
#[case::no_text("data: {k: 7}", "data.k is no text")]
#[case::no_base64("data: {k: '!s3cret!'}", "data.k is not base64")]
#[case::no_key("stringData: {'../k': s3cret}", "`../k`")]
#[case::no_yaml("data: {k: [s3cret}", "line 4")]
fn what_is_wrong_with_a_manifest_is_told_without_what_it_holds(#[case] line: &str, #[case] words: &str) {
    let folder = folder(&[("a.yaml", &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\n{line}\n"))]);
    let error = find(folder.path(), Kind::Secret, "db").expect_err("a mistake").to_string();
    assert!(error.contains(words) && error.contains("a.yaml") && !error.contains("s3cret"), "{error}");
}

#[test]
fn an_object_has_at_most_a_mebibyte() {
    let folder = folder(&[("configmaps/big/a", &"x".repeat(600_000)), ("configmaps/big/b", &"x".repeat(600_000))]);
    assert!(find(folder.path(), Kind::ConfigMap, "big").is_err());
}
