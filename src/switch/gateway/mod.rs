//! The gateway: one safe AMI in front of one or many Asterisk servers.
#![allow(dead_code)]

mod answer;
mod backoff;
mod id;
mod listing;
mod merge;
mod owners;
mod packet;
mod turns;
