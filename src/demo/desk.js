"use strict";
// The manager's desk, and what a worker reads of their plans. Everything it calls is in page.js.

const ofCount = (count) => count ? `(${count})` : "(nothing)";

/** Acts as somebody at the desk, and says what became of it. */
async function actAtDesk(body, button) {
  // Before: where somebody is at, nothing is shown anew.
  byId("desk-answer").focus();
  const answer = await press(body, button);
  byId("desk-answer").textContent = answer || "";
}

/** A field for words with buttons that send them: each [label, className, act, needs words]. */
function wordsForm(visit, person, label, acts) {
  const id = `words-${acts[0][2]}-${visit}`;
  const words = make("input", { id, autocomplete: "off", maxLength: 2000 });
  const buttons = acts.map(([text, className, act, needed]) => {
    const button = make("button", { type: "button", className }, text);
    button.addEventListener("click", () => {
      words.required = needed;
      if (words.reportValidity()) actAtDesk({ person, act, visit, words: words.value }, button);
    });
    return button;
  });
  const form = make("form", { className: "form" }, make("label", { htmlFor: id }, label), words,
    make("div", { className: "two" }, ...buttons));
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}

const list = (lines) => lines.length ? [make("ul", {}, ...lines.map((line) => make("li", {}, line)))] : [];
const about = (one) => `${one.worker}, ${one.begins}: ${one.place || "no place said"}${one.reference ? `, ${one.reference}` : ""}`;

function waitingCard(one) {
  const [key, name] = one.decides;
  const parts = [make("h4", {}, about(one))];
  if (one.at_the_door) parts.push(make("p", { className: "flag" }, "At the door: nobody has agreed. Watched as high risk until somebody decides."));
  parts.push(make("p", {}, one.can_be_agreed ? `${name} decides, because` : "Nobody can agree to it as it stands, because"), ...list(one.because), ...list(one.said));
  const agree = one.can_be_agreed ? [["Agree", "", "agree", one.needs_words]] : [];
  parts.push(wordsForm(one.visit, key, "In words (a refusal needs them)", [...agree, ["Refuse", "call", "refuse", true]]));
  return make("div", { className: `card ${one.at_the_door ? "alarm" : "waits"}` }, ...parts);
}

function exceptionCard(one) {
  const [key, name] = one.reviews;
  return make("div", { className: "card late" }, make("h4", {}, one.kind), make("p", {}, about(one)), ...list(one.said),
    make("p", {}, `${one.agreed}. Outcome: ${one.outcome}.`),
    wordsForm(one.visit, key, `What ${name} finds, in words`, [["Reviewed", "quiet", "review", true]]));
}

function refusedCard(one) {
  return make("div", { className: "card alarm" }, make("h4", {}, about(one)), ...list(one.because),
    make("p", {}, `${one.by} said no: ${one.words}`));
}

function dueRow(one) {
  const cell = (text, label, className = "") => {
    const td = make("td", { className }, ...(text ? [text] : []));
    if (label) td.dataset.label = label;
    return td;
  };
  const why = make("td", { className: "why" }, ...one.why.map((line) => make("p", {}, line)));
  return make("tr", {}, make("th", { scope: "row" }, one.reference, make("span", { className: "small" }, `Risk: ${one.risk}`)), cell(one.state, "", `state due-${one.bucket}`), cell(one.by, "Due by", "day"),
    why, cell(one.worker, "Worker:"), cell(one.planned, "Planned:"));
}

/** Whoever is typing in a part of the desk is left in peace till they are done. */
function showPart(id, what, build) {
  if (!byId(id).contains(document.activeElement)) show(byId(id), what, build);
}

function showDesk() {
  const { queue, due, exceptions, refused } = state.desk;
  for (const [id, rows, card] of [["queue", queue, waitingCard], ["exceptions", exceptions, exceptionCard], ["refused", refused, refusedCard]]) {
    byId(`${id}-count`).textContent = ofCount(rows.length);
    showPart(id, rows, () => rows.map(card));
  }
  showPart("due-rows", due, () => due.map(dueRow));
}

/** A worker's own plans, with whether they are agreed. */
function plans(worker) {
  if (!worker.planned.length) return [];
  const rows = worker.planned.map((one) => make("li", { className: one.state }, make("b", {}, `${one.begins}, ${one.place || "no place said"}`), one.words));
  return [make("p", {}, make("b", {}, "My visits")), make("ul", { className: "planned" }, ...rows)];
}
