//! `examples/pipeline`, carried in the program, so that the demo needs no clone of the repository.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Usage;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/pipeline/", $path)))),*]
    };
}

/// Path and contents of each file.
const FILES: &[(&str, &[u8])] = files![
    "README.md",
    "collect.yaml",
    "config.json",
    "convert.yaml",
    "data/harbour.csv.gz",
    "data/hilltop.csv.gz",
    "data/lakeside.csv.gz",
    "data/orchard.csv.gz",
    "data/valley.csv.gz",
    "functions/collect.py",
    "functions/convert.py",
    "functions/gitfaas.py",
    "functions/uncompress.sh",
    "message.json",
    "uncompress.yaml",
];

/// Puts the example into a folder that is empty or does not exist; one that has a `config.json` is left as it is.
///
/// # Errors
/// When the folder holds something else, or cannot be written.
pub(super) fn put(folder: &Path) -> anyhow::Result<()> {
    if folder.join("config.json").exists() {
        return Ok(());
    }
    let is_empty = match folder.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
    };
    if !is_empty {
        let folder = folder.display();
        return Err(
            Usage(format!("{folder} holds something else: give an empty folder, or one with a config.json")).into()
        );
    }
    for (path, contents) in FILES {
        let file = folder.join(path);
        write(&file, contents).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn write(file: &Path, contents: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn files_in(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in next.read_dir().expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).expect("it is inside").to_owned();
                    files.insert(name, std::fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }

    #[test]
    fn the_program_carries_the_example_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("new/folder");
        put(&folder).expect("it can be written");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pipeline");
        assert_eq!(files_in(&folder), files_in(&example));
    }

    #[test]
    fn what_is_somebody_elses_is_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("thesis.txt"), "text").expect("a file");
        assert!(put(dir.path()).expect_err("it is not empty").is::<Usage>());
        std::fs::write(dir.path().join("config.json"), "{}").expect("a file");
        put(dir.path()).expect("it is a folder of functions");
        assert_eq!(files_in(dir.path()).len(), 2);
    }
}
