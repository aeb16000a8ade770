//! `sys/netinet/tcp_output.c`: `tcp_default_output`.
