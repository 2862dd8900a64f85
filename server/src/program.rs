//! The program that runs a relay: `wheesht-relay`, and `wheesht relay`, so that one install serves.
//!
//! It reads the command line, logs to standard error, prints where the relay is, and ends in good order on SIGTERM.

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use wheesht_core::proto::limits::MAX_BLOB;

use crate::{Certificate, Config, Relay, RunningRelay, service::Limits};

/// A blind store-and-forward relay for Wheesht.
///
/// It keeps what clients encrypted, and can read none of it. The first start needs nothing but a data directory: it makes a
/// certificate and prints the address to give to people.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where everything is kept
    #[arg(long, value_name = "DIR", env = "WHEESHT_RELAY_DATA", default_value = "wheesht-relay-data")]
    data: PathBuf,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", env = "WHEESHT_RELAY_LISTEN", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,

    /// What stands after the @ of names: host, or host:port. Default: this machine's address
    #[arg(long, value_name = "HOST[:PORT]", env = "WHEESHT_RELAY_DOMAIN")]
    domain: Option<String>,

    /// Certificate chain (PEM), instead of a self-made one
    #[arg(long, value_name = "FILE", requires = "key", env = "WHEESHT_RELAY_CERT")]
    cert: Option<PathBuf>,

    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert", env = "WHEESHT_RELAY_KEY")]
    key: Option<PathBuf>,

    /// Speak without TLS, behind a proxy on this machine that ends it and sets X-Forwarded-For
    #[arg(long, conflicts_with = "cert")]
    plain: bool,

    /// How long an existing device may object to being evicted (90s, 10m, 1h)
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    eviction_grace: Duration,

    /// How long an envelope waits for its device: 30d at most (12h, 7d)
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30d")]
    envelope_lifetime: Duration,

    /// Room for blobs, all accounts together (512M, 64G)
    #[arg(long, value_name = "SIZE", value_parser = size, env = "WHEESHT_RELAY_BLOB_SPACE", default_value = "64G")]
    blob_space: u64,

    /// Room on the disk that stays free; below, nothing more is taken in (0, 512M, 2G)
    #[arg(long, value_name = "SIZE", value_parser = size, env = "WHEESHT_RELAY_DISK_RESERVE", default_value = "256M")]
    disk_reserve: u64,

    /// The largest blob: 2G at most. 0: take none
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "2G")]
    max_blob: u64,

    /// How long a blob is kept (12h, 7d)
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30d")]
    blob_lifetime: Duration,

    /// Figures for Prometheus at http://ADDRESS:PORT/metrics: a loopback address, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS:PORT", env = "WHEESHT_RELAY_METRICS")]
    metrics: Option<SocketAddr>,

    /// Take no new accounts
    #[arg(long)]
    no_registration: bool,

    /// What to log: error, warn, info, debug, or a tracing filter
    #[arg(long, value_name = "FILTER", env = "WHEESHT_RELAY_LOG", default_value = "info")]
    log: String,

    /// Let names and network addresses into the log
    #[arg(long)]
    log_identities: bool,
}

impl Options {
    fn to_config(&self) -> Config {
        let certificate = match (&self.cert, &self.key) {
            _ if self.plain => Certificate::Plain,
            (Some(chain), Some(key)) => Certificate::Files { chain: chain.clone(), key: key.clone() },
            _ => Certificate::SelfMade,
        };
        Config {
            listen: self.listen,
            domain: self.domain.clone(),
            certificate,
            registration: !self.no_registration,
            eviction_grace: self.eviction_grace,
            envelope_lifetime: self.envelope_lifetime,
            blob_space: self.blob_space,
            disk_reserve: self.disk_reserve,
            blob_lifetime: self.blob_lifetime,
            metrics: self.metrics,
            limits: Limits { max_blob: self.max_blob.min(MAX_BLOB), ..Limits::default() },
            log_identities: self.log_identities,
            ..Config::new(&self.data)
        }
    }
}

/// Runs a relay until it is told to stop. The first argument is what the program is called.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = Options::parse_from(arguments);
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(serve(options)),
        Err(error) => fail(&error.to_string()),
    }
}

async fn serve(options: Options) -> ExitCode {
    let filter = match EnvFilter::try_new(&options.log) {
        Ok(filter) => filter,
        Err(error) => return fail(&format!("--log: {error}")),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let first_start = !options.data.join("store").exists();
    let relay = match Relay::start(options.to_config()).await {
        Ok(relay) => relay,
        Err(error) => return fail(&error.to_string()),
    };
    if let Err(error) = greet(&relay, first_start) {
        tracing::warn!(%error, "can't print the address");
    }
    tokio::select! {
        () = relay.ended() => {}
        signal = told_to_stop() => match signal {
            Ok(()) => tracing::info!("finishing"),
            Err(error) => tracing::error!(%error, "can't wait for signals"),
        },
    }
    match relay.shutdown().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// Prints where the relay is; at the first start also as a QR code, to be scanned from the screen.
fn greet(relay: &RunningRelay, first_start: bool) -> io::Result<()> {
    let address = format!("wss://{}", url_authority(relay));
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    if first_start {
        if out.is_terminal() {
            write_code(&mut out, &address)?;
        }
        let domain = relay.address().authority();
        writeln!(out, "Give people this address. They register with it, and are called name@{domain}.")?;
    }
    out.flush()
}

/// Black on white whatever the terminal's colours are: not every camera reads the inverse.
fn write_code(out: &mut impl Write, text: &str) -> io::Result<()> {
    let Ok(code) = qrcode::QrCode::new(text) else {
        return Ok(());
    };
    let drawn = code.render::<qrcode::render::unicode::Dense1x2>().build();
    drawn.lines().try_for_each(|line| writeln!(out, "\x1b[30;107m{line}\x1b[0m"))
}

/// With the port always: whoever pastes it into something else should get there too.
fn url_authority(relay: &RunningRelay) -> String {
    let address = relay.address();
    let fingerprint = address.fingerprint().map(|fingerprint| format!("#{fingerprint}")).unwrap_or_default();
    format!("{}:{}{fingerprint}", address.host(), address.port())
}

#[cfg(unix)]
async fn told_to_stop() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn told_to_stop() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "wheesht-relay: {message}");
    ExitCode::FAILURE
}

/// `90s`, `10m`, `12h`, `30d`.
fn duration(text: &str) -> Result<Duration, String> {
    const FORM: &str = "a number and a unit: 90s, 10m, 12h or 30d";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(FORM)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(FORM.to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| FORM)?;
    Ok(Duration::from_secs(number.checked_mul(seconds).ok_or(FORM)?))
}

/// `0`, `512M`, `64G`.
fn size(text: &str) -> Result<u64, String> {
    const FORM: &str = "a number and a unit: 512K, 512M, 64G or 2T";
    let shift = match text.chars().next_back() {
        Some('K') => 10,
        Some('M') => 20,
        Some('G') => 30,
        Some('T') => 40,
        _ if text == "0" => return Ok(0),
        _ => return Err(FORM.to_owned()),
    };
    let (number, _) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(FORM)?;
    let number: u64 = number.parse().map_err(|_| FORM)?;
    Ok(number.checked_mul(1 << shift).ok_or(FORM)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        assert_eq!(size("64G"), Ok(64 << 30));
        assert_eq!(size("0"), Ok(0));
        for bad in ["", "G", "10", "1.5G", "-1M", "99999999999T", "1é"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "m", "10", "10 m", "-1s", "1é", "99999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
