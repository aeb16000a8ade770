//! Addresses, prefixes and flags as reports write them: for the dumps of [`describe`] and what
//! [`explain`] says of a violation.
//!
//! [`describe`]: super::describe
//! [`explain`]: super::explain

use super::objects::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An address as people write it. The second group of a global address is implied (all are
/// of 2001:db8::/32); a link-local one shows its embedded scope, as the kernel keeps it.
pub fn addr(af: Af, a: Addr) -> String {
    let [first, net, hi, lo] = [48, 32, 16, 0].map(|shift| (a >> shift) as u16);
    match af {
        Af::Inet => Ipv4Addr::from((a >> 32) as u32).to_string(),
        Af::Inet6 if first == 0x2001 => {
            Ipv6Addr::new(first, 0xdb8, net, 0, 0, 0, hi, lo).to_string()
        }
        Af::Inet6 => Ipv6Addr::new(first, net, 0, 0, 0, 0, hi, lo).to_string(),
        Af::Link => format!("link#{a}"),
    }
}

/// A prefix, its length in the bits that people know.
pub fn prefix(af: Af, p: Prefix) -> String {
    let bits = u32::from(p.bits);
    let len = match af {
        Af::Inet6 if bits > 32 => 64 + bits,
        Af::Inet6 if bits > 0 => 32 + bits,
        _ => bits,
    };
    format!("{}/{len}", addr(af, p.addr))
}

/// The names of the flags that are set.
pub fn flags(value: u32, names: &[(u32, &str)]) -> String {
    let on: Vec<_> = names.iter().filter(|(b, _)| value & b != 0).map(|(_, n)| *n).collect();
    format!("<{}>", on.join(","))
}

/// Flags of an interface.
pub const IF_FLAGS: &[(u32, &str)] = &[
    (IFF_UP, "UP"),
    (IFF_BROADCAST, "BROADCAST"),
    (IFF_LOOPBACK, "LOOPBACK"),
    (IFF_POINTOPOINT, "POINTOPOINT"),
    (IFF_NOARP, "NOARP"),
    (IFF_SIMPLEX, "SIMPLEX"),
    (IFF_MULTICAST, "MULTICAST"),
    (IFF_DYING, "DYING"),
];
/// Flags of a route.
pub const RT_FLAGS: &[(u32, &str)] = &[
    (RTF_UP, "UP"),
    (RTF_GATEWAY, "GATEWAY"),
    (RTF_HOST, "HOST"),
    (RTF_REJECT, "REJECT"),
    (RTF_STATIC, "STATIC"),
    (RTF_BLACKHOLE, "BLACKHOLE"),
    (RTF_PINNED, "PINNED"),
];
/// Flags of a nexthop.
pub const NH_FLAGS: &[(u32, &str)] = &[
    (NHF_REJECT as u32, "REJECT"),
    (NHF_BLACKHOLE as u32, "BLACKHOLE"),
    (NHF_BROADCAST as u32, "BROADCAST"),
    (NHF_DEFAULT as u32, "DEFAULT"),
    (NHF_GATEWAY as u32, "GATEWAY"),
    (NHF_HOST as u32, "HOST"),
];
/// Flags of an IPv6 address.
pub const IA6_FLAGS: &[(u32, &str)] = &[
    (IN6_IFF_TENTATIVE, "TENTATIVE"),
    (IN6_IFF_DUPLICATED, "DUPLICATED"),
    (IN6_IFF_DETACHED, "DETACHED"),
    (IN6_IFF_DEPRECATED, "DEPRECATED"),
    (IN6_IFF_AUTOCONF, "AUTOCONF"),
];
/// Flags of any address.
pub const IFA_FLAGS: &[(u32, &str)] = &[(IFA_ROUTE, "IFA_ROUTE"), (IFA_RTSELF, "IFA_RTSELF")];
/// State of a prefix.
pub const PR_FLAGS: &[(u32, &str)] = &[(NDPRF_ONLINK, "ONLINK"), (NDPRF_DETACHED, "DETACHED")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_people_write_them() {
        let v6 = |first: u64, net: u64, id: u64| addr(Af::Inet6, first << 48 | net << 32 | id);
        assert_eq!(addr(Af::Inet, 0x0a00_0001 << 32), "10.0.0.1");
        assert_eq!(v6(0x2001, 0, 1), "2001:db8::1");
        assert_eq!(v6(0x2001, 1, 2), "2001:db8:1::2");
        assert_eq!(v6(0xfe80, 14, 1), "fe80:e::1");
        assert_eq!(v6(0xfe80, 0, 1), "fe80::1");
        assert_eq!(v6(0xff02, 3, 0x1_0003), "ff02:3::1:3");
        assert_eq!(v6(0, 0, 1), "::1");
        assert_eq!(v6(0, 0, 0), "::");
    }

    #[test]
    fn prefix_lengths_are_those_of_the_whole_address() {
        let v6 = |a, bits| prefix(Af::Inet6, Prefix::new(a, bits));
        assert_eq!(v6(0, 0), "::/0");
        assert_eq!(v6(0x2001_0001_0000_0002, 32), "2001:db8:1::/64");
        assert_eq!(v6(0x2001_0001_0000_0002, 64), "2001:db8:1::2/128");
        assert_eq!(prefix(Af::Inet, Prefix::new(0x0a00_0001 << 32, 24)), "10.0.0.0/24");
        assert_eq!(prefix(Af::Inet, Prefix::new(0x0a00_0001 << 32, 32)), "10.0.0.1/32");
    }

    #[test]
    fn the_flags_of_the_report_are_those_of_a_detached_point_to_point_interface() {
        let reported = IFF_DYING | IFF_MULTICAST | IFF_SIMPLEX | IFF_NOARP | IFF_POINTOPOINT;
        assert_eq!(reported, 2_132_112);
        assert_eq!(flags(reported, IF_FLAGS), "<POINTOPOINT,NOARP,SIMPLEX,MULTICAST,DYING>");
    }
}
