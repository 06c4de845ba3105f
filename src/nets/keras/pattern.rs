//! Names with `*` in them.

/// Whether `name` is one that `pattern` stands for: `*` is any text, and all else is itself.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut open) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match open.find(part) {
            Some(at) => open = &open[at + part.len()..],
            None => return false,
        }
    }
    open.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name) in [
            ("conv", "conv"),
            ("*", ""),
            ("base/*", "base/conv"),
            ("*conv*", "a/conv_1"),
            ("a*b*c", "abbc"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("conv", "conv_1"),
            ("base/*", "base"),
            ("a*a", "a"),
            ("*conv", "conv_1"),
            ("a*bb*b", "abb"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
