"use strict";
// Everything works without this; with it, fewer clicks are needed. Texts come from the page.
document.documentElement.classList.add("script");

for (const form of document.querySelectorAll("form[data-auto]"))
  form.addEventListener("change", () => form.requestSubmit());

// What is being worked on is looked at again.
if (document.querySelector("[data-reload]")) setTimeout(() => location.reload(), 2500);

// Asks again before what cannot be undone.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.ask;
  if (question && !window.confirm(question)) event.preventDefault();
});

// What has to be scrolled sideways, is also by the keyboard.
for (const wide of document.querySelectorAll(".scroll"))
  if (wide.scrollWidth > wide.clientWidth) {
    wide.tabIndex = 0;
    wide.role = "group";
    wide.ariaLabel = (wide.querySelector("caption, th") || wide).textContent.trim();
  }

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
