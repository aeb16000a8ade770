//! `sys/net/if_clone.c`: interfaces that are made and destroyed by name.
//!
//! A cloner has its mutex, the list of its interfaces and its unit numbers; a bit of
//! `units` stands for each unit that is given out. Who takes an interface off the list is
//! the one that destroys it.

use super::defects as d;
use super::if_c::{if_addgroup, if_delgroup, if_rele, ifunit, ifunit_ref};
use super::objects::{Driver, IfId};
use super::verbs::TUN0;
use super::{EEXIST, EINVAL, ENXIO, K};
use super::{if_epair, if_tuntap, locks};
use crate::kern::slab::ObjRef;
use crate::kern::trace::Func;

const FILE: &str = "sys/net/if_clone.c";

/// `ifc_alloc_unit`, `alloc_unr_specific`: the unit that a name slot stands for; EEXIST
/// when it is given out.
pub fn ifc_alloc_unit(k: &K, name: u8) -> i32 {
    let bit = 1u16 << name;
    if k.st.units.get() & bit != 0 {
        return EEXIST;
    }
    k.st.units.set(k.st.units.get() | bit);
    0
}

/// `ifc_free_unit`, `free_unr`.
pub fn ifc_free_unit(k: &K, name: u8) {
    k.st.units.set(k.st.units.get() & !(1u16 << name));
}

/// `if_clone_create`, with `ifc_create_ifp` and `if_clone_createif_nl`. The cloner is
/// chosen by name, as `ifc_find_cloner_match` does.
pub async fn if_clone_create(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "if_clone_create", file: FILE });
    let serialized = !k.on(d::EPAIR_CREATE_VS_DESTROY);
    if serialized {
        k.lock(locks::IFNET_DETACH).await;
    }
    let error = create(k, name).await;
    if serialized {
        k.unlock(locks::IFNET_DETACH);
    }
    error
}

async fn create(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "if_clone_createif_nl", file: FILE });
    if !ifunit(k, name).is_null() {
        return EEXIST;
    }
    k.yield_at("if_clone_createif_nl:ifunit").await;
    let made = match name {
        TUN0 => if_tuntap::tun_clone_create(k, name).await,
        _ => if_epair::epair_clone_create(k, name).await,
    };
    match made {
        Ok(ifp) => {
            let _raw = k.hold(ObjRef::of(ifp), false);
            k.yield_at("if_clone_createif_nl:if_clone_addif").await;
            if_clone_addif(k, ifp).await;
            0
        }
        Err(error) => error,
    }
}

/// `if_clone_addif`, `ifc_link_ifp`.
pub async fn if_clone_addif(k: &K, ifp: IfId) {
    let _f = k.frame(&Func { name: "ifc_link_ifp", file: FILE });
    if_addgroup(k, ifp).await;
    k.lock(locks::IF_CLONERS).await;
    k[ifp].if_clones_linked.set(true);
    k.unlock(locks::IF_CLONERS);
}

/// `ifc_unlink_ifp`: whether it was on the list.
async fn ifc_unlink_ifp(k: &K, ifp: IfId) -> bool {
    let _f = k.frame(&Func { name: "ifc_unlink_ifp", file: FILE });
    k.lock(locks::IF_CLONERS).await;
    let linked = k[ifp].if_clones_linked.get();
    k[ifp].if_clones_linked.set(false);
    k.unlock(locks::IF_CLONERS);
    if linked {
        if_delgroup(k, ifp).await;
    }
    linked
}

/// `if_clone_destroy`; `ifnet_detach_sx` is held.
pub async fn if_clone_destroy(k: &K, name: u8) -> i32 {
    let _f = k.frame(&Func { name: "if_clone_destroy", file: FILE });
    let ifp = ifunit_ref(k, name);
    if ifp.is_null() {
        return ENXIO;
    }
    let held = k.hold(ObjRef::of(ifp), true);
    k.yield_at("if_clone_destroy:ifunit_ref").await;
    // ng_iface has no cloner; lo's refuses its first unit, but then it is not asked here.
    let error = match k[ifp].driver.get() {
        Driver::Ng => EINVAL,
        _ => if_clone_destroyif(k, ifp).await,
    };
    drop(held);
    if_rele(k, ifp);
    error
}

/// `if_clone_destroyif`, `if_clone_destroyif_flags`.
pub async fn if_clone_destroyif(k: &K, ifp: IfId) -> i32 {
    let _f = k.frame(&Func { name: "if_clone_destroyif_flags", file: FILE });
    if !ifc_unlink_ifp(k, ifp).await {
        return ENXIO;
    }
    k.yield_at("if_clone_destroyif_flags:ifc_destroy").await;
    match k[ifp].driver.get() {
        // Destroying the second half comes back here.
        Driver::Epair => Box::pin(if_epair::epair_clone_destroy(k, ifp)).await,
        Driver::Tun => if_tuntap::tun_clone_destroy(k, ifp).await,
        _ => {
            if_clone_addif(k, ifp).await;
            EINVAL
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::errno_of_last;

    #[test]
    fn siocifdestroy_of_a_netgraph_interface_is_einval() {
        assert_eq!(errno_of_last("NGM_MKPEER ng0\nSIOCIFDESTROY ng0\n"), super::EINVAL);
        assert_eq!(errno_of_last("SIOCIFDESTROY ng0\n"), super::ENXIO, "there is none");
        assert_eq!(errno_of_last("SIOCIFCREATE tun0\nSIOCIFDESTROY tun0\n"), 0);
    }
}
