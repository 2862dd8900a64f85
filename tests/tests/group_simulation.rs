//! Groups in the simulation: people on two relays join while others talk, devices and relays crash; and there is one group in the
//! end, in which everyone heard what was said while they belonged.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use wheesht_core::{
    api::{Body, ConversationId, GroupChange, Notice, Request, Response},
    proto::ids::GroupId,
};
use wheesht_tests::sim::{Broken, Deed, Faults, Persona, World, every_seed};

/// Lives of each kind on every run; `SIM_SEEDS=0..2000` lives two thousand.
const EVERYDAY: u64 = 8;
const EVERYDAY_OTHERS: u64 = 3;
/// Longest that everything may take to come true once the network is good (milliseconds of virtual time).
const SETTLED: u64 = 12 * 60 * 60 * 1_000;

/// Alice knows everyone, founds the group and invites them.
fn people() -> [Persona; 4] {
    let alice = Persona::new("alice").says("bob", 1).says("carol", 1).says("nora", 1);
    [
        alice.founds(&["bob", "carol", "nora"]).talks(6),
        Persona::new("bob").talks(6),
        Persona::new("carol").talks(4),
        // She lives on the other relay.
        Persona::new("nora").talks(4),
    ]
}

/// Carol is removed and Nora leaves, while the others talk.
fn people_who_go() -> [Persona; 4] {
    let [alice, bob, carol, nora] = people();
    [
        alice.talks(6).at_time(60_000, Deed::Removes("carol".to_owned())),
        bob.talks(6),
        carol.talks(20),
        nora.talks(20).at_time(80_000, Deed::Leaves),
    ]
}

/// Two admins do different things, and the same thing, at the same time.
fn people_who_race() -> [Persona; 4] {
    let [alice, bob, carol, nora] = people();
    let title = |title: &str| Deed::Retitles(title.to_owned());
    let removes = || Deed::Removes("carol".to_owned());
    let alice = alice.at_time(40_000, Deed::Promotes("bob".to_owned()));
    [
        alice.at_time(70_000, title("ours")).at_time(70_000, removes()).at_time(71_000, title("everyone's")),
        bob.at_time(70_000, title("mine")).at_time(70_000, removes()).at_time(71_000, title("bob's")),
        carol,
        nora,
    ]
}

fn faults(seed: u64) -> Faults {
    Faults::from_seed(&mut ChaCha20Rng::seed_from_u64(seed ^ 0x6e0))
}

fn live<const N: usize>(seed: u64, faults: Faults, people: [Persona; N]) -> Result<(), Broken> {
    let mut world = World::new(seed, faults, people);
    world.run_for(120_000)?;
    world.settle(SETTLED)
}

#[test]
fn a_group_talks_on_a_good_network() {
    live(0, Faults::NONE, people()).unwrap();
}

#[test]
fn grm_24_a_group_talks_over_a_bad_network() {
    every_seed(EVERYDAY, |seed| live(seed, faults(seed), people()));
}

#[test]
fn members_go_while_others_talk_on_a_good_network() {
    live(0, Faults::NONE, people_who_go()).unwrap();
}

#[test]
fn members_go_while_others_talk_over_a_bad_network() {
    every_seed(EVERYDAY_OTHERS, |seed| live(seed, faults(seed), people_who_go()));
}

#[test]
fn admins_race_on_a_good_network() {
    live(0, Faults::NONE, people_who_race()).unwrap();
}

#[test]
fn admins_race_over_a_bad_network() {
    every_seed(EVERYDAY_OTHERS, |seed| live(seed, faults(seed), people_who_race()));
}

#[test]
fn a_member_has_two_devices_over_a_bad_network() {
    every_seed(EVERYDAY_OTHERS, |seed| {
        let [alice, bob, carol, nora] = people();
        let second = Persona::second_device("bob").talks(3).after(40_000);
        live(seed, faults(seed), [alice, bob, carol, nora, second])
    });
}

#[test]
fn everything_crashes_at_once() {
    every_seed(EVERYDAY_OTHERS, |seed| {
        let mut world = World::new(seed, faults(seed), people_who_go());
        for _ in 0..4 {
            world.run_for(30_000)?;
            world.crash_everything();
        }
        world.settle(SETTLED)
    });
}

/// How many members a device sees, and in which version of the state.
fn picture(world: &mut World, node: usize) -> Option<(u32, u64)> {
    match world.query(node, Request::Groups)? {
        Response::Groups { groups } => groups.first().map(|group| (group.members, group.version)),
        _ => None,
    }
}

fn group(world: &mut World) -> Option<GroupId> {
    match world.query(0, Request::Groups)? {
        Response::Groups { groups } => groups.first().map(|group| group.id),
        _ => None,
    }
}

/// Bob is away when Carol comes, and for longer than his mailbox keeps what tells him of her. Nobody speaks: he finds the state in
/// the record, and how she is reached by asking.
#[test]
fn grp_31_gro_23_members_agree_in_the_end_though_nobody_speaks() {
    let people = [
        Persona::new("alice").says("bob", 1).says("carol", 1).founds(&["bob", "carol"]),
        Persona::new("bob").talks(0),
        Persona::new("carol").talks(0).after(60_000),
    ];
    let mut world = World::new(5, Faults::NONE, people);
    world.run_for(50_000).unwrap();
    world.switch_off(1);
    world.run_for(70_000).unwrap();
    let now = picture(&mut world, 0);
    assert_eq!(now.map(|(members, _)| members), Some(3));
    world.sleep(40 * 24 * 60 * 60 * 1_000);
    world.run_for(60_000).unwrap();
    world.switch_on(1);
    world.run_for(10_000).unwrap();
    assert_eq!(picture(&mut world, 1), now, "the record says so at the first login");
    world.settle(SETTLED).unwrap();
}

/// Carol is away while the group changes more often than its record remembers, and for longer than mailboxes keep anything.
#[test]
fn grp_22_who_was_away_for_weeks_catches_up_and_is_told() {
    let people = [
        Persona::new("alice").says("bob", 1).says("carol", 1).founds(&["bob", "carol"]),
        Persona::new("bob").talks(0),
        Persona::new("carol").talks(0),
    ];
    let mut world = World::new(6, Faults::NONE, people);
    world.run_for(60_000).unwrap();
    assert_eq!(picture(&mut world, 2).map(|(members, _)| members), Some(3));
    world.switch_off(2);
    let group = group(&mut world).unwrap();
    for number in 0..300 {
        let title = Some(format!("title {number}"));
        world.command(0, Request::EditGroup { group, title, about: None, picture: None });
        world.run_for(1_000).unwrap();
    }
    world.sleep(40 * 24 * 60 * 60 * 1_000);
    world.run_for(60_000).unwrap();
    world.switch_on(2);
    world.settle(SETTLED).unwrap();
    assert_eq!(picture(&mut world, 2), picture(&mut world, 0));
    let conversation = ConversationId::Group(group);
    let Some(Response::History { messages, .. }) =
        world.query(2, Request::History { conversation, before: None, limit: 100 })
    else {
        panic!("no history");
    };
    let told = messages.iter().any(|message| {
        matches!(&message.body, Body::Notice { notice: Notice::Group { change: GroupChange::CaughtUp { missed }, .. } } if *missed >= 300)
    });
    assert!(told, "it is said that changes were missed");
    world.command(0, Request::send(conversation, "alice to #: 1".to_owned()));
    world.run_for(60_000).unwrap();
    assert!(
        world
            .history(2)
            .iter()
            .any(|message| matches!(&message.body, Body::Text { text } if text == "alice to #: 1"))
    );
}
