//! Who sees and does what, with names and secrets, over a real `dcos-node`: by keyboard, and as assistive technology
//! is told of it.

use serde_json::{Value, json};

use super::browser::{Browser, ENTER, ESCAPE, TAB};
use super::fake::{Answers, Fake};
use crate::harness::served::Served;
use crate::harness::until;
use crate::masters::roles::{authenticating, credentials, node_file, secret};

/// A reason that would be a script, were it taken for markup.
const REASON: &str = "<img src=x onerror=\"document.title='owned'\">the disks of rack 4";

/// Where somebody with that name comes in.
fn door(url: &str, name: &str) -> String {
    format!("{}/deploy/ui", url.replace("://", &format!("://{name}:{}@", secret(name))))
}

/// What the page's own origin answers a request that the page makes; the status, and the document.
fn ask(browser: &Browser, method: &str, path: &str, body: &Value) -> (u64, Value) {
    let script = format!(
        "const done = arguments[arguments.length - 1];\
         fetch(new URL('{path}', location.origin), {{method: '{method}', headers: {{'Content-Type': 'application/json'}}, body: {}}})\
         .then(async (answer) => done([answer.status, await answer.json()]))",
        if method == "GET" { "undefined".to_owned() } else { json!(body.to_string()).to_string() },
    );
    let answer = browser.script_in_a_while(&script);
    (answer[0].as_u64().unwrap(), answer[1].clone())
}

/// Presses Tab until the element with `id`, or with that text, has the focus; answers what had it on the way.
fn tab_to(browser: &Browser, wanted: &str) -> Vec<String> {
    let mut passed = Vec::new();
    while browser.focus() != wanted {
        assert!(passed.len() < 30, "`{wanted}` can't be reached by Tab: {passed:?}");
        browser.press(TAB);
        passed.push(browser.focus());
    }
    passed
}

#[test]
#[ignore = "needs Chromium: make test"]
fn each_role_sees_the_orders_that_it_may_give_and_gives_them_by_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let known = credentials(folder.path());
    let served = Served::start(&node_file(folder.path(), &format!("[server]\ncredentials = {known:?}\n")), &[]);
    let browser = Browser::start();
    browser.open(&door(&served.url, "admin"));
    // No Mesos is here that could list anybody; the page says so, and says it to everybody.
    browser.read("#trouble", "an't list the nodes of the cluster", 20);
    assert_eq!(browser.told("#trouble").0, "alert");
    each_role_gives_its_orders(&browser, &served.url);
    another_sites_page_orders_nothing(&browser, &served.url);
}

#[test]
#[ignore = "needs real Mesos, Chromium and built modules: make test"]
fn each_role_sees_the_orders_that_it_may_give_in_a_real_master_that_authenticates() {
    let folder = tempfile::tempdir().unwrap();
    let mesos = authenticating(folder.path());
    each_role_gives_its_orders(&Browser::start(), &format!("http://{}", mesos.address));
}

fn each_role_gives_its_orders(browser: &Browser, url: &str) {
    browser.open(&door(url, "admin"));
    browser.read("#who", "admin · admin", 20);
    assert_eq!(browser.text("#deployment-heading"), "No deployment yet");
    landmarks(browser);
    halt_and_resume(browser);
    let halt = ask(browser, "POST", "/deploy/halt", &json!({"reason": "again"})).1;

    // A monitor brakes, and lets nobody go.
    let monitor = Browser::start();
    monitor.open(&door(url, "monitor"));
    monitor.read("#who", "monitor · monitor", 20);
    monitor.read("#halts", "again", 20);
    assert!(monitor.shows("#halt") && !monitor.shows("#halts button"));

    // A reader sees the halt and no order at all; and what the page hides the server refuses.
    let reader = Browser::start();
    reader.open(&door(url, "reader"));
    reader.read("#who", "reader · reader", 20);
    reader.read("#halts", "again", 20);
    for order in ["#halt", "#halts button", "#commands button"] {
        assert!(!reader.shows(order), "a reader sees `{order}`");
    }
    let resume = json!({"halt_id": halt["id"], "note": ""});
    for (path, body) in [
        ("/deploy/halt", &json!({"reason": "me too"})),
        ("/deploy/resume", &resume),
        ("/deploy/deployments/d1/abort", &json!({})),
    ] {
        let (status, problem) = ask(&reader, "POST", path, body);
        assert_eq!((status, problem["type"].as_str()), (403, Some("urn:dcos-bits:forbidden")), "{path}");
    }
}

/// What can be heard: the regions, and names of all that can be used.
fn landmarks(browser: &Browser) {
    for (selector, role, name) in [
        ("main", "main", ""),
        ("header", "banner", ""),
        ("aside", "complementary", "What happens"),
        ("#deployment", "region", "No deployment yet"),
        ("#fleet", "region", "Fleet over time"),
        ("#nodes", "region", "Nodes"),
        ("#grid", "grid", "Nodes. Arrow keys move, Enter opens a node"),
        ("#search", "searchbox", "Find"),
        ("#fleet-by", "radiogroup", "Show nodes by"),
        ("#events", "log", "Events"),
        ("#said", "status", ""),
        ("#halt", "button", "Halt…"),
    ] {
        assert_eq!(browser.told(selector), (role.to_owned(), name.to_owned()), "{selector}");
    }
    let nameless = "return [...document.querySelectorAll('button, input, a, [tabindex=\"0\"]')]\
        .filter((element) => element.checkVisibility() && !element.textContent.trim() && !element.labels?.length\
            && !element.ariaLabel && !element.getAttribute('aria-labelledby')).map((element) => element.outerHTML)";
    assert_eq!(browser.script(nameless, &json!([])), json!([]), "what can be used has a name");
}

/// Halts and lets go again, without a mouse.
fn halt_and_resume(browser: &Browser) {
    browser.script("document.activeElement.blur()", &json!([]));
    let passed = tab_to(browser, "halt");
    assert_eq!(passed, ["Skip to the nodes", "halt"], "the brake comes first");
    browser.press(ENTER);
    assert_eq!(browser.focus(), "ask-input");
    assert_eq!(browser.told("#ask"), ("dialog".to_owned(), "Halt the cluster".to_owned()));
    // Without a reason nobody halts; Escape gives the focus back.
    browser.press(ENTER);
    assert!(browser.shows("#ask"));
    browser.press(ESCAPE);
    until("the dialog is closed", 5, || (!browser.shows("#ask")).then_some(()));
    assert_eq!(browser.focus(), "halt");
    browser.press(ENTER);
    browser.press(REASON);
    browser.press(ENTER);
    let shown = browser.read("#halts", "rack 4", 20);
    assert!(shown.contains(REASON), "the reason as it was given: {shown}");
    assert_eq!(
        browser.script("return [document.querySelectorAll('#halts img').length, document.title]", &json!([]))[0],
        0
    );
    let (_, halts) = ask(browser, "GET", "/deploy/halt", &Value::Null);
    assert_eq!((&halts["halts"][0]["reason"], &halts["halts"][0]["by"]), (&json!(REASON), &json!("admin")));

    let name = format!("Clear halt {}", halts["halts"][0]["id"].as_str().unwrap());
    assert_eq!(browser.told("#halts button"), ("button".to_owned(), name));
    until("the dialog is closed", 5, || (!browser.shows("#ask")).then_some(()));
    tab_to(browser, "Resume…");
    browser.press(ENTER);
    browser.press("it was replaced");
    browser.press(ENTER);
    until("the halt is gone", 20, || (!browser.shows("#halts .halt")).then_some(()));
    let (_, audit) = ask(browser, "GET", "/deploy/audit", &Value::Null);
    let last = audit["entries"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["path"], &last["by"], &last["status"]), (&json!("/deploy/resume"), &json!("admin"), &json!(200)));
}

/// The browser knows the admin's name and secret, and would bring them along.
fn another_sites_page_orders_nothing(browser: &Browser, url: &str) {
    let other = Fake::start(Answers::default());
    browser.open(&format!("{}/nothing", other.url));
    let order = "const form = document.body.appendChild(document.createElement('form'));\
                 form.method = 'POST'; form.action = arguments[0]; form.submit()";
    browser.script(order, &json!([format!("{url}/deploy/deployments/d1/abort")]));
    browser.read("body", "urn:dcos-bits:foreign-page", 10);
    browser.open(&door(url, "admin"));
    browser.read("#who", "admin", 20);
    let (_, audit) = ask(browser, "GET", "/deploy/audit", &Value::Null);
    let last = audit["entries"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["path"], &last["by"], &last["status"]),
        (&json!("/deploy/deployments/d1/abort"), &json!("admin"), &json!(403))
    );
}
