"use strict";
// Data: how far an export is. The browser waits for the file by itself, and goes on showing the page.
const exporting = document.getElementById("exporting");
if (exporting) {
  const form = document.getElementById("export");
  const bar = exporting.querySelector("progress");
  const text = exporting.querySelector("span");
  const stop = exporting.querySelector("button");
  let turn = 0;
  let running = false;
  // Also when the page is left: the server cannot tell who waits from who has gone.
  const leave = () => {
    if (!running) return;
    running = false;
    const data = new FormData(form);
    data.set("what", "stop");
    navigator.sendBeacon(form.action, data);
  };
  addEventListener("pagehide", leave);
  const end = (message) => {
    turn += 1;
    running = false;
    bar.hidden = stop.hidden = true;
    text.textContent = message;
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  };
  form.addEventListener("submit", () => {
    const own = turn += 1;
    running = true;
    // By this, the page asks how far it is.
    form.elements.namedItem("export").value = [...crypto.getRandomValues(new Uint8Array(8))].map((one) => one.toString(16).padStart(2, "0")).join("");
    const query = new URLSearchParams({ model: form.elements.namedItem("model").value, export: form.elements.namedItem("export").value });
    exporting.hidden = bar.hidden = stop.hidden = false;
    bar.removeAttribute("value");
    text.textContent = exporting.dataset.begun;
    // Once the form is on its way with the button's value.
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = own === turn; });
    const look = async () => {
      const answer = await fetch(`/console/data?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
      if (own !== turn) return;
      const { done, whole, ended } = answer && answer.ok ? await answer.json() : {};
      if (own !== turn) return;
      if (whole !== undefined) {
        bar.max = Math.max(1, whole);
        bar.value = done;
        const number = (value) => value.toLocaleString(document.documentElement.lang);
        text.textContent = exporting.dataset.reached.replace("{n}", number(done)).replace("{m}", number(whole));
      }
      if (ended) {
        end(exporting.dataset.ended);
        return;
      }
      setTimeout(look, 400);
    };
    look();
  });
  stop.addEventListener("click", () => {
    leave();
    window.stop();
    end(exporting.dataset.stopped);
  });
}
