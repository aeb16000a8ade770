//! What LWKT comes to here: which locks and threads there are, and what protects what.
//!
//! Source: `sys/kern/lwkt_msgport.c`; serializers are in [`super::lwkt_serialize`], migration
//! in [`super::lwkt_thread`].
//!
//! In 2007 everything here ran under one giant lock that is let go only by blocking, so
//! threads switch at a contended serializer, a message and its reply, a migration, a
//! sleeping allocation, a driver that waits. A critical section does not prevent blocking.
//!
//! A message is served in the fiber of its sender, under the frame of the thread that
//! serves it and on that thread's CPU: the sender sleeps meanwhile in any case, and so
//! what the message causes counts on the sender's account. The port is a lock, held
//! while its thread is busy.

use super::K;
use super::defects as d;
use super::invariants as inv;
use super::lwkt_serialize::holds_serializer;
use super::objects::*;
use crate::kern::hands::Hold;
use crate::kern::lock::{LockId, LockInfo, LockKind};
use crate::kern::record::Frame;
use crate::kern::slab::{ObjRef, Object};
use crate::kern::trace::Func;

/// The control token: see [`super::defects`].
pub const TOKEN: LockId = LockId(0);
/// The first serializer: they are in the order of the names.
pub const SERIALIZERS: u8 = 1;
const RTABLE_PORTS: u8 = SERIALIZERS + super::NIFS as u8;
/// The first port of a netisr: they are in the order of the CPUs.
pub const NETISR_PORTS: u8 = RTABLE_PORTS + 3;

const fn serializer(name: &'static str) -> LockInfo {
    LockInfo { name, kind: LockKind::Serializer, recursive: false, rank: 2, added: false }
}

const fn port(name: &'static str) -> LockInfo {
    LockInfo { name, kind: LockKind::Port, recursive: false, rank: 0, added: false }
}

/// The locks of this kernel, by [`LockId`].
pub static LOCKS: &[LockInfo] = &[
    LockInfo {
        name: "control token",
        kind: LockKind::Token,
        recursive: true,
        rank: 1,
        added: true,
    },
    serializer("em0 serializer"),
    serializer("em1 serializer"),
    serializer("gif0 serializer"),
    serializer("gif1 serializer"),
    serializer("tun0 serializer"),
    serializer("tap0 serializer"),
    serializer("tap1 serializer"),
    serializer("sppp0 serializer"),
    serializer("lo0 serializer"),
    port("rtable_cpu 0 port"),
    port("rtable_cpu 1 port"),
    port("rtable_cpu 2 port"),
    port("netisr_cpu 0 port"),
    port("netisr_cpu 1 port"),
    port("netisr_cpu 2 port"),
];

static RTABLE_THREADS: [Func; 3] = [
    Func { name: "rtable_cpu 0", file: "" },
    Func { name: "rtable_cpu 1", file: "" },
    Func { name: "rtable_cpu 2", file: "" },
];
static NETISR_THREADS: [Func; 3] = [
    Func { name: "netisr_cpu 0", file: "" },
    Func { name: "netisr_cpu 1", file: "" },
    Func { name: "netisr_cpu 2", file: "" },
];
static SOFTCLOCK_THREADS: [Func; 3] = [
    Func { name: "softclock 0", file: "" },
    Func { name: "softclock 1", file: "" },
    Func { name: "softclock 2", file: "" },
];

/// Begins the frames of `rtable_cpu cpu`.
pub fn rtable_thread(k: &K, cpu: usize) -> Frame<'_> {
    k.frame(&RTABLE_THREADS[cpu])
}

/// Begins the frames of `netisr_cpu cpu` (which also is the tcp and udp thread there).
pub fn netisr_thread(k: &K, cpu: usize) -> Frame<'_> {
    k.frame(&NETISR_THREADS[cpu])
}

/// Begins the frames of `softclock cpu`.
pub fn softclock_thread(k: &K, cpu: usize) -> Frame<'_> {
    k.frame(&SOFTCLOCK_THREADS[cpu])
}

/// The port of `rtable_cpu cpu`.
pub fn rtable_portfn(cpu: usize) -> LockId {
    LockId(RTABLE_PORTS + cpu as u8)
}

/// I17, at the sending of a message.
pub fn check_domsg(k: &K) {
    if k.holds_locks() && holds_serializer(k) {
        k.violate(&inv::I17_SERIALIZER, ObjRef::NONE, ObjRef::NONE, [0, 0]);
    }
}

/// I17, at an edit of the lists that the addresses of `ifp` are on: of the hash, of
/// in_ifaddrhead and of if_addrhead.
pub fn check_edit(k: &K, ifp: IfId, ifa: IfaId) {
    let serializer = LockId(SERIALIZERS + k.st.ifnets.raw(ifp).name.get());
    if !k.lock_busy(serializer) || k.owns(serializer) || k.owns(TOKEN) || k.in_crit() {
        return;
    }
    k.violate(&inv::I17_EDITS, ObjRef::of(ifa), ObjRef::of(ifp), [0, 0]);
}

/// Takes the control token, unless the defect `outside` keeps this path out of it.
pub async fn control_enter(k: &K, outside: Option<u8>) {
    match outside {
        Some(d) if k.on(d) => {}
        _ => k.lock(TOKEN).await,
    }
}

/// Lets go of the control token at the end of an operation, if it has it.
pub fn control_exit(k: &K) {
    if k.owns(TOKEN) {
        k.unlock(TOKEN);
    }
}

/// Lets go of the control token for the window of a way in, when both the way in and
/// the enabling defect are on. Returns what [`window_close`] needs.
pub fn window_open(k: &K, way_in: u8) -> u8 {
    if !(k.on(d::IN_CONTROL_UNSERIALIZED) && k.on(way_in)) {
        return 0;
    }
    let depth = k.unlock_all(TOKEN);
    if depth != 0 {
        warn_bare(k);
    }
    depth
}

/// I18, when the token has been let go: the addresses that this thread has in hand are
/// protected by nothing any more.
#[cold]
fn warn_bare(k: &K) {
    let me = k.current();
    k.for_holds(|fiber, obj, counted| {
        if fiber == me && obj.class == Ifaddr::CLASS && !counted {
            k.violate(&inv::I18_BARE_ACROSS_YIELD, obj, ObjRef::NONE, [0, 0]);
        }
    });
}

/// Registers an address that the current thread has in hand, without a reference, over
/// calls that block. That is I18 where not even the control token protects it.
#[inline]
pub fn hold_ia(k: &K, ia: IfaId) -> Hold<'_> {
    let obj = ObjRef::of(ia);
    if !k.owns_exclusively(TOKEN) {
        k.violate(&inv::I18_BARE_ACROSS_YIELD, obj, ObjRef::NONE, [0, 0]);
    }
    k.hold(obj, false)
}

/// Takes the control token back after a window.
pub async fn window_close(k: &K, depth: u8) {
    if depth != 0 {
        k.lock(TOKEN).await;
        k.lock_depth(TOKEN, depth);
    }
}

#[cfg(test)]
mod tests {
    use super::super::netisr::cpu_portfn;
    use super::super::testing::trace_of;
    use super::*;
    use crate::kern::trace::{Event, What};

    /// What the operations leave, on three CPUs.
    fn events(lines: &str) -> Vec<Event> {
        trace_of(3, lines).events.into_iter().filter(|e| e.account != u8::MAX).collect()
    }

    /// What happens to ports, and where their threads begin and end to serve: in order.
    fn ports(events: &[Event]) -> Vec<String> {
        let is_port = |name: &str| LOCKS.iter().any(|l| l.kind == LockKind::Port && l.name == name);
        let said = events.iter().filter_map(|e| {
            let what = match e.what {
                What::Lock(l) if is_port(l) => format!("takes {l}"),
                What::Unlock(l) if is_port(l) => format!("leaves {l}"),
                What::Block(l) if is_port(l) => format!("waits for {l}"),
                What::Enter(f) if f.name == "rtrequest1_msghandler" => "serves".to_string(),
                What::Done(_) => "returns".to_string(),
                _ => return None,
            };
            Some(format!("op {} cpu {} {what}", e.account + 1, e.cpu))
        });
        said.collect()
    }

    #[test]
    fn a_message_is_served_by_each_cpu_in_turn_under_its_port_and_the_sender_is_home_again() {
        let at =
            ports(&events("SIOCAIFADDR em0 10.0.0.1\nroute_add 10.0.1.0/24 via 10.0.0.2 cpu 1"));
        let second: Vec<_> = at.iter().filter(|w| w.starts_with("op 2")).map(|w| &w[5..]).collect();
        // route_output is served by netisr_cpu 0, which sends the message.
        let mut expected = vec!["cpu 1 takes netisr_cpu 0 port".to_string()];
        for cpu in 0..3 {
            // The port is taken by the sender, who still is where the last handler was.
            let from = [0, 0, 1][cpu];
            expected.push(format!("cpu {from} takes rtable_cpu {cpu} port"));
            expected.push(format!("cpu {cpu} serves"));
            expected.push(format!("cpu {cpu} leaves rtable_cpu {cpu} port"));
        }
        expected.push("cpu 0 leaves netisr_cpu 0 port".to_string());
        expected.push("cpu 1 returns".to_string());
        assert_eq!(second, expected);
    }

    #[test]
    fn a_delete_goes_on_past_a_cpu_that_does_not_know_the_route_and_an_add_ends_there() {
        let handlers = |lines: &str| {
            let at = ports(&events(lines));
            at.iter().filter(|w| w.starts_with("op 2") && w.ends_with("serves")).count()
        };
        assert_eq!(handlers("SIOCAIFADDR em0 10.0.0.1\nroute_delete 10.0.1.0/24"), 3);
        assert_eq!(handlers("SIOCAIFADDR em0 10.0.0.1\nroute_add 10.0.0.0/24 via 10.0.0.2"), 1);
    }

    #[test]
    fn who_sends_to_a_port_that_is_serving_waits_until_it_is_done() {
        let at = ports(&events(
            "SIOCAIFADDR em0 10.0.0.1\n\
             arp_reply 10.0.0.2  preempt in_arpinput:lwkt_domsg#1 for 2\n\
             arp_resolve 10.0.0.3 cpu 0\narp_resolve 10.0.0.3 cpu 1",
        ));
        let place =
            |what: &str| at.iter().position(|w| w == what).unwrap_or_else(|| panic!("{at:#?}"));
        let waits = place("op 3 cpu 0 waits for netisr_cpu 0 port");
        let other = place("op 4 cpu 1 returns");
        let left = place("op 2 cpu 0 leaves netisr_cpu 0 port");
        let done = place("op 3 cpu 0 returns");
        assert!(
            waits < other && other < left && left < done,
            "another CPU's port is free: {at:#?}"
        );
    }

    #[test]
    fn a_port_is_no_part_of_the_lock_order_and_a_serializer_is() {
        assert!(LOCKS.iter().all(|l| (l.rank == 0) == (l.kind == LockKind::Port)));
        assert_eq!(LOCKS[usize::from(rtable_portfn(2).0)].name, "rtable_cpu 2 port");
        assert_eq!(LOCKS[usize::from(cpu_portfn(0).0)].name, "netisr_cpu 0 port");
        assert_eq!(usize::from(cpu_portfn(2).0) + 1, LOCKS.len());
    }
}
