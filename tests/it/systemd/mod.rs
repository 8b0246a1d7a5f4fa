//! Restarts under a real systemd: a host of its own, whose PID 1 it is, and which can be lost at any moment.

mod machine;
mod restarts;
