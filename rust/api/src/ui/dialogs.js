// The two dialogs: one that asks before something changes, one that shows a node. The browser keeps the focus in them
// and gives it back; Escape closes.

import { byId, make, say, span } from "./dom.js";
import { stateOf } from "./model.js";

// Asks, and acts on yes. What `act` throws is shown, and the dialog stays.
export function question({ title, text, what, isNeeded, yes, isDangerous, act }) {
  const [dialog, input, sure, error] = [byId("ask"), byId("ask-input"), byId("ask-yes"), byId("ask-error")];
  say(byId("ask-title"), title);
  say(byId("ask-text"), text);
  say(byId("ask-what"), what ?? "");
  say(sure, yes);
  say(error, "");
  sure.className = isDangerous ? "danger" : "";
  byId("ask-label").hidden = !what;
  input.value = "";
  input.required = Boolean(isNeeded);
  const close = () => dialog.close();
  const submit = async (event) => {
    event.preventDefault();
    sure.disabled = true;
    say(sure, "working…");
    try {
      await act(input.value.trim());
      close();
    } catch (trouble) {
      say(error, [trouble.message, ...(trouble.hints ?? [])].join("; "));
    } finally {
      sure.disabled = false;
      say(sure, yes);
    }
  };
  byId("ask-form").addEventListener("submit", submit);
  byId("ask-no").addEventListener("click", close);
  dialog.addEventListener(
    "close",
    () => {
      byId("ask-form").removeEventListener("submit", submit);
      byId("ask-no").removeEventListener("click", close);
    },
    { once: true },
  );
  dialog.showModal();
  (what ? input : sure).focus();
}

export function isAsking() {
  return byId("ask").open;
}

function facts(pairs) {
  const list = make("dl");
  for (const [name, value] of pairs) {
    if (value) {
      list.append(make("dt", {}, name), make("dd", {}, value));
    }
  }
  return list;
}

function packages(set) {
  return set?.length ? make("ul", { class: "set" }, ...set.map((id) => make("li", {}, id))) : undefined;
}

function checks(attempt) {
  if (!attempt?.checks?.length) {
    return undefined;
  }
  const line = (check) =>
    make("tr", {}, make("th", { scope: "row" }, check.name), make("td", { class: `answer-${check.answer}` }, check.answer.replaceAll("_", " ")),
      make("td", {}, check.detail ?? ""));
  return make("table", { class: "checks" }, make("caption", {}, "Checks of its last restart"), make("tbody", {}, ...attempt.checks.map(line)));
}

// Shows a node: where it stands, and everything that somebody would ask next.
export function nodeDialog(row) {
  const { node, member } = row;
  const attempt = node?.last_attempt;
  const state = stateOf(row.state);
  say(byId("node-title"), row.name);
  const log = member?.log ?? [];
  const same = JSON.stringify(node?.set) === JSON.stringify(node?.desired);
  const parts = [
    make("p", { class: `state is-${state.id}` }, make("i", { "aria-hidden": "true" }), make("b", {}, state.text), `: ${state.means}`),
    row.why && make("p", { class: "reason" }, row.why),
    facts([
      ["Role", row.role],
      ["Group", row.group],
      ["Mesos", row.mesos],
      ["Agent id", node?.agent_id],
      ["In the deployment", member && `${member.state.replaceAll("_", " ")} for ${span(Date.now() - Date.parse(member.updated_at))}`],
      ["Attempt", member?.attempt ?? attempt?.attempt],
      ["Last restart", attempt && `${attempt.state.replaceAll("_", " ")}: ${attempt.detail ?? ""}`],
      ["Was absent for", attempt?.absence_ms && `${attempt.absence_ms} ms`],
      ["Active set", packages(node?.set ?? member?.from)],
      ["Desired set", !same && packages(node?.desired)],
      ["Goes to", member && row.state !== "well" && packages(member.to)],
      ["On a terminal", make("code", {}, `dcos deploy explain ${row.name}`)],
    ]),
    checks(attempt),
    log.length > 0 && make("h3", {}, "Last lines of its Mesos"),
    log.length > 0 && make("pre", {}, log.join("\n")),
  ];
  byId("node-body").replaceChildren(...parts.filter(Boolean));
  byId("node").showModal();
  byId("node-close").focus();
}
