"use strict";
// Label: the next image at once, and each label sent in the background until it is acknowledged.
const labelling = document.getElementById("labelling");
if (labelling) {
  const say = labelling.dataset;
  const store = `pupila-labels-${say.model}`;
  const field = (name) => labelling.elements.namedItem(name);
  const strip = document.getElementById("strip");
  const picture = document.getElementById("picture");
  const frame = labelling.querySelector(".frame");
  const typed = document.getElementById("typed");
  const undo = document.getElementById("undo");
  const progress = document.getElementById("progress");
  const buttons = [...labelling.querySelectorAll("button")];
  const skipped = [];
  const done = [];
  let count = Number(progress.dataset.count);
  let outbox = JSON.parse(localStorage.getItem(store) || "[]");
  let sending = false;
  let asking = false;

  const item = (element) => ({ id: element.dataset.id, why: element.dataset.why, at: element.dataset.at });
  let items = [...strip.children].map(item);
  if (field("id").value)
    items.unshift({ id: field("id").value, why: document.getElementById("why").textContent, at: document.getElementById("when").textContent });
  const known = new Set(items.map((one) => one.id));

  function status() {
    document.getElementById("saving").textContent = !outbox.length ? say.saved
      : sending === "waiting" ? say.waiting.replace("{n}", outbox.length) : `${say.saving} ${outbox.length}`;
    progress.firstChild.textContent = `${progress.dataset.text.replace("{n}", count)} · `;
  }

  function show() {
    const one = items[0];
    field("id").value = one ? one.id : "";
    document.getElementById("why").textContent = one ? one.why : "";
    document.getElementById("when").textContent = one ? one.at : "";
    for (const button of buttons) if (button !== undo) button.disabled = !one;
    undo.hidden = !done.length;
    typed.value = "";
    if (picture) {
      picture.hidden = !one;
      if (one) picture.src = `/console/image/${one.id}`;
    } else if (one) location.reload();
    if (!one && !document.getElementById("nothing")) {
      const text = document.createElement("p");
      text.id = "nothing";
      text.className = "lead";
      text.textContent = say.empty;
      frame.append(text);
    } else if (one) document.getElementById("nothing")?.remove();
    strip.replaceChildren(...items.slice(1, 13).map((next) => {
      const place = document.createElement("li");
      const image = document.createElement("img");
      image.src = `/console/image/${next.id}?size=small`;
      image.alt = "";
      image.className = picture ? picture.className : "";
      place.append(image);
      return place;
    }));
    if (items[1]) new Image().src = `/console/image/${items[1].id}`;
    status();
    if (items.length < 12) more();
  }

  async function more() {
    if (asking) return;
    asking = true;
    let again = 1000;
    try {
      const without = [...skipped, ...outbox.map((one) => one.id), ...items.map((one) => one.id), ...done.slice(-60).map((one) => one.id)];
      const query = new URLSearchParams({ model: say.model, skip: without.slice(-380).join(",") });
      const answer = await fetch(`/console/label?${query}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = (await answer.json()).items.filter((one) => !known.has(String(one.id)));
      const empty = !items.length;
      for (const one of fresh) {
        known.add(String(one.id));
        items.push({ id: String(one.id), why: one.why, at: one.at });
      }
      if (fresh.length && empty) show();
      again = items.length ? 0 : 5000;
    } catch (error) { /* asked again below */ } finally {
      asking = false;
      // Nothing is left, or the server is away: what comes next is shown by itself.
      if (again) setTimeout(more, again);
    }
  }

  // One after the other, in order, until the server says that it is in the database.
  async function flush() {
    if (sending) return;
    sending = true;
    let wait = 250;
    while (outbox.length) {
      const one = outbox[0];
      const body = new URLSearchParams({ token: field("token").value, model: say.model, id: one.id, what: one.what, label: one.label });
      let answer = null;
      try {
        answer = await fetch(labelling.action, { method: "POST", body, headers: { Accept: "application/json" } });
      } catch (error) { /* no connection: tried again below */ }
      if (answer && answer.status < 500 && answer.status !== 429) {
        if (!answer.ok) {
          const lost = document.getElementById("lost");
          lost.hidden = false;
          const said = await answer.json().catch(() => ({}));
          const text = document.createElement("span");
          text.lang = said.language || "";
          text.textContent = said.detail || answer.status;
          lost.replaceChildren(`${say.lost} `, text);
        }
        outbox = outbox.filter((other) => other !== one);
        localStorage.setItem(store, JSON.stringify(outbox));
        sending = true;
        wait = 250;
        status();
        continue;
      }
      sending = "waiting";
      status();
      await new Promise((resolve) => { setTimeout(resolve, wait); });
      wait = Math.min(2 * wait, 4000);
    }
    sending = false;
    status();
  }

  function put(one, what, label = "") {
    outbox.push({ id: one.id, what, label });
    localStorage.setItem(store, JSON.stringify(outbox));
    flush();
  }

  function answer(what, label) {
    const one = items[0];
    if (!one) return;
    items = items.slice(1);
    done.push({ ...one, what });
    if (what === "skip") skipped.push(one.id);
    else {
      count += 1;
      put(one, what, label);
    }
    show();
  }

  function back() {
    const one = done.pop();
    if (!one) return;
    if (one.what === "skip") skipped.splice(skipped.indexOf(one.id), 1);
    else {
      count -= 1;
      // The first of the outbox may be on its way already.
      const at = outbox.findIndex((other) => other.id === one.id);
      if (at > 0) outbox.splice(at, 1);
      else put(one, "undo");
    }
    items = [one, ...items.filter((other) => other.id !== one.id)];
    show();
  }

  labelling.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter;
    if (event.submitter === null || !button.name) return;
    if (button.value === "undo") back();
    else if (button.name === "label") answer("label", button.value);
    else answer(button.value, "");
  });

  const classes = [...document.querySelectorAll("#classes option")].map((one) => one.value);
  typed.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { typed.value = ""; typed.blur(); }
    if (event.key !== "Enter") return;
    event.preventDefault();
    const text = typed.value.trim();
    if (!text) return;
    const starts = classes.filter((one) => one.toLowerCase().startsWith(text.toLowerCase()));
    const exact = classes.find((one) => one.toLowerCase() === text.toLowerCase());
    // Something that is no class is a label too, if it is written out in full.
    typed.blur();
    answer("label", exact || (starts.length === 1 ? starts[0] : text));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const within = event.target.closest("input, select, textarea");
    if (within) return;
    const button = buttons.find((one) => one.dataset.key === event.key && !one.hidden && !one.disabled);
    if (button) {
      event.preventDefault();
      button.click();
    } else if (/^\p{L}$/u.test(event.key) && classes.some((one) => !/^-?\d+$/.test(one))) typed.focus();
  });
  addEventListener("beforeunload", (event) => { if (outbox.length) event.preventDefault(); });
  flush();
  show();
}
