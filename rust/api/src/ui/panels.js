// The parts of the page beside the table and the chart: each writes what it is given into its place, and nothing twice.

import { button, byId, clock, count, make, say, span } from "./dom.js";
import { budgetOf, isOver, may, ordersFor, reasonsOf, STATES, title, wavesOf } from "./model.js";

// How many events the page keeps in sight, and reasons, and waves.
const EVENTS_SHOWN = 300;
const REASONS = 4;
const WAVES = 24;

// Rebuilds a place only when what it shows has changed, so that focus and selection stay where they are.
function rebuild(place, key, parts) {
  const text = JSON.stringify(key);
  if (place.builtFrom !== text) {
    place.builtFrom = text;
    place.replaceChildren(...parts());
  }
}

export function showWho(who) {
  const name = who.principal ?? "no name";
  const isOpen = !who.principal && who.role === "admin";
  say(byId("who"), isOpen ? "anybody may change this cluster" : `${name} · ${who.role}`);
  byId("who").className = isOpen ? "careful" : "";
  byId("halt").hidden = !may(who, "monitor");
}

export function showHalts(halts, who, resume) {
  const place = byId("halts");
  rebuild(place, [halts, who?.role], () =>
    halts.map((halt) =>
      make("div", { class: "halt" },
        make("p", {}, make("b", {}, "Halted. "), make("q", {}, halt.reason), ` ${halt.by ?? "somebody"}, ${clock(new Date(halt.at))} (${halt.id}). `,
          "No node is started until an admin clears this."),
        may(who, "admin") && button("Resume…", { "aria-label": `Clear halt ${halt.id}` }, () => resume(halt))),
    ));
}

const ORDER_TEXT = { start: "Start", pause: "Pause", abort: "Abort…", rollback: "Roll back…", retry: "Retry…" };

// What is behind a wave comes first, what is before it last.
const AHEAD = ["fetching", "waiting"];
const ALONG = [...STATES.filter((state) => !AHEAD.includes(state.id)).reverse(), ...STATES.filter((state) => AHEAD.includes(state.id))];

function waves(deployment) {
  const { waves: all, current } = wavesOf(deployment);
  const first = Math.max(0, Math.min(current - WAVES / 2, all.length - WAVES));
  const items = all.slice(first, first + WAVES).map((wave, index) => {
    const place = first + index;
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    for (const state of ALONG) {
      const amount = wave.states.get(state.id);
      if (amount) {
        const part = make("i", { class: `c-${state.id}` });
        part.style.flexGrow = String(amount);
        bar.append(part);
      }
    }
    const isNow = place === current && !isOver(deployment);
    const item = make("li", { class: isNow ? "now" : "", "aria-current": isNow && "step" }, bar,
      make("span", { class: "wave" }, `${place + 1} ${wave.label} `, make("b", {}, `${wave.over}/${wave.names.length}`)));
    item.style.flexGrow = String(1 + Math.log2(wave.names.length));
    return item;
  });
  return make("ol", { class: "waves", "aria-label": `${count(all.length, "wave")}; how many nodes of each had their turn` }, ...items);
}

function meter(text, value, limit) {
  const isFull = value >= limit && value > 0;
  return make("li", { class: isFull ? "full" : "" }, `${text} `, make("b", {}, value.toLocaleString("en")), ` of ${limit.toLocaleString("en")}`);
}

function strategy(deployment) {
  const how = deployment.strategy;
  const facts = [
    how.soak && `soak ${span(how.soak * 1000)}`,
    `node timeout ${span(how.node_timeout * 1000)}`,
    how.pulse && `pulse every ${span(how.pulse * 1000)}`,
    how.windows?.length && `windows ${how.windows.map((one) => `${one.from}–${one.to} UTC ${(one.days ?? []).join(",")}`.trim()).join("; ")}`,
    `on failure: ${how.on_failure.replaceAll("_", " ")}`,
    how.exclude?.length && `${count(how.exclude.length, "node")} excluded`,
    how.allow_task_loss && "tasks may die",
    how.retry_failed && "failed sets are tried again",
  ];
  return facts.filter(Boolean).map((text) => make("li", {}, text));
}

function waiting(deployment) {
  const reasons = reasonsOf(deployment);
  if (reasons.length === 0 || isOver(deployment)) {
    return [];
  }
  const more = reasons.slice(REASONS).reduce((sum, [, amount]) => sum + amount, 0);
  const items = reasons.slice(0, REASONS).map(([reason, amount]) => make("li", {}, make("b", {}, amount.toLocaleString("en")), ` ${reason}`));
  return [
    make("h3", {}, "What the waiting nodes wait for"),
    make("ul", { class: "reasons" }, ...items, more > 0 && make("li", {}, make("b", {}, more.toLocaleString("en")), " for other reasons, see the table")),
  ];
}

export function showDeployment(deployment, who, order) {
  if (!deployment) {
    say(byId("deployment-heading"), "No deployment yet");
    say(byId("deployment-reason"), "`dcos upgrade mesos VERSION` and `dcos install module NAME` begin one.");
    return;
  }
  say(byId("deployment-heading"), `${title(deployment.change)} · ${deployment.id}`);
  say(byId("deployment-state"), deployment.state.replaceAll("_", " "));
  byId("deployment-state").className = `pill d-${deployment.state}`;
  say(byId("deployment-reason"), deployment.reason ?? "");
  const orders = may(who, "operator") ? ordersFor(deployment) : [];
  rebuild(byId("commands"), [deployment.id, orders], () => orders.map((word) => button(ORDER_TEXT[word], {}, () => order(deployment, word))));
  const budget = budgetOf(deployment);
  const began = Date.parse(deployment.created_at);
  const took = span((Date.parse(deployment.finished_at ?? "") || Date.now()) - began);
  byId("deployment-body").replaceChildren(
    waves(deployment),
    make("ul", { class: "facts" },
      meter("away", budget.away, budget.limit),
      meter("failed", budget.failed, budget.failures),
      ...strategy(deployment),
      make("li", {}, `${deployment.created_by ?? "somebody"}, ${clock(new Date(began))}, ${took}`)),
    ...waiting(deployment).filter(Boolean),
  );
}

// What somebody who hears the page is told: that it moved, not every number on its way.
export function announcement(deployment, halts) {
  if (!deployment) {
    return "";
  }
  const { waves: all, current } = wavesOf(deployment);
  const { failed } = budgetOf(deployment);
  const wave = isOver(deployment) ? "" : `, wave ${current + 1} of ${all.length}`;
  const bad = failed > 0 ? `, ${count(failed, "node")} failed` : "";
  const halted = halts.length > 0 ? `, ${count(halts.length, "halt")} in force` : "";
  return `${title(deployment.change)}: ${deployment.state.replaceAll("_", " ")}${wave}${bad}${halted}`;
}

const TONES = [
  [/lost|failed|refused|stopped|aborted/, "bad"],
  [/halt|rolled|rolling|unconfirmed|command/, "careful"],
  [/confirmed|done|resume/, "good"],
];

function toneOf(kind) {
  return TONES.find(([pattern]) => pattern.test(kind))?.[1] ?? "";
}

function eventLine(event) {
  const subject = event.node && !event.text.includes(event.node) ? `${event.node} ` : "";
  const time = make("time", { datetime: event.at, title: event.at }, clock(new Date(event.at)));
  return make("li", { class: toneOf(event.kind) }, time, make("span", {}, subject && make("b", {}, subject), event.text));
}

export function showEvents(fresh) {
  const list = byId("events");
  list.prepend(...fresh.slice(-EVENTS_SHOWN).reverse().map(eventLine));
  while (list.childElementCount > EVENTS_SHOWN) {
    list.lastElementChild.remove();
  }
}

export function showPast(deployments) {
  const line = (one) =>
    make("li", {}, make("span", { class: `pill d-${one.state}` }, one.state.replaceAll("_", " ")), make("span", {}, `${title(one.change)} · ${one.id}`),
      make("time", { datetime: one.created_at }, new Date(one.created_at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })));
  rebuild(byId("past"), deployments.map((one) => [one.id, one.state]), () =>
    deployments.length > 0 ? deployments.slice(0, 50).map(line) : [make("li", { class: "none" }, "none yet")]);
}

// The buttons that narrow the table down to a state, with how many nodes are in each.
export function showChips(tally, chosen, choose) {
  const place = byId("chips");
  for (const state of STATES) {
    let chip = byId(`chip-${state.id}`);
    if (!chip) {
      chip = button("", { id: `chip-${state.id}`, class: `chip is-${state.id}`, title: state.means }, () => choose(state.id));
      chip.append(make("i", { "aria-hidden": "true" }), make("span"), make("b"));
      place.append(chip);
    }
    const amount = tally.get(state.id) ?? 0;
    say(chip.children[1], `${state.text} `);
    say(chip.children[2], amount.toLocaleString("en"));
    chip.hidden = amount === 0 && chosen !== state.id;
    chip.setAttribute("aria-pressed", String(chosen === state.id));
  }
}

export function showTrouble(lines, links) {
  rebuild(byId("trouble"), [lines, links], () =>
    lines.map(({ text, hints }) =>
      make("div", { class: "trouble" }, make("p", {}, make("b", {}, text)), ...hints.map((hint) => make("p", {}, hint)),
        links.length > 0 && make("p", {}, "Masters: ", ...links.flatMap((link) => [make("a", { href: `${link}/deploy/ui`, rel: "noreferrer" }, link), " "])))));
}

export function showLink(state, text) {
  byId("link").dataset.state = state;
  say(byId("link-text"), text);
}

