"use strict";
// Asks for the state each second and shows it. All text goes in as text, never as markup.

const OUTCOMES = [["safe_forgot", "Safe: forgot to check out"], ["safe_delayed", "Safe: was held up"],
  ["safe_no_signal", "Safe: no signal"], ["false_alarm", "False alarm"], ["threatened", "Was threatened"],
  ["assaulted", "Was assaulted"], ["injured", "Was injured"], ["taken_ill", "Was taken ill"], ["drill", "Drill"],
  ["other", "Something else"]];
const KNOWN_BY = [["spoke_by_voice", "We spoke, I knew the voice"], ["seen", "I saw them"], ["police", "The police told me"]];
const PLACES = [["home", "At home"], ["office", "At the office"], ["elsewhere_safe", "Elsewhere, safe"],
  ["hospital", "In hospital"], ["still_there", "Still there: watch on"]];

const byId = (id) => document.getElementById(id);
const phones = new Map();
const lines = new Set();
let state = null;
let ahead = 0;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const seconds = (at) => Math.ceil((Date.parse(at) - Date.now() - ahead) / 1000);

function length(all) {
  const whole = Math.abs(all);
  if (whole < 120) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** An instant that is counted down to; tick() keeps it right. */
function countdown(at, until, after) {
  const element = make("b");
  Object.assign(element.dataset, { at, until, after });
  return element;
}

function tick() {
  for (const element of document.querySelectorAll("[data-at]")) {
    const left = seconds(element.dataset.at);
    const words = left > 0 ? element.dataset.until : element.dataset.after;
    const text = words.replace("%", length(left));
    if (element.textContent !== text) element.textContent = text;
  }
}

/** Builds `into` anew only if what it shows has changed. */
function show(into, what, build) {
  const key = JSON.stringify(what);
  if (into.dataset.shown === key) return;
  into.dataset.shown = key;
  into.replaceChildren(...build());
}

function showNext(next) {
  byId("next").classList.toggle("alarm", state.incidents.length > 0);
  byId("next-before").textContent = next.before;
  byId("next-after").textContent = next.after;
  const into = byId("next-in");
  if (next.at) Object.assign(into.dataset, { at: next.at, until: "%", after: "0 s" });
  else { delete into.dataset.at; into.textContent = ""; }
}

const KINDS = { overdue: "Overdue: ", sos: "SOS: ", duress: "DURESS: " };

function held(incident) {
  const { held, owner, waits_until: until } = incident;
  if (held.police) {
    return [make("b", {}, "With the police"), `, log ${held.police.log_number}. ${owner} has it, and is asked about it in `, countdown(until, "%", "0 s"), "."];
  }
  if (held === "owner") return [`${owner} has it. If ${owner} says no more it lapses in `, countdown(until, "%", "0 s"), ", and everybody is called again."];
  return ["Nobody has taken it. ", countdown(until, "The ladder goes on in %.", "Calling now.")];
}

function showNow() {
  show(byId("now"), [state.incidents, state.visits], () => {
    const cards = state.incidents.map((incident) => {
      const lines = [make("h3", {}, make("span", { className: "tag-word" }, KINDS[incident.kind] ?? ""),
        `${incident.worker} ${incident.what}`, " ", countdown(incident.since, "in %", "% ago")), make("p", {}, ...held(incident))];
      if (incident.claim) lines.push(make("p", { className: "claim" }, incident.claim));
      if (incident.called.length) lines.push(make("p", { className: "small" }, `Called so far: ${incident.called.join(", ")}`));
      return make("div", { className: "card alarm" }, ...lines);
    });
    for (const visit of state.visits.filter((one) => !one.alarm)) {
      const late = seconds(visit.due) <= 0;
      cards.push(make("div", { className: `card${late ? " late" : ""}${visit.not_agreed ? " unagreed" : ""}` },
        make("h3", {}, `${visit.worker} is on a visit`),
        make("p", {}, visit.place),
        ...(visit.not_agreed ? [make("p", { className: "flag" }, "Nobody has agreed to it: watched as high risk.")] : []),
        make("p", {}, countdown(visit.due, "Due out in %", "Overdue by %")),
        make("p", { className: "small" }, countdown(visit.others_told, "Others are told in %", "Others are being told"))));
    }
    return cards.length ? cards : [make("p", {}, "Nobody is out, and no alarm is open.")];
  });
  // A visit turns late without any other change.
  for (const card of document.querySelectorAll("#now .card:not(.alarm)")) {
    card.classList.toggle("late", seconds(card.querySelector("[data-at]").dataset.at) <= 0);
  }
}

async function press(body, button) {
  if (button) button.disabled = true;
  let answer = "";
  try {
    const response = await fetch("/demo/press", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (response.ok) answer = (await response.json()).answer;
  } catch { /* the next look says that the server has gone */ }
  if (button) button.disabled = false;
  await look();
  return answer;
}

function button(text, className, act) {
  const element = make("button", { type: "button", className }, text);
  element.addEventListener("click", () => press(act(), element));
  return element;
}

/** A button that sends a text; `text` may be a function, and its label something else. */
function sends(phone, text, className, label = text) {
  return button(label, className, () => ({ person: phone.key, act: "text", text: typeof text === "function" ? text() : text }));
}

function select(name, label, choices) {
  const options = choices.map(([value, text]) => make("option", { value }, text));
  return make("label", {}, label, make("select", { name }, ...options));
}

function workerActs(phone) {
  const { pin: right, duress_pin: duress, places, goes_in, more } = phone.worker;
  const acts = plans(phone.worker);
  if (places.length) {
    const id = `pin-${phone.key}`;
    const pin = make("input", { id, value: right, inputMode: "numeric", autocomplete: "off", maxLength: 8 });
    const withPin = (text, className, label) => sends(phone, () => `${text} ${pin.value}`, className, label);
    acts.push(make("fieldset", {}, make("legend", {}, `Watched: ${places.join(", ")}`),
      make("label", { htmlFor: id }, "PIN (the right one is filled in)"), pin,
      make("div", { className: "three" }, withPin("OUT", "", "OUT"), withPin("OK", "quiet", "OK"), withPin(more, "quiet", more))));
    if (duress) {
      acts.push(make("p", { className: "small" }, `Under threat? Type ${duress}, the duress PIN, instead. This phone shows no difference; look at the managers' phones.`));
    }
  } else {
    acts.push(sends(phone, goes_in, ""));
  }
  acts.push(sends(phone, "SOS", "call"));
  return acts;
}

function closeForm(phone, call) {
  const form = make("form", { className: "form", id: `close-${call.code}` },
    make("p", {}, make("b", {}, `Rang ${call.worker}? Close the alarm: `), countdown(call.until, "yours for % more", "your time is up")),
    select("outcome", "How did it end?", OUTCOMES),
    select("known_by", "How do you know?", KNOWN_BY),
    select("place", "Where is the worker now?", PLACES),
    make("label", {}, "Note", make("input", { name: "note", value: "Rang: all is well.", autocomplete: "off" })),
    make("button", { type: "submit" }, `Close ${call.code}`));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const said = Object.fromEntries(new FormData(form));
    const until = new Date(Date.now() + ahead + state.visit_seconds * 1000).toISOString();
    const worker_now = said.place === "still_there" ? { place: said.place, until } : { place: said.place };
    press({ person: phone.key, act: "close", code: call.code, outcome: said.outcome, known_by: said.known_by, worker_now, note: said.note },
      form.querySelector("button"));
  });
  return form;
}

function callActs(phone, call) {
  if (call.owner && !call.mine && !call.outside) return make("p", {}, `${call.owner} has the alarm about ${call.worker}.`);
  const texts = call.answers.map((text) => sends(phone, text, text.startsWith("ACK") ? "call" : "quiet"));
  if (call.mine && !call.with_police) {
    texts.push(button("The police have it", "quiet", () => ({ person: phone.key, act: "with_police", code: call.code, log_number: "WS 0412" })));
  }
  const meaning = call.mine ? "" : call.outside ? `Says that you are trying to reach ${call.worker}, or what you know. Stops nothing.`
    : `ACK takes the alarm about ${call.worker}.`;
  const parts = [make("div", { className: "texts" }, ...texts), make("p", { className: "small" }, meaning)];
  return make("div", {}, ...(call.mine ? [closeForm(phone, call)] : []), ...parts);
}

function textForm(phone) {
  const id = `text-${phone.key}`;
  const text = make("input", { id, autocomplete: "off", maxLength: 2000 });
  const form = make("form", { className: "compose" }, make("label", { htmlFor: id }, `Text Homeward from ${phone.name}'s phone`),
    text, make("button", { type: "submit", className: "quiet" }, "Send"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!text.value.trim()) return;
    const written = text.value;
    text.value = "";
    await press({ person: phone.key, act: "text", text: written }, form.querySelector("button"));
  });
  return form;
}

function newPhone(phone) {
  const bubbles = make("ol", { className: "bubbles", tabIndex: 0 });
  bubbles.setAttribute("aria-label", `Messages of ${phone.name}`);
  const mails = make("ol");
  const summary = make("summary", {}, "No mail");
  const acts = make("div", { className: "acts" });
  const card = make("article", { className: "phone", id: `phone-${phone.key}` },
    make("header", {}, make("h3", {}, phone.name), make("p", { className: "small" }, phone.role),
      make("p", { className: "small" }, phone.number)),
    bubbles, make("details", { className: "mails" }, summary, mails), acts, textForm(phone));
  byId("phones").append(card);
  byId("jump").append(make("a", { href: `#phone-${phone.key}` }, phone.name));
  const parts = { card, bubbles, mails, summary, acts, last: 0, lastMail: 0, follow: true };
  // Whoever scrolls back to read is left in peace.
  bubbles.addEventListener("scroll", () => {
    parts.follow = bubbles.scrollHeight - bubbles.scrollTop - bubbles.clientHeight < 40;
  });
  phones.set(phone.key, parts);
  return parts;
}

function showPhone(phone) {
  const parts = phones.get(phone.key) || newPhone(phone);
  parts.card.classList.toggle("called", phone.calls.some((call) => !call.owner));
  for (const bubble of phone.bubbles.filter((one) => one.id > parts.last)) {
    const alarm = bubble.from === "text" && bubble.text.includes("ACK ");
    const from = bubble.from === "me" ? "sent" : bubble.from === "text" ? "text" : "answer";
    parts.bubbles.append(make("li", { className: `${bubble.from}${alarm ? " alarm" : ""}` }, bubble.text, make("time", {}, `${bubble.at} ${from}${bubble.by ? ` by ${bubble.by}` : ""}`)));
    parts.last = bubble.id;
  }
  while (parts.bubbles.children.length > 60) parts.bubbles.firstChild.remove();
  for (const mail of phone.mails.filter((one) => one.id > parts.lastMail)) {
    parts.mails.prepend(make("li", {}, make("b", {}, `${mail.at} ${mail.subject}`), `\n${mail.text}`));
    parts.lastMail = mail.id;
  }
  const count = phone.mails.length;
  parts.mails.parentElement.hidden = count === 0;
  parts.summary.textContent = count ? `Mail (${count}): ${phone.mails[count - 1].subject}` : "No mail";
  // `until` moves while a form is filled in; it must not take what was typed with it. Nor must the end of the promise.
  const shape = [phone.worker?.places, phone.worker?.planned, phone.calls.map(({ code, owner, mine, answers, with_police }) => [code, owner, mine, answers, with_police])];
  const form = parts.acts.querySelector("form");
  const call = form && phone.calls.find(({ code }) => form.id === `close-${code}`);
  if (call?.mine) form.querySelector("[data-at]").dataset.at = call.until;
  if (!call || !form.contains(document.activeElement)) {
    show(parts.acts, shape, () => [...(phone.worker ? workerActs(phone) : []), ...phone.calls.map((one) => callActs(phone, one))]);
  }
}

function showLog() {
  const log = byId("log");
  for (const line of state.log.filter((one) => !lines.has(one.id)).reverse()) {
    lines.add(line.id);
    const big = /^incident\.(opened|raised|lapsed|unconfirmed|reached_nobody)|^pin\.refused/.test(line.kind);
    log.prepend(make("li", { className: big ? "big" : "" }, make("time", {}, line.at), make("span", { className: "kind" }, line.kind),
      make("span", {}, line.who), make("span", { className: "body" }, line.body)));
  }
  while (log.children.length > 200) log.lastChild.remove();
}

async function look() {
  try {
    const response = await fetch("/demo/state", { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(response.statusText);
    const fresh = await response.json();
    if (state && state.run !== fresh.run) return location.reload();
    state = fresh;
  } catch {
    byId("gone").textContent = "Homeward has stopped answering: nothing is being watched. Start it again with “homeward demo”; this page goes on by itself.";
    byId("gone").hidden = false;
    byId("next").hidden = true;
    return;
  }
  byId("gone").hidden = true;
  byId("next").hidden = false;
  ahead = Date.parse(state.now) - Date.now();
  byId("minute").textContent = state.minute;
  if (document.activeElement !== byId("gateway")) byId("gateway").checked = state.first_gateway === "down";
  showNext(state.next);
  showNow();
  state.phones.forEach(showPhone);
  // After all of them: one phone's height depends on the others in its row.
  for (const { bubbles, follow } of phones.values()) {
    if (follow) bubbles.scrollTop = bubbles.scrollHeight;
  }
  showDesk();
  showLog();
  tick();
}

async function watch() {
  await look();
  setTimeout(watch, 1000);
}

byId("gateway").addEventListener("change", async ({ target }) => {
  try {
    await fetch("/demo/first-gateway", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(target.checked ? "down" : "up") });
  } catch { /* the next look says that the server has gone */ }
  target.blur();
});

setInterval(tick, 250);
watch();
