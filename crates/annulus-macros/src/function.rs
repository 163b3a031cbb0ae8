//! The function under an attribute, taken apart.
//!
//! Owns as much of the grammar of functions as it takes to find the parts:
//!
//! ```text
//! #[…]*  pub?  async fn name ( ) (-> type)? { … }
//! ```
//!
//! Whatever is inside of the parts is passed on unread. A list of parameters or a qualifier that is
//! not there in this picture is refused here, with the reason.

use std::iter::Peekable;

use proc_macro::token_stream::IntoIter;
use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use crate::expand::{Kind, Mistake};

pub(crate) struct Function {
    pub(crate) attributes: TokenStream,
    pub(crate) visibility: TokenStream,
    /// The `async` of the user, for its place in the source.
    pub(crate) keyword_async: TokenTree,
    pub(crate) name: TokenTree,
    /// `-> type`, or nothing.
    pub(crate) output: TokenStream,
    pub(crate) body: TokenTree,
}

type Tokens = Peekable<IntoIter>;

impl Function {
    pub(crate) fn parse(kind: Kind, item: TokenStream) -> Result<Self, Mistake> {
        let mut tokens = item.into_iter().peekable();
        let attributes = attributes(kind, &mut tokens)?;
        let visibility = visibility(&mut tokens);
        let keyword_async = qualifiers(kind, &mut tokens)?;
        let Some(name @ TokenTree::Ident(_)) = tokens.next() else {
            return Err(not_a_function(kind, Span::call_site()));
        };
        no_parameters(kind, &mut tokens, &name)?;
        let mut output: Vec<TokenTree> = tokens.collect();
        let body = output.pop().and_then(block);
        let Some(body) = body else {
            let message = format!("{} needs a body: `{{ … }}`", kind.attribute());
            return Err(Mistake::new(name.span(), message));
        };
        Ok(Self {
            attributes,
            visibility,
            keyword_async,
            name,
            output: output.into_iter().collect(),
            body,
        })
    }
}

impl Kind {
    fn attribute(self) -> &'static str {
        match self {
            Self::Main => "#[annulus::main]",
            Self::Test => "#[annulus::test]",
        }
    }
}

fn attributes(kind: Kind, tokens: &mut Tokens) -> Result<TokenStream, Mistake> {
    let mut attributes = TokenStream::new();
    while let Some(pound) = tokens.next_if(|token| is_punct(token, '#')) {
        let Some(TokenTree::Group(group)) = tokens.next() else {
            return Err(not_a_function(kind, pound.span()));
        };
        if kind == Kind::Test && group.stream().to_string() == "test" {
            let message = "`#[annulus::test]` takes the place of `#[test]`: remove one of them";
            return Err(Mistake::new(group.span(), message));
        }
        attributes.extend([pound, group.into()]);
    }
    Ok(attributes)
}

/// `pub`, `pub(…)`, or what a macro captured as `$vis`.
fn visibility(tokens: &mut Tokens) -> TokenStream {
    let mut visibility = TokenStream::new();
    if let Some(captured) = tokens.next_if(|token| group_of(token, Delimiter::None).is_some()) {
        visibility.extend([captured]);
    } else if let Some(keyword) = tokens.next_if(|token| is_word(token, "pub")) {
        visibility.extend([keyword]);
        visibility
            .extend(tokens.next_if(|token| group_of(token, Delimiter::Parenthesis).is_some()));
    }
    visibility
}

/// Everything up to and including `fn`, which must be `async fn`.
fn qualifiers(kind: Kind, tokens: &mut Tokens) -> Result<TokenTree, Mistake> {
    let mut keyword_async = None;
    for token in tokens.by_ref() {
        let word = match &token {
            TokenTree::Ident(ident) => ident.to_string(),
            _ => return Err(not_a_function(kind, token.span())),
        };
        match word.as_str() {
            "async" => keyword_async = Some(token),
            "fn" => {
                let message = format!("{}: the function must be `async`", kind.attribute());
                return keyword_async.ok_or_else(|| Mistake::new(token.span(), message));
            }
            "unsafe" | "const" | "extern" | "safe" => {
                let message = format!("{}: the function cannot be `{word}`", kind.attribute());
                return Err(Mistake::new(token.span(), message));
            }
            _ => return Err(not_a_function(kind, token.span())),
        }
    }
    Err(not_a_function(kind, Span::call_site()))
}

fn no_parameters(kind: Kind, tokens: &mut Tokens, name: &TokenTree) -> Result<(), Mistake> {
    match tokens.next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
            if group.stream().is_empty() {
                return Ok(());
            }
            let message = format!("{}: the function cannot take arguments", kind.attribute());
            Err(Mistake::new(group.span(), message))
        }
        Some(token) if is_punct(&token, '<') => {
            let message = format!("{}: the function cannot be generic", kind.attribute());
            Err(Mistake::new(token.span(), message))
        }
        _ => Err(not_a_function(kind, name.span())),
    }
}

/// The block of the function, also if a macro captured it as `$body`.
fn block(token: TokenTree) -> Option<TokenTree> {
    if group_of(&token, Delimiter::Brace).is_some() {
        return Some(token);
    }
    let mut inside = group_of(&token, Delimiter::None)?.stream().into_iter();
    match (inside.next(), inside.next()) {
        (Some(only), None) => block(only),
        _ => None,
    }
}

fn not_a_function(kind: Kind, span: Span) -> Mistake {
    let attribute = kind.attribute();
    Mistake::new(span, format!("{attribute} belongs on a function: `async fn name() {{ … }}`"))
}

fn group_of(token: &TokenTree, delimiter: Delimiter) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_word(token: &TokenTree, wanted: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == wanted)
}
