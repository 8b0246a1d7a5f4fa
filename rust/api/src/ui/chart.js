// A stacked area over time. The drawing is for eyes; its caption says the same in words and numbers.

import { clock, count, draw, make } from "./dom.js";

const WIDTH = 800;
const HEIGHT = 150;
const LEFT = 44;
const BOTTOM = 18;

// The places on the time axis that get a label: round steps, about five.
function ticks(begin, end) {
  const steps = [5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400].map((seconds) => seconds * 1000);
  const step = steps.find((candidate) => (end - begin) / candidate <= 6) ?? 7 * 86400000;
  const found = [];
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) {
    found.push(at);
  }
  return found;
}

// The band of one kind between its lower and its upper edge. Counts hold until the next sample, so edges are steps.
function band(samples, end, lower, upper, x, y) {
  const edge = (values) =>
    samples.flatMap((sample, place) => {
      const height = y(values[place]);
      return [`${x(sample.at).toFixed(1)},${height}`, `${x(samples[place + 1]?.at ?? end).toFixed(1)},${height}`];
    });
  return `M${edge(upper).join("L")}L${edge(lower).reverse().join("L")}Z`;
}

// Draws `samples` as bands of `kinds` (bottom first; each with id, text and class) into `place`, its words into `legend`.
export function paint(place, legend, samples, kinds, now) {
  const last = samples.at(-1);
  const end = Math.max(now, (samples[0]?.at ?? now) + 10000);
  const begin = samples[0]?.at ?? now - 10000;
  const total = Math.max(1, ...samples.map((sample) => [...sample.counts.values()].reduce((sum, value) => sum + value, 0)));
  const x = (at) => LEFT + ((at - begin) / (end - begin)) * (WIDTH - LEFT);
  const y = (value) => ((HEIGHT - BOTTOM) * (1 - value / total)).toFixed(1);
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  let lower = samples.map(() => 0);
  for (const kind of kinds) {
    const upper = samples.map((sample, index) => lower[index] + (sample.counts.get(kind.id) ?? 0));
    if (upper.some((value, index) => value > lower[index])) {
      svg.append(draw("path", { class: `band ${kind.class}`, d: band(samples, end, lower, upper, x, y) }));
    }
    lower = upper;
  }
  const labels = make("div", { class: "labels", "aria-hidden": "true" });
  const label = (left, top, text, kind) => {
    const made = make("span", { class: kind }, text);
    made.style.left = `${(left / WIDTH) * 100}%`;
    made.style.top = `${(top / HEIGHT) * 100}%`;
    labels.append(made);
  };
  for (const value of total > 3 ? [0, Math.round(total / 2), total] : [0, total]) {
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
    label(LEFT, Number(y(value)), value.toLocaleString("en"), "amount");
  }
  for (const at of ticks(begin, end)) {
    label(x(at), HEIGHT - BOTTOM, clock(new Date(at)).slice(0, end - begin > 600000 ? 5 : 8), "time");
  }
  place.replaceChildren(svg, labels);
  const shown = [...kinds].reverse().filter((kind) => samples.some((sample) => sample.counts.get(kind.id)));
  legend.replaceChildren(
    ...shown.map((kind) => {
      const amount = last?.counts.get(kind.id) ?? 0;
      return make("span", { class: amount === 0 ? "key none" : "key" }, make("i", { class: kind.class, "aria-hidden": "true" }),
        `${kind.text} `, make("b", {}, amount.toLocaleString("en")));
    }),
    make("span", { class: "unseen" }, `${count(total, "node")} since ${clock(new Date(begin))}`),
  );
}
