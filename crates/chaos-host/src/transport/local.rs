//! This machine itself.

use std::process::Stdio;

use chaos_core::Failure;
use chaos_core::erased::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{Bounds, Question, Raw, Transport};
use crate::error::HostError;

/// How much of standard error is kept.
pub(crate) const STDERR_MAX: usize = 16 * 1024;

/// This machine itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

impl Transport for Local {
    fn ask(&self, question: Question, bounds: Bounds) -> BoxFuture<'_, Result<Raw, HostError>> {
        Box::pin(async move {
            let running = tokio::time::timeout(bounds.time, run(question, bounds.output));
            running.await.map_err(|_| {
                HostError::Bounds(Failure::new(format!("run a script here within {:?}", bounds.time)))
            })?
        })
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(true))
    }
}

/// Runs a shell for this script alone: here that costs next to nothing.
async fn run(question: Question, output_max: usize) -> Result<Raw, HostError> {
    let failed = |source: std::io::Error| {
        HostError::Unreachable(Failure::new("run a script on this machine").source(source))
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", question.command])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: a signal to ours (Ctrl-C) must not end a half-done script.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let (Some(mut input), Some(output), Some(error)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("all three streams are piped")
    };
    let write = async {
        // A script that ends early closes its input; what it wrote tells more than that.
        let _ = input.write_all(&[question.greeting, question.text].concat()).await;
        drop(input);
    };
    let ((), stdout, stderr) = tokio::join!(write, bounded(output, output_max), tail(error, STDERR_MAX));
    let status = child.wait().await.map_err(failed)?;
    let code = status.code().or_else(|| {
        let signal = std::os::unix::process::ExitStatusExt::signal(&status)?;
        Some(128 + signal)
    });
    Ok(Raw { stdout: stdout?, stderr: stderr.map_err(failed)?, status: code })
}

async fn bounded(output: impl AsyncRead + Unpin, max: usize) -> Result<Vec<u8>, HostError> {
    let mut bytes = Vec::new();
    let read = output.take(max as u64 + 1).read_to_end(&mut bytes).await;
    read.map_err(|source| HostError::Unreachable(Failure::new("read what a script wrote").source(source)))?;
    if bytes.len() > max {
        return Err(HostError::Bounds(Failure::new(format!("keep more than {max} bytes of output"))));
    }
    Ok(bytes)
}

async fn tail(mut output: impl AsyncRead + Unpin, max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = output.read(&mut chunk).await?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&chunk[..read]);
        if bytes.len() > 2 * max {
            bytes.drain(..bytes.len() - max);
        }
    }
}
