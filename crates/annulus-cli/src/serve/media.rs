//! From a file's name to its media type. The names come from `mime_guess`'s table.

use std::path::Path;

/// The type of a file by its name: text says that it is UTF-8, and what is unknown is bytes.
///
/// The table's text types are extended by a charset without being formatted anew for each
/// response: the few that are common are literals.
pub fn content_type(path: &Path) -> std::borrow::Cow<'static, str> {
    let guess = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    match guess {
        "text/html" => "text/html; charset=utf-8".into(),
        "text/css" => "text/css; charset=utf-8".into(),
        "text/plain" => "text/plain; charset=utf-8".into(),
        "text/javascript" => "text/javascript; charset=utf-8".into(),
        "application/javascript" => "application/javascript; charset=utf-8".into(),
        text if text.starts_with("text/") => format!("{text}; charset=utf-8").into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_types() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTML", "text/html; charset=utf-8"),
            ("a/b/style.css", "text/css; charset=utf-8"),
            ("main.js", "text/javascript; charset=utf-8"),
            ("data.json", "application/json"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("readme.md", "text/markdown; charset=utf-8"),
            ("image.svg", "image/svg+xml"),
            ("image.png", "image/png"),
            ("font.woff2", "font/woff2"),
            ("module.wasm", "application/wasm"),
            ("archive.tar.gz", "application/gzip"),
            ("Makefile", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("x.unheard-of", "application/octet-stream"),
            ("html/", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), expected, "{name}");
        }
    }
}
