//! `/deploy`: deployments, nodes, halts and events.
