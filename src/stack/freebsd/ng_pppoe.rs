//! `sys/netgraph/ng_pppoe.c`: PPPoE sessions.
