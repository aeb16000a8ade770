//! `sys/netgraph/ng_iface.c`: a point-to-point interface in front of a netgraph node.
