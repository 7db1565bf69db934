//! Slows what a host sends to a rate.

use chaos_core::{FaultError, FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::Deserialize;

use super::network::amount::{Rate, Wait};
use super::network::params;
use super::network::qdisc::{Shape, TBF};
use super::network::queue::QueueFault;
use super::size::{Bytes, show};

/// The smallest burst: less than this is less than two packets on most links.
const BURST_MIN: u64 = 4096;
/// The kernel gives out what may go in ticks; in the longest of them, 10 ms, so much of the rate must fit into the burst.
const TICKS_A_SECOND: u64 = 100;
/// The largest burst that is taken. What fits into it is not slowed at all.
const BURST_MAX: u64 = 64 << 20;
/// The Ethernet header of a packet, before what the MTU counts.
const HEADER: u64 = 18;
/// The largest packet of an interface with the smallest MTU that IPv4 allows.
const PACKET_LEAST: u64 = 68 + HEADER;
/// How long a packet waits before it is dropped, in microseconds.
const LATENCY_US: u64 = 50_000;

/// Slows what a host sends: `server.network_bandwidth`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkBandwidth;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What the host sends at most, in bits a second, from `64kbit` to `400gbit`. SSH is slowed too. Example: `1mbit`.
    pub rate: Rate,
    /// What may go at once without being slowed, at least a packet: `32KiB`. Default: 10 ms of the rate, at least 4 KiB and two
    /// packets.
    #[serde(default)]
    pub burst: Option<Bytes>,
    /// The longest that a packet waits before it is dropped, from `1ms` to `10s`. Default: `50ms`.
    #[serde(default)]
    pub latency: Option<Wait>,
    /// The interface: `eth0`. Default: that of the default route.
    #[serde(default)]
    pub interface: Option<String>,
}

impl QueueFault for NetworkBandwidth {
    type Params = Params;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_bandwidth",
        target: "server",
        summary: "Slows what a host sends to a rate",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = TBF;

    fn interface(given: &Params) -> Option<&str> {
        given.interface.as_deref()
    }

    fn check(given: &Params) -> Result<(), Misfit> {
        match given.burst.map(Bytes::get) {
            Some(burst) if !(PACKET_LEAST..=BURST_MAX).contains(&burst) => {
                let why = format!("`burst` must be a packet at least and {} at most", show(BURST_MAX));
                Err(Misfit::new(why).at("burst"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn shape(given: &Params, mtu: u64) -> Result<Shape, FaultError> {
        Ok(Shape::Tbf {
            rate_bits: given.rate.0,
            burst_bytes: burst(given, mtu)?,
            latency_us: given.latency.map_or(LATENCY_US, Wait::micros),
        })
    }
}

fn burst(given: &Params, mtu: u64) -> Result<u64, FaultError> {
    let packet = mtu + HEADER;
    let tick = given.rate.0 / 8 / TICKS_A_SECOND;
    let Some(burst) = given.burst.map(Bytes::get) else {
        return Ok(tick.max(2 * packet).max(BURST_MIN));
    };
    if burst < packet {
        return Err(params(format!("let {burst} bytes go at once: a packet has up to {packet} bytes there")));
    }
    Ok(burst)
}
