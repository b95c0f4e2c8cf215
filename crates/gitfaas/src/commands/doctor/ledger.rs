//! The ledger in the data folder.

use std::path::Path;

use gitfaas_server::store::embedded;

use super::Finding;

const CHECK: &str = "ledger";

/// How it is, and whether a server has it open.
pub(super) fn look(data: &Path) -> (Finding, bool) {
    match embedded::inspect(data) {
        Ok(None) => (Finding::ok(CHECK, "there is none yet: it is made when a server starts"), false),
        Ok(Some(found)) => {
            let used = if found.in_use { ", in use by a server" } else { "" };
            let contents = found.contents;
            let finding = match (found.damage, found.loss) {
                (Some(damage), _) => Finding::fail(CHECK, format!("it is damaged: {damage}"))
                    .help("stop the server, move the ledger away, and restore a backup: gitfaas restore FILE"),
                (None, Some(loss)) => Finding::fail(
                    CHECK,
                    format!("it has lost what was acknowledged: {}", loss.replace('\n', "; ")),
                )
                .help(format!(
                    "what is left is served: publish again what is missing, or restore a backup: gitfaas restore FILE; \
                         then remove {}",
                    data.join("ledger.loss").display()
                )),
                (None, None) => Finding::ok(
                    CHECK,
                    format!(
                        "version {}, {} requests, {} runs, {} KiB, whole{used}",
                        contents.version,
                        contents.requests,
                        contents.runs,
                        contents.bytes >> 10
                    ),
                ),
            };
            (finding, found.in_use)
        }
        Err(error) => (Finding::fail(CHECK, error.to_string()), false),
    }
}
