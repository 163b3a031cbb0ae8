//! From the tokens of a function to those of the function that takes its place.
//!
//! Owns the text of the expansion, and how an error is shown. Does not own the grammar: see
//! `function` and `options`.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::function::Function;
use crate::options::Options;
use crate::template::fill;

/// Which of the two attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

/// The inner function keeps its name, so that it can call itself and shows up in backtraces as what
/// it is. It hides the outer one only from itself.
const MAIN: &str = "
    ATTRIBUTES VISIBILITY fn NAME() RETURN {
        ASYNC fn NAME() RETURN BODY
        match ANNULUS::runtime::Runtime::builder() SETTINGS .build() {
            ::core::result::Result::Ok(runtime) => runtime.block_on(NAME()),
            ::core::result::Result::Err(error) => {
                ::std::eprintln!(\"{error}\");
                ::std::process::exit(1)
            }
        }
    }
";

const TEST: &str = "
    #[::core::prelude::v1::test]
    ATTRIBUTES VISIBILITY fn NAME() RETURN {
        ASYNC fn NAME() RETURN BODY
        match ANNULUS::runtime::Runtime::builder() SETTINGS .build() {
            ::core::result::Result::Ok(runtime) => runtime.block_on(NAME()),
            ::core::result::Result::Err(error) => ::core::panic!(\"{error}\"),
        }
    }
";

/// A mistake in what the user wrote, and where.
pub(crate) struct Mistake {
    pub(crate) span: Span,
    pub(crate) message: String,
}

impl Mistake {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

pub(crate) fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    let stand_in = stand_in(&item);
    match try_expand(kind, options, item) {
        Ok(expansion) => expansion,
        Err(mistake) => {
            let mut tokens = compile_error(&mistake);
            tokens.extend(stand_in);
            tokens
        }
    }
}

fn try_expand(kind: Kind, options: TokenStream, item: TokenStream) -> Result<TokenStream, Mistake> {
    let options = Options::parse(options)?;
    let function = Function::parse(kind, item)?;
    let template = match kind {
        Kind::Main => MAIN,
        Kind::Test => TEST,
    };
    Ok(fill(
        template,
        &[
            ("ATTRIBUTES", function.attributes),
            ("VISIBILITY", function.visibility),
            ("ASYNC", function.keyword_async.into()),
            ("NAME", function.name.into()),
            ("RETURN", function.output),
            ("BODY", function.body.into()),
            ("ANNULUS", options.annulus),
            ("SETTINGS", options.settings),
        ],
    ))
}

/// An empty `main` in place of a wrong one, so that the mistake is the only error that is shown and
/// not also that the program has no `main`.
fn stand_in(item: &TokenStream) -> TokenStream {
    let mut previous_is_fn = false;
    for token in item.clone() {
        let TokenTree::Ident(ident) = token else {
            previous_is_fn = false;
            continue;
        };
        let word = ident.to_string();
        if previous_is_fn && word == "main" {
            return fill("fn NAME() {}", &[("NAME", TokenTree::from(ident).into())]);
        }
        previous_is_fn = word == "fn";
    }
    TokenStream::new()
}

/// `::core::compile_error! { "message" }`, all of it at the place of the mistake.
fn compile_error(mistake: &Mistake) -> TokenStream {
    let message = TokenTree::from(Literal::string(&mistake.message));
    let mut tokens = vec![
        TokenTree::from(Punct::new(':', Spacing::Joint)),
        TokenTree::from(Punct::new(':', Spacing::Alone)),
        TokenTree::from(Ident::new("core", mistake.span)),
        TokenTree::from(Punct::new(':', Spacing::Joint)),
        TokenTree::from(Punct::new(':', Spacing::Alone)),
        TokenTree::from(Ident::new("compile_error", mistake.span)),
        TokenTree::from(Punct::new('!', Spacing::Alone)),
        TokenTree::from(Group::new(Delimiter::Brace, message.into())),
    ];
    for token in &mut tokens {
        token.set_span(mistake.span);
    }
    tokens.into_iter().collect()
}
