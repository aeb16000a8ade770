//! `sys/netinet/ip_output.c`, as far as it handles the cached route.

use super::if_ether::arpresolve;
use super::objects::*;
use super::route::*;
use super::{EHOSTUNREACH, ENETDOWN, K};
use crate::kern::trace::Func;

/// `ip_output` to `dst` along the route cache of a pcb.
pub fn ip_output(k: &K, inp: InpId, dst: u32) -> i32 {
    let _f = k.frame(&Func { name: "ip_output", file: "sys/netinet/ip_output.c" });
    let p = &k[inp];
    let rt = p.ro_rt.get();
    if !rt.is_null() && (k[rt].rt_flags.get() & RTF_UP == 0 || p.ro_dst.get() != dst) {
        p.ro_rt.set(RtId::NULL);
        rtfree(k, rt);
    }
    if p.ro_rt.get().is_null() {
        p.ro_dst.set(dst);
        let rt = rtalloc_ign(k, RtId::NULL, dst, RTF_PRCLONING);
        p.ro_rt.set(rt);
    }
    let rt = p.ro_rt.get();
    if rt.is_null() {
        return EHOSTUNREACH;
    }
    output_along(k, rt, dst)
}

/// The interface's `if_output` for a packet to `dst` along `rt`.
pub fn output_along(k: &K, rt: RtId, dst: u32) -> i32 {
    let ifp = k[rt].rt_ifp.get();
    let next = match k[rt].rt_gateway.get() {
        Gateway::Inet(g) if k[rt].rt_flags.get() & RTF_GATEWAY != 0 => g,
        _ => dst,
    };
    let flags = k[ifp].if_flags.get();
    if flags & IFF_BROADCAST != 0 {
        // ether_output. A packet that waits for ARP, or that ARP has thrown away, is no error.
        if flags & (IFF_UP | IFF_RUNNING) != IFF_UP | IFF_RUNNING {
            return ENETDOWN;
        }
        arpresolve(k, rt, next);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::testing::trace_of;
    use crate::kern::trace::What;

    /// What the last operation of a clean run returns.
    fn errno(lines: &str) -> i32 {
        let last = lines.lines().count() - 1;
        let events = trace_of(1, lines).events;
        let mut done = events.iter().filter(|e| usize::from(e.account) == last);
        done.find_map(|e| if let What::Done(errno) = e.what { Some(errno) } else { None }).unwrap()
    }

    #[test]
    fn a_packet_that_arp_drops_is_no_error_and_one_for_a_stopped_interface_is() {
        let up = "SIOCAIFADDR em0 10.0.0.1\nroute_add 10.0.1.0/24 via 10.0.0.2\n";
        assert_eq!(errno(&format!("{up}udp_send udp0 10.0.0.3")), 0);
        assert_eq!(
            errno(&format!("{up}udp_send udp0 10.0.0.3  fail arp_rtrequest:R_Malloc#1..")),
            0
        );
        let stopped =
            "SIOCAIFADDR tap0 10.0.0.1\nifdown tap0\nroute_add 10.0.1.0/24 via 10.0.0.2\n";
        assert_eq!(errno(&format!("open tap0\n{stopped}udp_send udp0 10.0.1.1")), super::ENETDOWN);
    }
}
