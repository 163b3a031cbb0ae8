//! Text with holes, turned into tokens.
//!
//! Owns the substitution. What comes from the text resolves at the definition (names of variables
//! cannot clash with those of the user), what fills a hole keeps its own place in the source.

use proc_macro::{Group, Span, TokenStream, TokenTree};

/// Parses `template` and replaces each identifier that names a hole.
pub(crate) fn fill(template: &str, holes: &[(&str, TokenStream)]) -> TokenStream {
    match template.parse() {
        Ok(tokens) => substitute(tokens, holes),
        Err(error) => unreachable!("the template is not Rust: {error}"),
    }
}

fn substitute(tokens: TokenStream, holes: &[(&str, TokenStream)]) -> TokenStream {
    let mut filled = TokenStream::new();
    for mut token in tokens {
        if let TokenTree::Group(group) = &token {
            let inner = substitute(group.stream(), holes);
            token = Group::new(group.delimiter(), inner).into();
        }
        let hole = match &token {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                holes.iter().find(|(hole, _)| *hole == name)
            }
            _ => None,
        };
        match hole {
            Some((_, value)) => filled.extend(value.clone()),
            None => {
                token.set_span(Span::mixed_site());
                filled.extend([token]);
            }
        }
    }
    filled
}
