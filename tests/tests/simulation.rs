//! The simulation's lives: people talk over a bad network, and nothing of the design's section 6 ever happens.

#![allow(clippy::unwrap_used, reason = "a test may; clippy knows that of test functions only")]

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use wheesht_tests::sim::{Faults, Persona, World, every_seed, hostile::Random};

/// Seeds lived on every run; `SIM_SEEDS=0..1000` lives a thousand.
const SEEDS: u64 = 100;
/// Longest that everything may take to come true once the network is good (milliseconds of virtual time).
const SETTLED: u64 = 60 * 60 * 1_000;

#[test]
fn two_people_talk_on_a_good_network() {
    let mut world = World::new(
        0,
        Faults::NONE,
        [Persona::new("alice").says("bob", 10), Persona::new("bob").says("alice", 10)],
    );
    world.run_for(60_000).unwrap();
    world.settle(SETTLED).unwrap();
}

#[test]
fn three_people_talk_over_a_bad_network() {
    every_seed(SEEDS, |seed| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5eed);
        let people = [
            Persona::new("alice").says("bob", 4),
            Persona::new("bob").says("alice", 4).says("carol", 2),
            Persona::new("carol").says("alice", 2),
        ];
        let mut world = World::new(seed, Faults::from_seed(&mut rng), people);
        world.run_for(60_000)?;
        world.settle(SETTLED)
    });
}

/// The relay plays the tricks of `hostile_relay` all at once. What was said in that time is there once it behaves, and nothing else.
#[test]
fn people_talk_through_a_hostile_relay() {
    every_seed(SEEDS, |seed| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x0bad);
        let people = [
            Persona::new("alice").says("bob", 3),
            Persona::new("bob").says("alice", 3).says("carol", 2),
            Persona::new("carol").says("bob", 2),
        ];
        // Half of the lives have nothing else to fear.
        let faults = if seed % 2 == 0 { Faults::NONE } else { Faults::from_seed(&mut rng) };
        let mut world = World::new(seed, Faults { reorder: 1, ..faults }, people);
        world.set_hostile(Box::new(Random::new(seed, 3)));
        world.run_for(90_000)?;
        world.settle(SETTLED)
    });
}

/// Some of the first devices are evicted before they could write their vaults.
#[test]
fn dev_12_devices_join_over_a_bad_network() {
    every_seed(SEEDS, |seed| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0xde71);
        let people = [
            Persona::new("alice"),
            Persona::new("bob"),
            Persona::second_device("alice").after(20_000),
            Persona::last_device("bob").after(30_000),
        ];
        let mut world = World::new(seed, Faults::from_seed(&mut rng), people);
        world.run_for(60_000)?;
        world.settle(SETTLED)
    });
}

/// What one device says, the account's other one shows too.
#[test]
fn con_5_two_devices_of_one_account_talk_over_a_bad_network() {
    every_seed(SEEDS, |seed| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x2de5);
        let people = [
            Persona::new("alice"),
            Persona::new("bob"),
            Persona::second_device("alice").after(20_000).says("bob", 3),
        ];
        let mut world = World::new(seed, Faults::from_seed(&mut rng), people);
        world.run_for(90_000)?;
        world.settle(SETTLED)
    });
}
