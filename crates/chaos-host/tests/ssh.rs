//! Real SSH servers on this machine: who is let in, who is not and why, and what becomes of scripts.

#[path = "common/sshd.rs"]
mod sshd;

use std::sync::Arc;

use chaos_host::transport::ssh::Ssh;
use chaos_host::{Become, Host, Limits, Script};
use sshd::Sshd;

#[tokio::test]
async fn a_script_runs_over_a_key() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let ssh = Ssh::connect(server.login()).await.expect("connected");
    let host = Host::new(Arc::new(ssh), Become::Nobody);
    let script = Script::new("printf %s \"$word\"; echo trouble >&2; exit 3").set("word", "it's $HOME");
    let output = host.run(&script, Limits::default()).await.expect("run");
    assert_eq!(
        (output.status, output.stdout.as_slice(), output.stderr.as_str()),
        (3, &b"it's $HOME"[..], "trouble")
    );
}
