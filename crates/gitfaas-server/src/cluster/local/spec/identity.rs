//! Who a process may be. Processes here are the user's own: what asks for somebody else's rights cannot be had.

use super::super::manifest::SecurityContext;
use super::{Checked, asks, unsupported};

pub(super) fn check(at: &str, context: &SecurityContext) -> Checked<()> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    for (field, asked, own) in [("runAsUser", context.run_as_user, user), ("runAsGroup", context.run_as_group, group)] {
        if asked.is_some_and(|asked| asked != i64::from(own)) {
            let what = format!("processes run as the one who started gitfaas ({own})");
            return Err(unsupported(&format!("{at}.{field}"), &what));
        }
    }
    let adds = context.capabilities.as_ref().and_then(|capabilities| capabilities.add.as_ref());
    let more = "the local cluster gives nobody more rights than its own";
    let refused = [
        (
            "runAsNonRoot",
            context.run_as_non_root == Some(true) && user == 0,
            "gitfaas was started by root; start it as another user",
        ),
        ("privileged", context.privileged == Some(true), more),
        ("capabilities.add", adds.is_some_and(|adds| !adds.is_empty()), more),
        ("sysctls", asks(context.sysctls.as_ref()), "the local cluster does not set kernel parameters"),
    ];
    match refused.iter().find(|(_, asked, _)| *asked) {
        Some((field, _, what)) => Err(unsupported(&format!("{at}.{field}"), what)),
        None => Ok(()),
    }
}
