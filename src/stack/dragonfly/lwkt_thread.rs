//! `sys/kern/lwkt_thread.c`: threads and their CPUs.

use super::K;

/// `lwkt_migratecpu`: nothing when the thread is there already, else it is switched away
/// from and goes on over there.
pub async fn lwkt_migratecpu(k: &K, cpu: usize) {
    if k.mycpuid() != cpu {
        k.set_cpu(cpu);
        k.yield_at("lwkt_migratecpu").await;
    }
}
