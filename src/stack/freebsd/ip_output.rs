//! `sys/netinet/ip_output.c`: the route cache of an IPv4 socket.
