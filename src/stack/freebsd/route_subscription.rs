//! `sys/net/route/route_subscription.c`: who is told of a change of a RIB.

use super::fib_algo::handle_rtable_change_cb;
use super::nd6::nd6_subscription_cb;
use super::nhop::family;
use super::objects::*;
use super::route_ctl::RibCmdInfo;
use super::{K, NSUBS};
use crate::kern::trace::Func;

static RIB_NOTIFY: Func = Func { name: "rib_notify", file: "sys/net/route/route_subscription.c" };

/// `rib_subscribe_locked`: in front of the others.
pub fn rib_subscribe_locked(k: &K, af: Af, fd: FdId) -> bool {
    if k.fails("rib_subscribe_locked") {
        return false;
    }
    let list = &k.st.rnh_subscribers[family(af)];
    if !list[NSUBS - 1].get().is_null() {
        k.exhaust();
        return false;
    }
    for i in (1..NSUBS).rev() {
        list[i].set(list[i - 1].get());
    }
    list[0].set(fd);
    k[fd].subscribed.set(true);
    true
}

/// `rib_unsubscribe_locked`.
pub fn rib_unsubscribe_locked(k: &K, af: Af, fd: FdId) {
    let list = &k.st.rnh_subscribers[family(af)];
    let at = list.iter().position(|s| s.get() == fd).unwrap_or(NSUBS);
    for i in at..NSUBS {
        list[i].set(list.get(i + 1).map_or(FdId::NULL, |next| next.get()));
    }
    k[fd].subscribed.set(false);
}

/// `rib_notify` of RIB_NOTIFY_IMMEDIATE: the FIB instances, the youngest first, then for IPv6
/// neighbour discovery, which subscribed first of all.
///
/// A subscriber may unsubscribe itself, and new ones come in front; neither changes who is
/// still to be told.
pub async fn rib_notify(k: &K, af: Af, rc: &RibCmdInfo<'_>) {
    let _f = k.frame(&RIB_NOTIFY);
    let i = af.index() & 1;
    let subscribers: [FdId; NSUBS] = std::array::from_fn(|n| k.st.rnh_subscribers[i][n].get());
    for fd in subscribers.into_iter().take_while(|fd| !fd.is_null()) {
        handle_rtable_change_cb(k, fd, rc).await;
    }
    if af == Af::Inet6 {
        nd6_subscription_cb(k, rc).await;
    }
}

/// `rib_notify` of RIB_NOTIFY_DELAYED, without the RIB's lock: nobody in this kernel
/// subscribes to it.
pub fn rib_notify_delayed(k: &K) {
    let _f = k.frame(&RIB_NOTIFY);
}
