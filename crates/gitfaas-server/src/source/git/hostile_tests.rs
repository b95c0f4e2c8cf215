//! Repositories that were made to deceive or to hurt: by the real git, and where it refuses, byte by byte.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gix_hash::ObjectId;
use rstest::rstest;

use super::objects::Shelf;
use super::tree::Tree;
use crate::source::{Fault, SourceError};

const FILE: &str = "100644";
const FOLDER: &str = "40000";
const LINK: &str = "120000";
const MODULE: &str = "160000";

/// More than any of the small files here has.
const MAX: u64 = 1000;

/// Makes objects, whatever they are, and hands them over as a fetch would have.
struct Forge {
    folder: tempfile::TempDir,
}

impl Forge {
    /// `None`, which is said, where there is no git.
    fn new() -> Option<Self> {
        let forge = Self { folder: tempfile::tempdir().expect("a folder") };
        if forge.git().arg("version").output().is_err() {
            assert!(std::env::var_os("GITFAAS_TEST_ALL").is_none(), "GITFAAS_TEST_ALL is set, and there is no git");
            let _ = writeln!(std::io::stderr(), "left out: there is no git to make repositories with");
            return None;
        }
        forge.run(&["init", "-q", "--bare", "."], b"");
        Some(forge)
    }

    fn git(&self) -> Command {
        let mut git = Command::new("git");
        git.args(["-c", "core.compression=1"])
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1");
        git
    }

    fn run(&self, args: &[&str], input: &[u8]) -> String {
        let mut git = self.git();
        let mut git = git.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let mut stdin = git.stdin.take().expect("piped");
        let output = std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).expect("read"));
            git.wait_with_output().expect("ended")
        });
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    fn object(&self, kind: &str, content: &[u8]) -> ObjectId {
        let id = self.run(&["hash-object", "-t", kind, "-w", "--literally", "--stdin"], content);
        ObjectId::from_hex(id.as_bytes()).expect("an id")
    }

    fn blob(&self, content: impl AsRef<[u8]>) -> ObjectId {
        self.object("blob", content.as_ref())
    }

    /// A folder with these entries, in this order, under names of any bytes.
    fn tree(&self, entries: &[(&str, &[u8], ObjectId)]) -> ObjectId {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend([mode.as_bytes(), b" ", name, b"\0", id.as_slice()].concat());
        }
        self.object("tree", &raw)
    }

    fn commit(&self, root: ObjectId) -> ObjectId {
        self.object("commit", &commit(root, "Ada <ada@example.org> 1700000000 +0100", b"Begin\n"))
    }

    /// Everything that was made, packed and put where packs are fetched to, as if `tip` had been asked for.
    fn packed(&self, tip: ObjectId) -> (Shelf, PathBuf) {
        let folder = self.folder.path().join("shelf");
        let packs = folder.join("1/pack");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&packs).expect("created");
        let ids = self.run(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"], b"");
        let prefix = packs.join("pack");
        self.run(&["pack-objects", "-q", prefix.to_str().expect("text")], ids.as_bytes());
        fs::write(folder.join("1/tip"), format!("{tip}\n")).expect("written");
        (Shelf::open(folder).expect("opened"), packs)
    }

    fn open(&self, tip: ObjectId) -> Result<Tree, SourceError> {
        let (objects, found) = self.packed(tip).0.current().expect("whole");
        assert_eq!(found, tip);
        Tree::at(objects, tip)
    }

    /// The files of a commit of this folder.
    fn files(&self, root: ObjectId) -> Tree {
        self.open(self.commit(root)).expect("a commit")
    }
}

fn commit(root: ObjectId, person: &str, message: &[u8]) -> Vec<u8> {
    let headers = format!("tree {root}\nauthor {person}\ncommitter {person}\n\n");
    [headers.as_bytes(), message].concat()
}

fn read(tree: &Tree, path: &str) -> Result<String, String> {
    tree.read(path, MAX).map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"))
}

#[track_caller]
fn assert_refused(tree: &Tree, path: &str, why: &str) {
    assert_eq!(read(tree, path), Err(why.to_owned()), "{path}");
}

const LEAVES: &str = "is a symbolic link that leaves the repository";
const CIRCLE: &str = "is a symbolic link that leads in a circle";
const IN_MODULE: &str = "is in a submodule, and those are not followed";

#[test]
fn links_are_followed_inside_of_the_commit_only() {
    let Some(forge) = Forge::new() else { return };
    let job = forge.blob("job");
    let link = |target: &str| forge.blob(target);
    let sub = forge.tree(&[
        (LINK, b"back", link("../job.yaml")),
        (LINK, b"climb", link("../../job.yaml")),
        (FILE, b"inner.yaml", forge.blob("inner")),
    ]);
    let mut entries: Vec<(&str, Vec<u8>, ObjectId)> = vec![
        (LINK, b"absolute".to_vec(), link("/etc/hostname")),
        (LINK, b"around".to_vec(), link("sub/../sub/./back")),
        (LINK, b"below".to_vec(), link("sub/inner.yaml")),
        (LINK, b"empty".to_vec(), link("")),
        (LINK, b"far".to_vec(), link("sub/../../secret")),
        (LINK, b"folder".to_vec(), link("sub")),
        (FILE, b"job.yaml".to_vec(), job),
        (LINK, b"long".to_vec(), link(&"./".repeat(3000))),
        (LINK, b"loop".to_vec(), link("loop")),
        (LINK, b"no-text".to_vec(), forge.blob(b"\xff\xfe")),
        (LINK, b"nowhere".to_vec(), link("none.yaml")),
        (LINK, b"out".to_vec(), link("../secret")),
        (LINK, b"ping".to_vec(), link("pong")),
        (LINK, b"pong".to_vec(), link("./ping")),
        (FOLDER, b"sub".to_vec(), sub),
        (LINK, b"through".to_vec(), link("job.yaml/x")),
        (LINK, b"whole".to_vec(), link(".")),
    ];
    // The last one leads to the file by so many links as its number says, and one more.
    for number in 0..=40 {
        let target = if number == 0 { "job.yaml".to_owned() } else { format!("z{:02}", number - 1) };
        entries.push((LINK, format!("z{number:02}").into_bytes(), link(&target)));
    }
    let entries: Vec<_> = entries.iter().map(|(mode, name, id)| (*mode, name.as_slice(), *id)).collect();
    let tree = forge.files(forge.tree(&entries));
    for (path, content) in [
        ("job.yaml", "job"),
        ("around", "job"),
        ("below", "inner"),
        ("folder/inner.yaml", "inner"),
        ("folder/back", "job"),
        ("whole/whole/job.yaml", "job"),
        ("z39", "job"),
    ] {
        assert_eq!(read(&tree, path).as_deref(), Ok(content), "{path}");
    }
    for path in ["absolute", "far", "out", "sub/climb", "folder/climb"] {
        assert_refused(&tree, path, LEAVES);
    }
    for path in ["loop", "ping", "pong", "loop/job.yaml", "z40"] {
        assert_refused(&tree, path, CIRCLE);
    }
    for path in ["none.yaml", "nowhere", "through", "job.yaml/x", "sub/job.yaml", "folder/none.yaml", "job.yam"] {
        assert_refused(&tree, path, "does not exist");
    }
    assert_refused(&tree, "sub", "is a folder");
    assert_refused(&tree, "whole", "is a folder");
    assert_refused(&tree, "empty", "is a symbolic link to nothing");
    assert_refused(&tree, "no-text", "is a symbolic link to a name that is no text");
    assert_refused(&tree, "long", "is a symbolic link to a name of more than 4096 bytes");
}

#[test]
fn links_that_multiply_end_soon() {
    let Some(forge) = Forge::new() else { return };
    // Each doubles the way: 2^30 names, were they all gone through.
    let mut entries: Vec<(String, ObjectId)> = vec![("a00".to_owned(), forge.blob("."))];
    for number in 1..=30 {
        let before = format!("a{:02}", number - 1);
        entries.push((format!("a{number:02}"), forge.blob(format!("{before}/{before}"))));
    }
    let entries: Vec<_> = entries.iter().map(|(name, id)| (LINK, name.as_bytes(), *id)).collect();
    assert_refused(&forge.files(forge.tree(&entries)), "a30", CIRCLE);
    // And names that are many, but fit into one link.
    let entries =
        [(LINK, &b"wide"[..], forge.blob("./".repeat(2047))), (LINK, b"wider", forge.blob("wide/".repeat(819)))];
    assert_refused(&forge.files(forge.tree(&entries)), "wider", CIRCLE);
}

#[test]
fn submodules_are_not_entered() {
    let Some(forge) = Forge::new() else { return };
    let elsewhere = ObjectId::from_hex(&[b'7'; 40]).expect("an id");
    let modules = "[submodule \"module\"]\n\tpath = module\n\turl = ext::sh -c touch% /tmp/owned\n";
    let tree = forge.files(forge.tree(&[
        (FILE, b".gitmodules", forge.blob(modules)),
        (FILE, b"job.yaml", forge.blob("job")),
        (LINK, b"link", forge.blob("module/job.yaml")),
        (MODULE, b"module", elsewhere),
    ]));
    assert_eq!(read(&tree, "job.yaml").as_deref(), Ok("job"));
    for path in ["module", "module/job.yaml", "link"] {
        assert_refused(&tree, path, IN_MODULE);
    }
}

#[test]
fn names_that_git_forbids_lead_nowhere() {
    let Some(forge) = Forge::new() else { return };
    let evil = forge.blob("evil");
    let sub = forge.tree(&[(FILE, b"..", evil), (LINK, b"up", forge.blob("../job.yaml"))]);
    let tree = forge.files(forge.tree(&[
        (FILE, b"", evil),
        (FILE, b".", evil),
        (FOLDER, b"..", forge.tree(&[(FILE, b"job.yaml", evil)])),
        (FOLDER, b".git", forge.tree(&[(FILE, b"config", evil)])),
        (FILE, b"/etc/hostname", evil),
        (FILE, b"a\nb.yaml", evil),
        (FILE, b"folder/job.yaml", evil),
        (FILE, b"job.yaml", forge.blob("job")),
        (FOLDER, b"sub", sub),
        (FILE, b"t\xc3\xa4glich.yaml", forge.blob("daily")),
        (FILE, b"\xff\xfe.yaml", evil),
    ]));
    assert_eq!(read(&tree, "job.yaml").as_deref(), Ok("job"));
    assert_eq!(read(&tree, "sub/up").as_deref(), Ok("job"), "the folder above, and not what is called so");
    assert_eq!(read(&tree, "täglich.yaml").as_deref(), Ok("daily"));
    assert_refused(&tree, "../job.yaml", LEAVES);
    for path in ["folder/job.yaml", "/etc/hostname", "sub/../folder/job.yaml", "\u{fffd}\u{fffd}.yaml"] {
        assert_refused(&tree, path, "does not exist");
    }
}

#[test]
fn of_two_entries_of_one_name_it_is_the_one_that_git_takes() {
    let Some(forge) = Forge::new() else { return };
    let (one, other) = (forge.blob("one"), forge.blob("other"));
    let root = forge.tree(&[(FILE, b"job.yaml", one), (FILE, b"job.yaml", other), (LINK, b"job.yaml", other)]);
    let commit = forge.commit(root);
    assert_eq!(
        read(&forge.files(root), "job.yaml"),
        Ok(forge.run(&["cat-file", "blob", &format!("{commit}:job.yaml")], b""))
    );
}

#[test]
fn entries_that_are_not_what_they_say_are_refused() {
    let Some(forge) = Forge::new() else { return };
    let (blob, missing) = (forge.blob("job"), ObjectId::from_hex(&[b'7'; 40]).expect("an id"));
    let folder = forge.tree(&[(FILE, b"job.yaml", blob)]);
    let tree = forge.files(forge.tree(&[
        (FILE, b"a", folder),
        (LINK, b"b", folder),
        (FOLDER, b"c", blob),
        (FOLDER, b"d", missing),
        (FILE, b"e", missing),
        ("100600", b"f", blob),
        ("100777", b"g", blob),
    ]));
    for path in ["a", "b", "c/job.yaml"] {
        assert!(
            read(&tree, path).is_err_and(|why| why.contains("cannot be read: object")),
            "{path}: {:?}",
            read(&tree, path)
        );
    }
    assert_refused(&tree, "d/job.yaml", "is in a folder that is not in what the server sent");
    assert_refused(&tree, "e", "is larger than 1000 bytes, or missing");
    assert_eq!(read(&tree, "f").as_deref(), Ok("job"));
    assert_eq!(read(&tree, "g").as_deref(), Ok("job"));
}

#[rstest]
#[case::garbage(b"\xff\xff\xff\xff")]
#[case::without_an_id(b"100644 job.yaml\0")]
#[case::with_half_an_id(b"100644 job.yaml\0\x01\x02")]
#[case::without_an_end(b"100644 job.yaml")]
#[case::of_another_mode(
    b"999999999999999999 job.yaml\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14"
)]
fn folders_that_are_none_are_refused(#[case] raw: &[u8]) {
    let Some(forge) = Forge::new() else { return };
    let broken = forge.object("tree", raw);
    let error = forge.open(forge.commit(broken)).err().expect("refused");
    assert_eq!(error.fault, Fault::Malformed);
    assert!(error.message.contains("the top folder of commit") && error.message.contains("cannot be read"), "{error}");
    let tree = forge.files(forge.tree(&[(FILE, b"job.yaml", forge.blob("job")), (FOLDER, b"sub", broken)]));
    assert_eq!(read(&tree, "job.yaml").as_deref(), Ok("job"));
    assert!(read(&tree, "sub/job.yaml").is_err_and(|why| why.starts_with("is in a folder that cannot be read")));
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_inflated() {
    let Some(forge) = Forge::new() else { return };
    // More than any object may take: to inflate it would be refused in other words.
    let large = forge.blob(vec![0; 300 << 20]);
    let tree = forge.files(forge.tree(&[(FILE, b"job.yaml", large), (FILE, b"small.yaml", forge.blob("job"))]));
    assert_refused(&tree, "job.yaml", "is larger than 1000 bytes");
    assert_eq!(read(&tree, "small.yaml").as_deref(), Ok("job"));
    assert!(tree.read("small.yaml", 3).is_ok());
    assert!(tree.read("small.yaml", 2).is_err());
}

#[test]
fn one_file_of_very_many_is_read() {
    let Some(forge) = Forge::new() else { return };
    let job = forge.blob("job");
    let names: Vec<String> = (0..100_000).map(|number| format!("function-{number:06}-with-a-name.yaml")).collect();
    let entries: Vec<_> = names.iter().map(|name| (FILE, name.as_bytes(), job)).collect();
    let tree = forge.files(forge.tree(&entries));
    assert_eq!(read(&tree, &names[99_999]).as_deref(), Ok("job"));
    assert_refused(&tree, "function-100000-with-a-name.yaml", "does not exist");
}

#[test]
fn folders_in_folders_are_walked_as_deep_as_they_are() {
    let Some(forge) = Forge::new() else { return };
    let deep = (0..200)
        .fold(forge.tree(&[(FILE, b"job.yaml", forge.blob("job"))]), |inner, _| forge.tree(&[(FOLDER, b"d", inner)]));
    let tree = forge.files(deep);
    assert_eq!(read(&tree, &format!("{}job.yaml", "d/".repeat(200))).as_deref(), Ok("job"));
    assert_refused(&tree, &format!("{}job.yaml", "d/".repeat(199)), "does not exist");
}

#[test]
fn what_a_commit_says_of_itself_is_bounded() {
    let Some(forge) = Forge::new() else { return };
    let root = forge.tree(&[(FILE, b"job.yaml", forge.blob("job"))]);
    let open = |person: &str, message: &[u8]| {
        let tree = forge.open(forge.object("commit", &commit(root, person, message))).expect("a commit");
        assert_eq!(read(&tree, "job.yaml").as_deref(), Ok("job"));
        tree.commit
    };
    let huge = open("Ada <ada@example.org> 1700000000 +0100", "é".repeat(5_000_000).as_bytes());
    assert_eq!(huge.subject, "é".repeat(200));
    let strange = open("A\x07da\x1b[31m <> 1700000000 +0100", b"\xff\xfe \0 text\r\nmore");
    assert_eq!(strange.subject, "\u{fffd}\u{fffd} \0 text");
    assert_eq!(strange.author, "A\x07da\x1b[31m");
    assert_eq!(open(&format!("{} <ada@example.org> 0 +0000", "a".repeat(10_000)), b"").author, "a".repeat(200));
    for time in ["99999999999999999 +0100", "-99999999999 +9999", "1700000000 +99999", "9223372036854775807 +0000", ""]
    {
        let commit = open(&format!("Ada <ada@example.org> {time}"), b"Begin");
        assert_eq!(commit.subject, "Begin", "{time}");
    }
    assert_eq!(open("Ada <ada@example.org> 1700000000 +0100", b"").subject, "");
    assert_eq!(open("Ada <ada@example.org> 1700000000 +0100", b"\n\n\n").subject, "");
}

#[test]
fn a_commit_may_have_headers_of_any_kind() {
    let Some(forge) = Forge::new() else { return };
    let root = forge.tree(&[(FILE, b"job.yaml", forge.blob("job"))]);
    let person = "Ada <ada@example.org> 1700000000 +0100";
    for headers in [
        "encoding \u{7f}\n".to_owned(),
        "encoding UTF-7\nx y\n".to_owned(),
        format!("big {}\n", "z\n ".repeat(100_000)),
        "HG:extra a\n".to_owned(),
    ] {
        let raw = format!("tree {root}\nauthor {person}\ncommitter {person}\n{headers}\nBegin\n");
        let tree = forge.open(forge.object("commit", raw.as_bytes()));
        assert!(tree.is_ok_and(|tree| tree.commit.subject == "Begin"), "{headers:.40}");
    }
}

#[test]
fn commits_without_files_that_can_be_read_are_refused() {
    let Some(forge) = Forge::new() else { return };
    let blob = forge.blob("job");
    let missing = ObjectId::from_hex(&[b'7'; 40]).expect("an id");
    let person = "Ada <ada@example.org> 1700000000 +0100";
    let own = forge.commit(forge.tree(&[]));
    for (raw, why) in [
        (commit(missing, person, b"Begin\n"), "is not in what the server sent"),
        (commit(blob, person, b"Begin\n"), "is a blob, not a tree"),
        (commit(own, person, b"Begin\n"), "is a commit, not a tree"),
        (b"".to_vec(), "cannot be read"),
        (b"tree 1234\n".to_vec(), "cannot be read"),
        (format!("author {person}\ncommitter {person}\n\nBegin\n").into_bytes(), "cannot be read"),
        (vec![0xff; 1000], "cannot be read"),
    ] {
        let error = forge.open(forge.object("commit", &raw)).err().expect("refused");
        assert_eq!(error.fault, Fault::Malformed);
        assert!(error.message.contains(why), "{error}");
    }
}

#[test]
fn tags_lead_to_a_commit_or_nowhere() {
    let Some(forge) = Forge::new() else { return };
    let blob = forge.blob("job");
    let commit = forge.commit(forge.tree(&[(FILE, b"job.yaml", blob)]));
    let tag = |target: ObjectId, kind: &str| {
        let raw =
            format!("object {target}\ntype {kind}\ntag v1\ntagger Ada <ada@example.org> 1700000000 +0100\n\nOne\n");
        forge.object("tag", raw.as_bytes())
    };
    let ten = (0..9).fold(tag(commit, "commit"), |inner, _| tag(inner, "tag"));
    assert_eq!(read(&forge.open(ten).expect("a commit"), "job.yaml").as_deref(), Ok("job"));
    for (tip, why) in [
        (tag(ten, "tag"), "a tag of a tag of a tag"),
        (tag(blob, "blob"), "no commit and no tag of one"),
        (tag(blob, "commit"), "no commit and no tag of one"),
        (tag(ObjectId::from_hex(&[b'7'; 40]).expect("an id"), "commit"), "is not in what the server sent"),
        (forge.object("tag", b"object x\n"), "cannot be read"),
        (blob, "no commit and no tag of one"),
        (forge.tree(&[]), "no commit and no tag of one"),
    ] {
        let error = forge.open(tip).err().expect("refused");
        assert_eq!(error.fault, Fault::Malformed);
        assert!(error.message.contains(why), "{error}");
    }
}

/// A folder as a fetch leaves it, with these packs.
fn shelf_of(folder: &Path, tip: ObjectId, packs: &[(OsString, Vec<u8>)]) -> Shelf {
    drop(fs::remove_dir_all(folder));
    fs::create_dir_all(folder.join("1/pack")).expect("created");
    for (name, content) in packs {
        fs::write(folder.join("1/pack").join(name), content).expect("written");
    }
    fs::write(folder.join("1/tip"), format!("{tip}\n")).expect("written");
    Shelf::open(folder.to_owned()).expect("opened")
}

#[test]
fn packs_that_a_disk_changed_are_noticed_and_give_nothing_wrong() {
    let Some(forge) = Forge::new() else { return };
    let job = "a line of a manifest\n".repeat(20);
    let other = format!("{job}and more");
    let sub = forge.tree(&[(FILE, b"job.yaml", forge.blob(&job)), (FILE, b"other.yaml", forge.blob(&other))]);
    let tip = forge.commit(forge.tree(&[(FOLDER, b"sub", sub)]));
    let (_, packs) = forge.packed(tip);
    let entries = fs::read_dir(packs).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut packs: Vec<_> = entries.map(|entry| (entry.file_name(), fs::read(entry.path()).expect("a file"))).collect();
    let folder = forge.folder.path().join("damaged");
    let mut noticed = 0;
    for file in 0..packs.len() {
        for at in (0..packs[file].1.len()).step_by(3) {
            packs[file].1[at] ^= 0x10;
            let mut shelf = shelf_of(&folder, tip, &packs);
            packs[file].1[at] ^= 0x10;
            let Some((objects, found)) = shelf.current() else {
                noticed += 1;
                continue;
            };
            let seen =
                Tree::at(objects, found).map(|tree| (read(&tree, "sub/job.yaml"), read(&tree, "sub/other.yaml")));
            if let Ok((Ok(first), Ok(second))) = seen {
                assert_eq!((first, second), (job.clone(), other.clone()));
            } else {
                noticed += 1;
                assert!(shelf.current().is_none(), "byte {at} of {:?}, and it goes on: {seen:?}", packs[file].0);
            }
        }
    }
    assert!(noticed > 20, "{noticed}");
}
