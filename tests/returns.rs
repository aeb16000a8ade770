//! What the paths of the facts return: the errno of an operation of a golden program.

mod common;

use common::{golden_file, on_cpus, run};

#[test]
fn what_a_path_of_2007_returns_is_what_the_facts_say_on_any_number_of_cpus() {
    for (name, op, errno) in [
        ("2.01-rtinit-add-exists", 2, 17),
        ("2.02-rtrequest1-add-exists", 3, 17),
        ("2.02-rtrequest1-get", 3, 45),
        ("2.04-in-ifinit-ioctl-error-new", 1, 5),
        ("2.04-in-ifinit-no-destination", 2, 0),
        ("2.05-create-by-sifdstaddr", 1, 22),
        ("2.06-sifaddr-error-new", 1, 5),
        ("2.06-sifaddr-error-swallowed", 2, 0),
        ("2.06-sifaddr-error-swallowed-repaired", 2, 5),
        ("2.07-aifaddr-edestaddrreq", 2, 39),
        ("2.08-difaddr-not-found", 2, 49),
        ("2.09-sifdstaddr-ioctl-error", 3, 5),
        ("2.09-sifdstaddr-rtinit-ignored", 5, 0),
        ("2.09-sifdstaddr-rtinit-ignored-repaired", 5, 17),
        ("2.14-tcp-drop", 6, 60),
    ] {
        let program = golden_file("dragonfly-2007", name).program;
        for ncpus in 1..=3 {
            let ran = run(&on_cpus(&program, ncpus));
            assert_eq!(ran.errno(op), errno, "{name} on {ncpus} CPUs");
        }
    }
}

#[test]
fn what_a_path_of_freebsd_returns_is_what_the_facts_say() {
    for (name, op, errno) in [
        ("2.03-epair-create-exists", 2, 17),
        ("2.03-epair-destroy-gone", 3, 6),
        ("2.04-address-removal-inet-not-found", 2, 49),
        ("2.04-address-removal-inet6-not-found", 2, 49),
        ("2.05-address-addition-inet-dying", 2, 0),
        ("2.05-address-addition-inet-dying-repaired", 2, 6),
        ("2.05-address-addition-inet-exists", 4, 17),
        ("2.05-address-addition-inet-driver", 3, 55),
        ("2.05-address-addition-inet-no-route", 3, 12),
        ("2.05-address-addition-inet-no-self-route", 3, 12),
        ("2.05-address-addition-inet-no-group", 3, 55),
        ("2.05-address-addition-inet6-dying", 2, 0),
        ("2.05-address-addition-inet6-dying-repaired", 2, 6),
        // The error of in6_addifaddr is lost.
        ("2.05-address-addition-inet6-no-prefix", 3, 0),
        ("2.05-address-addition-inet6-no-group", 3, 0),
        ("2.05-obsolete", 2, 22),
        ("2.06-prefix-route-exists", 4, 0),
        ("2.07-exists", 5, 17),
        ("2.07-group-not-deleted", 7, 3),
        ("2.07-group-no-memory", 6, 12),
        ("2.07-pinned", 4, 48),
        ("2.07-pinned", 5, 0),
        ("2.07-pinned-repaired", 5, 48),
        ("2.07-not-found", 1, 3),
        ("2.07-not-found", 2, 3),
        ("2.07-not-found", 3, 51),
        ("2.07-no-memory", 4, 55),
        ("2.07-no-memory", 5, 12),
        ("2.07-no-memory", 8, 17),
        ("2.10-drop", 17, 60),
    ] {
        let ran = run(&golden_file("freebsd-14", name).program);
        assert_eq!(ran.errno(op), errno, "{name}, operation {op}");
    }
}
