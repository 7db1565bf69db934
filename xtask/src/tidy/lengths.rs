//! Files and functions that a reader can hold in mind.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Finding;
use super::source::{SourceFile, attributes, first_line, is_test_code};

/// Lines of a file without its tests.
const FILE_MAX: usize = 400;
/// Lines of a file with its tests.
const FILE_WITH_TESTS_MAX: usize = 500;
/// Lines of a function, from its name to its last brace. Tests tell a story and may be longer.
const FUNCTION_MAX: usize = 60;

/// Measures the file and each of its functions.
pub fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line, message| findings.push(Finding { file: file.path.clone(), line, message });
    let total = file.text.lines().count();
    let tests: usize = file
        .syntax
        .items
        .iter()
        .filter(|item| is_test_code(attributes(item)))
        .map(|item| lines(item.span()))
        .sum();
    if total > FILE_WITH_TESTS_MAX {
        find(0, format!("{total} lines, the limit is {FILE_WITH_TESTS_MAX}; split it"));
    } else if !file.is_test() && total - tests > FILE_MAX {
        find(0, format!("{} lines without tests, the limit is {FILE_MAX}; split it", total - tests));
    }
    if !file.is_test() {
        let mut functions = Functions::default();
        functions.visit_file(&file.syntax);
        for (line, name, length) in functions.long {
            find(line, format!("function `{name}` has {length} lines, the limit is {FUNCTION_MAX}"));
        }
    }
    findings
}

fn lines(span: Span) -> usize {
    span.end().line + 1 - span.start().line
}

/// Collects functions that are too long: line, name, length.
#[derive(Default)]
struct Functions {
    long: Vec<(usize, String, usize)>,
}

impl Functions {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = first_line(signature.span());
        let length = block.span().end().line + 1 - first;
        if length > FUNCTION_MAX {
            self.long.push((first, signature.ident.to_string(), length));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test_code(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: String) -> Vec<String> {
        check(&SourceFile::parse(path, text).unwrap()).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_long_function_is_found_and_a_long_test_is_not() {
        let body = "    let _ = 1;\n".repeat(60);
        let long = format!("fn long() {{\n{body}}}\n");
        assert_eq!(messages("a.rs", long.clone()), ["function `long` has 62 lines, the limit is 60"]);
        assert!(messages("a.rs", format!("#[test]\n{long}")).is_empty());
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_count_less() {
        let lines = "const _: u8 = 1;\n".repeat(410);
        assert_eq!(messages("a.rs", lines.clone()).len(), 1);
        assert!(messages("a.rs", format!("#[cfg(test)]\nmod tests {{\n{lines}}}\n")).is_empty());
    }
}
