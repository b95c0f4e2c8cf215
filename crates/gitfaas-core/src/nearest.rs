//! The names a person probably meant.

/// At most three of `known` that are close to `given`, the closest first.
///
/// Case does not count, and a name of n characters may differ in a third of them, so that `colect` finds `collect`
/// and nothing finds `x`.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // Comparing is quadratic in length: what nobody could have meant is not compared.
    if given.len() > 256 {
        return Vec::new();
    }
    let given = given.to_lowercase();
    let mut close: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let distance = strsim::osa_distance(&given, &name.to_lowercase());
            let allowed = given.chars().count().max(name.chars().count()) / 3;
            (distance <= allowed.max(1) && distance < name.chars().count()).then_some((distance, name))
        })
        .collect();
    close.sort_unstable();
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `did you mean …?` for [`nearest`] names, empty when there are none.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names = nearest(given, known);
    if names.is_empty() {
        return None;
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Some(format!("did you mean {}?", quoted.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_comes_first() {
        let known = ["convert", "collect", "collected", "audit"];
        assert_eq!(nearest("colect", known), ["collect", "collected"]);
        assert_eq!(nearest("COLLECT", known), ["collect", "collected"]);
    }

    #[test]
    fn what_is_far_is_not_proposed() {
        assert!(nearest("x", ["collect", "y"]).is_empty());
        assert!(nearest(&"c".repeat(10_000), ["collect"]).is_empty());
        assert_eq!(did_you_mean("zzz", ["collect"]), None);
        assert_eq!(did_you_mean("audti", ["audit"]).as_deref(), Some("did you mean `audit`?"));
    }
}
