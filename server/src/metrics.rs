//! Figures for the operator, in Prometheus' text format: sums and sizes, and never whose.
//!
//! Counted where things happen, with one relaxed addition each; put into words when somebody asks.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use wheesht_core::proto::relay::{ErrorCode, RelayFrame, relay_frame::Body as Reply};

/// What only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are now.
#[derive(Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// Upper bounds of the classes into which commits fall, in microseconds.
const COMMIT_BOUNDS: [u64; 10] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 64_000, 250_000, 1_000_000];

/// Highest number of a refusal's code, and one.
const CODES: usize = ErrorCode::BadTicket as usize + 1;

/// All the figures of a relay.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) connections_refused: Counter,
    pub(crate) requests: Counter,
    pub(crate) blob_bytes_in: Counter,
    pub(crate) blob_bytes_out: Counter,
    pub(crate) blobs_finished: Counter,
    pushed: Counter,
    ephemeral: Counter,
    taken: Counter,
    refused: [Counter; CODES],
    commits: [Counter; COMMIT_BOUNDS.len() + 1],
    commit_micros: Counter,
}

impl Metrics {
    /// A commit that took so long.
    pub(crate) fn committed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = COMMIT_BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(COMMIT_BOUNDS.len());
        if let Some(commits) = self.commits.get(class) {
            commits.add(1);
        }
        self.commit_micros.add(micros);
    }

    /// A frame goes out.
    pub(crate) fn sent(&self, frame: &RelayFrame) {
        match &frame.body {
            Some(Reply::Deliver(deliver)) if deliver.ephemeral => self.ephemeral.add(1),
            Some(Reply::Deliver(_)) => self.pushed.add(1),
            Some(Reply::Error(error)) => self.refuse(error.code),
            Some(Reply::DepositResults(results)) => {
                for address in results.results.iter().flat_map(|result| &result.addresses) {
                    if address.code == 0 { self.taken.add(1) } else { self.refuse(address.code) }
                }
            }
            _ => {}
        }
    }

    fn refuse(&self, code: i32) {
        let refused = usize::try_from(code).ok().and_then(|code| self.refused.get(code));
        if let Some(refused) = refused {
            refused.add(1);
        }
    }

    /// All of them in words. What lies in the store of blobs is told by that.
    pub(crate) fn render(&self, blob_bytes: u64) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(
                text,
                "# HELP wheesht_{name} {help}\n# TYPE wheesht_{name} {kind}\nwheesht_{name} {value}"
            );
        };
        let open = self.connections.0.load(Ordering::Relaxed);
        one("connections", "gauge", "WebSocket connections that are open.", &open);
        one(
            "connections_refused_total",
            "counter",
            "Connections for which there was no room.",
            &self.connections_refused.get(),
        );
        one("requests_total", "counter", "Requests received.", &self.requests.get());
        one("deposits_total", "counter", "Envelopes taken, for each address.", &self.taken.get());
        one("pushed_total", "counter", "Envelopes pushed to devices.", &self.pushed.get());
        one("ephemeral_total", "counter", "Ephemeral envelopes passed on.", &self.ephemeral.get());
        one("blobs_finished_total", "counter", "Blobs uploaded.", &self.blobs_finished.get());
        one("blob_received_bytes_total", "counter", "Bytes of blobs received.", &self.blob_bytes_in.get());
        one("blob_sent_bytes_total", "counter", "Bytes of blobs sent.", &self.blob_bytes_out.get());
        one("blob_bytes", "gauge", "Bytes of blobs kept, or set aside for uploads.", &blob_bytes);
        self.render_refusals(&mut text);
        self.render_commits(&mut text);
        text
    }

    fn render_refusals(&self, text: &mut String) {
        const NAME: &str = "wheesht_refused_total";
        let _ = writeln!(
            text,
            "# HELP {NAME} Requests and addresses of deposits refused.\n# TYPE {NAME} counter"
        );
        for (number, refused) in self.refused.iter().enumerate().skip(1) {
            if let Some(code) = i32::try_from(number).ok().and_then(|code| ErrorCode::try_from(code).ok()) {
                let code = code.as_str_name().to_ascii_lowercase();
                let _ = writeln!(text, "{NAME}{{code=\"{code}\"}} {}", refused.get());
            }
        }
    }

    fn render_commits(&self, text: &mut String) {
        const NAME: &str = "wheesht_commit_seconds";
        let _ = writeln!(
            text,
            "# HELP {NAME} How long it takes until the disk has what was asked.\n# TYPE {NAME} histogram"
        );
        let mut count = 0;
        let bounds = COMMIT_BOUNDS.iter().map(|bound| (*bound as f64 / 1e6).to_string());
        for (commits, bound) in self.commits.iter().zip(bounds.chain(["+Inf".to_owned()])) {
            count += commits.get();
            let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(text, "{NAME}_sum {}\n{NAME}_count {count}", self.commit_micros.get() as f64 / 1e6);
    }
}

#[cfg(test)]
mod tests {
    use wheesht_core::proto::relay;

    use super::*;

    #[test]
    fn figures_are_put_into_words_rel_19() {
        let metrics = Metrics::default();
        metrics.committed(Duration::from_micros(300));
        metrics.committed(Duration::from_secs(9));
        let error = relay::Error { code: ErrorCode::RateLimited.into(), ..Default::default() };
        metrics.sent(&RelayFrame { id: 1, body: Some(Reply::Error(error)) });
        metrics.sent(&RelayFrame { id: 0, body: Some(Reply::Deliver(relay::Deliver::default())) });
        let text = metrics.render(77);
        for line in [
            "wheesht_blob_bytes 77",
            "wheesht_pushed_total 1",
            "wheesht_refused_total{code=\"rate_limited\"} 1",
            "wheesht_refused_total{code=\"bad_ticket\"} 0",
            "wheesht_commit_seconds_bucket{le=\"0.0005\"} 1",
            "wheesht_commit_seconds_bucket{le=\"1\"} 1",
            "wheesht_commit_seconds_bucket{le=\"+Inf\"} 2",
            "wheesht_commit_seconds_count 2",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
