//! `sys/net/route/nhop.c`: the hash of nexthops and their indices.
