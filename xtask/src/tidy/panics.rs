//! Outside tests nothing panics on purpose: no `unwrap`, `expect`, `panic!`, `todo!`, `unimplemented!`, `dbg!`.
//! A broken invariant is an `assert!` with a sentence.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Finding;
use super::source::{SourceFile, attributes, first_line, is_test_code};

const METHODS: [&str; 4] = ["unwrap", "expect", "unwrap_err", "expect_err"];
const MACROS: [&str; 4] = ["panic", "todo", "unimplemented", "dbg"];

/// Finds each of them.
pub fn check(file: &SourceFile) -> Vec<Finding> {
    if file.is_test() {
        return Vec::new();
    }
    let mut panics = Panics::default();
    panics.visit_file(&file.syntax);
    let finding = |(line, what)| Finding {
        file: file.path.clone(),
        line,
        message: format!(
            "`{what}` outside tests; return an error, or `assert!` an invariant with a sentence"
        ),
    };
    panics.found.into_iter().map(finding).collect()
}

#[derive(Default)]
struct Panics {
    found: Vec<(usize, String)>,
}

impl Panics {
    /// Code inside a macro call is not parsed, only tokens: `.unwrap (` and `panic !` are told by their shape.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(name) => {
                    let name_text = name.to_string();
                    let before = place.checked_sub(1).and_then(|place| tokens.get(place));
                    let is_method = is_mark(before, '.') && METHODS.contains(&name_text.as_str());
                    let is_macro =
                        is_mark(tokens.get(place + 1), '!') && MACROS.contains(&name_text.as_str());
                    if is_method || is_macro {
                        self.found.push((first_line(name.span()), name_text));
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

impl<'ast> Visit<'ast> for Panics {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test_code(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    // What fails in a const block fails when it is compiled.
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        // `self.expect(…)` is a method of the type's own: no `Option` or `Result` is implemented here.
        let is_own = matches!(&*call.receiver, syn::Expr::Path(path) if path.path.is_ident("self"));
        if METHODS.contains(&name.as_str()) && !is_own {
            self.found.push((first_line(call.method.span()), name));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.get_ident().map(ToString::to_string)
            && MACROS.contains(&name.as_str())
        {
            self.found.push((first_line(call.path.segments[0].ident.span()), format!("{name}!")));
        }
        self.scan(call.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&SourceFile::parse("a.rs", text.to_owned()).unwrap()).len()
    }

    #[test]
    fn panics_are_found_in_code_and_inside_macros() {
        assert_eq!(found("fn f() { Some(1).unwrap(); }"), 1);
        assert_eq!(found("fn f() { panic!(\"no\"); }"), 1);
        assert_eq!(found("fn f() { println!(\"{}\", Some(1).expect(\"one\")); }"), 1);
    }

    #[test]
    fn tests_and_kin_are_left_alone() {
        assert_eq!(found("#[cfg(test)] mod tests { fn f() { Some(1).unwrap(); } }"), 0);
        assert_eq!(found("fn f() -> u8 { const { Some(1).unwrap() } }"), 0);
        assert_eq!(found("fn f() { Some(1).unwrap_or(2); assert!(true, \"unwrap is a word here\"); }"), 0);
    }
}
