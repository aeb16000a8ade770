//! `sys/kern/kern_conf.c`: devfs counts the threads in a device's methods.

use super::K;
use super::objects::*;
use crate::kern::trace::Func;

const FILE: &str = "sys/kern/kern_conf.c";

/// `dev_refthread`.
pub fn dev_refthread(k: &K, tp: ScId) {
    k[tp].si_threadcount.inc();
}

/// `dev_relthread`.
pub fn dev_relthread(k: &K, tp: ScId) {
    if k[tp].si_threadcount.dec() == 0 {
        k[tp].devdrn.wakeup(k);
    }
}

/// `destroy_dev`: the device is gone when its methods have been left.
pub async fn destroy_dev(k: &K, tp: ScId) {
    let _f = k.frame(&Func { name: "destroy_dev", file: FILE });
    k[tp].tun_dev.set(false);
    while k[tp].si_threadcount.get() != 0 && k.fuel() {
        k[tp].devdrn.sleep(k, "devdrn", None).await;
    }
}
