//! The programs that the demo's functions call, looked for before anything is started.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::bail;

const NEEDED: [&str; 4] = ["sh", "python3", "curl", "gzip"];

/// Checks that all of them are on the `PATH`.
pub(super) fn check() -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = missing(&path);
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    bail!(
        "the demo's functions call programs that this machine has not: {missing} (on Debian: apt-get install {missing})"
    )
}

fn missing(path: &OsStr) -> Vec<&'static str> {
    let folders: Vec<_> = std::env::split_paths(path).collect();
    NEEDED.into_iter().filter(|program| !folders.iter().any(|folder| is_program(&folder.join(program)))).collect()
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_started_counts() {
        let dir = tempfile::tempdir().expect("a folder");
        for (program, mode) in [("sh", 0o755), ("curl", 0o644)] {
            let file = dir.path().join(program);
            std::fs::write(&file, "").expect("a file");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a mode");
        }
        std::fs::create_dir(dir.path().join("gzip")).expect("a folder");
        assert_eq!(missing(dir.path().as_os_str()), ["python3", "curl", "gzip"]);
    }
}
