//! `sys/netinet/ip_icmp.c`: what arrives as ICMP, in the thread of netisr_cpu 0.

use super::K;
use super::defects as d;
use super::lwkt::*;
use super::route::rtredirect;
use crate::kern::trace::Func;

/// `icmp_input`, `case ICMP_REDIRECT`: to `dst` by way of `gateway`, from the current router.
pub async fn icmp_redirect(k: &K, dst: u32, gateway: u32) -> i32 {
    control_enter(k, Some(d::REDIRECT_UNSERIALIZED)).await;
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let error = {
        let _t = netisr_thread(k, 0);
        let _f = k.frame(&Func { name: "icmp_input", file: "sys/netinet/ip_icmp.c" });
        rtredirect(k, dst, gateway).await
    };
    k.unlock(cpu_portfn(0));
    control_exit(k);
    error
}
