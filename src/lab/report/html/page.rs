//! Text into HTML: escaping, and the template's blanks.

use serde_json::Value;

const TEMPLATE: &str = include_str!("page.html");

/// `text` for use between tags and inside quoted attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

/// `value` for a `<script type="application/json">`, which no text inside can end.
pub fn script_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The page: every `{{name}}` of the template replaced by its part, once; what a part holds stays as it is.
pub fn fill(parts: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut rest = TEMPLATE;
    while let Some((before, blank)) = rest.split_once("{{") {
        let (name, after) = blank.split_once("}}").unwrap_or((blank, ""));
        let part = parts.iter().find(|(known, _)| *known == name);
        page += before;
        page += part.map_or("", |(_, text)| text);
        rest = after;
    }
    page + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_markup_is_text() {
        assert_eq!(
            escape("<a href='x'>&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"
        );
        let value = Value::from("</script><!--&");
        let json = script_json(&value);
        assert!(!json.contains(['<', '>', '&']), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }

    #[test]
    fn parts_are_not_looked_into() {
        let page = fill(&[("lead", "{{script}}"), ("script", "once")]);
        assert_eq!((page.matches("{{script}}").count(), page.matches("once").count()), (1, 1));
    }
}
