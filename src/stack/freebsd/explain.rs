//! What the two numbers of a violation mean, rule by rule.

use super::census;
use super::invariants::{self as inv, Left};
use super::lists::LIST_NAMES;
use super::verbs::IFS;
use super::words::{IF_FLAGS, flags};
use crate::shadow::{Rule, Violation};

/// What the numbers of a violation of one of this stack's invariants mean.
pub fn explain(v: &Violation) -> String {
    let [a, b] = v.detail;
    let is = |rule: &Rule| std::ptr::eq(v.rule, rule);
    let any = |rules: &[&Rule]| rules.iter().any(|&r| std::ptr::eq(v.rule, r));
    let counters = [
        &inv::I01_IF_REFCOUNT,
        &inv::I02_IFA_REFCNT,
        &inv::I03_NH_REFCNT,
        &inv::I03_NHG_REFCOUNT,
        &inv::I04_NDPR_REFCNT,
        &inv::I04_NDPR_ADDRCNT,
        &inv::I05_DR_REFCNT,
        &inv::I05_FLM_REFCOUNT,
        &inv::REFCNT_OTHER,
    ];
    if b == census::DEAD && (any(&counters) || any(&[&inv::I07_NHOP_DEPS, &inv::I13_IFINDEX])) {
        return "held although it is freed".to_string();
    }
    if any(&counters) {
        return format!("the counter says {}, {b} holder(s)", a as i32);
    }
    let list = |i: u32| LIST_NAMES.get(i as usize).copied().unwrap_or("a list");
    if is(&inv::I02_MEMBERSHIP) {
        let on = |there| if there != 0 { "on" } else { "not on" };
        return format!("{} if_addrhead, {} its family's list", on(a), on(b));
    }
    if is(&inv::I03_QUEUED_ONCE) {
        return match (a, b) {
            (0, 2) => "no reference, and still linked".to_string(),
            (0, _) => "no reference, and not queued".to_string(),
            _ => format!("{a} reference(s), and queued"),
        };
    }
    if is(&inv::I06_DOUBLE_QUEUE) {
        return if a != 0 { "queued twice" } else { "queued, but freed" }.to_string();
    }
    if is(&inv::I07_RIB) {
        return match b {
            2 => "RTF_UP, but not in the RIB".to_string(),
            _ => format!("entry {a} of the {} RIB", if b == 0 { "inet" } else { "inet6" }),
        };
    }
    if is(&inv::I08_AFDATA) {
        return match a {
            0 => "it is NULL",
            1 => "it is freed, and still set",
            _ => "it is freed while the section has the interface in hand",
        }
        .to_string();
    }
    if any(&[
        &inv::I09_RIB_DETACHED,
        &inv::I10_FIB_DETACHED,
        &inv::I10_FIB_STRICT,
        &inv::I11_LEFT_BEHIND,
        &inv::I12_ADDED,
    ]) {
        let what = LEFT[a as usize % LEFT.len()];
        return match b {
            1 => format!("{what} is added while it is dying"),
            _ => format!("{what} names it"),
        };
    }
    if is(&inv::I12_DYING) {
        let on = if b != 0 { "on" } else { "off" };
        return format!("if_flags {a} {}, {on} V_ifnet", flags(a, IF_FLAGS));
    }
    if is(&inv::I13_IFINDEX) {
        return format!("slot {a}");
    }
    if is(&inv::I15_IF_FREE) {
        return set(
            a,
            &[
                "if_refcount is not 0",
                "not IFF_DYING",
                "if_afdata[AF_INET] is set",
                "if_afdata[AF_INET6] is set",
            ],
        );
    }
    if is(&inv::I16_LEAK) {
        return match a {
            0 => "off the RIB, and not queued",
            1 => "in the RIB, and queued",
            2 => "never finalized",
            _ => "its owner does not have it",
        }
        .to_string();
    }
    if is(&inv::I16_NH_IDX) {
        return format!("index {a} of {}", if b == 0 { "inet" } else { "inet6" });
    }
    if is(&inv::I16_MODULE_DATA) {
        return format!("{a} allocated, {b} instance(s)");
    }
    if is(&inv::LEAK_AT_END) && a != 0 {
        return set(
            b,
            &[
                "epoch callbacks",
                "tasks",
                "in_multi records",
                "in6_multi records",
                "netisr packets",
                "units",
            ],
        );
    }
    if is(&inv::I17_ONLINK) {
        return match a {
            0 => "NDPRF_ONLINK without its route",
            1 => "two prefixes of one value are NDPRF_ONLINK",
            3 => "its route has become one path of a group",
            _ => "a prefix route without a prefix that is NDPRF_ONLINK",
        }
        .to_string();
    }
    if any(&[&inv::I18_IFA_ROUTE, &inv::I18_IFA_RTSELF, &inv::I18_INSTALLED]) {
        return match a {
            0 => "the flag without its route",
            3 => "its route has become one path of a group",
            _ => "the route without its owner",
        }
        .to_string();
    }
    if is(&inv::I19_ONE_INSTANCE) {
        return match v.obj.is_none() {
            true => format!("{a} linked instances"),
            false => set(
                a,
                &[
                    "linked and not the datapath's, or the other way round",
                    "fd_linked and fd_dead",
                    "its subscription",
                    "its callout is armed",
                    "fd_rs",
                ],
            ),
        };
    }
    if is(&inv::I20_FIB_EQUALS_RIB) {
        return match b {
            u32::MAX => format!("entry {a} differs"),
            _ => format!("{a} entries in the FIB, {b} in the RIB"),
        };
    }
    if is(&inv::I20_REBUILD_PENDING) {
        return match a {
            0 => "no rebuild is pending".to_string(),
            _ => format!("the rebuild comes {b} ms after they were seen to differ"),
        };
    }
    if is(&inv::I22_LISTS) {
        return match b {
            1 => format!("twice on {}", list(a)),
            2 => format!("the tail of {}", list(a)),
            _ => format!("its links on {} disagree, or it does not belong there", list(a)),
        };
    }
    if is(&inv::I22_DEAD_ON_LIST) {
        return format!("on {}", list(a));
    }
    if is(&inv::I22_FREED_BUSY) {
        return match (a, b) {
            (0, _) => "its callout is armed",
            (_, 0) => "its task is queued",
            _ => "its task is running",
        }
        .to_string();
    }
    if is(&inv::FAILED_CHANGED) {
        let what = set(b, &["interfaces", "IFF_UP", "addresses", "routes", "prefixes", "routers"]);
        return format!("errno {a}; changed: {what}");
    }
    if is(&inv::NOT_REPORTED) {
        let (name, family) =
            (IFS.get(a as usize).unwrap_or(&"?"), ["inet", "inet6"][b as usize & 1]);
        return format!("an {family} address of {name}");
    }
    String::new()
}

/// The names of [`Left`].
const LEFT: [&str; Left::Nhop as usize + 1] = [
    "a route",
    "a FIB instance",
    "an address on if_addrhead",
    "an address on V_in_ifaddrhead or V_in6_ifaddrhead",
    "a prefix",
    "a router",
    "a DAD entry",
    "a link-layer entry",
    "a membership",
    "a link-level membership",
    "a nexthop",
];

fn set(bits: u32, names: &[&str]) -> String {
    let on = names.iter().enumerate().filter(|(i, _)| bits >> i & 1 != 0).map(|(_, n)| *n);
    on.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::slab::ObjRef;

    #[test]
    fn the_numbers_of_a_violation_are_put_into_words() {
        let said = |rule, detail| {
            let (obj, other) = (ObjRef::NONE, ObjRef::NONE);
            explain(&Violation { rule, obj, other, detail, op: None, func: "" })
        };
        for (rule, detail, words) in [
            (&inv::I01_IF_REFCOUNT, [1, census::DEAD], "held although it is freed"),
            (&inv::I01_IF_REFCOUNT, [3, 2], "the counter says 3, 2 holder(s)"),
            (&inv::I02_MEMBERSHIP, [1, 0], "on if_addrhead, not on its family's list"),
            (&inv::I03_QUEUED_ONCE, [0, 2], "no reference, and still linked"),
            (&inv::I03_QUEUED_ONCE, [0, 0], "no reference, and not queued"),
            (&inv::I03_QUEUED_ONCE, [2, 1], "2 reference(s), and queued"),
            (&inv::I06_DOUBLE_QUEUE, [0, 0], "queued, but freed"),
            (&inv::I07_RIB, [0, 2], "RTF_UP, but not in the RIB"),
            (&inv::I08_AFDATA, [0, 0], "it is NULL"),
            (&inv::I08_AFDATA, [1, 0], "it is freed, and still set"),
            (&inv::I13_IFINDEX, [4, 0], "slot 4"),
            (&inv::I15_IF_FREE, [3, 0], "if_refcount is not 0, not IFF_DYING"),
            (&inv::I16_LEAK, [0, 0], "off the RIB, and not queued"),
            (&inv::I16_LEAK, [1, 0], "in the RIB, and queued"),
            (&inv::I16_LEAK, [2, 0], "never finalized"),
            (&inv::I16_LEAK, [3, 0], "its owner does not have it"),
            (&inv::I16_NH_IDX, [7, 1], "index 7 of inet6"),
            (&inv::LEAK_AT_END, [1, 0b10010], "tasks, netisr packets"),
            (&inv::I17_ONLINK, [1, 0], "two prefixes of one value are NDPRF_ONLINK"),
            (&inv::I19_ONE_INSTANCE, [2, 0], "2 linked instances"),
            (&inv::I20_FIB_EQUALS_RIB, [5, u32::MAX], "entry 5 differs"),
            (&inv::I20_FIB_EQUALS_RIB, [5, 4], "5 entries in the FIB, 4 in the RIB"),
            (
                &inv::I20_REBUILD_PENDING,
                [1, 50],
                "the rebuild comes 50 ms after they were seen to differ",
            ),
            (&inv::I22_FREED_BUSY, [0, 0], "its callout is armed"),
            (&inv::I22_FREED_BUSY, [1, 0], "its task is queued"),
            (&inv::I22_FREED_BUSY, [1, 1], "its task is running"),
        ] {
            assert_eq!(said(rule, detail), words, "{} {detail:?}", rule.name);
        }
        let list = LIST_NAMES[0];
        assert_eq!(said(&inv::I22_LISTS, [0, 1]), format!("twice on {list}"));
        assert_eq!(said(&inv::I22_LISTS, [0, 2]), format!("the tail of {list}"));
        assert!(said(&inv::I22_LISTS, [0, 0]).starts_with("its links on "));
        assert_eq!(said(&inv::I22_DEAD_ON_LIST, [0, 0]), format!("on {list}"));
    }
}
