//! Asks a virtual machine by its serial port. It has no namespaces that could be entered from this machine, and neither its network nor
//! its SSH server shall have a part in what a test sees.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Ended;

/// Who works on a question says so every second. A machine that boots says nothing until it has, and is asked again.
const SILENT_MAX: Duration = Duration::from_secs(10);
/// Answers to earlier questions that nobody waited for may come first.
const LINES_MAX: usize = 1000;

/// Runs shell text as root; none when nothing emulates the machine. It has no exit code when the machine went down under it.
pub async fn ask(agent: &Path, script: &str) -> Option<Ended> {
    let stream = UnixStream::connect(agent).await.ok()?;
    let answer = answer(stream, script).await;
    Some(answer.unwrap_or(Ended { code: None, stdout: String::new(), stderr: String::new() }))
}

async fn answer(stream: UnixStream, script: &str) -> Option<Ended> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let id = format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (answers, mut questions) = stream.into_split();
    let question = format!("ask {id} {}\n{script}", script.len());
    timeout(SILENT_MAX, questions.write_all(question.as_bytes())).await.ok()?.ok()?;
    let mut answers = BufReader::new(answers);
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        if timeout(SILENT_MAX, answers.read_until(b'\n', &mut line)).await.ok()?.ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["end", of, code, stdout, stderr] = words[..] else { continue };
        if of == id {
            let stdout = text(&mut answers, stdout).await?;
            let stderr = text(&mut answers, stderr).await?;
            return Some(Ended { code: code.parse().ok().filter(|code| *code >= 0), stdout, stderr });
        }
    }
    None
}

async fn text(answers: &mut (impl AsyncReadExt + Unpin), length: &str) -> Option<String> {
    let mut bytes = vec![0; length.parse().ok()?];
    timeout(SILENT_MAX, answers.read_exact(&mut bytes)).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
