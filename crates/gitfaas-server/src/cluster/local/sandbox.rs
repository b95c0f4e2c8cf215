//! Volumes at their mount paths, by bubblewrap: what it is told, and whether it works on this machine.
//!
//! The function sees this machine as it is, with volumes where the manifest wants them. Nothing is made on the machine
//! for that: the root is an empty file system in memory, into which each entry of the real root is bound; and where a
//! mount path does not exist, the deepest folder of it that does is replaced in the same way.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Each entry of a replaced folder is a mount of its own; more than these make starting too slow.
const MOST_ENTRIES: usize = 4096;

/// A folder of this machine at a place in the function's file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bind {
    /// Where the function sees it.
    pub(super) at: PathBuf,
    /// What it sees there.
    pub(super) from: PathBuf,
    pub(super) read_only: bool,
}

/// Bubblewrap, tried out when it is first needed.
#[derive(Debug)]
pub(super) struct Sandbox {
    program: Option<PathBuf>,
    verdict: OnceLock<Result<(), String>>,
}

impl Sandbox {
    /// With the program at this path; `None` where there is none.
    pub(super) fn new(program: Option<PathBuf>) -> Self {
        Self { program, verdict: OnceLock::new() }
    }

    /// The program, if it really works here; otherwise why not and what to do.
    pub(super) fn program(&self) -> Result<&Path, String> {
        let Some(program) = &self.program else {
            let what = "volumes are mounted by bubblewrap, which is not installed: `apt install bubblewrap`";
            return Err(what.to_owned());
        };
        self.verdict.get_or_init(|| try_out(program)).clone().map(|()| program.as_path())
    }
}

/// User namespaces can be forbidden in many ways; only running it tells.
fn try_out(program: &Path) -> Result<(), String> {
    let refused = |what: &dyn std::fmt::Display| {
        format!(
            "volumes are mounted by bubblewrap, which does not work on this machine ({}): {what}",
            program.display()
        )
    };
    let probe = [Bind { at: "/gitfaas-probe".into(), from: "/".into(), read_only: true }];
    let arguments = arguments(&probe, Path::new("/gitfaas-probe")).map_err(|error| refused(&error))?;
    let output = Command::new(program)
        .args(arguments)
        .args(["--", "/bin/sh", "-c", "exit 0"])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| refused(&error))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(refused(&said.trim())) }
}

/// What to tell bubblewrap before the command, for these binds and working folder.
pub(super) fn arguments(binds: &[Bind], dir: &Path) -> io::Result<Vec<String>> {
    let binds = resolved(binds)?;
    let mut arguments: Vec<String> = ["--die-with-parent", "--unshare-pid"].map(str::to_owned).to_vec();
    replace(&mut arguments, Path::new("/"))?;
    let mut replaced = BTreeSet::from([PathBuf::from("/")]);
    let mut bound: Vec<&Path> = Vec::new();
    // Outer ones first, so that an inner one lies on top.
    for bind in &binds {
        let in_volume = bound.iter().any(|outer| bind.at.starts_with(outer));
        if !in_volume
            && let Some(parent) = missing_below(&bind.at)
            && replaced.insert(parent.clone())
        {
            arguments.extend(["--tmpfs".to_owned(), text(&parent)?]);
            replace(&mut arguments, &parent)?;
        }
        let how = if bind.read_only { "--ro-bind" } else { "--bind" };
        arguments.extend([how.to_owned(), text(&bind.from)?, text(&bind.at)?]);
        bound.push(&bind.at);
    }
    arguments.extend(["--chdir".to_owned(), text(dir)?]);
    Ok(arguments)
}

/// With every place spelled without symbolic links, as mounts need it; outer places first.
fn resolved(binds: &[Bind]) -> io::Result<Vec<Bind>> {
    let mut binds = binds.to_vec();
    for bind in &mut binds {
        bind.at = real(&bind.at)?;
    }
    binds.sort();
    Ok(binds)
}

/// `path` with the part of it that exists spelled without symbolic links.
fn real(path: &Path) -> io::Result<PathBuf> {
    let exists = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let rest = path.strip_prefix(exists).map_err(io::Error::other)?;
    Ok(if rest.as_os_str().is_empty() { exists.canonicalize()? } else { exists.canonicalize()?.join(rest) })
}

/// The deepest folder above `path` that exists, if `path` does not.
fn missing_below(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return None;
    }
    path.ancestors().skip(1).find(|ancestor| ancestor.is_dir()).map(Path::to_owned)
}

/// Fills a folder that was replaced by an empty one with what really is in it.
fn replace(arguments: &mut Vec<String>, folder: &Path) -> io::Result<()> {
    let failed = |error: &io::Error| io::Error::new(error.kind(), format!("cannot list {}: {error}", folder.display()));
    let entries: Vec<fs::DirEntry> =
        fs::read_dir(folder).and_then(Iterator::collect).map_err(|error: io::Error| failed(&error))?;
    if entries.len() > MOST_ENTRIES {
        let what = format!("{} has {} entries; mount below a smaller folder", folder.display(), entries.len());
        return Err(io::Error::other(what));
    }
    for entry in entries {
        // What cannot be named in text is left out rather than named wrongly.
        let Ok(path) = text(&entry.path()) else { continue };
        let kind = entry.file_type()?;
        match path.as_str() {
            "/proc" => arguments.extend(["--proc".to_owned(), path]),
            "/dev" => arguments.extend(["--dev-bind".to_owned(), path.clone(), path]),
            _ if kind.is_symlink() => {
                arguments.extend(["--symlink".to_owned(), text(&entry.path().read_link()?)?, path]);
            }
            _ if kind.is_dir() || kind.is_file() || kind.is_socket() => {
                arguments.extend(["--bind-try".to_owned(), path.clone(), path]);
            }
            _ => {}
        }
    }
    Ok(())
}

fn text(path: &Path) -> io::Result<String> {
    let text = path.to_str();
    text.map(str::to_owned).ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> Sandbox {
        let path = std::env::var_os("PATH").expect("a PATH");
        Sandbox::new(std::env::split_paths(&path).map(|dir| dir.join("bwrap")).find(|program| program.exists()))
    }

    /// Runs a script with a volume at each of these places; what it printed.
    fn run(places: &[&Path], script: &str) -> String {
        let volume = tempfile::tempdir().expect("a folder");
        let binds: Vec<Bind> = places
            .iter()
            .enumerate()
            .map(|(index, at)| {
                let from = volume.path().join(index.to_string());
                fs::create_dir(&from).expect("a volume");
                fs::write(from.join("mark"), format!("{index}")).expect("a mark");
                Bind { at: at.to_path_buf(), from, read_only: index % 2 == 1 }
            })
            .collect();
        let sandbox = installed();
        let program = sandbox.program().expect("bubblewrap: `apt install bubblewrap`");
        let arguments = arguments(&binds, Path::new("/")).expect("arguments");
        let output = Command::new(program).args(arguments).args(["--", "sh", "-c", script]).output().expect("a run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn a_volume_below_a_folder_that_exists_leaves_its_neighbours_and_makes_nothing() {
        let host = tempfile::tempdir().expect("a folder");
        fs::write(host.path().join("neighbour"), "here").expect("a file");
        fs::create_dir(host.path().join("folder")).expect("a folder");
        std::os::unix::fs::symlink("neighbour", host.path().join("link")).expect("a link");
        let at = host.path().join("not/there");
        let script = format!("cd {} && cat not/there/mark neighbour link && ls", host.path().display());
        assert_eq!(run(&[&at], &script), "0hereherefolder\nlink\nneighbour\nnot\n");
        assert!(!host.path().join("not").exists(), "the mount point was made on the machine");
    }

    #[test]
    fn a_volume_at_the_root_makes_nothing_there() {
        let at = Path::new("/gitfaas-no-such-folder/data");
        assert_eq!(
            run(&[at], "cat /gitfaas-no-such-folder/data/mark; test -x /usr/bin/env && echo programs"),
            "0programs\n"
        );
        assert!(!Path::new("/gitfaas-no-such-folder").exists());
    }

    #[test]
    fn volumes_lie_in_each_other_beside_each_other_and_behind_links() {
        let host = tempfile::tempdir().expect("a folder");
        fs::create_dir(host.path().join("real")).expect("a folder");
        std::os::unix::fs::symlink(host.path().join("real"), host.path().join("link")).expect("a link");
        let places = ["a", "a/b/c", "d", "link/e"].map(|place| host.path().join(place));
        let script = format!("cd {} && cat a/mark a/b/c/mark d/mark real/e/mark", host.path().display());
        let places: Vec<&Path> = places.iter().map(PathBuf::as_path).collect();
        assert_eq!(run(&places, &script), "0123");
        assert_eq!(fs::read_dir(host.path().join("real")).expect("a listing").count(), 0);
    }

    #[test]
    fn a_read_only_volume_cannot_be_written() {
        let host = tempfile::tempdir().expect("a folder");
        let (writable, read_only) = (host.path().join("w"), host.path().join("r"));
        let script = format!(
            "touch {}/new && echo written; touch {}/new 2>/dev/null || echo refused",
            writable.display(),
            read_only.display()
        );
        assert_eq!(run(&[&writable, &read_only], &script), "written\nrefused\n");
    }

    #[test]
    fn a_machine_without_it_says_how_to_get_it() {
        let missing = Sandbox::new(None).program().map(Path::to_owned).expect_err("nothing is there");
        assert!(missing.contains("apt install bubblewrap"), "{missing}");
        let broken = Sandbox::new(Some("/bin/false".into())).program().map(Path::to_owned).expect_err("it fails");
        assert!(broken.contains("/bin/false"), "{broken}");
    }
}
