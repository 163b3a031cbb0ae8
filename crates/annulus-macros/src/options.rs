//! The options of an attribute: `name = value, name = value`.
//!
//! Owns their grammar. Does not know the names: each is a method of the builder, and the compiler
//! says so, with the nearest name there is, if it is not.

use proc_macro::{Literal, Span, TokenStream, TokenTree};

use crate::expand::Mistake;
use crate::template::fill;

pub(crate) struct Options {
    /// The path of the crate.
    pub(crate) annulus: TokenStream,
    /// `.name(value)` for each option.
    pub(crate) settings: TokenStream,
}

impl Options {
    pub(crate) fn parse(options: TokenStream) -> Result<Self, Mistake> {
        let mut annulus = None;
        let mut settings = TokenStream::new();
        let mut seen: Vec<String> = Vec::new();
        let mut tokens = options.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let TokenTree::Ident(name) = token else {
                return Err(expected(token.span(), &token.to_string()));
            };
            match tokens.next() {
                Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => {}
                Some(other) => return Err(expected(other.span(), &other.to_string())),
                None => {
                    let message = format!("`{name}` needs a value: `{name} = …`");
                    return Err(Mistake::new(name.span(), message));
                }
            }
            let mut value = Vec::new();
            while let Some(token) = tokens.next_if(|token| !is_comma(token)) {
                value.push(token);
            }
            tokens.next();
            if value.is_empty() {
                let message = format!("`{name}` needs a value: `{name} = …`");
                return Err(Mistake::new(name.span(), message));
            }
            let word = name.to_string();
            if seen.contains(&word) {
                let message = format!("`{word}` is given twice");
                return Err(Mistake::new(name.span(), message));
            }
            if word == "crate" {
                annulus = Some(crate_path(value)?);
            } else {
                let holes = [
                    ("NAME", TokenTree::from(name).into()),
                    ("VALUE", value.into_iter().collect()),
                ];
                settings.extend(fill(".NAME(VALUE)", &holes));
            }
            seen.push(word);
        }
        Ok(Self { annulus: annulus.unwrap_or_else(|| fill("::annulus", &[])), settings })
    }
}

/// A path, bare or in a string as other attributes want it.
fn crate_path(value: Vec<TokenTree>) -> Result<TokenStream, Mistake> {
    let [TokenTree::Literal(literal)] = value.as_slice() else {
        return Ok(value.into_iter().collect());
    };
    let span = literal.span();
    let wrong = || Mistake::new(span, "`crate` takes a path: `crate = \"some::path\"`");
    let path: TokenStream = unquoted(literal).ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
    if path.is_empty() {
        return Err(wrong());
    }
    Ok(at(span, path))
}

/// The contents of a plain string literal; a path needs no escapes.
fn unquoted(literal: &Literal) -> Option<String> {
    let text = literal.to_string();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.to_owned())
}

fn at(span: Span, tokens: TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

fn expected(span: Span, found: &str) -> Mistake {
    Mistake::new(span, format!("expected an option such as `entries = 256`, found `{found}`"))
}
