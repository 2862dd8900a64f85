//! The demo's relay: a real one, on a free port of loopback, that can be killed and started again.

use std::{net::SocketAddr, path::PathBuf, sync::mpsc, time::Duration};

use wheesht_core::{
    api::ErrorCode,
    proto::address::{Name, RelayAddress},
    store::SledBackend,
};
use wheesht_relay::{
    Config, Relay, RunningRelay, StartError,
    service::Deposited,
    storage::{Retention, Storage as _, StorageError, embedded::Embedded},
};

use crate::exit::{Exit, Failure, Result, sentence};

/// See the module's story.
pub(super) struct DemoRelay {
    config: Config,
    running: Option<RunningRelay>,
    address: RelayAddress,
    deposits: mpsc::Receiver<Deposited>,
}

impl DemoRelay {
    pub(super) async fn start(data: PathBuf) -> Result<Self> {
        let (witness, deposits) = mpsc::channel();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Config { listen, witness: Some(witness), ..Config::new(data) };
        let running = Relay::start(config.clone()).await.map_err(failed)?;
        // The same place after a restart.
        config.listen = running.local_addr();
        let address = running.address().clone();
        Ok(Self { config, running: Some(running), address, deposits })
    }

    pub(super) fn address(&self) -> &RelayAddress {
        &self.address
    }

    /// What was put into mailboxes since the last time.
    pub(super) fn saw(&self) -> Vec<Deposited> {
        self.deposits.try_iter().collect()
    }

    /// As if the machine had lost power.
    pub(super) async fn kill(&mut self) -> Result<()> {
        match self.running.take() {
            Some(relay) => relay.kill().await.map_err(storage_failed),
            None => Ok(()),
        }
    }

    pub(super) async fn start_again(&mut self) -> Result<()> {
        // The system may take a moment to give the port back.
        for _ in 0..50 {
            match Relay::start(self.config.clone()).await {
                Ok(relay) => {
                    self.running = Some(relay);
                    return Ok(());
                }
                Err(StartError::Listen { .. }) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Failure::new(Exit::Other, ErrorCode::Internal, "The relay's port did not become free again."))
    }

    /// What lies in an account's mailboxes, read from the files of the relay that is down.
    pub(super) fn waiting(&self, name: &str) -> Result<Vec<Deposited>> {
        let backend = SledBackend::open(&self.config.data.join("store")).map_err(StorageError::from);
        let storage = backend
            .and_then(|backend| Embedded::open(backend, Retention::new(self.config.envelope_lifetime)))
            .map_err(storage_failed)?;
        let name: Name = name.parse()?;
        let mut waiting = Vec::new();
        for device in storage.devices(&name).map_err(storage_failed)? {
            let queued = storage.queued(&device.mailbox, 0, 100, usize::MAX).map_err(storage_failed)?;
            waiting.extend(queued.into_iter().map(|(_, delivery, envelope)| Deposited {
                mailbox: delivery.mailbox,
                request: delivery.request,
                bytes: envelope.bytes,
            }));
        }
        Ok(waiting)
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        match self.running.take() {
            Some(relay) => relay.shutdown().await.map_err(storage_failed),
            None => Ok(()),
        }
    }
}

fn failed(error: StartError) -> Failure {
    Failure::new(Exit::Other, ErrorCode::Internal, sentence(&error.to_string()))
}

fn storage_failed(error: StorageError) -> Failure {
    Failure::new(Exit::Store, ErrorCode::Store, sentence(&error.to_string()))
}
