//! `$(NAME)` in commands, arguments and environment values, as Kubernetes replaces it.

/// Replaces each `$(NAME)` that `lookup` knows; `$$` stands for `$`, and what is not known stays as it is.
pub(super) fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::known("a $(VAR) b", "a value b")]
    #[case::twice("$(VAR)$(VAR)", "valuevalue")]
    #[case::unknown("$(OTHER)", "$(OTHER)")]
    #[case::escaped("$$(VAR)", "$(VAR)")]
    #[case::escaped_before_known("$$$(VAR)", "$value")]
    #[case::escaped_twice("$$$$(VAR)", "$$(VAR)")]
    #[case::shell_is_left_alone("$VAR ${VAR} $1 $", "$VAR ${VAR} $1 $")]
    #[case::not_closed("$(VAR", "$(VAR")]
    #[case::empty_name("$()", "$()")]
    #[case::value_is_not_expanded_again("$(NESTED)", "$(VAR)")]
    fn references_are_replaced_as_kubernetes_does(#[case] text: &str, #[case] expanded: &str) {
        let lookup = |name: &str| match name {
            "VAR" => Some("value"),
            "NESTED" => Some("$(VAR)"),
            _ => None,
        };
        assert_eq!(expand(text, lookup), expanded);
    }
}
