//! What happens between a look at the nodes and what is made of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_api::types::deploy::Targets;

use crate::bench::Bench;
use crate::event::Order;

fn only(node: &str) -> Targets {
    Targets { nodes: vec![node.to_owned()], ..Targets::default() }
}

#[test]
fn a_plan_that_is_older_than_the_end_of_another_deployment_is_refused() {
    let mut bench = Bench::restarting(0, 2, "{}");
    let draft = bench.plan("{}", only("a0:5051")).unwrap();
    bench.succeeds("a0:5051");
    bench.succeeds("a1:5051");
    let refused = bench.order(Order::Create(Box::new(draft))).unwrap().unwrap_err();
    assert_eq!((refused.name(), refused.status), ("changed-meanwhile", 409));
    assert_eq!(refused.detail, "deployment `d1` ended on a0:5051 while this one was planned");
    bench.create("{}", only("a0:5051")).unwrap();
}
