//! `sys/netinet6/ip6_output.c`: the route cache of an IPv6 socket.
