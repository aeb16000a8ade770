//! `sys/netinet/ip_icmp.c`: what arrives as ICMP, in the thread of netisr_cpu 0.

use super::K;
use super::defects as d;
use super::lwkt::*;
use super::netisr::cpu_portfn;
use super::objects::{Sa, Sin};
use super::route::rtredirect;
use super::uipc_domain::{Prc, pfctlinput};
use crate::kern::trace::Func;

/// `icmp_input`, `case ICMP_REDIRECT`: to `dst` by way of `gateway`, from the current router.
pub async fn icmp_redirect(k: &K, dst: u32, gateway: u32) -> i32 {
    control_enter(k, Some(d::REDIRECT_UNSERIALIZED)).await;
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let error = {
        let _t = netisr_thread(k, 0);
        let _f = k.frame(&Func { name: "icmp_input", file: "sys/netinet/ip_icmp.c" });
        let error = rtredirect(k, dst, gateway).await;
        pfctlinput(k, Prc::RedirectHost, Sa::Copy(Sin::inet(dst))).await;
        error
    };
    k.unlock(cpu_portfn(0));
    control_exit(k);
    error
}

#[cfg(test)]
mod tests {
    use super::super::Dragonfly;
    use super::super::testing::program;
    use crate::kern::Kernel;
    use crate::kern::exec::{Config, run_to_rest};

    #[test]
    fn a_redirect_takes_the_route_of_udp_connections_to_that_host_and_of_nobody_else() {
        let lines = "SIOCAIFADDR em0 10.0.0.1\nroute_add 10.0.1.0/24 via 10.0.0.2\n\
            tcp_connect tcp0 10.0.1.1\nudp_connect udp0 10.0.1.1\nudp_connect udp1 10.0.1.2\n";
        let cached = |last: &str| {
            let mut k = Kernel::<Dragonfly>::new();
            run_to_rest(&mut k, &program(2, &format!("{lines}{last}")), Config::default());
            assert!(k.violation().is_none());
            [0, 2, 3].map(|name: usize| !k[k.st.pcbs[name].get()].ro_rt.get().is_null())
        };
        assert_eq!(cached(""), [true, true, true]);
        assert_eq!(cached("redirect 10.0.1.1 via 10.0.0.3\n"), [true, false, true]);
    }
}
