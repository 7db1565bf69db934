//! Counts queries and their latencies, and makes the report of them.

use std::collections::BTreeMap;
use std::time::Duration;

use chaos_core::Effect;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::query::QueryKind;

/// Latencies are told apart up to this; longer ones count as this long. No query may run longer.
const LATENCY_MAX_MICROS: u64 = 3_600_000_000;
/// Latencies are kept to this many digits.
const DIGITS: u8 = 3;
/// How much of an error text is kept.
const ERROR_MAX: usize = 300;

/// What a load did so far.
#[derive(Default)]
pub struct Measure {
    kinds: BTreeMap<QueryKind, Count>,
    /// Queries that were sent.
    pub started: u64,
    /// Connections that broke during the load and were opened again.
    pub reconnects: u64,
    /// When the last query came to an end.
    pub last: Option<Instant>,
}

/// What one kind of query did so far.
#[derive(Default)]
struct Count {
    done: u64,
    failed: u64,
    rows: u64,
    micros: Option<Histogram<u64>>,
    error: Option<String>,
}

impl Measure {
    /// Counts a query that was answered.
    pub fn done(&mut self, kind: QueryKind, took: Duration, rows: u64) {
        self.last = Some(Instant::now());
        let count = self.kinds.entry(kind).or_default();
        count.done += 1;
        count.rows += rows;
        if count.micros.is_none() {
            count.micros = new_histogram();
        }
        if let Some(histogram) = &mut count.micros {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            histogram.saturating_record(micros.max(1));
        }
    }

    /// Counts a query that failed. Only the first error of a kind is kept.
    pub fn failed(&mut self, kind: QueryKind, error: &str) {
        self.last = Some(Instant::now());
        let count = self.kinds.entry(kind).or_default();
        count.failed += 1;
        count.error.get_or_insert_with(|| error.chars().take(ERROR_MAX).collect());
    }

    /// Returns how many queries came to an end, well or badly.
    pub fn finished(&self) -> u64 {
        self.kinds.values().map(|count| count.done + count.failed).sum()
    }

    /// Makes the report. `asked` queries were wanted, and the load ran for `elapsed`.
    pub fn effect(&self, asked: u64, elapsed: Duration) -> Effect {
        let done: u64 = self.kinds.values().map(|count| count.done).sum();
        let failed: u64 = self.kinds.values().map(|count| count.failed).sum();
        let rows: u64 = self.kinds.values().map(|count| count.rows).sum();
        let seconds = elapsed.as_secs_f64().max(f64::EPSILON);
        let rate = |count: u64| json!((count as f64 / seconds * 10.0).round() / 10.0);
        Effect::default()
            .with("queries_asked", asked)
            .with("queries_done", done)
            .with("queries_failed", failed)
            .with("queries_cut_off", self.started.saturating_sub(done + failed))
            .with("queries_not_run", asked.saturating_sub(self.started))
            .with("rows", rows)
            .with("queries_per_second", rate(done))
            .with("rows_per_second", rate(rows))
            .with("reconnects", self.reconnects)
            .with("latency_ms", self.latencies())
            .with("kinds", self.by_kind())
    }

    fn latencies(&self) -> Value {
        let Some(mut all) = new_histogram() else { return Value::Null };
        for histogram in self.kinds.values().filter_map(|count| count.micros.as_ref()) {
            // Both have the same bounds, so nothing can be lost; a report without it is still a report.
            let _ = all.add(histogram);
        }
        percentiles(&all)
    }

    fn by_kind(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, count)| {
            let mut entry = Map::new();
            entry.insert("done".to_owned(), json!(count.done));
            entry.insert("failed".to_owned(), json!(count.failed));
            entry.insert("latency_ms".to_owned(), count.micros.as_ref().map_or(Value::Null, percentiles));
            if let Some(error) = &count.error {
                entry.insert("first_error".to_owned(), json!(error));
            }
            (kind.as_str().to_owned(), Value::Object(entry))
        });
        Value::Object(kinds.collect())
    }
}

/// The bounds are constants that fit; were they not, latencies would be missing, not wrong.
fn new_histogram() -> Option<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_MAX_MICROS, DIGITS).ok()
}

fn percentiles(micros: &Histogram<u64>) -> Value {
    if micros.is_empty() {
        return Value::Null;
    }
    let ms = |micros: u64| micros as f64 / 1000.0;
    json!({
        "p50": ms(micros.value_at_quantile(0.50)),
        "p95": ms(micros.value_at_quantile(0.95)),
        "p99": ms(micros.value_at_quantile(0.99)),
        "max": ms(micros.max()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_queries_are_counted_as_failed_and_never_as_fast() {
        let mut measure = Measure { started: 4, ..Measure::default() };
        measure.done(QueryKind::Lookup, Duration::from_millis(2), 1);
        measure.failed(QueryKind::Scan, "first");
        measure.failed(QueryKind::Scan, "second");
        let effect = measure.effect(10, Duration::from_secs(2)).0;
        assert_eq!(effect["queries_done"], 1);
        assert_eq!(effect["queries_failed"], 2);
        assert_eq!(effect["queries_cut_off"], 1);
        assert_eq!(effect["queries_not_run"], 6);
        assert_eq!(effect["queries_per_second"], 0.5);
        assert_eq!(effect["kinds"]["scan"]["first_error"], "first");
        assert_eq!(effect["kinds"]["scan"]["latency_ms"], Value::Null);
    }

    #[test]
    fn percentiles_are_those_of_all_kinds_together() {
        let mut measure = Measure::default();
        for ms in 1..=100 {
            measure.done(QueryKind::Lookup, Duration::from_millis(ms), 1);
        }
        measure.done(QueryKind::Join, Duration::from_secs(1), 1);
        let latency = &measure.effect(101, Duration::from_secs(1)).0["latency_ms"];
        assert!((latency["p50"].as_f64().unwrap() - 51.0).abs() < 1.0, "{latency}");
        assert!((latency["max"].as_f64().unwrap() - 1000.0).abs() < 1.0, "{latency}");
    }
}
