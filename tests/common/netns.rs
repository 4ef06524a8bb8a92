//! A home network in three network namespaces: the house's own machine with a leg in the LAN and
//! one outside, a machine in the LAN, and one outside; and perhaps a machine behind the one outside,
//! which is then a router that hides it. Root only.

use std::ffi::OsString;
use std::process::Command;
use std::sync::MutexGuard;

use crate::common::machine::alone_with_mounts;
use crate::common::machine::is_root;
use crate::common::process::find_program;
use crate::common::process::skip;
use crate::common::torrents::hex;
use crate::common::wait_for;

/// The house's machine, as the LAN and as the outside see it.
pub(crate) const HOUSE_LAN: &str = "192.168.77.1";
pub(crate) const HOUSE_OUTSIDE: &str = "203.0.113.1";
/// The others.
pub(crate) const LAN: &str = "192.168.77.2";
pub(crate) const OUTSIDE: &str = "203.0.113.2";

/// The router's inner leg, and the machine behind it: of a network that nobody else can reach.
const ROUTER_INSIDE: &str = "192.168.88.1";
const BEHIND: &str = "192.168.88.2";

/// The namespaces, taken away when dropped.
pub(crate) struct Network {
    name: String,
    _mounts: MutexGuard<'static, ()>,
}

impl Network {
    /// `None`, and the test skipped, when that cannot be.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !is_root() {
            skip(test, "root", false);
            return None;
        }
        if find_program("ip").is_none() {
            skip(test, "ip (iproute2)", true);
            return None;
        }
        let mut random = [0; 4];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let network = Self { name: format!("cove-{}", hex(&random)), _mounts: alone_with_mounts() };
        if !run(&["netns", "add", &network.namespace("house")]) {
            skip(test, "the right to make network namespaces", false);
            return None;
        }
        network.build();
        Some(network)
    }

    #[track_caller]
    fn build(&self) {
        let house = self.namespace("house");
        must(&["-n", &house, "link", "set", "lo", "up"]);
        for (place, ours, theirs) in [("lan", HOUSE_LAN, LAN), ("outside", HOUSE_OUTSIDE, OUTSIDE)]
        {
            let other = self.namespace(place);
            must(&["netns", "add", &other]);
            must(&["-n", &other, "link", "set", "lo", "up"]);
            // Made inside, so that no name is taken outside.
            let veth = ["type", "veth", "peer", "name", "up0", "netns", &other];
            must(&[&["link", "add", place, "netns", &house], &veth[..]].concat());
            for (namespace, device, ip) in [(&house, place, ours), (&other, "up0", theirs)] {
                let address = format!("{ip}/24");
                must(&["-n", namespace, "address", "add", &address, "dev", device]);
                must(&["-n", namespace, "link", "set", device, "up"]);
            }
            wait_until_up(&house, place);
            wait_until_up(&other, "up0");
        }
    }

    /// As [`Network::new`], with a machine `behind` the one outside, which has the address of that
    /// one for everybody else.
    pub(crate) fn with_router(test: &str) -> Option<Self> {
        let Some(nft) = find_program("nft") else {
            skip(test, "nft (nftables)", true);
            return None;
        };
        let network = Self::new(test)?;
        let (router, behind) = (network.namespace("outside"), network.namespace("behind"));
        must(&["netns", "add", &behind]);
        must(&["-n", &behind, "link", "set", "lo", "up"]);
        let veth = ["type", "veth", "peer", "name", "up0", "netns", &behind];
        must(&[&["link", "add", "inside", "netns", &router], &veth[..]].concat());
        for (namespace, device, ip) in
            [(&router, "inside", ROUTER_INSIDE), (&behind, "up0", BEHIND)]
        {
            must(&["-n", namespace, "address", "add", &format!("{ip}/24"), "dev", device]);
            must(&["-n", namespace, "link", "set", device, "up"]);
        }
        wait_until_up(&router, "inside");
        wait_until_up(&behind, "up0");
        must(&["-n", &behind, "route", "add", "default", "via", ROUTER_INSIDE]);
        let nft = nft.to_str().expect("a path in UTF-8");
        let forward = ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"];
        let chain = "{ type nat hook postrouting priority 100 ; }";
        let is_done = run(&[&["netns", "exec", &router], &forward[..]].concat())
            && run(&["netns", "exec", &router, nft, "add", "table", "ip", "hide"])
            && run(&["netns", "exec", &router, nft, "add", "chain", "ip", "hide", "post", chain])
            && run(&[
                &["netns", "exec", &router, nft, "add", "rule", "ip", "hide", "post"],
                &["oifname", "up0", "masquerade"][..],
            ]
            .concat());
        if !is_done {
            skip(test, "the right to forward and masquerade", false);
            return None;
        }
        Some(network)
    }

    fn namespace(&self, place: &str) -> String {
        format!("{}-{place}", self.name)
    }

    /// What starts a program in `house`, `lan`, `outside` or `behind`.
    pub(crate) fn launcher(&self, place: &str) -> Vec<OsString> {
        let namespace = self.namespace(place);
        ["ip", "netns", "exec", &namespace].iter().map(OsString::from).collect()
    }

    /// Runs a command to its end in one of those places, and gives what it printed.
    #[track_caller]
    pub(crate) fn execute(&self, place: &str, command: &[&str]) -> String {
        must(&[&["netns", "exec", &self.namespace(place)], command].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for place in ["house", "lan", "outside", "behind"] {
            run(&["netns", "delete", &self.namespace(place)]);
        }
    }
}

fn run(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success())
}

#[track_caller]
fn must(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("ip can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until the kernel says that a device works, which it does a moment after it was set up.
/// libtorrent does not listen on one that is not up yet, nor looks again.
#[track_caller]
fn wait_until_up(namespace: &str, device: &str) {
    wait_for(&format!("{device} is up in {namespace}"), || {
        let shown = Command::new("ip").args(["-n", namespace, "link", "show", device]).output();
        let shown = shown.expect("ip can be run");
        String::from_utf8_lossy(&shown.stdout).contains("state UP").then_some(())
    });
}
