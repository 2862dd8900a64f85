//! The contract on sled, and what the contract can't ask: that the bytes are on the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::store::{
    backend::MAX_KEY,
    contract::{Subject, contract},
};

struct Sled {
    directory: tempfile::TempDir,
    backend: Option<SledBackend>,
}

impl Subject for Sled {
    type Backend = SledBackend;

    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let backend = Some(SledBackend::open(directory.path()).unwrap());
        Self { directory, backend }
    }

    fn backend(&self) -> &SledBackend {
        self.backend.as_ref().unwrap()
    }

    fn restart(&mut self) {
        self.backend = None;
        self.backend = Some(SledBackend::open(self.directory.path()).unwrap());
    }
}

contract!(Sled, cases: 24);

#[test]
fn sto_2_the_largest_entries_in_any_order_make_no_file_that_sled_would_not_sync() {
    let sled = Sled::new();
    let blobs = sled.directory.path().join("rows/blobs");
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for round in 0..30_u32 {
        let mut batch = Batch::new();
        for number in 0..100_u32 {
            let place = if round % 2 == 0 { round * 100 + number } else { rng.next_u32() % 3_000 };
            let mut key = vec![0; MAX_KEY];
            key[100..104].copy_from_slice(&place.to_be_bytes());
            batch.put(key, vec![1; pieces::PIECE * (1 + number as usize % 3)]);
        }
        sled.backend().commit(&batch).unwrap();
        assert_eq!(fs::read_dir(&blobs).unwrap().count(), 0);
    }
}

#[test]
fn sto_11_a_second_process_is_told_what_to_do() {
    let sled = Sled::new();
    let error = SledBackend::open(sled.directory.path()).unwrap_err();
    assert!(matches!(&error, BackendError::Locked { path } if path == sled.directory.path()));
    assert!(error.to_string().contains("stop that one first"), "{error}");
    let directory = sled.directory;
    drop(sled.backend);
    SledBackend::open(directory.path()).unwrap();
}

/// A batch that shows whether it is there whole: its number under three keys, one of them in pieces.
fn numbered(number: u8, size: usize) -> Batch {
    let mut batch = Batch::new();
    batch.put([0, number], vec![number; size]);
    batch.put([1, number], vec![number; 10]);
    batch.put([2], vec![number; 5_000]);
    batch
}

/// Which batches are there; all of them whole.
fn check_numbered(backend: &SledBackend) -> u8 {
    let last = backend.get(&[2]).unwrap().map_or(0, |value| value[0]);
    for number in 1..=u8::MAX {
        let pair = [backend.get(&[0, number]).unwrap(), backend.get(&[1, number]).unwrap()];
        assert!(pair.iter().all(|value| value.is_some() == (number <= last)), "batch {number} of {last}");
        assert!(pair.iter().flatten().flatten().all(|byte| *byte == number));
    }
    last
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target)
        } else {
            let _ = fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The log as a power cut may leave it: of what was written since `synced`, any sectors and any length.
fn cut(synced: &[u8], written: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    const SECTOR: usize = 512;
    let mut log = written.to_vec();
    let odds = rng.next_u32() % 5;
    for (number, sector) in log.chunks_mut(SECTOR).enumerate() {
        if rng.next_u32() % 4 < odds {
            continue;
        }
        let old = synced.get(number * SECTOR..).unwrap_or_default();
        let (kept, new) = sector.split_at_mut(old.len().min(sector.len()));
        kept.copy_from_slice(&old[..kept.len()]);
        new.fill(0);
    }
    let unsynced = written.len().saturating_sub(synced.len());
    let lost = if unsynced == 0 { 0 } else { rng.next_u32() as usize % (unsynced + 1) };
    log.truncate(written.len() - lost);
    log
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sto_1_sto_2_a_power_cut_during_a_commit_loses_no_commit_before_it(
        sizes in proptest::collection::vec(0..30_000_usize, 2..20), seed in any::<u64>()
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let sled = Sled::new();
        let log = sled.directory.path().join("rows/db");
        let (last, before) = sizes.split_last().unwrap();
        for (number, size) in (1..).zip(before) {
            sled.backend().commit(&numbered(number, *size)).unwrap();
        }
        // What is durable now, and what the next commit writes until it returns.
        let after = tempfile::tempdir().unwrap();
        copy_tree(sled.directory.path(), after.path());
        let synced = fs::read(&log).unwrap();
        let count = u8::try_from(before.len()).unwrap();
        sled.backend().commit(&numbered(count + 1, *last)).unwrap();
        let written = fs::read(&log).unwrap();
        fs::write(after.path().join("rows/db"), cut(&synced, &written, &mut rng)).unwrap();
        let reopened = SledBackend::open(after.path()).unwrap();
        let found = check_numbered(&reopened);
        prop_assert!(found == count || found == count + 1, "{found} of {count}");
        reopened.commit(&numbered(found + 1, 10)).unwrap();
        prop_assert_eq!(check_numbered(&reopened), found + 1);
    }

    #[test]
    fn damaged_files_give_an_error_and_never_a_panic(seed in any::<u64>(), flips in 1..40_u32, shorter in any::<bool>()) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut sled = Sled::new();
        for number in 1..20 {
            sled.backend().commit(&numbered(number, 3_000)).unwrap();
        }
        sled.backend = None;
        let log = sled.directory.path().join("rows/db");
        let mut bytes = fs::read(&log).unwrap();
        for _ in 0..flips {
            let at = rng.next_u32() as usize % bytes.len();
            bytes[at] ^= 1 << (rng.next_u32() % 8);
        }
        if shorter {
            bytes.truncate(rng.next_u32() as usize % bytes.len());
        }
        fs::write(&log, bytes).unwrap();
        if let Ok(backend) = SledBackend::open(sled.directory.path()) {
            let _ = backend.scan(&KeyRange::all(), Direction::Forward, 100);
            let _ = backend.commit(&numbered(30, 10));
        }
    }
}

#[test]
fn sto_4_nothing_of_a_replaced_slot_is_left_in_any_file() {
    let mut sled = Sled::new();
    for number in 1..6_u8 {
        sled.backend().write_slot(&[number; 100]).unwrap();
        for old in 1..number {
            for name in ["slot.a", "slot.b"] {
                let bytes = fs::read(sled.directory.path().join(name)).unwrap_or_default();
                assert!(!bytes.windows(100).any(|window| window == [old; 100]));
            }
        }
        if number % 2 == 0 {
            sled.restart();
        }
    }
}

#[test]
fn sto_4_a_slot_whose_replacement_was_interrupted_has_the_old_value_or_the_new() {
    let mut sled = Sled::new();
    let path = |name| sled.directory.path().join(name);
    let (a, b) = (path("slot.a"), path("slot.b"));
    sled.backend().write_slot(&[1; 100]).unwrap();
    let first = fs::read(&a).unwrap();
    sled.backend().write_slot(&[2; 100]).unwrap();
    let second = fs::read(&b).unwrap();
    // The second written, the first not yet wiped.
    fs::write(&a, &first).unwrap();
    sled.restart();
    assert_eq!(sled.backend().read_slot().unwrap().unwrap(), [2; 100]);
    assert!(fs::read(&a).unwrap().iter().all(|byte| *byte == 0));
    // The second half written.
    fs::write(&a, &first).unwrap();
    fs::write(&b, [&second[..60], &[0; 4036]].concat()).unwrap();
    sled.restart();
    assert_eq!(sled.backend().read_slot().unwrap().unwrap(), [1; 100]);
    assert!(fs::read(&b).unwrap().iter().all(|byte| *byte == 0));
    sled.backend().write_slot(&[3; 100]).unwrap();
    sled.restart();
    assert_eq!(sled.backend().read_slot().unwrap().unwrap(), [3; 100]);
}

#[cfg(unix)]
#[test]
fn sto_14_only_the_owner_reads_the_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/store");
    SledBackend::open(&path).unwrap().write_slot(b"keys").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("slot.a"))), (0o700, 0o600));
}

const TRACED: &str = "WHEESHT_TRACED_STORE";
const DONE: &str = "a write is said to be durable";

/// The process that the next test looks at.
#[test]
#[ignore = "run under a tracer by the test below"]
fn traced_child() {
    let directory = PathBuf::from(std::env::var_os(TRACED).unwrap());
    let say = || std::io::Write::write_all(&mut std::io::stderr(), DONE.as_bytes()).unwrap();
    // What sled moves when it cleans up is promised to nobody, so it may not in this trace.
    let backend = SledBackend::open_cleaned_every(3_600_000, &directory, DEFAULT_CACHE).unwrap();
    for number in 1..9 {
        backend.commit(&numbered(number, 20_000)).unwrap();
        say();
        backend.write_slot(&[number; 100]).unwrap();
        say();
    }
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "where nothing can be traced, nothing is proved, and the log says so"
)]
fn sto_2_the_trace_shows_every_file_and_name_synced_before_a_write_returns() {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let store = directory.path().join("store");
    let child = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=pwrite64,write,fsync,fdatasync,openat,rename,unlink", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::sled::tests::traced_child", "--ignored", "--nocapture"])
        .env(TRACED, &store)
        .output();
    let Ok(output) = child.inspect_err(|error| eprintln!("not run, no strace: {error}")) else { return };
    let text = fs::read_to_string(&trace).unwrap_or_default();
    if text.is_empty() || !output.status.success() {
        eprintln!("not run, this machine forbids tracing: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let mut trace = Trace { store: store.display().to_string(), ..Trace::default() };
    text.lines().for_each(|line| trace.line(line));
    assert_eq!((trace.said, trace.writes > 16), (16, true), "{text}");
}

/// What a trace has shown so far to be written and not yet synced.
#[derive(Default)]
struct Trace {
    store: String,
    said: usize,
    writes: usize,
    lines: usize,
    /// Files and directories, and in which line they were changed.
    dirty: Vec<(String, usize)>,
    names: BTreeSet<String>,
    /// Syncs that have begun, by process: the file, and in which line.
    syncing: BTreeMap<String, (String, usize)>,
}

impl Trace {
    fn line(&mut self, line: &str) {
        self.lines += 1;
        let (process, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        let path = call.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        if call.contains(DONE) {
            self.said += 1;
            assert_eq!(self.dirty, [], "said to be durable before it was");
        } else if call.starts_with("pwrite64(") || call.starts_with("write(") {
            if path.starts_with(&self.store) {
                self.writes += 1;
                self.dirty.push((path, self.lines));
            }
        } else if call.starts_with("fsync(") || call.starts_with("fdatasync(") {
            self.syncing.insert(process.to_owned(), (path, self.lines));
            if !call.contains("unfinished") {
                self.synced(process);
            }
        } else if call.contains("sync resumed") {
            self.synced(process);
        } else if call.starts_with("rename(") || (call.starts_with("openat(") && call.contains("O_CREAT")) {
            self.named(call.split('"').nth_back(1).unwrap_or_default());
        }
    }

    /// Only what was written before the call began is sure to be covered.
    fn synced(&mut self, process: &str) {
        let (synced, begun) = self.syncing.remove(process).unwrap();
        self.dirty.retain(|(path, written)| *path != synced || *written > begun);
    }

    /// A name that appears changes its directory.
    fn named(&mut self, name: &str) {
        let parent = Path::new(name).parent().unwrap().display().to_string();
        if parent.starts_with(&self.store) && self.names.insert(name.to_owned()) {
            self.dirty.push((parent, self.lines));
        }
    }
}
