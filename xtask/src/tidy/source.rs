//! Reads the files that tidy looks at.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::Span;
use syn::{Attribute, Item, Meta};

use crate::Outcome;
use crate::failure::Context;
use crate::process;

/// Endings of files that hold text of ours.
const TEXT_ENDINGS: [&str; 8] = ["rs", "md", "toml", "yaml", "yml", "sh", "html", "sql"];

/// A file of the repository as text.
pub struct TextFile {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// A Rust file, read and parsed.
pub struct SourceFile {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
    /// What it means.
    pub syntax: syn::File,
    /// Whether another file declares it as `#[cfg(test)] mod …;`.
    is_test_module: bool,
}

impl SourceFile {
    /// Parses `text` as the file `path`.
    pub fn parse(path: impl Into<PathBuf>, text: String) -> Outcome<Self> {
        let path = path.into();
        let syntax = syn::parse_file(&text).context(|| format!("parse `{}`", path.display()))?;
        Ok(Self { path, text, syntax, is_test_module: false })
    }

    /// Returns whether the whole file is test code: it lies below `tests/`, is a test module of its own, or belongs to the
    /// crate that exists for tests only.
    pub fn is_test(&self) -> bool {
        let is_test_folder = |name: Option<&str>| matches!(name, Some("tests" | "chaos-testkit"));
        self.is_test_module || self.path.components().any(|part| is_test_folder(part.as_os_str().to_str()))
    }

    /// Returns the files that this one declares as test modules, whether or not they exist.
    fn test_modules(&self) -> Vec<PathBuf> {
        let folder = match self.path.file_stem().and_then(|stem| stem.to_str()) {
            Some("mod" | "lib" | "main") => self.path.with_file_name(""),
            _ => self.path.with_extension(""),
        };
        let declared = self.syntax.items.iter().filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() && is_test_code(&module.attrs) => {
                Some(module.ident.to_string())
            }
            _ => None,
        });
        declared
            .flat_map(|name| [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")])
            .collect()
    }
}

/// Returns every Rust file that git knows or would add.
pub fn rust_files(root: &Path) -> Outcome<Vec<SourceFile>> {
    let mut files = text_files(root)?
        .into_iter()
        .filter(|file| file.path.extension().is_some_and(|ending| ending == "rs"))
        .map(|file| SourceFile::parse(file.path, file.text))
        .collect::<Outcome<Vec<_>>>()?;
    let test_modules: HashSet<PathBuf> = files.iter().flat_map(SourceFile::test_modules).collect();
    for file in &mut files {
        file.is_test_module = test_modules.contains(&file.path);
    }
    Ok(files)
}

/// Returns every text file that git knows or would add.
pub fn text_files(root: &Path) -> Outcome<Vec<TextFile>> {
    let listed = process::read(Command::new("git").current_dir(root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    listed
        .lines()
        .map(PathBuf::from)
        .filter(|path| {
            path.extension().is_some_and(|ending| TEXT_ENDINGS.iter().any(|known| ending == *known))
        })
        // A file that was just removed is still listed.
        .filter(|path| root.join(path).is_file())
        .map(|path| {
            let text =
                std::fs::read_to_string(root.join(&path)).context(|| format!("read `{}`", path.display()))?;
            Ok(TextFile { path, text })
        })
        .collect()
}

/// Returns the line that `span` begins in.
pub fn first_line(span: Span) -> usize {
    span.start().line
}

/// Returns whether these attributes make what follows test code: `#[test]`, `#[tokio::test]`, `#[cfg(test)]`.
pub fn is_test_code(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let last = attribute.path().segments.last().map(|segment| segment.ident.to_string());
        match (last.as_deref(), &attribute.meta) {
            (Some("test"), _) => true,
            (Some("cfg"), Meta::List(list)) => mentions_test(&list.tokens.to_string()),
            _ => false,
        }
    })
}

/// `cfg(test)` and `cfg(all(test, …))`, but not `cfg(not(test))`.
fn mentions_test(condition: &str) -> bool {
    !condition.contains("not") && condition.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
}

/// Returns the attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
