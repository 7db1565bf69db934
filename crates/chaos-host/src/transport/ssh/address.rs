//! From a name to an open TCP connection.

use std::net::SocketAddr;

use chaos_core::Failure;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::resolve::Hop;
use crate::error::HostError;

/// Connects to the first address of the host that answers before `deadline`.
pub(crate) async fn connect(hop: &Hop, deadline: Instant) -> Result<TcpStream, HostError> {
    let addresses = addresses(hop, deadline).await?;
    let mut troubles = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        // An address that swallows packets must leave time for the others.
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / left;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Scripts are short answers to short questions: nothing is gained by waiting for more.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => troubles.push((address, error.to_string())),
            Err(_) => troubles.push((address, "no answer in time".to_owned())),
        }
    }
    Err(unreachable(hop, &troubles))
}

async fn addresses(hop: &Hop, deadline: Instant) -> Result<Vec<SocketAddr>, HostError> {
    let failure = || Failure::new(format!("find the address of `{}`", hop.host));
    let lookup = tokio::net::lookup_host((hop.host.as_str(), hop.port));
    let found = timeout_at(deadline, lookup)
        .await
        .map_err(|_| HostError::Unreachable(failure().source("no answer in time")))?
        .map_err(|error| {
            let hint = "check the name; `host` may also be an address or a name of your SSH configuration";
            HostError::Unreachable(failure().source(error).hint(hint))
        })?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.dedup();
    Ok(addresses)
}

fn unreachable(hop: &Hop, troubles: &[(&SocketAddr, String)]) -> HostError {
    let failure = Failure::new(format!("connect to `{hop}`"));
    let failure = match troubles {
        [] => failure.source("its name has no address"),
        [(_, trouble)] => failure.source(trouble.clone()),
        several => {
            let told: Vec<_> =
                several.iter().map(|(address, trouble)| format!("{}: {trouble}", address.ip())).collect();
            failure.source(told.join("; "))
        }
    };
    HostError::Unreachable(failure.hint("is the host up, the port right, and no firewall between?"))
}
