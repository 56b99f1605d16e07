//! The gateway: one safe AMI in front of one or many Asterisk servers.
#![cfg_attr(not(test), allow(dead_code))]

mod id;
mod packet;
