//! Notes to oneself and paths of one machine do not belong in the repository.

use std::path::Path;

use super::Finding;

/// Marks of unfinished work, in two halves so that this file does not find itself.
const MARKS: [(&str, &str); 4] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("HA", "CK:")];
/// Folders that exist on one machine only.
const FOLDERS: [(&str, &str); 3] = [("/wo", "rk/"), ("/home", "/"), ("/Us", "ers/")];

/// Finds them in any text file.
pub fn check(path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (head, tail) in MARKS.iter().chain(&FOLDERS) {
            let word = format!("{head}{tail}");
            if line.contains(&word) {
                findings.push(Finding {
                    file: path.to_owned(),
                    line: number + 1,
                    message: format!("`{word}` is a note to oneself or a path of one machine"),
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_to_oneself_is_found_with_its_line() {
        let findings = check(Path::new("a.rs"), &format!("fine\n// {}{} later\n", "TO", "DO"));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }
}
