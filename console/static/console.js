"use strict";
// Everything works without this; with it, fewer clicks are needed. Texts come from the page.
document.documentElement.classList.add("script");

for (const form of document.querySelectorAll("form[data-auto]"))
  form.addEventListener("change", () => form.requestSubmit());

// Asks again before what cannot be undone.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.ask;
  if (question && !window.confirm(question)) event.preventDefault();
});

function copyButtons(within) {
  for (const button of within.querySelectorAll("button.copy")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      const before = button.textContent;
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  }
}
copyButtons(document);

// Try: drop, paste, choose; the result comes without loading the page.
const drop = document.getElementById("drop");
if (drop) {
  const result = document.getElementById("result");
  async function send(data) {
    result.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(drop.action, { method: "POST", body: data });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("result");
      const fault = page.querySelector("main .notice.alarm");
      result.replaceChildren(...(fresh && fresh.childElementCount ? fresh.children : fault ? [fault] : []));
      copyButtons(result);
      for (const summary of result.querySelectorAll(".result")) summary.scrollIntoView({ block: "nearest" });
    } catch (error) {
      drop.submit();
    } finally {
      result.removeAttribute("aria-busy");
    }
  }
  function sendFile(file) {
    const data = new FormData(drop);
    data.delete("camera");
    data.set("image", file, file.name || "image.png");
    send(data);
  }
  drop.addEventListener("submit", (event) => {
    const button = event.submitter;
    const data = new FormData(drop);
    if (button && button.name) {
      data.delete("image");
      data.delete("camera");
      data.append(button.name, button.value);
    }
    event.preventDefault();
    send(data);
  });
  for (const input of drop.querySelectorAll("input[type=file]"))
    input.addEventListener("change", () => { if (input.files.length) sendFile(input.files[0]); });
  for (const name of ["dragenter", "dragover"])
    document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"])
    document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    const file = event.dataTransfer.files[0];
    if (file) sendFile(file);
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file) sendFile(file);
  });
}
