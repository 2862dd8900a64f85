//! One command, one file: what it means, what it prints.

pub(crate) mod account;
pub(crate) mod archive;
pub(crate) mod cards;
pub(crate) mod config;
pub(crate) mod contacts;
pub(crate) mod debug_bundle;
pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod files;
pub(crate) mod group;
pub(crate) mod history;
pub(crate) mod link;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod mentions;
pub(crate) mod message;
pub(crate) mod notifications;
pub(crate) mod pages;
pub(crate) mod presence;
pub(crate) mod profile;
pub(crate) mod register;
pub(crate) mod relay;
pub(crate) mod search;
pub(crate) mod send;
pub(crate) mod status;
pub(crate) mod verify;
