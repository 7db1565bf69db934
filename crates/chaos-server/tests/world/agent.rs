//! Asks a virtual machine by its serial line. It has no namespaces that could be entered from this machine, and neither its network nor
//! its SSH server shall have a part in what a test sees.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};
use tokio::time::timeout;

use super::Ended;

/// Who works on a question says so every second. A machine that boots says nothing until it has, and is asked again.
const SILENT_MAX: Duration = Duration::from_secs(10);
/// Bytes of shell text in one piece. A terminal holds 4096 that nobody has read; in hexadecimal digits this is a quarter of that.
const PIECE: usize = 512;
/// Bytes of an answer that come before more are asked for.
const PART: usize = 32 << 10;

/// Runs shell text as root; none when there is no machine. It has no exit code when the machine went down under it.
pub async fn ask(agent: &Path, script: &str) -> Option<Ended> {
    let mut line = Line::open(agent)?;
    let ended = line.ask(script).await;
    Some(ended.unwrap_or(Ended { code: None, stdout: String::new(), stderr: String::new() }))
}

/// This machine's end of the line. Answers to earlier questions that nobody waited for may come first.
struct Line {
    questions: Sender,
    answers: BufReader<Receiver>,
}

impl Line {
    fn open(agent: &Path) -> Option<Self> {
        let questions = OpenOptions::new().open_sender(agent.join("questions")).ok()?;
        let answers = OpenOptions::new().open_receiver(agent.join("answers")).ok()?;
        Some(Self { questions, answers: BufReader::new(answers) })
    }

    /// Says it piece by piece, and waits until more is asked for: what a machine that boots reads too late it does not run.
    async fn ask(&mut self, script: &str) -> Option<Ended> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // The pipes outlive a test program, whose number may come again.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let id = format!("{}.{}.{now}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.say(&format!("ask {id}")).await?;
        self.line_of(&["more", &id]).await?;
        for piece in script.as_bytes().chunks(PIECE) {
            let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
            self.say(&format!("text {id} {hex}")).await?;
            self.line_of(&["more", &id]).await?;
        }
        self.say(&format!("run {id}")).await?;
        let end = self.line_of(&["end", &id]).await?;
        let numbers: Vec<i64> = end.split_whitespace().skip(2).flat_map(str::parse).collect();
        let [code, stdout, stderr] = numbers[..] else { return None };
        let code = i32::try_from(code).ok().filter(|code| *code >= 0);
        let (stdout, stderr) = (usize::try_from(stdout).ok()?, usize::try_from(stderr).ok()?);
        let mut bytes = vec![0; stdout + stderr];
        for (number, part) in bytes.chunks_mut(PART).enumerate() {
            if number > 0 {
                self.say(&format!("go {id}")).await?;
            }
            timeout(SILENT_MAX, self.answers.read_exact(part)).await.ok()?.ok()?;
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Some(Ended { code, stdout: text(&bytes[..stdout]), stderr: text(&bytes[stdout..]) })
    }

    async fn say(&mut self, line: &str) -> Option<()> {
        timeout(SILENT_MAX, self.questions.write_all(format!("{line}\n").as_bytes())).await.ok()?.ok()
    }

    /// Returns the next line that begins with these words.
    async fn line_of(&mut self, words: &[&str]) -> Option<String> {
        loop {
            let mut line = Vec::new();
            if timeout(SILENT_MAX, self.answers.read_until(b'\n', &mut line)).await.ok()?.ok()? == 0 {
                return None;
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.split_whitespace().take(words.len()).eq(words.iter().copied()) {
                return Some(line);
            }
        }
    }
}
