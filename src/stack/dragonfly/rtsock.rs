//! `sys/net/rtsock.c`: the routing socket.

use super::ENOBUFS;
use super::K;
use super::defects as d;
use super::if_var::{ifafree, ifaref};
use super::lwkt::*;
use super::netisr::cpu_portfn;
use super::objects::*;
use super::route::*;
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;
use crate::shadow::FaultKind;

const FILE: &str = "sys/net/rtsock.c";

/// What route(8) asks for.
#[derive(Clone, Copy, Debug)]
pub struct RouteReq {
    /// Destination.
    pub dst: u32,
    /// Prefix length; [`HOST`] for a host.
    pub plen: u8,
    /// Gateway; `None` for none.
    pub gateway: Option<Sin>,
}

/// `write(2)` on a routing socket: `route_output`, in the thread of netisr_cpu 0
/// (`cpu0_soport`). The control token, which is ours, comes before that thread: who has the
/// token waits for the thread in `netmsg_service_sync`.
pub async fn routing_socket(k: &K, req: Req, callback: Callback, r: RouteReq) -> i32 {
    k.yield_at("route_output:lwkt_domsg").await;
    control_enter(k, Some(d::RTSOCK_UNSERIALIZED)).await;
    let home = k.mycpuid();
    k.lock(cpu_portfn(0)).await;
    k.set_cpu(0);
    let error = {
        let _t = netisr_thread(k, 0);
        route_output(k, req, callback, r).await
    };
    k.unlock(cpu_portfn(0));
    k.set_cpu(home);
    control_exit(k);
    error
}

/// `route_output`, as far as RTM_ADD, RTM_DELETE, RTM_CHANGE and RTM_LOCK go.
async fn route_output(k: &K, req: Req, callback: Callback, r: RouteReq) -> i32 {
    let _f = k.frame(&Func { name: "route_output", file: FILE });
    if k.fails("route_output:kmalloc") {
        return ENOBUFS;
    }
    let host = r.plen == HOST;
    let gateway_flag = match r.gateway {
        Some(Sin { family: AF_INET, .. }) => RTF_GATEWAY,
        _ => 0,
    };
    let mut info = RtInfo {
        dst: Sa::Copy(Sin::inet(r.dst)),
        gateway: r.gateway.map_or(Sa::Null, Sa::Copy),
        netmask: if host { Sa::Null } else { Sa::Copy(Sin::inet(mask(r.plen))) },
        flags: RTF_UP | RTF_STATIC | gateway_flag | if host { RTF_HOST } else { 0 },
        ..RtInfo::zeroed()
    };
    rtrequest1_global(k, req, &mut info, callback).await
}

/// `route_output_delete_callback`: fills the reply from the deleted route, which as
/// reported nobody frees.
pub fn route_output_delete_callback(k: &K, error: i32, info: &mut RtInfo, rt: RtId) {
    let _f = k.frame(&Func { name: "route_output_delete_callback", file: FILE });
    if error != 0 || rt.is_null() {
        return;
    }
    let r = &k[rt];
    if r.rt_flags.get() & (RTF_STATIC | RTF_WASCLONED | RTF_DYNAMIC) == 0 {
        // An interface route: the user may take it (I8).
        let ifa = r.rt_ifa.get();
        if k.st.ifa.is_live(ifa) {
            k[ifa].user_deleted.set(true);
        }
    }
    rtref(k, rt);
    if k.fails("fillrtmsg:reallocbuf") {
        // No way to return the error.
    }
    rtunref(k, rt);
    if k.on(d::RTSOCK_DELETE_LEAK) {
        // fillrtmsg aims the request at the route for the CPUs to come.
        info.dst = Sa::Key(rt);
        return;
    }
    free_deleted(k, error, rt);
}

/// `route_output_change_callback`. rtrequest1 has no RTM_GET, so that it is always
/// called with an error; what it would do stands here for its references.
pub fn route_output_change_callback(k: &K, error: i32, info: &mut RtInfo, rt: RtId) {
    let _f = k.frame(&Func { name: "route_output_change_callback", file: FILE });
    if error != 0 {
        return;
    }
    if rt_getifa(k, info) != 0 {
        return;
    }
    let old = k[rt].rt_ifa.get();
    if old != info.ifa {
        ifa_rtrequest(k, old, Req::Delete, rt);
        ifafree(k, old);
        ifaref(k, info.ifa);
        k[rt].rt_ifa.set(info.ifa);
        k[rt].rt_ifp.set(info.ifp);
    }
}

/// `route_output_lock_callback`: as reported it does not look at the error.
pub fn route_output_lock_callback(k: &K, error: i32, rt: RtId) {
    let _f = k.frame(&Func { name: "route_output_lock_callback", file: FILE });
    if error != 0 && k.on(d::RTM_LOCK_NULL) && rt.is_null() {
        k.kernel_fault(FaultKind::Null, ObjRef::NONE, "rt->rt_rmx.rmx_locks");
    }
}
