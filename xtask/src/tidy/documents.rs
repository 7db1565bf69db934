//! Every file opens with its purpose, and every public item says what it is.

use syn::visit::{self, Visit};
use syn::{Attribute, Visibility};

use super::Finding;
use super::source::{SourceFile, attributes, first_line, is_test_code};

/// Finds what is not documented. Test code needs an opening only.
pub fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") && !file.text.starts_with("#!") {
        let message = "open the file with its purpose as a `//!` comment".to_owned();
        findings.push(Finding { file: file.path.clone(), line: 1, message });
    }
    if !file.is_test() {
        let mut public = Public::default();
        public.visit_file(&file.syntax);
        findings.extend(public.bare.into_iter().map(|(line, name)| Finding {
            file: file.path.clone(),
            line,
            message: format!("public `{name}` has no doc comment"),
        }));
    }
    findings
}

/// Collects public items without a doc comment: line and name.
#[derive(Default)]
struct Public {
    bare: Vec<(usize, String)>,
}

impl Public {
    fn require(&mut self, visibility: &Visibility, attributes: &[Attribute], name: &syn::Ident) {
        if matches!(visibility, Visibility::Public(_)) {
            self.require_always(attributes, name);
        }
    }

    fn require_always(&mut self, attributes: &[Attribute], name: &syn::Ident) {
        if !attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
            self.bare.push((first_line(name.span()), name.to_string()));
        }
    }
}

impl<'ast> Visit<'ast> for Public {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test_code(attributes(item)) {
            return;
        }
        match item {
            syn::Item::Const(item) => self.require(&item.vis, &item.attrs, &item.ident),
            syn::Item::Fn(item) => self.require(&item.vis, &item.attrs, &item.sig.ident),
            syn::Item::Static(item) => self.require(&item.vis, &item.attrs, &item.ident),
            syn::Item::Struct(item) => self.require(&item.vis, &item.attrs, &item.ident),
            syn::Item::Type(item) => self.require(&item.vis, &item.attrs, &item.ident),
            // A module in a file of its own says so at the top of that file.
            syn::Item::Mod(item) if item.content.is_some() => {
                self.require(&item.vis, &item.attrs, &item.ident);
            }
            // What a trait asks for is as public as the trait, and the variants of an enum as the enum.
            syn::Item::Trait(item) if matches!(item.vis, Visibility::Public(_)) => {
                self.require_always(&item.attrs, &item.ident);
                for item in &item.items {
                    if let syn::TraitItem::Fn(function) = item {
                        self.require_always(&function.attrs, &function.sig.ident);
                    }
                }
            }
            syn::Item::Enum(item) if matches!(item.vis, Visibility::Public(_)) => {
                self.require_always(&item.attrs, &item.ident);
                for variant in &item.variants {
                    self.require_always(&variant.attrs, &variant.ident);
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.require(&field.vis, &field.attrs, name);
        }
        visit::visit_field(self, field);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.require(&function.vis, &function.attrs, &function.sig.ident);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let file = SourceFile::parse("a.rs", format!("//! Purpose.\n{text}")).unwrap();
        check(&file).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_public_item_without_a_doc_comment_is_found() {
        assert_eq!(messages("pub fn bare() {}"), ["public `bare` has no doc comment"]);
        assert_eq!(messages("/// E.\npub enum E { A }"), ["public `A` has no doc comment"]);
        assert_eq!(messages("/// S.\npub struct S { pub field: u8 }"), ["public `field` has no doc comment"]);
    }

    #[test]
    fn private_and_documented_items_are_fine() {
        assert!(messages("fn private() {}\n/// S.\npub struct S { private: u8 }").is_empty());
        assert!(messages("#[cfg(test)]\nmod tests { pub fn helper() {} }").is_empty());
    }

    #[test]
    fn a_file_without_a_purpose_is_found() {
        let file = SourceFile::parse("a.rs", "fn main() {}".to_owned()).unwrap();
        assert_eq!(check(&file).len(), 1);
    }
}
