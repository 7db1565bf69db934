//! Names that are meant to be taken for something else: by a shell, an option parser, a list, a terminal, a regular expression.
//!
//! A name that was run as a command would make a file whose name begins with [`CANARY`].

/// How the name of every file begins that a name, run as a command, would make.
pub const CANARY: &str = "chaos-canary";

/// The names, relative to a directory; some are of a file in directories with such names.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    names.push("n".repeat(255));
    names.push("é".repeat(127));
    names.push("\u{1}b\n\u{1}a\n".to_owned());
    names
}

const NAMES: &[&str] = &[
    // Words and blanks.
    "a b",
    " leading",
    "trailing ",
    "  ",
    "\t",
    "a\tb",
    "a\nb",
    "\n",
    "\nleading",
    "trailing\n",
    "a\n\nb",
    "a\rb",
    "\r\n",
    "\u{b}\u{c}",
    // Commands.
    "; touch /tmp/chaos-canary-1",
    "$(touch /tmp/chaos-canary-2)",
    "`touch /tmp/chaos-canary-3`",
    "| touch /tmp/chaos-canary-4",
    "&& touch /tmp/chaos-canary-5",
    "& touch /tmp/chaos-canary-6 &",
    "> /tmp/chaos-canary-7",
    "\ntouch /tmp/chaos-canary-8\n",
    "'; touch /tmp/chaos-canary-9; '",
    "\"; touch /tmp/chaos-canary-10; \"",
    "'$(touch /tmp/chaos-canary-11)'",
    "\"$(touch /tmp/chaos-canary-12)\"",
    "'\"'\"'; touch /tmp/chaos-canary-13; '\"'\"'",
    "$(($(touch /tmp/chaos-canary-14)))",
    "<(touch /tmp/chaos-canary-15)",
    "\\'; touch /tmp/chaos-canary-16; \\'",
    "|| touch /tmp/chaos-canary-17",
    "() { :; }; touch /tmp/chaos-canary-18",
    "a[$(touch /tmp/chaos-canary-19)]",
    "'\n; touch /tmp/chaos-canary-20\n'",
    // Options.
    "-rf",
    "--",
    "-",
    "--no-preserve-root",
    "--reference=passwd",
    "-e touch",
    "--help",
    "-n",
    // Expansions.
    "*",
    "?",
    "[a-z]*",
    "{a,b}",
    "~",
    "~root",
    "$HOME",
    "${HOME}",
    "$IFS",
    "${IFS}x",
    "$$",
    "$0",
    "$@",
    "!!",
    "!x",
    "%n%s%d",
    "%%",
    "$(x",
    "${",
    "$'\\n'",
    "\\n",
    "\\",
    "\\\\",
    "\\040",
    "a\\",
    "^x^y",
    // Quotes.
    "'",
    "''",
    "\"",
    "\"\"",
    "it's",
    "say \"x\"",
    "'\"`",
    "`",
    "``",
    // What our own scripts write and read.
    "conflict=1|gone",
    "restored=999",
    "EOF",
    "WATCH",
    "}",
    "undo",
    "exit 1",
    "done",
    "2049:1:0:0:81a4",
    "0",
    "1|x",
    "=",
    "a=b",
    "#x",
    "#!/bin/sh",
    // Terminals and text.
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "\u{8}\u{8}",
    "\u{202e}txt.exe",
    "\u{200b}",
    "naïve",
    "日本語",
    "🐒",
    "e\u{301}",
    "\u{feff}bom",
    // Dots.
    "...",
    "..x",
    ".hidden",
    "x.",
    "a..b",
];
