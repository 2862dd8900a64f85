//! Many lives, one per seed, on every processor.

use std::{
    ops::Range,
    panic::AssertUnwindSafe,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Broken;

/// Failures after which no further life is begun.
const ENOUGH: usize = 20;

/// Those that `SIM_SEEDS` names (`0..1000`, or how many), or the first few of every day.
fn seeds(everyday: u64) -> Range<u64> {
    let text = std::env::var("SIM_SEEDS").unwrap_or_default();
    match text.split_once("..") {
        Some((from, to)) => from.parse().expect("a number")..to.parse().expect("a number"),
        None => 0..text.parse().unwrap_or(everyday),
    }
}

/// Lives every seed; each that fails says how to live it again.
///
/// # Panics
/// If any failed.
pub fn every_seed(everyday: u64, life: impl Fn(u64) -> Result<(), Broken> + Sync) {
    let seeds = seeds(everyday);
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let one_after_the_other = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || failed.lock().expect("nobody panics here").len() >= ENOUGH {
                break;
            }
            let lived = std::panic::catch_unwind(AssertUnwindSafe(|| life(seed)));
            let broken = match lived {
                Ok(Ok(())) => continue,
                Ok(Err(broken)) => format!("{broken:?}"),
                Err(_) => "a panic, see above".to_owned(),
            };
            let line = format!("SIM_SEEDS={seed}..{}: {broken}", seed + 1);
            failed.lock().expect("nobody panics here").push(line);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(one_after_the_other);
        }
    });
    let failed = failed.into_inner().expect("nobody panics here");
    assert!(failed.is_empty(), "lives that broke a rule:\n{}", failed.join("\n"));
}
